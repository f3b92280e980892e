"""The paper's two-layer CNN, F_j of section 3, which has no number there; and with other activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flax.linen as nn
import jax.numpy as jnp

from adam_vs_gd.problems.two_patch.models.filtered import Filtered

if TYPE_CHECKING:
    from adam_vs_gd.types import Array


class TwoLayerCNN(Filtered):
    """F_j(W, x) = Σ_r Σ_p σ(⟨w_{j,r}, x_p⟩) with σ(z) = max(0, z)^q, for j ∈ {−1, +1}.

    Attributes:
        width: m, filters per class.
        q: power of the activation, an integer >= 1 (the paper's proofs assume q >= 3, its experiments use 3).
        sigma_0: standard deviation of the initial weights.
        form: of the activation, one of `activations.activation`; and
        knee: its ϱ.
    """

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[..., P, d] patches -> [..., 2] outputs (F_{−1}, F_{+1}); parameters are {"w": [2, m, d]}."""
        return self.activation(self.products(x)).sum((-2, -1))

    def readout(self, *products: Array) -> Array:
        """[n] F_{+1} − F_{−1} from the [2, m, n] products of each patch."""
        outputs = sum((self.activation(z) for z in products), jnp.zeros(())).sum(1)
        return outputs[1] - outputs[0]
