"""Baek, Song and Yun, "Implicit Bias of Per-sample Adam on Separable Data" (arXiv 2510.26303).

Full batches take Adam to the greatest l_inf margin. One example a step takes it elsewhere: to the l_2 margin on scaled
Rademacher data, to a fixed point of AdamProxy on others. Signum with β near 1 goes to the l_inf margin whatever the
batch. The paper is known here by its abstract, notes and reviews, not by its text: its claims are set beside ours, its
figures' numbers are not. What it does not draw is ours: batch against β2 (and β of Signum), and a fixed point for every
batch size (`margins.batch_proxy`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.papers import baek2025_picture, margins, separable
from adam_vs_gd.experiments.papers.separable import CYCLIC, GAUSSIAN, RADEMACHER, REPLACED, SHUFFLED
from adam_vs_gd.experiments.summary import over, verdict
from adam_vs_gd.problems.function.sweep_function import sweep_function
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.spec.cells import digest_of

STEPS, QUICK = 500_000, 5_000
VERSION = 1  # of what `separable` computes
N = 10  # the paper's toy size, as quoted in a review of it
SIZES = [1, 2, 3, 5, 7, 10]
RATE: Mapping[str, float] = {"eta0": 0.03, "decay": 0.5}
SLOW: Mapping[str, float] = {**RATE, "eta0": 0.01}  # so that a β of 0.999 follows the gradient early
OURS: Mapping[str, Any] = {"n": N, "d": 20, "data": GAUSSIAN, "order": SHUFFLED}
THEIRS: Mapping[str, Any] = {"n": N, "d": 4, "data": RADEMACHER, "order": CYCLIC}
APART = (
    0.95  # of γ_inf: scaled Rademacher data count where the l_2 direction has less, so that the two can be told apart
)
FORETOLD = 0.99  # a β2 at which what is foretold for β2 → 1 is looked at: directions settle later the larger it is
NEAR = 0.99  # a cosine, or a share of the greatest margin, from which on a direction is said to be reached


class Study(NamedTuple):
    """A sweep: what is trained, and over what."""

    fn: Callable[..., Any]
    axes: Mapping[str, Sequence[float]]
    fixed: Mapping[str, float]
    static: Mapping[str, Any]


STUDIES: Mapping[str, Study] = {
    "adam": Study(
        separable.adam, {"beta2": [0.1, 0.5, 0.9, 0.99, 0.999]}, {**RATE, "beta1": 0.0}, {**OURS, "size": SIZES}
    ),
    "signum": Study(separable.signum, {"beta1": [0.0, 0.5, 0.9, 0.99, 0.999]}, SLOW, {**OURS, "size": SIZES}),
    "momentum": Study(
        separable.adam, {"beta2": [0.9, 0.99, 0.999]}, {**RATE, "beta1": 0.9}, {**OURS, "size": [1, 5, 10]}
    ),
    "orders": Study(
        separable.adam, {"beta2": [0.99]}, {**RATE, "beta1": 0.9}, {**OURS, "order": [CYCLIC, REPLACED], "size": 1}
    ),
    "proxy": Study(separable.adam_proxy, {"eta0": [RATE["eta0"]]}, {"decay": RATE["decay"]}, {**OURS, "size": N}),
    "gd": Study(separable.normalized_gd, {"eta0": [RATE["eta0"]]}, {"decay": RATE["decay"]}, {**OURS, "size": N}),
    "rademacher": Study(
        separable.adam, {"beta1": [0.0, 0.9], "beta2": [0.9, 0.99, 0.999]}, RATE, {**THEIRS, "size": [1, N]}
    ),
}  # fmt: skip


def reproduce(out: Path, seeds: int = 10, quick: bool = False, quiet: bool = False) -> str:
    """Train on separable data for long, and find which margins the directions maximize.

    Args:
        out: a folder of sweeps, one a study; `baek2025.md`, and `baek2025.png` with its numbers, are written into it.
            What is there is kept.
        seeds: how many data sets.
        quick: a hundredth of the steps: directions have not settled.
        quiet: no progress.
    """
    found, digests = {}, []
    for name, study in STUDIES.items():
        results = run(study, name, out, seeds, QUICK if quick else STEPS, quiet)
        digests.append(results.attrs["digest"])
        if name == "proxy":  # AdamProxy sees all examples, and is the limit of batches of one
            results = results.assign_coords(size=1)
        found[name] = compared(results, references(study.static, results.seed.values.tolist()))
    text = report(found, quick=quick)
    (out / "baek2025.md").write_text(text + "\n", encoding="utf-8")
    picture = baek2025_picture.drawn(found["adam"], found["signum"], digest_of(digests), FORETOLD)
    plot.save(picture, out / "baek2025.png")
    return text


def run(study: Study, name: str, out: Path, seeds: int, steps: int, quiet: bool) -> xr.Dataset:
    """The sweep of a study."""
    chosen = list(islice(told_apart(), seeds)) if study.static["data"] == RADEMACHER else seeds
    return sweep_function(
        study.fn, study.axes, study.fixed, {**study.static, "updates": steps}, chosen, out / name,
        {"w": ("look", "coordinate")}, VERSION, name=name, precision="float64", quiet=quiet,
    )  # fmt: skip


def examples(static: Mapping[str, Any], seed: int) -> np.ndarray:
    """[n, d] the examples of a seed, in float64."""
    return np.asarray(separable.examples(seed_key(seed), static["data"], static["n"], static["d"]), float)


def told_apart() -> Any:
    """The seeds of scaled Rademacher data whose l_2 direction falls short of the l_inf margin."""
    for seed in count():
        x = examples(THEIRS, seed)
        w, _ = margins.l2(x)
        if (x @ w).min() / np.abs(w).max() < APART * margins.linf(x)[1]:
            yield seed


def references(static: Mapping[str, Any], seeds: Sequence[int]) -> xr.Dataset:
    """What directions are held against: x, l2, linf, `width` of the latter's face, and `proxy` along size."""
    data = [examples(static, seed) for seed in seeds]
    faces = [margins.linf(x) for x in data]
    spreads = [margins.kept_variance(static["n"], size) for size in SIZES]
    full = [[w / np.linalg.norm(w) for w, _ in faces]]
    limits = [[margins.batch_proxy(x, spread)[0] for x in data] for spread in spreads[:-1]] + full
    return xr.Dataset(
        {
            "x": (("seed", "example", "coordinate"), data),
            "l2": (("seed", "coordinate"), [margins.l2(x)[0] for x in data]),
            "linf": (("seed", "coordinate"), full[0]),
            "most": ("seed", [margin for _, margin in faces]),
            "width": ("seed", [margins.face_width(x, margin) for x, (_, margin) in zip(data, faces, strict=True)]),
            "proxy": (("size", "seed", "coordinate"), np.array(limits)),
        },
        {"seed": list(seeds), "size": SIZES},
    )


