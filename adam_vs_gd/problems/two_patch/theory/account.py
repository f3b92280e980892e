"""What the theory says of a sweep: which conditions hold where, what to beware of, and what each point predicts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd.problems.two_patch.theory.conditions import CONDITIONS, SIGNED
from adam_vs_gd.problems.two_patch.theory.prediction import PHASES, facts, predict
from adam_vs_gd.results.axis import written
from adam_vs_gd.results.selection import complete, swept
from adam_vs_gd.results.statistics import over_seeds
from adam_vs_gd.spec.cells import axes
from adam_vs_gd.spec.sweep_spec import SweepSpec

LIKELY = 0.5


class ConditionRow(NamedTuple):
    """A condition over all points: its smallest and largest margin, and where it is 1 or more."""

    name: str
    source: str
    formula: str
    low: float
    high: float
    holds: str
    words: str


class PointRow(NamedTuple):
    """What is predicted of an optimizer at a point.

    Attributes:
        optimizer: its label.
        at: {swept number: its value there}.
        scales: {`SCALES`: its value there}; NaN where it means nothing.
        phase: what is predicted.
        lifetime: steps from t_fit until the feature returns; infinite where it does not.
        measured: (mean, low, high) of the test error; None where it was not measured.
        not_met: the conditions that are not.
    """

    optimizer: str
    at: Mapping[str, float]
    scales: Mapping[str, float]
    phase: str
    lifetime: float
    measured: tuple[float, float, float] | None
    not_met: tuple[str, ...]


class Account(NamedTuple):
    """What the theory says of a sweep.

    Attributes:
        name: of the sweep.
        constants: what the paper leaves open, as it was given; the others are 1.
        log_power: polylog(n) is max(1, ln n) to this.
        conditions: over all points.
        warnings: what a reader should know of the theory's premises.
        along: the axis along which boundaries are looked for; "" where there is none.
        boundaries: {condition: for each value of the other axis where its margin is 1, several with commas}, and
        across: {that axis: its values}; empty where there is none.
        points: a row for each place and optimizer.
        places: how many places on the axes there are.
    """

    name: str
    constants: Mapping[str, float]
    log_power: float
    conditions: tuple[ConditionRow, ...]
    warnings: tuple[str, ...]
    along: str
    boundaries: Mapping[str, Sequence[Sequence[float]]]
    across: Mapping[str, Sequence[str]]
    points: tuple[PointRow, ...]
    places: int

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python."""
        return {
            **self._asdict(),
            "conditions": [row._asdict() for row in self.conditions],
            "points": [row._asdict() for row in self.points],
        }


def account(
    sweep: SweepSpec | xr.Dataset, constants: Mapping[str, float] | None = None, log_power: float = 0.0
) -> Account:
    """What the theory says of a sweep: conditions, warnings, boundaries, and a row a point.

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
    along, found, across = boundaries(predicted, dims)
    return Account(
        name, dict(constants or {}), log_power, tuple(conditions(predicted)),
        tuple(warnings(predicted, set(kinds.values()), disjoint=disjoint)), along, found, across,
        tuple(points(predicted, dims, kinds, measured)), math.prod(predicted.sizes[dim] for dim in dims),
    )  # fmt: skip


def conditions(predicted: xr.Dataset) -> Iterator[ConditionRow]:
    """The conditions that mean something at some point."""
    for name, condition in CONDITIONS.items():
        margin = predicted[f"margin_{name}"]
        known = margin.values[np.isfinite(margin.values) | np.isposinf(margin.values)]
        if known.size:
            ends = float(known.min()), float(known.max())
            yield ConditionRow(
                name, condition.source, condition.formula, *ends, holds(margin, predicted), condition.words
            )


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


def boundaries(
    predicted: xr.Dataset, dims: list[str]
) -> tuple[str, dict[str, list[list[float]]], dict[str, list[str]]]:
    """Where margins pass through 1 along the first of one or two axes, for each value of the second.

    Returns:
        The axis, "" where there is none; {condition: where along it, for each value of the second}; {that axis: its
        values}.
    """
    if len(dims) not in (1, 2) or predicted.sizes[dims[0]] < 2 or dims[0].endswith("_index"):
        return "", {}, {}
    x, *others = dims
    found = {name: crossings(predicted[f"margin_{name}"], predicted, dims, predicted[x].values) for name in CONDITIONS}
    across = {other.removesuffix("_index"): written(axis_values(predicted, other)) for other in others}
    return x, {name: rows for name, rows in found.items() if any(rows)}, across


def crossings(margin: xr.DataArray, predicted: xr.Dataset, dims: list[str], at: np.ndarray) -> list[list[float]]:
    """For each value of the second axis, where a margin passes through 1 along the first, by interpolation."""
    x, *others = dims
    shape = {dim: predicted.sizes[dim] for dim in (*others, x)}
    if "optimizer" in margin.dims:
        known = margin.optimizer.values[margin.notnull().any([dim for dim in margin.dims if dim != "optimizer"]).values]
        if not len(known) or len({margin.sel(optimizer=label).values.tobytes() for label in known}) > 1:
            return []
        margin = margin.sel(optimizer=known[0])
    rows = margin.broadcast_like(xr.DataArray(np.zeros(tuple(shape.values())), dims=tuple(shape))).transpose(*shape)
    found = []
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(at)
        for row in np.log(rows.values.reshape(-1, len(at))):
            places = np.flatnonzero((row[:-1] < 0) != (row[1:] < 0))
            places = places[np.isfinite(row[places]) & np.isfinite(row[places + 1])]
            share = row[places] / (row[places] - row[places + 1])
            values = np.exp(logs[places] + share * (logs[places + 1] - logs[places]))
            found.append(values[np.isfinite(values)].tolist())
    return found


SCALES = {"overlap": "n·s/d", "disjoint": "P", "T_0": "T_0", "T_r": "T_r", "T_j": "T_j", "gd_signal": "n·SNR^q"}
"""{a scale of a point: as a table calls it}."""


def points(
    predicted: xr.Dataset, dims: list[str], kinds: Mapping[str, str], measured: xr.Dataset | None = None
) -> Iterator[PointRow]:
    """A row a point and optimizer; the measured test error, if there is one, beside the phase."""
    heads = [dim.removesuffix("_index") for dim in dims]
    whole = xr.broadcast(predicted)[0].transpose("optimizer", *dims)
    for label in kinds:
        here = {str(name): values.sel(optimizer=label).values for name, values in whole.data_vars.items()}
        along = [axis_values(predicted.sel(optimizer=label), name) for name in dims]
        for index in np.ndindex(*(predicted.sizes[dim] for dim in dims)):
            error = None
            if measured is not None:
                one = measured.sel(optimizer=label).isel(dict(zip(dims, index, strict=True)))
                error = (float(one["mean"]), float(one["low"]), float(one["high"]))
            yield PointRow(
                label, {head: values[i].item() for head, values, i in zip(heads, along, index, strict=True)},
                {name: float(here[name][index]) for name in SCALES},
                PHASES[int(here["phase"][index])], float(here["lifetime"][index]), error,
                tuple(name for name in CONDITIONS if here[f"margin_{name}"][index] < 1),
            )  # fmt: skip
