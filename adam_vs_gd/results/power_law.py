"""The power law of a boundary, with an interval that knows its seeds, its cells and how well it fits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd.errors import PlotError
from adam_vs_gd.results.quantiles import student_quantile
from adam_vs_gd.results.statistics import LEVEL
from adam_vs_gd.results.transition import interval

MIN_POINTS = 3


def fit_exponent(curve: xr.Dataset, against: xr.DataArray | None = None) -> xr.Dataset:
    """The power law x = c·y^κ of a boundary, by least squares in logarithms.

    The interval is that of the boundary's resamples, each fitted anew with every point moved by up to half the distance
    of the two values of x that enclose it, because no more is known where the error jumps. It is never narrower than
    Student's of the fit's own residuals: points that do not lie on a power law make it wide.

    Args:
        curve: what `boundary` returned, or part of it (`curve.sel(optimizer="adam", s=slice(20, 200))`).
        against: what to take for y, along the same dimension: for instance `curve.s * curve.sigma_p`.

    Returns:
        A Dataset along what is left: `exponent` κ with `low` and `high` (95 %), `prefactor` c, `rms` (of the residuals,
        in logarithms), and `points`. NaN with fewer than three points, for a crossing at x <= 0 is none.

    Raises:
        PlotError: if y, or what is taken for it, is not positive, or no DataArray.
    """
    x, y = curve.attrs["x"], next(dim for dim in reversed(curve[curve.attrs["x"]].dims))
    taken = curve[curve.attrs["y"]] if against is None else against
    if not isinstance(taken, xr.DataArray):
        raise PlotError(f"against = {taken!r}: must be a DataArray along {y}, for instance curve.{y} * 2")
    if not (taken > 0).all():
        raise PlotError(f"{taken.name or 'against'}: must be positive for a power law; leave out what is not with sel")
    outer = [dim for dim in curve[x].dims if dim != y]
    position = curve[x].transpose(*outer, y)
    resampled = curve.resampled.transpose(*outer, y, "resample").values
    logs = np.broadcast_to(np.log(taken.broadcast_like(position).transpose(*position.dims).values), position.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = [np.log(curve[name].transpose(*outer, y).values) for name in ("below", "above")]
        widths = np.where(np.isfinite(ends[0]), ends[1] - ends[0], 2 * (ends[1] - np.log(position.values)))
    shape = position.shape[:-1]
    fits = [
        power_law(logs[i], position.values[i], resampled[i], widths[i], curve.attrs["seeds"]) for i in np.ndindex(shape)
    ]
    coords = {key: coord for key, coord in curve.coords.items() if not {y, "resample"} & set(coord.dims)}
    return xr.Dataset(
        {name: (outer, np.array([getattr(fit, name) for fit in fits]).reshape(shape)) for name in PowerLaw._fields},
        coords,
        {"law": f"{x} ~ {taken.name or 'against'}^exponent"},
    )


class PowerLaw(NamedTuple):
    """A fit of x = c·y^κ; the fields of `fit_exponent`'s result."""

    exponent: float = np.nan
    low: float = np.nan
    high: float = np.nan
    prefactor: float = np.nan
    rms: float = np.nan
    points: int = 0


def power_law(log_y: np.ndarray, x: np.ndarray, resampled: np.ndarray, widths: np.ndarray, seeds: int) -> PowerLaw:
    """Fit points on logarithmic axes, and again in every resample.

    Args:
        log_y: [points].
        x: [points]; those that are not finite and positive are left out.
        resampled: [points, resamples] other values of x.
        widths: [points] how far apart, in logarithms, the values are that enclose each x.
        seeds: behind them.
    """
    from scipy import stats

    use = np.isfinite(x) & (x > 0)
    points = int(use.sum())
    if points < MIN_POINTS or np.ptp(log_y[use]) == 0:
        return PowerLaw(points=points)
    log_y = log_y[use]
    fit = stats.linregress(log_y, np.log(x[use]))
    with np.errstate(divide="ignore", invalid="ignore"):
        again = np.log(resampled[use])
    again = moved(again, widths[use])
    slopes = masked_slopes(log_y, np.where(np.isfinite(again), again, np.nan))
    rms = np.sqrt(np.mean((np.log(x[use]) - fit.intercept - fit.slope * log_y) ** 2))
    return PowerLaw(
        fit.slope, *ends(fit.slope, slopes, seeds, fit.stderr, points - 2), np.exp(fit.intercept), rms, points
    )


def moved(places: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """[points, resamples] places, each moved within its cell, of [points] widths: where in it is not known."""
    return places + (np.random.default_rng(0).random(places.shape) - 0.5) * widths[:, None]


def ends(estimate: float, resampled: np.ndarray, seeds: int, stderr: float, freedom: int) -> tuple[float, float]:
    """An interval of resamples, never narrower than Student's of a fit's own residuals."""
    low, high = interval(estimate, resampled, seeds)
    half = student_quantile(0.5 + LEVEL / 2, freedom) * stderr
    return min(low, estimate - half), max(high, estimate + half)


def masked_slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[resamples] least-squares slopes of [points, resamples] y against [points] x; NaN for fewer than three points."""
    known = np.isfinite(y)
    count = known.sum(0)
    x, y = np.where(known, x[:, None], 0), np.where(known, y, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        dx, dy = np.where(known, x - x.sum(0) / count, 0), np.where(known, y - y.sum(0) / count, 0)
        return np.where(count >= MIN_POINTS, (dx * dy).sum(0) / (dx**2).sum(0), np.nan)
