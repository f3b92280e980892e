"""Trains chunks, for this process or for another: a chunk's description in, what became of it out."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from adam_vs_gd.engine.chunk import Programs
from adam_vs_gd.engine.machine import host
from adam_vs_gd.engine.plan import Chunk, Group, Limits, Plan
from adam_vs_gd.engine.progress import Far, Pulse
from adam_vs_gd.engine.runner import Hooks, Shop, run_plan
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.engine.site import describe_site, expect_declared, start
from adam_vs_gd.engine.task import Answer, Job, Kept, Site, Task
from adam_vs_gd.errors import Interrupted
from adam_vs_gd.problem import Maker
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.store.checkpoint import Checkpoints, Snapshot
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.mixture import UNMIXED
from adam_vs_gd.store.words import Words
from adam_vs_gd.surroundings import refuse_settings
from adam_vs_gd.types import Rows

WORD_SECONDS = 1.0  # between two words of a chunk
BEAT_SECONDS = 10.0  # between two signs of life while nothing else is said, as in a compilation


class StoppedError(Exception):
    """A chunk has to be left before its end."""


class Post(Protocol):
    """What a worker tells while it trains a chunk, and is told."""

    def tell(self, text: str) -> None:
        """Something worth a line has happened."""

    def far(self, far: Far) -> None:
        """The chunk has got on."""

    def kept(self, kept: Kept) -> None:
        """Some of its lanes are done."""

    def check(self) -> None:
        """Raise to stop."""


class Bench(NamedTuple):
    """What a process has to train the chunks of a run with.

    Attributes:
        maker: of its lanes' functions.
        settings: how it is run.
        devices: where.
        about: what that computes with.
        shop: what is kept between chunks.
        name: of this worker.
    """

    maker: Maker
    settings: Settings
    devices: tuple[jax.Device, ...]
    about: Mapping[str, str]
    shop: Shop
    name: str

    def limits(self) -> Limits:
        """What a chunk may take now."""
        return self.settings.limits(self.maker.spec.family, self.devices)

    def memory(self, devices: int) -> int:
        """Of so many of the devices, the bytes that a chunk may take on each now."""
        return self.limits().each(devices)

    def compiled(self, group: Group, programs: Programs) -> None:
        """See that a group's programs give what its family declares."""
        expect_declared(self.maker.spec, group, programs)


def bench_for(job: Job, maker: Maker, note: Callable[[str], None]) -> Bench:
    """Start JAX for a run."""
    devices = start(maker.spec, job.settings, note)
    about = describe_site(maker, devices, job.settings)
    return Bench(maker, job.settings, devices, about, Shop(), f"{host()}, process {os.getpid()}")


@functools.lru_cache(maxsize=1)
def bench_of(job: Job) -> tuple[Bench, tuple[str, ...]]:
    """The bench of a process that works for others, and what was said as it was made; kept for the chunks to come."""
    refuse_settings()
    spec, given = job.sweep()
    said: list[str] = []
    bench = bench_for(job, spec.family.make(spec, given), said.append)
    return bench, tuple(said)


def look(job: Job) -> Site:
    """What a worker says of itself."""
    bench, said = bench_of(job)
    return Site(bench.maker.spec.to_dict(), bench.about, bench.limits(), said, bench.name)


def work(task: Task) -> Answer:
    """Train a chunk in a process that works for others."""
    try:
        bench, _ = bench_of(task.job)
    except Exception as error:
        name = f"{host()}, process {os.getpid()}"
        return Answer(error=portable(error, name), worker=name)
    with posted(task, bench.name) as post:
        answer = carry_out(bench, task, post)
    wrong = None if answer.error is None else portable(answer.error, bench.name)
    return answer._replace(said=tuple(post.said), error=wrong)


def portable(error: BaseException, worker: str) -> BaseException:
    """An error that can be pickled, with a note of where it happened."""
    where = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
        told = error
    except Exception as reason:  # somebody's exception may be anything
        told = RuntimeError(f"{type(error).__name__}: {error} ({reason})")
    told.add_note(f"in {worker}:\n{where}")
    return told


class Posted:
    """Word in a folder, where that is seen; what is said goes back with the answer as well."""

    def __init__(self, task: Task, name: str) -> None:
        self.words = Words(task.job.words) if task.job.words else None
        self.attempt, self.said, self.spoken, self.lock = task.attempt, list[str](), 0.0, threading.Lock()
        self.word: dict[str, Any] = {"worker": name, "chunk": task.chunk.digest, "kept": [], "said": self.said}
        self.over = threading.Event()

    def say(self) -> None:
        """Leave the word that there is."""
        if self.words:
            with self.lock:
                self.spoken = time.monotonic()
                self.word["beat"] = self.word.get("beat", 0) + 1
                self.words.say(self.attempt, self.word)

    def beat(self) -> None:
        """Give signs of life until it is over."""
        while not self.over.wait(BEAT_SECONDS):
            self.say()

    def tell(self, text: str) -> None:
        """As of `Post`."""
        self.said.append(text)
        self.say()

    def far(self, far: Far) -> None:
        """As of `Post`."""
        self.word["far"] = far
        if time.monotonic() - self.spoken >= WORD_SECONDS:
            self.say()

    def kept(self, kept: Kept) -> None:
        """As of `Post`."""
        self.word["kept"] += [list(one) for one in zip(kept.lanes, kept.statuses, kept.values, strict=True)]

    def check(self) -> None:
        """As of `Post`.

        Raises:
            StoppedError: if all have to stop.
        """
        if STOPPING.is_set() or (self.words and self.words.stopping()):
            raise StoppedError


