"""What a sweep is run with, from the start of JAX to the lock of its folder."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from adam_vs_gd.engine.errand import BEAT_SECONDS
from adam_vs_gd.engine.executors import POLL_SECONDS, Pool, pool_of
from adam_vs_gd.engine.interruption import Interruption
from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.engine.progress import Progress, progress_on
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.engine.task import Job, pickled
from adam_vs_gd.engine.worker import Bench, bench_for
from adam_vs_gd.errors import DiskError, FolderError, MachineError
from adam_vs_gd.problem import Family, nothing
from adam_vs_gd.refine.refinement import Refinement
from adam_vs_gd.spec.cells import Cell, cells
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store import lock
from adam_vs_gd.store.folder import WORKERS, Folder
from adam_vs_gd.store.journal import Journal
from adam_vs_gd.store.log import Log
from adam_vs_gd.store.mirror import Mirror
from adam_vs_gd.store.words import Words, left_behind
from adam_vs_gd.surroundings import refuse_settings

TAKE_OVER_SECONDS = 120.0  # that workers of a run whose driver is gone are waited for
STALE_SECONDS = 90.0  # that a network's file system may show a folder as it was: its caches are kept for up to 60 s


class Run(NamedTuple):
    """What is run.

    Attributes:
        spec: the sweep, complete.
        cells: of its result; of one that is refined those of its coarse grid.
        settings: how it is run.
        progress: what is told of it.
        interruption: whether it has to stop.
        job: what all of its chunks have in common.
        about: what computes it.
        limits: gives what a chunk may take now, where it is trained.
        bench: what this process trains with; None where others do.
        pool: those others.
        refuse: refuses a lane that takes more memory than there is, as far as its family knows that.
        refinement: how it is refined; None where its grid is filled.
    """

    spec: SweepSpec
    cells: Sequence[Cell]
    settings: Settings
    progress: Progress
    interruption: Interruption
    job: Job
    about: Mapping[str, str]
    limits: Callable[[], Limits]
    bench: Bench | None = None
    pool: Pool | None = None
    refuse: Callable[..., None] = nothing
    refinement: Refinement | None = None

    @property
    def family(self) -> Family:
        """The kind of problem."""
        return self.spec.family

    def labels(self, cells: Iterable[Cell]) -> dict[str, str]:
        """The label of the variant of each of the lanes."""
        labels = self.spec.labels
        first = bool(self.spec.variants)
        return {lane.digest: labels[position[0] if first else 0] for position, lane in cells}

    @property
    def where(self) -> str:
        """Where it is trained, for the log."""
        return f"on {len(self.bench.devices)} devices" if self.bench else "on workers"

    @property
    def here(self) -> Bench:
        """What this process trains with."""
        assert self.bench is not None
        return self.bench


@contextlib.contextmanager
def running(
    spec: SweepSpec,
    given: Mapping[str, Any],
    settings: Settings,
    folder: Path | None = None,
    executor: Any = None,
) -> Iterator[Run]:
    """What a sweep is run with; JAX's backend is started where it is trained, unless set to what would change results.

    Args:
        spec: the sweep.
        given: objects that it names.
        settings: how it is run.
        folder: of the sweep; None keeps it in memory.
        executor: who trains it; this process by default.
    """
    refuse_settings()
    maker = spec.family.make(spec, given)
    spec = maker.spec
    refinement = Refinement(spec) if spec.refine is not None else None
    everything = refinement.cells() if refinement else list(cells(spec))
    job = Job(uuid.uuid4().hex, spec.to_dict(), b"", settings, None if folder is None else folder.absolute())
    with progress_on(quiet=settings.quiet) as progress, Interruption(progress.note) as interruption:
        if executor is None:
            bench = bench_for(job, maker, progress.note)
            yield Run(spec, everything, settings, progress, interruption, job, bench.about, bench.limits, bench,
                      refuse=maker.refuse, refinement=refinement)  # fmt: skip
            return
        job = replace(job, given=pickled(given))
        if executor == "dask":  # `devices` is how many workers there are
            job = replace(job, settings=replace(settings, devices=None))
        with words_of(job) as words, pool_on(executor, words, job, settings.devices) as pool:
            job = replace(job, words=words.path, sharing=pool.sharing())
            if folder is not None and folder.is_dir():
                with contextlib.suppress(FolderError), lock.held(folder, wait=False, say=nothing) as alone:
                    if alone:  # workers that are at it still for a driver that is gone would answer late
                        take_over(Folder(folder), progress, interruption)
            progress.note(f"{spec.name}: waiting for a worker")
            site = pool.ask(job, interruption.check)
            for line in site.lines:
                progress.note(f"{site.worker}: {line}")
            if site.spec != spec.to_dict():
                raise MachineError(f"{site.worker}: makes another sweep of this spec; it must have the same code")
            job = replace(job, made=site.about, sharing=pool.sharing())
            yield Run(spec, everything, settings, progress, interruption, job, site.about, pool=pool,
                      limits=lambda: replace(site.limits, workers=pool.planned()),
                      refuse=maker.refuse, refinement=refinement)  # fmt: skip


@contextlib.contextmanager
def pool_on(executor: Any, words: Words, job: Job, devices: int | None) -> Iterator[Pool]:
    """Whoever an executor is, until the end of a run."""
    pool = pool_of(executor, words, job.folder, devices)
    try:
        yield pool
    finally:
        pool.close()


@contextlib.contextmanager
def words_of(job: Job) -> Iterator[Words]:
    """Where workers leave word of a run: in its folder, or in one of this machine's where it has none."""
    if job.folder is not None:
        yield Words(job.folder / WORKERS / job.token)
        return
    with tempfile.TemporaryDirectory(prefix="adam-vs-gd-") as folder:
        words = Words(Path(folder) / job.token)
        words.make()
        yield words


