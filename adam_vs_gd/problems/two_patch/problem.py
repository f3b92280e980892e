"""The paper's problem as an instance of `Problem`, and one lane of it as a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problem import Problem
from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.learning.batches import Batches, no_order, raw
from adam_vs_gd.problems.learning.loss import error_rate, is_finite
from adam_vs_gd.problems.learning.numbers import own_numbers
from adam_vs_gd.problems.learning.optimizers import numbers_of
from adam_vs_gd.problems.learning.steps import tied
from adam_vs_gd.problems.learning.streams import Stream, stream
from adam_vs_gd.problems.two_patch import measurements, training
from adam_vs_gd.problems.two_patch.conclusion import conclude, last_candidate, rest_from
from adam_vs_gd.problems.two_patch.data import Dataset, balanced_labels, draw_noise, make_dataset
from adam_vs_gd.problems.two_patch.lane import Hyper, Static, TrainState
from adam_vs_gd.problems.two_patch.models import make_model, scaled
from adam_vs_gd.problems.two_patch.own import BUILT_IN, Own, rule_for
from adam_vs_gd.problems.two_patch.samplers import SAMPLERS
from adam_vs_gd.problems.two_patch.sections import OF_MODELS
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.surroundings import arithmetic
from adam_vs_gd.types import REST, record_steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adam_vs_gd.problems.two_patch.models import Model
    from adam_vs_gd.types import Array, Key, Params


class TwoPatchDraws(NamedTuple):
    """What all lanes of a seed share: noise by rank of the training and test sets, unit normal weights, a key."""

    train: Any  # `NoiseRanks`; of somebody else's data a raw key
    test: Any
    weights: Params
    batches: Array  # [2] uint32, the key that orders of the examples are drawn from
    shared: Any = ()  # what the training and the test set of a sampler have in common


@functools.lru_cache(maxsize=64)
def draw_function(
    model: Model, n: int, d: int, test_size: int, supports: str, ranks: int
) -> Callable[[Key], TwoPatchDraws]:
    """Key -> draws. One function for all problems that draw alike, so that the engine can tell that they do."""

    def draw(key: Key) -> TwoPatchDraws:
        return TwoPatchDraws(
            train=draw_noise(stream(key, Stream.TRAIN), n, d, ranks, supports),
            test=draw_noise(stream(key, Stream.TEST), test_size, d, ranks),
            weights=model.init(stream(key, Stream.WEIGHTS), jnp.zeros((2, d)))["params"],
            batches=raw(stream(key, Stream.BATCHES)),
        )

    return draw


@functools.lru_cache(maxsize=64)
def keys_function(model: Any, d: int) -> Callable[[Key], TwoPatchDraws]:
    """`draw_function` of somebody else's data, which each lane draws from a key: they may depend on its numbers."""

    def draw(key: Key) -> TwoPatchDraws:
        return TwoPatchDraws(
            train=raw(stream(key, Stream.TRAIN)),
            test=raw(stream(key, Stream.TEST)),
            weights=model.init(stream(key, Stream.WEIGHTS), jnp.zeros((2, d)))["params"],
            batches=raw(stream(key, Stream.BATCHES)),
        )

    return draw


@functools.lru_cache(maxsize=64)
def sampler_function(model: Any, static: Static, ranks: int) -> Callable[[Key], TwoPatchDraws]:
    """`draw_function` of a sampler of `samplers`; `static` is as `drawn_by` leaves it."""
    sampler = SAMPLERS[static.sampler]
    patch = jnp.zeros((static.option("patches", 2), static.d))

    def draw(key: Key) -> TwoPatchDraws:
        return TwoPatchDraws(
            train=sampler.draw(stream(key, Stream.TRAIN), static.n, static, ranks),
            test=sampler.draw(stream(key, Stream.TEST), static.test_size, static, ranks),
            weights=model.init(stream(key, Stream.WEIGHTS), patch)["params"],
            batches=raw(stream(key, Stream.BATCHES)),
            shared=sampler.share(stream(key, Stream.FEATURES), static),
        )

    return draw


def drawn_by(static: Static) -> Static:
    """What of a lane its draws depend on."""
    of_data = tuple((key, value) for key, value in static.options if key not in OF_MODELS)
    kept = {key: getattr(static, key) for key in ("n", "d", "test_size", "sampler")}
    return Static(**kept, options=of_data)


def key_of(draws: Array) -> Key:
    """A key from its raw data."""
    return jax.random.wrap_key_data(draws, impl="threefry2x32")


TEST_BLOCK = 1000  # test examples whose dense patches exist at once


