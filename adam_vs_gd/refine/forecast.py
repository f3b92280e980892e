"""What a search is likely to take, by one on a plane through the middle and by how far it has come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

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


def described(refinement: Refinement) -> str:
    """What a refinement may cost, what it is likely to, and how far it is, as `--dry-run` prints it."""
    lines = []
    for search in refinement.searches:
        question = search.question
        seeds = question.looks.seeds
        name = f" of {question.name}" if question.name else ""
        level = "" if question.level is None else f" = {question.level:g}"
        cells = " x ".join(f"{ladder.intervals} ({ladder.key})" for ladder in question.ladders)
        halved = ", ".join(f"{ladder.key} {ladder.depth} times" for ladder in question.ladders)
        if search.asks:
            lanes, rounds = forecast(search, rehearsed(question))
            likely = f"about {lanes:,} in {rounds} rounds if the boundary is as long as a straight one and {seeds[0]} "
            likely += "seeds tell"
        else:
            likely = f"at its end after {search.spent:,} in {search.rounds} rounds"
        grid = finest(question.ladders) * seeds[0] * len(question.labels)
        lines.append(
            f"{question.value}{level}{name}: {cells} cells, halved where it is crossed, {halved} at most; "
            f"{seeds[0]} to {seeds[-1]} seeds a point\n"
            f"  at most {most(question):,} lanes; {likely}, against {grid:,} of the grid with {seeds[0]} seeds"
        )
    done = len(refinement.lanes()) - len(refinement.wanted())
    return "\n".join([*lines, f"{done:,} lanes of it are there"])


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
