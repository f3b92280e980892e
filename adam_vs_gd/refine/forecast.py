"""What a search is likely to take, by one on a plane through the middle and by how far it has come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from adam_vs_gd.problem import DONE, PENDING
from adam_vs_gd.refine.looks import looks_of
from adam_vs_gd.refine.question import finest
from adam_vs_gd.refine.refinement import Refinement
from adam_vs_gd.refine.search import Question, Search
from adam_vs_gd.refine.tree import Vertex

WIDEST = {2: 128, 3: 24}  # finest cells along an axis up to which a search is rehearsed; beyond that it grows evenly
TILTS = (1.0, 0.61, 0.37)  # of the plane, along the axes


class Forecast(NamedTuple):
    """What a search is likely to take.

    Attributes:
        lanes: in all, and
        rounds: in all; how many of each have been asked for is the search's to say.
    """

    lanes: int
    rounds: int


def most(question: Question) -> int:
    """Lanes that a search takes at most."""
    grid = finest(question.ladders) * question.looks.seeds[-1] * len(question.labels)
    return grid if question.most is None else min(grid, question.most)


class Prospect(NamedTuple):
    """What a search may cost, and what it is likely to.

    Attributes:
        value: the variable that is looked for, at
        level: this level; None of one without.
        of: whose it is, an optimizer or a difference; "" where there is one.
        cells: {axis: coarse cells along it}, and
        halved: {axis: how often each is halved at most}.
        seeds: the least and the most of a point.
        most: lanes that it takes at most.
        lanes: that it is likely to take, or has at its end, in
        rounds: so many rounds.
        grid: lanes of a grid as fine, with the least seeds.
        ended: whether it is at its end.
    """

    value: str
    level: float | None
    of: str
    cells: Mapping[str, int]
    halved: Mapping[str, int]
    seeds: tuple[int, int]
    most: int
    lanes: int
    rounds: int
    grid: int
    ended: bool

    def __str__(self) -> str:
        name = f" of {self.of}" if self.of else ""
        level = "" if self.level is None else f" = {self.level:g}"
        cells = " x ".join(f"{count} ({key})" for key, count in self.cells.items())
        halved = ", ".join(f"{key} {depth} times" for key, depth in self.halved.items())
        likely = (
            f"at its end after {self.lanes:,} in {self.rounds} rounds" if self.ended else
            f"about {self.lanes:,} in {self.rounds} rounds if the boundary is as long as a straight one and "
            f"{self.seeds[0]} seeds tell"
        )  # fmt: skip
        return (
            f"{self.value}{level}{name}: {cells} cells, halved where it is crossed, {halved} at most; "
            f"{self.seeds[0]} to {self.seeds[1]} seeds a point\n"
            f"  at most {self.most:,} lanes; {likely}, against {self.grid:,} of the grid with {self.seeds[0]} seeds"
        )


class Outlook(NamedTuple):
    """What a refinement may cost, and how far it is: its searches, and how many lanes of them are there."""

    searches: tuple[Prospect, ...]
    done: int

    def __str__(self) -> str:
        return "\n".join([*map(str, self.searches), f"{self.done:,} lanes of it are there"])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python."""
        return {"searches": [search._asdict() for search in self.searches], "done": self.done}


def outlook(refinement: Refinement) -> Outlook:
    """What a refinement may cost, what it is likely to, and how far it is."""
    done = len(refinement.lanes()) - len(refinement.wanted())
    return Outlook(tuple(map(prospect, refinement.searches)), done)


def prospect(search: Search) -> Prospect:
    """What a search may cost, and what it is likely to."""
    question = search.question
    seeds = question.looks.seeds
    likely = forecast(search, rehearsed(question) if search.asks else [])
    return Prospect(
        question.value, question.level, question.name,
        {ladder.key: ladder.intervals for ladder in question.ladders},
        {ladder.key: ladder.depth for ladder in question.ladders},
        (seeds[0], seeds[-1]), most(question), likely.lanes, likely.rounds,
        finest(question.ladders) * seeds[0] * len(question.labels), not search.asks,
    )  # fmt: skip


def rehearsed(question: Question) -> list[int]:
    """Lanes that a search for a plane asks for until each of its levels is done, the first seeds sufficing anywhere."""
    axes, depth = len(question.ladders), max(ladder.depth for ladder in question.ladders)
    across = max(ladder.intervals for ladder in question.ladders)
    rehearsed_depth = max(1, min(depth, int(math.log2(max(2.0, WIDEST[axes] / across)))))
    ladders = tuple(
        replace(ladder, depth=min(ladder.depth, rehearsed_depth), middles={}) for ladder in question.ladders
    )
    looks = looks_of(question.looks.seeds[0], question.looks.seeds[0])
    easy = replace(question, ladders=ladders, looks=looks, level=0.5, rate=False, most=None, statuses=(PENDING, DONE))
    spans = [ladder.axis.forward(ladder.axis.values[[0, -1]]) for ladder in ladders]

    def read(vertices: Sequence[Vertex], seeds: int) -> tuple[np.ndarray, np.ndarray]:
        at = np.array([[ladder.value(k) for ladder, k in zip(ladders, vertex, strict=True)] for vertex in vertices])
        shares = [(ladder.axis.forward(at[:, k]) - span[0]) / (span[1] - span[0])
                  for k, (ladder, span) in enumerate(zip(ladders, spans, strict=True))]  # fmt: skip
        high = sum(tilt * (share - 0.5) for tilt, share in zip(TILTS, shares, strict=False)) > 0
        values = np.broadcast_to(np.where(high, 1.0, 0.0)[None, :, None], (len(question.labels), len(at), seeds))
        return values, np.ones(values.shape, np.int8)

    search, spent = Search(easy), []
    while search.asks:
        spent.append(search.spent)
        search.go_on(read)
    by_level = spent[: rehearsed_depth + 1] + [spent[-1]] * (rehearsed_depth + 1 - len(spent))
    for _ in range(rehearsed_depth, depth):
        grown = by_level[-1] - by_level[-2] if len(by_level) > 1 else by_level[-1]
        by_level.append(by_level[-1] + grown * 2 ** (axes - 1))
    return by_level


def forecast(search: Search, levels: Sequence[int]) -> Forecast:
    """What a search will have taken at its end, by how far it is.

    Args:
        search: the search.
        levels: what `rehearsed` gave for it.
    """
    if not search.asks:
        return Forecast(search.spent, search.rounds)
    depth = len(levels) - 1
    level = min(depth, max(search.tree.cells[box].level for box in search.tree.leaves))
    pace = max(1.0, (search.rounds - 1) / max(level, 1))
    ahead = math.ceil(pace * (depth - level))
    if search.look and max(search.look.values()):  # the last vertices, too, will be looked at again
        ahead += len(search.question.looks.seeds) - 1 - min(ask.look for ask in search.asks)
    lanes = round(search.spent * levels[-1] / levels[level])
    return Forecast(min(most(search.question), lanes), search.rounds + ahead)
