"""What steps of any training have in common: how they are added, and what is kept of the objective along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning.loss import objective

if TYPE_CHECKING:
    from adam_vs_gd.problems.learning.optimizers import Rule
    from adam_vs_gd.types import Array, Params


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
    reference = jnp.where(t == steps - 2 * window(steps), objective, windows.reference)
    late, change = t >= steps - window(steps), objective - reference
    return Windows(reference, windows.previous + jnp.where(late, 0, change), windows.last + jnp.where(late, change, 0))


def observe(windows: Windows, data_loss: Array, params: Params, lam: ArrayLike, t: Array, steps: int) -> Windows:
    """The windows after step t of T, whatever step it is."""

    def add(windows: Windows) -> Windows:
        return add_to_windows(windows, objective(data_loss, params, lam), t, steps)

    return jax.lax.cond(t >= steps - 2 * window(steps), add, lambda w: w, windows)


def objective_change(windows: Windows, steps: int) -> Array:
    """Relative change of the objective's mean, last 5 % of the steps against the 5 % before; NaN below two steps."""
    size = window(steps)
    previous = windows.reference + windows.previous / size
    change = (windows.last - windows.previous) / size / previous
    return change if steps >= 2 * size else jnp.full_like(change, jnp.nan)
