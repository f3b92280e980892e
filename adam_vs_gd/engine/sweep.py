"""A sweep from start to end: folder, lock, plan, run, journal, Dataset. The I/O around `runner`."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adam_vs_gd.engine.crew import GivenUp, Reports
from adam_vs_gd.engine.dispatch import dispatch
from adam_vs_gd.engine.executors import InProcess
from adam_vs_gd.engine.interruption import Interruption
from adam_vs_gd.engine.outline import outline
from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.placing import Make
from adam_vs_gd.engine.plan import Chunk, Group, Plan
from adam_vs_gd.engine.progress import Far, Meter, Pulse, duration, progress_on
from adam_vs_gd.engine.rounds import Round, plan_of, rounds
from adam_vs_gd.engine.run import Run, holding, locked, mirrored, refuse_unfit, running, wait_for, writing
from adam_vs_gd.engine.runner import Hooks, run_plan
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.engine.task import Kept
from adam_vs_gd.engine.telling import count, tell_what_is_there, warn_of, what_it_held
from adam_vs_gd.engine.worker import made_with
from adam_vs_gd.errors import FolderError
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.cells import Lane, cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec, expect_spec
from adam_vs_gd.store import lock, zarr_copy
from adam_vs_gd.store.checkpoint import Checkpoints
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.log import Log
from adam_vs_gd.store.mixture import refuse_mixture
from adam_vs_gd.store.words import Words
from adam_vs_gd.types import Rows

if TYPE_CHECKING:
    import xarray as xr


def run_sweep(
    spec: SweepSpec,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    optimizers: Mapping[str, Any] | None = None,
    model: Any = None,
    data: Any = None,
    executor: Any = None,
    **settings: Any,
) -> xr.Dataset:
    """Train every lane of a sweep that is not there yet, and return all results.

    Args:
        spec: the sweep.
        out: its folder, or an address in an object store such as s3://bucket/prefix; what it holds of this sweep is
            kept and not computed again. None keeps everything in memory.
        overwrite: move a folder that is there aside first.
        optimizers: {label: factory} of your own, `factory(eta, lam=…, …) -> optax.GradientTransformation`, for
            labels of the spec; see docs/your-own.md, as for
        model: your own, and
        data: a sampler of your own.
        executor: who trains the lanes instead of this process: anything with the interface of
            `concurrent.futures.Executor` whose workers are spawned, Dask's client, or a function that makes one; or as
            on the command line "dask", "dask:ADDRESS", "submitit:CONFIG.toml". See docs/scaling-out.md.
        settings: those of `Settings` by name: `devices`, `memory`, `path`, `products`, `checkpoint_every`,
            `silence`, `wait`, `compile_cache`, `allow_mixed`, `quiet`.

    Returns:
        The Dataset of `load_results`. Lanes that memory was too small for, or whose chunk has killed its workers again
        and again, are `pending`, and warned of.

    Raises:
        SpecError: if it is no spec, or an object that it names is not what it should be.
        FolderError: if the folder holds something else, a sweep that disagrees, or another process; before anything is
            computed.
        MachineError: if there are not so many devices, or a setting is impossible.
        DiskError: if results cannot be written; what was committed stays.
        ExecutorError: if the executor takes no more chunks; what was committed stays.
        Interrupted: a KeyboardInterrupt, after SIGINT or SIGTERM: the same call goes on from there.
    """
    named = {f"optimizers.{label}": factory for label, factory in (optimizers or {}).items()}
    given = {key: thing for key, thing in {**named, "model": model, "data": data}.items() if thing is not None}
    return sweep(expect_spec(spec), out, given, Settings(**settings), overwrite=overwrite, executor=executor)


def sweep(
    spec: SweepSpec,
    out: str | Path | None,
    given: Mapping[str, Any],
    settings: Settings,
    *,
    overwrite: bool = False,
    executor: Any = None,
) -> xr.Dataset:
    """`run_sweep`, with the objects that a spec names."""
    folder = None if out is None else Folder(out)
    if overwrite and folder and folder.remote:
        raise FolderError(
            f"{folder}: --overwrite cannot move what is in an object store; choose another with --out, or move it there"
        )
    with running(spec, given, settings, folder.path if folder else None, executor) as run:
        if folder is None:
            return in_memory(run)
        if not overwrite:
            folder.check(run.spec)
        refuse_unfit(run, None if overwrite else folder.journal)
        with holding(folder, run, overwrite=overwrite, check=functools.partial(folder.check, run.spec)):
            return compute(folder, run)


def repair(folder: Folder, settings: Settings, given: Mapping[str, Any] | None = None) -> xr.Dataset | None:
    """Set damaged chunks aside, recompute what was in them and nothing else, and write `dataset.zarr` again.

    Returns:
        The Dataset; or None where nothing was damaged and `dataset.zarr` is the journal's.
    """
    if folder.remote:
        with (
            progress_on(quiet=settings.quiet) as progress,
            Interruption(progress.note) as interruption,
            locked(folder, settings, progress, interruption),
            mirrored(folder, settings, progress, interruption, everything=True),
        ):
            pass
    spec = folder.spec()
    everything = list(cells(spec)) if spec.refine is None else None
    wanted = folder.asked(spec, everything)
    survey = folder.journal.survey()
    if not (survey.damaged or folder.journal.lost(wanted, survey)):
        results = folder.dataset(spec, everything)
        if zarr_copy.says(folder.zarr, results) == "whole":
            return None
        with (
            progress_on(quiet=settings.quiet) as progress,
            Interruption(progress.note) as interruption,
            locked(folder, settings, progress, interruption),
            mirrored(folder, settings, progress, interruption),
            writing(folder),
        ):
            zarr_copy.write(folder.zarr, results := folder.dataset(spec, everything))
        return results
    with running(spec, given or {}, settings, folder.path) as run, holding(folder, run):
        return compute(folder, run, lost=True)


def compute(folder: Folder, run: Run, *, lost: bool = False) -> xr.Dataset:
    """Compute the lanes of a sweep that the folder lacks, or those `lost` in damage, and write its Dataset."""
    log = Log(folder.log_file)

    def tell(text: str) -> None:
        run.progress.note(text)
        log.add(text)

    spec, settings, about = run.spec, run.settings, run.about
    survey = folder.journal.survey()
    limits, began, gone, trained = run.limits(), time.monotonic(), GivenUp(), 0
    wanted = folder.asked(spec, run.cells)
    if wanted - survey.done:
        refuse_mixture(folder.path, survey.about, about, settings.allow_mixed, run.family.unmixed)
    with writing(folder), log.warnings():
        folder.open(spec)
        log.add(f"start {run.where}: {about}, {settings}")
        for path, damages in itertools.groupby(survey.damaged, lambda damage: damage.path):
            aside = folder.journal.set_aside(path)
            for damage in damages:
                where = f"{'in' if aside.is_dir() else 'as'} {aside}"
                tell(f"{damage.place}: is damaged; set aside {where}: {what_it_held(damage, wanted)}")
        made = made_with(about, run.family.unmixed)
        with Checkpoints(folder.checkpoints, settings.checkpoint_every, made, tell) as checkpoints:
            done = set(survey.done)
            unfinished = [snapshot.lanes for snapshot in checkpoints.load()]
            checkpoints.prune(done)
            word = lock.Word(folder.path)
            committed: set[str] = set()

            def advanced(meter: Meter) -> None:
                word.say(meter.position())
                run.progress.update(meter)

            def kept(part: Kept) -> None:
                if part.rows is not None:
                    folder.journal.commit(part.lanes, part.rows, part.how)
                committed.add(digest_of(part.lanes))
                done.update(part.lanes)
                checkpoints.prune(done)
                folder.committed(digest_of(part.lanes))
                log.add(f"chunk {digest_of(part.lanes)}: {len(part.lanes)} lanes in {part.how['seconds']:.1f} s")

            def ended(chunk: Chunk) -> None:
                checkpoints.remove(chunk.digest)

            def rows() -> Iterator[Rows]:
                yield from folder.journal.those(committed) if trained else folder.journal.chunks()

            def damaged(lanes: Set[str]) -> Set[str]:
                return folder.journal.lost(lanes, survey)

            for stage in rounds(run, rows, damaged if lost else None):
                committed.clear()
                plan = plan_of(run.family, run.refinement, stage.lanes, limits, done, unfinished)
                log.add(str(outline(plan, limits)))
                tell_what_is_there(stage, survey, plan, tell)
                trained += plan.lanes
                gone.add(train_all(run, plan, stage, tell, kept, ended, advanced, checkpoints.having))
                if run.pool:
                    wait_for(folder, committed, run.interruption.check)
                    for _ in checkpoints.load():  # those of workers who were lost
                        pass
                    checkpoints.prune(done)
                if gone.lanes:
                    break
        folder.journal.settle(folder.asked(spec, run.cells), done)
        results = folder.dataset(spec, run.cells)
        zarr_copy.write(folder.zarr, results)
        log.add(f"done: {trained - gone.lanes} lanes in {duration(time.monotonic() - began)}")
        run.interruption.check()
    warn_of(gone, run.refinement)
    return results


def train_all(
    run: Run,
    plan: Plan,
    stage: Round,
    tell: Callable[[str], None],
    kept: Callable[[Kept], None],
    ended: Callable[[Chunk], None],
    advanced: Callable[[Meter], None],
    begun: Callable[[Collection[str]], tuple[str, ...]] = lambda lanes: (),
) -> GivenUp:
    """Have the chunks of a round's plan trained by whoever does that for a run."""
    meter, labels, counted = stage.meter(plan), stage.labels, set[str]()

    def heard(lanes: Iterable[tuple[str, int, float]]) -> None:
        for lane, status, value in lanes:
            if lane not in counted and lane in labels:
                counted.add(lane)
                count(meter, run.family, labels[lane], status, value)

    def keep(part: Kept) -> None:
        heard(zip(part.lanes, part.statuses, part.values, strict=True))
        kept(part)

    reports = Reports(tell, run.interruption.check, keep, heard, ended, advanced)
    if run.pool is None:
        post = functools.partial(Direct, run.interruption.check, meter, reports)
        return dispatch(run.job, plan, InProcess(run.here, post), reports, meter, begun)
    words = Words(run.pool.places.path)
    words.make()
    try:
        return dispatch(run.job, plan, run.pool, reports, meter, begun, silence=run.settings.silence)
    finally:
        words.remove()


