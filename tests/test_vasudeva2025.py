"""Neurons by population gradients, errors by angles, networks on samples, and what their comparison says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import adam_vs_gd as ag
from adam_vs_gd.experiments.papers import vasudeva2025_samples as compared
from adam_vs_gd.experiments.papers import vasudeva2025_training as rich

gradient = jax.jit(rich.gradient)


@jax.jit
def by_integrals(w, a, omega, sigma, angle):
    """Errors of a network, of the line x_1 = 0, and of a cone around (1, 0)."""
    around, density = rich.around(), rich.by_angle(omega, sigma)
    cone = around[:, 0] - jnp.cos(angle)
    return [rich.test_error(f, density) for f in (rich.network(w, a, around), around[:, 0], cone)]


def means_of(omega):
    return np.array([[-np.sqrt(1 + omega**2), 0], [1, omega], [1, -omega]])


def sample(omega, n, sigma=1.0, seed=0):
    rng = np.random.default_rng(seed)
    c = rng.choice(3, n, p=[0.5, 0.25, 0.25])
    return means_of(omega)[c] + sigma * rng.normal(size=(n, 2)), np.where(c == 0, -1, 1)


def test_the_population_gradient_is_that_of_a_large_sample():
    x, y = sample(1.3, 400_000)
    w = np.random.default_rng(1).normal(size=(6, 2))
    a = np.array([1, -1, 1, -1, 1, -1.0])
    active = (x @ w.T > 0) * y[:, None]
    expected = -a[:, None] * (active.T @ x) / len(x)
    np.testing.assert_allclose(gradient(w, a, 1.3), expected, atol=0.015)
    np.testing.assert_allclose(gradient(7 * w, a, 1.3), gradient(w, a, 1.3), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("omega", "sigma"), [(0.5, 1.0), (1.0, 0.5), (2.0, 1.0)])
def test_the_slope_is_the_gradients_near_the_simple_direction(omega, sigma):
    w, a = np.ones((6, 2)), np.ones(6)
    w[:, 1] = 0.01
    first, second = -np.asarray(gradient(w, a, omega, sigma))[0]
    assert second / first / 0.01 == pytest.approx(rich.slope(omega, sigma), rel=5e-3)
    assert rich.foretold(omega, 0.0) == 0
    assert rich.foretold(omega, 1.0) == 1
    assert rich.foretold(omega, 0.5) == pytest.approx(rich.slope(omega))


@pytest.mark.parametrize(("omega", "sigma"), [(1.5, 1.0), (1.0, 0.6)])
def test_errors_by_integrals_are_those_of_a_large_sample(omega, sigma):
    x, y = sample(omega, 400_000, sigma)
    w = np.random.default_rng(2).normal(size=(5, 2))
    a = np.array([1, 1, 1, -1, -1.0])
    f = np.maximum(x @ w.T, 0) @ a
    best = compared.best_angle(omega, sigma)
    error, line, cone = (float(value) for value in by_integrals(w, a, omega, sigma, best))
    assert error == pytest.approx(np.mean(np.sign(f) != y), abs=0.003)
    density = np.exp(-((x[:, None] - means_of(omega)) ** 2).sum(-1) / 2 / sigma**2) @ np.array([-0.5, 0.25, 0.25])
    bayes = rich.bayes_error(omega, sigma)
    assert bayes == pytest.approx(np.mean(np.sign(density) != y), abs=0.002)
    assert rich.line_error(omega, sigma) == pytest.approx(line, abs=1e-5)
    assert bayes < cone < line


def test_bayes_error_at_omega_zero_is_that_of_two_clusters():
    assert rich.bayes_error(0.0, 0.8) == pytest.approx(rich.line_error(0.0, 0.8), rel=1e-3)


def test_what_gd_and_signgd_learn_and_where_powers_between_rest():
    hyper = {"omega": 1.0, "eta": 0.01, "updates": 2500}
    key = ag.seed_key(0)

    def powers(p):
        return rich.power(hyper | {"power": p}, key)

    found = jax.jit(jax.vmap(powers))(jnp.array([0.0, 0.75, 1.0]))
    simple, between, signed = ({name: v[i] for name, v in found.items()} for i in range(3))
    assert simple["negative_simple"] > 0.99 > simple["rich"]
    assert simple["positive_simple"] > signed["positive_simple"]
    assert min(signed["rich"], signed["negative_simple"]) > 0.99
    assert between["tangent"] == pytest.approx(rich.foretold(1.0, 0.75), abs=0.06)
    assert rich.foretold(1.0, 0.75) < 0.8  # so that it is told apart from signGD's 1


def test_a_training_on_samples_is_plain_gradient_descent():
    hyper = {"omega": 1.0, "sigma": 0.5, "n": 60, "updates": 40, "method": 0}
    key = ag.seed_key(3)
    found = jax.jit(lambda: rich.sampled(hyper, key))()
    x, y = (np.asarray(v, float) for v in rich.samples(1.0, 0.5, 60, jax.random.fold_in(key, rich.SAMPLE)))
    w = 1e-3 * np.asarray(jax.random.normal(jax.random.fold_in(key, rich.START), (rich.SAMPLED_NEURONS, 2)), float)
    a = np.where(np.arange(len(w)) % 2 == 0, 1.0, -1.0)
    losses = []
    for _ in range(40):
        f = np.maximum(x @ w.T, 0) @ a
        pull = -y / (1 + np.exp(y * f))
        w = w - rich.METHODS["GD"][1]["eta"] * a[:, None] * (((x @ w.T) > 0) * pull[:, None]).T @ x / len(x)
        losses.append(np.log1p(np.exp(-y * (np.maximum(x @ w.T, 0) @ a))).mean())
    np.testing.assert_allclose(found["loss"], np.array(losses)[rich.taken(40) - 1], rtol=1e-4)
    angle = (np.arange(rich.ANGLES // 2) + 0.5) * 2 * np.pi / rich.ANGLES
    upper = np.maximum(np.stack([np.cos(angle), np.sin(angle)], -1) @ w.T, 0) @ a > 0
    assert found["above"][-1] == pytest.approx(np.pi * upper.mean(), abs=0.01)


def made(errors, ends=(0.1, 0.1)):
    """Two methods, whose loss falls evenly from log 2, and whose errors go through those given."""
    dims = ("omega", "sigma", "optimizer", "seed", "moment")
    loss = np.stack([np.linspace(np.log(2), end, 3) for end in ends])
    values = np.asarray(errors, float)[None, None, :, None] + np.array([0.0, 1e-4, 2e-4])[None, None, None, :, None]
    coords = {"omega": [1.0], "sigma": [0.5], "optimizer": ["GD", "Adam"], "seed": [0, 1, 2]}
    wide = np.ones((1, 1, 2, 3, 3))
    whole = {"loss": wide * loss[None, None, :, None], "test_error": wide * values, "above": wide, "below": wide}
    return xr.Dataset({name: (dims, value) for name, value in whole.items()}, coords)


def test_methods_are_compared_at_the_same_loss_and_at_the_end():
    at = compared.beside_bayes(compared.moments(made([[0.02, 0.02, 0.01], [0.02, 0.01, 0.01]], ends=(0.1, 0.05))))
    bayes = rich.bayes_error(1.0, 0.5)
    level = 0.05 + 0.1 * (np.log(2) - 0.05)
    share = ((0.1 + np.log(2)) / 2 - level) / ((np.log(2) - 0.1) / 2)  # of GD's second stretch
    at_level = at.excess.sel(when=compared.DONE, optimizer="GD", seed=0).item()
    assert at_level == pytest.approx(0.02 - 0.01 * share - bayes)
    assert at.excess.sel(when=compared.END, optimizer="GD", seed=1).item() == pytest.approx(0.0101 - bayes)
    never = compared.crossed(np.array([[0.6, 0.5]]), np.array([[1.0, 2.0]]), np.array([0.4]))
    assert np.isnan(never).all()


@pytest.mark.parametrize(
    ("gd", "adam", "words"),
    [
        ([0.02, 0.02, 0.01], [0.02, 0.01, 0.01], ["reproduced", "not reproduced"]),
        ([0.02, 0.02, 0.02], [0.02, 0.01, 0.01], ["reproduced", "reproduced"]),
        ([0.02, 0.01, 0.01], [0.02, 0.02, 0.02], ["not reproduced", "not reproduced"]),
    ],
)
def test_verdicts_on_samples_follow_the_numbers(gd, adam, words):
    at = compared.beside_bayes(compared.moments(made([gd, adam])))
    assert [row[-1] for row in compared.claims_on_samples(at)] == words
    tables = "\n".join(compared.samples_tables(at))
    assert "GD 0.29657" in tables  # a fall of (log 2 − 0.1)/2
    excess = xr.DataArray([[[0.1], [0.2]]], {"omega": [1.0], "power": [0.0, 1.0]}, ("omega", "power", "seed"))
    said = compared.conclusion(at, excess)
    assert "the best p is 0 at ω = 1" in said
    assert ("more of the path" in said) == (words == ["reproduced", "not reproduced"])
