"""Theorem 4.2: with a convex objective and λ > 0, Adam and GD come to the same solution; with λ = 0 they do not.

The objective is λ-strongly convex, hence ‖w_A − w_G‖ ≤ (‖∇L(w_A)‖₂ + ‖∇L(w_G)‖₂)/λ for any two points: where the
gradients are small, this certifies that the solutions agree. The theorem's wᵀx has x in R^{2d}; here w in R^d meets
x_1 + x_2, which is its special case of equal halves; `theorem42_general` has the other.

Adam does not come to rest there. Its steps are stable while h/(√v + ε) ≤ 2(1 + β1)/((1 − β1)η), h being the curvature
along a coordinate, λ at least; √v falls with the gradient, until Adam oscillates at that edge (J. Cohen et al.,
Adaptive Gradient Methods at the Edge of Stability, 2022). With |∇L_k| ≈ √v_k and h = λ in all coordinates, it hovers at
about ‖w_A − w*‖ = ‖∇L‖₂/λ ≈ √d·max(0, η(1 − β1)/(2(1 + β1)) − ε/λ).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.experiments import theorem42_general
from adam_vs_gd.experiments import theorem42_tables as tables
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.theorem42_picture import picture
from adam_vs_gd.experiments.watch import watch
from adam_vs_gd.problems.two_patch import measurements
from adam_vs_gd.problems.two_patch.data import balanced_labels, make_dataset
from adam_vs_gd.problems.two_patch.own import network
from adam_vs_gd.spec.cells import cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static, TrainState
    from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws
    from adam_vs_gd.types import Array

VERSION = 1  # of what is measured
ETA = {"adam": 1e-3, "gd": 1.0}
SMALLER_ETA = {"adam": 2.5e-4, "gd": 1.0}
TABLE_1_ETA = {"adam": 5e-5, "gd": 0.02}
LAMBDAS = (1e-1, 1e-2, 1e-3, 1e-4, 0.0)
STEPS = (200, 500, 1000, 2000, 5000, 10_000, 20_000, 100_000)
SHOWN = (20_000, 100_000)  # of the steps, those in the tables of solutions
FINAL = ("status", "train_error", "test_error", "data_loss", "grad_norm_l1", "grad_norm_l2", "weight_norm", "best_step")
DIMS = ("optimizer", "steps", "lam", "seed")


def reproduce(out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False) -> str:
    """Train the linear model by both optimizers at several λ and T, and set their distance beside its bound.

    Args:
        out: folder; `theorem42.md`, and `theorem42.png`, `theorem42.pdf` with their numbers, are written into it.
        seeds: how many.
        quick: fewer and shorter trainings: a try, not a reproduction.
        quiet: no progress.
    """
    *pairs, general = specs(seeds, quick)
    converging, *others = (compared(out, spec, quiet) for spec in pairs)
    late = [steps for steps in converging.steps.values.tolist() if steps in SHOWN] or converging.steps.values[-1:]
    solutions = [converging.sel(steps=late), *others]
    text = "\n\n".join([
        "## Solutions", tables.distances(solutions), "## Errors", tables.errors(solutions),
        tables.verdict([converging, *others]), "## Against T", tables.along_steps(converging),
        f"Means over {seeds} seeds, 95 % intervals in brackets; d = 1000, n = 200, s = 100.",
        theorem42_general.section(out, general),
        *(["NOT the whole experiment: fewer λ, fewer steps (--quick)."] if quick else []),
    ])  # fmt: skip
    (out / "theorem42.md").write_text(text + "\n", encoding="utf-8")
    figure = picture(converging)
    for ending in ("png", "pdf"):
        plot.save(figure, out / f"theorem42.{ending}")
    return f"{text}\n\n{out / 'theorem42.png'}"


def specs(seeds: int, quick: bool) -> list[SweepSpec]:
    """Where both optimizers converge; in float64; with smaller steps; at Table 1's η and T, where Adam does not.

    The last is `theorem42_general`'s, of w in R^{2d}.
    """

    def spec(
        name: str, eta: Mapping[str, float], steps: Sequence[int], lam: Sequence[float], precision: str = "float32"
    ) -> SweepSpec:
        optimizers = {kind: {"eta": value} for kind, value in eta.items()}
        train = {"lam": lam, "precision": precision}
        return SweepSpec(name, seeds, steps, 0, model={"name": "linear"}, train=train, optimizers=optimizers)

    if quick:
        return [
            spec("converging", ETA, [1000, 10_000], [1e-1, 1e-2, 0.0]),
            spec("float64", ETA, [10_000], [1e-2], "float64"),
            spec("table1", TABLE_1_ETA, [10_000], [1e-5]),
            spec("general", ETA, [2000], [1e-1, 1e-2]),
        ]
    return [
        spec("converging", ETA, STEPS, LAMBDAS),
        spec("float64", ETA, [20_000], [1e-1, 1e-2, 1e-3], "float64"),
        spec("smaller-steps", SMALLER_ETA, [80_000], [1e-2]),
        spec("table1", TABLE_1_ETA, [10_000], [1e-2, 1e-3, 1e-5]),
        spec("general", ETA, [20_000], [1e-1, 1e-2, 1e-3, 0.0]),
    ]


def compared(out: Path, spec: SweepSpec, quiet: bool) -> xr.Dataset:
    """Errors and gradients of both optimizers, and how far apart their solutions are.

    Returns:
        Along (optimizer, steps, lam, seed) the final values of the lanes. Along (steps, lam, seed) `distance`
        ‖w_A − w_G‖/‖w_G‖ of the last iterates and its `bound`, NaN for λ = 0; `best_distance` and `best_bound` of
        Theorem 4.1's W*, NaN where one has none; `hovering`, what the estimate above says of the distance; and
        `small_gradients`, whether both last iterates meet the theorem's bounds on the gradient.
    """
    arrays = kept(out, spec, VERSION, lambda: measure(spec, quiet))
    adam, gd = spec.optimizers["adam"], spec.optimizers["gd"]
    results = xr.Dataset(
        {name: (DIMS[-array.ndim :], array) for name, array in arrays.items()},
        {
            "optimizer": list(spec.optimizers), "eta": ("optimizer", [adam["eta"], gd["eta"]]),
            "steps": list(spec.steps), "lam": list(spec.train["lam"]), "seed": list(spec.seeds),
            "n": spec.data["n"], "test_size": spec.data["test_size"],
        },
        {"precision": spec.train["precision"], "digest": digest_of(lane.digest for _, lane in cells(spec))},
    )  # fmt: skip
    of = {label: results.sel(optimizer=label, drop=True) for label in spec.optimizers}
    edge = adam["eta"] * (1 - adam["beta1"]) / (2 * (1 + adam["beta1"]))
    nearest = np.maximum(0, edge - adam["eps"] / results.lam.where(results.lam > 0))
    results["hovering"] = np.sqrt(spec.data["d"]) * nearest / of["gd"].weight_norm
    results["small_gradients"] = (of["adam"].grad_norm_l1 <= 1 / (results.steps * adam["eta"])) & (
        of["gd"].grad_norm_l2 ** 2 <= 1 / (results.steps * gd["eta"])
    )
    return results


def measure(spec: SweepSpec, quiet: bool) -> dict[str, np.ndarray]:
    """What is measured of the lanes, [optimizer, steps, lam, seed], and of their pairs, [steps, lam, seed]."""
    seen = watch(spec, last=both_solutions, quiet=quiet)
    shape = tuple(1 + np.max([index for index, _, _ in seen], axis=0))

    def along(name: str) -> np.ndarray:
        values = np.array([rows[name] for _, _, rows in seen], float)
        return values.reshape(*shape, *values.shape[1:])

    found = {name: along(name) for name in FINAL}
    last, step = along("weights"), found["best_step"]
    at_end = step == np.array(spec.steps)[:, None, None]
    earlier = np.where((step < 0)[..., None], np.nan, along("best_weights"))
    best = np.where(at_end[..., None], last, earlier)
    best_norms = np.where(at_end, found["grad_norm_l2"], along("best_grad_norm_l2"))
    lam = np.array(spec.train["lam"])[:, None]
    for which, (adam, gd), norms in (("", last, found["grad_norm_l2"]), ("best_", best, best_norms)):
        size = np.linalg.norm(gd, axis=-1)
        distance = np.linalg.norm(adam - gd, axis=-1) / size
        bound = norms.sum(0) / np.where(lam > 0, lam, np.nan) / size
        found |= {f"{which}distance": distance, f"{which}bound": np.where(np.isfinite(distance), bound, np.nan)}
    return found


def both_solutions(static: Static, hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> Mapping[str, Array]:
    """The last iterate; the best before it, and the norm of the gradient there. A `Look`."""
    data = make_dataset(draws.train, balanced_labels(static.n), static.d, hyper.s, hyper.sigma_p, hyper.alpha)
    model, best = network(static), state.best.params
    norm = measurements.measure(model, best, data, hyper.lam)["grad_norm_l2"]
    return {"weights": state.params["w"], "best_weights": best["w"], "best_grad_norm_l2": norm}
