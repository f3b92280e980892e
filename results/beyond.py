"""Pictures and numbers of the sweeps beyond the paper: rates, the map of optimizers, the way from GD to Adam.

`draw.py` runs it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from scipy import stats
from scipy.optimize import brentq
from scipy.special import gamma

import adam_vs_gd as ag
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import PAGE, styled
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.problems.learning.table1 import KINDS
from adam_vs_gd.results.columns import columns, number, told
from adam_vs_gd.results.statistics import over_seeds

FAMILIES: Sequence[Sequence[str]] = (
    ("gd", "momentum", "nesterov", "sam", "normalized_gd", "muon"),
    ("signgd", "signum", "lion", "rmsprop", "adagrad", "adam_paper"),
    ("adam", "adamw", "amsgrad", "adabound", "adam_clip", "adam_power"),
)
"""Optimizers that are drawn together."""
BEGINS = 0.25  # a mean test error at which an optimizer has begun to memorize
ALIKE: Mapping[int, Sequence[str]] = {
    0: ("gd", "normalized_gd"),
    1: ("signgd", "signum", "rmsprop", "adam_without_momentum", "adam", "adam_paper"),
}
"""{the power p of |g| that steps divide by: optimizers whose start `derived` describes}.

It asks whether the feature would return, which takes a decay that goes through the scaling, and a scaling that
recovers, so not AdamW, Lion, AdaGrad or AMSGrad.
"""


def smallest_that_fits(results: xr.Dataset, label: str) -> float:
    """The smallest η from which on, up to the next at least, every seed is fitted; NaN where there is none."""
    fitted = (results.status.sel(optimizer=label) >= CODES["fitted"]).all("seed").values
    steady = fitted & np.append(fitted[1:], True)
    eta = results.eta.sel(optimizer=label).values
    return float(eta[steady.argmax()]) if steady.any() else np.nan


def rates(results: xr.Dataset, folder: Path) -> str:
    """Which η fits within Table 1's steps, which ends lowest, and the defaults."""
    rows = [["optimizer", "default eta", "smallest that fits", "least objective at", "objective there", "at default",
             "test error at default"]]  # fmt: skip
    for label in map(str, results.optimizer.values):
        here = results.sel(optimizer=label)
        eta, objective = here.eta.values, np.exp(np.log(here.loss).mean("seed")).values
        least, default = int(np.nanargmin(objective)), KINDS[label]["eta"]
        k = int(np.abs(np.log(eta / default)).argmin())
        error = number(over_seeds(here.isel(eta_index=k), "test_error"))
        rows.append([label, f"{default:g}", f"{smallest_that_fits(results, label):.2g}", f"{eta[least]:.2g}",
                     f"{objective[least]:.2e}", f"{objective[k]:.2e}", error])  # fmt: skip
    with styled():
        figure = Picture("rates", results.attrs["digest"], [], figsize=(PAGE, 3.4), layout="constrained")
        for k, (place, labels) in enumerate(zip(figure.subplots(1, 3, sharey=True), FAMILIES, strict=True)):
            ag.plot.curves(results, value="test_error", optimizer=list(labels), ax=place)
            figure.numbers += numbers_of(results, labels)
            place.set_ylabel("" if k else place.get_ylabel())
            drawn = place.get_legend()
            names = [text.get_text() for text in drawn.get_texts()]
            below: dict[str, object] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 2}
            place.legend(drawn.legend_handles, names, frameon=False, **below)
    ag.plot.save(figure, folder / "rates.png")
    return f"```\n{columns(rows)}\n```"


def numbers_of(results: xr.Dataset, labels: Sequence[str]) -> list[dict[str, object]]:
    """What is drawn of some optimizers along η: a row a point."""
    rows: list[dict[str, object]] = []
    for label in labels:
        errors = over_seeds(results.sel(optimizer=label), "test_error")
        for k, eta in enumerate(results.eta.sel(optimizer=label).values):
            interval = {field: errors[field].values[k].item() for field in ("mean", "low", "high", "seeds")}
            rows.append({"optimizer": label, "eta": float(eta), **interval})
    return rows


def optimizers(results: xr.Dataset, folder: Path) -> str:
    """Where each optimizer begins to memorize, along α, and how many of its lanes are at rest."""
    return f"{mapped(results, folder, 's', 'alpha')}\n\n{lost(results, 's', 'alpha', 0.2)}"


