"""A sweep from start to end: folder, lock, plan, run, journal, Dataset. The I/O around `runner`."""

from __future__ import annotations

import contextlib
import functools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from adam_vs_gd.engine.chunk import Programs
from adam_vs_gd.engine.interruption import Interruption
from adam_vs_gd.engine.machine import keep_compiled, kernel_of, limits_of, use_devices
from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.plan import Chunk, Group, Limits, Plan, describe
from adam_vs_gd.engine.progress import Meter, Progress, duration, progress_on
from adam_vs_gd.engine.runner import Hooks, Make, is_out_of_memory, run_plan
from adam_vs_gd.engine.settings import DEFAULTS, Settings, describe_machine
from adam_vs_gd.engine.timing import time_group
from adam_vs_gd.errors import DiskError, SpecError, UnfitError
from adam_vs_gd.problem import Family, Maker, nothing
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.cells import Cell, Lane, cells
from adam_vs_gd.spec.sweep_spec import SweepSpec, expect_spec
from adam_vs_gd.store import lock
from adam_vs_gd.store.checkpoint import Checkpoints, Snapshot
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.journal import Damage, Survey
from adam_vs_gd.store.log import Log
from adam_vs_gd.store.mixture import UNMIXED, refuse_mixture
from adam_vs_gd.store.provenance import provenance
from adam_vs_gd.surroundings import refuse_settings
from adam_vs_gd.types import Rows


class Run(NamedTuple):
    """What is run.

    Attributes:
        spec: the sweep, complete.
        maker: its functions.
        cells: of its result.
        settings: how it is run.
        devices: where.
        progress: what is told of it.
        interruption: whether it has to stop.
    """

    spec: SweepSpec
    maker: Maker
    cells: Sequence[Cell]
    settings: Settings
    devices: tuple[jax.Device, ...]
    progress: Progress
    interruption: Interruption

    @property
    def family(self) -> Family:
        """The kind of problem."""
        return self.spec.family

    @property
    def labels(self) -> dict[str, str]:
        """The label of the variant of each of the lanes."""
        labels = self.spec.labels
        first = bool(self.spec.variants)
        return {lane.digest: labels[position[0] if first else 0] for position, lane in self.cells}

    @property
    def about(self) -> dict[str, str]:
        """What computes it."""
        machine = describe_machine(self.family, self.devices, self.settings.path)
        return provenance() | machine | dict(self.maker.about)

    def limits(self) -> Limits:
        """What a chunk may take now."""
        return limits_of(self.family, self.devices, self.settings.memory, self.settings.path)

    def memory(self, devices: int) -> int:
        """Of so many of the devices, the bytes that a chunk may take on each now."""
        return self.limits().each(devices)

    def compiled(self, group: Group, programs: Programs) -> None:
        """See that programs give the variables that the family declares, and no others.

        Raises:
            SpecError: naming those that do not agree.
        """
        declared = self.family.variables(self.spec)
        final = set(programs.gives["finish"])
        paths = {name: grid for grid, which in GRIDS.items() for name in programs.gives[which]}
        said = {name: variable.grid for name, variable in declared.items() if variable.grid}
        wrong = [f"{name}: is measured, but no variable of the family {self.family.name}" for name in
                 sorted(final - declared.keys() - {"status"})]  # fmt: skip
        wrong += [f"{name}: is a variable of the family {self.family.name}, but not measured" for name in
                  sorted((declared.keys() | {"status"}) - final)]  # fmt: skip
        if self.spec.record:
            wrong += [
                f"{name}: has a trajectory on the grid {grid or 'none'}, and {said.get(name) or 'none'} was declared"
                for name in sorted(paths.keys() | said.keys())
                if (grid := paths.get(name, "")) != said.get(name, "") and name in final
            ]
        if wrong:
            raise SpecError(f"the functions of {group.name}", wrong)


GRIDS = {"record": "measure", "test_record": "test"}
"""{grid of a trajectory: the program that gives it}."""


