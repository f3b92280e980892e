"""Whether the GPU's kernels can be used here: looked into once, and tried on lanes that are trained plainly too."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import jax
import numpy as np

from adam_vs_gd.engine.chunk import LANES as PER_LANE
from adam_vs_gd.engine.chunk import SeedDraws, batched, compile_programs, sharding
from adam_vs_gd.errors import MachineError
from adam_vs_gd.problem import Kernel
from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.two_patch.fast.cuda import launching, nvrtc, programs
from adam_vs_gd.problems.two_patch.fast.native import extension
from adam_vs_gd.problems.two_patch.geometry import Architecture, architecture
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.problem import two_patch
from adam_vs_gd.surroundings import numerics

if TYPE_CHECKING:
    from adam_vs_gd.problem import Batch

TRIED = {"adam": 1e-2, "gd": 0.1}
"""Optimizers that are tried, and their η: one whose weights stand as coordinates, one in the span."""
LANES, STEPS, RANKS, CLOSE = 4, 20, 5, 1e-3


@functools.cache
def load() -> Kernel:
    """Register the target, and see that the kernels compute what they should; once."""
    try:
        native = extension()
        found = in_use()
        nvrtc.compiler()
        jax.ffi.register_ffi_target(launching.TARGET, native.cuda_target(), platform="CUDA")
    except (ImportError, LookupError, RuntimeError) as error:
        return Kernel("", str(error))
    try:
        works(found)
    except Exception as error:  # whatever a GPU, a driver or an XLA does that is not what was thought
        return Kernel("", f"{str(error).splitlines()[0]}; please report it")
    return Kernel(found.name)


def in_use() -> Architecture:
    """That of the GPUs that JAX has.

    Raises:
        LookupError: if they differ, or the kernels do not know them.
    """
    kinds = sorted({str(getattr(device, "compute_capability", "none")) for device in jax.local_devices()})
    found = architecture(kinds[0])
    if found is None or kinds[1:]:
        raise LookupError(f"the kernels know no GPU of compute capability {', '.join(kinds)}")
    return found


def expected(method: str) -> Architecture:
    """That of the GPUs in use.

    Raises:
        MachineError: if the kernels cannot be used, with the reason.
    """
    kernel = load()
    if not kernel.simd:
        raise MachineError(f"method {method}: there are no kernels for a GPU: {kernel.why_not}")
    return in_use()


def works(on: Architecture) -> None:
    """Train, measure and test a few lanes, and hold them against the same of the plain path.

    Raises:
        RuntimeError: if they are not alike.
        Exception: if the GPU cannot be made to.
    """
    for optimizer, eta in TRIED.items():
        static = Static(optimizer, steps=STEPS, n=8, d=40, width=table1.WIDTH, test_size=40)
        make = programs.in_the_span if optimizer == "gd" else programs.coordinates
        with numerics("float32"):
            found = seen(make(static, RANKS, on, LANES), eta, jax.local_devices()[0])
            want = seen(batched(two_patch(static, RANKS)), eta, elsewhere())
        for name, value in want.items():
            most = np.max(np.abs(value))
            if not np.allclose(found[name], value, rtol=CLOSE, atol=CLOSE * most):
                raise RuntimeError(f"they give other numbers here than the plain path ({optimizer}, {name})")


def elsewhere() -> jax.Device:
    """The CPU; where JAX is kept from it, the GPU itself."""
    try:
        return jax.devices("cpu")[0]
    except RuntimeError:
        return jax.local_devices()[0]


def seen(batch: Batch, eta: float, device: jax.Device) -> dict[str, np.ndarray]:
    """What is measured of a few lanes of a seed after a few steps."""
    numbers = Hyper(alpha=0.2, s=RANKS, sigma_p=0.5, sigma_0=0.1, lam=1e-2, eta=eta, beta1=0.9, beta2=0.99, eps=1e-8)
    hyper = jax.tree.map(lambda value: np.full(LANES, value, np.float32), numbers)
    leaves, tree = jax.tree.flatten(hyper._replace(alpha=np.linspace(0, 0.3, LANES, dtype=np.float32)))
    kinds = tuple(leaf.dtype for leaf in leaves)
    programs = compile_programs(batch, tree, kinds, LANES, 1, (device,), ("start", "advance", "measure", "test"))
    draws = SeedDraws().stack(batch.draw, [0], (device,))
    of_lanes = jax.tree.unflatten(tree, leaves), np.zeros(LANES, np.int32)
    chunk = (*jax.device_put(of_lanes, sharding((device,), PER_LANE)), draws)
    state = programs.advance(*chunk, programs.start(*chunk), np.int32(0), np.int32(STEPS))
    return jax.device_get({**programs.measure(*chunk, state), **programs.test(*chunk, state)})
