"""Gradient descent in the span of the data: exact, and independent of d.

A step of gradient descent adds to W a combination of its noise patches, of the feature e_1, and −ηλ·W. So W stays

    W = c·V + Σ_i A_i ξ_i / σ_p   on the noise coordinates,     and w_0 on coordinate 0,

V being the unit normals that W_0 = σ_0·V came from: n coefficients a filter, w_0, and one scalar c. Products with the
noise need the n×n Gram matrix of the patches and their products with V, both made once; a step costs n² a filter.

The coefficients are only ever added to (nothing is solved for, so an ill-conditioned Gram matrix does no harm), with
compensated sums: the steps ηλ·c and ηλ·A, which float32 would round away for small ηλ, are kept in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from adam_vs_gd.problem import Batch
from adam_vs_gd.problems.learning.optimizers import Rule
from adam_vs_gd.problems.learning.steps import Windows
from adam_vs_gd.problems.two_patch.fast import native
from adam_vs_gd.problems.two_patch.fast.sparse import Eye, by_filter, natively, operands_of, seen_by
from adam_vs_gd.problems.two_patch.own import rule_for
from adam_vs_gd.problems.two_patch.problem import two_patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from adam_vs_gd.problems.two_patch.lane import Hyper, Static
    from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws
    from adam_vs_gd.types import Array


class Coefficients(NamedTuple):
    """Weights in the span of the data.

    Attributes:
        noise: A [J, m, n], of the unit noise of each example.
        feature: w_0 [J, m], coordinate 0.
        scale: c, of the unit weights V.
    """

    noise: Array
    feature: Array
    scale: Array


class SpanState(NamedTuple):
    """What a lane carries. `rest` is what rounding has kept from the coefficients so far."""

    at: Coefficients
    rest: Coefficients
    best: Coefficients
    best_norm: Array  # inf while there is no candidate
    best_step: Array  # -1 while there is no candidate
    fit_step: Array  # t_fit; -1 while it has not been reached
    windows: Windows
    opt_state: Any  # of the optimizer, which acts on the coefficients as it would on the weights


def start(rule: Rule, hyper: Hyper, weights: Array, n: int) -> SpanState:
    """The state at step 0 from the unit weights [J, m, d] of the seed: c = σ_0, no noise."""
    zero = jnp.zeros((), weights.dtype)
    at = Coefficients(
        jnp.zeros((*weights.shape[:2], n), weights.dtype),
        weights[..., 0] * jnp.asarray(hyper.sigma_0),
        zero + hyper.sigma_0,
    )
    none = jax.tree.map(jnp.zeros_like, at)
    windows, step = Windows(zero, zero, zero), jnp.array(-1, jnp.int32)
    opt_state = rule.transformation(hyper).init(at)
    return SpanState(at, none, none, zero + jnp.inf, step, step, windows, opt_state)


def weights_of(at: Coefficients, unit: Array, noise: Array) -> Array:
    """W [J, m, d] from its coefficients, V [J, m, d], and Σ_i A_i ξ_i / σ_p [J, m, d]."""
    return (at.scale * unit + noise).at[..., 0].set(at.feature)


def span(static: Static, ranks: int) -> Batch:
    """Lanes that the native kernel trains in the span of their data: gradient descent, float32, on a CPU."""

    def unit(draws: TwoPatchDraws) -> Array:
        return unit_weights(static, draws)

    def advance(
        hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: SpanState, first: Array, stop: Array
    ) -> SpanState:
        operands = (*operands_of(static, hyper, slot, draws), first, stop, unit(draws))
        found = native.in_place("advance_span", static, operands, tuple(jax.tree.leaves(in_order(state))))
        return from_order(jax.tree.unflatten(jax.tree.structure(in_order(state)), found))

    def measure(hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: SpanState) -> dict[str, Array]:
        operands = (*operands_of(static, hyper, slot, draws), unit(draws), *state.at)
        return native.measured("measure_span", static, hyper.lam, *operands)

    def weights(hyper: Hyper, slot: Array, draws: TwoPatchDraws, at: Coefficients) -> Array:
        def of_lane(s: Array, slot: Array, at: Coefficients) -> Array:
            noise = native.project_back(draws.train, slot, s, at.noise.reshape(-1, static.n), static.d)
            return weights_of(at, unit(draws)[slot], noise.reshape(*at.noise.shape[:2], static.d))

        return jax.lax.map(lambda lane: of_lane(*lane), (jnp.asarray(hyper.s, jnp.int32), slot, at))

    return seen_in_span(natively(static), static, ranks, advance, weights, measure)


def unit_weights(static: Static, draws: TwoPatchDraws) -> Array:
    """V [K, J, m, d] of each seed."""
    return by_filter(static, draws.weights["w"])


def seen_in_span(
    eye: Eye,
    static: Static,
    ranks: int,
    advance: Any,
    weights: Callable[[Hyper, Array, TwoPatchDraws, Coefficients], Array],
    measure: Any = None,
) -> Batch:
    """`seen_by` of a kernel that trains in the span; `weights` are those [L, J, m, d] of coefficients."""
    rule = rule_for(static)

    def begin(hyper: Hyper, slot: Array, draws: TwoPatchDraws) -> SpanState:
        unit = unit_weights(static, draws)
        return jax.vmap(lambda hyper, slot: start(rule, hyper, unit[slot], static.n))(hyper, slot)

    return seen_by(
        eye, two_patch(static, ranks).draw, static, begin, advance,
        now=lambda hyper, slot, draws, state: weights(hyper, slot, draws, state.at),
        best=lambda hyper, slot, draws, state: weights(hyper, slot, draws, state.best),
        kept=lambda state: (state.fit_step, state.best_norm, state.best_step, state.windows),
        measure=measure,
    )  # fmt: skip


def in_order(state: SpanState) -> Any:
    """The state's arrays as the native kernel takes them."""
    at, rest, best, *kept = state
    pairs = list(zip(at, rest, strict=True))
    return pairs, best, kept


def from_order(arrays: Any) -> SpanState:
    """The inverse of `in_order`."""
    pairs, best, kept = arrays
    at, rest = (Coefficients(*column) for column in zip(*pairs, strict=True))
    return SpanState(at, rest, best, *kept)
