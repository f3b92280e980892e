"""The search for a boundary: rounds of lanes, each a function of what those before it gave, and of nothing else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from adam_vs_gd.problem import Outcome
from adam_vs_gd.refine.ladder import UNIT, Ladder
from adam_vs_gd.refine.looks import NOTHING, UNDECIDED, UNRESOLVED, Looks, counted, difference_of, kinds, sides
from adam_vs_gd.refine.tree import Box, Tree, Vertex, place
from adam_vs_gd.results.statistics import Spread, spread_of, student

HELD_OUT = 0.05  # of the lanes, that are spent on looking where nothing is expected; and
AHEAD = 0.1  # at most, to fill chunks
HALVINGS = 2  # of coarse cells at most, at whose corners that is looked at
TRIES = 64  # places in a row that are passed over, as something is expected there, before there is no other
CHUNK = 32  # lanes of an optimizer that a round is filled up to a multiple of
BASES = (2, 3, 5)  # of Halton's sequence


class Ask(NamedTuple):
    """Lanes that are wanted: at a vertex, the seeds of a look that those before it did not have."""

    vertex: Vertex
    look: int


Read = Callable[[Sequence[Vertex], int], tuple[np.ndarray, np.ndarray]]
"""(vertices, seeds) -> values and status codes, [optimizers, vertices, seeds], of the first so many seeds; what is not
there has the code 0."""


@dataclass(frozen=True)
class Question:
    """What is looked for.

    Attributes:
        labels: the optimizer whose boundary it is, or the two whose difference has it.
        value: the variable.
        level: what it goes through; None where a change of status is looked for.
        ladders: of the axes.
        looks: how many seeds vertices get.
        statuses: every outcome.
        rate: whether the value is an error rate.
        examples: (vertices, seeds) -> [vertices] how many examples are behind the rate of a seed.
        most: lanes that may be spent; None for as many as it takes.
    """

    labels: tuple[str, ...]
    value: str
    level: float | None
    ladders: tuple[Ladder, ...]
    looks: Looks
    statuses: tuple[Outcome, ...] = ()
    rate: bool = False
    examples: Callable[[Sequence[Vertex], int], np.ndarray] | None = None
    most: int | None = None

    @property
    def name(self) -> str:
        """The optimizer, or the difference."""
        return " - ".join(self.labels)

    def cost(self, ask: Ask) -> int:
        """Lanes of an ask."""
        before = self.looks.seeds[ask.look - 1] if ask.look else 0
        return len(self.labels) * (self.looks.seeds[ask.look] - before)

    def judge(
        self, vertices: Sequence[Vertex], look: int, values: np.ndarray, statuses: np.ndarray, spread: Spread | None
    ) -> np.ndarray:
        """[vertices] what they are after a look, by [optimizers, vertices, seeds] values that count, and codes."""
        if self.level is None:
            return kinds(statuses[0], look, self.looks)
        examples = self.examples(vertices, self.looks.seeds[look]) if self.examples else None
        return sides(values, self.level, look, self.looks, examples, spread)


@dataclass
class Search:
    """How far the search is.

    Attributes:
        question: what is looked for.
        tree: the cells.
        asks: what is wanted next; empty at the end.
        found: what each vertex is.
        look: how often each has been looked at, less one.
        held: {vertex that is looked at where nothing is expected: what all around it are}.
        spent: lanes that have been asked for.
        rounds: how many have been asked for.
        cut: whether there were not enough lanes for all that was wanted.
        places: of Halton's sequence, that have been used.
        spread: the squares and degrees of freedom of the seeds of each vertex.
        low: the lowest mean of a vertex, and
        high: the highest.
    """

    question: Question
    tree: Tree = field(init=False)
    asks: list[Ask] = field(init=False)
    found: dict[Vertex, int] = field(default_factory=dict)
    look: dict[Vertex, int] = field(default_factory=dict)
    held: dict[Vertex, int] = field(default_factory=dict)
    spent: int = 0
    rounds: int = 0
    cut: bool = False
    places: int = 0
    spread: dict[Vertex, tuple[float, int]] = field(default_factory=dict)
    low: float = math.inf
    high: float = -math.inf

    def __post_init__(self) -> None:
        self.tree = Tree(self.question.ladders)
        coarse = [range(0, UNIT * ladder.intervals + 1, UNIT) for ladder in self.question.ladders]
        self.asks = self.affordable(Ask(vertex, 0) for vertex in itertools.product(*coarse))

    @property
    def vertices(self) -> Iterator[tuple[Vertex, int]]:
        """Every vertex, and how many seeds it has been given, or is to be."""
        looks = self.look | {ask.vertex: ask.look for ask in self.asks}
        return ((vertex, self.question.looks.seeds[look]) for vertex, look in looks.items())

    def go_on(self, read: Read) -> bool:
        """Take in what was asked for, and ask for more; False if some of it is not there."""
        question, heard = self.question, []
        for look, some in itertools.groupby(sorted(self.asks, key=lambda ask: ask.look), key=lambda ask: ask.look):
            vertices = [ask.vertex for ask in some]
            values, statuses = read(vertices, question.looks.seeds[look])
            if not statuses.all():
                return False
            heard.append((vertices, look, counted(values, statuses, question.statuses, rate=question.rate), statuses))
        self.look |= {ask.vertex: ask.look for ask in self.asks}
        for vertices, _, values, _ in heard:
            self.note(vertices, difference_of(values))
        for vertices, look, values, statuses in heard:
            spread = None if question.level is None else self.spread_around(vertices)
            kinds = question.judge(vertices, look, values, statuses, spread)
            self.found |= dict(zip(vertices, kinds.tolist(), strict=True))
        vertices = [vertex for some, *_ in heard for vertex in some]
        stirred = dict.fromkeys(box for vertex in vertices for box in self.tree.touching(point(vertex)))
        self.asks = [] if self.cut else self.next(stirred)
        return True

    def note(self, vertices: Sequence[Vertex], values: np.ndarray) -> None:
        """Take down how [vertices, seeds] values are spread, and how far their means go."""
        spread, means = spread_of(values), student(values).mean
        for vertex, squares, freedom in zip(vertices, spread.squares.tolist(), spread.freedom.tolist(), strict=True):
            self.tree.add(vertex)
            self.spread[vertex] = squares, freedom
        if np.isfinite(means).any():
            self.low, self.high = min(self.low, np.nanmin(means)), max(self.high, np.nanmax(means))

    def spread_around(self, vertices: Sequence[Vertex]) -> Spread:
        """How the seeds of vertices, and of those in the leaves that touch them, are spread around their means."""
        found = []
        for vertex in vertices:
            boxes = self.tree.touching(point(vertex))
            around = dict.fromkeys(other for box in boxes for other in self.tree.cells[box].vertices)
            found.append(np.sum([self.spread[other] for other in sorted(around)], axis=0))
        return Spread(*np.array(found).T)

    def next(self, stirred: Iterable[Box]) -> list[Ask]:
        """What is to be asked for, after what vertices of some leaves are has become known."""
        new, more = dict[Vertex, None](), dict[Vertex, None]()
        todo = list(stirred)
        while todo:
            box = todo.pop()
            if box not in self.tree.leaves:
                continue
            crossed, waiting = self.look_at(box)
            more |= dict.fromkeys(waiting)
            if crossed:
                new |= dict.fromkeys(crossed)
                parts = self.tree.halve(box)
                for other in self.tree.balance(parts):
                    new |= dict.fromkeys(self.grid(other, [()]))
                    todo += self.tree.cells[other].parts
                todo += parts
        wanted = [Ask(vertex, 0) for vertex in new if vertex not in self.found]
        wanted += [Ask(vertex, self.look[vertex] + 1) for vertex in more]
        wanted.sort(key=lambda ask: place(ask.vertex))
        return self.affordable([*wanted, *(Ask(vertex, 0) for vertex in self.hold_out(wanted))])

    def affordable(self, asks: Iterable[Ask]) -> list[Ask]:
        """As many of them, in their order, as there are lanes for."""
        taken = []
        for ask in asks:
            cost = self.question.cost(ask)
            if self.question.most is not None and self.spent + cost > self.question.most:
                self.cut = True
                break
            taken.append(ask)
            self.spent += cost
        there = self.found.keys() | {ask.vertex for ask in taken}
        self.held = {vertex: kind for vertex, kind in self.held.items() if vertex in there}
        self.rounds += bool(taken)
        return taken

    def look_at(self, box: Box) -> tuple[list[Vertex], list[Vertex]]:
        """What a leaf asks for: vertices to halve it at, and more seeds for some that it has.

        Along axes that it is not halved along any more nothing is to be gained: there its vertices are looked at by
        themselves, each face of it for what changes within it.
        """
        ended = [k for k, at in enumerate(self.tree.middles(box)) if at is None]
        faces: dict[Vertex, list[Vertex]] = {}
        for vertex in self.tree.cells[box].vertices:
            faces.setdefault(tuple(vertex[k] for k in ended), []).append(vertex)
        crossed, waiting = [], []
        for face, vertices in faces.items():
            kinds = {self.found[vertex] for vertex in vertices}
            decided = {kind for kind in kinds if kind >= 0}
            if len(decided) > 1 or (decided and UNRESOLVED in kinds):
                crossed.append(face)
            else:
                waiting += [vertex for vertex in vertices if self.found[vertex] == UNDECIDED]
        return list(self.grid(box, crossed)), waiting

    def grid(self, box: Box, faces: Iterable[Vertex]) -> Iterator[Vertex]:
        """The vertices that halving a leaf, as it is or was, needs on some of its faces."""
        sides = [(low, (low + high) // 2, high) for low, high in box]
        free = [k for k, at in enumerate(self.tree.middles(box)) if at is not None]
        for face in faces:
            for at in itertools.product(*(sides[k] for k in free)):
                known = iter(face)
                inside = dict(zip(free, at, strict=True))
                yield tuple(inside[k] if k in inside else next(known) for k in range(len(box)))

    def hold_out(self, wanted: Sequence[Ask]) -> Iterator[Vertex]:
        """Vertices where nothing is expected: the due share of all lanes, and more of them to fill a chunk."""
        cost = sum(map(self.question.cost, wanted))
        each, spent = self.question.cost(Ask((), 0)), self.spent + cost
        due = math.ceil(HELD_OUT * spent / each) - len(self.held)
        short = -cost // len(self.question.labels) % CHUNK // self.question.looks.seeds[0] if wanted else 0
        most = max(due, min(short, math.floor(AHEAD * spent / each) - len(self.held)))
        taken, tries = {ask.vertex for ask in wanted}, 0
        while most > 0 and tries < TRIES:
            self.places += 1
            tries += 1
            vertex = self.near([radical_inverse(self.places, base) for base in BASES[: len(self.question.ladders)]])
            if vertex in self.found or vertex in taken:
                continue
            around = {self.found[v] for box in self.tree.touching(point(vertex)) for v in self.tree.cells[box].vertices}
            around.discard(NOTHING)
            if len(around) == 1 and (kind := around.pop()) >= 0:
                self.held[vertex] = kind
                taken.add(vertex)
                most, tries = most - 1, 0
                yield vertex

    def near(self, shares: Sequence[float]) -> Vertex:
        """The corner of a halved coarse cell that is nearest to shares of the axes."""
        found = []
        for share, ladder in zip(shares, self.question.ladders, strict=True):
            at = share * ladder.intervals * UNIT
            low = min(int(at // UNIT), ladder.intervals - 1) * UNIT
            ends = (low, low + UNIT)
            for _ in range(HALVINGS):
                if (middle := ladder.middle(ends)) is not None:
                    ends = (ends[0], middle) if at < middle else (middle, ends[1])
            found.append(ends[0] if at - ends[0] < ends[1] - at else ends[1])
        return tuple(found)


def point(vertex: Vertex) -> Box:
    """A vertex as a box."""
    return tuple((at, at) for at in vertex)


def radical_inverse(k: int, base: int) -> float:
    """The k-th of Halton's numbers in [0, 1): the digits of k behind the point, in reverse."""
    share, found = 1.0, 0.0
    while k:
        k, digit = divmod(k, base)
        share /= base
        found += digit * share
    return found
