"""Adam against signGD as the supports of the noise go from disjoint to overlapping.

The load n·s/d is how many training examples share a noise coordinate. It is changed by d alone: along a row n, s, α and
the noise's energy s·σ_p² = 1 stay, so that nothing differs but the overlap, of training examples with each other and
of test examples with them: test noise falls on trained coordinates too, a share 1 − (1 − s/(d − 1))^n of it (a tenth at
load 0.1, nearly all from load 3 on).

What to expect of signGD, by our own estimate: an example's memorization grows by η·s·σ_p·√(2/π) a step while it owns
its coordinates, and by 1/√load of that where a coordinate's sign is the majority's of so many examples; the feature by
η. By Lemma 5.3 the feature's sign flips if α·(memorization/feature)^(q−1) > 1. Hence signGD should learn the feature
from the load (2/π)·s²σ_p²·α^(2/(q−1)) on, which is proportional to s at fixed s·σ_p².
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import closeness_tables as tables
from adam_vs_gd.experiments.agreement import CLASSES, agreement, class_of
from adam_vs_gd.experiments.closeness_picture import curves, diagram
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.watch import watch
from adam_vs_gd.problems.two_patch.family import NUMBERS
from adam_vs_gd.problems.two_patch.theory.scales import Point, flip_strength
from adam_vs_gd.results.transition import boundary
from adam_vs_gd.spec.cells import cells as plan_cells
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.types import record_steps

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static, TrainState
    from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws
    from adam_vs_gd.types import Array

VERSION = 1  # of what is measured
N, WIDTH, Q, ALPHA, ENERGY = 80, 10, 3, 0.2, 1.0
S = (20, 28, 40, 56, 80)
LOADS = (0.1, 0.5, 1.5, 3.0, 5.0, 8.0, 12.5, 20.0)
STEPS, RECORD = 10_000, 20
MOST, FEWER = 100_000, 2  # steps to rest, and seeds that are trained to it, at every other s
FINAL = ("status", "train_error", "test_error", "data_loss", "feature_learning", "noise_memorization")
RESTED = (*FINAL, "rest_step")
PAIRED = ("distance", "moved_alike")
ALONG = ("sign_agreement", "step_size")


def reproduce(out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False) -> str:
    """Train both optimizers over loads and s, and set their errors, steps and solutions side by side.

    Args:
        out: folder; `closeness.md`, and the pictures `closeness`, `closeness-at-rest` and `closeness-curves` (.png,
            .pdf) with their numbers, are written into it. What has been measured of a cell is kept there, and not
            measured again.
        seeds: how many.
        quick: four cells of a smaller problem: a try.
        quiet: no progress.
    """
    s, loads, n = ((30, 60), (0.5, 20.0), 40) if quick else (S, LOADS, N)
    results = measured(out, s, loads, n, seeds, quiet)
    rested = at_rest(out, s[::2], loads, n, min(seeds, FEWER), quiet)
    edge = boundary(results, x="load", y="s", direction="falling")
    edge_at_rest = boundary(rested, x="load", y="s", direction="falling")
    text = "\n\n".join([
        tables.cells(results), "## Where errors fall through 1/2", tables.crossover(results, edge, estimate(results)),
        "## At rest", tables.at_rest(results, rested), tables.crossover(rested, edge_at_rest, estimate(rested)),
        f"n = {results['n'].item()}, m = {WIDTH}, α = {ALPHA}, s·σ_p² = {ENERGY:g}, {STEPS} steps; means over {seeds} "
        "seeds, 95 % intervals in brackets.",
        *(["NOT the whole experiment: four cells of a smaller problem (--quick)."] if quick else []),
    ])  # fmt: skip
    (out / "closeness.md").write_text(text + "\n", encoding="utf-8")
    pictures = {
        "closeness": diagram(results, edge, estimate(results)),
        "closeness-at-rest": diagram(rested, edge_at_rest, estimate(rested)),
        "closeness-curves": curves(results),
    }
    for name, figure in pictures.items():
        for ending in ("png", "pdf"):
            plot.save(figure, out / f"{name}.{ending}")
    return f"{text}\n\n{out / 'closeness.png'}"


def measured(out: Path, s: Sequence[int], loads: Sequence[float], n: int, seeds: int, quiet: bool) -> xr.Dataset:
    """Every cell, labelled.

    Returns:
        Along (optimizer, s, load, seed) the final values of the lanes. Along (s, load, seed) `distance`
        ‖W_A − W_S‖/‖W_S‖ at T, and `moved_alike`, the share of the weights in a support that both have moved to the
        same side of their common start. Along (s, load, seed, record, coordinates) Adam's `agreement`.
    """
    specs = [[cell_spec(a, load, n, seeds) for load in loads] for a in s]
    cells = [[kept(out, spec, VERSION, lambda spec=spec: measure(spec, quiet)) for spec in row] for row in specs]  # type: ignore[misc]
    stacked = {name: np.array([[cell[name] for cell in row] for row in cells]) for name in (*FINAL, *PAIRED, *ALONG)}
    dims = {
        **dict.fromkeys(FINAL, ("s", "load", "optimizer", "seed")),
        **dict.fromkeys(PAIRED, ("s", "load", "seed")),
        **dict.fromkeys(ALONG, ("s", "load", "seed", "record", "coordinates")),
    }
    variables = {name: (dims[name], values) for name, values in stacked.items()}
    return labelled(
        variables, specs, s, loads, {"step": ("record", record_steps(STEPS, RECORD)), "coordinates": list(CLASSES)}
    )


def labelled(
    variables: Mapping[str, Any], specs: Sequence[Sequence[SweepSpec]], s: Sequence[int], loads: Sequence[float],
    further: Mapping[str, Any] = MappingProxyType({}),
) -> xr.Dataset:  # fmt: skip
    """Arrays along (s, load, …) as a Dataset with the cells' coordinates, and those of `further`."""
    first = specs[0][0]
    coords = {
        "optimizer": list(first.optimizers),
        "s": ("s", list(s), {"long_name": NUMBERS["s"].long_name, "symbol": NUMBERS["s"].symbol}),
        "load": ("load", list(loads), {"long_name": "load", "symbol": "$n s/d$"}),
        "seed": list(first.seeds),
        "d": (("s", "load"), [[spec.data["d"] for spec in row] for row in specs]),
        "n": first.data["n"], "test_size": first.data["test_size"], "steps": first.steps, **further,
    }  # fmt: skip
    digest = digest_of(lane.digest for row in specs for spec in row for _, lane in plan_cells(spec))
    return xr.Dataset(variables, coords, {"digest": digest}).transpose("optimizer", "s", "load", "seed", ...)


