"""What the trainings of `vasudeva2025` on samples say: at which losses they are compared, verdicts and tables."""

from __future__ import annotations

import numpy as np
import xarray as xr

from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.papers.vasudeva2025_training import bayes_error, by_angle, line_error, slope
from adam_vs_gd.experiments.summary import over

FALL = 0.9  # of the way of the loss, at which methods are compared at the same loss
DONE, END = f"at {100 * FALL:g} %", "at the end"
MATTERS = 1e-3  # what the line must lose to Bayes' rule, for the boundary to be called nonlinear
LEAST = 1e-4  # mean differences of errors below are none


def moments(found: xr.Dataset) -> xr.Dataset:
    """What trainings are at the same loss, and at their ends.

    Args:
        found: loss, test_error, above and below along (omega, sigma, optimizer, seed, moment).

    Returns:
        Along (when, omega, sigma, optimizer, seed) `error`, `above` and `below`, NaN where the loss was not reached;
        and along (omega, sigma, optimizer, seed) `fall`, that of the loss between the last two moments.
    """
    dims = found.loss.dims[:-1]
    least = found.loss.isel(moment=-1).min("optimizer")
    level = (least + (1 - FALL) * (np.log(2) - least)).broadcast_like(found.loss.isel(moment=0)).transpose(*dims)

    def at(name: str) -> tuple[tuple[str, ...], np.ndarray]:
        values = found[name].transpose(*found.loss.dims).values
        return ("when", *map(str, dims)), np.stack([crossed(found.loss.values, values, level.values), values[..., -1]])

    whole = {"error": at("test_error"), "above": at("above"), "below": at("below")}
    fall = found.loss.isel(moment=-2) - found.loss.isel(moment=-1)
    coords = {name: found[name].values for name in dims}
    return xr.Dataset(whole | {"fall": (dims, fall.values)}, {"when": [DONE, END], **coords}, found.attrs)


def beside_bayes(at: xr.Dataset) -> xr.Dataset:
    """`moments`, and `excess`, the error less Bayes'; along (omega, sigma) `bayes` and `line`, x_1 = 0's excess."""
    cells = [[(omega, sigma) for sigma in at["sigma"].values.tolist()] for omega in at.omega.values.tolist()]
    bayes, line = (
        xr.DataArray([[of(*cell) for cell in row] for row in cells], dims=("omega", "sigma"))
        for of in (bayes_error, line_error)
    )
    return at.assign(excess=at.error - bayes, bayes=bayes, line=line - bayes)


def crossed(loss: np.ndarray, values: np.ndarray, level: np.ndarray) -> np.ndarray:
    """[...] values where the loss first is at a level, linear between [..., moments]; NaN where it never is."""
    below = loss <= level[..., None]
    first = below.argmax(-1)[..., None]
    before = np.maximum(first - 1, 0)
    take = lambda of, i: np.take_along_axis(of, i, -1)[..., 0]  # noqa: E731
    gap = take(loss, before) - take(loss, first)
    share = np.where(gap > 0, (take(loss, before) - level) / np.where(gap > 0, gap, 1), 1)
    between = take(values, before) + share * (take(values, first) - take(values, before))
    return np.where(below.any(-1), between, np.nan)


def gap_of(at: xr.Dataset, when: str, other: str = "Adam") -> xr.Dataset:
    """GD's error less another's, paired by seed, its mean and interval at every (ω, σ)."""
    excess = at.excess.sel(when=when)
    return over(excess.sel(optimizer="GD", drop=True) - excess.sel(optimizer=other, drop=True))


def nonlinear(at: xr.Dataset) -> xr.DataArray:
    """Where the boundary of Bayes' rule is nonlinear: the line loses `MATTERS`."""
    return at.line >= MATTERS


def counted(at: xr.Dataset, when: str, other: str = "Adam") -> tuple[int, int, int]:
    """Of cells with a nonlinear boundary how many there are, and where another is better, and worse than GD.

    By an interval that excludes 0, and by `LEAST`.
    """
    gap = gap_of(at, when, other)
    there = nonlinear(at) & (abs(gap["mean"]) >= LEAST)
    return int(nonlinear(at).sum()), int(((gap.low > 0) & there).sum()), int(((gap.high < 0) & there).sum())


