"""The ways to train a lane on two patches: which is chosen, and what each takes. Pure, no JAX.

    plain    one lane after the paper, vmapped: the reference, steps on batches, and somebody else's model or data
    sparse   native: weights as coordinates, noise as sparse rows
    products native in its products with the noise, which are sparse, XLA in the rest: any optimizer
    span     native: gradient descent in the span of the data
    dense    XLA: weights as coordinates, lanes of one seed and s share one dense noise matrix
    gram     XLA: gradient descent in the span of the data
    cuda     a GPU's kernels: what `sparse` is
    cuda_span  the same: what `span` is

All but the first are the path "fast", and right for the models of `RIGHT_FOR` and for Definition 3.1's data alone: they
compute those models' products and activations themselves. Steps on batches are taken plainly or by `sparse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adam_vs_gd.problem import MIN_WIDTH, Cost, Machine, Way
from adam_vs_gd.problems.learning.numbers import COPIES, LINEAR_RULES, real_bytes
from adam_vs_gd.problems.learning.table1 import KINDS
from adam_vs_gd.problems.two_patch.geometry import Sizes, named, of_coordinates
from adam_vs_gd.problems.two_patch.geometry import in_span as in_span_of
from adam_vs_gd.types import REST

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static
    from adam_vs_gd.spec.cells import Lane

RIGHT_FOR = frozenset({"two_layer_cnn", "linear"})
"""Models that the fast ways know, without biases and with their second layer fixed; others are trained plainly."""
FUSED = frozenset({"gd", "signgd", "adam", "adam_paper"})  # optimizers that a GPU's kernels know
COORDINATE_WISE = FUSED | {
    "momentum", "nesterov", "signum", "lion", "rmsprop", "adagrad", "adamw", "amsgrad", "adabound", "adam_power",
}  # fmt: skip
"""Optimizers that the native kernel knows: those that move each weight by its own gradient alone."""
NATIVE = frozenset({"sparse", "products", "span"})
CUDA = frozenset({"cuda", "cuda_span"})
WIDE = frozenset({"dense", "gram"})  # XLA's, that take wide blocks and rounds on an accelerator
SPARSE_SHARE = 0.8  # s/d up to which sparse products are faster than dense ones (benchmarks/crossover.py)
CUDA_SHARE = 0.5  # the same on a GPU, by a count of what an entry takes in either
LOOKED_AT = 2**25  # coordinates of examples, of all lanes that an accelerator measures at once, about
BEST_EVERY = 10  # W* is looked for every so many steps, and at T

WAYS = {
    "plain": Way("plain"),
    "sparse": Way("sparse", least=1),  # the native kernel rounds a lane alike in any company, and in none
    "products": Way("products"),
    "span": Way("span", least=1),
    "dense": Way("dense", MIN_WIDTH, shares=True),
    "gram": Way("gram", MIN_WIDTH, shares=True),
    "cuda": Way("cuda", least=1, shares=True),
    "cuda_span": Way("cuda_span", least=1, shares=True),
}


def way_of(static: Static, hyper: Hyper, machine: Machine) -> Way:
    """How a lane is trained: a function of its own numbers, so that no other lane of a sweep changes it.

    Momentum stays in the span beside the kernel, which knows it as coordinates only: at Table 1's size on two cores
    `gram` was 3 to 7 times as fast as `products`.
    """
    if machine.path == "reference" or not by_products(static):
        return WAYS["plain"]
    native = machine.native and static.precision == "float32" and has_powers(static)
    few = native and machine.platform == "cpu" and hyper.s <= SPARSE_SHARE * static.d
    if static.batch_size:
        return WAYS["sparse" if few and static.optimizer in COORDINATE_WISE else "plain"]
    in_span = static.optimizer in LINEAR_RULES and static.n + 1 < static.d
    by_xla = "gram" if in_span else "dense" if static.optimizer in KINDS else "plain"
    if machine.platform != "cpu":
        products = machine.products if static.precision == "float32" else "float32"
        kernel = kernel_on(machine.simd, static, hyper, in_span) if native else ""
        return way_on(machine.platform, kernel or by_xla, products)
    if native and in_span and static.optimizer == "gd":
        return WAYS["span"]
    if few and not in_span:
        return WAYS["sparse" if static.optimizer in COORDINATE_WISE else "products"]
    return WAYS[by_xla]


def by_products(static: Static) -> bool:
    """Whether a lane's data are Definition 3.1's, and its model sees them through products with filters alone."""
    more = {"bias", "second_layer"} & dict(static.options).keys()
    return static.model in RIGHT_FOR and not more and not static.sampler and "data" not in static.foreign


def has_powers(static: Static) -> bool:
    """Whether the activation is a power that is flat at 0, as native kernels have it; or none, in a linear model."""
    return static.option("activation", "relu") == "relu" and (static.q >= 2 or static.model == "linear")


def way_on(platform: str, name: str, products: str = "float32") -> Way:
    """A way as it is on a platform: XLA's are wide on an accelerator, and take products as they are told to."""
    if platform == "cpu" or name not in WIDE:
        return WAYS[name]
    return WAYS[name]._replace(wide=True, products=products)


