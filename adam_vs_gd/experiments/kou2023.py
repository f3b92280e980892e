"""The heatmaps of "Benign overfitting in two-layer ReLU convolutional neural networks", against the published numbers.

Y. Kou, Z. Chen, Y. Chen, Q. Gu, ICML 2023 (arXiv:2303.04145): test errors and training losses over d and ‖μ‖, each of
10⁴ cells the mean of ten trainings, published as tables beside the code (github.com/uclaml/Benign_ReLU_CNN, "Source
file"). Here every cell is trained anew (`kou2023_training`), and held against theirs in standard errors of both.

Their theorem: overfitting is benign where n‖μ‖⁴ ≥ C·dσ_p⁴ and harmful below, so that a level of the test error should
be at ‖μ‖ ∝ d^{1/4} (as quoted in the task; the paper's text was not at hand).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import kou2023_picture, kou2023_tables
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.kou2023_training import TEST_SIZE
from adam_vs_gd.spec.cells import cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec

VERSION = 1  # of the training, and of what is kept of it
BOTH: Mapping[str, float] = {"patch": 1.0, "bias": 1.0}  # patches, summed, and biases
LANE = "adam_vs_gd.experiments.kou2023_training:lane"
D = range(100, 1100, 10)  # rows of the published tables, as the code has them
MU = np.arange(100) / 10  # columns
FEWER, FEWEST = 5, 10  # every fifth row and column for other settings, every tenth for a try
SETTINGS: Mapping[str, Mapping[str, float]] = {
    "mean over both patches": {"patch": 0.5},
    "sum, without biases": {"bias": 0.0},
    "sum, d less by 90": {"less": 90},
}
"""What else may have been trained: the code that is published with the tables takes the mean; in its figure, rows are
labelled by d = 10, …, 1000, which is 90 less than what it trains."""
LARGER: Mapping[str, Sequence[float]] = {"d": [1000, 2000, 4000, 8000, 16000], "mu": [k / 4 for k in range(8, 41)]}
"""Beyond the published map, for the exponent of d."""


def reproduce(out: Path, seeds: int = 10, quick: bool = False, quiet: bool = False) -> str:
    """Train every cell of the published heatmaps anew, and compare.

    Args:
        out: a folder; `kou2023.md`, and `kou2023.png` with the level's numbers, are written into it. What has been
            measured is kept in `measured`, and not measured again; the folders of sweeps beside it may be deleted then.
        seeds: how many trainings a cell; theirs are 10.
        quick: every tenth row and column, and nothing beside them: a try.
        quiet: no progress.
    """
    theirs = published()
    if quick:
        theirs = thinned(theirs, FEWEST)
    ours = measured(out, "map", theirs.d.values, theirs.mu.values, seeds, quiet)
    parts = [kou2023_tables.compared(theirs, ours)]
    if not quick:
        some = thinned(theirs, FEWER)
        others = {"sum over both patches": thinned(ours, FEWER)}
        for k, (name, numbers) in enumerate(SETTINGS.items()):
            d, numbers = some.d.values - numbers.get("less", 0), {k: v for k, v in numbers.items() if k != "less"}
            others[name] = measured(out, f"setting-{k}", d, some.mu.values, seeds, quiet, numbers)
        larger = measured(out, "larger", np.array(LARGER["d"]), np.array(LARGER["mu"]), seeds, quiet)
        parts += [kou2023_tables.settings(some, others), kou2023_tables.exponent_beyond(larger)]
    parts.append(kou2023_tables.notes(ours, quick=quick))
    text = "\n\n".join(parts)
    (out / "kou2023.md").write_text(text + "\n", encoding="utf-8")
    pair = theirs.test_error, ours.test_error.mean("seed")
    plot.save(kou2023_picture.drawn(*pair, ours.attrs["digest"]), out / "kou2023.png")
    return f"{text}\n\n{out / 'kou2023.png'}"


def published() -> xr.Dataset:
    """[d, mu] `test_error` and `loss` as published, means of ten trainings; the loss to three digits."""
    with resources.files("adam_vs_gd.experiments").joinpath("kou2023_published.npz").open("rb") as file:
        arrays = np.load(file)
        error, loss = arrays["test_error"] / 1e4, arrays["loss"] / 1e3
    dims = ("d", "mu")
    return xr.Dataset({"test_error": (dims, error), "loss": (dims, loss.astype(float))}, {"d": list(D), "mu": MU})


def thinned(table: xr.Dataset, every: int) -> xr.Dataset:
    """Some rows and columns of a table."""
    return table.isel(d=slice(None, None, every), mu=slice(None, None, every))


def measured(
    out: Path, name: str, d: np.ndarray, mu: np.ndarray, seeds: int, quiet: bool, numbers: Mapping[str, float] = BOTH
) -> xr.Dataset:
    """Trainings at every (d, μ).

    Args:
        out: the experiment's folder.
        name: of the sweep, and of its folder there.
        d: rows.
        mu: columns.
        seeds: trainings a cell.
        quiet: no progress.
        numbers: those of `BOTH` that are otherwise.

    Returns:
        `test_error` [d, mu, seed]; `loss` and `deviation` [d, mu], mean and standard deviation over seeds of the
        training loss.
    """
    spec = SweepSpec(
        name=name, seeds=seeds, problem={"import": LANE, "version": VERSION},
        axes={"d": d.tolist(), "mu": mu.tolist()}, fixed={**BOTH, **numbers}, static={"coordinates": int(d.max())},
    )  # fmt: skip

    def measure() -> dict[str, np.ndarray]:
        found = run_sweep(spec, out / name, quiet=quiet)
        loss = found.loss.astype(float)
        return {
            "wrong": found.wrong.transpose("d", "mu", "seed").values.astype(np.uint16),
            "loss": loss.mean("seed").values.astype(np.float32),
            "deviation": loss.std("seed", ddof=1).values.astype(np.float32),
        }

    arrays = kept(out, spec, VERSION, measure)
    dims = ("d", "mu")
    return xr.Dataset(
        {
            "test_error": ((*dims, "seed"), arrays["wrong"] / TEST_SIZE),
            "loss": (dims, arrays["loss"].astype(float)),
            "deviation": (dims, arrays["deviation"].astype(float)),
        },
        {"d": d, "mu": mu, "seed": list(spec.seeds)},
        {"digest": digest_of(lane.digest for _, lane in cells(spec))},
    )
