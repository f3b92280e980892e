"""Where a diagram crosses a level: its contour, and the transition as a curve with uncertainty."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import contourpy
import numpy as np
import xarray as xr

from adam_vs_gd.errors import PlotError
from adam_vs_gd.results.axis import Axis, axis_of
from adam_vs_gd.results.quantiles import normal_tail, student_quantile
from adam_vs_gd.results.selection import check_value, choose_axes, complete, swept
from adam_vs_gd.results.statistics import LEVEL, counted, over_seeds
from adam_vs_gd.results.uneven import searches, sides, there
from adam_vs_gd.results.words import drawn_first, is_rate

RESAMPLES = 2000
RISING, FALLING = 1, -1


def contour(mean: np.ndarray, side: np.ndarray, level: float) -> list[np.ndarray]:
    """The contour of a field of cells, only where it is resolved.

    A piece of it is kept where it passes between cells whose intervals lie on either side of the level. Through cells
    whose interval holds the level, and beside cells without a mean, there is none.

    Args:
        mean: [rows, columns]; NaN where there is nothing.
        side: the same shape; -1 where a cell's interval is below the level, 1 above, 0 where it holds it.
        level: of the contour.

    Returns:
        Pieces: [points, 2] (column, row), in units of cells, 0 at the centre of the first.
    """
    if min(mean.shape) < 2:
        return []
    z = np.ma.masked_invalid(mean)
    pieces = []
    for line in contourpy.contour_generator(z=z, corner_mask=False).lines(level):
        points = np.round(np.asarray(line), 9)  # so that what lies on a grid line does
        first, second = np.floor(points).astype(int), np.ceil(points).astype(int)  # the cells that a point is between
        resolved = side[first[:, 1], first[:, 0]] * side[second[:, 1], second[:, 0]] < 0
        ends = np.flatnonzero(np.diff(np.concatenate([[False], resolved, [False]])))
        pieces += [points[a:b] for a, b in ends.reshape(-1, 2) if b - a > 1]
    return pieces


def side_of(low: np.ndarray, high: np.ndarray, level: float) -> np.ndarray:
    """Of intervals, -1 where they are below a level, 1 above, 0 where they hold it, or are NaN."""
    return np.where(high < level, -1, np.where(low > level, 1, 0))


class Transition(NamedTuple):
    """Where one row goes through a level; the fields of `boundary`'s result."""

    position: float = np.nan
    low: float = np.nan
    high: float = np.nan
    below: float = np.nan
    above: float = np.nan
    direction: int = 0
    crossings: int = 0
    resolved: bool = False
    resampled: np.ndarray | float = np.nan


SCALARS = Transition._fields[:-1]


class Crossing(NamedTuple):
    """Where rows cross a level first.

    Attributes:
        left: [...] index of the value before the crossing; -1 where there is none.
        share: [...] how far from there to the next value, by linear interpolation.
        beyond: [...] where there is none: -inf if it must be before the first value, inf if after the last, NaN if
            that is not known.
    """

    left: np.ndarray
    share: np.ndarray
    beyond: np.ndarray


def crosses(rows: np.ndarray, level: float, direction: int) -> np.ndarray:
    """[..., k - 1] whether [..., k] rows go through a level between two values; onto it counts, off it does not."""
    above = direction * (rows - level)
    return (above[..., :-1] < 0) & (above[..., 1:] >= 0)


