"""The models: flax modules. Those of two patches see an example only through the products of filters with patches.

That is what lets the engine compute the products as it sees fit (the feature patch is one coordinate) and hand them
to the same `readout`. A model of this kind has

    filters(params) -> [J, m, d]           the vectors whose inner products with patches are needed
    readout(*products) -> [n]              F_{+1} − F_{−1} from one [J, m, n] array of products a patch
    by_class(products) -> [2, m, ...]      the same products, seen as those of classes −1 and +1
"""

from __future__ import annotations

from typing import TypeAlias

from adam_vs_gd.problems.two_patch.models.linear import Linear
from adam_vs_gd.problems.two_patch.models.two_layer_cnn import TwoLayerCNN

Model: TypeAlias = TwoLayerCNN | Linear


def make_model(name: str, width: int, q: int, sigma_0: float = 1.0) -> Model:
    """The model of two patches of a given name; `width` and `q` mean nothing to the linear one."""
    if name == "two_layer_cnn":
        return TwoLayerCNN(width=width, q=q, sigma_0=sigma_0)
    if name == "linear":
        return Linear(sigma_0=sigma_0)
    raise ValueError(f'model = {name!r}: must be "two_layer_cnn" or "linear"')


__all__ = ["Linear", "Model", "TwoLayerCNN", "make_model"]
