"""Lanes of a chunk together: the one place that vmaps and jits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from adam_vs_gd.data import seed_key

if TYPE_CHECKING:
    from adam_vs_gd.problem import Problem


class Programs(NamedTuple):
    """A problem's functions over a chunk. Each compiles once for a width, whatever the lanes' numbers are.

    `slot` [L] says which of the K seeds a lane belongs to.

    Attributes:
        draw: (seeds [K]) -> draws [K, ...].
        start: (hyper [L], slot, draws) -> state [L, ...].
        advance: (hyper, slot, draws, state, start, stop) -> state; the state handed in is given up (donated).
        measure: (hyper, slot, draws, state) -> {name: [L, ...]}.
        test: (hyper, slot, draws, state) -> {name: [L, ...]}, lane after lane: it fills the machine with one lane.
        finish: (hyper, slot, draws, state, measured) -> {name: [L, ...]}, lane after lane.
    """

    draw: Callable[..., Any]
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
            return jax.lax.map(
                lambda lane: f(lane[0], draws_of(lane[1], draws), *lane[2]), (hyper, slot, rest)
            )

        return chunk

    def advance(hyper: Any, draws: Any, state: Any, start: Any, stop: Any) -> Any:
        return problem.advance(hyper, draws, state, start, stop, length)

    return Programs(
        draw=jax.jit(jax.vmap(lambda seed: problem.draw(seed_key(seed)))),
        start=jax.jit(side_by_side(problem.start)),
        advance=jax.jit(side_by_side(advance, None, None), donate_argnums=3),
        measure=jax.jit(side_by_side(problem.measure)),
        test=jax.jit(one_by_one(problem.test)),
        finish=jax.jit(one_by_one(problem.finish)),
    )


@contextlib.contextmanager
def numerics(precision: str) -> Iterator[None]:
    """The settings of JAX that numbers depend on, whatever the process around us has chosen.

    Args:
        precision: "float32" or "float64".
    """
    with jax.enable_x64(precision == "float64"), jax.threefry_partitionable(True):
        yield
