"""What steps of any training have in common: how they are added, and what is kept of the objective along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning.loss import objective

if TYPE_CHECKING:
    from collections.abc import Callable

    from adam_vs_gd.problems.learning.optimizers import Rule
    from adam_vs_gd.types import Array, Params

State = TypeVar("State")


class Seldom(NamedTuple):
    """What a step does beside a step: `True` or `False` where that is known before it runs, elsewhere a traced scalar.

    Attributes:
        look: for W*.
        observe: the objective, for its windows.
    """

    look: bool | Array
    observe: bool | Array


def seldom_at(t: Array, steps: int, every: int) -> Seldom:
    """What is done at step t of T, of which every so many look for W*."""
    return Seldom(t % every == 0, t >= opening(steps))


class Windows(NamedTuple):
    """Sums of the full objective over the last 5 % of the steps and the 5 % before, relative to a reference."""

    reference: Array
    previous: Array
    last: Array


def apply_compensated(params: Params, rest: Params, updates: Params) -> tuple[Params, Params]:
    """The sum params + updates, and what rounding keeps from it, which `rest` hands on to the next (Kahan 1965)."""
    whole = jax.tree.map(jnp.add, updates, rest)
    new = jax.tree.map(jnp.add, params, whole)
    return new, jax.tree.map(lambda w, new, old: w - (new - old), whole, new, params)


def no_rest(rule: Rule, params: Params) -> Params:
    """What `apply` begins with."""
    return jax.tree.map(jnp.zeros_like, params) if rule.compensated else ()


def apply(rule: Rule, params: Params, rest: Params, updates: Params) -> tuple[Params, Params]:
    """The weights after a step, and what rounding has kept from them, where the rule asks for compensation."""
    if rule.compensated:
        return apply_compensated(params, rest, updates)
    return optax.apply_updates(params, updates), rest


def tied(tree: Any, to: Any) -> Any:
    """The same arrays, which now depend on those of `to`, if only in form.

    A loop wants what it carries to be mapped and sharded alike from its first step to its last: `vmap` sees to that,
    `shard_map` and inputs sharded over a mesh do not, and a constant that a loop begins with is neither.
    """
    any_of_them = jax.tree.reduce(jnp.logical_or, jax.tree.map(lambda a: (a == a).any(), to))
    return jax.tree.map(lambda a: jnp.where(any_of_them, a, a), tree)


def window(steps: int) -> int:
    """5 % of the steps, at least one."""
    return max(1, steps // 20)


def add_to_windows(windows: Windows, objective: Array, t: Array, steps: int) -> Windows:
    """The windows after the objective of step t, one of the last two windows'."""
    reference = jnp.where(t == opening(steps), objective, windows.reference)
    late, change = t >= steps - window(steps), objective - reference
    return Windows(reference, windows.previous + jnp.where(late, 0, change), windows.last + jnp.where(late, change, 0))


def opening(steps: int) -> int:
    """The first step of the windows."""
    return steps - 2 * window(steps)


def observe(
    windows: Windows, data_loss: Array, params: Params, lam: ArrayLike, t: Array, steps: int, now: bool | Array
) -> Windows:
    """The windows after step t of T, whatever step it is; `now` says whether it is one of theirs."""
    add = lambda windows: add_to_windows(windows, objective(data_loss, params, lam), t, steps)  # noqa: E731
    return only_if(now, add, windows)


def only_if(now: bool | Array, f: Callable[[State], State], kept: State) -> State:
    """What f makes of what is kept, in a step that is to do so: a branch only where the program has to find out."""
    if isinstance(now, bool):
        return f(kept) if now else kept
    return jax.lax.cond(now, f, lambda kept: kept, kept)


def repeated(
    step: Callable[[State, Array, Seldom], State],
    steps: int,
    every: int,
    start: ArrayLike,
    stop: ArrayLike,
    state: State,
    in_rounds: bool,
) -> State:
    """The state after steps start .. stop-1 of T, of which every so many look for W*.

    In rounds, those from one look to the next are a loop of known length whose other steps have no branch, as long as
    no step observes: a GPU then need not ask its host after each whether there is another, and keeps neither weights
    nor gradients for a look that does not come. The price is that a step may be rounded differently in each loop.

    Args:
        step: (state, t, what it does beside) -> state.
        steps: T.
        every: length of a round.
        start: first step; traced, and shared by all lanes.
        stop: step to stop before; traced and shared.
        state: at step `start`.
        in_rounds: or one after another in one loop.
    """

    def any_steps(start: ArrayLike, stop: ArrayLike, state: State) -> State:
        return jax.lax.fori_loop(start, stop, lambda t, state: step(state, t, seldom_at(t, steps, every)), state)

    def whole_round(k: Array, state: State) -> State:
        state = step(state, k * every, Seldom(look=True, observe=False))
        other = lambda i, state: step(state, k * every + i, Seldom(look=False, observe=False))  # noqa: E731
        return jax.lax.fori_loop(1, every, other, state)

    if not in_rounds:
        return any_steps(start, stop, state)
    first, last = (jnp.asarray(start) + every - 1) // every, jnp.minimum(stop, opening(steps)) // every
    begin = jnp.minimum(first * every, stop)
    state = any_steps(start, begin, state)
    state = jax.lax.fori_loop(first, last, whole_round, state)
    return any_steps(jnp.maximum(begin, last * every), stop, state)


def objective_change(windows: Windows, steps: int) -> Array:
    """Relative change of the objective's mean, last 5 % of the steps against the 5 % before; NaN below two steps."""
    size = window(steps)
    previous = windows.reference + windows.previous / size
    change = (windows.last - windows.previous) / size / previous
    return change if steps >= 2 * size else jnp.full_like(change, jnp.nan)