class Direct:
    """What a chunk that is trained here tells: at once, to the run's own.

    Args:
        check: raises to stop.
        meter: of the run.
        reports: of it.
        attempt: what the chunk runs under.
    """

    def __init__(self, check: Callable[[], None], meter: Meter, reports: Reports, attempt: str) -> None:
        self.check, self.meter, self.reports, self.attempt = check, meter, reports, attempt
        self.tell = reports.tell

    def far(self, far: Far) -> None:
        """The chunk has got on."""
        self.meter.hear(self.attempt, far)
        self.reports.advanced(self.meter)

    def kept(self, kept: Kept) -> None:
        """Some of its lanes are done."""
        self.reports.heard(zip(kept.lanes, kept.statuses, kept.values, strict=True))

    def begun(self, names: Collection[str]) -> None:
        """Nobody else goes on with them."""


def in_memory(run: Run) -> xr.Dataset:
    """A sweep without a folder."""
    refuse_unfit(run)
    everything: list[Rows] = []
    new: list[Rows] = []
    gone = GivenUp()

    def kept(part: Kept) -> None:
        new.append({"lane": np.array(part.lanes), **(part.rows or {})})

    def rows() -> Iterator[Rows]:
        yield from new

    for stage in rounds(run, rows):
        new.clear()
        plan = plan_of(run.family, run.refinement, stage.lanes, run.limits())
        gone.add(train_all(run, plan, stage, run.progress.note, kept, lambda chunk: None, run.progress.update))
        everything += new
        if gone.lanes:
            break
    warn_of(gone, run.refinement)
    if run.refinement:
        return run.refinement.dataset(everything, run.about)
    return to_dataset(run.spec, everything, run.about, run.cells)


