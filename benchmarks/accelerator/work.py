"""What is measured, and where: sizes, devices, lanes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from accelerator.internals import (
    FAMILY,
    Chunk,
    Group,
    SweepSpec,
    blocks_of,
    cells,
    processor,
    refuse_settings,
    use_devices,
    way_on,
)

Figures = dict[str, Any]
MISSING = "not measured"
RESULTS: Mapping[str, str] = {
    "test_error": "test error",
    "train_error": "training error",
    "feature_learning": "feature learning",
    "noise_memorization": "noise memorization",
}
"""What a training is told by, and what results/table1/table1.md calls it."""
METHODS: Mapping[str, tuple[str, ...]] = {
    "adam": ("cuda", "sparse", "dense", "plain"),
    "gd": ("cuda_span", "span", "gram", "dense", "plain"),
}
"""By optimizer, the one that is chosen first; those of kernels are left out where these do not run."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        keys: of a spec; what is left out is as in Table 1.
        seeds: of Table 1, at first and at the end.
        lanes: widths, the most telling first.
        methods: by optimizer.
        precisions: of products, the package's own first.
        numerics: optimizers that are trained at each of them.
        whole: seeds and values of α of a sweep that is timed from its first step to its last measurement.
        patience: what a guess of a step's time is multiplied by.
    """

    keys: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, int] = (2, 5)
    lanes: tuple[int, ...] = (256, 64, 512, 128, 32, 16)
    methods: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: METHODS)
    precisions: tuple[str, ...] = ("highest", "high", "default", "TF32_TF32_F32_X3", "BF16_BF16_F32_X3")
    numerics: tuple[str, ...] = ("adam", "gd")
    whole: tuple[int, int] = (5, 100)
    patience: float = 1.0


FULL = Sizes()
QUICK = Sizes(
    {"steps": 40, "data": {"n": 20, "d": 60, "s": 6, "test_size": 100}, "model": {"width": 4}},
    seeds=(2, 2), lanes=(8,), methods={"adam": ("dense",), "gd": ("gram",)},
    precisions=("default", "TF32_TF32_F32_X3"), numerics=("adam",), whole=(2, 4), patience=0.1,
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """Where it is measured.

    Attributes:
        devices: the first accelerator; or the CPU's, one for each core.
        cpu: the CPU's devices.
        deadline: of `time.monotonic`.
    """

    devices: tuple[jax.Device, ...]
    cpu: tuple[jax.Device, ...]
    deadline: float

    @property
    def on_cpu(self) -> bool:
        """Whether there is no accelerator."""
        return self.devices == self.cpu

    @property
    def name(self) -> str:
        """The device for people."""
        return name_of(self.devices)


def find_machine(deadline: float) -> Machine:
    """Start JAX, without its cache of compiled programs: what compiling takes is measured.

    Raises:
        SystemExit: if JAX is told to use an accelerator, and finds none.
    """
    refuse_settings()
    jax.config.update("jax_enable_compilation_cache", False)
    devices = use_devices()
    if devices[0].platform == "cpu":
        if asked := os.environ.get("JAX_PLATFORMS", "").removesuffix("cpu").strip(","):
            raise SystemExit(f"JAX finds no device for JAX_PLATFORMS={asked}: is '.[cuda]' or '.[tpu]' installed?")
        return Machine(devices, devices, deadline)
    return Machine(devices[:1], tuple(jax.local_devices(backend="cpu")), deadline)


def reason_of(error: BaseException) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def name_of(devices: Sequence[jax.Device]) -> str:
    """A device for people: what it is, and of a CPU how many cores are used."""
    on_cpu = devices[0].platform == "cpu"
    return f"{processor()}, {len(devices)} cores" if on_cpu else devices[0].device_kind


def slug(name: str) -> str:
    """A device as the name of a file."""
    kind = re.sub(r"\((r|tm)\)", "", name.partition(",")[0].lower())
    return re.sub(r"[^a-z0-9]+", "-", kind).strip("-")


def spec_of(sizes: Sizes, optimizer: str, seeds: int, **keys: Mapping[str, Any]) -> SweepSpec:
    """A sweep of one optimizer without trajectories; the tables in `keys` add to those of the sizes."""
    tables = {key: {**sizes.keys.get(key, {}), **table} for key, table in keys.items()}
    return SweepSpec(name="accelerator", seeds=seeds, record=0, optimizers={optimizer: {}}, **{**sizes.keys, **tables})


def size_of(sizes: Sizes) -> str:
    """The size of a lane, for people."""
    _, lane = next(cells(spec_of(sizes, "adam", 1)))
    static = lane.static
    return (
        f"n = {static.n}, d = {static.d}, s = {lane.hyper.s}, m = {static.width}, T = {static.steps}, "
        f"{static.test_size} test examples"
    )


def group_of(machine: Machine, sizes: Sizes, optimizer: str, method: str, lanes: int) -> Group:
    """So many lanes side by side by a method: of four seeds, and of α between 0.2 and 0.8."""
    seeds = min(4, lanes)
    alpha = {"linspace": [0.2, 0.8, lanes // seeds]}
    spec = spec_of(sizes, optimizer, seeds, data={"alpha": alpha, "test_size": 2})
    found = sorted((lane for _, lane in cells(spec)), key=lambda lane: lane.seed)
    static, ranks, way = found[0].static, int(found[0].hyper.s), way_on(machine.devices[0].platform, method)
    block = blocks_of(way, found, FAMILY.share)[0]
    most = min(len(machine.devices), lanes // way.least)
    devices = max(k for k in range(1, most + 1) if lanes % (k * block) == 0)
    return Group(FAMILY, static, ranks, way, 0, devices, lanes, seeds, (Chunk(tuple(found)),), block)
