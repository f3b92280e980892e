"""The host's loop: plan -> programs -> chunks -> segments -> rows. Knows a `Problem`, and neither files nor signals."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from adam_vs_gd.engine.chunk import (
    LANES,
    SHARED,
    Programs,
    SeedDraws,
    compile_draw,
    compile_programs,
    program_bytes,
    sharding,
)
from adam_vs_gd.engine.packing import halved, places_of
from adam_vs_gd.engine.plan import Chunk, Group, Plan, size
from adam_vs_gd.engine.progress import Meter, duration
from adam_vs_gd.errors import UnfitError
from adam_vs_gd.problem import Batch, Way
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.store.checkpoint import Snapshot
from adam_vs_gd.surroundings import numerics
from adam_vs_gd.types import Rows, record_steps, test_steps

Make = Callable[[Any, Any, Way, int], Batch]
"""What gives the functions of a group: (static, extent, way, block) -> them; `Maker.batch`."""
SEGMENT_SECONDS = 1.0  # a segment is cut so that it takes about so long, and an interruption is answered as fast
FIRST_SEGMENT = 16  # steps of the first, when nothing is known


def nothing(*_: Any) -> None:
    """What a hook does by default."""


@dataclass(frozen=True)
class Hooks:
    """What the loop calls, and is free to know nothing of.

    Attributes:
        tell: something worth a line has happened.
        check: called between whatever takes long; may raise to stop.
        advanced: a segment or a chunk is done; called with the `Meter` of the run.
        between: called after every segment but a chunk's last, with what makes a `Snapshot`; may raise to stop.
        compiled: a group's programs are there; may raise to refuse them.
        find: digests of lanes -> a snapshot with all of them, or None.
        keep: a chunk is done: (meter, group, chunk, rows, seconds).
    """

    tell: Callable[[str], None] = nothing
    check: Callable[[], None] = nothing
    advanced: Callable[[Meter], None] = nothing
    between: Callable[[Callable[[], Snapshot]], None] = nothing
    compiled: Callable[[Group, Programs], None] = nothing
    find: Callable[[Sequence[str]], Snapshot | None] = nothing
    keep: Callable[[Meter, Group, Chunk, Rows, float], None] = nothing


def run_plan(
    plan: Plan,
    devices: Sequence[jax.Device],
    memory: Callable[[int], int],
    hooks: Hooks,
    make: Make,
) -> list[Lane]:
    """Run every chunk.

    A group whose programs need more memory than there is, or run out of it, goes on with half the width, and on half
    the devices once the width is least.

    Args:
        plan: what to run.
        devices: where; a group uses the first so many of them.
        memory: of so many devices, bytes that a chunk may take on each now.
        hooks: what is called on the way.
        make: (static, extent, way, block) -> the functions of a group.

    Returns:
        Lanes that could not be computed, because not even the narrowest chunk had memory enough.
    """
    seed_draws, failed = SeedDraws(), []
    meter = Meter(plan)
    queue = deque(plan.groups)
    while queue:
        group = queue.popleft()
        done = 0
        try:
            with numerics(group.static.precision):
                here = tuple(devices[: group.devices])
                hooks.tell(f"{group.name}: compiling")
                started = time.monotonic()
                batch = batch_of(group, make)
                check_fit("draws", program_bytes(compile_draw(batch.draw, here)), memory(len(here)))
                seed_draws.begin(batch.draw, group.chunks[0].seeds, here)  # while the programs compile
                programs = programs_of(batch, group, here)
                if (seconds := time.monotonic() - started) > SEGMENT_SECONDS:
                    hooks.tell(f"{group.name}: compiled in {duration(seconds)}")
                hooks.compiled(group, programs)
                check_fit("training", programs.bytes, memory(len(here)))
                hooks.check()
                for chunk in group.chunks:
                    began = time.monotonic()
                    rows = run_chunk(batch, programs, group, chunk, here, seed_draws, meter, hooks)
                    done += 1
                    meter.finish(len(chunk.lanes))
                    hooks.keep(meter, group, chunk, rows, time.monotonic() - began)
                    hooks.advanced(meter)
        except (UnfitError, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            left = replace(group, chunks=group.chunks[done:])
            narrower = halved(left)
            meter.replan(left, narrower)
            reason = str(error).strip().splitlines()[0][:200]
            if narrower is None:
                failed += [lane for chunk in left.chunks for lane in chunk.lanes]
                hooks.tell(f"out of memory at the narrowest width, {group.width}: {left.lanes} lanes fail ({reason})")
            else:
                queue.appendleft(narrower)
                where = "" if narrower.devices == group.devices else f" on {narrower.devices} of the devices"
                hooks.tell(f"out of memory at width {group.width}: going on with {narrower.width}{where} ({reason})")
    return failed


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was wanting."""
    text = str(error).lower()
    return isinstance(error, UnfitError | MemoryError) or "resource_exhausted" in text or "out of memory" in text