def claims_on_samples(at: xr.Dataset) -> list[list[str]]:
    """Rows of the table of claims."""
    rows = []
    for when in at.when.values.tolist():
        total, better, worse = counted(at, when)
        gap = gap_of(at, when)["mean"].where(nonlinear(at))
        word = "reproduced" if better == total else "reproduced in part" if better > worse else "not reproduced"
        rows.append([
            f"logistic loss on samples, {when}: errors where the boundary is nonlinear",
            "Adam is nearer to Bayes' rule than GD",
            f"in {better} of {total} cells (ω, σ) Adam is, in {worse} GD; GD's error less Adam's "
            f"{float(gap.min()):.5f} to {float(gap.max()):.5f}", word,
        ])  # fmt: skip
    return rows


def best_angle(omega: float, sigma: float) -> float:
    """The half-angle of the cone around (1, 0) that errs least, which is all that f without biases can learn."""
    density = np.asarray(by_angle(omega, sigma))
    return float(np.pi * (density[: len(density) // 2] > 0).mean())


def conclusion(at: xr.Dataset, excess: xr.DataArray) -> str:
    """What the numbers say, whatever they are.

    Args:
        at: `moments`.
        excess: by population gradients along (omega, power, seed).
    """
    there = nonlinear(at)
    mean = at.excess.where(there).mean(("omega", "sigma", "seed"))
    total, better, worse = counted(at, DONE)
    _, better_end, worse_end = counted(at, END)
    others = "; ".join(
        "{}: {} and {}".format(name, *counted(at, DONE, name)[1:]) for name in at.optimizer.values.tolist()[2:]
    )
    each = ", ".join(
        f"{name} {float(mean.sel(when=DONE, optimizer=name)):.5f} and {float(mean.sel(when=END, optimizer=name)):.5f}"
        for name in at.optimizer.values.tolist()
    )
    gd, adam = (mean.sel(optimizer=name) for name in ("GD", "Adam"))
    first, last = (float((gd - adam).sel(when=when)) for when in (DONE, END))
    return (
        f"At the same loss ({DONE}) Adam is nearer to Bayes' rule than GD in {better} and farther in {worse} of "
        f"{total} cells with a nonlinear boundary ({others}); {END}, in {better_end} and {worse_end}. Mean excess "
        f"errors, then and {END}: {each}. {path_or_end(first, last)} {still_worse(at)}"
        f"{of_the_line(at)} "
        f"{best_powers(excess)}"
    )


def path_or_end(first: float, last: float) -> str:
    """Whether GD's mean error less Adam's, first at the same loss, is there at the end."""
    told_ = f"GD's less Adam's goes from {first:.5f} to {last:.5f}: "
    if first <= 0:
        return told_ + "at the same loss GD is not the worse one on average."
    if last <= first / 2:
        return told_ + (
            "the bias is more of the path than of the end, as it would be if it came from population gradients of the "
            "correlation loss, which those of the logistic loss are about while f is small."
        )
    return told_ + "the bias lasts as long as these trainings do."


def still_worse(at: xr.Dataset) -> str:
    """Where GD is the worse one at the end, and how far its loss is from rest there."""
    gap = gap_of(at, END)
    there = ((gap.low > 0) & (gap["mean"] >= LEAST) & nonlinear(at)).stack(cell=("omega", "sigma"))
    worse = [cell for cell, is_worse in zip(there.cell.values.tolist(), there.values.tolist(), strict=True) if is_worse]
    falls = {cell: at.fall.sel(optimizer="GD", omega=cell[0], sigma=cell[1]) for cell in worse}
    each = "; ".join(
        f"(ω = {omega:g}, σ = {sigma:g}), where its loss still falls by {float(fall.mean()):.5f} (mean) "
        "between the last two measurements"
        for (omega, sigma), fall in falls.items()
    )
    return f"GD is the worse one {END} at {each}. " if worse else ""


def of_the_line(at: xr.Dataset) -> str:
    """How much of the line's excess error GD has, where κ < 1 and where not, at the same loss and at the end."""
    share = (at.excess.sel(optimizer="GD").mean("seed") / at.line).where(nonlinear(at))
    kappa = xr.zeros_like(at.line)
    for omega in at.omega.values.tolist():
        for sigma in at["sigma"].values.tolist():
            kappa.loc[{"omega": omega, "sigma": sigma}] = slope(omega, sigma)
    parts = []
    for what, where in (("κ < 1, so that GD's simple direction is stable", kappa < 1), ("κ >= 1", kappa >= 1)):
        count = int((where & nonlinear(at)).sum())
        if count:
            done, end = (100 * float(share.sel(when=when).where(where).mean()) for when in (DONE, END))
            parts.append(f"where {what} ({count} cells), {done:.0f} % and {end:.0f} %")
    return f"Of the line's excess error GD has, {DONE} and {END}: {'; '.join(parts)}."


def best_powers(excess: xr.DataArray) -> str:
    """The best p of steps g/|g|^p by ω."""
    best = excess.mean("seed").idxmin("power")
    richest = bool((best == excess.power.max()).all())
    each = ", ".join(f"{float(p):g} at ω = {float(p.omega):g}" for p in best)
    return (
        f"The richest is {'the nearest' if richest else 'not always the nearest'} to Bayes' rule: of steps g/|g|^p by "
        f"population gradients the best p is {each} (p = 0 is GD, 1 signGD)."
    )


def samples_tables(at: xr.Dataset) -> list[str]:
    """Excess errors, half-angles, and whether losses have come to rest."""
    methods = at.optimizer.values.tolist()
    texts = []
    for when in at.when.values.tolist():
        rows = [["σ", "ω", "κ", "Bayes' error", "the line's excess", *methods, "GD's less Adam's"]]
        for sigma in at["sigma"].values.tolist():
            for omega in at.omega.values.tolist():
                here = {"omega": omega, "sigma": sigma}
                each = [told(over(at.excess.sel(when=when, optimizer=name, **here))) for name in methods]
                line, bayes = float(at.line.sel(**here)), float(at.bayes.sel(**here))
                gap = told(gap_of(at, when).sel(**here))
                rows.append([f"{sigma:g}", f"{omega:g}", f"{slope(omega, sigma):.2f}", f"{bayes:.5f}", f"{line:.5f}",
                             *each, gap])  # fmt: skip
        texts += [f"Excess errors over Bayes' rule {when}:", markdown.table(rows)]
    rows = [["σ", "ω", "best", *(f"{name} {when}" for when in at.when.values.tolist() for name in methods)]]
    wide = np.degrees((at.above + at.below) / 2)
    for sigma in at["sigma"].values.tolist():
        for omega in at.omega.values.tolist():
            each = [f"{float(wide.sel(when=w, optimizer=m, omega=omega, sigma=sigma).mean()):.1f}"
                    for w in at.when.values.tolist() for m in methods]  # fmt: skip
            rows.append([f"{sigma:g}", f"{omega:g}", f"{np.degrees(best_angle(omega, sigma)):.1f}", *each])
    falls = at.fall.max(("omega", "seed")).transpose("sigma", ...)
    since = "; ".join(
        f"σ = {float(of['sigma']):g}: " + ", ".join(f"{name} {float(of.sel(optimizer=name)):.5f}" for name in methods)
        for of in falls
    )
    return [
        *texts,
        "Half-angle of the cone of class +1 around (1, 0), in degrees, mean over seeds; 90 is a line, best the cone "
        "that errs least:", markdown.table(rows),
        f"The most that the training loss falls between the last two measurements: {since}.",
    ]  # fmt: skip


def told(interval: xr.Dataset) -> str:
    """A mean and its interval."""
    return f"{float(interval['mean']):.5f} [{float(interval.low):.5f}, {float(interval.high):.5f}]"
