"""Lanes of a chunk together: the one place that vmaps and jits."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from adam_vs_gd.data import seed_key

if TYPE_CHECKING:
    from adam_vs_gd.problem import Problem
    from adam_vs_gd.types import Draws, Key


class Programs(NamedTuple):
    """A problem's functions over a chunk. Each compiles once for a width, whatever the lanes' numbers are.

    `slot` [L] says which of the K seeds a lane belongs to.

    Attributes:
        start: (hyper [L], slot, draws) -> state [L, ...].
        advance: (hyper, slot, draws, state, start, stop) -> state; the state handed in is given up (donated).
        measure: (hyper, slot, draws, state) -> {name: [L, ...]}.
        test: (hyper, slot, draws, state) -> {name: [L, ...]}, lane after lane: it fills the machine with one lane.
        finish: (hyper, slot, draws, state, measured) -> {name: [L, ...]}, lane after lane.
    """

    start: Callable[..., Any]
    advance: Callable[..., Any]
    measure: Callable[..., Any]
    test: Callable[..., Any]
    finish: Callable[..., Any]


def make_programs(problem: Problem, length: int) -> Programs:
    """The programs of a problem, for segments of at most `length` steps."""

    def draws_of(slot: Any, draws: Any) -> Any:
        return jax.tree.map(lambda a: a[slot], draws)

    def side_by_side(f: Callable[..., Any], *shared: None) -> Callable[..., Any]:
        def lane(hyper: Any, slot: Any, draws: Any, *rest: Any) -> Any:
            return f(hyper, draws_of(slot, draws), *rest)

        def chunk(hyper: Any, slot: Any, draws: Any, *rest: Any) -> Any:
            axes = (0, 0, None, *(0 for _ in rest[: len(rest) - len(shared)]), *shared)
            return jax.vmap(lane, in_axes=axes)(hyper, slot, draws, *rest)

        return chunk

    def one_by_one(f: Callable[..., Any]) -> Callable[..., Any]:
        def chunk(hyper: Any, slot: Any, draws: Any, *rest: Any) -> Any:
            return jax.lax.map(lambda lane: f(lane[0], draws_of(lane[1], draws), *lane[2]), (hyper, slot, rest))

        return chunk

    def advance(hyper: Any, draws: Any, state: Any, start: Any, stop: Any) -> Any:
        return problem.advance(hyper, draws, state, start, stop, length)

    jit = functools.partial(jax.jit, compiler_options=compiler_options(jax.default_backend()))
    return Programs(
        start=jit(side_by_side(problem.start)),
        advance=jit(side_by_side(advance, None, None), donate_argnums=3),
        measure=jit(side_by_side(problem.measure)),
        test=jit(one_by_one(problem.test)),
        finish=jit(one_by_one(problem.finish)),
    )


@functools.cache
def compiler_options(platform: str) -> dict[str, str]:
    """What keeps rounding independent of a chunk's width.

    XLA hands reductions on a CPU to a library from a certain total size on, and they then add up in another order: a
    lane's norms would depend on how many lanes run beside it. Matrix products may be handed over; they do not.
    """
    wanted = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
    if platform != "cpu":
        return {}
    try:
        jax.jit(lambda x: x, compiler_options=wanted)(0.0)
    except jax.errors.JaxRuntimeError:  # an XLA without the option
        return {}
    return wanted


@functools.partial(jax.jit, static_argnums=0)
def draw_seed(draw: Callable[[Key], Draws], seed: ArrayLike) -> Draws:
    """The draws of one seed. Never several at once: rounding must not depend on how many seeds a chunk has."""
    return draw(seed_key(seed))


class SeedDraws:
    """The draws of the seeds in use, so that chunks and groups that share a seed draw it once."""

    def __init__(self) -> None:
        self.kept: dict[Any, Draws] = {}

    def stack(self, draw: Callable[[Key], Draws], seeds: Sequence[int]) -> Draws:
        """Draws [K, ...] of the seeds, in their order; only these are kept."""
        found = {seed: self.kept.get((draw, seed)) for seed in seeds}
        self.kept = {
            (draw, seed): draw_seed(draw, np.uint32(seed)) if draws is None else draws for seed, draws in found.items()
        }
        return jax.tree.map(lambda *a: jnp.stack(a), *(self.kept[draw, seed] for seed in seeds))


@contextlib.contextmanager
def numerics(precision: str) -> Iterator[None]:
    """The settings of JAX that numbers depend on, whatever the process around us has chosen.

    Args:
        precision: "float32" or "float64".
    """
    with jax.enable_x64(precision == "float64"), jax.threefry_partitionable(True):
        yield