def compared(results: xr.Dataset, at: xr.Dataset) -> xr.Dataset:
    """Cosines and margins of the directions that a sweep has taken.

    Args:
        results: a sweep of a study.
        at: `references` of its seeds.

    Returns:
        Along its axes and seed: `l2`, `linf`, `proxy` and `before`, cosines with those directions and with the one
        after a tenth of the steps; `margin_l2` and `margin_linf`, shares of the greatest margins; and `w`. Along seed,
        or seed and size: `width` and `apart`, the cosine of l2 and linf; `proxy_l2` and `proxy_linf`, those of proxy;
        `best_linf`, the share of γ_inf that the l_2 direction has.
    """
    units = results.w.astype(float) / norm(results.w.astype(float))
    w, least = units.isel(look=-1), xr.dot(at.x, units.isel(look=-1), dim="coordinate").min("example")
    proxy = at.proxy.sel(size=results["size"])  # of the sizes that are there
    along = lambda direction: xr.dot(w, direction, dim="coordinate")  # noqa: E731
    best = xr.dot(at.x, at.l2, dim="coordinate").min("example")
    return xr.Dataset({
        "l2": along(at.l2), "linf": along(at.linf), "proxy": along(proxy),
        "before": along(units.isel(look=0)), "margin_l2": least / best,
        "margin_linf": least / abs(w).max("coordinate") / at.most, "w": w, "width": at.width,
        "apart": xr.dot(at.l2, at.linf, dim="coordinate"),
        "best_linf": best / abs(at.l2).max("coordinate") / at.most,
        "proxy_l2": xr.dot(proxy, at.l2, dim="coordinate"),
        "proxy_linf": xr.dot(proxy, at.linf, dim="coordinate"),
    })  # fmt: skip


def norm(w: xr.DataArray) -> xr.DataArray:
    """‖w‖_2."""
    return (w**2).sum("coordinate") ** 0.5


class Shown(NamedTuple):
    """Intervals of a number over seeds, for several settings: the text of the least mean, and the ends of all."""

    text: str
    low: float
    high: float


