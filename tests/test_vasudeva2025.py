"""Neurons by population gradients: the gradient against samples, slopes, rests, and errors against Bayes' rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import adam_vs_gd as ag
from adam_vs_gd.experiments.papers import vasudeva2025 as rich

gradient = jax.jit(rich.gradient)


def sample(omega, n, seed=0):
    rng = np.random.default_rng(seed)
    means = np.array([[-np.sqrt(1 + omega**2), 0], [1, omega], [1, -omega]])
    c = rng.choice(3, n, p=[0.5, 0.25, 0.25])
    return means[c] + rng.normal(size=(n, 2)), np.where(c == 0, -1, 1)


def test_the_population_gradient_is_that_of_a_large_sample():
    x, y = sample(1.3, 400_000)
    w = np.random.default_rng(1).normal(size=(6, 2))
    a = np.array([1, -1, 1, -1, 1, -1.0])
    active = (x @ w.T > 0) * y[:, None]
    expected = -a[:, None] * (active.T @ x) / len(x)
    np.testing.assert_allclose(gradient(w, a, 1.3), expected, atol=0.015)
    np.testing.assert_allclose(gradient(7 * w, a, 1.3), gradient(w, a, 1.3), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("omega", [0.5, 1.0, 2.0])
def test_the_slope_is_the_gradients_near_the_simple_direction(omega):
    first, second = -np.asarray(gradient(jnp.array([[1.0, 0.01]]), jnp.array([1.0]), omega))[0]
    assert second / first / 0.01 == pytest.approx(rich.slope(omega), rel=2e-3)
    assert rich.foretold(omega, 0.0) == 0
    assert rich.foretold(omega, 1.0) == 1
    assert rich.foretold(omega, 0.5) == pytest.approx(rich.slope(omega))


def test_bayes_rule_and_a_network_that_is_a_line():
    w, a = jnp.array([[1.0, 0.0], [-1.0, 0.0]]), jnp.array([1.0, -1.0])
    error, bayes = rich.errors(w, a, 1.5, ag.seed_key(0))
    x, y = sample(1.5, 200_000)
    means = np.array([[-np.sqrt(1 + 1.5**2), 0], [1, 1.5], [1, -1.5]])
    density = np.exp(-((x[:, None] - means) ** 2).sum(-1) / 2) @ np.array([-0.5, 0.25, 0.25])
    assert float(error) == pytest.approx(np.mean(np.sign(x[:, 0]) != y), abs=0.01)
    assert float(bayes) == pytest.approx(np.mean(np.sign(density) != y), abs=0.01)
    assert bayes <= error


def test_what_gd_and_signgd_learn_and_where_powers_between_rest():
    hyper = {"omega": 1.0, "eta": 0.01, "updates": 3000}
    key = ag.seed_key(0)
    simple, signed = jax.jit(lambda: rich.gd(hyper, key))(), jax.jit(lambda: rich.signgd(hyper, key))()
    assert simple["negative_simple"] > 0.99 > simple["rich"]
    assert simple["positive_simple"] > signed["positive_simple"]
    assert min(signed["rich"], signed["negative_simple"]) > 0.99
    between = jax.jit(lambda: rich.power(hyper | {"power": 0.75}, key))()
    assert between["tangent"] == pytest.approx(rich.foretold(1.0, 0.75), abs=0.06)
    assert rich.foretold(1.0, 0.75) < 0.8  # so that it is told apart from signGD's 1
