"""The theory's boundaries as curves over a phase diagram."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import contourpy
import numpy as np
import xarray as xr

from adam_vs_gd.errors import TheoryError
from adam_vs_gd.problems.two_patch.theory.conditions import CONDITIONS, SIGNED
from adam_vs_gd.problems.two_patch.theory.prediction import check_constants, facts
from adam_vs_gd.problems.two_patch.theory.scales import (
    Point,
    Real,
    disjoint_probability,
    feature_time,
    overlap,
    pattern_time,
)
from adam_vs_gd.results.axis import Axis, axis_of
from adam_vs_gd.results.overlay import Overlay
from adam_vs_gd.results.selection import choose_axes, complete, select, swept

FINE = 201  # values along an axis, between which a curve is drawn
TINY = 1e-300  # what a vanishing probability counts as

Side = Callable[[Point], Real]

CURVES: Mapping[str, tuple[str, Side, tuple[str, ...]]] = {
    "disjoint": ("$P$[disjoint] = 1/2", lambda p: 2 * disjoint_probability(p), ()),
    "overlap": ("$n s = d$", lambda p: 1 / overlap(p), ()),
    "rate": (r"$s\sigma_p = 1$ (Lemma 5.2)", lambda p: p.s * p.sigma_p, SIGNED),
    "T_0": ("$T_0 = T$ (Lemma 5.2)", lambda p: p.steps / pattern_time(p), SIGNED),
    "T_j": ("$T_j = T$ (Lemma A.8)", lambda p: p.steps / feature_time(p), ("gd",)),
}
"""{name: (label, what is 1 on the curve, kinds of optimizers it is about)}, beside the conditions of `CONDITIONS`."""


def curves(
    results: xr.Dataset,
    x: str | None = None,
    y: str | None = None,
    names: str | Sequence[str] = ("disjoint", "flip", "signal"),
    sel: Mapping[str, float] | None = None,
    constants: Mapping[str, float] | None = None,
) -> list[Overlay]:
    """Where conditions of A.1 and the lemmas begin to hold, over the axes of a diagram, for `phase_diagram`'s overlays.

    Args:
        results: the Dataset of a sweep.
        x: its horizontal axis, as in `phase_diagram`.
        y: its vertical axis.
        names: of `CONDITIONS` (margin 1; for a Θ both sides equal) or of `CURVES`.
        sel: {axis: value} fixes further axes.
        constants: {name: what its larger side is multiplied by}, which the paper leaves open.

    Returns:
        An `Overlay` for each curve that passes through the diagram; pieces of one are separated by NaN.

    Raises:
        TheoryError: if there is no such curve, or an axis is left that is not fixed.
        PlotError: if there is no such axis or value.
    """
    results = select(complete(results), sel)
    _, kinds, disjoint = facts(results)
    known = [*CURVES, *CONDITIONS]
    asked = [names] if isinstance(names, str) else list(names)
    for name in asked:
        if name not in known:
            raise TheoryError(f"curve {name}: there is none of that name; there are {', '.join(known)}")
    x, y = choose_axes(results, x, y)
    if left := [dim for dim in swept(results) if dim not in (x, y)]:
        raise TheoryError(f"{', '.join(left)}: fix it with --sel (sel=); a curve is over two axes")
    check_constants(constants or {}, known)
    found = []
    for name in asked:
        if name == "disjoint" and disjoint:  # everywhere
            continue
        label, side, of = CURVES.get(name) or condition_curve(name)
        drawn: dict[bytes, tuple[np.ndarray, list[str]]] = {}
        for own in (text for text, kind in kinds.items() if not of or kind in of):
            here = results.sel(optimizer=own)
            path = where_one(side, here, axis_of(here, x), axis_of(here, y), (constants or {}).get(name, 1.0))
            drawn.setdefault(path.tobytes(), (path, []))[1].append(own)
        shared = len(drawn) == 1 and not of and not f"{x} {y}".count("_index")
        found += [
            Overlay(label, path[0], path[1], optimizer=None if shared else whose)
            for path, whose in drawn.values()
            if path.size
        ]
    return found


def where_one(side: Side, here: xr.Dataset, x: Axis, y: Axis, constant: float) -> np.ndarray:
    """[2, points] x and y along which constant·side is 1, at one optimizer's numbers; NaN between pieces.

    Args:
        side: of a point.
        here: the sweep at that optimizer, whose further numbers are scalars.
        x: the horizontal axis.
        y: the vertical axis.
        constant: what the paper leaves open.
    """
    ends = [axis.forward(axis.edges[[0, -1]]) for axis in (x, y)]
    even = [np.linspace(first, last, FINE) for first, last in ends]
    fine = [axis.inverse(at) for axis, at in zip((x, y), even, strict=True)]
    numbers = {key: here[key].values for key in Point._fields if key in here.coords and not here[key].dims}
    numbers |= {axis.name: values for axis, values in zip((x, y), np.meshgrid(*fine), strict=True)}
    point = Point(**{key: value for key, value in numbers.items() if key in Point._fields})
    with np.errstate(divide="ignore", invalid="ignore"):
        field = np.broadcast_to(np.log(np.maximum(constant * side(point), TINY)), (FINE, FINE))
    lines = contourpy.contour_generator(z=np.ma.masked_invalid(field)).lines(0.0)
    pieces = [part for line in lines for part in (np.asarray(line).T, np.full((2, 1), np.nan))][:-1]
    path = np.concatenate(pieces or [np.zeros((2, 0))], 1)
    return np.array(
        [axis.inverse(np.interp(at, np.arange(FINE), line)) for axis, line, at in zip((x, y), even, path, strict=True)]
    )


def condition_curve(name: str) -> tuple[str, Side, tuple[str, ...]]:
    """A condition of `CONDITIONS` as a curve."""
    condition = CONDITIONS[name]
    label = f"{name}: {'both sides equal' if condition.theta else 'margin 1'}"
    return label, lambda p: condition.large(p) / condition.small(p), condition.of
