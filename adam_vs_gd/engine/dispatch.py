"""Chunks to whoever trains them: handed out, listened to, handed out again where a worker is lost."""

from __future__ import annotations

import concurrent.futures
import uuid
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from adam_vs_gd.engine.plan import Chunk, Group, Plan
from adam_vs_gd.engine.progress import Far, Meter
from adam_vs_gd.engine.task import Answer, Job, Kept, Task, shape_of
from adam_vs_gd.errors import ExecutorError
from adam_vs_gd.spec.cells import Lane

POLL_SECONDS = 0.5  # between two looks at what workers say
DEATHS = 3  # of workers in a chunk that came no further in between, before it is given up
STOP_SECONDS = 30.0  # that workers are waited for who have to stop: a segment and a checkpoint
REFUSALS = 3  # in a row, by workers that are another than they must be, before a run is given up


class Crew(Protocol):
    """Who trains chunks."""

    def submit(self, task: Task) -> Future[Answer]:
        """Hand a chunk to it."""

    def room(self) -> int:
        """How many chunks it may have at once."""

    def words(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """(attempt, last word) of all that run, or whose worker has died in the middle."""

    def forget(self, attempt: str) -> None:
        """Nobody wants to know of an attempt any more."""

    def renew(self) -> bool:
        """Make it anew after it broke; False where only its owner can."""

    def stop(self) -> None:
        """Ask all that run to stop soon."""


class Piece(NamedTuple):
    """A chunk, and what it takes."""

    group: Group
    chunk: Chunk

    @property
    def work(self) -> float:
        """Operations of all of its steps."""
        return len(self.chunk.lanes) * self.group.static.steps * self.group.cost.step


@dataclass
class Fate:
    """What has become of a chunk so far.

    Attributes:
        deaths: of workers in it, since it last came further.
        furthest: how far it has come, in operations.
    """

    deaths: int = 0
    furthest: float = 0.0


@dataclass(frozen=True)
class Reports:
    """What is told of the chunks.

    Attributes:
        tell: something worth a line.
        check: called often; may raise to stop.
        kept: lanes are done; called with every part once.
        heard: (lane, status, value) of lanes that are done; may be called with one more than once.
        ended: a chunk needs no more work.
        advanced: called with the meter.
    """

    tell: Callable[[str], None]
    check: Callable[[], None]
    kept: Callable[[Kept], None]
    heard: Callable[[Iterable[tuple[str, int, float]]], None]
    ended: Callable[[Chunk], None]
    advanced: Callable[[Meter], None]


@dataclass
class GivenUp:
    """What was not computed, and why."""

    failed: list[Lane] = field(default_factory=list)
    killers: list[Chunk] = field(default_factory=list)

    @property
    def lanes(self) -> int:
        """How many lanes."""
        return len(self.failed) + sum(len(chunk.lanes) for chunk in self.killers)


def dispatch(
    job: Job,
    plan: Plan,
    crew: Crew,
    reports: Reports,
    meter: Meter,
    begun: Callable[[Collection[str]], tuple[str, ...]] = lambda lanes: (),
    wait: Callable[..., Any] = concurrent.futures.wait,
) -> GivenUp:
    """Have every chunk of a plan trained.

    A chunk whose worker is lost is handed out again. It is given up when so many workers died in it, and not merely
    with it in their queue, without its coming further.

    Args:
        job: what the chunks have in common.
        plan: the chunks.
        crew: who trains them.
        reports: what is told of them.
        meter: of the run.
        begun: the names of checkpoints that may have a chunk's lanes.
        wait: as `concurrent.futures.wait`.

    Returns:
        What was not computed.

    Raises:
        ExecutorError: if there is nobody left to train them.
        Exception: whatever went wrong in a chunk.
    """
    waiting = deque(Piece(group, chunk) for group in plan.groups for chunk in group.chunks)
    running: dict[Future[Answer], tuple[str, Piece]] = {}
    fates: dict[str, Fate] = {}
    gone, refused, told = GivenUp(), 0, Counter[str]()

    def settle(future: Future[Answer], heard: Mapping[str, Mapping[str, Any]]) -> None:
        nonlocal refused
        attempt, piece = running.pop(future)
        meter.drop(attempt)
        answer, lost = outcome(future)
        crew.forget(attempt)
        if answer is None:
            if not given_up(piece, attempt, heard, lost):
                waiting.append(piece)
            return
        for line in answer.said[told.pop(attempt, 0) :]:
            reports.tell(line)
        for kept in answer.kept:
            reports.kept(kept)
        if answer.error is not None:
            raise answer.error
        if answer.refused:
            refused += 1
            reports.tell(f"{answer.worker}: is not fit for this run, and gets nothing of it: {answer.refused}")
            if refused >= REFUSALS:
                raise ExecutorError(f"{answer.worker}: {answer.refused}; start workers as this process was started")
            waiting.append(piece)
            return
        refused = 0
        if answer.stopped:
            reports.tell(f"{answer.worker}: was stopped in the middle of a chunk; it is handed out again")
            waiting.append(piece)
            return
        gone.failed += answer.failed
        meter.end(len(piece.chunk.lanes) - len(answer.failed), piece.work)
        reports.ended(piece.chunk)

    def given_up(piece: Piece, attempt: str, heard: Mapping[str, Mapping[str, Any]], lost: BaseException) -> bool:
        fate = fates.setdefault(piece.chunk.digest, Fate())
        if (word := heard.get(attempt)) is None and heard:
            return False  # it was merely in the queue of somebody who was lost
        far = Far(*word["far"]).work if word and "far" in word else 0.0
        fate.deaths = 1 if far > fate.furthest else fate.deaths + 1
        fate.furthest = max(far, fate.furthest)
        who = word["worker"] if word else "a worker"
        reports.tell(f"{who}: was lost in the middle of a chunk ({type(lost).__name__}); it is handed out again")
        if fate.deaths < DEATHS:
            return False
        gone.killers.append(piece.chunk)
        meter.end(0, piece.work)
        reports.tell(
            f"chunk {piece.chunk.digest}: given up, {DEATHS} workers have died in it; its {len(piece.chunk.lanes)} "
            "lanes stay pending"
        )
        return True

    try:
        while waiting or running:
            reports.check()
            while waiting and len(running) < crew.room():
                piece = waiting.popleft()
                attempt = uuid.uuid4().hex
                names = begun([lane.digest for lane in piece.chunk.lanes])
                task = Task(job, attempt, shape_of(piece.group), piece.chunk, names)
                try:
                    running[crew.submit(task)] = attempt, piece
                except (RuntimeError, concurrent.futures.BrokenExecutor) as error:
                    waiting.appendleft(piece)
                    if running:
                        break
                    if not crew.renew():
                        raise ExecutorError(
                            f"the executor takes no more chunks ({error}); what is finished is kept, and the same "
                            "call with another executor goes on from there"
                        ) from error
                    reports.tell("the executor broke, and is made anew")
            done, _ = wait(running, timeout=POLL_SECONDS, return_when=concurrent.futures.FIRST_COMPLETED)
            heard = dict(crew.words())
            for attempt, word in heard.items():
                listen(attempt, word, running, meter, reports, told)
            for future in done:
                settle(future, heard)
            reports.advanced(meter)
    except BaseException:
        crew.stop()
        still, _ = wait([future for future in running if not future.cancel()], timeout=STOP_SECONDS)
        for future in still:
            answer, _ = outcome(future)
            for kept in answer.kept if answer else ():
                reports.kept(kept)
        raise
    return gone


def outcome(future: Future[Answer]) -> tuple[Answer | None, BaseException]:
    """A future's answer; or None and what an executor says where its worker was lost."""
    try:
        return future.result(), RuntimeError()
    except (Exception, concurrent.futures.CancelledError) as error:
        return None, error


def listen(
    attempt: str,
    word: Mapping[str, Any],
    running: Mapping[Future[Answer], tuple[str, Piece]],
    meter: Meter,
    reports: Reports,
    told: Counter[str],
) -> None:
    """Take down what a worker says of an attempt."""
    if attempt not in {name for name, _ in running.values()}:
        return
    meter.hear(attempt, Far(*word["far"]) if "far" in word else Far())
    reports.heard((str(lane), int(status), float(value)) for lane, status, value in word["kept"])
    for line in word["said"][told[attempt] :]:
        reports.tell(line)
    told[attempt] = max(told[attempt], len(word["said"]))
