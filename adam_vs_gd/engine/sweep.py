"""A sweep from start to end: folder, lock, plan, run, journal, Dataset. The I/O around `runner`."""

from __future__ import annotations

import contextlib
import functools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import xarray as xr

from adam_vs_gd.engine.interruption import Interruption
from adam_vs_gd.engine.machine import keep_compiled, kernel_of, limits_of, use_devices
from adam_vs_gd.engine.plan import Cell, Chunk, Group, Lane, Limits, Plan, cells, describe, make_plan
from adam_vs_gd.engine.progress import Meter, Progress, duration, progress_on
from adam_vs_gd.engine.runner import Hooks, Snapshot, group_name, is_out_of_memory, run_plan, time_group
from adam_vs_gd.errors import DiskError, MachineError, UnfitError
from adam_vs_gd.problems.images.lanes import Maker, maker_of
from adam_vs_gd.problems.methods import PATHS
from adam_vs_gd.problems.variables import STATUSES
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.plain import about, plain
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.spec.values import is_number
from adam_vs_gd.store import lock
from adam_vs_gd.store.checkpoint import Checkpoints
from adam_vs_gd.store.folder import Damage, Folder, Survey
from adam_vs_gd.store.log import Log
from adam_vs_gd.store.mixture import UNMIXED, refuse_mixture
from adam_vs_gd.store.provenance import processor, provenance
from adam_vs_gd.surroundings import recorded, refuse_settings
from adam_vs_gd.types import Rows

CHECKPOINT_SECONDS = 120.0


@dataclass(frozen=True)
class Settings:
    """How a sweep is run. None of it changes a number beyond rounding, and on a CPU none a bit.

    Attributes:
        devices: how many to spread lanes over; all by default, on a CPU one per core.
        memory: bytes that a chunk may take, of each device on an accelerator and of all together on a CPU.
        path: one of `PATHS`.
        checkpoint_every: seconds between checkpoints within a chunk.
        wait: wait for another process in the folder, and do not give up.
        compile_cache: keep compiled programs in the user's cache folder.
        allow_mixed: let a folder hold chunks that round differently: of other platforms, paths, kernels or settings.
        quiet: no progress on stderr.
    """

    devices: int | None = None
    memory: int | None = None
    path: str = PATHS[0]
    checkpoint_every: float = CHECKPOINT_SECONDS
    wait: bool = False
    compile_cache: bool = True
    allow_mixed: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        if plain(self.path) not in PATHS:
            raise MachineError(f"path = {about(self.path)}: must be one of {', '.join(PATHS)}")
        for key, least, integral in (("devices", 1, True), ("memory", 1, False), ("checkpoint_every", 0, False)):
            value = plain(getattr(self, key))
            if value is None:
                continue
            if not is_number(value) or not least <= value < np.inf:
                raise MachineError(f"{key} = {about(value)}: must be a number, at least {least}")
            if integral and value != int(value):
                raise MachineError(f"{key} = {about(value)}: must be an integer")
            object.__setattr__(self, key, int(value) if integral else value)


def run_sweep(
    spec: SweepSpec,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    devices: int | None = None,
    memory: int | None = None,
    path: str = PATHS[0],
    checkpoint_every: float = CHECKPOINT_SECONDS,
    wait: bool = False,
    compile_cache: bool = True,
    allow_mixed: bool = False,
    quiet: bool = False,
) -> xr.Dataset:
    """Train every lane of a sweep that is not there yet, and return all results.

    Args:
        spec: the sweep.
        out: its folder; what it holds of this sweep is kept and not computed again. None keeps everything in memory.
        overwrite: move a folder that is there aside first.
        devices: how many to spread lanes over; all by default. On a CPU that is one XLA host device per core, if
            nothing has used JAX yet in this process.
        memory: bytes that a chunk of lanes may take, of each device on an accelerator and of all together on a CPU;
            by default a safe share of what is free.
        path: "fast", exact reformulations that are chosen lane by lane; or "reference", the plain step of the paper.
        checkpoint_every: seconds between checkpoints within a chunk.
        wait: wait while another process runs a sweep in the folder.
        compile_cache: keep compiled programs in the user's cache folder (or wherever JAX is told to keep them).
        allow_mixed: let the folder hold chunks that round differently: of other platforms, paths, kernels or settings.
        quiet: no progress on stderr.

    Returns:
        The Dataset of `load_results`. Lanes that memory was too small for are `pending`, and warned of.

    Raises:
        FolderError: if the folder holds something else, a sweep that disagrees, or another process; before anything is
            computed.
        MachineError: if there are not so many devices, or a setting is impossible.
        DiskError: if results cannot be written; what was committed stays.
        Interrupted: a KeyboardInterrupt, after SIGINT or SIGTERM: the same call goes on from there.
    """
    settings = Settings(devices, memory, path, checkpoint_every, wait, compile_cache, allow_mixed, quiet)
    maker = maker_of(spec)
    with progress_on(quiet=quiet) as progress, Interruption(progress.note) as interruption:
        found = start(spec.name, settings, progress)
        if out is None:
            return in_memory(spec, maker, settings, found, progress, interruption)
        folder = Folder(out)
        if not overwrite:
            folder.check(spec)
        with holding(folder, settings, progress, interruption, overwrite=overwrite):
            folder.check(spec)
            return compute(folder, spec, maker, list(cells(spec)), settings, found, progress, interruption)


