"""How a sweep is run, and what is told of where it ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from adam_vs_gd.engine.machine import kernel_of, limits_of
from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.errors import MachineError
from adam_vs_gd.problem import Family
from adam_vs_gd.spec.plain import about, plain
from adam_vs_gd.spec.values import is_number
from adam_vs_gd.store.provenance import processor
from adam_vs_gd.surroundings import recorded

PATHS = ("fast", "reference")
PRODUCTS = ("float32", "tf32x3", "bf16x3")
"""How an accelerator may take the products of steps: in float32, or as three products of parts on tensor cores."""
CHECKPOINT_SECONDS = 120.0
SILENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Settings:
    """How a sweep is run. None of it changes a number beyond rounding, and on a CPU none a bit.

    Attributes:
        devices: how many to spread lanes over; all by default. On a CPU that is one XLA host device per core, if
            nothing has used JAX yet in this process.
        memory: bytes that a chunk of lanes may take, of each device on an accelerator and of all together on a CPU; by
            default a safe share of what is free.
        path: "fast", exact reformulations that are chosen lane by lane; or "reference", the plain step of the problem.
        products: how an accelerator takes the matrix products of XLA's steps; the family's kernels have none.
        checkpoint_every: seconds between checkpoints within a chunk.
        silence: seconds without a sign of life, of which a worker gives one every ten, after which it counts as lost.
        wait: wait while another process runs a sweep in the folder, and do not give up.
        compile_cache: keep compiled programs in the user's cache folder (or wherever JAX is told to keep them).
        allow_mixed: let a folder hold chunks that round differently: of other platforms, paths, kernels or settings.
        quiet: no progress on stderr.

    Raises:
        MachineError: if one of them is impossible.
    """

    devices: int | None = None
    memory: int | None = None
    path: str = PATHS[0]
    products: str = PRODUCTS[0]
    checkpoint_every: float = CHECKPOINT_SECONDS
    silence: float = SILENCE_SECONDS
    wait: bool = False
    compile_cache: bool = True
    allow_mixed: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        for key, words in (("path", PATHS), ("products", PRODUCTS)):
            if plain(word := getattr(self, key)) not in words:
                raise MachineError(f"{key} = {about(word)}: must be one of {', '.join(words)}")
        numbers = (("devices", 1, True), ("memory", 1, False), ("checkpoint_every", 0, False), ("silence", 1, False))
        for key, least, integral in numbers:
            value = plain(getattr(self, key))
            if value is None:
                continue
            if not is_number(value) or not least <= value < np.inf:
                raise MachineError(f"{key} = {about(value)}: must be a number, at least {least}")
            if integral and value != int(value):
                raise MachineError(f"{key} = {about(value)}: must be an integer")
            object.__setattr__(self, key, int(value) if integral else value)

    def limits(self, family: Family, devices: tuple[jax.Device, ...]) -> Limits:
        """What a chunk may take on these devices, with the memory that is free now."""
        return limits_of(family, devices, self.memory, self.path, self.products)


DEFAULTS = Settings()


def describe_machine(
    family: Family, devices: Sequence[jax.Device], path: str, products: str = PRODUCTS[0]
) -> dict[str, str]:
    """Where lanes are trained, and by which code."""
    platform = devices[0].platform
    device = processor() if platform == "cpu" else devices[0].device_kind
    kernel, around = kernel_of(family, devices, path), recorded(platform)
    code = kernel.simd if kernel and kernel.simd else "XLA"
    return {
        "platform": platform, "device": device, "path": path,
        "kernel": code if products == PRODUCTS[0] else f"{code}, {products}",
        **({"settings": around} if around else {}),
    }  # fmt: skip
