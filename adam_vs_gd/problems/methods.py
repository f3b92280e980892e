"""The ways to train a lane: which is chosen, and what each takes. Pure, no JAX.

    plain    one lane after the paper, vmapped: the reference, and steps on batches
    sparse   native: weights as coordinates, noise as sparse rows
    products native in its products with the noise, which are sparse, XLA in the rest: any optimizer
    span     native: gradient descent in the span of the data
    dense    XLA: weights as coordinates, lanes of one seed and s share one dense noise matrix
    gram     XLA: gradient descent in the span of the data
    network  XLA: a network on images, a lane after the other on a CPU, where one fills the cache

All but the first and the last are the path "fast"; a network has one way on either path. A batch is another part of the
data at each step, which neither the span nor the native kernel knows of: lanes on batches are trained plainly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adam_vs_gd.problems.keys import BEST_EVERY, IMAGE_SETS, IMAGE_SIDE, LINEAR, ON_IMAGES

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Static

PATHS = ("fast", "reference")
FUSED = frozenset({"gd", "signgd", "adam", "adam_paper"})  # optimizers that the native kernel knows
NATIVE = frozenset({"sparse", "products", "span"})
MIN_WIDTH = 4  # lanes on a device at least where XLA steps them: it rounds narrower ones differently
ALONE = ("network",)  # methods whose lanes a CPU's device trains one by one: each fills its cache
SHARING = ("dense", "gram")  # methods for which lanes of one seed and s stand in blocks
LOOKED_AT = 250  # images that are measured at once
BLOCK = 4  # places of a block; fixed, because the width of a matrix product may change its rounding
SPARSE_SHARE = 0.8  # s/d up to which sparse products are faster than dense ones (benchmarks/crossover.py)


@dataclass(frozen=True)
class Means:
    """What there is to train lanes with.

    Attributes:
        path: one of `PATHS`.
        native: whether the native kernel can be used.
    """

    path: str = "fast"
    native: bool = False


def method_of(static: Static, s: int, means: Means) -> str:
    """How a lane is trained: a function of its own numbers, so that no other lane of a sweep changes it.

    Networks are `network`, and lanes with a batch size `plain`, whatever the path. Momentum, which the kernel does not
    know, stays in the span beside the kernel too: at Table 1's size on two cores `gram` was 3 to 7 times as fast as
    `products`.
    """
    if static.model in ON_IMAGES:
        return "network"
    if means.path == "reference" or static.batch_size:
        return "plain"
    native = means.native and static.precision == "float32"
    if static.optimizer in LINEAR and static.n + 1 < static.d:
        return "span" if native and static.optimizer in FUSED else "gram"
    if native and s <= SPARSE_SHARE * static.d:
        return "sparse" if static.optimizer in FUSED else "products"
    return "dense"


def least_width(method: str) -> int:
    """Lanes on a device, at least; the native kernel rounds a lane alike in any company, and in none."""
    return 1 if method in ("sparse", "span", "network") else MIN_WIDTH


def real_bytes(static: Static) -> int:
    """Bytes of a number."""
    return 8 if static.precision == "float64" else 4


def filters(static: Static) -> int:
    """C, filters of a lane."""
    return (1 if static.model == "linear" else 2) * static.width


def network_weights(static: Static) -> int:
    """Weights of `models.AlexNet`."""
    sizes, w = IMAGE_SETS[static.images], static.width
    return 597 * w * w + (121 * sizes.channels + 18) * w + (4 * w + 1) * sizes.classes


def network_numbers(static: Static) -> int:
    """Numbers that a network's forward pass makes of an image, about: patches and activations."""
    return 64 * 144 * IMAGE_SETS[static.images].channels + 1300 * static.width


def rows_of(static: Static, ranks: int) -> int:
    """Coordinates that a training set of so many ranks can touch, and coordinate 0."""
    return min(static.d, static.n * ranks + 1)


def lane_bytes(static: Static, method: str, ranks: int) -> int:
    """Bytes of a lane while it trains: weights, W*, moments, gradient; its training set; products and activations."""
    copies = {"gd": 4, "signgd": 3}.get(static.optimizer, 5)
    if method == "network":
        seen = max(static.batch_size, LOOKED_AT)
        return real_bytes(static) * (copies * network_weights(static) + 2 * seen * network_numbers(static))
    weights, products = filters(static) * static.d, filters(static) * static.n
    held = {
        "plain": copies * weights + (static.n + static.batch_size) * static.d + 4 * products,
        "sparse": copies * weights + 4 * products,
        "products": copies * weights + 4 * products,
        "span": 4 * products + 2 * weights,  # weights are put together for a test
        "dense": copies * weights + static.n * rows_of(static, ranks) + 4 * products,
        "gram": (copies + 2) * products + static.n * (static.n + rows_of(static, ranks)),
    }
    return real_bytes(static) * held[method]


def seed_bytes(static: Static, ranks: int) -> int:
    """Bytes of a seed's draws: training and test noise by rank (an int32 and a real each), unit weights."""
    if static.images:
        return real_bytes(static) * network_weights(static)
    real = real_bytes(static)
    return (4 + real) * ranks * (static.n + static.test_size) + real * filters(static) * static.d


def look_bytes(static: Static, method: str) -> int:
    """Bytes of a lane while it is measured, and of the block of test examples that exists at once; of all images."""
    if static.images:
        return (static.n + static.test_size) * IMAGE_SIDE**2 * IMAGE_SETS[static.images].channels
    weights = filters(static) * static.d
    if method in NATIVE:
        return real_bytes(static) * (6 * weights + 4 * filters(static) * min(10_000, static.test_size))
    return real_bytes(static) * min(1000, static.test_size) * static.d


def step_work(static: Static, method: str, ranks: int) -> float:
    """Floating-point operations of a lane's step, about: its products, and ten for each number that is updated.

    On batches, the products are those of a batch, and of all examples at every tenth step.
    """
    if method == "network":
        products = 27_648 * static.width + 3_288 * static.width**2  # of a forward pass of an image
        return 6.0 * (static.batch_size or static.n) * products + 10 * network_weights(static)
    n, c = float(static.n), filters(static)
    if static.batch_size:
        n = static.batch_size + n / BEST_EVERY
    if method in ("span", "gram"):
        return c * (2.0 * n * n + 20 * n)
    noise = n * {"sparse": ranks, "products": ranks, "plain": static.d}.get(method, rows_of(static, ranks))
    return c * (4.0 * noise + 20 * n + 10 * static.d)
