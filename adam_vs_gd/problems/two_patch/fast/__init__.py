"""Exact reformulations of the two-patch problem, each tested against the plain path; `ways` says which is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adam_vs_gd.engine.chunk import batched
from adam_vs_gd.errors import MachineError
from adam_vs_gd.problem import Way
from adam_vs_gd.problems.two_patch.fast import native
from adam_vs_gd.problems.two_patch.fast.cuda import available, programs
from adam_vs_gd.problems.two_patch.fast.dense import dense
from adam_vs_gd.problems.two_patch.fast.gram import gram
from adam_vs_gd.problems.two_patch.fast.span import span
from adam_vs_gd.problems.two_patch.fast.sparse import products, sparse
from adam_vs_gd.problems.two_patch.own import BUILT_IN, Own
from adam_vs_gd.problems.two_patch.problem import two_patch
from adam_vs_gd.problems.two_patch.ways import NATIVE, by_products

if TYPE_CHECKING:
    from adam_vs_gd.problem import Batch
    from adam_vs_gd.problems.two_patch.lane import Static


def make_batch(static: Static, ranks: int, way: Way, block: int, own: Own = BUILT_IN) -> Batch:
    """What a group's programs are made of.

    Args:
        static: shapes, model and optimizer.
        ranks: R, at least the largest s of the lanes; results do not depend on it.
        way: one of `ways`.
        block: lanes in a row that share seed and s, where the way makes use of it.
        own: what of it is somebody else's.

    Raises:
        MachineError: if the way is native, and the kernel cannot be used.
        ValueError: if the way is not right for the lanes.
    """
    name, foreign = way.name, static.foreign
    right = name == "plain" or (by_products(static) and not foreign)
    if not right and not (name == "products" and by_products(static) and foreign.keys() == {"optimizer"}):
        what = ", ".join(foreign.values()) or static.sampler or static.model
        raise ValueError(f"method {name}: is not right for {what}, which is trained by plain")
    if name in NATIVE and not (kernel := native.load()).simd:
        raise MachineError(f"method {name}: there is no native kernel: {kernel.why_not}")
    match name:
        case "plain":
            return batched(two_patch(static, ranks, own=own))
        case "sparse":
            return sparse(static, ranks)
        case "products":
            return products(static, ranks, own)
        case "span":
            return span(static, ranks)
        case "dense":
            return dense(static, ranks, block, way)
        case "gram":
            return gram(static, ranks, block, way)
        case "cuda":
            return programs.coordinates(static, ranks, available.expected(name), block)
        case "cuda_span":
            return programs.in_the_span(static, ranks, available.expected(name), block)
    raise ValueError(f"method {name!r}: there is none of that name")
