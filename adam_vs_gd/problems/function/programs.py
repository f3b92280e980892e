"""Somebody's code as the functions of lanes: a function is one step, a training as many as it has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from adam_vs_gd.engine.chunk import batched
from adam_vs_gd.problem import Batch, Problem, Way
from adam_vs_gd.problems.function.family import ONE_BY_ONE, Static

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key

DONE, DIVERGED = 2, 1  # codes of a lane's status


def training_of(thing: Any) -> tuple[Callable[..., Any], ...] | None:
    """(init, step, measure) of an object that has them, or is a tuple of three functions."""
    names = ("init", "step", "measure")
    if all(callable(getattr(thing, name, None)) for name in names):
        return tuple(getattr(thing, name) for name in names)
    if isinstance(thing, tuple) and len(thing) == 3 and all(map(callable, thing)):
        return thing
    return None


@functools.lru_cache(maxsize=16)
def batch_of(thing: Any, name: str, trained: bool) -> Callable[[Static, Any, Way, int], Batch]:
    """What makes the functions of lanes; the same one for the same code, so that programs are compiled once."""

    def make_batch(static: Static, extent: None, way: Way, block: int) -> Batch:
        return batched(problem_of(thing, static), together=way.name != ONE_BY_ONE)

    return make_batch


def draw(key: Key) -> Array:
    """[2] uint32, the raw key of a seed: lanes of one seed share it."""
    return jax.random.key_data(key)


def key_of(draws: Array) -> Key:
    """The key that somebody's code is given."""
    return jax.random.wrap_key_data(draws, impl="threefry2x32")


def problem_of(thing: Any, static: Static) -> Problem:
    """Somebody's code as a `Problem`: a function is one step, a training as many as it has."""

    def hyper_of(values: tuple[Any, ...]) -> dict[str, Any]:
        return {**dict(static.static), **dict(zip(static.names, values, strict=True))}

    def finish(values: Any, draws: Array, state: Any, measured: Mapping[str, Array]) -> dict[str, Array]:
        outputs = dict(measured) if static.trained else state
        finite = [jnp.isfinite(value).all() for value in outputs.values() if jnp.issubdtype(value.dtype, np.floating)]
        fine = functools.reduce(jnp.logical_and, finite, jnp.array(True))
        return {**outputs, "status": jnp.where(fine, DONE, DIVERGED).astype(jnp.int8)}

    def nothing(values: Any, draws: Array, state: Any) -> dict[str, Array]:
        return {}

    if not static.trained:

        def empty(values: Any, draws: Array) -> Any:
            like = jax.eval_shape(lambda: thing(hyper_of(values), key_of(draws)))
            return {name: jnp.zeros(a.shape, a.dtype) for name, a in like.items()}

        def run(values: Any, draws: Array, state: Any, start: Array, stop: Array) -> Any:
            return {name: jnp.asarray(value) for name, value in thing(hyper_of(values), key_of(draws)).items()}

        return Problem(1, draw, empty, run, nothing, nothing, finish)
    init, step, measure = training_of(thing) or ()

    def begin(values: Any, draws: Array) -> Any:
        return jax.tree.map(jnp.asarray, init(hyper_of(values), key_of(draws)))

    def advance(values: Any, draws: Array, state: Any, start: Array, stop: Array) -> Any:
        hyper, key = hyper_of(values), key_of(draws)
        return jax.lax.fori_loop(start, stop, lambda t, state: step(hyper, key, state, t), state)

    def look(values: Any, draws: Array, state: Any) -> dict[str, Array]:
        return {name: jnp.asarray(v) for name, v in measure(hyper_of(values), key_of(draws), state).items()}

    return Problem(static.steps, draw, begin, advance, look, nothing, finish)