def repair(folder: Folder, settings: Settings) -> xr.Dataset | None:
    """Set damaged chunks aside, recompute what was in them and nothing else, and write `dataset.zarr` again.

    Returns:
        The Dataset; or None where nothing was damaged and `dataset.zarr` is the journal's.
    """
    spec = folder.spec()
    everything = list(cells(spec))
    wanted = {lane.digest for _, lane in everything}
    survey = folder.survey()
    nothing_lost = not (survey.damaged or folder.lost(wanted, survey))
    if nothing_lost and folder.zarr_says(folder.dataset(spec)) == "whole":
        return None
    maker = None if nothing_lost else maker_of(spec)
    with progress_on(quiet=settings.quiet) as progress, Interruption(progress.note) as interruption:
        found = start(spec.name, settings, progress)
        with holding(folder, settings, progress, interruption):
            if maker is None:
                with writing(folder):
                    folder.consolidate(results := folder.dataset(spec))
                return results
            lost = folder.lost(wanted, folder.survey())
            return compute(folder, spec, maker, everything, settings, found, progress, interruption, only=lost)


def start(name: str, settings: Settings, progress: Progress) -> tuple[jax.Device, ...]:
    """Start JAX's backend, unless it is set to what would change results."""
    refuse_settings()
    if settings.compile_cache:
        keep_compiled()
    found = use_devices(settings.devices)
    count = f"{len(found)} devices" if len(found) > 1 else "1 device"
    progress.note(f"{name}: JAX runs on {count}, {found[0].platform} ({found[0].device_kind})")
    if kernel := kernel_of(found, settings.path):
        without = f"without the native kernel, several times slower: {kernel.why_not}"
        progress.note(f"native kernel: {kernel.simd}" if kernel.simd else without)
    return found


@contextlib.contextmanager
def holding(
    folder: Folder, settings: Settings, progress: Progress, interruption: Interruption, *, overwrite: bool = False
) -> Iterator[None]:
    """Hold the folder's lock, behind moving what is there aside for `overwrite`; what is half done is removed."""
    locked = functools.partial(lock.held, folder.path, wait=settings.wait, say=progress.note, check=interruption.check)
    if overwrite and not folder.is_empty():
        with locked() if folder.path.is_dir() else contextlib.nullcontext():
            progress.note(f"moved what was there to {folder.set_aside()}")
    folder.make()
    with locked() as alone:
        if alone:
            with writing(folder):
                folder.clean()
        yield


