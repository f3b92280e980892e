"""A linear model for Theorem 4.2: one w in R^d for both patches.

The theorem's wᵀx has x = (x_1, x_2) in R^{2d}: this is its special case of equal halves, for which the patches' order
does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning import table1

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params


class Linear(nn.Module):
    """The log-odds ⟨w, x_1 + x_2⟩ of class +1.

    Attributes:
        sigma_0: standard deviation of the initial weights.
    """

    sigma_0: ArrayLike = table1.SIGMA_0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[..., P, d] patches -> [...] log-odds; parameters are {"w": [d]}."""
        w = self.param("w", nn.initializers.normal(self.sigma_0), (x.shape[-1],))
        return jnp.einsum("...pd,d->...", x, w, precision=jax.lax.Precision.HIGHEST)

    def filters(self, params: Params) -> Array:
        """[1, 1, d]: w as the only filter."""
        return params["w"][None, None]

    def readout(self, *products: Array) -> Array:
        """[n] log-odds from the [1, 1, n] products of each patch."""
        return sum(products, jnp.zeros(()))[0, 0]

    def by_class(self, products: Array) -> Array:
        """[2, 1, ...]: one filter j·w a class, j = −1, +1."""
        return jnp.concatenate([-products, products])
