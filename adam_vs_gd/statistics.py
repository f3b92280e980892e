"""Means and 95 % intervals over seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import stats

from adam_vs_gd.variables import ERRORS, STATUSES

LEVEL = 0.95


class Interval(NamedTuple):
    """Mean, interval, and how many seeds are behind them; arrays of one shape. Without a seed the rest is NaN."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: np.ndarray


def student(values: ArrayLike, axis: int = -1) -> Interval:
    """Mean and Student's t interval over an axis; NaN values are left out. One value has an infinite interval.

    Args:
        values: [..., seeds, ...] numbers.
        axis: the axis of the seeds.
    """
    values = np.asarray(values, float)
    present = np.isfinite(values)
    count = present.sum(axis)
    total = np.where(present, values, 0).sum(axis)
    mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    square = np.where(present, (values - np.expand_dims(mean, axis)) ** 2, 0).sum(axis)
    freedom = np.maximum(count - 1, 1)
    half = stats.t.ppf(0.5 + LEVEL / 2, freedom) * np.sqrt(square / freedom / np.maximum(count, 1))
    half = np.where(count > 1, half, np.inf)
    low, high = (np.where(count > 0, mean + sign * half, np.nan) for sign in (-1, 1))
    return Interval(mean, low, high, count)


def wilson(rate: ArrayLike, trials: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a rate seen in `trials` independent trials.

    Args:
        rate: fractions in [0, 1].
        trials: how many examples are behind each, > 0.
    """
    rate, trials = np.asarray(rate, float), np.asarray(trials, float)
    z = stats.norm.ppf(0.5 + LEVEL / 2)
    centre = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return centre - half, centre + half


def error_interval(errors: ArrayLike, examples: ArrayLike, axis: int = -1) -> Interval:
    """Mean error rate over seeds with an interval that knows the examples behind it.

    Student's t over seeds, never narrower than Wilson's interval of the examples of all seeds together (which keeps
    seeds that all say 0 from having no width), within [0, 1].

    Args:
        errors: [..., seeds, ...] error rates; NaN where a seed does not count.
        examples: examples behind one seed's rate; a scalar or the result's shape.
        axis: the axis of the seeds.
    """
    mean, low, high, count = student(errors, axis)
    pooled = wilson(mean, np.maximum(count, 1) * np.asarray(examples))
    return Interval(mean, np.clip(np.fmin(low, pooled[0]), 0, 1), np.clip(np.fmax(high, pooled[1]), 0, 1), count)


def over_seeds(results: xr.Dataset, name: str) -> xr.Dataset:
    """Mean, interval and count of a variable over the seeds of a result.

    Pending and diverged lanes do not count, and collapsed ones do not count in errors (rounding noise at the origin).

    Args:
        results: the Dataset of a sweep.
        name: one of its variables, final or a trajectory.

    Returns:
        `mean`, `low`, `high` (95 %) and `seeds` (how many count), without the dimension `seed`.
    """
    base = name.removesuffix("_path")
    values = results[name]
    left_out = ["pending", "diverged", *(["collapsed"] if base in ERRORS else [])]
    values = values.where(~results.status.isin([STATUSES.index(status) for status in left_out]))
    dims = [dim for dim in values.dims if dim != "seed"]
    array = values.transpose(*dims, "seed").values
    if base in ERRORS:
        examples = results["n" if "train" in base else "test_size"]
        others = values.isel(seed=0, drop=True).transpose(*dims)
        interval = error_interval(array, examples.broadcast_like(others).transpose(*dims).values)
    else:
        interval = student(array)
    coords = {key: coord for key, coord in values.coords.items() if "seed" not in coord.dims}
    return xr.Dataset({field: (dims, getattr(interval, field)) for field in Interval._fields}, coords)
