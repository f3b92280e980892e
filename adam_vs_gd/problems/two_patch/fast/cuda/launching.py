"""Launching the kernels from programs of JAX: through one FFI target, which finds a kernel by its program's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from adam_vs_gd.errors import MachineError
from adam_vs_gd.problems.two_patch.fast.cuda import nvrtc
from adam_vs_gd.problems.two_patch.fast.native import SWITCH, attributes_of
from adam_vs_gd.problems.two_patch.geometry import Geometry

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Static
    from adam_vs_gd.types import Array

TARGET = "adam_vs_gd_cuda"
IDLE_BLOCKS = 16  # of a lane, for coordinates that no example touches
TEST_PARTS = 4  # blocks of a lane, for its test examples


class Kernels(NamedTuple):
    """A program's kernels, to be called within a traced function.

    Attributes:
        name: of the program.
        geometry: that it is compiled for.
    """

    name: str
    geometry: Geometry

    def __call__(
        self,
        kernel: str,
        blocks: int,
        operands: Sequence[Any],
        results: Sequence[Any] = (),
        in_place: Sequence[Array] = (),
        *,
        shared: int = 0,
        team: int = 1,
    ) -> list[Array]:
        """Launch one.

        Args:
            kernel: which.
            blocks: in all.
            operands: arrays.
            results: shapes of float32 arrays that it writes, or what has a shape and a dtype.
            in_place: arrays that it changes, and that are given up.
            shared: bytes of shared memory.
            team: blocks that wait for each other.

        Returns:
            The results, and then what was changed in place.
        """
        new = [jax.ShapeDtypeStruct(r, np.float32) if isinstance(r, tuple) else r for r in results]
        shapes = [*new, *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in in_place)]
        aliases = {len(operands) + i: len(new) + i for i in range(len(in_place))}
        sizes = {
            "grid": blocks, "team": team, "threads": self.geometry.threads, "shared": shared,
            "cluster": int(self.geometry.cluster), "operands": len(operands),
        }  # fmt: skip
        target = jax.ffi.ffi_call(TARGET, shapes, input_output_aliases=aliases)
        attributes = {name: np.int64(size) for name, size in sizes.items()}
        return list(target(*operands, *in_place, program=self.name, kernel=kernel, **attributes))


def kernels(static: Static, geometry: Geometry) -> Kernels:
    """The kernels for lanes of some shapes, compiled if they have not been before.

    Raises:
        MachineError: if they cannot be.
    """
    try:
        cache = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
        made = nvrtc.program(geometry.on.name, macros_of(geometry, static), cache)
    except nvrtc.CompilerError as error:
        raise MachineError(f"the kernels for {geometry.on.name} cannot be compiled: {error}; "
                           f"with {SWITCH}=off they are done without") from None  # fmt: skip
    from adam_vs_gd import _native

    _native.cuda_program(made.name, made.binary)
    return Kernels(made.name, geometry)


def macros_of(geometry: Geometry, static: Static) -> dict[str, Any]:
    """{macro: number} that a program is compiled for; test examples have the ranks of the others."""
    of, numbers = geometry.of, attributes_of(static)
    banks = 1 if static.model == "linear" else 2
    sizes = {
        "N": of.n, "D": of.d, "RANKS": of.ranks, "TESTS": static.test_size, "TEST_RANKS": of.ranks,
        "WIDTH": static.width, "BANKS": banks, "POWER": static.q, "KIND": numbers["kind"], "LINEAR": numbers["linear"],
        "STEPS": static.steps, "WINDOW": numbers["window"], "BEST_EVERY": numbers["best_every"],
        "FITTED_LOSS": f"{float(numbers['fitted_loss'])!r}f", "ROWS": of.rows, "SHARERS": of.sharers,
        "PARTNERS": geometry.partners, "BLOCKS": geometry.blocks, "QUADS": geometry.quads, "THREADS": geometry.threads,
        "ACROSS": geometry.across, "CLUSTER": int(geometry.cluster), "TILE": geometry.tile,
        "LIST_WORDS": geometry.list_words, "SHARED": geometry.shared, "SHARED_SEEN": geometry.shared_seen,
        "IDLE_BLOCKS": IDLE_BLOCKS, "TEST_PARTS": TEST_PARTS, "TEST_SHARED": int(geometry.tests_are_shared),
        "SHARED_TESTED": geometry.shared_tested, "SHARED_IDLE": geometry.shared_idle,
    }  # fmt: skip
    return {f"SHAPE_{name}": value for name, value in sizes.items()}
