"""The estimate of `cao2022`: where the transition is for finite m and n, nothing fitted."""

from __future__ import annotations

import numpy as np
from scipy import stats

DRAWS = 4000


def strengths(n: int, q: int, m: int) -> np.ndarray:
    """[DRAWS] of g^{q−2}·Σ_i h_i^{2−q}: maxima of m standard normals, for a class of n/2 examples.

    Where the maximum h_i is not above 0, an example is never memorized: ∞. Where g is not, a feature is never learned.
    """
    maxima = stats.norm.ppf(np.random.default_rng(0).random((DRAWS, 1 + n // 2)) ** (1 / m))
    g, h = np.maximum(maxima[:, 0], 0), maxima[:, 1:]
    total = np.where(h > 0, np.where(h > 0, h, 1) ** float(2 - q), np.inf).sum(1)
    return np.where(g > 0, np.where(g > 0, g, 1) ** (q - 2) * total, 0)


def foretold_error(snr: np.ndarray, n: int, q: int, m: int) -> np.ndarray:
    """The estimate's mean test error at [k] SNR: half the probability that a class does not learn its feature."""
    known = np.sort(strengths(n, q, m))
    return 0.5 * np.searchsorted(known, np.asarray(snr, float) ** -q, side="right") / DRAWS


def middle(n: int, q: int, m: int, level: float) -> float:
    """The SNR at which the estimate's mean test error is `level`."""
    return float(np.quantile(strengths(n, q, m), 2 * level) ** (-1 / q))
