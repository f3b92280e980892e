"""A sweep from start to end: folder, lock, plan, run, journal, Dataset. The I/O around `runner`."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from adam_vs_gd.engine.interruption import Interruption
from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.placing import Make
from adam_vs_gd.engine.plan import Chunk, Group, Plan, describe
from adam_vs_gd.engine.progress import Meter, duration, progress_on
from adam_vs_gd.engine.run import Run, holding, locked, refuse_unfit, running, writing
from adam_vs_gd.engine.runner import Hooks, run_plan
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.problem import Family, nothing
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.cells import Lane, cells
from adam_vs_gd.spec.sweep_spec import SweepSpec, expect_spec
from adam_vs_gd.store import lock
from adam_vs_gd.store.checkpoint import Checkpoints, Snapshot
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.journal import Damage, Survey
from adam_vs_gd.store.log import Log
from adam_vs_gd.store.mixture import UNMIXED, refuse_mixture
from adam_vs_gd.types import Rows


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
        settings: those of `Settings` by name: `devices`, `memory`, `path`, `products`, `checkpoint_every`,
            `wait`, `compile_cache`, `allow_mixed`, `quiet`.

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
        for path, damages in itertools.groupby(survey.damaged, lambda damage: damage.path):
            aside = folder.journal.set_aside(path)
            for damage in damages:
                where = f"{'in' if aside.is_dir() else 'as'} {aside}"
                tell(f"{damage.place}: is damaged; set aside {where}: {what_it_held(damage, wanted)}")
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
        run: whose lanes are trained.
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
