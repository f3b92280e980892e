"""The host's loop: plan -> chunks -> segments -> rows -> Dataset. Knows a `Problem`, and nothing of what it trains."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from adam_vs_gd.chunk import Programs, SeedDraws, make_programs, numerics
from adam_vs_gd.plan import Chunk, Group, Lane, Plan, cells, describe, make_plan, segment_ends
from adam_vs_gd.problem import Problem
from adam_vs_gd.progress import Progress, duration, progress_on
from adam_vs_gd.provenance import provenance
from adam_vs_gd.spec import SweepSpec
from adam_vs_gd.store import Folder, Rows, to_dataset
from adam_vs_gd.two_patch import two_patch
from adam_vs_gd.types import Static, record_steps, test_steps

CHUNK_LIMITS = {"cpu": (2**25, 32)}
"""Bytes and number of a chunk's lanes by platform. On a CPU wider is no faster: what stays near the cache is enough."""
ACCELERATOR_LIMITS = (2**32, 512)


def run_sweep(
    spec: SweepSpec, out: str | Path | None = None, *, overwrite: bool = False, quiet: bool = False
) -> xr.Dataset:
    """Train every lane of a sweep that is not there yet, and return all results.

    Args:
        spec: the sweep.
        out: its folder; what it holds of this sweep is kept and not computed again. None keeps everything in memory.
        overwrite: move a folder that is there aside first.
        quiet: no progress on stderr.

    Returns:
        The Dataset of `load_results`.

    Raises:
        FolderError: if the folder holds something else, or a sweep that disagrees; before anything is computed.
    """
    folder = None if out is None else Folder(out)
    with progress_on(quiet=quiet) as progress:
        aside = folder.set_aside() if folder and overwrite else None
        if aside:
            progress.note(f"moved what was there to {aside}")
        if folder:
            folder.check(spec)
        progress.note(f"{spec.name}: starting JAX on {jax.default_backend()}, {jax.devices()[0].device_kind}")
        plan = plan_sweep(spec, folder)
        device = jax.devices()[0]
        about = provenance() | {"platform": device.platform, "device": device.device_kind}
        if folder:
            folder.open(spec)
            log(folder, f"start: {about}", describe(plan))
        progress.begin(plan.lanes, plan.lane_steps)
        rows: list[Rows] = []

        def keep(chunk: Chunk, found: Rows, seconds: float) -> None:
            if folder is None:
                rows.append({"lane": np.array([lane.digest for lane in chunk.lanes]), **found})
            else:
                folder.commit(chunk, found, about)
                log(folder, f"chunk {chunk.digest[:32]}: {len(chunk.lanes)} lanes in {seconds:.1f} s")

        started = time.monotonic()
        run_plan(plan, progress, keep)
        if folder is None:
            return to_dataset(spec, rows, about)
        results = folder.dataset(spec)
        folder.consolidate(results)
        log(folder, f"done: {plan.lanes} lanes in {duration(time.monotonic() - started)}")
        return results


def plan_sweep(spec: SweepSpec, folder: Folder | None = None) -> Plan:
    """The plan of what a sweep still has to compute on this machine."""
    done = folder.done() if folder else set()
    lanes = (lane for _, lane in cells(spec) if lane.digest not in done)
    return make_plan(lanes, *CHUNK_LIMITS.get(jax.default_backend(), ACCELERATOR_LIMITS))


