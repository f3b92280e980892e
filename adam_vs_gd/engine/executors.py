"""Who trains chunks: this process, or whatever has the interface of `concurrent.futures.Executor`."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from typing import Any

from adam_vs_gd.engine.task import Answer, Task
from adam_vs_gd.engine.worker import Bench, Post, carry_out, work
from adam_vs_gd.errors import MachineError
from adam_vs_gd.spec.plain import plain, typed
from adam_vs_gd.store.words import Words

UNKNOWN = 4  # chunks handed to an executor that does not say how many workers it has, beside those that run


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

    def renew(self) -> bool:
        """It does not break."""
        return False

    def stop(self) -> None:
        """It has stopped."""


class Pool:
    """An executor's workers, who leave word in a folder where they see it.

    Args:
        make: gives the executor; again where it broke.
        owned: whether it may be made again, and is shut down in the end.
        words: where they leave word.
    """

    def __init__(self, make: Callable[[], Executor], owned: bool, words: Words) -> None:
        self.make, self.owned, self.places = make, owned, words
        self.executor = make()
        refuse_fork(self.executor)

    def ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """What one of the workers answers to a question."""
        return self.executor.submit(question, *arguments).result()

    def submit(self, task: Task) -> Future[Answer]:
        """Hand a chunk to the executor."""
        return self.executor.submit(work, task)

    def room(self) -> int:
        """One more than there are workers, so that none waits; where that is not known, some more than run."""
        workers = getattr(self.executor, "_max_workers", None)
        return workers + 1 if isinstance(workers, int) else UNKNOWN + sum(1 for _ in self.places.heard())

    def words(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What workers say."""
        return self.places.heard()

    def forget(self, attempt: str) -> None:
        """Remove what a worker said that has died."""
        self.places.end(attempt)

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
        """Shut the executor down, if it is ours."""
        if self.owned:
            self.executor.shutdown(cancel_futures=True)


def pool_of(executor: Any, words: Words) -> Pool:
    """Whoever `run_sweep(executor=...)` names.

    Args:
        executor: something with the interface of `concurrent.futures.Executor`; or a function that makes one, which
            is called again where a worker's death breaks it; or Dask's client.
        words: where workers leave word.

    Raises:
        MachineError: if it is none of these.
    """
    if callable(getattr(executor, "get_executor", None)):  # Dask's client, whose futures are its own
        return Pool(lambda: executor.get_executor(pure=False, retries=0), False, words)
    if callable(getattr(executor, "submit", None)):
        return Pool(lambda: executor, False, words)
    if callable(executor):
        return Pool(executor, True, words)
    raise MachineError(
        f"executor = {typed(plain(executor))}: must have the interface of concurrent.futures.Executor, or be a "
        "function that makes such a one"
    )


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
