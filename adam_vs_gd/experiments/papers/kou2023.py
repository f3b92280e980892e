"""The heatmaps of "Benign overfitting in two-layer ReLU convolutional neural networks", against the published numbers.

Y. Kou, Z. Chen, Y. Chen, Q. Gu, ICML 2023 (arXiv:2303.04145): test errors and training losses over d and ‖μ‖, each of
10⁴ cells the mean of ten trainings, published as tables beside the code (github.com/uclaml/Benign_ReLU_CNN, "Source
file"). Here every cell is trained anew (`kou2023_training`), and held against theirs in standard errors of both.

Their theorem: overfitting is benign where n‖μ‖⁴ ≥ C·dσ_p⁴ and harmful below, so that a level of the test error should
be at ‖μ‖ ∝ d^{1/4} (known to us from its abstract; the paper's text was not at hand).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.papers import kou2023_picture, kou2023_tables
from adam_vs_gd.experiments.papers.kou2023_training import TEST_SIZE
from adam_vs_gd.spec.cells import cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec

VERSION = 1  # of the training, and of what is kept of it
BOTH: Mapping[str, float] = {"patch": 1.0, "bias": 1.0}  # patches, summed, and biases
LANE = "adam_vs_gd.experiments.papers.kou2023_training:lane"
D = range(100, 1100, 10)  # rows of the published tables, as the code has them
MU = np.arange(100) / 10  # columns
FEWER, FEWEST = 5, 10  # every fifth row and column for other settings, every tenth for a try
SETTINGS: Mapping[str, tuple[float, Mapping[str, float]]] = {
    "mean over both patches": (0, {"patch": 0.5}),
    "sum, without biases": (0, {"bias": 0.0}),
    "sum, d less by 90": (90, {}),
}
"""What else may have been trained, {name: (what d is less by, numbers of the lane)}. The code that is published with
the tables takes the mean; in its figure, rows are labelled by d = 10, …, 1000, which is 90 less than what it trains."""
LARGER = (1000, 1414, 2000, 2828, 4000, 5657, 8000, 11314, 16000), tuple(k / 5 for k in range(13, 46))
"""d and ‖μ‖ beyond the published map, for the exponent."""


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
    places = theirs.d.values.tolist(), theirs.mu.values.tolist()
    ours = summary(out, trainings("map", *places, seeds), quiet)
    parts = [kou2023_tables.compared(theirs, ours)]
    if not quick:
        some = thinned(theirs, FEWER)
        others = {"sum over both patches": thinned(ours, FEWER)}
        for k, (name, (less, numbers)) in enumerate(SETTINGS.items()):
            places = (some.d.values - less).tolist(), some.mu.values.tolist()
            others[name] = summary(out, trainings(f"setting-{k}", *places, seeds, numbers), quiet)
        larger = summary(out, trainings("larger", *LARGER, seeds), quiet)
        parts += [kou2023_tables.settings(some, others), kou2023_tables.beyond(ours, larger)]
    parts.append(kou2023_tables.notes(ours, quick=quick))
    text = "\n\n".join(parts)
    (out / "kou2023.md").write_text(text + "\n", encoding="utf-8")
    figure = kou2023_picture.drawn(theirs.test_error, ours.test_error, ours.attrs["digest"])
    plot.save(figure, out / "kou2023.png")
    return f"{text}\n\n{out / 'kou2023.png'}"


def published() -> xr.Dataset:
    """[d, mu] `test_error` and `loss` as published, means of ten trainings; the loss to three digits."""
    with resources.files("adam_vs_gd.experiments.papers").joinpath("kou2023_published.npz").open("rb") as file:
        arrays = np.load(file)
        error, loss = arrays["test_error"] / 1e4, arrays["loss"] / 1e3
    dims = ("d", "mu")
    return xr.Dataset({"test_error": (dims, error), "loss": (dims, loss.astype(float))}, {"d": list(D), "mu": MU})


def thinned(table: xr.Dataset, every: int) -> xr.Dataset:
    """Some rows and columns of a table."""
    return table.isel(d=slice(None, None, every), mu=slice(None, None, every))


def trainings(
    name: str, d: Sequence[float], mu: Sequence[float], seeds: int, numbers: Mapping[str, float] = BOTH
) -> SweepSpec:
    """The sweep over d and ‖μ‖ with these numbers of a lane in place of those of `BOTH`."""
    return SweepSpec(
        name=name, seeds=seeds, problem={"import": LANE, "version": VERSION},
        axes={"d": list(d), "mu": list(mu)}, fixed={**BOTH, **numbers}, static={"coordinates": int(max(d))},
    )  # fmt: skip


def summary(out: Path, spec: SweepSpec, quiet: bool) -> xr.Dataset:
    """[d, mu] means over seeds of `test_error` and `loss`, and their standard deviations, `…_deviation`."""

    def measure() -> dict[str, np.ndarray]:
        found = run_sweep(spec, out / spec.name, quiet=quiet).transpose("d", "mu", "seed")
        error, loss = found.wrong / TEST_SIZE, found.loss.astype(float)
        return {
            "wrong": found.wrong.sum("seed").values.astype(np.uint32),
            "test_error_deviation": error.std("seed", ddof=1).values.astype(np.float16),
            "loss": loss.mean("seed").values.astype(np.float32),
            "loss_deviation": loss.std("seed", ddof=1).values.astype(np.float16),
        }

    arrays = kept(out, spec, VERSION, measure)
    arrays["test_error"] = arrays.pop("wrong") / (TEST_SIZE * len(spec.seeds))
    coords = {name: list(values) for name, values in spec.axes.items()}
    digest = digest_of(lane.digest for _, lane in cells(spec))
    values = {name: (("d", "mu"), array.astype(float)) for name, array in arrays.items()}
    return xr.Dataset(values, coords, {"digest": digest, "seeds": len(spec.seeds)})
