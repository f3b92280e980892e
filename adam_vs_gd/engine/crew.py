"""What `dispatch` has to do with: whoever trains chunks, and whoever is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from adam_vs_gd.engine.plan import Chunk
from adam_vs_gd.engine.progress import Meter
from adam_vs_gd.engine.task import Answer, Kept, Task
from adam_vs_gd.spec.cells import Lane


class Crew(Protocol):
    """Who trains chunks."""

    def submit(self, task: Task) -> Future[Answer]:
        """Hand a chunk to it."""

    def room(self) -> int:
        """How many chunks it may have at once."""

    def words(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """(attempt, last word) of all that run, or whose worker has died in the middle."""

    def forget(self, attempt: str) -> None:
        """Nobody wants to know of an attempt any more; if it runs still, it may stop."""

    def shun(self, worker: str) -> bool:
        """Give nothing more to a worker; False where that cannot be done, or nobody would be left."""

    def renew(self) -> bool:
        """Make it anew after it broke; False where only its owner can."""

    def stop(self) -> None:
        """Ask all that run to stop soon."""


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
    """What was not computed, and why.

    Attributes:
        failed: lanes that memory was too small for.
        killers: chunks whose workers died in them, again and again, and the last of those workers.
    """

    failed: list[Lane] = field(default_factory=list)
    killers: list[tuple[Chunk, str]] = field(default_factory=list)

    def add(self, other: GivenUp) -> None:
        """What was not computed of another plan either."""
        self.failed += other.failed
        self.killers += other.killers

    @property
    def lanes(self) -> int:
        """How many lanes."""
        return len(self.failed) + sum(len(chunk.lanes) for chunk, _ in self.killers)


def outcome(future: Future[Any]) -> tuple[Any, BaseException]:
    """What a call has given; or None and what its executor says where it came to nothing, as its worker was lost."""
    try:
        return future.result(), RuntimeError()
    except BaseException as error:  # a worker's KeyboardInterrupt too, which is not this process's
        return None, error
