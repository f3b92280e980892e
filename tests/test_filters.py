"""The measures of noisiness, against NumPy in float64, closed forms, and what must not change them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adam_vs_gd.problems.images.filters import LIVE, of_white_noise
from adam_vs_gd.problems.images.filters import noisiness as noisiness_of

noisiness = jax.jit(noisiness_of)
MEASURES = ("high_frequency", "spectral_entropy", "total_variation", "neighbour_correlation")


def oracle(filters):
    """The definitions, point by point."""
    size, _, channels, count = filters.shape
    norms = [np.linalg.norm(filters[..., k]) for k in range(count)]
    found = {name: [] for name in MEASURES}
    for k in range(count):
        if norms[k] < LIVE * max(norms) or norms[k] == 0:
            continue
        w = filters[..., k] / norms[k]
        power = {}
        for u in range(size):
            for v in range(size):
                y, x = np.mgrid[:size, :size]
                wave = np.exp(-2j * np.pi * (u * y + v * x) / size)
                power[u, v] = sum(abs((w[..., c] * wave).sum()) ** 2 for c in range(channels))
        total = sum(power.values())
        cycles = lambda u: min(u, size - u) / size  # noqa: E731
        found["high_frequency"].append(
            sum(p for (u, v), p in power.items() if np.hypot(cycles(u), cycles(v)) > 0.25) / total
        )
        shares = np.array([p / total for p in power.values() if p > 1e-30])
        found["spectral_entropy"].append(-(shares * np.log(shares)).sum() / np.log(size**2))
        neighbours = [(w[y, x, c], w[y + a, x + b, c]) for c in range(channels) for a, b in ((0, 1), (1, 0))
                      for y in range(size - a) for x in range(size - b)]  # fmt: skip
        one, other = np.array(neighbours).T
        square = (w**2).mean()
        found["total_variation"].append(abs(one - other).mean() / np.sqrt(square))
        found["neighbour_correlation"].append((one * other).mean() / square)
    return {name: np.mean(values) for name, values in found.items()} | {"live_filters": len(found["high_frequency"])}


@pytest.mark.parametrize("shape", [(11, 11, 3, 4), (5, 5, 1, 3), (4, 4, 2, 2)])
def test_measures_are_their_definitions(shape):
    filters = np.random.default_rng(1).normal(size=shape)
    filters[..., 0] = np.cumsum(filters[..., 0], axis=0)  # a smooth one among them
    filters[..., 1] *= 1e-4  # and one that has vanished
    found, wanted = noisiness(jnp.asarray(filters, jnp.float32)), oracle(filters)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


def test_white_noise_has_the_values_it_is_said_to_have():
    for channels in (1, 3):
        filters = np.random.default_rng(2).normal(size=(11, 11, channels, 2000))
        found, wanted = noisiness(jnp.asarray(filters, jnp.float32)), of_white_noise(11, channels)
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value, atol=5e-3, err_msg=name)


def test_a_constant_and_a_wave_have_closed_forms():
    constant = noisiness(jnp.ones((11, 11, 3, 2)))
    for name, value in zip(MEASURES, (0, 0, 0, 1), strict=True):
        np.testing.assert_allclose(constant[name], value, atol=1e-5, err_msg=name)
    board = noisiness(jnp.asarray((-1.0) ** np.add.outer(np.arange(8), np.arange(8)))[..., None, None])
    for name, value in zip(MEASURES, (1, 0, 2, -1), strict=True):
        np.testing.assert_allclose(board[name], value, atol=1e-5, err_msg=name)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6))
def test_neither_scale_nor_order_nor_mirror_matters(seed, scale):
    filters = np.random.default_rng(seed).normal(size=(7, 7, 3, 5)).astype(np.float32)
    plain = noisiness(jnp.asarray(filters))
    for changed in (scale * filters, filters[..., ::-1], filters[::-1], filters.swapaxes(0, 1), filters[:, :, ::-1]):
        found = noisiness(jnp.asarray(changed, jnp.float32))
        for name in MEASURES:
            np.testing.assert_allclose(found[name], plain[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_smoothing_lowers_every_measure_of_noise():
    filters = np.random.default_rng(3).normal(size=(11, 11, 3, 30))
    before = noisiness(jnp.asarray(filters, jnp.float32))
    smooth = (filters + np.roll(filters, 1, 0) + np.roll(filters, 1, 1) + np.roll(filters, (1, 1), (0, 1))) / 4
    after = noisiness(jnp.asarray(smooth, jnp.float32))
    for name in MEASURES[:3]:
        assert after[name] < before[name], name
    assert after["neighbour_correlation"] > before["neighbour_correlation"] + 0.3


def test_nothing_is_measured_of_filters_that_are_gone_or_not_finite():
    gone = noisiness(jnp.zeros((5, 5, 1, 3)))
    assert gone["live_filters"] == 0
    assert all(jnp.isnan(gone[name]) for name in MEASURES)
    lost = noisiness(jnp.full((5, 5, 1, 3), jnp.nan))
    assert all(jnp.isnan(lost[name]) for name in MEASURES), "a diverged lane is no smooth one"


def test_measures_of_lanes_side_by_side_are_those_of_each():
    filters = jax.random.normal(jax.random.key(0), (3, 11, 11, 3, 4))
    together = jax.vmap(noisiness)(filters)
    for k in range(3):
        for name, value in noisiness(filters[k]).items():
            np.testing.assert_allclose(together[name][k], value, rtol=1e-5)
