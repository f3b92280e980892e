"""Whether trainings agree with a published table of means, and where both cross a level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import ndimage, stats

from adam_vs_gd.experiments.summary import Estimate
from adam_vs_gd.results.statistics import LEVEL, student

BLOCKS = 5  # along either axis, in which differences are averaged
WINDOW = 5  # cells along either axis whose variances are averaged
NEAR = 2  # standard errors
CROSSED = 0.2  # of the test error: their second heatmap says where it is above this
THEORY = 0.25  # κ of ‖μ‖ ∝ d^κ where n‖μ‖⁴ is a multiple of dσ_p⁴


class Agreement(NamedTuple):
    """How two tables of independent means agree.

    Attributes:
        bias: mean of ours minus theirs, over cells.
        ratio: median of ours/theirs, over cells.
        within: share of the cells that differ by at most two standard errors of the difference; NaN for one seed.
        expected: that share if both were drawn alike, by the normal distribution.
        probability: of block means at least as far from 0 as these, if both were drawn alike; NaN for one seed.
        correlation: of the cells.
    """

    bias: Estimate
    ratio: Estimate
    within: float
    expected: float
    probability: float
    correlation: float


def agreement(theirs: np.ndarray, ours: np.ndarray, deviation: np.ndarray, repetitions: int, seeds: int) -> Agreement:
    """Hold a table of means against another, cell by cell.

    A cell's standard error is s·√(1/repetitions + 1/seeds). s² is the variance of our trainings, for of theirs the
    means alone are known, averaged over the cells around: ten trainings, some of which fail, do not tell it well.

    Args:
        theirs: [rows, columns] means of so many `repetitions`.
        ours: the same of so many `seeds`.
        deviation: [rows, columns] of our trainings, over seeds.
        repetitions: behind theirs.
        seeds: behind ours.
    """
    difference = ours - theirs
    variance = ndimage.uniform_filter(deviation**2, WINDOW, mode="nearest") * (1 / repetitions + 1 / seeds)
    mean, low, high, _ = student(difference.ravel())
    squares = sum(np.sum(part) ** 2 / np.sum(of) for part, of in zip(blocks(difference), blocks(variance), strict=True))
    return Agreement(
        Estimate(float(mean), float(low), float(high)),
        median((ours / theirs).ravel()),
        float(np.mean(difference**2 <= NEAR**2 * variance)) if np.isfinite(variance).all() else np.nan,
        float(stats.norm.cdf(NEAR) - stats.norm.cdf(-NEAR)),
        float(stats.chi2.sf(squares, BLOCKS**2)),
        float(np.corrcoef(theirs.ravel(), ours.ravel())[0, 1]),
    )


def blocks(table: np.ndarray) -> list[np.ndarray]:
    """A table in `BLOCKS` by `BLOCKS` parts."""
    return [part for rows in np.array_split(table, BLOCKS) for part in np.array_split(rows, BLOCKS, axis=1)]


def median(values: np.ndarray) -> Estimate:
    """The median, and the order statistics that enclose it whatever the values' distribution."""
    ordered = np.sort(values)
    first = max(int(stats.binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5)) - 1, 0)
    return Estimate(float(np.median(ordered)), float(ordered[first]), float(ordered[-1 - first]))


class Line(NamedTuple):
    """Where rows cross a level, and power laws through that.

    Attributes:
        at: [d] μ.
        exponent: κ of μ = c·d^κ, by least squares in logarithms, with Student's interval of the residuals.
        prefactor: c.
        rms: of the residuals, in logarithms.
        given: the prefactor with the theory's κ in place of the fitted one.
        given_rms: of its residuals.
    """

    at: np.ndarray
    exponent: Estimate
    prefactor: float
    rms: float
    given: float
    given_rms: float


def level_line(table: xr.DataArray, level: float = CROSSED, theory: float = THEORY) -> Line:
    """The power law of where rows of a table fall through a level along μ.

    A row is taken to cross where it would if its cells above the level came first. Noise around the crossing does not
    shift that, as it would the first crossing of means whose trainings are not known; and rows are independent.

    Args:
        table: [d, mu] means, with d > 0 and mu ascending by equal steps.
        level: to cross.
        theory: another κ, whose prefactor is fitted too.
    """
    mu = table.mu.values
    at = mu[0] + (mu[1] - mu[0]) * ((table > level).sum("mu").values - 0.5)
    x, y = np.log(table.d.values), np.log(at)
    fit = stats.linregress(x, y)
    half = stats.t.ppf(0.5 + LEVEL / 2, len(x) - 2) * fit.stderr
    rest = y - theory * x
    return Line(
        at,
        Estimate(float(fit.slope), float(fit.slope - half), float(fit.slope + half)),
        float(np.exp(fit.intercept)),
        float(np.sqrt(np.mean((y - fit.intercept - fit.slope * x) ** 2))),
        float(np.exp(rest.mean())),
        float(rest.std()),
    )