def shown(values: xr.DataArray) -> Shown:
    """A number over seeds: of several settings the one with the least mean is told."""
    found = over(values.expand_dims("one")).stack(setting=["one", *(dim for dim in values.dims if dim != "seed")])
    least = found.isel(setting=int(found["mean"].values.argmin()))
    text = f"{float(least['mean']):.3f} [{float(least.low):.3f}, {float(least.high):.3f}]"
    more = f" (least of {found.sizes['setting']})" if found.sizes["setting"] > 1 else ""
    return Shown(text + more, float(found.low.min()), float(found.high.max()))


def claims(found: Mapping[str, xr.Dataset]) -> list[list[str]]:
    """A row a claim: the claim, theirs, ours, and the verdict, computed."""
    rademacher, adam, orders = found["rademacher"], found["momentum"], found["orders"]
    one, full = adam.sel(size=1), adam.sel(size=N)
    strict = full.sel(beta2=[0.9, 0.99])
    sr_l2, sr_share = shown(rademacher.l2.sel(size=1)), shown(rademacher.margin_linf.sel(size=1))
    sr_full, sr_cos = shown(rademacher.margin_linf.sel(size=N)), shown(rademacher.margin_l2.sel(size=N))
    near, both = shown(one.l2 - one.linf), (shown(one.l2), shown(one.linf))
    inf, full_l2 = shown(strict.linf), shown(full.l2)
    alike = shown(xr.dot(orders.w, one.w.sel(beta2=0.99, drop=True), dim="coordinate"))
    fixed, limit = shown(found["proxy"].proxy), shown(one.proxy)
    five = adam.sel(size=5)
    gap = shown(full.linf.sel(beta2=0.99) - five.linf.sel(beta2=0.99))
    signum = found["signum"].sel(beta1=0.999)
    sign, sign_margin = shown(signum.linf), shown(signum.margin_linf)
    gd = shown(found["gd"].l2)
    return [
        ["claim", "theirs", "ours", "verdict"],
        ["scaled Rademacher data, one example a step, cyclic, any β1 ≤ β2", "l_2 max-margin (Theorem 3.3)",
         f"cosine with l_2 {sr_l2.text}; share of γ_inf {sr_share.text}", verdict(sr_l2.low >= NEAR)],
        ["the same data, full batch", "l_inf max-margin",
         f"share of γ_inf {sr_full.text}; of γ_2 {sr_cos.text}", verdict(sr_full.low >= NEAR)],
        ["Gaussian data, full batch", "cosine with l_inf 1.0 (figure, as quoted in notes)",
         f"cosine with l_inf {inf.text} for β2 ≤ 0.99, {shown(full.linf.sel(beta2=0.999)).text} for 0.999; with l_2 "
         f"{full_l2.text}", verdict(inf.low >= NEAR)],
        ["Gaussian data, one example a step", "nearer to l_2 than to l_inf, and at neither",
         f"cosine with l_2 {both[0].text}, l_inf {both[1].text}; difference {near.text}",
         verdict(near.low > 0, both[0].high < 1)],
        ["cyclic order and drawing with replacement", "behave as a random order",
         f"cosine with what a random order finds {alike.text}", verdict(alike.low >= NEAR)],
        ["AdamProxy", "goes to a fixed point of the data (Theorem 4.8)",
         f"cosine with the fixed point, computed without training {fixed.text}", verdict(fixed.low >= NEAR)],
        ["one example a step, β2 → 1", "goes where AdamProxy does",
         f"cosine with the fixed point {limit.text}, at β2 = 0.999 {shown(one.proxy.sel(beta2=0.999)).text}",
         verdict(shown(one.proxy.sel(beta2=0.999)).low >= NEAR)],
        ["batches of 5 of 10", "depart from the full batch (Figure 6, as quoted in a review)",
         f"β2 = 0.99: cosine with l_inf {shown(five.linf.sel(beta2=0.99)).text}; {gap.text} less than the full batch's",
         verdict(gap.low > 0)],
        ["Signum, β near 1, any batch", "l_inf max-margin (Theorem 5.1)",
         f"β = 0.999: cosine with l_inf {sign.text}; share of γ_inf {sign_margin.text}", verdict(sign.low >= NEAR)],
        ["control: normalized GD, full batch", "(l_2, known)", f"cosine with l_2 {gd.text}", verdict(gd.low >= NEAR)],
    ]  # fmt: skip


