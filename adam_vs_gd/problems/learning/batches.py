"""Which examples a step sees: batches of B, drawn without replacement, in epochs. What an example is does not matter.

An epoch is n // B steps on the examples in a fresh random order, keyed by (key, epoch); the n mod B at the order's end
are left out in it, others in each epoch. Step t belongs to epoch t // (n // B).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key


class Batches(NamedTuple):
    """How the batches of a training are drawn.

    Attributes:
        key: [2] uint32, the raw data of a threefry key: draws are arrays that the host can stack.
        size: B, 1 .. n; static.
    """

    key: Array
    size: int


def raw(key: Key) -> Array:
    """[2] uint32, what `Batches` takes for a threefry key."""
    return jax.random.key_data(key)


def no_order(n: int) -> Array:
    """[n] what a training carries before its first step, which draws an order."""
    return jnp.zeros(n, jnp.int32)


def order_of(key: Array, epoch: Array | int, n: int) -> Array:
    """[n] int32, the examples 0 .. n-1 in the order of an epoch; epoch may be traced."""
    root = jax.random.wrap_key_data(key, impl="threefry2x32")
    return jax.random.permutation(jax.random.fold_in(root, epoch), jnp.arange(n, dtype=jnp.int32))


def order_at(batches: Batches, order: Array, t: Array | int) -> Array:
    """[n] the order of step t's epoch: at its first step a new one, later the one that is carried.

    Args:
        batches: how they are drawn.
        order: [n] of the step before.
        t: the step; traced, and shared by all lanes, so that the sort stays a branch under vmap.
    """
    (n,) = order.shape
    epoch, place = jnp.divmod(t, n // batches.size)

    def fresh(order: Array) -> Array:
        return jnp.where(order < 0, order, order_of(batches.key, epoch, n))  # in form as the old one: see `tied`

    return jax.lax.cond(place == 0, fresh, lambda order: order, order)


def batch_at(order: Array, t: Array | int, size: int) -> Array:
    """[B] the examples that step t sees, from the order of its epoch."""
    place = jnp.mod(t, len(order) // size)
    return jax.lax.dynamic_slice_in_dim(order, place * size, size)