def optimizers_by_load(results: xr.Dataset, folder: Path) -> str:
    """The same along d: over the load n·s/d."""
    return f"{mapped(results, folder, 's', 'd')}\n\n{lost(results, 's', 'd', 1000)}"


def mapped(results: xr.Dataset, folder: Path, x: str, y: str) -> str:
    """The diagram of all optimizers, where errors rise through 1/4 along x, the law of that along y, and as derived.

    Not through 1/2: memorized noise alone, without feature noise, is an error of 1/2.
    """
    edge = ag.boundary(results, x, y, BEGINS, direction="rising")
    labels, values = [*map(str, results.optimizer.values)], edge[y].values
    lines = {power: [derived(results, power, **{y: value}) for value in values] for power in ALIKE}
    curves = {label: edge.sel(optimizer=label) for label in labels}
    overlays = [
        ag.plot.Overlay("boundary at 1/4, 95 %", curve[x], curve[y], curve.low, curve.high, optimizer=label)
        for label, curve in curves.items()
    ]
    overlays += [
        ag.plot.Overlay(
            f"derived, p = {power}", line, values, optimizer=[name for name in ALIKE[power] if name in labels]
        )
        for power, line in lines.items()
    ]
    picture = ag.plot.phase_diagram(results, x, y, overlays=overlays)
    ag.plot.save(picture, folder / f"{folder.name}.png")
    rows = [["optimizer", "fitted", "at rest", *(f"{x} at {y} = {value:g}" for value in values), "exponent",
             "errors below .01", "above .9"]]  # fmt: skip
    for label in labels:
        here, curve = results.sel(optimizer=label), curves[label]
        errors = here.test_error.values[(here.status >= CODES["fitted"]).values]
        rest = int((here.status == CODES["converged"]).sum())
        rows.append([label, f"{errors.size}/{here.status.size}", str(rest),
                     *(crossing(curve, x, value, y) for value in values), exponent(curve, y),
                     f"{(errors < 0.01).mean():.2f}", f"{(errors > 0.9).mean():.2f}"])  # fmt: skip
    for power, line in lines.items():
        rows.append([f"derived, p = {power}", "", "", *(f"{place:.3g}" for place in line), "", "", ""])
    return f"```\n{columns(rows)}\n```"


def lost(results: xr.Dataset, x: str, y: str, value: float) -> str:
    """Of how many classes (two a seed) the feature is less than half of what is memorized, along x."""
    here = results.sel({y: value})
    share = (here.capital_lambda < here.capital_gamma / 2).mean(("class", "seed")).transpose("optimizer", x)
    rows = [[f"share of classes with Λ < Γ/2 at {y} = {value:g}", *(f"{x} = {place:g}" for place in here[x].values)]]
    rows += [[str(one.optimizer.item()), *(f"{part:.2f}" for part in one.values)] for one in share]
    return f"```\n{columns(rows)}\n```"


def exponent(curve: xr.Dataset, x: str) -> str:
    """The power of a boundary's law along x, with its interval."""
    fit = ag.fit_exponent(curve.sel({x: curve[x] > 0}))
    return told(float(fit.exponent), float(fit.low), float(fit.high))


def crossing(curve: xr.Dataset, x: str, value: float, y: str) -> str:
    """Where a row crosses the level, with its interval."""
    here = curve.sel({y: value})
    return told(float(here[x]), float(here.low), float(here.high))


def along_power(results: xr.Dataset) -> xr.Dataset:
    """The optimizers p00, p01, … of the sweep `normalization` as one, along p."""
    labels = [
        str(label) for label in results.optimizer.values if str(label).startswith("p") and str(label)[1:].isdigit()
    ]
    some = results.sel(optimizer=labels)
    powers = some.power.values
    along = some.drop_vars(
        [name for name, coord in some.coords.items() if "optimizer" in coord.dims and name != "optimizer"]
    )
    along = along.rename(optimizer="power").assign_coords(power=("power", powers, results.power.attrs))
    return along.expand_dims(optimizer=["adam_power"])