def between(found: xr.Dataset) -> list[list[str]]:
    """A row a batch size: cosines of Adam at one β2, and where our fixed point for β2 → 1 says that it goes."""
    rows = [
        ["batch", "cosine with l_2", "foretold", "with l_inf", "foretold", "with the fixed point of its batch size"]
    ]
    for size in SIZES:
        at = found.sel(size=size, beta2=FORETOLD)
        rows.append([str(size), *(shown(at[name]).text for name in ("l2", "proxy_l2", "linf", "proxy_linf", "proxy"))])
    return rows


def nearer(found: xr.Dataset, name: str) -> str:
    """For each value of an axis, from which batch size on directions are nearer to l_inf than to l_2, if any."""
    gap = over(found.linf - found.l2)
    said = []
    for value in found[name].values.tolist():
        above = gap.low.sel({name: value}) > 0
        first = next((int(size) for size in SIZES if bool(above.sel(size=size))), None)
        said.append(f"{value:g}: {'none' if first is None else first}")
    return ", ".join(said)


def settled(found: xr.Dataset) -> str:
    """For each β2 the cosine with the fixed point for β2 → 1, the least over batch sizes."""
    each = [(value, shown(found.proxy.sel(beta2=value))) for value in found.beta2.values.tolist()]
    return ", ".join(f"{value:g}: {least.text.partition(' (')[0]}" for value, least in each)


def report(found: Mapping[str, xr.Dataset], *, quick: bool) -> str:
    """The tables, and how they came about."""
    adam, rademacher, steps = found["adam"], found["rademacher"], QUICK if quick else STEPS
    seeds = ", ".join(map(str, rademacher.seed.values.tolist()))
    lines = [
        "# Baek, Song, Yun 2025: implicit bias of per-sample Adam on separable data (arXiv 2510.26303)",
        "**NOT the reproduction: a hundredth of the steps (--quick); verdicts mean nothing.**" if quick else "",
        markdown.table(claims(found)),
        f"Means over {adam.sizes['seed']} data sets with 95 % intervals (Student); of several settings (β1, β2, batch "
        f"or order) the least mean is given, and a verdict asks the lower ends of all for {NEAR}. The paper's text was "
        "not at hand: its claims are from the abstract, notes and reviews; d, step sizes, β1 and β2 of its "
        "experiments, and its figures' numbers, could not be checked. Here d = 20 (Gaussian) and 4, N = 10, logistic "
        "loss, ε = 0, no bias correction, β1 = 0.9 unless said, η_t = η_0/√(t + 1) with η_0 = "
        f"{RATE['eta0']}, Signum's {SLOW['eta0']}, {steps:,} steps for every batch size.",
        f"Cosine of the l_2 and the l_inf direction themselves: {shown(adam.apart).text} (Gaussian). The l_inf "
        f"solutions are unique there (a coordinate's range over all of them is at most {float(adam.width.max()):.1g}); "
        f"on scaled Rademacher data they mostly are not (up to {float(rademacher.width.max()):.2g}), so that a cosine "
        "means nothing and the share of γ_inf is given. Only scaled Rademacher data whose l_2 direction has less than "
        f"{APART} of γ_inf can tell the two apart: seeds {seeds}, chosen before any training; that direction has "
        f"{shown(rademacher.best_linf).text} of γ_inf.",
        f"From T/10 to T the cosine of a direction with what it was is {float(adam.before.min()):.4f} (Adam, β1 = 0) "
        f"and {float(found['signum'].before.min()):.4f} (Signum) at least: what was to come later is not seen.",
        "## What lies between (not in the paper)",
        f"Adam with β1 = 0 on batches of a random order, at β2 = {FORETOLD}. Foretold: the fixed point for β2 → 1 in "
        "which the preconditioner is the root mean square of a batch's gradient, P_j = (ḡ_j² + ρ·var_i g_ij)^{1/2} "
        "with ρ = (N − B)/(B(N − 1)): AdamProxy's for B = 1, the sign for B = N. Derived here; `margins.batch_proxy`.",
        markdown.table(between(adam)),
        f"Cosine with that fixed point by β2, the least mean over batch sizes: {settled(adam)}. The last batch of an "
        "epoch has what is left, so that batches of 7 are of 7 and 3.",
        "The batch size from which on directions are nearer to l_inf than to l_2 (interval of the difference above 0): "
        f"Adam by β2, {nearer(adam, 'beta2')}; Signum by β, {nearer(found['signum'], 'beta1')}.",
    ]  # fmt: skip
    return "\n\n".join(line for line in lines if line)
