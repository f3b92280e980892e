"""What there is to run on: devices, their free memory, and where compiled programs are kept."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import platformdirs
import psutil

from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.errors import MachineError
from adam_vs_gd.problem import Family, Kernel, Machine

SAFE_SHARE = 0.8  # of the memory that is free
CPU_LIMITS = (2**24, 32)
"""Bytes of training lanes, and lanes, on a device. On a CPU wider is no faster: what stays near the cache is enough."""
ACCELERATOR_LIMITS = (2**32, 512)
MOST_HOST_DEVICES = 1024
OWN_GROUPS, CONTROL_GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
"""Which control groups this process is in, and what they may use: a container's or a batch job's limits."""


def use_devices(count: int | None = None) -> tuple[jax.Device, ...]:
    """The devices of this process to spread lanes over; starts JAX's backend.

    On a CPU there is one XLA host device per core, unless the backend runs already.

    Args:
        count: how many; all by default.

    Raises:
        MachineError: if there are not so many, or JAX cannot start, with the fix.
    """
    if (count or 1) > MOST_HOST_DEVICES:
        raise MachineError(f"--devices {count}: at most {MOST_HOST_DEVICES}; leave it out for all there are")
    try:
        if not host_devices_are_chosen():
            jax.config.update("jax_num_cpu_devices", count or cores())
        why = "they were chosen before"
    except RuntimeError:
        why = "JAX already runs in it"
    default = jax.config.jax_default_device  # type: ignore[attr-defined]
    pinned = isinstance(default, jax.Device)
    try:
        devices = jax.local_devices(backend=default.platform if pinned else None)
    except (RuntimeError, AssertionError) as error:
        asked = jax.config.jax_platforms  # type: ignore[attr-defined]
        on = f" with JAX_PLATFORMS={asked}" if asked else ""
        reason = str(error) or "there is no such device, or no jaxlib for it"
        raise MachineError(f"JAX cannot start{on}: {reason}; with JAX_PLATFORMS=cpu it runs on the CPU") from None
    if count is None:
        return tuple(devices)
    if count > len(devices):
        have = f"--devices {count}: this process has {len(devices)} ({devices[0].platform})"
        if devices[0].platform == "cpu":
            raise MachineError(
                f"{have}, because {why}; set JAX_NUM_CPU_DEVICES={count} before the process starts, or call "
                f'jax.config.update("jax_num_cpu_devices", {count}) before anything else uses JAX'
            )
        raise MachineError(f"{have}; choose 1 .. {len(devices)}")
    return tuple(devices[:count])


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def host_devices_are_chosen() -> bool:
    """Whether the number of XLA host devices has been set by somebody else."""
    by_jax = jax.config.jax_num_cpu_devices >= 0  # type: ignore[attr-defined]
    return by_jax or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")


def free_bytes(device: jax.Device) -> int:
    """Free memory of a device; of the host, or of the container around us, for a CPU."""
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return min([psutil.virtual_memory().available, *container_bytes()])


def container_bytes() -> Iterator[int]:
    """What each control group around this process leaves it; memory that the kernel gives back when asked is free.

    Groups of version 2 and of version 1, this process's own and those around it as far as they are seen from here.
    """
    with contextlib.suppress(OSError):
        for line in OWN_GROUPS.read_text().splitlines():
            _, kinds, own = line.split(":", 2)
            if kinds not in ("", "memory"):
                continue
            root = CONTROL_GROUPS / kinds
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kinds else ("memory.max", "memory.current")
            inner = root / own.lstrip("/")
            for group in (inner, *(path for path in inner.parents if path.is_relative_to(root))):
                with contextlib.suppress(OSError, ValueError):  # absent, or "max"
                    limit, used = (int((group / name).read_text()) for name in names)
                    yield limit - used + reclaimable(group)


def reclaimable(group: Path) -> int:
    """Bytes of a control group that are only a cache of files."""
    with contextlib.suppress(OSError, ValueError):
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(stat.get("total_inactive_file") or stat["inactive_file"]) + int(stat.get("slab_reclaimable", 0))
    return 0


def kernel_of(family: Family, devices: Sequence[jax.Device], path: str) -> Kernel | None:
    """The native code that a family uses on these devices: on the fast path, if it has any."""
    return family.kernel(devices[0].platform) if path == "fast" else None


def expect_products(products: str, devices: Sequence[jax.Device]) -> None:
    """See that devices can take matrix products so.

    Raises:
        MachineError: if not.
    """
    if products != "float32" and devices[0].platform == "cpu":
        raise MachineError(f"products = {products}: is for accelerators; a CPU multiplies in float32")


def limits_of(
    family: Family,
    devices: tuple[jax.Device, ...],
    memory: int | None = None,
    path: str = "fast",
    products: str = "float32",
) -> Limits:
    """What a chunk may take on these devices.

    Args:
        family: of the lanes.
        devices: those that share its lanes.
        memory: bytes, of each device on an accelerator and of all together on a CPU; by default a safe share of what
            is free.
        path: "fast" or "reference".
        products: one of `settings.PRODUCTS`.
    """
    on_cpu = devices[0].platform == "cpu"
    free = int(SAFE_SHARE * min(map(free_bytes, devices))) if memory is None else memory
    cache, width = CPU_LIMITS if on_cpu else ACCELERATOR_LIMITS
    kernel = kernel_of(family, devices, path)
    simd = kernel.simd if kernel else ""
    machine = Machine(path, simd != "", devices[0].platform, simd, products)
    return Limits(len(devices), free, cache, width, shared=on_cpu, machine=machine)


def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def keep_compiled() -> None:
    """Keep compiled programs in the user's cache folder, unless JAX is told to keep them elsewhere.

    Each host has its own there: a home may be that of many, JAX's names for programs do not tell instruction sets
    apart, and it writes entries in place. Processes of one host share theirs: of two that write one entry the second
    writes the same again, and who reads it half written compiles.
    """
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        where = Path(platformdirs.user_cache_dir("adam-vs-gd", appauthor=False)) / host()
        jax.config.update("jax_compilation_cache_dir", str(where))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
