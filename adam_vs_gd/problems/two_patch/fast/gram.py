"""Gradient descent in the span of the data, in XLA: what `span` does without the native kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from adam_vs_gd.engine.chunk import draws_of, one_by_one, side_by_side
from adam_vs_gd.problem import Batch
from adam_vs_gd.problems.learning.optimizers import Rule
from adam_vs_gd.problems.learning.steps import Seldom, Windows, add_to_windows, apply_compensated, only_if, repeated
from adam_vs_gd.problems.two_patch import training
from adam_vs_gd.problems.two_patch.data import balanced_labels
from adam_vs_gd.problems.two_patch.fast.dense import HIGHEST, PRODUCTS, UnitNoise, in_blocks, looked_at, unit_noise
from adam_vs_gd.problems.two_patch.fast.span import Coefficients, SpanState, start, weights_of
from adam_vs_gd.problems.two_patch.lane import Best, TrainState
from adam_vs_gd.problems.two_patch.own import network, rule_for
from adam_vs_gd.problems.two_patch.problem import two_patch
from adam_vs_gd.problems.two_patch.ways import BEST_EVERY

if TYPE_CHECKING:
    from adam_vs_gd.problem import Way
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static
    from adam_vs_gd.problems.two_patch.models import Model
    from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws
    from adam_vs_gd.types import Array


class Shared(NamedTuple):
    """What lanes of one seed and s share.

    Attributes:
        noise: Z, the unit noise.
        gram: [n, n] Z·Zᵀ.
        unit: [J, m, D'] V on the coordinates of Z.
        products: [J, m, n] Z·V.
        square: ‖V‖² over the noise coordinates.
        idle_square: the part of it that Z does not touch.
    """

    noise: UnitNoise
    gram: Array
    unit: Array
    products: Array
    square: Array
    idle_square: Array


def share(noise: UnitNoise, v: Array) -> Shared:
    """What lanes share, from V [J, m, d]."""
    z, unit = noise.matrix, noise.of(v.at[..., 0].set(0))
    square = jnp.sum(v[..., 1:] ** 2)
    return Shared(
        noise,
        jnp.einsum("id,jd->ij", z, z, precision=HIGHEST),
        unit,
        jnp.einsum("nd,jmd->jmn", z, unit, precision=HIGHEST),
        square,
        square - jnp.sum(unit**2) if noise.rows is not None else jnp.zeros_like(square),
    )


def segment(
    model: Model,
    rule: Rule,
    steps: int,
    hyper: Hyper,
    shared: Shared,
    y: Array,
    state: SpanState,
    start: Array,
    stop: Array,
    way: Way,
) -> SpanState:
    """`training.segment` on coefficients: the optimizer, linear in the gradient, acts on them as on the weights."""
    transformation = rule.transformation(hyper)

    def unit_products(at: Coefficients) -> Array:
        combined = jnp.einsum("jmk,ki->jmi", at.noise, shared.gram, precision=PRODUCTS[way.products])
        return at.scale * shared.products + combined

    def loss(feature: Array, noise: Array) -> tuple[Array, Array]:
        margin = y * model.readout(feature[..., None] * y, noise - hyper.alpha * y * feature[..., None])
        return jax.nn.softplus(-margin).mean(), margin

    def gradient_norm(at: Coefficients, grads: Coefficients) -> Array:
        along = grads.noise + hyper.lam * at.noise
        noise = jnp.einsum("jmn,nd->jmd", along, shared.noise.matrix, precision=HIGHEST)
        noise = noise + hyper.lam * at.scale * shared.unit
        feature = grads.feature + hyper.lam * at.feature
        idle = (hyper.lam * at.scale) ** 2 * shared.idle_square
        return jnp.sqrt(jnp.sum(noise**2) + jnp.sum(feature**2) + idle)

    def step(state: SpanState, t: Array, seldom: Seldom) -> SpanState:
        at, unit = state.at, unit_products(state.at)
        grad = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
        (data_loss, margin), (by_feature, by_noise) = grad(at.feature, hyper.sigma_p * unit)
        grads = Coefficients(hyper.sigma_p * by_noise, by_feature, jnp.zeros_like(at.scale))
        fit_step = training.fit_since(state.fit_step, training.StepInfo(data_loss, margin, grads), t)

        def consider(best: tuple[Coefficients, Array, Array]) -> tuple[Coefficients, Array, Array]:
            norm = gradient_norm(at, grads)
            better = (fit_step >= 0) & (norm < best[1])
            return jax.tree.map(lambda new, old: jnp.where(better, new, old), (at, norm, t.astype(jnp.int32)), best)

        def add(windows: Windows) -> Windows:
            products = at.scale * shared.products
            squares = jnp.sum(at.noise * (unit + products)) + at.scale**2 * shared.square + jnp.sum(at.feature**2)
            return add_to_windows(windows, data_loss + 0.5 * hyper.lam * squares, t, steps)

        so_far = (state.best, state.best_norm, state.best_step)
        best, norm, when = only_if(seldom.look, consider, so_far)
        windows = only_if(seldom.observe, add, state.windows)
        updates, opt_state = transformation.update(grads, state.opt_state, at)
        moved, rest = apply_compensated(at, state.rest, updates)
        return SpanState(moved, rest, best, norm, when, fit_step, windows, opt_state)

    return repeated(step, steps, BEST_EVERY, start, stop, state, way.wide)


def gram(static: Static, ranks: int, block: int, way: Way) -> Batch:
    """Optimizers that are linear in the gradient, on any model, in blocks of lanes that share their noise."""
    problem, rule = two_patch(static, ranks), rule_for(static)
    model, y = network(static), balanced_labels(static.n)
    together = looked_at(static) if way.wide else None

    def unit_of(draws: TwoPatchDraws) -> Array:
        return draws.weights["w"].reshape(-1, static.width, static.d)

    def shared_by(hyper: Hyper, slot: Any, draws: Any) -> Shared:
        mine = draws_of(slot, draws)
        return share(unit_noise(mine.train, hyper.s, static), unit_of(mine))

    def begin(hyper: Hyper, draws: TwoPatchDraws) -> SpanState:
        return start(rule, hyper, unit_of(draws), static.n)

    def advance(hyper: Hyper, shared: Shared, state: SpanState, first: Any, stop: Any) -> SpanState:
        labels = y.astype(shared.gram.dtype)
        return segment(model, rule, static.steps, hyper, shared, labels, state, first, stop, way)

    def seen(f: Any) -> Any:
        """A function of (hyper, draws, TrainState, …) as one of a SpanState."""

        def of_span(hyper: Hyper, draws: TwoPatchDraws, state: SpanState, *rest: Any) -> Any:
            z = unit_noise(draws.train, hyper.s, static)

            def params(at: Coefficients) -> Any:
                noise = jnp.einsum("jmn,nd->jmd", at.noise, z.matrix, precision=HIGHEST)
                if z.rows is not None:
                    zeros = jnp.zeros((*at.noise.shape[:-1], static.d), at.noise.dtype)
                    noise = zeros.at[..., z.rows].add(noise, mode="drop")
                return {"w": weights_of(at, unit_of(draws), noise).reshape(draws.weights["w"].shape)}

            best = Best(params(state.best), state.best_norm, state.best_step)
            return f(hyper, draws, TrainState(params(state.at), (), best, state.fit_step, state.windows), *rest)

        return of_span

    return Batch(
        draw=problem.draw,
        start=side_by_side(begin, draws_of),
        advance=in_blocks(advance, shared_by, block),
        measure=one_by_one(seen(problem.measure), draws_of, together),
        test=one_by_one(seen(problem.test), draws_of, together),
        finish=one_by_one(seen(problem.finish), draws_of, together),
        rest=problem.rest,
    )
