"""The models: flax modules. The first two see an example only through the products of filters with patches.

That is what lets the engine compute the products as it sees fit (the feature patch is one coordinate) and hand them
to the same `readout`. A model of this kind has

    filters(params) -> [J, m, d]           the vectors whose inner products with patches are needed
    readout(*products) -> [n]              F_{+1} − F_{−1} from one [J, m, n] array of products a patch
    by_class(products) -> [2, m, ...]      the same products, seen as those of classes −1 and +1

and any other log_odds(params, x) -> [n], the same of [n, P, d] patches; beside it filters and by_class, if what its
filters learn can be measured, and scaled(params, σ_0), if not all of its weights are σ_0 times those of σ_0 = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.two_patch.models.deeper import PatchwiseLinear, ThreeLayerCNN, TrainedCNN
from adam_vs_gd.problems.two_patch.models.linear import Linear
from adam_vs_gd.problems.two_patch.models.two_layer_cnn import TwoLayerCNN

Model: TypeAlias = TwoLayerCNN | Linear


def make_model(name: str, width: int, q: int, sigma_0: float = 1.0, options: Mapping[str, Any] | None = None) -> Any:
    """The model of a given name; `width`, `q` and options mean nothing to the linear ones.

    Args:
        name: "two_layer_cnn", "linear", "three_layer_cnn" or "patchwise_linear".
        width: m.
        q: power of the activation.
        sigma_0: standard deviation of the initial weights.
        options: `activation`, `knee`, `bias` and `second_layer` ("trained") of a spec.
    """
    given = options or {}
    shape: dict[str, Any] = {"form": given.get("activation", "relu"), "knee": given.get("knee", 1.0)}
    trained: dict[str, Any] = {key: given.get(key) == "trained" for key in ("bias", "second_layer")}
    match name:
        case "two_layer_cnn" if any(trained.values()):
            return TrainedCNN(width, q, sigma_0, **shape, **trained)
        case "two_layer_cnn":
            return TwoLayerCNN(width, q, sigma_0, **shape)
        case "linear":
            return Linear(sigma_0=sigma_0)
        case "three_layer_cnn":
            return ThreeLayerCNN(width, q, sigma_0, **shape)
        case "patchwise_linear":
            return PatchwiseLinear(sigma_0=sigma_0)
    known = '"two_layer_cnn", "linear", "three_layer_cnn" or "patchwise_linear"'
    raise ValueError(f"model = {name!r}: must be {known}")


def scaled(model: Any, params: Any, sigma_0: ArrayLike) -> Any:
    """The initial weights of σ_0, from those that a model draws with σ_0 = 1."""
    return model.scaled(params, sigma_0) if hasattr(model, "scaled") else optax.tree.scale(sigma_0, params)


__all__ = [
    "Linear", "Model", "PatchwiseLinear", "ThreeLayerCNN", "TrainedCNN", "TwoLayerCNN", "make_model", "scaled",
]  # fmt: skip
