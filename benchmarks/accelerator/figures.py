"""The measurements: trainings, speed and memory, precision of products."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from accelerator.internals import (
    FAMILY,
    Batch,
    Hooks,
    SweepSpec,
    batch_of,
    cells,
    limits_of,
    make_batch,
    make_plan,
    numerics,
    program_bytes,
    programs_of,
    run_plan,
    time_group,
)
from accelerator.work import MISSING, RESULTS, Figures, Machine, Sizes, group_of, name_of, reason_of, spec_of

Make = Callable[..., Batch]


def train(spec: SweepSpec, devices: Sequence[jax.Device], make: Make = make_batch, by_xla: bool = False) -> Figures:
    """Train a sweep of one optimizer to the end.

    Args:
        spec: the sweep.
        devices: where.
        make: as `run_plan` takes it.
        by_xla: without the native kernel.

    Returns:
        The method, seconds, and `RESULTS` of each seed.
    """
    rows: dict[int, dict[str, float]] = {}
    ran: list[float] = []

    def keep(group: Any, chunk: Any, found: Mapping[str, np.ndarray], seconds: float) -> None:
        ran.append(seconds)
        for i, lane in enumerate(chunk.lanes):
            rows[lane.seed] = {name: float(found[name][i]) for name in RESULTS}

    began = time.monotonic()
    with jax.default_device(devices[0]):
        limits = limits_of(FAMILY, tuple(devices))
        if by_xla:
            limits = replace(limits, machine=limits.machine._replace(native=False))
        plan = make_plan(FAMILY, (lane for _, lane in cells(spec)), limits)
        failed = run_plan(plan, devices, limits.each, Hooks(keep=keep), make)
    if failed:
        raise MemoryError(f"out of memory for {len(failed)} lanes")
    (optimizer,), seconds = spec.optimizers, sum(ran)
    steps = sum(group.width * group.static.steps * len(group.chunks) for group in plan.groups)
    return {
        "device": name_of(devices), "optimizer": optimizer, "method": plan.groups[0].way.name,
        "compilation": time.monotonic() - began - seconds, "seconds": seconds,
        "lane_steps_per_second": steps / seconds, "seeds": {str(seed): rows[seed] for seed in sorted(rows)},
    }  # fmt: skip


def whole(machine: Machine, sizes: Sizes, optimizer: str, by_xla: bool) -> Figures:
    """Seconds of a sweep over α of several seeds, with its measurements and tests, without compilation."""
    seeds, alphas = sizes.whole
    spec = spec_of(sizes, optimizer, seeds, data={"alpha": {"linspace": [0.0, 0.9, alphas]}})
    found = train(spec, machine.devices, by_xla=by_xla)
    return {key: value for key, value in found.items() if key != "seeds"} | {"lanes": seeds * alphas}


def differences(found: Figures, reference: Figures) -> dict[str, float]:
    """Largest difference of each result, lane by lane: of errors as it is, of the others relative to the largest."""
    apart = {}
    for name in RESULTS:
        pairs = [(found["seeds"][seed][name], row[name]) for seed, row in reference["seeds"].items()]
        scale = 1.0 if name.endswith("error") else max(abs(b) for _, b in pairs) or 1.0
        apart[name] = float(np.max([abs(a - b) for a, b in pairs])) / scale  # NaN, if any is
    return apart


def bench(machine: Machine, sizes: Sizes, optimizer: str, method: str, lanes: int) -> Figures:
    """Speed and memory of so many lanes by a method, from about a second of their steps."""
    group = group_of(machine, sizes, optimizer, method, lanes)
    here, limits = machine.devices[: group.devices], limits_of(FAMILY, machine.devices)
    before = peak_of(here[0])
    timing = time_group(group, here, limits.each, make_batch)
    peak = peak_of(here[0])
    with numerics("float32"):
        programs = programs_of(batch_of(group, make_batch), group, here)  # those that were timed
    return {
        "device": machine.name, "optimizer": optimizer, "method": method, "lanes": lanes, "devices": group.devices,
        "lane_steps_per_second": timing.speed, "compilation": timing.compilation, "draws": timing.draws,
        "planned_lane": group.lane_bytes, "planned": group.bytes,
        "compiled": programs.bytes, "compiled_steps": program_bytes(programs.advance),
        "peak": peak, "peak_is_its_own": peak is not None and peak > (before or 0),
    }  # fmt: skip


def peak_of(device: jax.Device) -> int | None:
    """Most bytes that this process has held on a device so far, where JAX tells."""
    return (device.memory_stats() or {}).get("peak_bytes_in_use")


def canonical(precision: str) -> Any:
    """A precision as products take it: by its name a `Precision`, or an algorithm's in capitals."""
    return jax.lax.DotAlgorithmPreset[precision] if precision.isupper() else (jax.lax.Precision(precision),) * 2