def check_fit(name: str, need: int, memory: int) -> None:
    """Compare what a compiled program needs on a device with what there is.

    Raises:
        UnfitError: if it is too much.
    """
    if need > memory:
        raise UnfitError(f"the compiled program of the {name} takes {size(need)}, of {size(memory)} on each device")


def batch_of(group: Group, make: Make) -> Batch:
    """A group's functions; kept, so that the next sweep of the same shapes in this process finds its programs."""
    return made(make, group.static, group.extent, group.way, group.block)


made = functools.lru_cache(maxsize=64)(lambda make, *key: make(*key))


def programs_of(batch: Batch, group: Group, devices: tuple[jax.Device, ...]) -> Programs:
    """A group's compiled programs."""
    hyper, *_ = padded(group.chunks[0], group)
    leaves, tree = jax.tree.flatten(hyper)
    kinds = tuple(column.dtype for column in leaves)
    return compile_programs(batch, tree, kinds, group.width, group.seed_slots, devices)


def run_chunk(
    batch: Batch,
    programs: Programs,
    group: Group,
    chunk: Chunk,
    devices: tuple[jax.Device, ...],
    seed_draws: SeedDraws,
    meter: Meter,
    hooks: Hooks,
) -> Rows:
    """Train the lanes of a chunk from their start, or from a snapshot of them, to the end.

    Returns:
        {name: [lanes, ...]} of final values, and trajectories [lanes, record + 1, ...] as `<name>_path`.
    """
    lanes, steps = len(chunk.lanes), group.static.steps
    places = places_of(chunk, group)
    where = [places.index(i) for i in range(lanes)]
    inputs = placed(batch, group, chunk, devices, seed_draws)
    grids = {
        "measure": set(record_steps(steps, group.record).tolist()),
        "test": set(test_steps(steps, group.record).tolist()),
    }
    hooks.check()
    stops = sorted({*grids["measure"], steps} - {0})
    paths: dict[str, list[Any]] = {}

    def look(step: int) -> dict[str, Any]:
        found = {}
        for which, grid in grids.items():
            if step in grid or step == steps:
                values = getattr(programs, which)(*inputs, state)
                found.update(values)
                if step in grid:
                    for name, value in values.items():
                        paths.setdefault(name, []).append(value)
        return found

    def snapshot() -> Snapshot:
        leaves = tuple(np.array(leaf)[where] for leaf in jax.tree.leaves(state))
        return Snapshot(tuple(lane.digest for lane in chunk.lanes), reached, leaves, recorded(paths, where))

    found = hooks.find([lane.digest for lane in chunk.lanes])
    resumed = restored(found, chunk, group, programs) if found else None
    if resumed is None:
        state, reached = programs.start(*inputs), 0
        look(0)
    else:
        state, reached, paths = resumed
        meter.pass_over(group, reached, lanes)
        hooks.tell(f"{lanes} lanes go on at step {reached} of {steps}")
    most, measured = FIRST_SEGMENT, dict[str, Any]()
    while reached < steps:
        began = time.monotonic()
        stop = min(next(stop for stop in stops if stop > reached), reached + most)
        state = programs.advance(*inputs, state, np.int32(reached), np.int32(stop))
        measured = look(stop)
        jax.block_until_ready(state)
        seconds, advanced, reached = time.monotonic() - began, stop - reached, stop
        most = max(1, min(int(advanced * SEGMENT_SECONDS / max(seconds, 1e-3)), 16 * most))
        meter.advance(group, reached, advanced, lanes, seconds)
        hooks.advanced(meter)
        if reached < steps:
            hooks.between(snapshot)
    final = programs.finish(*inputs, state, measured)
    rows = {name: np.asarray(value)[where] for name, value in final.items()}
    return rows | {f"{name}_path": values for name, values in recorded(paths, where).items()}


