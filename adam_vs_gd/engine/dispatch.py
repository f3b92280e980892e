"""Chunks to whoever trains them: handed out, listened to, handed out again where a worker is lost."""

from __future__ import annotations

import concurrent.futures
import math
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import replace
from typing import Any

from adam_vs_gd.engine.crew import Crew, GivenUp, Reports, outcome
from adam_vs_gd.engine.plan import Chunk, Plan
from adam_vs_gd.engine.progress import Far, Meter, duration
from adam_vs_gd.engine.settings import SILENCE_SECONDS
from adam_vs_gd.engine.task import Answer, Job, Kept, Task, shape_of
from adam_vs_gd.engine.tries import Loss, Piece, Try
from adam_vs_gd.errors import ExecutorError, first_line

POLL_SECONDS = 0.5  # between two looks at what workers say; longer where a look takes long:
LOOKING = 20  # times what the last one took
DEATHS = 3  # of workers in a chunk that came no further in between, before it is given up
VAIN = 30  # times that a chunk is lost before anybody has begun it, before it is given up
STOP_SECONDS = 30.0  # that workers are waited for who have to stop: a segment and a checkpoint
REFUSALS = 3  # in a row, by workers that are another than they must be, before a run is given up


class Dispatcher:
    """Has the chunks of a plan trained; see `dispatch`."""

    def __init__(
        self,
        job: Job,
        plan: Plan,
        crew: Crew,
        reports: Reports,
        meter: Meter,
        begun: Callable[[Collection[str]], tuple[str, ...]],
        clock: Callable[[], float],
        silence: float,
    ) -> None:
        self.job, self.crew, self.reports, self.meter = job, crew, reports, meter
        self.begun, self.clock, self.silence = begun, clock, silence
        self.waiting = deque(Piece(group, chunk) for group in plan.groups for chunk in group.chunks)
        self.suspects: deque[Piece] = deque()
        self.running: dict[Future[Answer], Try] = {}
        self.gone, self.refused, self.next_look, self.talk = GivenUp(), 0, -math.inf, False

    def run(self, wait: Callable[..., Any]) -> GivenUp:
        """Until every chunk is trained, or given up."""
        try:
            while self.waiting or self.suspects or self.running:
                self.reports.check()
                self.hand_out()
                done, _ = wait(self.running, timeout=POLL_SECONDS, return_when=concurrent.futures.FIRST_COMPLETED)
                looked = self.clock() >= self.next_look
                if looked:
                    self.listen(self.running.values())
                self.settle(done, looked)
                self.reports.advanced(self.meter)
        except BaseException:
            self.crew.stop()
            at_it = [future for future, one in self.running.items() if one.word or not future.cancel()]
            done, late = wait(at_it, timeout=STOP_SECONDS)
            for future in late:
                future.cancel()
            for future in done:
                answer, _ = outcome(future)
                for kept in answer.kept if answer else ():
                    self.reports.kept(kept)
            raise
        return self.gone

    def hand_out(self) -> None:
        """Give as many chunks away as there is room for; one that is suspected goes when nothing else runs."""
        while len(self.running) < (1 if self.suspects else self.crew.room()):
            queue = self.suspects or self.waiting
            if not queue:
                return
            piece = queue.popleft()
            names = self.begun([lane.digest for lane in piece.chunk.lanes])
            names = tuple(dict.fromkeys((*piece.begun, *names)))
            task = Task(self.job, uuid.uuid4().hex, shape_of(piece.group), piece.chunk, names)
            try:
                self.running[self.crew.submit(task)] = Try(task.attempt, piece)
            except (RuntimeError, BrokenExecutor) as error:
                queue.appendleft(piece)
                if self.running:
                    return
                if not self.crew.renew():
                    raise ExecutorError(
                        f"the executor takes no more chunks ({error}); what is finished is kept, and the same call "
                        "with another executor goes on from there"
                    ) from error
                self.reports.tell("the executor broke, and is made anew")

    def listen(self, to: Iterable[Try]) -> None:
        """Take down what workers say of some tries."""
        began = self.clock()
        tries = {one.attempt: one for one in to}
        silent = set(tries)
        for attempt, word in self.crew.words():
            self.talk = True
            if (one := tries.get(attempt)) is None:
                continue
            silent.discard(attempt)
            if word.get("beat") != one.word.get("beat") or one.at == math.inf:
                one.word, one.at = word, began
            self.note(one)
            self.meter.hear(attempt, Far(*word["far"]) if "far" in word else Far())
            self.reports.heard((str(lane), int(status), float(value)) for lane, status, value in word["kept"])
            for line in word["said"][one.told :]:
                self.reports.tell(line)
            one.told = max(one.told, len(word["said"]))
        for attempt in silent:  # a word that is gone was ended, by a worker who lives: the answer is on its way
            tries[attempt].at = math.inf
        now = self.clock()
        self.next_look = now + max(POLL_SECONDS, LOOKING * (now - began))

    def note(self, one: Try) -> None:
        """Take down what a try's word says is safe, whatever becomes of the worker."""
        one.begun |= dict.fromkeys(one.word.get("begun", ()))
        if len(one.published) < len(parts := one.word.get("published", ())):
            known = {lane: (int(status), float(value)) for lane, status, value in one.word["kept"]}
            for part in parts:
                lanes = tuple(part["lanes"])
                statuses, values = zip(*map(known.__getitem__, lanes), strict=True)
                one.published.setdefault(lanes[0], Kept(lanes, statuses, values, None, {"seconds": part["seconds"]}))

    def settle(self, done: Iterable[Future[Answer]], looked: bool) -> None:
        """Take in what has come back, and after a look at what workers say what never will."""
        losses = []
        for future in done:
            one = self.running.pop(future)
            answer, error = outcome(future)
            if answer is None or answer.lost:
                why = "its executor gave the chunk to another"
                if answer is None:
                    why = f"{type(error).__name__}: {first_line(error)}"
                losses.append(Loss(one, why, not isinstance(error, CancelledError), isinstance(error, BrokenExecutor)))
            else:
                self.take(one, answer)
        if losses:
            self.listen([*self.running.values(), *(loss.lost for loss in losses)])  # what they said last
        for future, one in list(self.running.items()) if looked else ():
            if (quiet := self.clock() - one.at) > self.silence:
                future.cancel()
                del self.running[future]
                losses.append(Loss(one, f"silent for {duration(quiet)}"))
        crashed = sum(loss.crash and bool(loss.lost.word) for loss in losses) > 1
        for loss in losses:
            self.lose(loss, crashed and loss.crash)

    def take(self, one: Try, answer: Answer) -> None:
        """Take in an answer."""
        piece = one.piece
        self.meter.drop(one.attempt)
        self.crew.forget(one.attempt)
        for line in answer.said[one.told :]:
            self.reports.tell(line)
        for kept in answer.kept:
            self.reports.kept(kept)
        if answer.error is not None:
            raise answer.error
        if answer.refused:
            self.refused += not self.crew.shun(answer.worker)
            self.reports.tell(f"{answer.worker}: is not fit for this run, and gets nothing of it: {answer.refused}")
            if self.refused >= REFUSALS and not any(other.word for other in self.running.values()):
                raise ExecutorError(f"{answer.worker}: {answer.refused}; start workers as this process was started")
            self.waiting.append(piece)
            return
        self.refused = 0
        if answer.stopped:
            self.reports.tell(f"{answer.worker}: was stopped in the middle of a chunk; it is handed out again")
            done = {lane for kept in answer.kept for lane in kept.lanes}
            piece.vain += not (done or answer.begun)
            if piece.vain < VAIN:
                self.again(piece, done, answer.begun)
            else:
                self.give_up(piece, answer.worker, f"it was stopped {VAIN} times before it had come anywhere")
            return
        self.gone.failed += answer.failed
        self.end(piece, len(piece.chunk.lanes) - len(answer.failed))

    def lose(self, loss: Loss, crashed: bool) -> None:
        """A try has come to nothing: hand its lanes out again, unless that was tried often enough.

        Where everything broke at once it cannot be told who did it: the last try of each is made alone.
        """
        one, piece = loss.lost, loss.lost.piece
        self.meter.drop(one.attempt)
        self.crew.forget(one.attempt)
        if not one.word and (self.talk or not loss.died):
            piece.vain += 1  # it was merely in the queue of somebody who was lost
            if piece.vain < VAIN:
                self.waiting.append(piece)
            else:
                self.give_up(piece, loss.why, f"it was lost {VAIN} times before anybody had begun it ({loss.why})")
            return
        who = str(one.word.get("worker", "a worker"))
        for kept in one.published.values():
            self.reports.kept(kept)
        if loss.died:
            far = Far(*one.word["far"]).work if "far" in one.word else 0.0
            piece.deaths = 1 if far > piece.furthest else piece.deaths + 1
            piece.furthest = max(far, piece.furthest)
        published = {lane for kept in one.published.values() for lane in kept.lanes}
        if piece.deaths >= DEATHS and not crashed:
            self.give_up(self.left(piece, published), who, f"{DEATHS} workers have died in it, the last {who}")
            return
        self.reports.tell(f"{who}: was lost in the middle of a chunk ({loss.why}); it is handed out again")
        self.again(piece, published, one.begun, alone=crashed and piece.deaths >= DEATHS - 1)

    def again(self, piece: Piece, done: Collection[str], begun: Iterable[str], alone: bool = False) -> None:
        """Hand out what is left of a chunk."""
        rest = self.left(piece, done)
        rest.begun = tuple(dict.fromkeys((*piece.begun, *begun)))
        if rest.chunk.lanes:
            (self.suspects if alone else self.waiting).append(rest)
        else:
            self.meter.end(0, 0.0)
            self.reports.ended(piece.chunk)

    def left(self, piece: Piece, done: Collection[str]) -> Piece:
        """What is left of a chunk, once the rest has been counted."""
        rest = replace(piece, chunk=Chunk(tuple(lane for lane in piece.chunk.lanes if lane.digest not in done)))
        self.meter.end(len(piece.chunk.lanes) - len(rest.chunk.lanes), piece.work - rest.work, chunks=0)
        return rest

    def end(self, piece: Piece, lanes: int) -> None:
        """A chunk needs no more work: so many of its lanes are done."""
        self.meter.end(lanes, piece.work)
        self.reports.ended(piece.chunk)

    def give_up(self, piece: Piece, who: str, why: str) -> None:
        """A chunk is not computed."""
        self.gone.killers.append((piece.chunk, who))
        self.meter.end(0, piece.work)
        count = len(piece.chunk.lanes)
        self.reports.tell(f"chunk {piece.chunk.digest}: given up, {why}; its {count} lanes stay pending")


def dispatch(
    job: Job,
    plan: Plan,
    crew: Crew,
    reports: Reports,
    meter: Meter,
    begun: Callable[[Collection[str]], tuple[str, ...]] = lambda lanes: (),
    wait: Callable[..., Any] = concurrent.futures.wait,
    clock: Callable[[], float] = time.monotonic,
    silence: float = SILENCE_SECONDS,
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
        clock: seconds.
        silence: seconds without another word of a worker who has left one, after which it counts as lost.

    Returns:
        What was not computed.

    Raises:
        ExecutorError: if there is nobody left to train them.
        Exception: whatever went wrong in a chunk.
    """
    return Dispatcher(job, plan, crew, reports, meter, begun, clock, silence).run(wait)
