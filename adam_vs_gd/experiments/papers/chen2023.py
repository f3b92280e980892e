"""When SAM generalizes and SGD does not: Chen, Zhang, Kou, Chen, Hsieh and Gu, arXiv 2310.07269 (NeurIPS 2023).

Two-layer ReLU CNN, patches y·μ and ξ ~ N(0, σ_p²(I − μμᵀ/‖μ‖²)); a share of the training labels is wrong. The claim,
as we remember it: SGD overfits benignly only where ‖μ‖ ≳ σ_p d^{1/4} (at fixed n), while SAM does from a smaller
‖μ‖ on; in the theorem (as we remember it) from one that does not grow with d, if τ = Θ(m√B/(Pσ_p√d)), SAM comes first,
and SGD after it until the training loss is small. SAM's perturbation turns off filters that would memorize noise.

The paper's text was not at hand. n = 20, P = 2, m = 10, wrong labels with probability 0.1 and d from 1000 to 20000 are
from memory; σ_p = 1, full batches (B = n), balanced true labels and `CHOSEN` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.papers import chen2023_picture
from adam_vs_gd.experiments.papers.chen2023_training import TEST_SIZE
from adam_vs_gd.results.power_law import fit_exponent
from adam_vs_gd.results.statistics import error_interval, wilson
from adam_vs_gd.results.transition import boundary
from adam_vs_gd.spec.cells import cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec

THEIRS: Mapping[str, int | float] = {"n": 20, "m": 10, "patches": 2, "flips": 0.1}  # from memory, not checked
D = (1000.0, 2000.0, 4500.0, 9500.0, 20000.0)  # their range, from memory
MU = tuple(np.geomspace(0.1, 10, 14).tolist())
CHOSEN: Mapping[str, float] = {"rate": 100.0, "radius": 0.5, "start": 0.1}  # η·σ_p²d, τ·Pσ_p√d/(m√n), σ_0·√(3d)
TRIED = (
    "These were chosen after others had been tried (5 seeds, coarser ‖μ‖, not kept): with η = 0.1 at every d, "
    "100 or 1000 iterations, GD's transition went about as d^0.3, with σ_0 = 1/√(3d) as with a tenth of it; "
    "SAM needed less of a signal there too, but at large ‖μ‖ some of its trainings ended with errors of 0.1 and more. "
    "The exponents are of this η."
)
"""What else was looked at before; from a session's notes, no result of this experiment."""
ITERATIONS = 1000
METHODS: Mapping[float, str] = {0.0: "GD", 0.05: "SAM 50, then GD", 0.5: "SAM 500, then GD", 1.0: "SAM throughout"}
"""{share of the iterations that SAM begins with: what it is called}, at `ITERATIONS`."""
LEVEL = 0.25  # of the mean test error, halfway between 0 and chance
VERSION = 1  # of what is measured
DIMS = ("mu", "d", "sam", "seed")
FINAL = ("status", "test_error", "train_error", "train_loss")
ABOUT = {"problem": "function"}  # whose statuses these are
FITTED = 0.1  # of the training loss, at training error 0


def reproduce(out: Path, seeds: int = 8, quick: bool = False, quiet: bool = False) -> str:
    """Train by GD and by SAM over d and ‖μ‖, and set their test errors and transitions side by side.

    Args:
        out: folder; `chen2023.md`, and `chen2023.png` with its numbers, are written into it. What has been measured is
            kept there, and not measured again.
        seeds: how many.
        quick: three d, half of the ‖μ‖, two seeds and a fifth of the iterations: a try.
        quiet: no progress.
    """
    results = measured(out, spec_of(seeds, quick=quick), quiet)
    edges = {share: transition(results, share) for share in METHODS}
    text = report(results, edges)
    if quick:
        text += "\n\nNOT the reproduction: three d, half of the ‖μ‖, two seeds, a fifth of the iterations (--quick)."
    (out / "chen2023.md").write_text(text + "\n", encoding="utf-8")
    plot.save(chen2023_picture.drawn(results, edges, METHODS, LEVEL), out / "chen2023.png")
    return f"{text}\n\n{out / 'chen2023.png'}"


