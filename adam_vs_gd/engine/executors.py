"""Who trains chunks: this process, or whatever has the interface of `concurrent.futures.Executor`."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from pathlib import Path
from typing import Any

from adam_vs_gd.engine.crew import outcome
from adam_vs_gd.engine.errand import look, parcel, work
from adam_vs_gd.engine.task import Answer, Job, Raised, Site, Task
from adam_vs_gd.engine.worker import Bench, Post, carry_out
from adam_vs_gd.errors import ExecutorError, MachineError, first_line
from adam_vs_gd.spec.plain import plain, typed
from adam_vs_gd.store.words import Words

UNKNOWN = 4  # chunks handed to an executor that does not say how many workers it has, beside those that run
POLL_SECONDS = 0.5


class InProcess:
    """The process itself, one chunk after another.

    Args:
        bench: what it trains with.
        post: (attempt) -> what is told of a chunk.
    """

    def __init__(self, bench: Bench, post: Callable[[str], Post]) -> None:
        self.bench, self.post = bench, post

    def submit(self, task: Task) -> Future[Answer]:
        """Train a chunk, now."""
        future: Future[Answer] = Future()
        future.set_result(carry_out(self.bench, task, self.post(task.attempt)))
        return future

    def room(self) -> int:
        """One."""
        return 1

    def words(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """None: all is told at once."""
        return ()

    def forget(self, attempt: str) -> None:
        """There is nothing to forget."""

    def shun(self, worker: str) -> bool:
        """There is nobody else."""
        return False

    def renew(self) -> bool:
        """It does not break."""
        return False

    def stop(self) -> None:
        """It has stopped."""


class Pool:
    """An executor's workers, who leave word in a folder where they see it.

    Args:
        make: gives the executor; again where it broke.
        words: where they leave word.
        owned: whether it may be made again, and is shut down in the end.
    """

    questions = 3  # what one computes with, at most: who is asked may be of another version, or die
    spare = 1  # chunks handed out beyond one for each worker, so that none waits for its next

    def __init__(self, make: Callable[[], Executor], words: Words, *, owned: bool) -> None:
        self.make, self.owned, self.places = make, owned, words
        self.executor = make()
        self.handed: set[Future[Any]] = set()
        self.heard = 0
        refuse_fork(self.executor)

    def ask(self, job: Job, check: Callable[[], None]) -> Site:
        """What one of the workers says of itself; `check` is called while it is waited for, and may raise to stop.

        Raises:
            ExecutorError: if none says anything.
        """
        asked: set[Future[Site | Raised]] = set()
        left, wrong = self.questions, "nobody answered"
        while left or asked:
            while left and len(asked) < (self.workers() or 1):
                left -= 1
                asked.add(self.executor.submit(look, *parcel(job)))
            self.expect_alive()
            done, asked = wait(asked, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            check()
            for found, error in map(outcome, done):
                if isinstance(found, Site):
                    return found
                if found is None:  # the worker died, or could not even unpack the question
                    wrong = f"{type(error).__name__}: {first_line(error)}"
                    if isinstance(error, BrokenExecutor) and not self.renew():
                        left = 0
                elif isinstance(found.error, ExecutorError):
                    wrong = str(found.error)
                else:
                    raise found.error
        raise ExecutorError(
            f"no worker could say what it computes with ({wrong}); see that workers have this version of adam-vs-gd, "
            "and what else the spec names"
        )

    def expect_alive(self) -> None:
        """See that what is handed out can come to an end: an executor that breaks says so of itself."""

    def workers(self) -> int | None:
        """How many there are; None where that is not known."""
        names = ("_max_workers", "num_workers")  # of the standard library, and of mpi4py
        counts = (getattr(self.executor, name, None) for name in names)
        return next((count for count in counts if isinstance(count, int)), None)

    def planned(self) -> int:
        """How many chunks are planned for."""
        return self.workers() or 1

    def sharing(self) -> int:
        """How many of them share a machine's memory, as far as that is known."""
        return self.workers() or 1

    def submit(self, task: Task) -> Future[Answer]:
        """Hand a chunk to the executor."""
        future = self.executor.submit(work, *parcel(task))
        self.handed.add(future)
        future.add_done_callback(self.handed.discard)
        return future

    def room(self) -> int:
        """One more than there are workers, so that none waits; where that is not known, twice as many as run."""
        self.expect_alive()
        workers = self.workers()
        return UNKNOWN + 2 * self.heard if workers is None else workers + self.spare

    def words(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What workers say."""
        self.heard = 0
        for attempt, word in self.places.heard():
            self.heard += 1
            yield attempt, word

    def forget(self, attempt: str) -> None:
        """Remove what a worker said, and let it stop if it is at it still."""
        self.places.forget(attempt)

    def shun(self, worker: str) -> bool:
        """An executor does not say who gets what."""
        return False

    def renew(self) -> bool:
        """Make the executor again, if it is ours."""
        if self.owned:
            with contextlib.suppress(Exception):
                self.executor.shutdown(wait=False, cancel_futures=True)
            self.executor = self.make()
        return self.owned

    def stop(self) -> None:
        """Ask the workers to stop after their segment."""
        self.places.stop()

    def close(self) -> None:
        """Shut the executor down, if it is ours; processes that do not end are killed."""
        if not self.owned:
            return
        if self.handed:  # somebody has not answered for long, and may be stopped: waiting would hang
            for process in list((getattr(self.executor, "_processes", None) or {}).values()):
                process.kill()
        try:
            self.executor.shutdown(cancel_futures=True)
        except TypeError:  # an older executor's, which knows nothing of that
            self.executor.shutdown()


def pool_of(executor: Any, words: Words, folder: Path | None, devices: int | None) -> Pool:
    """Whoever `run_sweep(executor=...)` names.

    Args:
        executor: something with the interface of `concurrent.futures.Executor`; or a function that makes one, which
            is called again where a worker's death breaks it; or Dask's client; or, as on the command line, "dask",
            "dask:ADDRESS" or "submitit:CONFIG.toml".
        words: where workers leave word.
        folder: of the sweep.
        devices: how many of this machine's devices to use, where workers are started here.

    Raises:
        MachineError: if it is none of these, or what it needs is not installed.
    """
    if isinstance(executor, str):
        return named(executor, words, folder, devices)
    if callable(getattr(executor, "get_executor", None)):
        from adam_vs_gd.engine.dask_pool import DaskPool

        return DaskPool(executor, words)
    if callable(getattr(executor, "submit", None)):
        return Pool(lambda: executor, words, owned=False)
    if callable(executor):
        return Pool(executor, words, owned=True)
    raise MachineError(
        f"executor = {typed(plain(executor))}: must have the interface of concurrent.futures.Executor, or be a "
        'function that makes such a one, or "dask", "dask:ADDRESS" or "submitit:CONFIG.toml"'
    )


def named(name: str, words: Words, folder: Path | None, devices: int | None) -> Pool:
    """What a name on the command line stands for."""
    kind, colon, rest = name.partition(":")
    extra = {"dask": "dask", "submitit": "slurm"}.get(kind)
    if extra is None or (not rest and (colon or kind == "submitit")):
        raise MachineError(f'executor = "{name}": must be "dask", "dask:ADDRESS" or "submitit:CONFIG.toml"')
    try:
        if kind == "dask":
            from adam_vs_gd.engine import dask_pool

            return dask_pool.joined(rest, words) if rest else dask_pool.local(words, devices)
        from adam_vs_gd.engine import jobs

        return jobs.pool(Path(rest), words, folder)
    except ImportError as error:
        raise MachineError(
            f'executor = "{name}": needs what is not installed here ({error}); '
            f"python -m pip install 'adam-vs-gd[{extra}]'"
        ) from None


def refuse_fork(executor: Executor) -> None:
    """See that workers are not forked: XLA's threads do not survive that, and a worker would hang.

    Raises:
        MachineError: if they are, saying how to start them.
    """
    context = getattr(executor, "_mp_context", None)
    if isinstance(context, multiprocessing.context.BaseContext) and context.get_start_method() == "fork":
        raise MachineError(
            f"executor = {type(executor).__name__}: forks its workers, which hang in XLA's locks; make it with "
            'mp_context=multiprocessing.get_context("spawn")'
        )
