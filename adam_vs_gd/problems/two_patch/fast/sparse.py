"""The data as sparse rows, and lanes trained on it by the native kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.engine.chunk import batched
from adam_vs_gd.problem import Batch
from adam_vs_gd.problems.learning.batches import order_of
from adam_vs_gd.problems.learning.steps import Windows
from adam_vs_gd.problems.two_patch import measurements
from adam_vs_gd.problems.two_patch.conclusion import conclude, last_candidate, rest_from
from adam_vs_gd.problems.two_patch.data import NoiseRanks, balanced_labels
from adam_vs_gd.problems.two_patch.fast import native
from adam_vs_gd.problems.two_patch.lane import Best, TrainState
from adam_vs_gd.problems.two_patch.own import BUILT_IN, Own, network, rule_for
from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws, two_patch
from adam_vs_gd.types import REST

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static
    from adam_vs_gd.types import Array, Key

TEST_BLOCK = 10_000  # test examples whose products exist at once
STEPS_AT_ONCE = 256  # steps on batches whose orders exist at once, at least


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
    train, test = SeedRanks(draws.train, slot), SeedRanks(draws.test, slot)
    return TwoPatchDraws(train, test, weights, draws.batches[slot])


def products(static: Static, ranks: int, own: Own = BUILT_IN) -> Batch:
    """Lanes of any optimizer and model whose products with the noise are the native kernel's; float32, on a CPU."""
    return batched(two_patch(static, ranks, represent, TEST_BLOCK, own), lane_draws)


def sparse(static: Static, ranks: int) -> Batch:
    """Lanes that the native kernel trains from first to last: optimizers that it knows, float32, on a CPU."""
    plain = batched(two_patch(static, ranks), lane_draws)  # starts from the weights alone

    def advance(
        hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: TrainState, start: Array, stop: Array
    ) -> TrainState:
        weights, kept = as_arrays(static, state)
        operands = operands_of(static, hyper, slot, draws)
        if static.batch_size:
            found = on_batches(static, operands, draws.batches, (*weights, *kept), start, stop)
        else:
            found = native.in_place("advance", static, (*operands, start, stop), (*weights, *kept))
        return from_arrays(state, found[: len(weights)], found[len(weights) :], stop - start)

    def best_of(hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: TrainState) -> Array:
        operands = (*operands_of(static, hyper, slot, draws), state.best.step)
        began = weights_of(static, plain.start(hyper, slot, draws).params)
        (best,) = native.in_place("complete", static, (*operands, began), (weights_of(static, state.best.params),))
        return best

    return seen_by(
        natively(static), plain.draw, static, plain.start, advance,
        now=lambda hyper, slot, draws, state: weights_of(static, state.params), best=best_of, kept=kept_by,
    )  # fmt: skip


