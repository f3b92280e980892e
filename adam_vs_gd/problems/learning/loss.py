"""The objective, its gradient, and what counts as an error, whatever is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params

FITTED_LOSS = 0.1  # data loss at which train error 0 counts as fitted, and t_fit is reached


def is_correct(margin: Array) -> Array:
    """Whether F_y > F_{−y}; ties are errors, and so is an output that is not finite."""
    return (margin > 0) & jnp.isfinite(margin)


def error_rate(margin: Array) -> Array:
    """Fraction of examples that are errors."""
    return (~is_correct(margin)).sum() / margin.size


def objective(loss: Array, params: Params, lam: ArrayLike) -> Array:
    """L(W) = data loss + (λ/2)‖W‖_F²."""
    return loss + 0.5 * lam * optax.tree.norm(params, squared=True)


def objective_grad(grads: Params, params: Params, lam: ArrayLike) -> Params:
    """∇L(W) from the gradient of the data loss."""
    return optax.tree.add_scale(grads, lam, params)


def is_finite(loss: Array, params: Params) -> Array:
    """Whether the loss and all weights are finite; otherwise the lane has diverged."""
    return jnp.isfinite(loss) & jax.tree.reduce(lambda ok, w: ok & jnp.isfinite(w).all(), params, jnp.array(True))