def run_sweep(
    spec: SweepSpec,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    optimizers: Mapping[str, Any] | None = None,
    model: Any = None,
    data: Any = None,
    **settings: Any,
) -> xr.Dataset:
    """Train every lane of a sweep that is not there yet, and return all results.

    Args:
        spec: the sweep.
        out: its folder; what it holds of this sweep is kept and not computed again. None keeps everything in memory.
        overwrite: move a folder that is there aside first.
        optimizers: {label: factory} of your own, `factory(eta, lam=…, …) -> optax.GradientTransformation`, for
            labels of the spec; see docs/your-own.md, as for
        model: your own, and
        data: a sampler of your own.
        settings: those of `Settings` by name: `devices`, `memory`, `path`, `checkpoint_every`, `wait`,
            `compile_cache`, `allow_mixed`, `quiet`.

    Returns:
        The Dataset of `load_results`. Lanes that memory was too small for are `pending`, and warned of.

    Raises:
        SpecError: if it is no spec, or an object that it names is not what it should be.
        FolderError: if the folder holds something else, a sweep that disagrees, or another process; before anything is
            computed.
        MachineError: if there are not so many devices, or a setting is impossible.
        DiskError: if results cannot be written; what was committed stays.
        Interrupted: a KeyboardInterrupt, after SIGINT or SIGTERM: the same call goes on from there.
    """
    named = {f"optimizers.{label}": factory for label, factory in (optimizers or {}).items()}
    given = {key: thing for key, thing in {**named, "model": model, "data": data}.items() if thing is not None}
    return sweep(expect_spec(spec), out, given, Settings(**settings), overwrite=overwrite)


def sweep(
    spec: SweepSpec,
    out: str | Path | None,
    given: Mapping[str, Any],
    settings: Settings,
    *,
    overwrite: bool = False,
) -> xr.Dataset:
    """`run_sweep`, with the objects that a spec names."""
    with running(spec, given, settings) as run:
        if out is None:
            return in_memory(run)
        folder = Folder(out)
        if not overwrite:
            folder.check(run.spec)
        if run.maker.refuse is not nothing:
            refuse_unfit(run, set() if overwrite else folder.journal.survey().done)
        with holding(folder, run, overwrite=overwrite):
            folder.check(run.spec)
            return compute(folder, run)


@contextlib.contextmanager
def running(spec: SweepSpec, given: Mapping[str, Any], settings: Settings) -> Iterator[Run]:
    """What a sweep is run with; JAX's backend is started, unless it is set to what would change results."""
    refuse_settings()
    maker = spec.family.make(spec, given)
    spec = maker.spec
    with progress_on(quiet=settings.quiet) as progress, Interruption(progress.note) as interruption:
        devices = start(spec, settings, progress)
        yield Run(spec, maker, list(cells(spec)), settings, devices, progress, interruption)


def start(spec: SweepSpec, settings: Settings, progress: Progress) -> tuple[jax.Device, ...]:
    """Start JAX's backend."""
    if settings.compile_cache:
        keep_compiled()
    found = use_devices(settings.devices)
    count = f"{len(found)} devices" if len(found) > 1 else "1 device"
    progress.note(f"{spec.name}: JAX runs on {count}, {found[0].platform} ({found[0].device_kind})")
    if kernel := kernel_of(spec.family, found, settings.path):
        without = f"without the native kernel, several times slower: {kernel.why_not}"
        progress.note(f"native kernel: {kernel.simd}" if kernel.simd else without)
    return found


def repair(folder: Folder, settings: Settings, given: Mapping[str, Any] | None = None) -> xr.Dataset | None:
    """Set damaged chunks aside, recompute what was in them and nothing else, and write `dataset.zarr` again.

    Returns:
        The Dataset; or None where nothing was damaged and `dataset.zarr` is the journal's.
    """
    spec = folder.spec()
    everything = list(cells(spec))
    wanted = {lane.digest for _, lane in everything}
    survey = folder.journal.survey()
    if not (survey.damaged or folder.journal.lost(wanted, survey)):
        results = folder.dataset(spec, everything)
        if folder.zarr_says(results) == "whole":
            return None
        with (
            progress_on(quiet=settings.quiet) as progress,
            Interruption(progress.note) as interruption,
            locked(folder, settings, progress, interruption),
            writing(folder),
        ):
            folder.consolidate(results := folder.dataset(spec, everything))
        return results
    with running(spec, given or {}, settings) as run, holding(folder, run):
        lost = folder.journal.lost(wanted, folder.journal.survey())
        return compute(folder, run, only=lost)