def at_rest(out: Path, s: Sequence[int], loads: Sequence[float], n: int, seeds: int, quiet: bool) -> xr.Dataset:
    """Cells again, trained until they are at rest, labelled.

    Returns:
        Along (optimizer, s, load, seed) the final values of the lanes, which are at rest where `rest_step` >= 0.
    """
    specs = [[resting(cell_spec(a, load, n, seeds)) for load in loads] for a in s]

    def rested(spec: SweepSpec) -> dict[str, np.ndarray]:
        found = run_sweep(spec, None, quiet=quiet)
        return {name: found[name].values for name in RESTED}

    cells = [[kept(out, spec, VERSION, lambda spec=spec: rested(spec)) for spec in row] for row in specs]  # type: ignore[misc]
    dims = ("s", "load", "optimizer", "seed")
    variables = {name: (dims, np.array([[cell[name] for cell in row] for row in cells])) for name in RESTED}
    return labelled(variables, specs, s, loads)


def resting(spec: SweepSpec) -> SweepSpec:
    """A cell's lanes, trained until they are at rest."""
    return replace(spec, name=f"{spec.name}-at-rest", steps=MOST, record=25, train={"until": "rest"})


def cell_spec(s: int, load: float, n: int, seeds: int) -> SweepSpec:
    """One cell: both optimizers at the d that gives the load."""
    data = {"n": n, "d": round(n * s / load), "s": s, "sigma_p": (ENERGY / s) ** 0.5, "alpha": ALPHA}
    name, optimizers = f"s{s}-load{load:g}", {kind: dict[str, float]() for kind in ("adam", "signgd")}
    return SweepSpec(name, seeds, STEPS, RECORD, data, {"width": WIDTH, "q": Q}, {}, optimizers)


def measure(spec: SweepSpec, quiet: bool) -> dict[str, np.ndarray]:
    """What is kept of a cell: [optimizer, seed], [seed], and [seed, record, class] arrays."""
    seen = {index: rows for index, _, rows in watch(spec, adams_steps, last=solution, quiet=quiet)}
    adam, signgd = ([seen[k, i] for i in range(len(spec.seeds))] for k in range(2))
    found = {name: np.array([[rows[name] for rows in lanes] for lanes in (adam, signgd)], float) for name in FINAL}
    found |= {name: np.array([rows[f"{name}_path"] for rows in adam]) for name in ALONG}
    pairs = [compared(*pair) for pair in zip(adam, signgd, strict=True)]
    return found | {name: np.array([pair[name] for pair in pairs]) for name in PAIRED}


def adams_steps(static: Static, hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> Mapping[str, Array]:
    """`agreement` of Adam's lanes; signGD's is 1, and would take time to compile."""
    return agreement(static, hyper, draws, state) if static.optimizer == "adam" else {}


def solution(static: Static, hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> Mapping[str, Array]:
    """Where a lane has ended, where it began, and the classes of the coordinates; a `Look`."""
    start = hyper.sigma_0 * draws.weights["w"]
    return {"weights": state.params["w"], "start": start, "classes": class_of(hyper, draws, static.d)}


def compared(adam: Mapping[str, np.ndarray], signgd: Mapping[str, np.ndarray]) -> dict[str, float]:
    """`PAIRED` of two lanes' solutions."""
    one, two, start = (np.asarray(a, float) for a in (adam["weights"], signgd["weights"], adam["start"]))
    support = adam["classes"][CLASSES.index("support")]
    alike = np.sign(one - start)[..., support] == np.sign(two - start)[..., support]
    return {"distance": float(np.linalg.norm(one - two) / np.linalg.norm(two)), "moved_alike": float(alike.mean())}


def estimate(results: xr.Dataset) -> xr.DataArray:
    """The load from which signGD should learn the feature, along s: (2/π)·s²σ_p²·α^(2/(q−1)), `flip_strength`².

    That is of filters active on every example of their class; of those active on half, it is half of it for q = 3.
    """
    return flip_strength(Point(s=results.s, sigma_p=np.sqrt(ENERGY / results.s), alpha=ALPHA, q=Q)) ** 2