def refuse_unfit(run: Run, journal: Journal | None = None) -> None:
    """Refuse lanes that a journal lacks and that do not fit alone, as far as their family knows.

    Raises:
        MachineError: naming what they take.
    """
    if run.refuse is nothing:
        return
    done = journal.survey().done if journal else frozenset[str]()
    limits = run.limits()
    for group in make_plan(run.family, (lane for _, lane in run.cells), limits, done).groups:
        if group.bytes > limits.each(group.devices):
            run.refuse(group.static, limits.each(1))


@contextlib.contextmanager
def locked(folder: Folder, settings: Settings, progress: Progress, interruption: Interruption) -> Iterator[None]:
    """Hold the lock of a folder; what is half done in it is removed, and many chunks are packed, before and after."""
    folder.make()
    with lock.held(folder.path, wait=settings.wait, say=progress.note, check=interruption.check) as alone:
        if alone:
            with writing(folder):
                take_over(folder, progress, interruption)
                folder.clean()
            pack(folder, progress, interruption)
        yield
        if alone:
            pack(folder, progress, interruption)


def take_over(folder: Folder, progress: Progress, interruption: Interruption) -> None:
    """Have the workers of a run stop whose driver is gone: they leave checkpoints, from which this run goes on."""
    for words in left_behind(folder.path / WORKERS):
        words.stop()
        before, deadline = dict[str, Any](), 0.0
        last = time.monotonic() + TAKE_OVER_SECONDS
        while alive := words.alive():
            if not before:
                progress.note(f"{folder.path}: the workers of a run whose driver was lost are told to stop")
            if alive != before:
                before, deadline = alive, time.monotonic() + 2.5 * BEAT_SECONDS
            elif time.monotonic() > deadline:
                break
            if time.monotonic() > last:
                break
            interruption.check()
            time.sleep(POLL_SECONDS)
        words.remove()


def pack(folder: Folder, progress: Progress, interruption: Interruption) -> None:
    """Bundle the chunks of a folder, if there are many. Where that cannot be done, they stay files of their own."""
    try:
        folder.journal.pack(check=interruption.check)
    except OSError as error:
        progress.note(f"{folder.journal.path}: its chunks are not packed: {error.strerror or error}")


@contextlib.contextmanager
def holding(
    folder: Folder, run: Run, *, overwrite: bool = False, check: Callable[[], None] = nothing
) -> Iterator[None]:
    """`locked` and `mirrored`, behind moving what is there aside for `overwrite`."""
    settings, progress, interruption = run.settings, run.progress, run.interruption
    if overwrite and not folder.is_empty():
        hold = functools.partial(lock.held, folder.path, wait=settings.wait, say=progress.note)
        with hold(check=interruption.check) if folder.path.is_dir() else contextlib.nullcontext():
            progress.note(f"moved what was there to {folder.set_aside()}")
    with (
        locked(folder, settings, progress, interruption),
        mirrored(folder, settings, progress, interruption, check=check),
    ):
        yield


@contextlib.contextmanager
def mirrored(
    folder: Folder,
    settings: Settings,
    progress: Progress,
    interruption: Interruption,
    *,
    everything: bool = False,
    check: Callable[[], None] = nothing,
) -> Iterator[None]:
    """Keep an object store in step with a folder that is a copy of it; see `Mirror`.

    Args:
        folder: whose lock is held.
        settings: of the run.
        progress: of the run.
        interruption: of the run.
        everything: see `Mirror`.
        check: called once nobody else runs a sweep there, before anything is put; may raise to stop.
    """
    if folder.remote is None:
        check()
        yield
        return

    def tell(text: str) -> None:
        progress.note(text)
        Log(folder.log_file).add(text)

    with folder.remote.held(wait=settings.wait, say=progress.note, check=interruption.check) as token:
        check()
        mirror = Mirror(folder.remote, token, folder.path, folder.journal, tell, everything=everything)
        with mirror:
            folder.mirror = mirror
            try:
                yield
            finally:
                folder.mirror = None


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


def wait_for(folder: Folder, chunks: Collection[str], check: Callable[[], None]) -> None:
    """See that the chunks are in a folder that workers have published: a network's file system may show them late.

    Raises:
        DiskError: if they are not there after a while.
    """
    deadline = time.monotonic() + STALE_SECONDS
    while unseen := folder.journal.unseen(chunks):
        if time.monotonic() > deadline:
            raise DiskError(
                f"{folder.journal.path}: {len(unseen)} chunks that workers have published are not seen from here after "
                f"{STALE_SECONDS:.0f} s, {min(unseen)} among them; run the same command again once they are"
            )
        check()
        time.sleep(1.0)
