"""The root of all randomness: a seed's key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

if TYPE_CHECKING:
    from adam_vs_gd.types import Key


def seed_key(seed: ArrayLike) -> Key:
    """The root key of a seed: `jax.random.key(seed)` with Threefry, whatever this process has set.

    Threefry, because rbg keys are not invariant under vmap; put together here, because `jax.random.key` adds
    `jax_random_seed_offset` to the seed.

    Args:
        seed: an integer, 0 <= seed < 2³²; may be traced.

    Returns:
        A typed key, a scalar.

    Raises:
        TypeError: if it is not one integer.
    """
    given = np.asarray(seed) if isinstance(seed, int) else jnp.asarray(seed)
    if given.ndim or not jnp.issubdtype(given.dtype, jnp.integer):
        raise TypeError(f"seed = {seed}: must be one integer, 0 <= seed < 2^32, or a key of jax.random.key")
    low = given.astype(np.uint32)
    return jax.random.wrap_key_data(jnp.stack([low ^ low, low]), impl="threefry2x32")  # sharded as the seed is