@contextlib.contextmanager
def products_at(precision: str, traced: list[str]) -> Iterator[None]:
    """Trace every product at a precision, those that ask for `HIGHEST` included, and add it to `traced` for each.

    This package asks for it in each of its products, so that `jax.default_matmul_precision` alone has no effect.
    """
    primitive = jax.lax.dot_general_p
    bind = primitive.bind

    def bind_at(*operands: Any, **how: Any) -> Any:
        traced.append(precision)
        return bind(*operands, **{**how, "precision": canonical(precision)})

    primitive.bind = bind_at
    try:
        with jax.default_matmul_precision(precision):  # so that nothing is found that was traced at another
            yield
    finally:
        del primitive.bind


def steps_at(precision: str, traced: list[str]) -> Make:
    """`make_batch`, the products of its steps being at a precision; those of its measurements stay as they are."""

    def make(*key: Any) -> Batch:
        batch = make_batch(*key)

        def advance(*operands: Any) -> Any:
            with products_at(precision, traced):
                return batch.advance(*operands)

        return replace(batch, advance=advance)

    return make


def in_float64(*key: Any) -> Batch:
    """`make_batch` for float64, on the draws of float32: drawn in float64 they would be others."""
    batch = make_batch(*key)

    def draw(key: Any) -> Any:
        with numerics("float32"):
            draws = batch.draw(key)
        return jax.tree.map(lambda a: a.astype(np.float64) if a.dtype == np.float32 else a, draws)

    return replace(batch, draw=draw)


def exact(machine: Machine, sizes: Sizes, optimizer: str) -> Figures:
    """Lanes of Table 1 in float64, which others are held against."""
    spec = spec_of(sizes, optimizer, sizes.seeds[0], train={"precision": "float64"})
    return train(spec, machine.devices, in_float64, by_xla=True) | {"precision": "float64"}


def inexact(machine: Machine, sizes: Sizes, optimizer: str, precision: str, reference: Figures) -> Figures:
    """The same lanes in float32, the products of their steps at a precision, and how far they end from a reference."""
    traced: list[str] = []
    spec = spec_of(sizes, optimizer, sizes.seeds[0])
    found = train(spec, machine.devices, steps_at(precision, traced), by_xla=True)
    against = {"against": f"{reference.get('precision', 'float32')} on {reference['device']}"}
    apart = {"differences": differences(found, reference)}
    return found | {"precision": precision, "products": len(traced)} | against | apart


def products(machine: Machine, sizes: Sizes) -> Figures:
    """One product of a step alone, [blocks, block·2m, d] x [blocks, n, d], at each precision: error and speed."""
    group, rng = group_of(machine, sizes, "adam", "dense", sizes.lanes[0]), np.random.default_rng(0)
    static, blocks, rows = group.static, group.width // group.block, group.block * 2 * group.static.width
    w = rng.standard_normal((blocks, rows, static.d), np.float32)
    z = rng.standard_normal((blocks, static.n, static.d), np.float32)
    right = w[0].astype(float) @ z[0].astype(float).T
    inputs = jax.device_put((w, z), machine.devices[0])
    found: Figures = {}
    for precision in sizes.precisions:
        try:
            product = jax.jit(functools.partial(jnp.einsum, "bkd,bnd->bkn", precision=canonical(precision)))
            first, count, seconds = np.asarray(product(*inputs)[0], float), 1, 0.0
            while seconds < 0.1 and count < 2**14:
                began, count = time.perf_counter(), 2 * count
                for _ in range(count):
                    last = product(*inputs)  # all of them kept would be gigabytes
                jax.block_until_ready(last)
                seconds = time.perf_counter() - began
            error = float(np.linalg.norm(first - right) / np.linalg.norm(right))
            rate = 2.0 * w.size * static.n * count / seconds
            found[precision] = {"error": error, "microseconds": 1e6 * seconds / count, "flops": rate}
        except Exception as error:
            found[precision] = {MISSING: reason_of(error)}
    device = machine.devices[0].device_kind if not machine.on_cpu else machine.name
    return {"device": device, "shape": f"[{blocks}, {rows}, {static.d}] x [{blocks}, {static.n}, {static.d}]",
            "precisions": found}  # fmt: skip
