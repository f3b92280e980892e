"""The theory of a sweep in words: which conditions hold where, what to beware of, and what each point predicts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from adam_vs_gd.axis import written
from adam_vs_gd.show import columns
from adam_vs_gd.spec import SweepSpec, axes
from adam_vs_gd.theory.conditions import CONDITIONS, SIGNED
from adam_vs_gd.theory.prediction import PHASES, facts, predict

LIKELY = 0.5


def describe(spec: SweepSpec, constants: Mapping[str, float] | None = None, log_power: float = 0.0) -> str:
    """What the theory says of a sweep: conditions, warnings, and a line a point.

    Args:
        spec: the sweep.
        constants: as in `predict`.
        log_power: as in `predict`.

    Raises:
        TheoryError: as `predict`.
    """
    predicted = predict(spec, constants, log_power)
    dims = [name for name, _ in axes(spec)]
    kinds = facts(spec)[1]
    named = ", ".join(f"{name} = {value:g}" for name, value in (constants or {}).items())
    given = f"constants {named}, the others 1" if named else "all constants 1"
    logs = f"polylog(n) = max(1, ln n)^{log_power:g}" if log_power else "logarithms left out"
    parts = [
        f"{spec.name}: the paper's conditions at {points_of(predicted, dims)}, with {given} and {logs}\n"
        "(the paper leaves both open). A margin is how far a condition holds: 1 or more where it does.",
        conditions(predicted),
        "\n".join(f"! {text}" for text in warnings(spec, predicted)) or "nothing to warn of",
        table(predicted, dims, kinds),
        "T_0: Adam and signGD have learned their pattern; T_r: they begin to unlearn the feature; T_j: GD has learned\n"
        "it; in steps, up to constants. P: that all supports are disjoint. Not met: names of the first table.",
    ]
    return "\n\n".join(parts)


def points_of(predicted: xr.Dataset, dims: list[str]) -> str:
    """How many points there are."""
    count = int(np.prod([predicted.sizes[dim] for dim in dims], dtype=int))
    return "1 point" if count == 1 else f"{count} points"


def conditions(predicted: xr.Dataset) -> str:
    """A line a condition: its source and formula, the margins over all points, and where it holds."""
    rows = [["condition", "source", "", "margin", "holds", "in words"]]
    for name, condition in CONDITIONS.items():
        margin = predicted[f"margin_{name}"]
        known = margin.values[np.isfinite(margin.values) | np.isposinf(margin.values)]
        if known.size:
            ends = dict.fromkeys(f"{end:.2g}" for end in (known.min(), known.max()))
            where = holds(margin, predicted)
            rows.append([name, condition.source, condition.formula, " to ".join(ends), where, condition.words])
    return columns(rows)


def holds(margin: xr.DataArray, predicted: xr.Dataset) -> str:
    """Where a margin is 1 or more: everywhere, nowhere, at which values of its axis, or at how many points."""
    known = margin.notnull()
    met = (margin >= 1) & known
    if not met.any():
        return "nowhere"
    if met.sum() == known.sum():
        return "everywhere"
    along = [str(dim) for dim in margin.dims]
    if "optimizer" in along:
        each = [(label, margin.sel(optimizer=label)) for label in margin.optimizer.values]
        each = [(label, own) for label, own in each if own.notnull().any()]
        texts = {str(label): holds(own.drop_vars("optimizer"), predicted.sel(optimizer=label)) for label, own in each}
        same = set(texts.values())
        return same.pop() if len(same) == 1 else "; ".join(f"{label}: {text}" for label, text in texts.items())
    if len(along) == 1:
        return f"at {along[0].removesuffix('_index')} = {runs(axis_values(predicted, along[0]), met.values)}"
    return f"at {int(met.sum())} of {int(known.sum())} points of {' x '.join(along)}"


def axis_values(predicted: xr.Dataset, dim: str) -> np.ndarray:
    """The values along an axis; of an `_index` axis those of the one optimizer that is left."""
    key = dim.removesuffix("_index")
    return predicted[key if key in predicted.coords and predicted[key].dims == (dim,) else dim].values


def runs(values: np.ndarray, chosen: np.ndarray) -> str:
    """Chosen values of an axis, neighbours as `first to last`."""
    names, texts = written(values), []
    for is_chosen, run in itertools.groupby(range(len(values)), key=lambda i: bool(chosen[i])):
        found = list(run)
        if is_chosen:
            texts.append(" to ".join(dict.fromkeys([names[found[0]], names[found[-1]]])))
    return ", ".join(texts)


def warnings(spec: SweepSpec, predicted: xr.Dataset) -> Iterator[str]:
    """What a reader of this sweep's results should know of the theory's premises."""
    certain = predicted.disjoint
    kinds = {table["kind"] for table in spec.optimizers.values()}
    meet = certain < LIKELY
    if meet.any():
        ends = dict.fromkeys(f"{float(end):.3g}·d" for end in (predicted.overlap.min(), predicted.overlap.max()))
        where = "everywhere" if meet.all() else f"at {where_of(meet, predicted)}"
        yield (
            f"supports overlap {where}: n·s = {' to '.join(ends)}, P[disjoint] = {float(certain.min()):.2g}; the "
            "disjointness lemma (5.1, A.1) does not apply there, nor does what is built on it: signGD need not be a "
            "stand-in for Adam, and no phase is predicted for either"
        )
    elif (predicted.disjoint_bound <= 0).any() and spec.data["supports"] != "disjoint":
        yield (
            f"the paper's bound (A.1) is empty at {where_of(predicted.disjoint_bound <= 0, predicted)}, where in truth "
            f"P[disjoint] >= {float(certain.min()):.3g}"
        )
    eta = predicted.margin_eta
    if (eta < 1).any():
        yield (
            f"η = o(λσ_0^qσ_p^q) holds {holds(eta, predicted)}: the largest margin is {float(eta.max()):.1g}. A run "
            "that meets it takes 1/margin times as many steps; it is a condition of the proof"
        )
    if (predicted.margin_lam_0 <= 1).any():
        stuck = predicted.margin_lam_0 <= 1
        yield (
            f"λ ≥ λ_0 at {where_of(stuck, predicted)}: with constant 1, training is stuck at the origin there. "
            "λ_0 assumes σ_0 = d^(−1/4); where measured runs are not stuck, its constant is larger (--constant lam_0=9)"
        )
    if (np.asarray(predicted["lam"]) == 0).any():
        yield "λ = 0: Theorem 4.1 is about λ > 0; without it nothing keeps the weights from growing for ever"
    if (np.asarray(predicted["alpha"]) == 0).any() and kinds & set(SIGNED):
        yield "α = 0: there is no feature noise to flip the feature (Lemma 5.3)"
    if (np.asarray(predicted["q"]) < 3).any():
        yield "q = 2: the paper assumes q ≥ 3; T_j ~ σ_0^(2−q) then says nothing of σ_0"
    for name, of, what in (
        ("T_0", SIGNED, "Stage I of Adam and signGD"),
        ("T_j", ("gd",), "GD's learning of the feature"),
    ):
        time = predicted[name]
        short = (time > predicted["steps"]).where(time.notnull())
        if kinds & set(of) and (short == 1).any():
            yield f"T < {name} at {where_of(short, predicted)}: the training may end before {what} does"
    if (predicted.margin_betas < 1).any():
        yield f"β2 < β1² at {where_of(predicted.margin_betas < 1, predicted)}: Adam's steps are not bounded (Lemma A.2)"


def where_of(condition: xr.DataArray, predicted: xr.Dataset) -> str:
    """At which points a condition is met, as `holds` says it."""
    text = holds(condition.astype(float), predicted)
    return text.removeprefix("at ").replace("everywhere", "all points")


def table(predicted: xr.Dataset, dims: list[str], kinds: Mapping[str, str]) -> str:
    """A line a point and optimizer."""
    heads = [dim.removesuffix("_index") for dim in dims]
    rows = [["optimizer", *heads, "n·s/d", "P", "T_0", "T_r", "T_j", "n·SNR^q", "predicted", "not met"]]
    whole = xr.broadcast(predicted)[0].transpose("optimizer", *dims)
    for label in kinds:
        here = {str(name): values.sel(optimizer=label).values for name, values in whole.data_vars.items()}
        along = {name: axis_values(predicted.sel(optimizer=label), name) for name in dims}
        for index in np.ndindex(*(predicted.sizes[dim] for dim in dims)):
            at = [f"{along[dim][i]:.4g}" for dim, i in zip(dims, index, strict=True)]
            scales = ("overlap", "disjoint", "T_0", "T_r", "T_j", "gd_signal")
            missed = [name for name in CONDITIONS if here[f"margin_{name}"][index] < 1]
            numbers = [number(float(here[name][index])) for name in scales]
            rows.append([label, *at, *numbers, PHASES[int(here["phase"][index])], ", ".join(missed)])
    return columns(rows)


def number(value: float) -> str:
    """A number to three digits; nothing where it means nothing."""
    return "" if np.isnan(value) else f"{value:.3g}" if abs(value) < 1e4 or np.isinf(value) else f"{value:.2e}"
