"""Trains chunks, for this process or for another: a chunk's description in, what became of it out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
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
from adam_vs_gd.engine.task import Answer, Job, Kept, Task
from adam_vs_gd.errors import Interrupted
from adam_vs_gd.problem import Maker
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.store.checkpoint import Checkpoints, Snapshot
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.mixture import UNMIXED
from adam_vs_gd.store.words import Words
from adam_vs_gd.types import Rows


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

    def begun(self, names: Collection[str]) -> None:
        """Lanes of it are in checkpoints of these names."""

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
        sharing: how many workers share the memory of this machine, where devices are parts of it.
    """

    maker: Maker
    settings: Settings
    devices: tuple[jax.Device, ...]
    about: Mapping[str, str]
    shop: Shop
    name: str
    sharing: int = 1

    def limits(self) -> Limits:
        """What a chunk may take now; what is said by --memory is meant for each worker."""
        limits = self.settings.limits(self.maker.spec.family, self.devices)
        if limits.shared and self.settings.memory is None:
            return replace(limits, memory=limits.memory // self.sharing)
        return limits

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
    return Bench(maker, job.settings, devices, about, Shop(), this_worker(), job.sharing)


def this_worker() -> str:
    """The name of this process among those that train."""
    return f"{host()}, process {os.getpid()}"


def carry_out(bench: Bench, task: Task, post: Post) -> Answer:
    """Train a chunk, and publish its lanes in the folder's journal where that is seen."""
    job, family = task.job, bench.maker.spec.family
    if job.made is not None and (why := mismatch(job.made, bench.about, job.settings.allow_mixed, family.unmixed)):
        return Answer(refused=why, worker=bench.name)
    folder = Folder(job.folder) if job.folder and (job.words is None or Words(job.words).seen()) else None
    parts: list[Kept] = []
    begun: list[str] = []

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
                        begun.extend(checkpoints.lanes)
                    raise
                if checkpoints:
                    checkpoints.between(snapshot)
                    post.begun(checkpoints.lanes)

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
        stopped = sum(len(part.lanes) for part in parts) < len(task.chunk.lanes)  # or it had just come to its end
    except (Exception, Interrupted) as caught:
        error = caught
    return Answer(parts, failed, stopped, error=error, worker=bench.name, begun=tuple(begun))


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
