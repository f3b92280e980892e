"""Chunks as jobs of a batch system, by submitit: arrays of them, put in the queue again where they have to end."""

from __future__ import annotations

import contextlib
import math
import pickle
import signal
import threading
import time
import tomllib
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from dataclasses import replace
from pathlib import Path
from typing import Any

import submitit
from submitit.helpers import DelayedSubmission

from adam_vs_gd.engine.errand import STOPPING, parcel, work
from adam_vs_gd.engine.executors import Pool
from adam_vs_gd.engine.plan import Chunk
from adam_vs_gd.engine.task import Answer, Kept, Task
from adam_vs_gd.errors import ExecutorError, MachineError
from adam_vs_gd.spec.plain import typed
from adam_vs_gd.store.provenance import version
from adam_vs_gd.store.words import Words

TEND_SECONDS = 1.0  # between two looks at the jobs
RETRY_SECONDS, PATIENCE = 30.0, 1800.0  # between two tries to submit, and for how long
TIMEOUTS = 10_000  # that a job may have: every one has brought it further
LOGS = ".jobs"  # ends the name of the folder beside a sweep's, of what submitit leaves of each job


class Errand:
    """What a job does: a call; told that it has to end, it leaves its chunk with a checkpoint, and comes again.

    submitit tells that with a signal some time ahead of the end (`signal_delay_s`, 90 s by default), of which a segment
    and a checkpoint take a few; its handler puts the job into the queue, and is called once the chunk is left.

    Args:
        call: `errand.look` or `errand.work`.
        earlier: parts of the chunk that are done.
    """

    def __init__(self, call: Callable[..., Any], earlier: tuple[Kept, ...] = ()) -> None:
        self.call, self.earlier = call, earlier
        self.rest: tuple[Any, ...] = ()

    def __call__(self, *arguments: Any) -> Any:
        """Do it."""
        if self.call is work and orphaned(*arguments):
            return Answer(stopped=True)
        number = submitit.JobEnvironment._usr_sig()
        theirs, told = signal.getsignal(number), threading.Event()

        def heard(*_: Any) -> None:
            told.set()
            STOPPING.set()

        signal.signal(number, heard)
        ended = signal.signal(signal.SIGTERM, lambda *_: STOPPING.set())  # submitit lets that pass; Slurm kills soon
        try:
            found = self.call(*arguments)
        finally:
            signal.signal(number, theirs)
            signal.signal(signal.SIGTERM, ended)
        if not isinstance(found, Answer):
            return found  # what it computes with
        if found.stopped and told.is_set() and callable(theirs) and all(kept.rows is None for kept in found.kept):
            self.leave(arguments[1], found)
            theirs(number, None)  # exits
        return found._replace(kept=(*self.earlier, *found.kept))

    def leave(self, packed: bytes, found: Answer) -> None:
        """Take down what is left of a chunk."""
        task: Task = pickle.loads(packed)
        done = {lane for kept in found.kept for lane in kept.lanes}
        left = Chunk(tuple(lane for lane in task.chunk.lanes if lane.digest not in done))
        names = tuple(dict.fromkeys((*task.begun, *found.begun)))
        self.earlier = (*self.earlier, *found.kept)
        self.rest = parcel(replace(task, chunk=left, begun=names))

    def checkpoint(self, *arguments: Any) -> DelayedSubmission:
        """The job that goes on from there."""
        return DelayedSubmission(Errand(self.call, self.earlier), *(self.rest or arguments))


def orphaned(made_by: str, packed: bytes) -> bool:
    """Whether the run of a chunk is over, which may have waited in the queue for longer than that took."""
    if made_by != version():
        return False  # which is refused
    job = pickle.loads(packed).job
    return job.words is not None and not Words(job.words).seen()


