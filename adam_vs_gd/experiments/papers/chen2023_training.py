"""The training of `chen2023`: a two-layer ReLU CNN by GD or SAM, exactly, in a space as small as the span of it all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning.optimizers import up_the_hill

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key

SIGMA_P = 1.0
TEST_SIZE = 1000


def training(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """One training and its errors.

    The network and both optimizers do not change under rotations, and all weights stay in the span of the feature and
    the K − 1 = 2m + n(P − 1) initial filters and noise patches. In an orthonormal basis of it these are `coordinates`,
    whose distribution is known, and a test patch has K − 1 standard normals: nothing of size d is drawn, d is traced.

    Args:
        hyper: `mu` ‖μ‖ ≥ 0; `d` > 2m + n(P − 1); `sam`, the share of the iterations that are SAM's, with which it
            begins; `radius` c of SAM's τ = c·m√n/(Pσ_p√d); `rate` r of η = r/(σ_p²d); `flips`, the probability of a
            wrong label; `start`, σ_0 in units of 1/√(3d), as wide as PyTorch's uniform start; and the whole numbers `n`
            (even), `m`, `patches`, `iterations`.
        key: the seed's.
    """
    n, m, others = hyper["n"], hyper["m"], hyper["patches"] - 1
    start, wrong, test = jax.random.split(key, 3)
    rows = coordinates(start, 2 * m + n * others, hyper["d"] - 1)
    sigma_0 = hyper["start"] / jnp.sqrt(3 * jnp.asarray(hyper["d"]))
    along = jax.random.normal(jax.random.fold_in(start, 1), (2 * m, 1))
    w = sigma_0 * jnp.concatenate([along, rows[: 2 * m]], 1).reshape(2, m, -1)
    true = 1.0 - 2.0 * (jnp.arange(n) % 2)
    y = jnp.where(jax.random.uniform(wrong, (n,)) < hyper["flips"], -true, true)
    x = patches(true, SIGMA_P * rows[2 * m :].reshape(n, others, -1), hyper["mu"])

    tau = hyper["radius"] * m * jnp.sqrt(n) / (hyper["patches"] * SIGMA_P * jnp.sqrt(jnp.asarray(hyper["d"])))

    eta, ascents = hyper["rate"] / (SIGMA_P**2 * jnp.asarray(hyper["d"])), hyper["sam"] * hyper["iterations"]

    def step(w: Array, t: Array) -> tuple[Array, None]:
        return sam_step(w, x, y, eta, jnp.where(t < ascents, tau, 0)), None

    w, _ = jax.lax.scan(step, w, jnp.arange(hyper["iterations"]))
    noise = SIGMA_P * jax.random.normal(test, (TEST_SIZE, others, rows.shape[1]))
    unseen = 1.0 - 2.0 * (jnp.arange(TEST_SIZE) % 2)
    margins = y * output(w, x)
    return {
        "test_error": (unseen * output(w, patches(unseen, noise, hyper["mu"])) <= 0).mean(),
        "train_error": (margins <= 0).mean(),
        "train_loss": jax.nn.softplus(-margins).mean(),
    }


def coordinates(key: Key, rows: int, dimension: ArrayLike) -> Array:
    """[rows, rows] what `rows` standard normal vectors are in an orthonormal basis of their span (Bartlett 1933).

    Row i has standard normals before the diagonal, and on it the length, χ with `dimension` − i degrees of freedom, of
    what is orthogonal to the rows before; `dimension` ≥ rows.
    """
    below, diagonal = jax.random.split(key)
    freedom = jnp.asarray(dimension) - jnp.arange(rows)
    length = jnp.sqrt(2 * jax.random.gamma(diagonal, freedom / 2))
    return jnp.tril(jax.random.normal(below, (rows, rows)), -1) + jnp.diag(length)


def patches(y: Array, noise: Array, mu: ArrayLike) -> Array:
    """[n, P, K] patches in that basis: y·μ along its first vector, and P − 1 of noise [n, P − 1, K − 1] off it."""
    signal = jnp.zeros((len(y), 1, noise.shape[-1] + 1)).at[:, 0, 0].set(mu * y)
    return jnp.concatenate([signal, jnp.pad(noise, ((0, 0), (0, 0), (1, 0)))], 1)


def output(w: Array, x: Array) -> Array:
    """[n] F_{+1} − F_{−1}, F_j = (1/m)·Σ_r Σ_p relu(⟨w_{j,r}, x_p⟩), of filters [2, m, K] and patches [n, P, K]."""
    products = jnp.einsum("npk,jrk->njrp", x, w, precision=jax.lax.Precision.HIGHEST)
    outputs = jax.nn.relu(products).sum((-2, -1)) / w.shape[1]
    return outputs[:, 1] - outputs[:, 0]


def loss(w: Array, x: Array, y: Array) -> Array:
    """Mean logistic loss."""
    return jax.nn.softplus(-y * output(w, x)).mean()


def sam_step(w: Array, x: Array, y: Array, eta: ArrayLike, tau: ArrayLike) -> Array:
    """W − η∇L(W + τ∇L/‖∇L‖_F)."""
    above = up_the_hill(tau, w, jax.grad(loss)(w, x, y))
    return w - eta * jax.grad(loss)(above, x, y)