def two_patch(
    static: Static,
    ranks: int,
    represent: Callable[..., Dataset] = make_dataset,
    test_block: int = TEST_BLOCK,
    own: Own = BUILT_IN,
) -> Problem:
    """The two-patch problem of given shapes.

    Args:
        static: shapes, model and optimizer.
        ranks: R, at least the largest s of the lanes; results do not depend on it.
        represent: `make_dataset`, or what makes the same data in another form.
        test_block: test examples that exist in that form at once.
        own: what of it is somebody else's.
    """
    model, rule = own.network(static), own.rule(static)
    test_labels = balanced_labels(static.test_size)

    made = SAMPLERS[static.sampler].make if static.sampler else None

    def training_set(hyper: Hyper, draws: TwoPatchDraws) -> Any:
        if own.sampler:
            return own.sampler(key_of(draws.train), static.n, static, hyper)
        if made:
            return made(draws.train, draws.shared, 0, static, hyper, False)
        labels = balanced_labels(static.n)
        return represent(draws.train, labels, static.d, hyper.s, hyper.sigma_p, hyper.alpha)

    def test_error(hyper: Hyper, draws: TwoPatchDraws, params: Params) -> Array:
        if own.sampler:
            margin = measurements.margins(
                model, params, own.sampler(key_of(draws.test), static.test_size, static, hyper)
            )
            return jnp.where(is_finite(jnp.array(0.0), params), error_rate(margin), jnp.nan)

        def examples(first: Array, count: int) -> Any:
            if made:
                block = jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, first, count), draws.test)
                return made(block, draws.shared, first, static, hyper, True)
            y = jax.lax.dynamic_slice_in_dim(test_labels, first, count)
            return represent(draws.test.block(first, count), y, static.d, hyper.s, hyper.sigma_p, hyper.alpha)

        return measurements.test_error(model, params, test_labels, examples, test_block)

    def start(hyper: Hyper, draws: TwoPatchDraws) -> TrainState:
        order = no_order(static.n) if static.batch_size else ()
        return training.start(rule, hyper, scaled(model, draws.weights, hyper.sigma_0), order)

    def advance(hyper: Hyper, draws: TwoPatchDraws, state: TrainState, start: Array, stop: Array) -> TrainState:
        data = training_set(hyper, draws)
        how = batches_of(static, draws)
        return training.segment(model, rule, static.steps, hyper, data, state, start, stop, batches=how)

    def measure(hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> dict[str, Array]:
        return measurements.measure(model, state.params, training_set(hyper, draws), hyper.lam)

    def test(hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> dict[str, Array]:
        return {"test_error": test_error(hyper, draws, state.params)}

    def start_norm(hyper: Hyper, weights: Params) -> Array:
        if hasattr(model, "scaled"):
            return optax.tree.norm(scaled(model, weights, hyper.sigma_0))
        return hyper.sigma_0 * optax.tree.norm(weights)

    def finish(
        hyper: Hyper, draws: TwoPatchDraws, state: TrainState, measured: Mapping[str, Array]
    ) -> dict[str, Array]:
        better, norm, step = last_candidate(
            static, rule, state.fit_step, state.best.grad_norm, state.best.step, measured
        )
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.params, state.best.params)
        to_rest, data = static.until == REST, training_set(hyper, draws)
        return conclude(
            static, rule, hyper, measured, state.windows, start_norm(hyper, draws.weights), norm, step,
            error_rate(measurements.margins(model, best, data)),
            test_error(hyper, draws, best),
            measurements.at_end(model, state.params, data, hyper.lam) if to_rest else {},
        )  # fmt: skip

    if own.sampler:
        draw = keys_function(model, static.d)
    elif static.sampler:
        draw = sampler_function(model, drawn_by(static), ranks)
    else:
        draw = draw_function(model, static.n, static.d, static.test_size, static.supports, ranks)
    return Problem(static.steps, draw, start, advance, measure, test, finish, rest=rest_from(static, own))


def batches_of(static: Static, draws: TwoPatchDraws) -> Batches | None:
    """How a lane's batches are drawn: all lanes of a seed and size share them. None for full batch."""
    return Batches(draws.batches, static.batch_size) if static.batch_size else None


class Training(NamedTuple):
    """What `train` returns.

    Attributes:
        params: final weights.
        best_params: weights W* (zeros where `final["best_step"]` is −1).
        final: {name: scalar} every final value of the results' Dataset, `status` as in `Status`.
        path: {name: [record + 1, ...]} the trajectories on the record grid (without the test error).
    """

    params: Params
    best_params: Params
    final: dict[str, Array]
    path: dict[str, Array]


@arithmetic()
def train(
    key: Key | ArrayLike,
    *,
    optimizer: str = "adam",
    eta: ArrayLike | None = None,
    lam: ArrayLike = table1.LAM,
    beta1: ArrayLike | None = None,
    beta2: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    alpha: ArrayLike = table1.ALPHA,
    s: ArrayLike = table1.S,
    sigma_p: ArrayLike = table1.SIGMA_P,
    sigma_0: ArrayLike = table1.SIGMA_0,
    supports: str = "independent",
    model: str = "two_layer_cnn",
    width: int = table1.WIDTH,
    q: int = table1.Q,
    n: int = table1.N,
    d: int = table1.D,
    steps: int = table1.STEPS,
    test_size: int = table1.TEST_SIZE,
    record: int = 0,
    ranks: int | None = None,
    batch_size: int | None = None,
    **numbers: ArrayLike,
) -> Training:
    """One training of Definition 3.1's data from start to end: a `lax.scan`, jittable, vmappable over key and numbers.

    It is the lane that a sweep runs: `train(seed, ...)` gives what the sweep's cell of that seed holds, to
    rounding.

    Args:
        key: a JAX key, or a seed as in a spec; may be traced.
        optimizer: "gd", "signgd", "adam", "adam_paper", "momentum", or another of `optimizers.RULES`.
        eta: η > 0, by default the optimizer's, as a spec has it.
        lam: λ >= 0.
        beta1: β1 in [0, 1), by default the optimizer's, as
        beta2: β2 in [0, 1), and
        eps: ε >= 0 are.
        alpha: α in [0, 1].
        s: noise coordinates, 1 .. d-1.
        sigma_p: σ_p > 0.
        sigma_0: σ_0 > 0.
        supports: "independent" or "disjoint".
        model: a name as in a spec: "two_layer_cnn", "three_layer_cnn", or "linear" or "patchwise_linear", to which
            width and q mean nothing. Other data and activations are a sweep's.
        width: m, filters per class.
        q: power of the activation, >= 2.
        n: training examples, even.
        d: dimension of a patch.
        steps: T, the length of the training, at least 1.
        test_size: fresh examples behind the test error, even.
        record: keep the trajectories at `record` + 1 steps; 0 for none.
        ranks: a static upper bound of a traced s; speed only.
        batch_size: B, examples of a step, 1 .. n, drawn without replacement in epochs; None for all n.
        numbers: others of the optimizer's, and of a schedule of η, as of `make_optimizer`.

    Returns:
        `Training`.

    Raises:
        ValueError: if n or test_size is odd, record > steps, batch_size > n, or a name, s or a number is impossible.
    """
    for name, value in (("n", n), ("test_size", test_size)):
        if value < 2 or value % 2:
            raise ValueError(f"{name} = {value}: must be even and at least 2, for as many examples of each class")
    if not 0 <= record <= steps:
        raise ValueError(f"record = {record}: must be in 0 .. steps = {steps}")
    if batch_size is not None and not 1 <= batch_size <= n:
        raise ValueError(f"batch_size = {batch_size}: must be in 1 .. n = {n}; None is full batch")
    is_key = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    root: Key = key if is_key else seed_key(key)  # type: ignore[assignment]
    if ranks is None:
        most = (d - 1) // n if supports == "disjoint" else d - 1
        ranks = most if isinstance(s, jax.core.Tracer) else int(s)  # type: ignore[arg-type]
    moments = {"beta1": beta1, "beta2": beta2, "eps": eps}
    known = {key: getattr(table1, key.upper()) for key in moments} | numbers_of(optimizer, numbers, **moments)
    own = own_numbers(optimizer, numbers)
    static = Static(optimizer, model, supports, "", steps, n, d, width, q, test_size, batch_size or 0, own=own)
    problem, network, rule = two_patch(static, ranks), make_model(model, width, q), rule_for(static)
    dtype = jnp.result_type(float)
    known |= {"alpha": alpha, "s": s, "sigma_p": sigma_p, "sigma_0": sigma_0, "lam": lam}
    known["eta"] = {**table1.KINDS, **table1.SWITCHES}[optimizer]["eta"] if eta is None else eta
    named = {key: value for key, value in known.items() if key in Hyper._fields}
    whole = Hyper(**named, own=tuple(known[key] for key in own))
    hyper = jax.tree.map(lambda value: jnp.asarray(value, dtype), whole)

    draws = problem.draw(root)
    data = make_dataset(draws.train, balanced_labels(n), d, hyper.s, hyper.sigma_p, hyper.alpha)
    state, data = tied((problem.start(hyper, draws), data), (jax.random.key_data(root), hyper))
    grid = record_steps(steps, record) if record else np.array([0, steps])
    length, batches = int(np.diff(grid).max()), batches_of(static, draws)

    def interval(state: TrainState, ends: Array) -> tuple[TrainState, dict[str, Array]]:
        measured = dict(problem.measure(hyper, draws, state)) if record else {}
        state = training.segment(network, rule, steps, hyper, data, state, ends[0], ends[1], length, batches)
        return state, measured

    state, path = jax.lax.scan(interval, state, jnp.stack([grid[:-1], grid[1:]], 1))
    measured = dict(problem.measure(hyper, draws, state))
    path = {name: jnp.concatenate([values, measured[name][None]]) for name, values in path.items()}
    final = problem.finish(hyper, draws, state, {**measured, **problem.test(hyper, draws, state)})
    return Training(state.params, state.best.params, dict(final), path)
