"""The paper's two-layer CNN, F_j of section 3, which has no number there; and with other activations."""

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


class TwoLayerCNN(nn.Module):
    """F_j(W, x) = Σ_r Σ_p σ(⟨w_{j,r}, x_p⟩) with σ(z) = max(0, z)^q, for j ∈ {−1, +1}.

    Attributes:
        width: m, filters per class.
        q: power of the activation, an integer >= 1 (the paper's proofs assume q >= 3, its experiments use 3).
        sigma_0: standard deviation of the initial weights.
        form: of the activation, one of `activations.activation`; and
        knee: its ϱ.
    """

    width: int = table1.WIDTH
    q: int = table1.Q
    sigma_0: ArrayLike = table1.SIGMA_0
    form: str = "relu"
    knee: float = 1.0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[..., P, d] patches -> [..., 2] outputs (F_{−1}, F_{+1}); parameters are {"w": [2, m, d]}."""
        w = self.param("w", nn.initializers.normal(self.sigma_0), (2, self.width, x.shape[-1]))
        products = jnp.einsum("...pd,jrd->...jrp", x, w, precision=jax.lax.Precision.HIGHEST)
        return self.activation(products).sum((-2, -1))

    def activation(self, z: Array) -> Array:
        """σ(z)."""
        return activation(self.form, self.q, self.knee)(z)

    def filters(self, params: Params) -> Array:
        """[2, m, d] filters w_{j,r}."""
        return params["w"]

    def readout(self, *products: Array) -> Array:
        """[n] F_{+1} − F_{−1} from the [2, m, n] products of each patch."""
        outputs = sum((self.activation(z) for z in products), jnp.zeros(())).sum(1)
        return outputs[1] - outputs[0]

    def by_class(self, products: Array) -> Array:
        """[2, m, ...] products of the filters of classes −1 and +1."""
        return products