class Jobs(Executor):
    """submitit's executor with the interface of `concurrent.futures`: what is submitted at once becomes one array.

    Args:
        queue: submitit's.
        workers: jobs at once, at most.
    """

    def __init__(self, queue: Any, workers: int) -> None:
        self.queue, self._max_workers = queue, workers
        self.waiting: list[tuple[Future[Any], Errand, tuple[Any, ...]]] = []
        self.jobs: dict[Future[Any], Any] = {}
        self.failing, self.next_try = math.inf, -math.inf
        self.broken: Exception | None = None
        self.trouble = ""
        self.lock, self.over = threading.Lock(), threading.Event()
        self.tending = threading.Thread(target=self.tend, daemon=True)
        self.tending.start()

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Have a call made in a job."""
        future: Future[Any] = Future()
        with self.lock:
            if self.over.is_set() or self.broken:
                raise RuntimeError(
                    f"jobs cannot be submitted: {self.broken}" if self.broken else "it has been shut down"
                )
            self.waiting.append((future, Errand(call), arguments))
        return future

    def tend(self) -> None:
        """Submit what waits, and see what has ended."""
        while not self.over.wait(TEND_SECONDS):
            if time.monotonic() >= self.next_try:
                self.hand_in()
            for future, job in list(self.jobs.items()):
                try:
                    ended = self.see(future, job)
                except OSError:  # of a network's file system, or of a command of the batch system: look again
                    continue
                except Exception as error:  # such as a result that cannot be unpickled
                    settle(future, None, error)
                    ended = True
                if ended:
                    del self.jobs[future]

    def hand_in(self) -> None:
        """Submit what waits, as one array; where that fails, try again for a while."""
        with self.lock:
            waiting, self.waiting = [one for one in self.waiting if not one[0].cancelled()], []
        if not waiting:
            return
        try:
            with self.queue.batch():
                jobs = [self.queue.submit(errand, *arguments) for _, errand, arguments in waiting]
            self.jobs |= {future: job for (future, *_), job in zip(waiting, jobs, strict=True)}
            self.failing = math.inf
        except Exception as error:  # whatever the batch system says
            now = time.monotonic()
            if self.failing == math.inf:
                self.trouble = f"jobs cannot be submitted; trying again for {PATIENCE / 60:.0f} min: {error}"
            self.failing, self.next_try = min(self.failing, now), now + RETRY_SECONDS
            with self.lock:
                self.waiting = [*waiting, *self.waiting]
                if now - self.failing > PATIENCE:
                    self.broken, self.waiting = error, []
            for future, *_ in waiting if self.broken else ():
                settle(future, None, ExecutorError(f"jobs cannot be submitted: {error}"))

    def see(self, future: Future[Any], job: Any) -> bool:
        """Whether a job has ended, which its future is told."""
        if future.cancelled():
            job.cancel(check=False)
        elif job.done():
            wrong = job.exception()
            settle(future, None if wrong else job.result(), wrong)
        else:
            return False
        return True

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel the jobs that have not ended."""
        self.over.set()
        self.tending.join()
        for future, job in self.jobs.items():
            job.cancel(check=False)
            future.cancel()


def settle(future: Future[Any], result: Any, error: BaseException | None) -> None:
    """Say what became of a call, unless it was cancelled just now."""
    with contextlib.suppress(InvalidStateError):
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


class JobPool(Pool):
    """Jobs: as many at once as may run, and none beyond.

    Args:
        jobs: as an executor.
        words: where they leave word.
        together: whether all of them are on this machine.
    """

    questions, spare = 1, 0

    def __init__(self, jobs: Jobs, words: Words, together: bool) -> None:
        super().__init__(lambda: jobs, words, owned=False)
        self.jobs, self.together = jobs, together

    def expect_alive(self) -> None:
        """Warn of what keeps jobs from being submitted."""
        if trouble := self.jobs.trouble:
            self.jobs.trouble = ""
            warnings.warn(trouble, stacklevel=2)

    def sharing(self) -> int:
        """Jobs have memory of their own, unless all of them are on this machine."""
        return super().sharing() if self.together else 1

    def close(self) -> None:
        """Cancel what has not ended."""
        self.jobs.shutdown()


def pool(config: Path, words: Words, folder: Path | None) -> JobPool:
    """The jobs that a file describes: `workers`, `cluster`, `folder`, and what submitit calls parameters.

    Raises:
        MachineError: if it does not.
    """
    try:
        table = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise MachineError(f"submitit:{config}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MachineError(f"submitit:{config}: is no TOML: {error}") from None
    workers, cluster, logs = table.pop("workers", None), table.pop("cluster", None), table.pop("folder", None)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        found = "there is none" if workers is None else f"it is {typed(workers)}"
        raise MachineError(f"submitit:{config}: workers: must be how many jobs may run at once, 1 or more; {found}")
    if logs is None and folder is None:
        raise MachineError(f"submitit:{config}: folder: must be where jobs leave their logs, as nothing else is kept")
    place = Path(logs) if logs else folder.with_name(folder.name + LOGS)  # type: ignore[union-attr]
    try:
        queue = submitit.AutoExecutor(place, cluster, slurm_max_num_timeout=TIMEOUTS, local_max_num_timeout=TIMEOUTS)
        queue.update_parameters(**({"slurm_array_parallelism": workers} | table))
    except Exception as error:  # submitit raises anything
        raise MachineError(f"submitit:{config}: {error}") from None
    return JobPool(Jobs(queue, workers), words, together=queue.cluster in ("local", "debug"))