def run_plan(
    plan: Plan,
    progress: Progress,
    keep: Callable[[Chunk, Rows, float], None],
    make_problem: Callable[[Static, int], Problem] = two_patch,
) -> None:
    """Run every chunk and hand its rows to `keep` when it ends.

    Args:
        plan: what to run.
        progress: told after every segment.
        keep: called with each chunk, its rows, and the seconds it took.
        make_problem: (static, ranks) -> the problem of a group.
    """
    seed_draws = SeedDraws()
    for g, group in enumerate(plan.groups):
        stops = record_steps(group.static.steps, group.record)
        ends = segment_ends(group.static.steps, stops)
        length = max(b - a for a, b in zip([0, *ends[:-1]], ends, strict=True))
        with numerics(group.static.precision):
            problem, programs = programs_of(make_problem, group.static, group.ranks, length)
            progress.note(
                f"group {g + 1} of {len(plan.groups)}: {group.static.optimizer}, {group.lanes} lanes in "
                f"{len(group.chunks)} chunks of {group.width}; compiling"
            )
            for chunk in group.chunks:
                started = time.monotonic()
                hyper, slot, seeds = padded(chunk, group)
                draws = seed_draws.stack(problem.draw, seeds)
                rows = run_chunk(programs, group, chunk, (hyper, slot, draws), ends, progress)
                keep(chunk, rows, time.monotonic() - started)
                progress.advance(0, len(chunk.lanes))


@functools.lru_cache(maxsize=64)
def programs_of(
    make_problem: Callable[[Static, int], Problem], static: Static, ranks: int, length: int
) -> tuple[Problem, Programs]:
    """A group's problem and its jitted programs, kept so that the next sweep of the same shapes here reuses them."""
    problem = make_problem(static, ranks)
    return problem, make_programs(problem, length)


def run_chunk(
    programs: Programs, group: Group, chunk: Chunk, inputs: tuple[Any, ...], ends: Sequence[int], progress: Progress
) -> Rows:
    """Train the lanes of a chunk from start to end.

    Args:
        programs: the jitted functions of the group.
        group: shapes, record, padded widths.
        chunk: the lanes.
        inputs: hyper [L], slot [L] and draws [K, ...] of the padded chunk.
        ends: the steps at which the host looks; the last is T.
        progress: told after every segment.

    Returns:
        {name: [lanes, ...]} of final values, and trajectories [lanes, record + 1, ...] as `<name>_path`.
    """
    state = programs.start(*inputs)
    grids = {
        "measure": set(record_steps(group.static.steps, group.record)),
        "test": set(test_steps(group.static.steps, group.record)),
    }
    paths: dict[str, list[Any]] = {}

    def look(step: int, last: bool = False) -> dict[str, Any]:
        found = {}
        for which in ("measure", "test"):
            if step in grids[which] or last:
                values = getattr(programs, which)(*inputs, state)
                found.update(values)
                if step in grids[which]:
                    for name, value in values.items():
                        paths.setdefault(name, []).append(value)
        return found

    look(0)
    reached = 0
    for end in ends:
        state = programs.advance(*inputs, state, reached, end)
        measured = look(end, last=end == ends[-1])
        jax.block_until_ready(state)
        progress.advance((end - reached) * len(chunk.lanes))
        reached = end
    final = programs.finish(*inputs, state, measured)
    rows = {name: np.asarray(value)[: len(chunk.lanes)] for name, value in final.items()}
    for name, values in paths.items():
        rows[f"{name}_path"] = np.stack([np.asarray(v)[: len(chunk.lanes)] for v in values], axis=1)
    return rows


def padded(chunk: Chunk, group: Group) -> tuple[Any, np.ndarray, list[int]]:
    """(hyper [L], slot [L], seeds [K]) of a chunk, filled up with copies of its last lane and seed.

    A number of the hyper is an int32 array where the lanes' are integers, and of the group's precision elsewhere.
    """
    lanes: list[Lane] = [*chunk.lanes, *[chunk.lanes[-1]] * (group.width - len(chunk.lanes))]
    seeds = [*chunk.seeds, *[chunk.seeds[-1]] * (group.seed_slots - len(chunk.seeds))]
    real = np.dtype(group.static.precision)
    columns = zip(*(lane.hyper for lane in lanes), strict=True)
    hyper = type(lanes[0].hyper)(*(np.array(c, np.int32 if isinstance(c[0], int) else real) for c in columns))
    slot = np.array([chunk.seeds.index(lane.seed) for lane in lanes], np.int32)
    return hyper, slot, seeds


def log(folder: Folder, *lines: str) -> None:
    """Add lines to the folder's log."""
    with folder.log_file.open("a", encoding="utf-8") as file:
        for line in lines:
            print(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}", file=file)