def on_batches(
    static: Static, operands: tuple[Array, ...], keys: Array, arrays: tuple[Array, ...], start: Array, stop: Array
) -> list[Array]:
    """What a state's arrays are after steps start .. stop-1 on batches, the orders of their epochs drawn as they come.

    Args:
        static: what the lanes share.
        operands: of `operands_of`.
        keys: [K, 2] of the seeds' orders.
        arrays: of `as_arrays`.
        start: first step.
        stop: step to stop before.
    """
    steps = static.n // static.batch_size  # of an epoch
    some = -(-STEPS_AT_ONCE // steps)  # epochs
    of_seed = jax.vmap(order_of, (None, 0, None))

    def epochs(carried: tuple[Array, list[Array]]) -> tuple[Array, list[Array]]:
        first, arrays = carried
        orders = jax.vmap(of_seed, (0, None, None))(keys, first + jnp.arange(some), static.n)
        begin, end = jnp.maximum(start, first * steps), jnp.minimum(stop, (first + some) * steps)
        found = native.in_place("advance", static, (*operands, begin, end, orders, first), tuple(arrays))
        return first + some, found

    start, stop = jnp.asarray(start, jnp.int32), jnp.asarray(stop, jnp.int32)
    return jax.lax.while_loop(lambda at: at[0] * steps < stop, epochs, (start // steps, list(arrays)))[1]


def kept_by(state: TrainState) -> tuple[Array, Array, Array, Windows]:
    """What `seen_by` asks of a state."""
    return state.fit_step, state.best.grad_norm, state.best.step, state.windows


def as_arrays(static: Static, state: TrainState) -> tuple[list[Array], tuple[Array, ...]]:
    """A state as kernels take it: weights, W*, and what goes with them, [L, J, m, d] each; the record, [L] each."""
    (w,) = state.params.values()
    (best,) = state.best.params.values()
    moments = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.shape == w.shape]
    beside = [*jax.tree.leaves(state.rest), *moments]
    kept = (state.best.grad_norm, state.best.step, state.fit_step, *state.windows)
    return [by_filter(static, a) for a in (w, best, *beside)], kept


def from_arrays(state: TrainState, weights: Sequence[Array], kept: Sequence[Array], steps: Array) -> TrainState:
    """The state some steps after another one, from its arrays."""
    ((key, before),) = state.params.items()
    w, best, *beside = (a.reshape(before.shape) for a in weights)
    norm, step, fit_step, *windows = kept
    rest = {key: beside.pop(0)} if state.rest else ()
    leaves, tree = jax.tree.flatten(state.opt_state)
    leaves = [beside.pop(0) if leaf.shape == before.shape else leaf + steps for leaf in leaves]
    opt_state = jax.tree.unflatten(tree, leaves)
    found = Best({key: best}, norm, step)
    return TrainState({key: w}, opt_state, found, fit_step, Windows(*windows), rest, state.order)


def weights_of(static: Static, params: Any) -> Array:
    """[L, J, m, d] weights of lanes."""
    (w,) = jax.tree.leaves(params)
    return by_filter(static, w)


def by_filter(static: Static, w: Array) -> Array:
    """[L, J, m, d] weights of any of the models."""
    return w.reshape(len(w), -1, static.width, static.d)


def operands_of(static: Static, hyper: Hyper, slot: Array, draws: TwoPatchDraws) -> tuple[Array, ...]:
    """What every target that trains or measures takes first."""
    numbers = (*numbers_of(hyper), own_of(static, hyper))
    return (*draws.train, balanced_labels(static.n), slot, jnp.asarray(hyper.s, jnp.int32), *numbers)


def own_of(static: Static, hyper: Hyper) -> Array:
    """The numbers [L, ...] of lanes that only some optimizers have, as the native kernel takes them."""
    numbers = {**native.OWN, **dict(zip(static.own, hyper.own, strict=True))}
    lanes = jnp.shape(hyper.eta)
    return jnp.stack([jnp.broadcast_to(jnp.asarray(numbers[key], jnp.float32), lanes) for key in native.OWN], -1)


def numbers_of(hyper: Hyper) -> list[Array]:
    """The numbers of lanes, [L] each, in the order in which kernels read them."""
    numbers = (hyper.alpha, hyper.sigma_p, hyper.lam, hyper.eta, hyper.beta1, hyper.beta2, hyper.eps)
    return [jnp.asarray(number, jnp.float32) for number in numbers]


class Eye(NamedTuple):
    """How a kernel looks at weights [L, J, m, d] of lanes; all take (hyper, slot, draws) first.

    Attributes:
        look: (…, weights) -> {name: [L, ...]} of `measurements.measure`.
        errors: (…, weights) -> [L] error rates on the test examples.
        data: of one lane -> its training set, for what is measured once.
    """

    look: Callable[[Hyper, Array, TwoPatchDraws, Array], dict[str, Array]]
    errors: Callable[[Hyper, Array, TwoPatchDraws, Array], Array]
    data: Callable[[Hyper, Array, TwoPatchDraws], Any]


def natively(static: Static) -> Eye:
    """That of the native kernel."""
    labels = balanced_labels(static.test_size)

    def look(hyper: Hyper, slot: Array, draws: TwoPatchDraws, w: Array) -> dict[str, Array]:
        return native.measured("measure", static, hyper.lam, *operands_of(static, hyper, slot, draws), w)

    def errors(hyper: Hyper, slot: Array, draws: TwoPatchDraws, w: Array) -> Array:
        return native.test_errors(static, operands_of(static, hyper, slot, draws), draws.test, labels, w)

    def data(hyper: Hyper, slot: Array, draws: TwoPatchDraws) -> Any:
        noise, y = SeedRanks(draws.train, slot), balanced_labels(static.n)
        return represent(noise, y, static.d, *map(jnp.asarray, (hyper.s, hyper.sigma_p, hyper.alpha)))

    return Eye(look, errors, data)


def seen_by(
    eye: Eye,
    draw: Callable[[Key], TwoPatchDraws],
    static: Static,
    start: Any,
    advance: Any,
    now: Callable[[Hyper, Array, TwoPatchDraws, Any], Array],
    best: Callable[[Hyper, Array, TwoPatchDraws, Any], Array],
    kept: Callable[[Any], tuple[Array, Array, Array, Windows]],
    measure: Callable[[Hyper, Array, TwoPatchDraws, Any], dict[str, Array]] | None = None,
) -> Batch:
    """The batch of a kernel's way to advance: its measurements are the kernel's too.

    Args:
        eye: how they are made.
        draw: as of a `Batch`.
        static: what the lanes share.
        start: as of a `Batch`.
        advance: as of a `Batch`.
        now: (hyper, slot, draws, state) -> weights [L, J, m, d].
        best: the same of W*, zeros where there is none.
        kept: state -> (t_fit, gradient norm and step of W*, windows).
        measure: as of a `Batch`; by default of the weights.
    """
    rule = rule_for(static)

    def of_weights(hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: Any) -> dict[str, Array]:
        return eye.look(hyper, slot, draws, now(hyper, slot, draws, state))

    def test(hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: Any) -> dict[str, Array]:
        return {"test_error": eye.errors(hyper, slot, draws, now(hyper, slot, draws, state))}

    def finish(hyper: Hyper, slot: Array, draws: TwoPatchDraws, state: Any, measured: Any) -> dict[str, Array]:
        fit_step, norm, step, windows = kept(state)
        better, norm, step = last_candidate(static, rule, fit_step, norm, step, measured)
        norms = jax.vmap(optax.tree.norm)(draws.weights)

        def closing(lane: tuple[Hyper, Array, Array]) -> dict[str, Array]:
            hyper, slot, w = lane
            params = {"w": w.reshape(draws.weights["w"].shape[1:])}
            model = network(static)
            return measurements.at_end(model, params, eye.data(hyper, slot, draws), hyper.lam)

        def of_best() -> tuple[Array, Array]:
            w = best(hyper, slot, draws, state)
            return eye.look(hyper, slot, draws, w)["train_error"], eye.errors(hyper, slot, draws, w)

        last = measured["train_error"], measured["test_error"]
        earlier = jax.lax.cond((~better & (step >= 0)).any(), of_best, lambda: last)
        train_error, test_error = (jnp.where(better, *pair) for pair in zip(last, earlier, strict=True))
        return conclude(
            static, rule, hyper, measured, windows, hyper.sigma_0 * norms[slot], norm, step, train_error, test_error,
            jax.lax.map(closing, (hyper, slot, now(hyper, slot, draws, state))) if static.until == REST else {},
        )  # fmt: skip

    return Batch(draw, start, advance, measure or of_weights, test, finish, rest=rest_from(static))
