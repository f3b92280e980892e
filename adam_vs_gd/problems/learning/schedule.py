"""The learning rate along a training: η(t) = η·f(t), f made of numbers that may be traced.

    f(t) = min(1, (t + 1)/warmup) · (1 − cosine·(1 − cos πx)/2) · drop^⌊t/drop_every⌋,
    x = (t − warmup)/(T − warmup), in [0, 1]

so a warm-up of so many steps, half a cosine from there to the end that takes away a share of η, and a factor at every
so many steps. Whatever is left at its default is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params


class ScheduleState(NamedTuple):
    """State of `scale_by_rate`."""

    step: Array  # t


def factor(numbers: Mapping[str, Any], t: Array, steps: int) -> Array:
    """f(t), a scalar.

    Args:
        numbers: `warmup` >= 0 steps; `cosine` in [0, 1]; `drop` in (0, 1] and `drop_every` >= 0, 0 for never.
        t: the step, counted from 0.
        steps: T.
    """
    real = jnp.result_type(float)
    warmup, every = (jnp.asarray(numbers[key], real) for key in ("warmup", "drop_every"))
    now = jnp.asarray(t, real)
    warm = jnp.minimum(1, (now + 1) / jnp.maximum(warmup, 1))
    x = jnp.clip((now - warmup) / jnp.maximum(steps - warmup, 1), 0, 1)
    falling = 1 - numbers["cosine"] * (1 - jnp.cos(jnp.pi * x)) / 2
    drops = jnp.where(every > 0, jnp.floor(now / jnp.maximum(every, 1)), 0)
    return warm * falling * jnp.asarray(numbers["drop"], real) ** drops


def scale_by_rate(eta: Any, numbers: Mapping[str, Any], steps: int) -> optax.GradientTransformation:
    """Times −η·f(t), t counted from the first step.

    Args:
        eta: η > 0.
        numbers: as of `factor`.
        steps: T.
    """

    def init(params: Params) -> ScheduleState:
        del params
        return ScheduleState(jnp.zeros((), jnp.int32))

    def update(updates: Params, state: ScheduleState, params: Params = None) -> tuple[Params, ScheduleState]:
        del params
        rate = eta * factor(numbers, state.step, steps)
        return jax.tree.map(lambda g: -rate * g, updates), ScheduleState(state.step + 1)

    return optax.GradientTransformation(init, update)