def compute(
    folder: Folder,
    spec: SweepSpec,
    maker: Maker,
    everything: Sequence[Cell],
    settings: Settings,
    devices: tuple[jax.Device, ...],
    progress: Progress,
    interruption: Interruption,
    only: Set[str] | None = None,
) -> xr.Dataset:
    """Compute the lanes of the spec's cells that the folder lacks, or `only` some, and write its Dataset."""
    log = Log(folder.log_file)

    def tell(text: str) -> None:
        progress.note(text)
        log.add(text)

    survey = folder.survey()
    about = provenance() | describe_machine(devices, settings) | maker.about
    labels = labels_of(spec, everything)
    wanted = labels.keys()
    if wanted - survey.done:
        refuse_mixture(folder.path, survey.about, about, settings.allow_mixed)
    with writing(folder), log.warnings():
        folder.open(spec)
        log.add(f"start on {len(devices)} devices: {about}, {settings}")
        for damage in survey.damaged:
            aside = folder.set_damaged_aside(damage.path)
            tell(f"{damage.path}: is damaged; set aside as {aside}: {what_it_held(damage, wanted)}")
        made = {key: about[key] for key in (*UNMIXED, "versions") if key in about}
        with Checkpoints(folder.checkpoints, settings.checkpoint_every, made, tell) as checkpoints:
            done = set(survey.done)
            unfinished = [snapshot.lanes for snapshot in checkpoints.load()]
            checkpoints.prune(done)
            limits = limits_of(devices, settings.memory, settings.path)
            lanes = (lane for _, lane in everything if only is None or lane.digest in only)
            plan = make_plan(lanes, limits, done, unfinished)
            log.add(describe(plan, limits))
            tell_what_is_there(wanted, survey, plan, tell)
            word = lock.Word(folder.path)

            def between(snapshot: Callable[[], Snapshot]) -> None:
                if interruption.signal is not None:
                    checkpoints.save(snapshot(), wait=True)
                    interruption.check()
                checkpoints.between(snapshot)

            def advanced(meter: Meter) -> None:
                word.say(meter.position())
                progress.update(meter)

            def keep(meter: Meter, group: Group, chunk: Chunk, rows: Rows, seconds: float) -> None:
                digests = [lane.digest for lane in chunk.lanes]
                folder.commit(
                    digests, rows, about | {"width": group.width, "devices": group.devices, "seconds": seconds}
                )
                done.update(digests)
                checkpoints.prune(done)
                log.add(f"chunk {chunk.digest}: {len(digests)} lanes in {seconds:.1f} s")
                count(meter, chunk, rows, labels)
                interruption.check()

            began = time.monotonic()
            hooks = Hooks(tell, interruption.check, advanced, between, checkpoints.find, keep)
            failed = run_plan(plan, devices, memory_of(devices, settings), hooks, maker.make)
        folder.settle(wanted, done)
        results = folder.dataset(spec)
        folder.consolidate(results)
        log.add(f"done: {plan.lanes - len(failed)} lanes in {duration(time.monotonic() - began)}")
        interruption.check()
    warn_of(failed)
    return results


def in_memory(
    spec: SweepSpec,
    maker: Maker,
    settings: Settings,
    devices: tuple[jax.Device, ...],
    progress: Progress,
    interruption: Interruption,
) -> xr.Dataset:
    """A sweep without a folder."""
    everything = list(cells(spec))
    plan = make_plan((lane for _, lane in everything), limits_of(devices, settings.memory, settings.path))
    rows_kept, labels = [], labels_of(spec, everything)

    def keep(meter: Meter, group: Group, chunk: Chunk, rows: Rows, seconds: float) -> None:
        rows_kept.append({"lane": np.array([lane.digest for lane in chunk.lanes]), **rows})
        count(meter, chunk, rows, labels)

    hooks = Hooks(
        tell=progress.note, check=interruption.check, advanced=progress.update,
        between=lambda snapshot: interruption.check(), keep=keep,
    )  # fmt: skip
    warn_of(run_plan(plan, devices, memory_of(devices, settings), hooks, maker.make))
    return to_dataset(spec, rows_kept, provenance() | describe_machine(devices, settings) | maker.about)


def memory_of(devices: tuple[jax.Device, ...], settings: Settings) -> Callable[[int], int]:
    """Of so many of the devices, the bytes that a chunk may take on each now."""
    return lambda count: limits_of(devices, settings.memory, settings.path).each(count)


def plan_sweep(spec: SweepSpec, folder: Folder | None = None, settings: Settings = Settings()) -> tuple[Plan, Limits]:
    """The plan of what a sweep still has to compute on this machine, and what that allows.

    Raises:
        DataError: if images that it needs are not there.
    """
    refuse_settings()
    maker_of(spec)
    done = folder.survey().done if folder else frozenset()
    limits = limits_of(use_devices(settings.devices), settings.memory, settings.path)
    return make_plan((lane for _, lane in cells(spec)), limits, done), limits


