"""What `dispatch` knows of a chunk on its way, of a try of it, and of one that came to nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adam_vs_gd.engine.plan import Chunk, Group
from adam_vs_gd.engine.task import Kept


@dataclass
class Piece:
    """A chunk on its way, and what has become of it so far.

    Attributes:
        group: of the chunk.
        chunk: the lanes that are not done.
        begun: names of checkpoints that workers who were lost have left.
        deaths: of workers in it, since it last came further.
        furthest: how far it has come, in operations.
        vain: how often it was lost before anybody had begun it.
    """

    group: Group
    chunk: Chunk
    begun: tuple[str, ...] = ()
    deaths: int = 0
    furthest: float = 0.0
    vain: int = 0

    @property
    def work(self) -> float:
        """Operations of all of its steps."""
        return len(self.chunk.lanes) * self.group.static.steps * self.group.cost.step


@dataclass
class Try:
    """A chunk in somebody's hands.

    Attributes:
        attempt: its name.
        piece: the chunk.
        word: the last that was heard of it, and
        at: when it last was another.
        told: lines of it that have been told.
        published: parts of it that are in the journal, by their first lane.
        begun: names of its checkpoints.
    """

    attempt: str
    piece: Piece
    word: Mapping[str, Any] = field(default_factory=dict)
    at: float = math.inf
    told: int = 0
    published: dict[str, Kept] = field(default_factory=dict)
    begun: dict[str, None] = field(default_factory=dict)


class Loss(NamedTuple):
    """A try whose worker was lost.

    Attributes:
        lost: the try.
        why: for people.
        died: whether the worker has died, or does as if; otherwise it is not known what became of it.
        crash: whether all that an executor had broke with it.
    """

    lost: Try
    why: str
    died: bool = True
    crash: bool = False
