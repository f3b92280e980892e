"""Means and 95 % intervals over seeds."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from adam_vs_gd.problems import family_of_results
from adam_vs_gd.results.quantiles import normal_quantile, student_quantile
from adam_vs_gd.results.words import is_rate, outcomes, variable_of

if TYPE_CHECKING:
    import xarray as xr

LEVEL = 0.95


class Interval(NamedTuple):
    """Mean, interval, and how many seeds are behind them; arrays of one shape. Without a seed the rest is NaN."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: np.ndarray


class Spread(NamedTuple):
    """How far values are spread around their means: squares of the distances, summed, and their degrees of freedom."""

    squares: np.ndarray
    freedom: np.ndarray


def student(values: ArrayLike, axis: int = -1, level: float = LEVEL, spread: Spread | None = None) -> Interval:
    """Mean and Student's t interval over an axis; NaN values are left out. One value has an infinite interval.

    Args:
        values: [..., seeds, ...] numbers.
        axis: the axis of the seeds.
        level: how likely the interval holds what it is of.
        spread: of the values and of others like them, of the result's shape; that of the values alone by default.
    """
    values = np.asarray(values, float)
    present = np.isfinite(values)
    count = present.sum(axis)
    total = np.where(present, values, 0).sum(axis)
    mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    spread = spread or spread_of(values, axis)
    freedom = np.maximum(spread.freedom, 1)
    half = student_quantile(0.5 + level / 2, freedom) * np.sqrt(spread.squares / freedom / np.maximum(count, 1))
    half = np.where(spread.freedom > 0, half, np.inf)
    low, high = (np.where(count > 0, mean + sign * half, np.nan) for sign in (-1, 1))
    return Interval(mean, low, high, count)


def spread_of(values: ArrayLike, axis: int = -1) -> Spread:
    """How far values are spread over an axis; NaN values are left out."""
    values = np.asarray(values, float)
    present = np.isfinite(values)
    count = present.sum(axis)
    mean = np.where(present, values, 0).sum(axis) / np.maximum(count, 1)
    squares = np.where(present, (values - np.expand_dims(mean, axis)) ** 2, 0).sum(axis)
    return Spread(squares, np.maximum(count - 1, 0))


