"""A chunk as it travels to whoever trains it, and what comes back: all that is pickled. Knows no executor."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from adam_vs_gd.engine.plan import Chunk, Group, Limits
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.errors import SpecError
from adam_vs_gd.problem import Family
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.types import Rows


@dataclass(frozen=True)
class Job:
    """What the chunks of a run have in common.

    Attributes:
        token: a name of the run, unlike that of any other.
        spec: the sweep, complete, as keys of `SweepSpec`.
        given: what the spec names, pickled.
        settings: how it is run.
        folder: of the sweep; None where nothing is kept on disk.
        words: where workers leave word; None where nobody reads it.
        made: what all chunks have to be computed with; empty as long as that is not known.
        sharing: how many workers share the memory of a machine.
    """

    token: str
    spec: Mapping[str, Any]
    given: bytes
    settings: Settings
    folder: Path | None = None
    words: Path | None = None
    made: Mapping[str, str] | None = None
    sharing: int = 1

    def __hash__(self) -> int:
        return hash(self.token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and (self.token, self.sharing) == (other.token, other.sharing)

    def sweep(self) -> tuple[SweepSpec, dict[str, Any]]:
        """The spec, and the objects that it names."""
        return SweepSpec(**self.spec), pickle.loads(self.given)


def pickled(given: Mapping[str, Any]) -> bytes:
    """Objects of somebody's, for another process: by where they are, or by what they are where cloudpickle is there.

    Raises:
        SpecError: if they cannot travel.
    """
    try:
        packed = pickle.dumps(dict(given))
        if b"__main__" not in packed:
            return packed
    except Exception as error:  # pickle raises anything
        reason = str(error)
    else:
        reason = "it is defined in the program that was started"
    try:
        import cloudpickle
    except ImportError:
        text = (
            f"{', '.join(given)}: cannot be sent to another process ({reason}); define it in a module that workers can "
        )
        raise SpecError("spec", [f"{text}import, or install cloudpickle"]) from None
    return cloudpickle.dumps(dict(given))


@dataclass(frozen=True)
class Task:
    """A chunk to be trained.

    Attributes:
        job: what it is a part of.
        attempt: a name of this try, unlike that of any other.
        shape: of the chunk's group, all but its family and its chunks.
        chunk: the lanes.
        begun: names of the checkpoints that may have them.
    """

    job: Job
    attempt: str
    shape: Mapping[str, Any]
    chunk: Chunk
    begun: tuple[str, ...] = ()

    def group(self, family: Family) -> Group:
        """The chunk in a group of its own."""
        return Group(family=family, chunks=(self.chunk,), **self.shape)


def shape_of(group: Group) -> dict[str, Any]:
    """What a group's chunks have in common, without its family, which is found by name."""
    return {f.name: getattr(group, f.name) for f in fields(group) if f.name not in ("family", "chunks")}


class Kept(NamedTuple):
    """Lanes of a chunk that are done.

    Attributes:
        lanes: their digests.
        statuses: what became of each, and
        values: its main variable; NaN where it has none.
        rows: all that was measured; None where that is in the journal.
        how: what they were computed with.
    """

    lanes: tuple[str, ...]
    statuses: tuple[int, ...]
    values: tuple[float, ...]
    rows: Rows | None
    how: Mapping[str, Any]


class Answer(NamedTuple):
    """What became of a chunk.

    Attributes:
        kept: its lanes that are done, in parts.
        failed: lanes that memory was too small for.
        stopped: whether it was stopped before its end.
        refused: why it was not begun: the worker is another than it must be.
        lost: whether somebody else had begun the same try before, and has died.
        begun: names of its checkpoints.
        error: what went wrong, if something did.
        said: what was told on the way.
        worker: who answers.
    """

    kept: Sequence[Kept] = ()
    failed: Sequence[Lane] = ()
    stopped: bool = False
    refused: str = ""
    error: BaseException | None = None
    said: Sequence[str] = ()
    worker: str = ""
    lost: bool = False
    begun: Sequence[str] = ()


class Raised(NamedTuple):
    """What went wrong where somebody else was asked: an executor would make something of its own of it."""

    error: BaseException


class Site(NamedTuple):
    """What a worker says of itself.

    Attributes:
        spec: the sweep, with what only its functions say filled in, as keys.
        about: what it computes with.
        limits: what a chunk may take there.
        lines: the same for people.
        worker: its name.
    """

    spec: Mapping[str, Any]
    about: Mapping[str, str]
    limits: Limits
    lines: Sequence[str]
    worker: str
