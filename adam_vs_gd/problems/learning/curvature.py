"""The smallest eigenvalue of a Hessian, by Lanczos on products with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import eigh_tridiagonal

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params

ITERATIONS = 48  # of Lanczos; its smallest Ritz value comes down to the eigenvalue from above
BREAKDOWN = 1e-5  # a new direction that is so small against the products is rounding: there are no others


def smallest_eigenvalue(product: Callable[[Params], Params], like: Params, iterations: int = ITERATIONS) -> Array:
    """The smallest eigenvalue of a symmetric operator, or 0 if that is smaller.

    Lanczos without reorthogonalization (C. C. Paige, Linear Algebra and its Applications 34, 1980, p. 235): that may
    find an eigenvalue twice, and leaves the extreme ones right. Where the space of the products is used up before
    `iterations`, the rest counts as directions without curvature; so of one that is positive definite, 0 is found.

    Args:
        product: v -> H·v, linear.
        like: a pytree of the shapes and dtypes of v.
        iterations: products, at most.
    """
    flat, shaped = ravel_pytree(like)
    first = jax.random.normal(jax.random.key(0, impl="threefry2x32"), flat.shape, flat.dtype)
    count = min(iterations, flat.size)

    def step(carry: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
        before, now, beta, scale = carry
        ahead = ravel_pytree(product(shaped(now)))[0]
        alpha = now @ ahead
        ahead = ahead - alpha * now - beta * before
        norm = jnp.linalg.norm(ahead)
        scale = jnp.maximum(scale, jnp.maximum(jnp.abs(alpha), norm))
        more = norm > BREAKDOWN * scale
        norm = jnp.where(more, norm, 0)
        following = jnp.where(more, ahead / jnp.where(more, norm, 1), 0)
        return (now, following, norm, scale), (alpha, norm)

    zero = jnp.zeros((), flat.dtype)
    start = (jnp.zeros_like(first), first / jnp.linalg.norm(first), zero, zero)
    _, (alphas, betas) = jax.lax.scan(step, start, length=count)
    if count == 1:
        return jnp.minimum(alphas[0], 0)
    found = eigh_tridiagonal(alphas, betas[:-1], eigvals_only=True, select="i", select_range=(0, 0))[0]
    return jnp.minimum(found, 0)
