"""The data as sparse rows, and lanes trained on it by the native kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from adam_vs_gd.chunk import one_by_one, side_by_side
from adam_vs_gd.data import NoiseRanks, balanced_labels
from adam_vs_gd.fast import native
from adam_vs_gd.problem import Batch
from adam_vs_gd.two_patch import TwoPatchDraws, two_patch
from adam_vs_gd.types import Best, TrainState, Windows

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Hyper, Static

TEST_BLOCK = 10_000  # test examples whose products exist at once


class SeedRanks(NamedTuple):
    """Noise by rank of one of K seeds, which is not taken out of their arrays.

    Attributes:
        all: [K, n, R] ranks.
        slot: which of the K.
    """

    all: NoiseRanks
    slot: Array

    def block(self, start: ArrayLike, count: int) -> SeedRanks:
        """Examples start .. start+count-1."""
        _, n, ranks = self.all.unit.shape
        if count == n:
            return self
        part = lambda a: jax.lax.dynamic_slice(a, (self.slot, start, 0), (1, count, ranks))  # noqa: E731
        return SeedRanks(NoiseRanks(*map(part, self.all)), jnp.int32(0))


class SparseDataset(NamedTuple):
    """`data.Dataset` as its ranks and numbers.

    Attributes:
        noise: ranks of n examples.
        y: [n] labels.
        s, sigma_p, alpha: the lane's s, σ_p, α.
    """

    noise: SeedRanks
    y: Array
    s: Array
    sigma_p: Array
    alpha: Array

    def project(self, w: Array) -> Array:
        """[J, m, n] inner products ⟨w, ξ_i⟩ of filters [J, m, d] with the noise patches."""
        unit = native.project(self.noise.all, self.noise.slot, self.s, w.reshape(-1, w.shape[-1]))
        return self.sigma_p * unit.reshape(*w.shape[:-1], -1) - self.alpha * self.y * w[..., :1]


def represent(noise: SeedRanks, y: Array, d: int, s: Array, sigma_p: Array, alpha: Array) -> Any:
    """`data.make_dataset`, sparse."""
    del d
    return SparseDataset(noise, y.astype(noise.all.unit.dtype), jnp.asarray(s, jnp.int32), sigma_p, alpha)


def lane_draws(slot: Array, draws: TwoPatchDraws) -> Any:
    """The draws of a lane, of which only the weights are taken out."""
    weights = jax.tree.map(lambda a: a[slot], draws.weights)
    return TwoPatchDraws(SeedRanks(draws.train, slot), SeedRanks(draws.test, slot), weights)  # type: ignore[arg-type]


def sparse(static: Static, ranks: int) -> Batch:
    """Lanes that the native kernel trains coordinate by coordinate: any optimizer that it knows, float32, on a CPU."""
    problem = two_patch(static, ranks, represent, TEST_BLOCK)
    y = balanced_labels(static.n)

    def advance(
        hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: TrainState, start: Array, stop: Array
    ) -> TrainState:
        leaves, tree = jax.tree.flatten(state.opt_state)
        (key, w), *_ = state.params.items()
        beside = [*jax.tree.leaves(state.rest), *(leaf for leaf in leaves if leaf.shape == w.shape)]
        operands = (*native.operands_of(draws.train, y, slot, hyper), start, stop)
        weights = [a.reshape(len(slot), -1, static.width, static.d) for a in (w, state.best.params[key], *beside)]
        kept = (state.best.grad_norm, state.best.step, state.fitted, *state.windows)
        found = native.in_place("advance", static, operands, (*weights, *kept))
        w, best, *beside = (a.reshape(w.shape) for a in found[: len(weights)])
        norm, step, fitted, *windows = found[len(weights) :]
        rest = {key: beside.pop(0)} if state.rest else ()
        leaves = [beside.pop(0) if leaf.shape == w.shape else leaf + (stop - start) for leaf in leaves]
        opt_state = jax.tree.unflatten(tree, leaves)
        return TrainState({key: w}, opt_state, Best({key: best}, norm, step), fitted, Windows(*windows), rest)

    def finish(hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: TrainState, measured: Any) -> dict[str, Array]:
        (key, best), *_ = state.best.params.items()
        start = side_by_side(problem.start, lane_draws)(hyper, slot, draws).params[key]
        operands = (*native.operands_of(draws.train, y, slot, hyper), state.best.step)
        flat = [a.reshape(len(slot), -1, static.width, static.d) for a in (start, best)]
        (whole,) = native.in_place("complete", static, (*operands, flat[0]), (flat[1],))
        state = state._replace(best=state.best._replace(params={key: whole.reshape(best.shape)}))
        return one_by_one(problem.finish, lane_draws)(hyper, slot, draws, state, measured)

    return Batch(
        draw=problem.draw,
        start=side_by_side(problem.start, lane_draws),
        advance=advance,
        measure=one_by_one(problem.measure, lane_draws),
        test=one_by_one(problem.test, lane_draws),
        finish=finish,
    )
