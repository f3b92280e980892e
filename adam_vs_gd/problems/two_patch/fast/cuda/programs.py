"""Lanes that the GPU's kernels train from first to last, measure and test: optimizers that they know, float32.

Lanes of one seed and s stand in blocks (`sharers`): the lists of their noise are made once a block, at every segment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from adam_vs_gd.engine.chunk import batched
from adam_vs_gd.problem import Batch
from adam_vs_gd.problems.learning.steps import window
from adam_vs_gd.problems.two_patch.data import balanced_labels, make_dataset
from adam_vs_gd.problems.two_patch.fast.cuda.launching import IDLE_BLOCKS, TEST_PARTS, Kernels, kernels
from adam_vs_gd.problems.two_patch.fast.dense import unit_noise
from adam_vs_gd.problems.two_patch.fast.gram import share
from adam_vs_gd.problems.two_patch.fast.native import ALL_LOOKS, looks_of
from adam_vs_gd.problems.two_patch.fast.span import (
    Coefficients,
    SpanState,
    from_order,
    in_order,
    seen_in_span,
    unit_weights,
)
from adam_vs_gd.problems.two_patch.fast.sparse import (
    Eye,
    as_arrays,
    from_arrays,
    kept_by,
    numbers_of,
    seen_by,
    weights_of,
)
from adam_vs_gd.problems.two_patch.geometry import SUMS, Architecture, Geometry, in_span, of_coordinates
from adam_vs_gd.problems.two_patch.problem import two_patch
from adam_vs_gd.problems.two_patch.ways import BEST_EVERY, sizes_of

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static, TrainState
    from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws
    from adam_vs_gd.types import Array

PLACE = 4  # where lists say which row a coordinate is (lists.cuh)


def numbers(hyper: Hyper) -> Array:
    """[L, 7] numbers of the lanes, as `Lane` reads them."""
    return jnp.stack(numbers_of(hyper), 1)


def lists(made: Kernels, hyper: Hyper, slot: Array, draws: TwoPatchDraws) -> Array:
    """[groups, words] lists of the noise of each block of lanes."""
    groups = len(slot) // made.geometry.of.sharers
    words = jax.ShapeDtypeStruct((groups, made.geometry.list_words), jnp.uint32)
    operands = (*draws.train, slot, jnp.asarray(hyper.s, jnp.int32))
    (found,) = made("prepare", groups, operands, [words], shared=made.geometry.shared_lists)
    return found


def room(made: Kernels, lanes: int) -> tuple[int, list[tuple[int, ...]], Array]:
    """Blocks of a launch that trains or measures, what its teams tell each other in, and counters of who has come."""
    layout = made.geometry
    teams = lanes // layout.partners
    exchange = (teams, 2, layout.team_quads, layout.of.n + 2)
    return teams * layout.blocks, [exchange, (teams, layout.team_quads, SUMS)], jnp.zeros(teams, jnp.uint32)


def eye(made: Kernels, static: Static) -> Eye:
    """How the kernels look at weights."""
    labels, test_labels = balanced_labels(static.n), balanced_labels(static.test_size)
    layout = made.geometry

    def look(hyper: Hyper, slot: Array, draws: TwoPatchDraws, w: Array) -> dict[str, Array]:
        blocks, told, arrivals = room(made, len(w))
        operands = (numbers(hyper), labels, lists(made, hyper, slot, draws), w)
        *_, found, _ = made(
            "measure", blocks, operands, [*told, (len(w), ALL_LOOKS)], [arrivals],
            shared=layout.shared_seen, team=layout.blocks,
        )  # fmt: skip
        return looks_of(found, jnp.asarray(hyper.lam, jnp.float32))

    def errors(hyper: Hyper, slot: Array, draws: TwoPatchDraws, w: Array) -> Array:
        operands = (numbers(hyper), slot, jnp.asarray(hyper.s, jnp.int32), *draws.test, test_labels, w)
        (wrong,) = made("errors", len(w) * TEST_PARTS, operands, [(len(w), TEST_PARTS)], shared=layout.shared_tested)
        return jnp.where(jnp.isfinite(w).all((1, 2, 3)), wrong.sum(1) / static.test_size, jnp.nan)

    def data(hyper: Hyper, slot: Array, draws: TwoPatchDraws) -> Any:
        noise = jax.tree.map(lambda a: a[slot], draws.train)
        return make_dataset(noise, labels, static.d, hyper.s, hyper.sigma_p, hyper.alpha)

    return Eye(look, errors, data)


def coordinates(static: Static, ranks: int, on: Architecture, sharers: int) -> Batch:
    """Lanes whose weights stand as coordinates."""
    layout = expected(of_coordinates(sizes_of(static, ranks, sharers), on))
    made, plain, labels = kernels(static, layout), batched(two_patch(static, ranks)), balanced_labels(static.n)
    norms = static.steps // BEST_EVERY + 1, min(static.steps, 2 * window(static.steps))

    def advance(
        hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: TrainState, start: Array, stop: Array
    ) -> TrainState:
        (w, best, *beside), kept = as_arrays(static, state)
        noise, of, lanes = lists(made, hyper, slot, draws), numbers(hyper), len(slot)
        idle = [(lanes, IDLE_BLOCKS, length) for length in norms]
        of_norms, of_objective, w, *moments = made(
            "idle", lanes * IDLE_BLOCKS, (of, noise, start, stop), idle, [w, *beside], shared=layout.shared_idle
        )
        blocks, told, arrivals = room(made, lanes)
        candidates = (blocks, 2, layout.of.rows, layout.quads, 4)
        found = made(
            "advance", blocks, (of, labels, noise, of_norms, of_objective, start, stop), [*told, candidates],
            [arrivals, *kept, best, w, *moments], shared=layout.shared, team=layout.blocks,
        )[4:]  # fmt: skip
        record, (best, w, *moments) = found[: len(kept)], found[len(kept) :]
        return from_arrays(state, [w, best, *moments], record, stop - start)

    def best_of(hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: TrainState) -> Array:
        began = weights_of(static, plain.start(hyper, slot, draws).params)
        operands = (numbers(hyper), lists(made, hyper, slot, draws), state.best.step, began)
        best = weights_of(static, state.best.params)
        (best,) = made("complete", len(slot) * IDLE_BLOCKS, operands, [], [best], shared=layout.shared_idle)
        return best

    return seen_by(
        eye(made, static), plain.draw, static, plain.start, advance,
        now=lambda hyper, slot, draws, state: weights_of(static, state.params), best=best_of, kept=kept_by,
    )  # fmt: skip


def in_the_span(static: Static, ranks: int, on: Architecture, sharers: int) -> Batch:
    """Gradient descent in the span of the data; what is measured is measured of weights."""
    of = sizes_of(static, ranks, sharers)
    layout = expected(in_span(of, on))
    made, looking = kernels(static, layout), kernels(static, expected(of_coordinates(of._replace(trained=False), on)))
    labels = balanced_labels(static.n)

    def unit(draws: TwoPatchDraws) -> Array:
        return unit_weights(static, draws)

    def shared_by(hyper: Hyper, slot: Array, draws: TwoPatchDraws, noise: Array) -> tuple[Array, Array, Array]:
        """Of each group the Gram matrix of its noise, its products with V, and V's squares: all, and on idle ones."""

        def of_group(group: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            s, slot, lists = group
            v, place = unit(draws)[slot], lists[PLACE : PLACE + static.d].astype(jnp.int32)
            found = share(unit_noise(jax.tree.map(lambda a: a[slot], draws.train), s, static), v)
            idle = jnp.sum(jnp.where(place < 0, v**2, 0))
            return found.gram, found.products, jnp.stack([found.square, idle])

        first = slice(None, None, sharers)
        # One by one: a product of several at once rounds by how many there are, and a lane would by who is beside it.
        return jax.lax.map(of_group, (jnp.asarray(hyper.s)[first], slot[first], noise))

    def advance(
        hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: SpanState, first: Array, stop: Array
    ) -> SpanState:
        noise, v = lists(made, hyper, slot, draws), unit(draws)
        packed = (len(noise), of.rows, layout.lane_quads, 4)
        (rows,) = made("pack", len(noise), (v, slot, noise), [packed])
        operands = (numbers(hyper), labels, rows, *shared_by(hyper, slot, draws, noise), noise, first, stop)
        arrays, tree = jax.tree.flatten(in_order(state))
        blocks, told, arrivals = room(made, len(slot))
        _, _, _, *found = made(
            "advance_span", blocks, operands, told, [arrivals, *arrays], shared=layout.shared, team=layout.blocks
        )
        return from_order(jax.tree.unflatten(tree, found))

    def weights(hyper: Hyper, slot: Array, draws: TwoPatchDraws, at: Coefficients) -> Array:
        operands = (unit(draws), slot, lists(made, hyper, slot, draws), *at)
        shape = (len(slot), *unit(draws).shape[1:])
        (w,) = made("weights", len(slot), operands, [shape], shared=layout.shared_weights)
        return w

    return seen_in_span(eye(looking, static), static, ranks, advance, weights)


def expected(layout: Geometry | None) -> Geometry:
    """A layout that there is.

    Raises:
        ValueError: if there is none.
    """
    if layout is None:
        raise ValueError("these lanes do not fit on this GPU")
    return layout
