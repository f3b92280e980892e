"""The host's loop: plan -> programs -> chunks -> segments -> rows. Knows a `Problem`, and neither files nor signals."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from adam_vs_gd.engine.chunk import Programs, SeedDraws, compile_draw, program_bytes
from adam_vs_gd.engine.pace import SEGMENT_SECONDS, Pace
from adam_vs_gd.engine.packing import cut, halved, places_of
from adam_vs_gd.engine.placing import Make, Ready, batch_of, fits, placed, programs_of, state_from
from adam_vs_gd.engine.plan import Chunk, Group, Plan, size
from adam_vs_gd.engine.progress import Pulse, duration
from adam_vs_gd.engine.rest import ToRest
from adam_vs_gd.errors import UnfitError
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.store.checkpoint import Snapshot
from adam_vs_gd.surroundings import numerics
from adam_vs_gd.types import Rows, record_steps, test_steps

WASTED_SECONDS = 2.0  # that lanes which have left are carried along before the others are packed anew: a compilation's


def nothing(*_: Any) -> None:
    """What a hook does by default."""


@dataclass(frozen=True)
class Hooks:
    """What the loop calls, and is free to know nothing of.

    Attributes:
        tell: something worth a line has happened.
        check: called between whatever takes long; may raise to stop.
        advanced: a segment or a chunk is done; called with the `Pulse` of what runs.
        between: called after every segment but a chunk's last, with what makes a `Snapshot`; may raise to stop.
        compiled: a group's programs are there; may raise to refuse them.
        find: digests of lanes -> a snapshot with all of them, or None.
        keep: a chunk, or a part of one, is done: (group, chunk, rows, seconds).
    """

    tell: Callable[[str], None] = nothing
    check: Callable[[], None] = nothing
    advanced: Callable[[Pulse], None] = nothing
    between: Callable[[Callable[[], Snapshot]], None] = nothing
    compiled: Callable[[Group, Programs], None] = nothing
    find: Callable[[Sequence[str]], Snapshot | None] = nothing
    keep: Callable[[Group, Chunk, Rows, float], None] = nothing


class Shop:
    """What a process keeps from one chunk to the next: draws, and how wide chunks may be where memory was short.

    Attributes:
        draws: of the seeds in use.
        met: groups that have been compiled here.
        fitting: {group that was too wide: (devices, width) that fit}.
    """

    def __init__(self) -> None:
        self.draws = SeedDraws()
        self.met: set[Hashable] = set()
        self.fitting: dict[Hashable, tuple[int, int, int]] = {}

    def fit(self, group: Group) -> Group:
        """A group as wide as is known to fit."""
        devices, width, block = self.fitting.get(kind_of(group), (group.devices, group.width, group.block))
        if width >= group.width:
            return group
        narrower = replace(group, block=block)
        return cut(narrower, [chunk.lanes for chunk in group.chunks], devices, width)


def kind_of(group: Group) -> Hashable:
    """What chunks have in common that need the same memory a lane."""
    return group.static, group.extent, group.way, group.record


def run_plan(
    plan: Plan,
    devices: Sequence[jax.Device],
    memory: Callable[[int], int],
    hooks: Hooks,
    make: Make,
    shop: Shop | None = None,
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
        shop: what is kept between plans that share it.

    Returns:
        Lanes that could not be computed, because not even the narrowest chunk had memory enough.
    """
    shop, failed = shop or Shop(), []
    pulse = Pulse()
    queue = deque(map(shop.fit, plan.groups))
    while queue:
        group = queue.popleft()
        kept: set[str] = set()
        try:
            with numerics(group.static.precision):
                ready = prepared(group, devices, memory, hooks, make, shop)
                for chunk in group.chunks:
                    keep = functools.partial(keep_part, pulse, hooks, group, kept, time.monotonic())
                    if ready.batch.rest is None:
                        keep(chunk, run_chunk(ready, chunk, pulse, hooks))
                    else:
                        run_to_rest(ready, chunk, pulse, hooks, keep)
                    hooks.advanced(pulse)
                    hooks.check()
        except (UnfitError, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            left = without(group, kept)
            narrower = halved(left)
            pulse.begin_again()
            reason = str(error).strip().splitlines()[0][:200]
            if narrower is None:
                failed += [lane for chunk in left.chunks for lane in chunk.lanes]
                hooks.tell(f"out of memory at the narrowest width, {group.width}: {left.lanes} lanes fail ({reason})")
            else:
                queue.appendleft(narrower)
                shop.fitting[kind_of(group)] = narrower.devices, narrower.width, narrower.block
                where = "" if narrower.devices == group.devices else f" on {narrower.devices} of the devices"
                hooks.tell(f"out of memory at width {group.width}: going on with {narrower.width}{where} ({reason})")
    return failed


def prepared(
    group: Group,
    devices: Sequence[jax.Device],
    memory: Callable[[int], int],
    hooks: Hooks,
    make: Make,
    shop: Shop,
) -> Ready:
    """A group's programs, compiled, if they fit; its first draws are begun.

    Raises:
        UnfitError: if they do not.
    """
    here = tuple(devices[: group.devices])
    kind = kind_of(group), group.block, group.width, group.seed_slots, here
    if kind not in shop.met:
        hooks.tell(f"{group.name}: compiling")
    started = time.monotonic()
    batch = batch_of(group, make)
    check_fit("draws", program_bytes(compile_draw(batch.draw, here)), memory(len(here)))
    shop.draws.begin(batch.draw, group.chunks[0].seeds, here)  # while the programs compile
    programs = programs_of(batch, group, here)
    if kind not in shop.met and (seconds := time.monotonic() - started) > SEGMENT_SECONDS:
        hooks.tell(f"{group.name}: compiled in {duration(seconds)}")
    hooks.compiled(group, programs)
    copies = 0 if batch.rest is None else state_bytes(programs, len(here))
    check_fit("training", programs.bytes + copies, memory(len(here)))
    hooks.check()
    shop.met.add(kind)
    return Ready(batch, programs, group, here, shop.draws)


def keep_part(pulse: Pulse, hooks: Hooks, group: Group, kept: set[str], began: float, part: Chunk, rows: Rows) -> None:
    """Hand on the rows of lanes that are done, of a chunk that was begun at a time."""
    kept.update(lane.digest for lane in part.lanes)
    pulse.finish(len(part.lanes))
    hooks.keep(group, part, rows, time.monotonic() - began)


def without(group: Group, done: Set[str]) -> Group:
    """A group without the lanes that are done."""
    left = (tuple(lane for lane in chunk.lanes if lane.digest not in done) for chunk in group.chunks)
    return replace(group, chunks=tuple(Chunk(lanes) for lanes in left if lanes))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was wanting."""
    text = str(error).lower()
    return isinstance(error, UnfitError | MemoryError) or "resource_exhausted" in text or "out of memory" in text


def state_bytes(programs: Programs, devices: int) -> int:
    """Bytes of a chunk's state on each device: what a copy of it takes, of lanes that are taken to rest."""
    return sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(programs.state)) // devices