@contextlib.contextmanager
def locked(folder: Folder, settings: Settings, progress: Progress, interruption: Interruption) -> Iterator[None]:
    """Hold the lock of a folder; what is half done in it is removed."""
    folder.make()
    with lock.held(folder.path, wait=settings.wait, say=progress.note, check=interruption.check) as alone:
        if alone:
            with writing(folder):
                folder.clean()
        yield


@contextlib.contextmanager
def holding(folder: Folder, run: Run, *, overwrite: bool = False) -> Iterator[None]:
    """`locked`, behind moving what is there aside for `overwrite`."""
    settings, progress, interruption = run.settings, run.progress, run.interruption
    if overwrite and not folder.is_empty():
        hold = functools.partial(lock.held, folder.path, wait=settings.wait, say=progress.note)
        with hold(check=interruption.check) if folder.path.is_dir() else contextlib.nullcontext():
            progress.note(f"moved what was there to {folder.set_aside()}")
    with locked(folder, settings, progress, interruption):
        yield


def compute(folder: Folder, run: Run, only: Set[str] | None = None) -> xr.Dataset:
    """Compute the lanes of the spec's cells that the folder lacks, or `only` some, and write its Dataset."""
    log = Log(folder.log_file)

    def tell(text: str) -> None:
        run.progress.note(text)
        log.add(text)

    spec, settings, interruption, about, labels = run.spec, run.settings, run.interruption, run.about, run.labels
    survey = folder.journal.survey()
    wanted = labels.keys()
    limits, lanes = run.limits(), [lane for _, lane in run.cells if only is None or lane.digest in only]
    if wanted - survey.done:
        refuse_mixture(folder.path, survey.about, about, settings.allow_mixed, run.family.unmixed)
    with writing(folder), log.warnings():
        folder.open(spec)
        log.add(f"start on {len(run.devices)} devices: {about}, {settings}")
        for damage in survey.damaged:
            aside = folder.journal.set_aside(damage.path)
            tell(f"{damage.path}: is damaged; set aside as {aside}: {what_it_held(damage, wanted)}")
        made = {key: about[key] for key in (*UNMIXED, *run.family.unmixed, "versions") if key in about}
        with Checkpoints(folder.checkpoints, settings.checkpoint_every, made, tell) as checkpoints:
            done = set(survey.done)
            unfinished = [snapshot.lanes for snapshot in checkpoints.load()]
            checkpoints.prune(done)
            plan = make_plan(run.family, lanes, limits, done, unfinished)
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
                run.progress.update(meter)

            def keep(meter: Meter, group: Group, chunk: Chunk, rows: Rows, seconds: float) -> None:
                digests = [lane.digest for lane in chunk.lanes]
                how = {"width": group.width, "devices": group.devices, "seconds": seconds}
                folder.journal.commit(digests, rows, about | how)
                done.update(digests)
                checkpoints.prune(done)
                log.add(f"chunk {chunk.digest}: {len(digests)} lanes in {seconds:.1f} s")
                count(meter, run.family, chunk, rows, labels)
                interruption.check()

            began = time.monotonic()
            hooks = Hooks(tell, interruption.check, advanced, between, run.compiled, checkpoints.find, keep)
            failed = run_plan(plan, run.devices, run.memory, hooks, run.maker.batch)
        folder.journal.settle(wanted, done)
        results = folder.dataset(spec, run.cells)
        folder.consolidate(results)
        log.add(f"done: {plan.lanes - len(failed)} lanes in {duration(time.monotonic() - began)}")
        interruption.check()
    warn_of(failed)
    return results


def in_memory(run: Run) -> xr.Dataset:
    """A sweep without a folder."""
    refuse_unfit(run, set())
    rows, failed = train(run)
    warn_of(failed)
    return to_dataset(run.spec, rows, run.about, run.cells)