def spec_of(seeds: int, *, quick: bool) -> SweepSpec:
    """The sweep: ‖μ‖ × d × methods."""
    some = slice(None, None, 2 if quick else 1)
    sizes = {key: THEIRS[key] for key in ("n", "m", "patches")}
    return SweepSpec(
        name="chen2023", seeds=min(seeds, 2) if quick else seeds,
        problem={"import": "adam_vs_gd.experiments.papers.chen2023_training:training", "version": VERSION},
        axes={"mu": MU[some], "d": D[some], "sam": list(METHODS)}, fixed={**CHOSEN, "flips": THEIRS["flips"]},
        static={**sizes, "iterations": ITERATIONS // (5 if quick else 1)},
    )  # fmt: skip


def measured(out: Path, spec: SweepSpec, quiet: bool) -> xr.Dataset:
    """Errors and losses along (mu, d, sam, seed), labelled."""

    def final() -> dict[str, np.ndarray]:
        found = run_sweep(spec, None, quiet=quiet)
        return {name: found[name].transpose(*DIMS).values for name in FINAL}

    found = kept(out, spec, VERSION, final)
    coords = {dim: list(spec.axes[dim]) for dim in DIMS[:-1]} | {"seed": list(spec.seeds)} | dict(spec.static)
    digest = digest_of(lane.digest for _, lane in cells(spec))
    return xr.Dataset({name: (DIMS, values) for name, values in found.items()}, coords, {"digest": digest, **ABOUT})


class Transition(NamedTuple):
    """Where a method's mean test error falls through `LEVEL`.

    Attributes:
        d: [k].
        mu: [k] ‖μ‖ there, NaN where there is none, and
        low, high: [k] its 95 % interval.
        exponent: κ of ‖μ‖ ∝ d^κ, and its interval; NaN for fewer than three d.
    """

    d: np.ndarray
    mu: np.ndarray
    low: np.ndarray
    high: np.ndarray
    exponent: tuple[float, float, float]


def transition(results: xr.Dataset, share: float) -> Transition:
    """The transition of the method that begins with SAM for a share of the iterations."""
    edge = boundary(results.sel(sam=share), x="mu", y="d", level=LEVEL, value="test_error", direction="falling")
    law = fit_exponent(edge)
    one, exponent = edge.squeeze(), (float(law[name].squeeze()) for name in ("exponent", "low", "high"))
    return Transition(results.d.values, one.mu.values, one.low.values, one.high.values, tuple(exponent))  # type: ignore[arg-type]


def verdict(edges: Mapping[float, Transition], fitted: Mapping[float, float]) -> str:
    """Whether GD's exponent is 1/4, whether SAM needs less of a signal at every d, and whether no more at larger d.

    Args:
        edges: of every method.
        fitted: the share of each that is fitted.
    """
    gd, then = edges[0.0], edges[0.5]
    quarter = gd.exponent[1] <= 0.25 <= gd.exponent[2]
    less = bool(np.all(then.high < gd.low))
    flat = then.exponent[1] <= 0 <= then.exponent[2]
    all_right = quarter and less and flat
    word = "reproduced" if all_right else "reproduced in part" if quarter or less else "not reproduced"
    times = gd.mu / then.mu
    return (
        f"{word[0].upper()}{word[1:]}. GD's exponent, {{:.3f}} [{{:.3f}}, {{:.3f}}], ".format(*gd.exponent)
        + f"{'holds' if quarter else 'does NOT hold'} 1/4. {METHODS[0.5]} ({100 * fitted[0.5]:.1f} % fitted) needs "
        + f"{'less' if less else 'NOT always less'} of a signal, {np.nanmin(times):.2f} to {np.nanmax(times):.2f} "
        + "times; its exponent, {:.3f} [{:.3f}, {:.3f}], ".format(*then.exponent)
        + f"{'holds' if flat else 'does NOT hold'} 0, which is the claim for SAM that lasts long enough."
    )


def report(results: xr.Dataset, edges: Mapping[float, Transition]) -> str:
    """The verdict, the transitions by d, what is fitted, and which numbers are whose."""
    good = (results.train_error == 0) & (results.train_loss <= FITTED)
    fitted = {share: float(good.sel(sam=share).mean()) for share in METHODS}
    head = ["method", *(f"d = {d:g}" for d in results.d.values), "κ of ‖μ‖ ∝ d^κ [95 %]", "fitted [95 %]",
            "largest training error"]  # fmt: skip
    rows = [head]
    for share, name in METHODS.items():
        one, (low, high) = edges[share], wilson(fitted[share], good.sel(sam=share).size)
        cells = [f"{m:.2f} [{a:.2f}, {b:.2f}]" for m, a, b in zip(one.mu, one.low, one.high, strict=True)]
        law = "{:.3f} [{:.3f}, {:.3f}]".format(*one.exponent)
        most = float(results.train_error.sel(sam=share).mean("seed").max())
        rows.append(
            [name, *cells, law, f"{100 * fitted[share]:.1f} % [{100 * low:.1f}, {100 * high:.1f}]", f"{most:.3f}"]
        )
    return "\n\n".join([
        verdict(edges, fitted), "‖μ‖ at which the mean test error (of clean labels) falls through 1/4:",
        markdown.table(rows), "Test errors at the largest d:", errors(results),
        f"SAM throughout leaves wrong labels unfitted ({100 * fitted[1.0]:.1f} % of its trainings are fitted): where "
        "it overfits nothing, it is no case of the claim.", duration(edges),
        "From memory, not checked against the paper's text: n = 20, P = 2, m = 10, wrong labels 0.1, d from "
        f"1000 to 20000. Ours: σ_p = 1, full batches, {int(results.iterations)} iterations, "
        f"η = {CHOSEN['rate']:g}/(σ_p²d), τ = {CHOSEN['radius']:g}·m√n/(Pσ_p√d), "
        f"σ_0 = {CHOSEN['start']:g}/√(3d); F_j has a factor 1/m. "
        f"{results.sizes['seed']} seeds, {TEST_SIZE} test examples each.", TRIED,
    ])  # fmt: skip


def duration(edges: Mapping[float, Transition]) -> str:
    """How the transition depends on how long SAM lasts, and how long it had to for one that d does not move."""
    short, long = edges[0.05], edges[0.5]
    by_time = float(np.log(short.mu[-1] / long.mu[-1]) / np.log(0.5 / 0.05))
    return (
        "How long SAM lasts: ten times as many of its iterations divide the ‖μ‖ of the transition at the largest d by "
        f"{short.mu[-1] / long.mu[-1]:.2f}, so that it goes as d^{long.exponent[0]:.2f}·T^{-by_time:.2f}, T being "
        f"these iterations. T ∝ d^{long.exponent[0] / by_time:.2f} would keep it where it is. The feature needs T ∝ "
        "m/(η‖μ‖²) to grow by 1, which is ∝ d here (η ∝ 1/d); our T does not grow with d."
    )


def over_seeds(results: xr.Dataset) -> xr.Dataset:
    """Mean test errors and their 95 % intervals."""
    values = results.test_error.transpose(..., "seed")
    interval = error_interval(values.values, TEST_SIZE)
    coords = {dim: values[dim].values for dim in values.dims[:-1]}
    return xr.Dataset({name: (values.dims[:-1], getattr(interval, name)) for name in interval._fields}, coords)


def errors(results: xr.Dataset) -> str:
    """Mean test errors at the largest d, by ‖μ‖ and method."""
    found = over_seeds(results).isel(d=-1)
    rows = [["‖μ‖", *METHODS.values()]]
    for mu in found.mu.values:
        here = [found.sel(mu=mu, sam=share) for share in METHODS]
        rows.append([f"{mu:.2g}", *("{:.3f} [{:.3f}, {:.3f}]".format(*(c[k].item() for k in ("mean", "low", "high")))
                                    for c in here)])  # fmt: skip
    return markdown.table(rows)