def check_fit(name: str, need: int, memory: int) -> None:
    """Compare what a compiled program needs on a device with what there is.

    Raises:
        UnfitError: if it is too much.
    """
    if need > memory:
        raise UnfitError(f"the compiled program of the {name} takes {size(need)}, of {size(memory)} on each device")


def run_chunk(ready: Ready, chunk: Chunk, pulse: Pulse, hooks: Hooks) -> Rows:
    """Train the lanes of a chunk from their start, or from a snapshot of them, to the end.

    Returns:
        {name: [lanes, ...]} of final values, and trajectories [lanes, record + 1, ...] as `<name>_path`.
    """
    batch, programs, group, devices, seed_draws = ready
    lanes, steps = len(chunk.lanes), group.static.steps
    places = places_of(chunk, group)
    where = [places.index(i) for i in range(lanes)]
    inputs = placed(batch, group, chunk, devices, seed_draws)
    grids = {
        "measure": set(record_steps(steps, group.record).tolist()),
        "test": set(test_steps(steps, group.record).tolist()),
    }
    hooks.check()
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
        pulse.pass_over(group, reached, lanes)
        hooks.tell(f"{lanes} lanes go on at step {reached} of {steps}")
    pace, measured = Pace(sorted({*grids["measure"], steps} - {0})), dict[str, Any]()
    while reached < steps:
        began = time.monotonic()
        stop = pace.stop(reached)
        state = programs.advance(*inputs, state, np.int32(reached), np.int32(stop))
        measured = look(stop)
        jax.block_until_ready(state)
        seconds, advanced, reached = time.monotonic() - began, stop - reached, stop
        pace.took(advanced, seconds)
        pulse.advance(group, reached, advanced, lanes, seconds)
        hooks.advanced(pulse)
        if reached < steps:
            hooks.between(snapshot)
    final = programs.finish(*inputs, state, measured)
    rows = {name: np.asarray(value)[where] for name, value in final.items()}
    return rows | {f"{name}_path": values for name, values in recorded(paths, where).items()}


