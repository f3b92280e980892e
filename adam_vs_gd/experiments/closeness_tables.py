"""Adam against signGD in tables and sentences; what is shown is what `closeness.measured` returns."""

from __future__ import annotations

import numpy as np
import xarray as xr

from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.summary import over
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.results.columns import number
from adam_vs_gd.results.power_law import MIN_POINTS, fit_exponent
from adam_vs_gd.results.statistics import difference, over_seeds
from adam_vs_gd.results.transition import interval

EXPLANATION = """\
Signs agree: the share of the weights in supports (on a noise coordinate of some training example) where Adam's next
step has the sign of −∇L at the same iterate. Noise/feature: the mean size of Adam's steps there, as a multiple of those
on the feature; signGD's is 1. Both over the training, at every twentieth of it. Moved alike: the share of the same
weights that Adam and signGD have moved to the same side of their common start. Distance: ‖W_A − W_S‖/‖W_S‖ at T, of all
weights."""


def steps(results: xr.Dataset) -> dict[str, xr.DataArray]:
    """Of Adam's steps along the training: the share with the gradient's sign, and noise against feature."""
    size, sign = (results[name].mean("record") for name in ("step_size", "sign_agreement"))
    return {
        "signs agree": sign.sel(coordinates="support", drop=True),
        "noise/feature": size.sel(coordinates="support", drop=True) / size.sel(coordinates="feature", drop=True),
    }


def cells(results: xr.Dataset) -> str:
    """A line a cell."""
    others = {**steps(results), "moved alike": results.moved_alike, "distance": results.distance}
    shown = {name: over(values) for name, values in others.items()}
    errors, apart = over_seeds(results, "test_error"), difference(results, "test_error", "adam", "signgd")
    unfit = (results.status != CODES["fitted"]).sum(("optimizer", "seed"))
    rows = [["s", "load", "d", "test error, Adam", "test error, signGD", "Adam − signGD", *shown, "not fitted"]]
    for s in results.s.values:
        for load in results["load"].values:
            at = {"s": s, "load": load}
            rows.append([
                f"{s}", f"{load:g}", f"{results.d.sel(at).item()}",
                *(number(errors.sel(at).sel(optimizer=label)) for label in ("adam", "signgd")), number(apart.sel(at)),
                *(number(values.sel(at)) for values in shown.values()), f"{unfit.sel(at).item() or ''}",
            ])  # fmt: skip
    lanes = results.sizes["optimizer"] * results.sizes["seed"]
    return f"{markdown.table(rows)}\n\n{EXPLANATION} Not fitted: of {lanes} lanes."


def at_rest(results: xr.Dataset, rested: xr.Dataset) -> str:
    """A line a cell: errors after T steps and where the lanes end, and how many of these are at rest."""
    rows = [["s", "load", *(f"{label}, {when}" for label in ("Adam", "signGD") for when in ("after T", "at the end")),
             "at rest"]]  # fmt: skip
    errors, ends = (over_seeds(one, "test_error") for one in (results, rested))
    still = (rested.rest_step >= 0).sum(("optimizer", "seed"))
    lanes = rested.sizes["optimizer"] * rested.sizes["seed"]
    for s in rested.s.values:
        for load in rested["load"].values:
            at = {"s": s, "load": load}
            pairs = [number(one.sel(at).sel(optimizer=label)) for label in ("adam", "signgd") for one in (errors, ends)]
            rows.append([f"{s}", f"{load:g}", *pairs, f"{still.sel(at).item()} of {lanes}"])
    return (
        f"{markdown.table(rows)}\n\nEvery other row with {rested.sizes['seed']} seeds, each lane trained until it is "
        "at rest (docs/rest.md), 10⁵ steps at most."
    )


def crossover(results: xr.Dataset, edge: xr.Dataset, estimate: xr.DataArray) -> str:
    """Where each error falls through 1/2, where the two are furthest apart, and the power laws of the former in s."""
    apart = difference(results, "test_error", "adam", "signgd")
    rows = [["s", "signGD: load", "Adam: load", "signGD, estimate", "largest Adam − signGD", "at load"]]
    for s in edge.s.values:
        here = apart.sel(s=s)
        most = here.isel({"load": here["mean"].values.argmax()})
        crossings = [crossing(edge.sel(optimizer=label, s=s)) for label in ("signgd", "adam")]
        rows.append([
            f"{s}", *crossings, f"{estimate.sel(s=s).item():.3g}", number(most), f"{most['load'].item():g}",
        ])  # fmt: skip
    laws = fit_exponent(edge)
    said = [law(name, laws.sel(optimizer=label)) for name, label in (("signGD", "signgd"), ("Adam", "adam"))]
    return "\n\n".join([markdown.table(rows), *said, line(edge.sel(optimizer="signgd"))])


def crossing(at: xr.Dataset) -> str:
    """A crossing with its interval, and whether it is resolved."""
    found = number(xr.Dataset({"mean": at["load"], "low": at.low, "high": at.high}))
    return found if at.resolved or found == "-" else f"{found}, not resolved"


def law(name: str, fit: xr.Dataset) -> str:
    """A power law in words."""
    if fit.exponent.isnull():
        return f"{name}: no exponent, with {fit.points.item()} crossings."
    exponent = number(xr.Dataset({"mean": fit.exponent, "low": fit.low, "high": fit.high}))
    return (
        f"{name}: load = {fit.prefactor.item():.3g}·s^κ with κ = {exponent}, over {fit.points.item()} values of s; the "
        f"residuals are {fit.rms.item():.2g} in ln(load)."
    )


def line(edge: xr.Dataset) -> str:
    """Crossings of signGD as load = a·(s − s_0): exponent 1, beyond the s whose error is low even without overlap."""
    edge = edge.sel(s=edge["load"].notnull())
    if edge.sizes["s"] <= MIN_POINTS:
        return "signGD: too few crossings for a straight line."
    s = edge.s.values.astype(float)
    crossings = np.concatenate([edge["load"].values[:, None], edge.resampled.transpose("s", "resample").values], 1)
    slopes, offsets = np.polyfit(s, crossings[:, np.isfinite(crossings).all(0)], 1)
    fitted = slopes[0] * s + offsets[0]
    rms = np.sqrt(np.mean((np.log(fitted) - np.log(crossings[:, 0])) ** 2)) if (fitted > 0).all() else np.nan
    shown = []
    for found in (slopes, -offsets / slopes):
        low, high = interval(found[0], found[1:], edge.attrs["seeds"])
        shown.append(number(xr.Dataset({"mean": found[0], "low": low, "high": high})))
    return (
        f"signGD: load = a·(s − s_0) with a = {shown[0]} and s_0 = {shown[1]} (intervals from resampled seeds); the "
        f"residuals are {rms:.2g} in ln(load). The estimate, which holds for loads far above 1, is a line with s_0 = 0."
    )