STOPPING = threading.Event()
"""Set when this process is about to end, by whatever is told so."""


@contextlib.contextmanager
def posted(task: Task, name: str) -> Iterator[Posted]:
    """Word of a chunk, from its begin to its end."""
    post = Posted(task, name)
    post.say()
    beating = threading.Thread(target=post.beat, daemon=True)
    beating.start()
    try:
        yield post
    finally:
        post.over.set()
        beating.join()
        if post.words:
            post.words.end(post.attempt)


def carry_out(bench: Bench, task: Task, post: Post) -> Answer:
    """Train a chunk, and publish its lanes in the folder's journal where that is seen."""
    job, family = task.job, bench.maker.spec.family
    if job.made is not None and (why := mismatch(job.made, bench.about, job.settings.allow_mixed, family.unmixed)):
        return Answer(refused=why, worker=bench.name)
    folder = Folder(job.folder) if job.folder and (job.words is None or Words(job.words).seen()) else None
    parts: list[Kept] = []

    def keep(group: Group, chunk: Chunk, rows: Rows, seconds: float) -> None:
        how = dict(bench.about) | {"width": group.width, "devices": group.devices, "seconds": seconds}
        digests = tuple(lane.digest for lane in chunk.lanes)
        here = published(folder, digests, rows, how, post)
        main = rows.get(family.main, np.full(len(digests), np.nan))
        part = Kept(digests, tuple(map(int, rows["status"])), tuple(map(float, main)), None if here else rows, how)
        parts.append(part)
        post.kept(part)

    failed: Sequence[Any] = ()
    stopped, error = False, None
    try:
        with checkpoints_of(bench, folder, post) as checkpoints:

            def between(snapshot: Callable[[], Snapshot]) -> None:
                try:
                    post.check()
                except BaseException:
                    if checkpoints:
                        checkpoints.save(snapshot(), wait=True)
                    raise
                if checkpoints:
                    checkpoints.between(snapshot)

            def find(lanes: Sequence[str]) -> Snapshot | None:
                return (
                    checkpoints.find(lanes, {*task.begun, task.chunk.digest, digest_of(lanes)}) if checkpoints else None
                )

            def advanced(pulse: Pulse) -> None:
                post.far(pulse.far())

            hooks = Hooks(post.tell, post.check, advanced, between, bench.compiled, find, keep)
            plan = Plan((task.group(family),))
            failed = run_plan(plan, bench.devices, bench.memory, hooks, bench.maker.batch, bench.shop)
            if checkpoints:
                checkpoints.prune({lane for part in parts for lane in part.lanes})
    except StoppedError:
        stopped = True
    except (Exception, Interrupted) as caught:
        error = caught
    return Answer(parts, failed, stopped, error=error, worker=bench.name)


def published(folder: Folder | None, digests: Sequence[str], rows: Rows, how: Mapping[str, Any], post: Post) -> bool:
    """Whether lanes are in the journal by now; where they cannot be written, whoever asked for them tries that."""
    if folder is None:
        return False
    try:
        folder.journal.commit(digests, rows, how)
    except OSError as error:
        post.tell(f"{folder.path}: is not reached from here ({error.strerror or error}); the lanes are handed back")
        return False
    return True


@contextlib.contextmanager
def checkpoints_of(bench: Bench, folder: Folder | None, post: Post) -> Iterator[Checkpoints | None]:
    """Where a chunk's checkpoints are; None where there is no folder."""
    if folder is None:
        yield None
        return
    made = made_with(bench.about, bench.maker.spec.family.unmixed)
    with Checkpoints(folder.checkpoints, bench.settings.checkpoint_every, made, post.tell) as checkpoints:
        yield checkpoints


def made_with(about: Mapping[str, str], unmixed: Mapping[str, str]) -> dict[str, str]:
    """What a checkpoint has to have in common with whoever goes on with it."""
    return {key: about[key] for key in (*UNMIXED, *unmixed, "versions") if key in about}


def mismatch(made: Mapping[str, str], here: Mapping[str, str], allowed: bool, never: Mapping[str, str]) -> str:
    """Why a worker may not train for a run; nothing if it may."""
    keys = [*never, *(() if allowed else (*UNMIXED, "versions"))]
    if allowed and package(made) != package(here):
        keys.append("versions")
    differs = [key for key in keys if made.get(key, "none") != here.get(key, "none")]
    return "; ".join(f"it has {key} = {here.get(key, 'none')}, and the run {made.get(key, 'none')}" for key in differs)


def package(about: Mapping[str, str]) -> str:
    """The version of this package."""
    return about.get("versions", "").partition(",")[0]