def estimate(spec: SweepSpec, plan: Plan, settings: Settings) -> str:
    """How long the plan of a sweep will take here, from about a second of each group."""
    make = maker_of(spec).make
    lines, total, devices, rest = [], 0.0, use_devices(settings.devices), ""
    for group in plan.groups:
        try:
            timing = time_group(group, devices, memory_of(devices, settings), make)
        except (UnfitError, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).strip().splitlines()[0][:200]
            lines.append(f"  {group_name(group)}: out of memory ({reason}); a run tries half the width, and so on")
            rest = " without what is out of memory"
            continue
        total += timing.total(group)
        lines.append(
            f"  {group_name(group)}: {timing.speed:,.0f} lane-steps/s, compiled in {duration(timing.compilation)}, "
            f"all {len(group.chunks)} chunks in {duration(timing.total(group))}"
        )
    return "\n".join([*lines, f"estimated time{rest}: {duration(total)}"])


def describe_machine(devices: Sequence[jax.Device], settings: Settings) -> dict[str, str]:
    """Where lanes are trained, and by which code."""
    platform = devices[0].platform
    device = processor() if platform == "cpu" else devices[0].device_kind
    kernel = kernel_of(devices, settings.path)
    around = recorded(platform)
    return {
        "platform": platform, "device": device, "path": settings.path,
        "kernel": kernel.simd if kernel and kernel.simd else "XLA",
        **({"settings": around} if around else {}),
    }  # fmt: skip


def what_it_held(damage: Damage, wanted: Set[str]) -> str:
    """What becomes of the lanes of a damaged chunk."""
    if damage.lanes is None:
        return "it cannot be told which lanes it held; those that are missing are computed"
    beside = len(set(damage.lanes) - wanted)
    text = f"its {len(damage.lanes) - beside} lanes are computed again, where no other chunk has them"
    return text + (f"; {beside} more are lost, which this spec does not name" if beside else "")


def tell_what_is_there(wanted: Set[str], survey: Survey, plan: Plan, tell: Callable[[str], None]) -> None:
    """How much is done, what is to do, and what the folder has beside this sweep."""
    there, beside = len(wanted & survey.done), len(survey.done - wanted)
    chunks = sum(len(group.chunks) for group in plan.groups)
    tell(f"{there} of {len(wanted)} lanes are there, {plan.lanes} to train in {chunks} chunks")
    if beside:
        tell(f"{beside} lanes of the journal are not in this spec; they are kept, and shown again when it names them")


def labels_of(spec: SweepSpec, everything: Sequence[Cell]) -> dict[str, str]:
    """The label of the optimizer of each of the spec's lanes."""
    labels = list(spec.optimizers)
    return {lane.digest: labels[position[0]] for position, lane in everything}


def count(meter: Meter, chunk: Chunk, rows: Rows, labels: Mapping[str, str]) -> None:
    """Count a chunk's statuses and errors; those of lanes that diverged or collapsed count in no mean."""
    for lane, status, error in zip(chunk.lanes, rows["status"], rows["test_error"], strict=True):
        name = STATUSES[int(status)]
        meter.count(name, labels[lane.digest], None if name in ("diverged", "collapsed") else float(error))


def warn_of(failed: Sequence[Lane]) -> None:
    """Warn of lanes that were not computed."""
    if failed:
        text = f"{len(failed)} lanes are not computed: memory is too small for them; --memory allows more"
        warnings.warn(text, stacklevel=3)


@contextlib.contextmanager
def writing(folder: Folder) -> Iterator[None]:
    """Say in one line what keeps results from being written.

    Raises:
        DiskError: for any error of the file system.
    """
    try:
        yield
    except OSError as error:
        # orbax makes a folder that has vanished again, but not what else was in it
        vanished = isinstance(error, FileNotFoundError) or not folder.path.is_dir()
        gone = " (the folder has vanished)" if vanished else ""
        raise DiskError(
            f"{folder.path}: cannot be written to: {error.strerror or error}{gone}; what was committed stays. "
            "Mend it and run the same command again: it goes on from there"
        ) from error
