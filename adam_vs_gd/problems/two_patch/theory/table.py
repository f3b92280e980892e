"""The theory of a sweep in words: which conditions hold where, what to beware of, and what each point predicts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Set

import numpy as np
import xarray as xr

from adam_vs_gd.problems.two_patch.theory.conditions import CONDITIONS, SIGNED
from adam_vs_gd.problems.two_patch.theory.prediction import PHASES, facts, predict
from adam_vs_gd.results.axis import written
from adam_vs_gd.results.columns import columns, number
from adam_vs_gd.results.selection import complete, swept
from adam_vs_gd.results.statistics import over_seeds
from adam_vs_gd.spec.cells import axes
from adam_vs_gd.spec.sweep_spec import SweepSpec

LIKELY = 0.5


def describe(
    sweep: SweepSpec | xr.Dataset, constants: Mapping[str, float] | None = None, log_power: float = 0.0
) -> str:
    """What the theory says of a sweep: conditions, warnings, boundaries, and a line a point.

    Args:
        sweep: a spec; or results, whose measured test errors then stand beside the predicted phases.
        constants: as in `predict`.
        log_power: as in `predict`.

    Raises:
        TheoryError: as `predict`.
    """
    predicted = predict(sweep, constants, log_power)
    if isinstance(sweep, SweepSpec):
        name, dims, measured = sweep.name, [axis for axis, _ in axes(sweep)], None
    else:
        results = complete(sweep)
        name, dims, measured = sweep.attrs.get("title", "results"), swept(results), over_seeds(results, "test_error")
    _, kinds, disjoint = facts(sweep)
    named = ", ".join(f"{name} = {value:g}" for name, value in (constants or {}).items())
    given = f"constants {named}, the others 1" if named else "all constants 1"
    logs = f"polylog(n) = max(1, ln n)^{log_power:g}" if log_power else "logarithms left out"
    parts = [
        f"{name}: the paper's conditions at {points_of(predicted, dims)}, with {given} and {logs}\n"
        "(the paper leaves both open). A margin is how far a condition holds: 1 or more where it does.",
        conditions(predicted),
        "\n".join(f"! {text}" for text in warnings(predicted, set(kinds.values()), disjoint=disjoint)),
        boundaries(predicted, dims),
        table(predicted, dims, kinds, measured),
        "T_0: Adam and signGD have learned their pattern; T_r: they begin to unlearn the feature; T_j: GD has learned\n"
        "it; in steps, up to constants. P: that all supports are disjoint. Lifetime: steps from t_fit until the\n"
        "feature returns where noise was memorized, inf where it does not (ours). Not met: names of the first table.",
    ]
    return "\n\n".join(part for part in parts if part)


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


def warnings(predicted: xr.Dataset, kinds: Set[str], *, disjoint: bool) -> Iterator[str]:
    """What a reader of this sweep's results should know of the theory's premises."""
    certain = predicted.disjoint
    meet = certain < LIKELY
    if meet.any():
        load = predicted.overlap.where(meet)
        ends = dict.fromkeys(f"{float(end):.3g}·d" for end in (load.min(), load.max()))
        where = "everywhere" if meet.all() else f"at {where_of(meet, predicted)}"
        yield (
            f"supports overlap {where}: n·s = {' to '.join(ends)}, P[disjoint] = {float(certain.min()):.2g}; the "
            "disjointness lemma (5.1, A.1) does not apply there, nor does what is built on it: signGD need not be a "
            "stand-in for Adam, and no phase is predicted for either"
        )
    elif (predicted.disjoint_bound <= 0).any() and not disjoint:
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
    if (predicted.margin_lam_0 < 1).any():
        stuck = predicted.margin_lam_0 < 1
        yield (
            f"λ > λ_0 at {where_of(stuck, predicted)}: training is predicted to be stuck at the origin "
            "there. λ_0 assumes σ_0 = d^(−1/4); where measured runs are not stuck, --constant lam_0=9 moves it"
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
    betas = predicted.margin_betas
    if (betas < 1).any():
        unbounded = (betas < 1).where(betas.notnull())
        yield f"β2 < β1² at {where_of(unbounded, predicted)}: Adam's steps are not bounded (Lemma A.2)"


def where_of(condition: xr.DataArray, predicted: xr.Dataset) -> str:
    """At which points a condition is met, as `holds` says it."""
    text = holds(condition.astype(float), predicted)
    return text.removeprefix("at ").replace("everywhere", "all points")


def boundaries(predicted: xr.Dataset, dims: list[str]) -> str:
    """Where margins pass through 1 along the first of one or two axes: a line a value of the second."""
    if len(dims) not in (1, 2):
        return ""
    x, *others = dims
    if predicted.sizes[x] < 2 or x.endswith("_index"):
        return ""
    at = predicted[x].values
    columns_of = {name: crossings(predicted[f"margin_{name}"], predicted, dims, at) for name in CONDITIONS}
    found = {name: texts for name, texts in columns_of.items() if any(texts)}
    if not found:
        return f"no margin passes through 1 along {x}"
    values = written(axis_values(predicted, others[0])) if others else [""]
    rows = [[f"{x} at which a margin is 1" if k == 0 else name for k, name in enumerate(["", *found])]]
    rows += [
        [
            f"{others[0].removesuffix('_index')} = {value}" if others else "",
            *(texts[i] or "-" for texts in found.values()),
        ]
        for i, value in enumerate(values)
    ]
    return columns(rows)


def crossings(margin: xr.DataArray, predicted: xr.Dataset, dims: list[str], at: np.ndarray) -> list[str]:
    """For each value of the second axis, where a margin passes through 1 along the first, by interpolation."""
    x, *others = dims
    shape = {dim: predicted.sizes[dim] for dim in (*others, x)}
    if "optimizer" in margin.dims:
        known = margin.optimizer.values[margin.notnull().any([dim for dim in margin.dims if dim != "optimizer"]).values]
        if not len(known) or len({margin.sel(optimizer=label).values.tobytes() for label in known}) > 1:
            return []
        margin = margin.sel(optimizer=known[0])
    rows = margin.broadcast_like(xr.DataArray(np.zeros(tuple(shape.values())), dims=tuple(shape))).transpose(*shape)
    texts = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for row in np.log(rows.values.reshape(-1, len(at))):
            places = np.flatnonzero((row[:-1] < 0) != (row[1:] < 0))
            places = places[np.isfinite(row[places]) & np.isfinite(row[places + 1])]
            share = row[places] / (row[places] - row[places + 1])
            logs = np.log(at)
            between = logs[places] + share * (logs[places + 1] - logs[places])
            texts.append(", ".join(f"{value:.3g}" for value in np.exp(between) if np.isfinite(value)))
    return texts


def table(predicted: xr.Dataset, dims: list[str], kinds: Mapping[str, str], measured: xr.Dataset | None = None) -> str:
    """A line a point and optimizer; the measured test error, if there is one, beside the phase."""
    heads = [dim.removesuffix("_index") for dim in dims]
    error = [] if measured is None else ["test error"]
    rows = [
        ["optimizer", *heads, "n·s/d", "P", "T_0", "T_r", "T_j", "n·SNR^q", "predicted", "lifetime", *error, "not met"]
    ]
    whole = xr.broadcast(predicted)[0].transpose("optimizer", *dims)
    for label in kinds:
        here = {str(name): values.sel(optimizer=label).values for name, values in whole.data_vars.items()}
        along = {name: axis_values(predicted.sel(optimizer=label), name) for name in dims}
        for index in np.ndindex(*(predicted.sizes[dim] for dim in dims)):
            at = [f"{along[dim][i]:.4g}" for dim, i in zip(dims, index, strict=True)]
            scales = ("overlap", "disjoint", "T_0", "T_r", "T_j", "gd_signal")
            missed = [name for name in CONDITIONS if here[f"margin_{name}"][index] < 1]
            numbers = [short(float(here[name][index])) for name in scales]
            phase = [PHASES[int(here["phase"][index])], short(float(here["lifetime"][index]))]
            if measured is not None:
                here_at = dict(zip(dims, index, strict=True))
                phase.append(number(measured.sel(optimizer=label).isel(here_at)))
            rows.append([label, *at, *numbers, *phase, ", ".join(missed)])
    return columns(rows)


def short(value: float) -> str:
    """A number to three digits; nothing where it means nothing."""
    return "" if np.isnan(value) else f"{value:.3g}" if abs(value) < 1e4 or np.isinf(value) else f"{value:.2e}"
