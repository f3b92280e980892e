"""What networks whose first layer is filters have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.two_patch.models.activations import activation

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params


class Filtered(nn.Module):
    """A network whose first layer is filters {"w": [2, m, d]}.

    Attributes:
        width: m, filters per class.
        q: power of the activation, an integer >= 1.
        sigma_0: standard deviation of the initial filters.
        form: of the activation, one of `activations.activation`; and
        knee: its ϱ.
    """

    width: int = table1.WIDTH
    q: int = table1.Q
    sigma_0: ArrayLike = table1.SIGMA_0
    form: str = "relu"
    knee: float = 1.0

    def products(self, x: Array) -> Array:
        """[..., 2, m, P] products of the filters with [..., P, d] patches."""
        w = self.param("w", nn.initializers.normal(self.sigma_0), (2, self.width, x.shape[-1]))
        return jnp.einsum("...pd,jrd->...jrp", x, w, precision=jax.lax.Precision.HIGHEST)

    def activation(self, z: Array) -> Array:
        """σ(z)."""
        return activation(self.form, self.q, self.knee)(z)

    def filters(self, params: Params) -> Array:
        """[2, m, d] filters w_{j,r}."""
        return params["w"]

    def by_class(self, products: Array) -> Array:
        """[2, m, ...] products of the filters of classes −1 and +1."""
        return products