def normalization(results: xr.Dataset, folder: Path) -> str:
    """Where memorizing begins along the power of the normalization, measured and derived."""
    along = along_power(results)
    edge = ag.boundary(along, "s", "power", direction="rising").sel(optimizer="adam_power")
    p = np.linspace(0, 1, 101)
    line = np.array([derived(along, power) for power in p])
    overlays = [
        ag.plot.Overlay("boundary, 95 %", edge.s, edge.power, edge.low, edge.high),
        ag.plot.Overlay("derived", line, p),
    ]
    picture = ag.plot.phase_diagram(along, "s", "power", overlays=overlays)
    ag.plot.save(picture, folder / f"{folder.name}.png")
    rows = [["p", "s measured [95 %]", "s derived"]]
    rows += [
        [f"{power:g}", crossing(edge, "s", power, "power"), f"{derived(along, power):.3g}"]
        for power in edge.power.values
    ]
    return f"```\n{columns(rows)}\n```"


def derived(results: xr.Dataset, power: float, **at: float) -> float:
    """The s from which an optimizer g/|g|^p memorizes, derived for disjoint supports and stage I; NaN if none.

    Numbers given by name are in place of the results'.

    With logits of 1/2 the strongest filter's Λ grows by η((q/4)Λ^{q−1})^{1−p} a step, and the Γ of an example by
    η((q/2n)Γ^{q−1})^{1−p}·sσ_p^{2−p}E|z|^{2−p}. When Γ is 1, what is left of the feature is Λ; the noise stays if that
    is below (2sσ_p²/n)^{1/(q−2)}, where the feature would return (`theory.recovery`), or below (α/2)^{1/(q−1)}, where
    feature noise turns it.
    """
    keys = "n", "sigma_p", "alpha", "q", "width", "sigma_0"
    at = {key: float(results[key]) for key in keys if key not in at} | at
    n, sigma, q = at["n"], at["sigma_p"], at["q"]
    rest, e = 1 - power, (q - 1) * (1 - power)
    moment = 2 ** ((2 - power) / 2) * gamma((3 - power) / 2) / np.sqrt(np.pi)
    start = at["sigma_0"] * stats.norm.ppf(0.5 ** (1 / at["width"]))

    def spare(log_s: float) -> float:
        s = np.exp(log_s)
        a, b = (q / 4) ** rest, (q / (2 * n)) ** rest * s * sigma ** (2 - power) * moment
        time = elapsed(start * sigma * np.sqrt(s), 1.0, e) / b
        left = reached(start, a * time, e)
        return float(
            np.log(left) - np.log(max((2 * s * sigma**2 / n) ** (1 / (q - 2)), (at["alpha"] / 2) ** (1 / (q - 1))))
        )

    low, high = 0.0, np.log(1e5)
    return float(np.exp(brentq(spare, low, high))) if spare(low) > 0 > spare(high) else np.nan


def elapsed(start: float, end: float, e: float) -> float:
    """The time in which ẋ = x^e goes from one value to another."""
    return float(np.log(end / start)) if abs(e - 1) < 1e-9 else (end ** (1 - e) - start ** (1 - e)) / (1 - e)


def reached(start: float, time: float, e: float) -> float:
    """Where ẋ = x^e is after a time, at most 1, beyond which logits are no longer 1/2."""
    if abs(e - 1) < 1e-9:
        return min(1.0, start * float(np.exp(min(time, 700.0))))
    inside = start ** (1 - e) + (1 - e) * time
    return 1.0 if inside <= 0 else min(1.0, inside ** (1 / (1 - e)))


def memory(results: xr.Dataset, folder: Path) -> str:
    """Where memorizing begins along β2, with momentum and without."""
    edge = ag.boundary(results, "s", "beta2", direction="rising")
    labels = list(map(str, results.optimizer.values))
    about = {"long_name": "memory of the second moment", "symbol": r"$1/(1-\beta_2)$"}
    steps = ("memory", 1 / (1 - results.beta2.values), about)
    along = results.rename(beta2="memory").assign_coords(memory=steps)
    ag.plot.save(ag.plot.phase_diagram(along, "s", "memory", optimizer=labels), folder / f"{folder.name}.png")
    rows = [["beta2", *labels]]
    for value in edge.beta2.values:
        places = (crossing(edge.sel(optimizer=label), "s", value, "beta2") for label in labels)
        rows.append([f"{value:g}", *places])
    return f"```\n{columns(rows)}\n```"
