"""Chen et al. 2023: the small space is the whole one, SAM is SAM, and what is said of made-up transitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adam_vs_gd.experiments.papers import chen2023
from adam_vs_gd.experiments.papers import chen2023_training as training
from adam_vs_gd.experiments.papers.chen2023 import Transition

N, M, PATCHES, D, MU, ETA, TAU = 6, 3, 3, 200, 2.0, 0.3, 0.4


def their_output(w, x):
    """[n] F_{+1} − F_{−1}, F_j = (1/m) Σ_r Σ_p relu(⟨w_{j,r}, x_p⟩), in float64."""
    z = np.einsum("npd,jrd->njrp", x, w)
    return np.maximum(z, 0).sum((2, 3)) @ [-1.0, 1.0] / w.shape[1]


def their_gradient(w, x, y):
    """Of the mean logistic loss."""
    slope = -y / (1 + np.exp(y * their_output(w, x))) / len(y)
    active = (np.einsum("npd,jrd->njrp", x, w) > 0) / w.shape[1]
    return np.einsum("n,j,njrp,npd->jrd", slope, [-1.0, 1.0], active, x)


def their_training(w, x, y, tau, steps):
    """SAM with a full batch: W − η∇L(W + τ∇L/‖∇L‖_F)."""
    for _ in range(steps):
        g = their_gradient(w, x, y)
        w = w - ETA * their_gradient(w + tau * g / np.linalg.norm(g), x, y)
    return w


@pytest.mark.parametrize("tau", [0.0, TAU])
def test_training_in_the_span_is_training_in_d_dimensions(tau):
    rng = np.random.default_rng(1)
    w = 0.05 * rng.normal(size=(2, M, D))
    noise = rng.normal(size=(N, PATCHES - 1, D))
    noise[..., 0] = 0  # the feature is along the first coordinate
    y = np.array([1.0, -1, 1, -1, 1, 1])
    signal = np.zeros((N, 1, D))
    signal[:, 0, 0] = MU * np.array([1.0, -1, 1, -1, 1, -1])  # the last label is wrong
    x = np.concatenate([signal, noise], 1)

    rows = np.concatenate([w[..., 1:].reshape(2 * M, -1), noise[..., 1:].reshape(-1, D - 1)])
    basis, _ = np.linalg.qr(rows.T)  # of the span, off the feature
    small = lambda a: np.concatenate([a[..., :1], a[..., 1:] @ basis], -1)  # noqa: E731
    whole = their_training(w, x, y, tau, 30)
    ours, step = jnp.asarray(small(w), jnp.float32), jax.jit(training.sam_step)
    for _ in range(30):
        ours = step(ours, jnp.asarray(small(x), jnp.float32), jnp.asarray(y, jnp.float32), ETA, tau)
    np.testing.assert_allclose(ours, small(whole), atol=2e-5)
    assert np.abs(whole - w).max() > 0.1
    unseen = np.concatenate([signal, rng.normal(size=noise.shape) * (np.arange(D) > 0)], 1)
    np.testing.assert_allclose(their_output(np.asarray(ours), small(unseen)), their_output(whole, unseen), atol=1e-4)


def test_sam_is_not_gd():
    rng = np.random.default_rng(2)
    w, x = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, M, 5), (N, 2, 5)))
    y = jnp.asarray([1.0, -1, 1, -1, 1, -1])
    assert np.abs(training.sam_step(w, x, y, ETA, 0.5) - training.sam_step(w, x, y, ETA, 0.0)).max() > 1e-4


def test_coordinates_are_those_of_normal_vectors():
    """Their Gram matrices have the moments of a Wishart matrix's: mean D·I, variances D(1 + δ_ij)."""
    rows, dimension, draws = 5, 40.0, 3000
    keys = jax.random.split(jax.random.key(0), draws)
    factor = np.asarray(jax.vmap(lambda key: training.coordinates(key, rows, dimension))(keys), float)
    gram = np.einsum("aik,ajk->aij", factor, factor)
    error = np.sqrt(2 * dimension / draws)
    np.testing.assert_allclose(gram.mean(0), dimension * np.eye(rows), atol=5 * error)
    np.testing.assert_allclose(gram.var(0), dimension * (1 + np.eye(rows)), rtol=0.15)
    assert (np.triu(factor, 1) == 0).all()


@pytest.fixture(scope="module")
def trained():
    """A short training with these numbers, compiled once."""
    sizes = {"n": 10, "m": 4, "patches": 2, "iterations": 60}
    run = jax.jit(lambda given: training.training({**given, **sizes}, jax.random.key(3)))
    usual = {"mu": 3.0, "d": 500.0, "sam": 0.0, "radius": 0.5, "rate": 100.0, "flips": 0.0, "start": 0.1}
    return lambda **given: jax.tree.map(float, run(usual | given))


def test_ends_of_a_training(trained):
    assert trained(mu=20.0)["test_error"] == 0
    nothing = trained(mu=0.0)
    assert nothing["test_error"] == pytest.approx(0.5, abs=0.08)
    assert nothing["train_error"] == 0  # by the noise
    assert trained(mu=20.0, flips=1.0)["test_error"] == 1  # all labels are wrong: it learns the opposite


def test_sam_without_iterations_or_without_radius_is_gd(trained):
    gd, sam = trained(), trained(sam=1.0)
    assert gd == trained(radius=5.0) == trained(sam=1.0, radius=0.0)
    assert sam["train_loss"] != pytest.approx(gd["train_loss"], rel=1e-3)


def made(mu, *exponent):
    """A transition at three d."""
    mu = np.array(mu)
    return Transition(np.array([1e3, 4e3, 2e4]), mu, 0.9 * mu, 1.1 * mu, exponent)


def test_the_verdict_is_of_the_intervals():
    fitted = dict.fromkeys(chen2023.METHODS, 1.0)
    gd, flat, steep = made([2, 3, 4], 0.24, 0.2, 0.3), made([1, 1, 1], 0.0, -0.1, 0.1), made([1, 2, 3], 0.4, 0.3, 0.5)
    assert chen2023.verdict({0.0: gd, 0.5: flat}, fitted).startswith("Reproduced. ")
    assert chen2023.verdict({0.0: gd, 0.5: steep}, fitted).startswith("Reproduced in part. ")
    assert chen2023.verdict({0.0: steep, 0.5: gd}, fitted).startswith("Not reproduced. ")


def test_the_transition_of_a_made_up_law(monkeypatch):
    """Errors that fall through 1/4 at ‖μ‖ = d^{1/4}/4."""
    spec = chen2023.spec_of(3, quick=False)
    shape = [len(spec.axes[key]) for key in ("mu", "d", "sam")] + [3]
    mu, d = np.array(spec.axes["mu"]), np.array(spec.axes["d"])
    error = 0.5 / (1 + (mu[:, None] / (d**0.25 / 4)) ** 4)
    full = np.broadcast_to(error[:, :, None, None], shape)

    def measure():
        rest = dict.fromkeys(("train_error", "train_loss"), np.zeros(shape))
        return {"status": np.full(shape, 2), "test_error": full, **rest}

    monkeypatch.setattr(chen2023, "kept", lambda *_: measure())
    results = chen2023.measured(None, spec, True)
    found = chen2023.transition(results, 0.5)
    np.testing.assert_allclose(found.mu, d**0.25 / 4, rtol=0.05)
    assert found.exponent[0] == pytest.approx(0.25, abs=0.02)
    assert found.exponent[1] < 0.25 < found.exponent[2]