def wilson(rate: ArrayLike, trials: ArrayLike, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a rate seen in `trials` independent trials.

    Args:
        rate: fractions in [0, 1].
        trials: how many examples are behind each, > 0.
        level: how likely the interval holds what it is of.
    """
    rate, trials = np.asarray(rate, float), np.asarray(trials, float)
    z = normal_quantile(0.5 + level / 2)
    centre = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return centre - half, centre + half


def error_interval(
    errors: ArrayLike, examples: ArrayLike, axis: int = -1, level: float = LEVEL, spread: Spread | None = None
) -> Interval:
    """Mean error rate over seeds with an interval that knows the examples behind it.

    Student's t over seeds, never narrower than Wilson's interval of the examples of all seeds together (which keeps
    seeds that all say 0 from having no width), within [0, 1].

    Args:
        errors: [..., seeds, ...] error rates; NaN where a seed does not count.
        examples: examples behind one seed's rate; a scalar or the result's shape.
        axis: the axis of the seeds.
        level: how likely the interval holds what it is of.
        spread: as for `student`.
    """
    mean, low, high, count = student(errors, axis, level, spread)
    pooled = wilson(mean, np.maximum(count, 1) * np.asarray(examples), level)
    return Interval(mean, np.clip(np.fmin(low, pooled[0]), 0, 1), np.clip(np.fmax(high, pooled[1]), 0, 1), count)


def difference_interval(
    first: ArrayLike,
    second: ArrayLike,
    examples: ArrayLike,
    axis: int = -1,
    level: float = LEVEL,
    spread: Spread | None = None,
) -> Interval:
    """Mean difference of two error rates over seeds that both have, with an interval that knows the examples.

    Student's t of the seeds' differences (they share noise and start), never narrower than Newcombe's interval for the
    difference of the two pooled rates (R. G. Newcombe, Statistics in Medicine 17, 1998, p. 873, method 10), within
    [-1, 1].

    Args:
        first: [..., seeds, ...] error rates; NaN where a seed does not count.
        second: the same of the other.
        examples: examples behind one seed's rate; a scalar or the result's shape.
        axis: the axis of the seeds.
        level: how likely the interval holds what it is of.
        spread: of the differences, as for `student`.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    mean, low, high, count = student(first - second, axis, level, spread)
    both = np.isfinite(first - second)
    pooled = np.maximum(count, 1) * np.asarray(examples)
    (one, one_low, one_high), (two, two_low, two_high) = (
        (rate, *wilson(rate, pooled, level))
        for rate in (student(np.where(both, r, np.nan), axis).mean for r in (first, second))
    )
    low = np.fmin(low, mean - np.hypot(one - one_low, two_high - two))
    high = np.fmax(high, mean + np.hypot(one_high - one, two - two_low))
    return Interval(mean, np.clip(low, -1, 1), np.clip(high, -1, 1), count)


def over_seeds(results: xr.Dataset, name: str, level: float = LEVEL) -> xr.Dataset:
    """Mean, interval and count of a variable over the seeds of a result.

    Which lanes count is their status's to say: those that are pending or diverged do not.

    Args:
        results: the Dataset of a sweep.
        name: one of its variables, final or a trajectory.
        level: how likely an interval holds the mean.

    Returns:
        `mean`, `low`, `high` and `seeds` (how many count), without the dimension `seed`.
    """
    values = counted(results, name)
    if is_rate(results, name):
        interval = error_interval(values.values, examples(results, name, values), level=level)
    else:
        interval = student(values.values, level=level)
    return labelled(interval, values)


def difference(results: xr.Dataset, name: str, first: str, second: str) -> xr.Dataset:
    """Mean, interval and count of how much higher a variable is for one optimizer than for another.

    Seeds are paired: lanes of one seed share their noise and their start. A seed counts where it counts for both.

    Args:
        results: the Dataset of a sweep.
        name: one of its variables, final or a trajectory.
        first: the label of the one.
        second: that of the other, which is subtracted.

    Returns:
        `mean`, `low`, `high` (95 %) and `seeds` (how many count), without the dimensions `optimizer` and `seed`.
    """
    values = counted(results, name)
    one, two = (values.sel(optimizer=label, drop=True) for label in (first, second))
    if is_rate(results, name):
        interval = difference_interval(one.values, two.values, examples(results, name, one))
    else:
        interval = student(one.values - two.values)
    return labelled(interval, one)


def codes(results: xr.Dataset, *labels: str) -> xr.DataArray:
    """[..., seed] status codes of one optimizer's lanes, or of two: a pair is as good as its worse lane."""
    each = [results.status.sel(optimizer=label, drop=True) for label in labels]
    return functools.reduce(np.minimum, each).transpose(..., "seed")


def census(results: xr.Dataset) -> list[list[str]]:
    """How many lanes have each status that there is, as a table: its head, and a row an optimizer."""
    found = {code: one.name for code, one in enumerate(outcomes(results)) if bool((results.status == code).any())}
    rows = [["optimizer", *found.values()]]
    for k, label in enumerate(results.optimizer.values):
        here = results.status.isel(optimizer=k)
        rows.append([str(label), *(str(int((here == code).sum())) for code in found)])
    return rows


def counted(results: xr.Dataset, name: str) -> xr.DataArray:
    """[..., seed] values of a variable; NaN where a lane does not count, or there is no value."""
    rate, none = is_rate(results, name), variable_of(results, name).none
    left_out = [k for k, one in enumerate(outcomes(results)) if not (one.in_rates if rate else one.counts)]
    values = results[name].where(~results.status.isin(left_out))
    return (values if none is None else values.where(values != none)).transpose(..., "seed")


def examples(results: xr.Dataset, name: str, values: xr.DataArray) -> np.ndarray:
    """How many examples are behind the error rates of one seed; infinitely many where the results do not say."""
    import xarray as xr

    one = values.isel(seed=0, drop=True)
    size = results.coords.get(variable_of(results, name).rate, xr.DataArray(np.inf))
    if not family_of_results(results).pooled:  # all seeds have the same examples, which are no more than one set
        size = size / results.sizes["seed"]
    return size.broadcast_like(one).transpose(*one.dims).values


def labelled(interval: Interval, values: xr.DataArray) -> xr.Dataset:
    """An interval with the dimensions and coordinates of the [..., seed] values it was made of."""
    import xarray as xr

    dims = values.dims[:-1]
    coords = {key: coord for key, coord in values.coords.items() if "seed" not in coord.dims}
    return xr.Dataset({field: (dims, getattr(interval, field)) for field in Interval._fields}, coords)
