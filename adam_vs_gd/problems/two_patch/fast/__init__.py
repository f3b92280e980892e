"""Exact reformulations of the two-patch problem, each tested against the plain path; `methods` says which is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adam_vs_gd.engine.chunk import batched
from adam_vs_gd.errors import MachineError
from adam_vs_gd.problems.methods import NATIVE
from adam_vs_gd.problems.two_patch.fast import native
from adam_vs_gd.problems.two_patch.fast.dense import dense
from adam_vs_gd.problems.two_patch.fast.gram import gram
from adam_vs_gd.problems.two_patch.fast.span import span
from adam_vs_gd.problems.two_patch.fast.sparse import products, sparse
from adam_vs_gd.problems.two_patch.problem import two_patch

if TYPE_CHECKING:
    from adam_vs_gd.problem import Batch
    from adam_vs_gd.problems.two_patch.lane import Static


def make_batch(static: Static, ranks: int, method: str, block: int) -> Batch:
    """What a group's programs are made of.

    Args:
        static: shapes, model and optimizer.
        ranks: R, at least the largest s of the lanes; results do not depend on it.
        method: one of `methods`.
        block: lanes in a row that share seed and s, where the method makes use of it.

    Raises:
        MachineError: if the method is native, and the kernel cannot be used.
    """
    if method in NATIVE and not (kernel := native.load()).simd:
        raise MachineError(f"method {method}: there is no native kernel: {kernel.why_not}")
    match method:
        case "plain":
            return batched(two_patch(static, ranks))
        case "sparse":
            return sparse(static, ranks)
        case "products":
            return products(static, ranks)
        case "span":
            return span(static, ranks)
        case "dense":
            return dense(static, ranks, block)
        case "gram":
            return gram(static, ranks, block)
    raise ValueError(f"method {method!r}: there is none of that name")