def kernel_on(name: str, static: Static, hyper: Hyper, in_span: bool) -> str:
    """The way of a GPU's kernels, on the architecture of that name; "" where a lane finds no room, or gains nothing.

    A lane is laid out as those with its own s are: what others need that are trained beside it does not matter.
    """
    on, sizes = named(name), sizes_of(static, int(hyper.s), 1)
    if (
        not on
        or static.optimizer not in FUSED
        or static.own
        or not of_coordinates(sizes._replace(trained=not in_span), on)
    ):
        return ""
    if in_span:
        return "cuda_span" if in_span_of(sizes, on) else ""
    return "cuda" if hyper.s <= CUDA_SHARE * static.d else ""


def share(lane: Lane) -> tuple[int, int]:
    """What lanes that share their noise have in common."""
    return lane.seed, int(lane.hyper.s)


def ranks_of(lanes: Sequence[Lane]) -> int:
    """R, the largest s among lanes."""
    return max(int(lane.hyper.s) for lane in lanes)


def filters(static: Static) -> int:
    """C, filters of a lane."""
    return (1 if static.model == "linear" else 2) * static.width


def patches(static: Static) -> int:
    """Patches of an example that are held: of Definition 3.1's only the noise is."""
    return (int(static.option("patches", 1)) + (static.sampler == "features")) if static.sampler else 1


def rows_of(static: Static, ranks: int) -> int:
    """Coordinates that a training set of so many ranks can touch, and coordinate 0."""
    return min(static.d, static.n * ranks + 1)


def sizes_of(static: Static, ranks: int, sharers: int) -> Sizes:
    """What a GPU's kernels are laid out by; they leave coordinates idle where fewer than half are touched."""
    touched, moments = static.n * ranks + 1, {"signgd": 0, "gd": 1}.get(static.optimizer, 2)
    rows = touched if 2 * touched < static.d else static.d
    return Sizes(static.n, static.d, ranks, rows, filters(static), moments, sharers)


def cost(static: Static, ranks: int, way: Way) -> Cost:
    """What lanes take: bytes, and operations of a step."""
    return Cost(
        lane=lane_bytes(static, way.name),
        seed=seed_bytes(static, ranks),
        look=look_bytes(static, way),
        step=step_work(static, way.name, ranks),
        block=block_bytes(static, way.name, ranks),
    )


def lane_bytes(static: Static, method: str) -> int:
    """Bytes of a lane while it trains: weights, W*, moments, gradient; its own data; products and activations.

    A lane that is taken to rest has a copy of its state as it was a segment ago.
    """
    copies = COPIES.get(static.optimizer, 5)
    weights, products = filters(static) * static.d, filters(static) * static.n
    held = {
        "plain": copies * weights + patches(static) * (static.n + static.batch_size) * static.d + 4 * products,
        "sparse": copies * weights + 4 * products,
        "products": copies * weights + 4 * products,
        "span": 4 * products + 2 * weights,  # weights are put together for a test
        "dense": copies * weights + 4 * products,
        "gram": (copies + 2) * products,
        "cuda": (copies + 2) * weights + products,  # W* and a candidate for it are kept aside
        "cuda_span": 4 * products + 2 * weights,
    }
    kept = {"gram": copies * products} | dict.fromkeys(("span", "cuda_span"), 4 * products)
    beside = kept.get(method, copies * weights) * (static.until == REST)
    return real_bytes(static.precision) * (held[method] + beside)


def block_bytes(static: Static, method: str, ranks: int) -> int:
    """Bytes of what the lanes of a block share: their noise, in the span with its products."""
    rows, lists = rows_of(static, ranks), 4 * static.n * ranks
    span = static.n * (static.n + rows) + filters(static) * (static.n + rows)
    shared = {"dense": static.n * rows, "gram": span, "cuda": lists, "cuda_span": span + lists}
    return real_bytes(static.precision) * shared.get(method, 0)


def seed_bytes(static: Static, ranks: int) -> int:
    """Bytes of a seed's draws: training and test noise by rank (an int32 and a real each), unit weights."""
    real, examples = real_bytes(static.precision), static.n + static.test_size
    weights = real * filters(static) * static.d
    if static.sampler and static.sampler != "features":
        return real * static.d * examples + weights
    rotated = real * static.d**2 if static.option("direction") == "rotated" else 0
    return (4 + real) * ranks * max(1, patches(static) - 2) * examples + weights + rotated


def look_bytes(static: Static, way: Way) -> int:
    """Bytes of a lane while it is measured, and of the block of test examples that exists at once."""
    weights = filters(static) * static.d
    if way.name in NATIVE | CUDA:
        return real_bytes(static.precision) * (6 * weights + 4 * filters(static) * min(10_000, static.test_size))
    arrays = 1 + patches(static) if static.sampler else 1
    seen = min(1000, static.test_size) * static.d * arrays
    return real_bytes(static.precision) * max(seen, LOOKED_AT * way.wide)


def step_work(static: Static, method: str, ranks: int) -> float:
    """Floating-point operations of a lane's step, about: its products, and ten for each number that is updated.

    On batches, the products are those of a batch, and of all examples at every tenth step.
    """
    n, c = float(static.n), filters(static)
    if static.batch_size:
        n = static.batch_size + n / BEST_EVERY
    if method in ("span", "gram", "cuda_span"):
        return c * (2.0 * n * n + 20 * n)
    sparse = dict.fromkeys(("sparse", "products", "cuda"), ranks)
    noise = n * {**sparse, "plain": patches(static) * static.d}.get(method, rows_of(static, ranks))
    return c * (4.0 * noise + 20 * n + 10 * static.d)