def train(
    run: Run, batch: Make | None = None, adjust: Callable[[Group], Group] = lambda group: group
) -> tuple[list[Rows], list[Lane]]:
    """Train the lanes of a run, and keep nothing on disk.

    Args:
        run: it.
        batch: what gives the functions of a group, to measure more than the family does; the family's by default.
        adjust: changes a group of the plan.

    Returns:
        The rows of every chunk, with the lanes' digests under "lane"; and the lanes that memory was too small for.
    """
    plan = make_plan(run.family, (lane for _, lane in run.cells), run.limits())
    rows_kept: list[Rows] = []
    labels = run.labels

    def keep(meter: Meter, group: Group, chunk: Chunk, rows: Rows, seconds: float) -> None:
        rows_kept.append({"lane": np.array([lane.digest for lane in chunk.lanes]), **rows})
        count(meter, run.family, chunk, rows, labels)

    hooks = Hooks(
        tell=run.progress.note, check=run.interruption.check, advanced=run.progress.update,
        between=lambda snapshot: run.interruption.check(), keep=keep,
        compiled=Hooks.compiled if batch else run.compiled,
    )  # fmt: skip
    plan = Plan(tuple(adjust(group) for group in plan.groups))
    failed = run_plan(plan, run.devices, run.memory, hooks, batch or run.maker.batch)
    return rows_kept, failed


def refuse_unfit(run: Run, done: Set[str]) -> None:
    """Refuse lanes that are not done and do not fit alone, as far as their family knows.

    Raises:
        MachineError: naming what they take.
    """
    limits = run.limits()
    for group in make_plan(run.family, (lane for _, lane in run.cells), limits, done).groups:
        if group.bytes > limits.each(group.devices):
            run.maker.refuse(group.static, limits.each(1))


def plan_sweep(
    spec: SweepSpec,
    folder: Folder | None = None,
    settings: Settings = DEFAULTS,
    given: Mapping[str, Any] = {},
) -> tuple[Plan, Limits]:
    """The plan of what a sweep still has to compute on this machine, and what that allows.

    Raises:
        DataError: if data that it needs are not there.
    """
    refuse_settings()
    spec = spec.family.make(spec, given).spec
    if folder:
        folder.check(spec)
    done = folder.journal.survey().done if folder else frozenset()
    limits = limits_of(spec.family, use_devices(settings.devices), settings.memory, settings.path)
    return make_plan(spec.family, (lane for _, lane in cells(spec)), limits, done), limits


def estimate(spec: SweepSpec, plan: Plan, settings: Settings) -> str:
    """How long the plan of a sweep will take here, from about a second of each group."""
    make = spec.family.make(spec, {}).batch
    lines, total, devices, rest = [], 0.0, use_devices(settings.devices), ""
    memory = lambda count: limits_of(spec.family, devices, settings.memory, settings.path).each(count)  # noqa: E731
    for group in plan.groups:
        try:
            timing = time_group(group, devices, memory, make)
        except (UnfitError, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).strip().splitlines()[0][:200]
            lines.append(f"  {group.name}: out of memory ({reason}); a run tries half the width, and so on")
            rest = " without what is out of memory"
            continue
        total += timing.total(group)
        lines.append(
            f"  {group.name}: {timing.speed:,.0f} lane-steps/s, compiled in {duration(timing.compilation)}, "
            f"all {len(group.chunks)} chunks in {duration(timing.total(group))}"
        )
    return "\n".join([*lines, f"estimated time{rest}: {duration(total)}"])


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


def count(meter: Meter, family: Family, chunk: Chunk, rows: Rows, labels: Mapping[str, str]) -> None:
    """Count a chunk's statuses, and the main variable of the lanes that count in its mean."""
    main = rows.get(family.main, np.full(len(chunk.lanes), np.nan))
    for lane, status, value in zip(chunk.lanes, rows["status"], main, strict=True):
        outcome = family.statuses[int(status)]
        told = outcome.counts and outcome.in_rates and np.isfinite(value)
        meter.count(outcome.name, labels[lane.digest], float(value) if told else None)


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
