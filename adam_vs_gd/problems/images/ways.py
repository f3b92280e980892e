"""How a network on images is trained, and what it takes: the sizes of `alexnet.AlexNet`. Pure, no JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adam_vs_gd.problem import Cost, Way
from adam_vs_gd.problems.images.numbers import IMAGE_SETS, IMAGE_SIDE
from adam_vs_gd.problems.learning.numbers import COPIES, real_bytes

if TYPE_CHECKING:
    from adam_vs_gd.problems.images.lane import Static

LOOKED_AT = 250  # images that are measured at once
NETWORK = Way("network", least=1, alone=True)
"""The one way, on either path: a lane fills a CPU's cache, and is trained alone there."""


def network_weights(static: Static) -> int:
    """Weights of the network."""
    sizes, w = IMAGE_SETS[static.images], static.width
    return 597 * w * w + (121 * sizes.channels + 18) * w + (4 * w + 1) * sizes.classes


def network_numbers(static: Static) -> int:
    """Numbers that a network's forward pass makes of an image, about: patches and activations."""
    return 64 * 144 * IMAGE_SETS[static.images].channels + 1300 * static.width


def step_work(static: Static) -> float:
    """Floating-point operations of a lane's step, about: its products, and ten for each number that is updated."""
    products = 27_648 * static.width + 3_288 * static.width**2  # of a forward pass of an image
    return 6.0 * static.batch_size * products + 10 * network_weights(static)


def cost(static: Static, extent: None, way: Way) -> Cost:
    """What lanes take; all images are there while they are measured."""
    real, seen = real_bytes(static.precision), max(static.batch_size, LOOKED_AT)
    weights = network_weights(static)
    return Cost(
        lane=real * (COPIES.get(static.optimizer, 5) * weights + 2 * seen * network_numbers(static)),
        seed=real * weights,
        look=(static.n + static.test_size) * IMAGE_SIDE**2 * IMAGE_SETS[static.images].channels,
        step=step_work(static),
    )