def first_crossing(rows: np.ndarray, level: float, direction: int) -> Crossing:
    """The first place where rows go through a level.

    Args:
        rows: [..., k] values along the axis; NaN where there is none: no crossing is looked for across it.
        level: to go through.
        direction: RISING or FALLING.
    """
    above, through = direction * (rows - level), crosses(rows, level, direction)
    there = through.any(-1)
    left = np.where(there, through.argmax(-1), -1)
    before, after = (np.take_along_axis(above, (left + i)[..., None], -1)[..., 0] for i in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(there, before / (before - after), np.nan)
    start = np.take_along_axis(above, np.isfinite(above).argmax(-1)[..., None], -1)[..., 0]
    in_a_gap = (np.logical_or.accumulate(above < 0, -1) & (above >= 0)).any(-1)
    beyond = np.where(np.isnan(start) | in_a_gap, np.nan, np.where(start >= 0, -np.inf, np.inf))
    return Crossing(left, share, beyond)


def boundary(
    results: xr.Dataset,
    x: str | None = None,
    y: str | None = None,
    level: float = 0.5,
    *,
    value: str | None = None,
    direction: str | None = None,
    resamples: int = RESAMPLES,
) -> xr.Dataset:
    """The transition of a phase diagram as a curve x(y): where the mean over seeds first crosses a level along x.

    The interval is a bootstrap's over seeds (see `interval`), resampled for the whole diagram at once because lanes of
    one seed share their noise. It never is narrower than the two values of x that enclose the crossing: no more is
    known if the error jumps between them. An end of it is infinite (0 on a logarithmic axis) where the transition may
    lie off the axis.
    Of refined results a row has the points at which lanes were trained, and those whose own interval is on one side of
    the level enclose the crossing: the interval is from the one to the other, be there cells that do not tell or not.
    As in means, lanes of some statuses do not count (pending, diverged); no crossing is looked for across cells
    without a mean.

    Args:
        results: the Dataset of a sweep, or any with such variables.
        x: the axis along which to look; by default the one that a diagram would draw to the right.
        y: the axis along which the curve runs.
        level: what to cross; for an error strictly between 0 and 1.
        value: a variable without dimensions of its own; by default the one that is drawn first.
        direction: "rising" or "falling" along x; by default whichever comes first.
        resamples: how many.

    Returns:
        A Dataset along `optimizer`, further axes, and y. Under the name of x the crossing (NaN where there is none),
        interpolated in the axis's scale; `low` and `high`, its 95 % interval; `below` and `above`, the values of x on
        either side; `direction`, 1 or -1, 0 without a crossing; `crossings`, how often the row crosses the level at
        all; `resolved`, whether the intervals of the two cells lie on either side of the level, as a diagram's contour
        asks; and `resampled` [..., resample], for `fit_exponent`.

    Raises:
        PlotError: if an axis, the variable, the level or the direction makes no sense.
    """
    results = complete(results)
    x, y = choose_axes(results, x, y)
    value = value or drawn_first(results)
    check_value(results, value)
    if is_rate(results, value) and not 0 < level < 1:
        raise PlotError(f"level = {level}: must be between 0 and 1, as {value} is")
    if direction not in (None, "rising", "falling"):
        raise PlotError(f"direction = {direction!r}: must be 'rising' or 'falling', or be left out")
    wanted = {"rising": (RISING,), "falling": (FALLING,), None: (RISING, FALLING)}[direction]

    outer = ["optimizer", *(dim for dim in swept(results) if dim not in (x, y))]
    lanes = counted(results, value).transpose(*outer, y, x, "seed")
    seeds, shape = lanes.sizes["seed"], lanes.shape[:-2]
    axes = [axis_of(results.isel(optimizer=k), x) for k in range(shape[0])]
    weights = np.random.default_rng(0).multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    cells = over_seeds(results, value).transpose(*outer, y, x)
    side = side_of(cells["low"].values, cells["high"].values, level)
    uneven = bool(searches(results))
    if (found := sides(results, value, level)) is not None:
        side = found.transpose(*outer, y, x).values
    known = there(results).transpose(*outer, y, x).values if uneven else np.ones(side.shape, bool)
    rows = []
    for i in np.ndindex(shape):
        axis, keep = axes[i[0]], known[i]
        axis = axis._replace(values=axis.values[keep], texts=tuple(itertools.compress(axis.texts, keep)))
        rows.append(transition(lanes.values[i][keep], axis, level, wanted, weights, side[i][keep], tell=not uneven))

    dims = (*outer, y)
    name = axes[0].name if len({axis.name for axis in axes}) == 1 else x
    columns = {field: np.array([getattr(row, field) for row in rows]).reshape(shape) for field in SCALARS}
    resampled = np.array([np.broadcast_to(row.resampled, resamples) for row in rows]).reshape(*shape, resamples)
    coords = {key: coord for key, coord in lanes.coords.items() if not {"seed", x} & set(coord.dims) and key != name}
    return xr.Dataset(
        {name if field == "position" else field: (dims, column) for field, column in columns.items()}
        | {"resampled": ((*dims, "resample"), resampled)},
        coords,
        {"x": name, "y": axis_of(results, y).name, "level": level, "variable": value, "seeds": seeds},
    )


def transition(
    lanes: np.ndarray,
    axis: Axis,
    level: float,
    directions: Sequence[int],
    weights: np.ndarray,
    side: np.ndarray,
    *,
    tell: bool = True,
) -> Transition:
    """Where a row goes through a level first.

    Args:
        lanes: [k, seeds] values along an axis; NaN where a lane does not count.
        axis: the axis.
        level: to go through.
        directions: those that count.
        weights: [resamples, seeds] how often each seed is in each resample.
        side: [k] -1 where a cell's interval is below the level, 1 above, 0 where it holds it.
        tell: whether resamples tell the interval; else the nearest cells do that are on one side.
    """
    if len(lanes) < 2:
        return Transition()
    lanes, at = lanes[axis.order], axis.forward(axis.values[axis.order])
    mean = weighted_mean(lanes, np.ones((1, lanes.shape[1])))[0]
    crossings = sum(int(crosses(mean, level, way).sum()) for way in (RISING, FALLING))
    ways = [(crossing, way) for way in directions if (crossing := first_crossing(mean, level, way)).left >= 0]
    if not ways:
        return Transition(crossings=crossings)
    crossing, way = min(ways, key=lambda found: found[0].left)
    place = float(between(at, crossing))
    places = between(at, first_crossing(weighted_mean(lanes, weights), level, way))
    around, side = (at[crossing.left], at[crossing.left + 1]), side[axis.order]
    if tell:
        low, high = interval(place, places, lanes.shape[1])
    else:
        before, after = at[: crossing.left + 1][side[: crossing.left + 1] == -way], at[side == way]
        low, high = before.max(initial=-np.inf), after[after >= around[1]].min(initial=np.inf)
        places = np.clip(np.where(np.isnan(places), place, places), low, high)  # resamples without its seeds
    position, low, high, below, over = axis.inverse([place, min(low, around[0]), max(high, around[1]), *around])
    resolved = bool(side[crossing.left] * side[crossing.left + 1] < 0)
    return Transition(position, low, high, below, over, way, crossings, resolved, axis.inverse(places))


def between(at: np.ndarray, crossing: Crossing) -> np.ndarray:
    """Where along an axis with [k] values crossings are; what there is beyond it, where there are none."""
    step = np.append(np.diff(at), 0)
    return np.where(crossing.left >= 0, at[crossing.left] + crossing.share * step[crossing.left], crossing.beyond)


def weighted_mean(lanes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[resamples, k] means of [k, seeds] values, each seed as often as [resamples, seeds] weights say; NaN for none."""
    known = np.isfinite(lanes)
    count = weights @ known.T
    total = weights @ np.where(known, lanes, 0).T
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def interval(estimate: float, resampled: np.ndarray, seeds: int) -> tuple[float, float]:
    """95 % interval of an estimate from [resamples] of so many seeds, fit for few of them.

    The bootstrap's percentiles, expanded, and never narrower than Student's t interval with the bootstrap's standard
    error, both corrected for a resample's variance being too small by (seeds - 1)/seeds (T. C. Hesterberg, The American
    Statistician 69, 2015, p. 371, sections 4.2 and 4.4). One seed says nothing of the others: its interval is infinite.
    """
    known = resampled[~np.isnan(resampled)]
    if seeds < 2 or not known.size:
        return -np.inf, np.inf
    reach = student_quantile(0.5 + LEVEL / 2, seeds - 1) * np.sqrt(seeds / (seeds - 1))
    tail = normal_tail(reach)
    low, high = np.quantile(known, [tail, 1 - tail], method="inverted_cdf")
    finite = known[np.isfinite(known)]
    spread = reach * finite.std() if finite.size else np.inf
    return min(low, estimate - spread), max(high, estimate + spread)
