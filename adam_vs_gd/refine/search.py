"""The search for a boundary: rounds of lanes, each a function of what those before it gave, and of nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from adam_vs_gd.problem import Outcome
from adam_vs_gd.refine.ladder import UNIT, Ladder
from adam_vs_gd.refine.looks import NOTHING, UNDECIDED, UNRESOLVED, Looks, counted, kinds, sides
from adam_vs_gd.refine.tree import Box, Tree, Vertex, place

HELD_OUT = 0.05  # of the lanes, that are spent on looking where nothing is expected
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

    def judge(self, vertices: Sequence[Vertex], look: int, values: np.ndarray, statuses: np.ndarray) -> np.ndarray:
        """[vertices] what they are after a look, by [optimizers, vertices, seeds] values and status codes."""
        if self.level is None:
            return kinds(statuses[0], look, self.looks)
        seeds = self.looks.seeds[look]
        examples = self.examples(vertices, seeds) if self.rate and self.examples else None
        return sides(counted(values, statuses, self.statuses, rate=self.rate), self.level, look, self.looks, examples)


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
        heard: dict[Vertex, int] = {}
        for look, some in itertools.groupby(sorted(self.asks, key=lambda ask: ask.look), key=lambda ask: ask.look):
            vertices = [ask.vertex for ask in some]
            values, statuses = read(vertices, self.question.looks.seeds[look])
            if not statuses.all():
                return False
            heard |= dict(zip(vertices, self.question.judge(vertices, look, values, statuses).tolist(), strict=True))
        self.look |= {ask.vertex: ask.look for ask in self.asks}
        self.found |= heard
        for vertex in heard:
            self.tree.add(vertex)
        stirred = dict.fromkeys(box for vertex in heard for box in self.tree.touching(point(vertex)))
        self.asks = [] if self.cut else self.next(stirred)
        return True

    def next(self, stirred: Iterable[Box]) -> list[Ask]:
        """What is to be asked for, after what vertices of some leaves are has become known."""
        new, more, likely = dict[Vertex, None](), dict[Vertex, None](), dict[Vertex, None]()
        todo = list(stirred)
        while todo:
            box = todo.pop()
            if box not in self.tree.leaves:
                continue
            wanted, waiting, maybe = self.look_at(box)
            more |= dict.fromkeys(waiting)
            likely |= dict.fromkeys(maybe)
            if wanted:
                new |= dict.fromkeys(wanted)
                parts = self.tree.halve(box)
                for other in self.tree.balance(parts):
                    new |= dict.fromkeys(self.grid(other, [()]))
                    todo += self.tree.cells[other].parts
                todo += parts
        wanted = [Ask(vertex, 0) for vertex in new if vertex not in self.found]
        wanted += [Ask(vertex, self.look[vertex] + 1) for vertex in more]
        wanted.sort(key=lambda ask: place(ask.vertex))
        cost = sum(map(self.question.cost, wanted))
        held = [Ask(vertex, 0) for vertex in self.hold_out(cost, new)]
        short = -(cost + sum(map(self.question.cost, held))) // len(self.question.labels) % CHUNK
        taken = new | dict.fromkeys(ask.vertex for ask in held)
        further = (vertex for vertex in likely if vertex not in self.found and vertex not in taken)
        each = self.question.looks.seeds[0]
        fill = [Ask(vertex, 0) for vertex in sorted(further, key=place)[: short // each]] if wanted else []
        return self.affordable([*wanted, *held, *fill])

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
        self.held = {vertex: kind for vertex, kind in self.held.items() if not self.cut or vertex in self.found
                     or vertex in {ask.vertex for ask in taken}}  # fmt: skip
        self.rounds += bool(taken)
        return taken

    def look_at(self, box: Box) -> tuple[list[Vertex], list[Vertex], list[Vertex]]:
        """What a leaf asks for: vertices to halve it at, more seeds for some that it has, and vertices that may follow.

        Along axes that it is not halved along any more nothing is to be gained: there its vertices are looked at by
        themselves, each face of it for what changes within it.
        """
        middles = self.tree.middles(box)
        ended = [k for k, at in enumerate(middles) if at is None]
        faces: dict[Vertex, list[Vertex]] = {}
        for vertex in self.tree.cells[box].vertices:
            faces.setdefault(tuple(vertex[k] for k in ended), []).append(vertex)
        crossed, waiting, blocked = [], [], []
        for face, vertices in faces.items():
            kinds = {self.found[vertex] for vertex in vertices}
            decided = {kind for kind in kinds if kind >= 0}
            undecided = [vertex for vertex in vertices if self.found[vertex] == UNDECIDED]
            if len(decided) > 1 or (decided and UNRESOLVED in kinds):
                crossed.append(face)
                if len(ended) == len(middles):
                    waiting += undecided
            elif undecided:
                waiting += undecided
                blocked.append(face)
        if len(ended) == len(middles):
            return [], waiting, []
        return list(self.grid(box, crossed)), waiting, list(self.grid(box, blocked))

    def grid(self, box: Box, faces: Iterable[Vertex]) -> Iterator[Vertex]:
        """The vertices that halving a leaf, as it is or was, needs on some of its faces."""
        sides = [(low, (low + high) // 2, high) for low, high in box]
        free = [k for k, at in enumerate(self.tree.middles(box)) if at is not None]
        for face in faces:
            for at in itertools.product(*(sides[k] for k in free)):
                known = iter(face)
                inside = dict(zip(free, at, strict=True))
                yield tuple(inside[k] if k in inside else next(known) for k in range(len(box)))

    def hold_out(self, cost: int, taken: Iterable[Vertex]) -> Iterator[Vertex]:
        """Vertices where nothing is expected, so many that they are the due share of all lanes."""
        each = self.question.cost(Ask((), 0))
        spent, tries, taken = self.spent + cost, 0, set(taken)
        while len(self.held) * each < HELD_OUT * spent and tries < TRIES:
            self.places += 1
            tries += 1
            vertex = self.near([radical_inverse(self.places, base) for base in BASES[: len(self.question.ladders)]])
            if vertex in self.found or vertex in taken:
                continue
            around = {self.found[v] for box in self.tree.touching(point(vertex)) for v in self.tree.cells[box].vertices}
            around.discard(NOTHING)
            if len(around) == 1 and (kind := around.pop()) >= 0:
                self.held[vertex] = kind
                tries = 0
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