def train(
    run: Run, batch: Make, adjust: Callable[[Group], Group] = lambda group: group
) -> tuple[list[Rows], list[Lane]]:
    """Train the lanes of a run here, measure more than the family does, and keep nothing on disk.

    Args:
        run: whose lanes are trained.
        batch: what gives the functions of a group.
        adjust: changes a group of the plan.

    Returns:
        The rows of every chunk, with the lanes' digests under "lane"; and the lanes that memory was too small for.
    """
    plan = make_plan(run.family, (lane for _, lane in run.cells), run.limits())
    plan = Plan(tuple(adjust(group) for group in plan.groups))
    rows_kept: list[Rows] = []
    meter, bench = Meter(plan), run.here

    def keep(group: Group, chunk: Chunk, rows: Rows, seconds: float) -> None:
        rows_kept.append({"lane": np.array([lane.digest for lane in chunk.lanes]), **rows})

    def advanced(pulse: Pulse) -> None:
        meter.hear("all", pulse.far())
        run.progress.update(meter)

    hooks = Hooks(
        tell=run.progress.note, check=run.interruption.check, advanced=advanced,
        between=lambda snapshot: run.interruption.check(), keep=keep,
    )  # fmt: skip
    failed = run_plan(plan, bench.devices, bench.memory, hooks, batch)
    return rows_kept, failed