def placed(
    batch: Batch, group: Group, chunk: Chunk, devices: tuple[jax.Device, ...], seed_draws: SeedDraws
) -> tuple[Any, Any, Any]:
    """(hyper [L], slot [L], draws [K, ...]) of a chunk on the devices; draws beside what is shared, if anything is."""
    hyper, slot, seeds = padded(chunk, group)
    on_lanes = jax.device_put((hyper, slot), sharding(devices, LANES))
    draws = seed_draws.stack(batch.draw, seeds, devices)
    if batch.shared is not None:
        draws = draws, jax.device_put(batch.shared(), sharding(devices, SHARED))
    return (*on_lanes, draws)


def recorded(paths: Mapping[str, Sequence[Any]], where: Sequence[int]) -> dict[str, np.ndarray]:
    """{name: [lanes, points, ...]} of what was recorded, of the lanes' places only."""
    return {name: np.stack([np.asarray(v)[where] for v in values], axis=1) for name, values in paths.items()}


def restored(
    snapshot: Snapshot, chunk: Chunk, group: Group, programs: Programs
) -> tuple[Any, int, dict[str, list[np.ndarray]]] | None:
    """(state [L, ...], step, paths) of a chunk, padded, from a snapshot that has its lanes.

    None if the state is not of the form that the programs have, so that only other code can go on with it.
    """
    shapes, tree = jax.tree.flatten(programs.state)
    if [(a.shape[1:], a.dtype) for a in snapshot.state] != [(a.shape[1:], a.dtype) for a in shapes]:
        return None
    place = {digest: i for i, digest in enumerate(snapshot.lanes)}
    rows = [place[chunk.lanes[i].digest] for i in places_of(chunk, group)]
    leaves = [jax.device_put(leaf[rows], like.sharding) for leaf, like in zip(snapshot.state, shapes, strict=True)]
    paths = {name: list(np.moveaxis(values[rows], 1, 0)) for name, values in snapshot.paths.items()}
    return jax.tree.unflatten(tree, leaves), snapshot.step, paths


def padded(chunk: Chunk, group: Group) -> tuple[Any, np.ndarray, list[int]]:
    """(hyper [L], slot [L], seeds [K]) of a chunk, filled up with copies of its lanes and its last seed.

    A number of the hyper is an int32 array where the lanes' are integers, and of the group's precision elsewhere.
    """
    lanes = [chunk.lanes[i] for i in places_of(chunk, group)]
    seeds = [*chunk.seeds, *[chunk.seeds[-1]] * (group.seed_slots - len(chunk.seeds))]
    real = np.dtype(group.static.precision)
    column = lambda *values: np.array(values, np.int32 if isinstance(values[0], int) else real)  # noqa: E731
    hyper = jax.tree.map(column, *(lane.hyper for lane in lanes))
    slot = np.array([chunk.seeds.index(lane.seed) for lane in lanes], np.int32)
    return hyper, slot, seeds
