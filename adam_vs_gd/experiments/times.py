"""Times read off trajectories, and the power laws they follow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from adam_vs_gd.results.statistics import LEVEL, student
from adam_vs_gd.results.transition import RISING, first_crossing

LEAST = 3  # points that a slope is fitted to


def turning(step: np.ndarray, path: np.ndarray) -> np.ndarray:
    """The step from which a quantity falls for the first time; NaN where it never does, or does from the start.

    Args:
        step: [records].
        path: [..., records].
    """
    falls = np.diff(path) < 0
    at = falls.argmax(-1)
    return np.where(falls.any(-1) & (at > 0), step[at], np.nan)


def reaching(step: np.ndarray, path: np.ndarray, level: float) -> np.ndarray:
    """The step at which a quantity first reaches a level, interpolated between records; NaN where it never does.

    Args:
        step: [records].
        path: [..., records].
        level: to reach from below.
    """
    found = first_crossing(path, level, RISING)
    return np.where(found.left < 0, np.nan, step[found.left] + found.share * np.diff(step)[found.left])


def enough(times: np.ndarray) -> np.ma.MaskedArray:
    """Of [seeds, points] the seeds that have enough times for a slope, without the times that are NaN."""
    return np.ma.masked_invalid(times[np.isfinite(times).sum(-1) >= LEAST])


class Law(NamedTuple):
    """A fit of time = c·x^exponent.

    Attributes:
        exponent: mean over seeds.
        low: of its 95 % interval.
        high: likewise.
        seeds: how many have enough times.
    """

    exponent: float
    low: float
    high: float
    seeds: int

    def holds(self, exponent: float) -> bool:
        """Whether an exponent is in the interval."""
        return self.low <= exponent <= self.high


def scaling_law(x: np.ndarray, times: np.ndarray, spacing: float = 0.0) -> Law:
    """Fit a slope in logarithms to each seed, because seeds share their noise and start along x.

    The interval is Student's over the seeds' slopes. It is never narrower than Student's of the residuals of the mean
    over seeds (a curve that is no power law), nor than what times known to `spacing` steps can tell.

    Args:
        x: [points] > 0.
        times: [seeds, points]; NaN where there is none. A seed counts from three on.
        spacing: steps between records.

    Returns:
        The law; NaN without a seed.
    """
    logs = np.ma.log(enough(times))
    if not len(logs):
        return Law(np.nan, np.nan, np.nan, 0)
    at = np.ma.array(np.broadcast_to(np.log(x), logs.shape), mask=np.ma.getmaskarray(logs))
    at = at - at.mean(-1, keepdims=True)
    weights = at / (at**2).sum(-1, keepdims=True)
    slopes = (weights * logs).sum(-1).filled(np.nan)
    slope = float(slopes.mean())
    rest = (logs - logs.mean(-1, keepdims=True) - slope * at).mean(0)
    freedom = len(x) - 2
    halves = [
        float(student(slopes).high) - slope if len(slopes) > 1 else 0.0,
        float(stats.t.ppf(0.5 + LEVEL / 2, freedom) * np.sqrt((rest**2).sum() / freedom / np.log(x).var() / len(x))),
        float((np.log1p(spacing * np.exp(-logs)) * abs(weights)).sum(-1).mean()),
    ]
    return Law(slope, slope - max(halves), slope + max(halves), len(slopes))
