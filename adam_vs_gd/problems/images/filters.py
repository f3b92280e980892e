"""How noisy the filters of a first layer are: measures that know no scale, and their values for white noise.

All are of one filter w [k, k, c], its channels together, and know a constant for smooth:

    high_frequency          share of its power at spatial frequencies above half of Nyquist's, |f| > 1/4 cycle a pixel,
                            in the discrete Fourier transform (low and high frequencies as in H. Wang et al.,
                            High-frequency Component Helps Explain the Generalization of CNNs, CVPR 2020)
    spectral_entropy        −Σ p ln p/ln k² of the shares p of its power, 0 of one frequency, 1 of a flat spectrum
                            (T. Inouye et al., Electroencephalography and Clinical Neurophysiology 79, 1991, p. 204)
    total_variation         mean |difference of neighbours|, over the root of the mean square: anisotropic total
                            variation (L. Rudin, S. Osher, E. Fatemi, Physica D 60, 1992, p. 259) at unit power
    neighbour_correlation   mean product of neighbours over the mean square: P. Moran's I (Biometrika 37, 1950, p. 17)
                            about zero; 1 of a constant, 0 of white noise

The first three grow with noise, the last falls. A filter is a window of k×k points: its spectrum also has what its
edges leak, which the last two measures have not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from scipy.special import digamma

if TYPE_CHECKING:
    from adam_vs_gd.types import Array

LIVE = 0.01  # of the largest filter's norm: below, weight decay has left nothing to look at
HALF_NYQUIST = 0.25  # cycles a pixel


def noisiness(filters: Array) -> dict[str, Array]:
    """Means of the measures over the live filters, and how many those are.

    Args:
        filters: [k, k, c, m].

    Returns:
        Scalars `high_frequency`, `spectral_entropy`, `total_variation`, `neighbour_correlation`, NaN where no filter is
        live; `live_filters`, those of at least a hundredth of the largest norm; `filter_norm`, the root of the mean
        square of the filters' norms.
    """
    norms = jnp.sqrt((filters**2).sum((0, 1, 2)))
    live = (norms >= LIVE * norms.max()) & (norms > 0)
    unit = filters / jnp.where(live, norms, 1)
    count = live.sum()
    means = {
        name: jnp.where(count > 0, jnp.where(live, values, 0).sum() / count, jnp.nan)
        for name, values in of_each(unit).items()
    }
    return means | {"live_filters": count.astype(filters.dtype), "filter_norm": jnp.sqrt((norms**2).mean())}


def of_each(unit: Array) -> dict[str, Array]:
    """[m] every measure of filters [k, k, c, m] of norm 1."""
    size, _, channels, _ = unit.shape
    power = (jnp.abs(jnp.fft.fft2(unit, axes=(0, 1))) ** 2).sum(2)
    shares = power / power.sum((0, 1))
    high = jnp.asarray(frequencies(size) > HALF_NYQUIST)
    logs = jnp.log(jnp.where(shares > 0, shares, 1))
    down, right = jnp.diff(unit, axis=0), jnp.diff(unit, axis=1)
    differences = jnp.abs(down).sum((0, 1, 2)) + jnp.abs(right).sum((0, 1, 2))
    pairs = 2 * size * (size - 1) * channels
    products = (unit[1:] * unit[:-1]).sum((0, 1, 2)) + (unit[:, 1:] * unit[:, :-1]).sum((0, 1, 2))
    points = size * size * channels
    return {
        "high_frequency": jnp.where(high[..., None], shares, 0).sum((0, 1)),
        "spectral_entropy": -(shares * logs).sum((0, 1)) / np.log(size * size),
        "total_variation": differences / pairs * np.sqrt(points),
        "neighbour_correlation": products / pairs * points,
    }


def frequencies(size: int) -> np.ndarray:
    """[size, size] |f| of the coefficients of `fft2`, in cycles a pixel."""
    along = np.fft.fftfreq(size)
    return np.hypot(along[:, None], along[None, :])


def of_white_noise(size: int, channels: int) -> dict[str, float]:
    """What the measures are, in the mean, for filters of independent normal weights.

    The power at a frequency is then a Gamma variable of `channels` degrees, of which E[x ln x] gives the entropy.

    Args:
        size: k.
        channels: c.
    """
    return {
        "high_frequency": float((frequencies(size) > HALF_NYQUIST).mean()),
        "spectral_entropy": float(1 - (digamma(channels + 1) - np.log(channels)) / np.log(size * size)),
        "total_variation": 2 / np.sqrt(np.pi),
        "neighbour_correlation": 0.0,
    }
