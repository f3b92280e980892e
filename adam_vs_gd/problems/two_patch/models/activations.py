"""Activations, and their names in a spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from adam_vs_gd.types import Array


def power(z: Array, q: int) -> Array:
    """max(0, z)^q."""
    return jax.nn.relu(z) ** q


def smoothed(z: Array, q: int, knee: float) -> Array:
    """max(0, z)^q / (q·ϱ^{q−1}) up to ϱ, and z − (1 − 1/q)·ϱ from there on (Allen-Zhu and Li 2023).

    Args:
        z: what it acts on.
        q: >= 1.
        knee: ϱ > 0.
    """
    below = jnp.clip(z, 0, knee)
    return below * (below / knee) ** (q - 1) / q + jax.nn.relu(z - knee)


def activation(name: str, q: int, knee: float) -> Callable[[Array], Array]:
    """An activation by its name.

    Args:
        name: "relu" (of the power q), "smoothed_relu", "huber" (with q = 2: Frei, Chatterji and Bartlett 2022),
            or "gelu" (Hendrycks and Gimpel 2016), z·Φ(z).
        q: power.
        knee: ϱ, from which on smoothed ones are linear.

    Raises:
        ValueError: if there is none of that name.
    """
    match name:
        case "relu":
            return lambda z: power(z, q)
        case "smoothed_relu":
            return lambda z: smoothed(z, q, knee)
        case "huber":
            return lambda z: smoothed(z, 2, knee)
        case "gelu":
            return lambda z: jax.nn.gelu(z, approximate=False)
    raise ValueError(f'activation = {name!r}: must be "relu", "smoothed_relu", "huber" or "gelu"')
