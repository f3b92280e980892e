"""The yardstick: how fast plain float32 matrix products run on the devices that the engine uses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np

from adam_vs_gd.engine.chunk import LANES, SHARED, sharding, spread
from adam_vs_gd.engine.machine import use_devices

if TYPE_CHECKING:
    from adam_vs_gd.types import Array

PRODUCTS = 4  # in a row, in one program, so that starting it does not count


def matmul_peak(devices: Sequence[jax.Device] | None = None, size: int = 1024, repeats: int = 10) -> float:
    """FLOP/s of square float32 products, every device multiplying its own; the best of several tries.

    Args:
        devices: where; by default where the engine would: one XLA host device per core, or the accelerators.
        size: side of the matrices. 1024 fills a core; an accelerator wants 8192.
        repeats: tries.

    Returns:
        All devices together, a multiplication and an addition counting as two; full float32, no TF32 or bfloat16.
    """
    devices = use_devices() if devices is None else devices

    def products(x: Array, a: Array) -> Array:
        one = lambda _, x: jax.lax.dot(x, a, precision=jax.lax.Precision.HIGHEST)  # noqa: E731
        return jax.lax.fori_loop(0, PRODUCTS, one, x)

    rng = np.random.default_rng(0)
    a = rng.standard_normal((size, size), np.float32) / np.float32(size**0.5)  # products neither grow nor vanish
    x = jax.device_put(np.tile(a, (len(devices), 1)), sharding(devices, LANES))
    inputs = jax.block_until_ready((x, jax.device_put(a, sharding(devices, SHARED))))
    program = spread(products, devices, (LANES, SHARED)).trace(*inputs).lower().compile()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        program(*inputs).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return len(devices) * PRODUCTS * 2 * size**3 / min(seconds)
