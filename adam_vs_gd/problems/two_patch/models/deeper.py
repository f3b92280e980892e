"""Networks with more to train than one layer of filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.two_patch.models.filtered import Filtered

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params

HIGHEST = jax.lax.Precision.HIGHEST


class Deeper(Filtered):
    """A network with weights beside its filters."""

    def scaled(self, params: Params, sigma_0: ArrayLike) -> Params:
        """Initial weights of σ_0 from those of 1: of filters only."""
        return {**params, "w": optax.tree.scale(sigma_0, params["w"])}

    def log_odds(self, params: Params, x: Array) -> Array:
        """[n] F_{+1} − F_{−1} of [n, P, d] patches."""
        outputs: Any = self.apply({"params": params}, x)
        return outputs[..., 1] - outputs[..., 0]


class TrainedCNN(Deeper):
    """F_j(W, x) = Σ_r a_{j,r} Σ_p σ(⟨w_{j,r}, x_p⟩ + b_{j,r}), with b or a trained, or both.

    Attributes:
        bias: whether there is b, 0 at the start.
        second_layer: whether a is trained, 1 at the start.
    """

    bias: bool = False
    second_layer: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[..., P, d] patches -> [..., 2] outputs; parameters are {"w": [2, m, d], "b": [2, m], "a": [2, m]}."""
        products = self.products(x)
        if self.bias:
            products = products + self.param("b", nn.initializers.zeros, (2, self.width))[..., None]
        hidden = self.activation(products).sum(-1)
        if self.second_layer:
            hidden = hidden * self.param("a", nn.initializers.ones, (2, self.width))
        return hidden.sum(-1)


class ThreeLayerCNN(Deeper):
    """F_j(W, x) = Σ_p Σ_k σ(Σ_r u_{j,k,r} σ(⟨w_{j,r}, x_p⟩)), u drawn with variance 1/m."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[..., P, d] patches -> [..., 2] outputs; parameters are {"w": [2, m, d], "u": [2, m, m]}."""
        hidden = self.activation(self.products(x))
        u = self.param("u", nn.initializers.normal(self.width**-0.5), (2, self.width, self.width))
        inner = jnp.einsum("...jrp,jkr->...jkp", hidden, u, precision=HIGHEST)
        return self.activation(inner).sum((-2, -1))


class PatchwiseLinear(nn.Module):
    """The log-odds Σ_p ⟨w_p, x_p⟩ of class +1: wᵀx of Theorem 4.2, x in R^{Pd} with its patches in their places.

    Attributes:
        sigma_0: standard deviation of the initial weights.
    """

    sigma_0: ArrayLike = table1.SIGMA_0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[..., P, d] patches -> [...] log-odds; parameters are {"w": [P, d]}."""
        w = self.param("w", nn.initializers.normal(self.sigma_0), x.shape[-2:])
        return jnp.einsum("...pd,pd->...", x, w, precision=HIGHEST)

    def log_odds(self, params: Params, x: Array) -> Array:
        """[n] log-odds of [n, P, d] patches."""
        outputs: Any = self.apply({"params": params}, x)
        return outputs