def run_to_rest(ready: Ready, chunk: Chunk, pulse: Pulse, hooks: Hooks, keep: Callable[[Chunk, Rows], None]) -> None:
    """Train the lanes of a chunk from their start, or from a snapshot of them, until each is at rest.

    Args:
        ready: their group.
        chunk: the lanes.
        pulse: of the run.
        hooks: what is called on the way.
        keep: called with lanes that are done, and their rows.
    """
    group, lanes = ready.group, ToRest(ready, chunk, keep)
    hooks.check()
    found = hooks.find([lane.digest for lane in chunk.lanes])
    if found is not None and fits(found, ready.programs) and lanes.knows(found):
        lanes.restore(found)
        pulse.pass_over(group, lanes.reached, lanes.running)
        hooks.tell(f"{lanes.running} lanes go on at step {lanes.reached} of {lanes.steps} at most")
    else:
        lanes.start()
    pace, wasted = Pace(lanes.stops), 0.0
    while lanes.running:
        began, reached, running = time.monotonic(), lanes.reached, lanes.running
        gone = lanes.advance(pace.stop(reached))
        seconds, advanced = time.monotonic() - began, lanes.reached - reached
        pace.took(advanced, seconds)
        pulse.advance(group, lanes.reached, advanced, running, seconds)
        pulse.pass_over(group, lanes.steps - lanes.reached, gone)
        hooks.advanced(pulse)
        if lanes.running:
            hooks.between(lanes.snapshot)
            wasted += seconds * lanes.idle
            if wasted > WASTED_SECONDS and lanes.repack():
                wasted = 0.0
    lanes.flush()


def recorded(paths: Mapping[str, Sequence[Any]], where: Sequence[int]) -> dict[str, np.ndarray]:
    """{name: [lanes, points, ...]} of what was recorded, of the lanes' places only."""
    return {name: np.stack([np.asarray(v)[where] for v in values], axis=1) for name, values in paths.items()}


def restored(
    snapshot: Snapshot, chunk: Chunk, group: Group, programs: Programs
) -> tuple[Any, int, dict[str, list[np.ndarray]]] | None:
    """(state [L, ...], step, paths) of a chunk, padded, from a snapshot that has its lanes; None if it does not fit."""
    if not fits(snapshot, programs):
        return None
    place = {digest: i for i, digest in enumerate(snapshot.lanes)}
    rows = [place[chunk.lanes[i].digest] for i in places_of(chunk, group)]
    paths = {name: list(np.moveaxis(values[rows], 1, 0)) for name, values in snapshot.paths.items()}
    return state_from(snapshot.state, rows, programs), snapshot.step, paths
