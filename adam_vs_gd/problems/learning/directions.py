"""Directions: what turns a gradient into the direction of a step, before −η scales it.

Optax's transformations where optax has them; those here are what it lacks, or has with another ε. Every number may be
traced. A gradient of 0 that has always been 0 gives a direction of 0 where ε > 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params


class Moments(NamedTuple):
    """Moments of a gradient, with no count of steps."""

    mu: Params  # m
    nu: Params  # v


class Average(NamedTuple):
    """A mean of gradients, or a sum of their squares."""

    of: Params


class CountedMoments(NamedTuple):
    """Moments of a gradient, and the steps they are of."""

    steps: Array
    mu: Params
    nu: Params


def scale_by_paper_adam(beta1: ArrayLike, beta2: ArrayLike) -> optax.GradientTransformation:
    """m/√v of equations (3.1)–(3.3): no bias correction, no ε, and 0/0 := 0.

    It deviates from the paper's indices in using the updated moments m^(t+1), v^(t+1): the paper's would divide 0 by 0
    at t = 0. Where v is 0 the update is 0, also when that comes from g² vanishing in rounding (|g| < 1e-22 in float32).

    Args:
        beta1: β1 in [0, 1).
        beta2: β2 in [0, 1).
    """

    def init(params: Params) -> Moments:
        return Moments(optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(updates: Params, state: Moments, params: Params = None) -> tuple[Params, Moments]:
        del params
        mu = optax.tree.update_moment(updates, state.mu, beta1, 1)
        nu = optax.tree.update_moment_per_elem_norm(updates, state.nu, beta2, 2)

        return jax.tree.map(lambda m, v: jnp.where(v == 0, 0, m / jnp.sqrt(v)), mu, nu), Moments(mu, nu)

    return optax.GradientTransformation(init, update)


def scale_by_adagrad(eps: ArrayLike) -> optax.GradientTransformation:
    """g/(√G + ε), G the sum of all g² so far (Duchi, Hazan and Singer 2011); ε outside the root, as in PyTorch.

    Args:
        eps: ε > 0.
    """

    def init(params: Params) -> Average:
        return Average(optax.tree.zeros_like(params))

    def update(updates: Params, state: Average, params: Params = None) -> tuple[Params, Average]:
        del params
        total = jax.tree.map(lambda g, s: s + g * g, updates, state.of)
        return jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), updates, total), Average(total)

    return optax.GradientTransformation(init, update)


def scale_by_signum(beta1: ArrayLike) -> optax.GradientTransformation:
    """sgn(m), m the mean of gradients (Bernstein et al. 2018, Signum); sgn(0) = 0.

    Args:
        beta1: β1 in [0, 1).
    """

    def init(params: Params) -> Average:
        return Average(optax.tree.zeros_like(params))

    def update(updates: Params, state: Average, params: Params = None) -> tuple[Params, Average]:
        del params
        mean = optax.tree.update_moment(updates, state.of, beta1, 1)
        return jax.tree.map(jnp.sign, mean), Average(mean)

    return optax.GradientTransformation(init, update)


def scale_by_norm() -> optax.GradientTransformation:
    """g/‖g‖_F, over all weights; 0 where g is."""

    def update(updates: Params, state: optax.EmptyState, params: Params = None) -> tuple[Params, optax.EmptyState]:
        del params
        norm = optax.tree.norm(updates)
        return jax.tree.map(lambda g: jnp.where(norm > 0, g / norm, 0), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def scale_by_adam_power(
    beta1: ArrayLike, beta2: ArrayLike, eps: ArrayLike, power: ArrayLike
) -> optax.GradientTransformation:
    """m̂/(v̂^{p/2} + ε): from a mean of gradients, p = 0, to Adam, p = 1.

    Padam (Chen et al. 2020) has half of this p as its exponent, and AMSGrad's maximum in place of v.

    Args:
        beta1: β1 in [0, 1).
        beta2: β2 in [0, 1).
        eps: ε > 0.
        power: p in [0, 1].
    """

    def init(params: Params) -> CountedMoments:
        zeros = optax.tree.zeros_like(params)
        return CountedMoments(jnp.zeros((), jnp.int32), zeros, optax.tree.zeros_like(params))

    def update(updates: Params, state: CountedMoments, params: Params = None) -> tuple[Params, CountedMoments]:
        del params
        count = state.steps + 1
        mu = optax.tree.update_moment(updates, state.mu, beta1, 1)
        nu = optax.tree.update_moment_per_elem_norm(updates, state.nu, beta2, 2)
        mean, square = optax.tree.bias_correction(mu, beta1, count), optax.tree.bias_correction(nu, beta2, count)

        def direction(m: Array, v: Array) -> Array:
            return m / (jnp.where(v > 0, v, 0) ** (0.5 * jnp.asarray(power, v.dtype)) + eps)

        return jax.tree.map(direction, mean, square), CountedMoments(count, mu, nu)

    return optax.GradientTransformation(init, update)


def scale_by_adabound(
    beta1: ArrayLike, beta2: ArrayLike, eps: ArrayLike, gamma: ArrayLike, final: ArrayLike
) -> optax.GradientTransformation:
    """Adam whose rate of each weight is kept between bounds that close (Luo et al. 2019, AdaBound).

    The rate c·√(1 − β2^t)/(1 − β1^t)/(√v + ε), with c = 1 here, where −η scales it later, is kept in
    [r·(1 − 1/(γt + 1)), r·(1 + 1/(γt))], r the final rate in units of η; as its authors' code has it, without the √t of
    their Algorithm 1.

    Args:
        beta1: β1 in [0, 1).
        beta2: β2 in [0, 1).
        eps: ε > 0.
        gamma: γ > 0, how fast the bounds close.
        final: r > 0, the rate that they close on, divided by η.
    """

    def init(params: Params) -> CountedMoments:
        return CountedMoments(jnp.zeros((), jnp.int32), optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(updates: Params, state: CountedMoments, params: Params = None) -> tuple[Params, CountedMoments]:
        del params
        count = state.steps + 1
        mu = optax.tree.update_moment(updates, state.mu, beta1, 1)
        nu = optax.tree.update_moment_per_elem_norm(updates, state.nu, beta2, 2)
        t = count.astype(jnp.result_type(float))
        size = jnp.sqrt(1 - beta2**t) / (1 - beta1**t)
        low, high = final * (1 - 1 / (gamma * t + 1)), final * (1 + 1 / (gamma * t))

        def direction(m: Array, v: Array) -> Array:
            return jnp.clip(size / (jnp.sqrt(v) + eps), low, high) * m

        return jax.tree.map(direction, mu, nu), CountedMoments(count, mu, nu)

    return optax.GradientTransformation(init, update)


def scale_by_muon(beta1: ArrayLike) -> optax.GradientTransformation:
    """Muon (Jordan et al. 2024), by optax: the mean of gradients, looking ahead, with its singular values made about 1.

    The filters [J, m, d] of all classes are one matrix [J·m, d], so that its rows are what a step makes orthogonal;
    weights of another shape are a matrix by their first axes and their last, vectors one row.

    Args:
        beta1: β1 in [0, 1).
    """
    inner = optax.contrib.scale_by_muon(beta=beta1, weight_dimension_numbers=dimensions)

    def as_matrices(tree: Params) -> Params:
        return jax.tree.map(lambda w: w.reshape(-1, w.shape[-1] if w.ndim else 1), tree)

    def init(params: Params) -> optax.OptState:
        return inner.init(as_matrices(params))

    def update(updates: Params, state: optax.OptState, params: Params = None) -> tuple[Params, optax.OptState]:
        del params
        directions, state = inner.update(as_matrices(updates), state)
        return jax.tree.map(lambda x, g: x.reshape(g.shape), directions, updates), state

    return optax.GradientTransformation(init, update)


def dimensions(tree: Params) -> Params:
    """Which axes of matrices Muon takes."""
    return jax.tree.map(lambda _: optax.contrib.MuonDimensionNumbers(), tree)
