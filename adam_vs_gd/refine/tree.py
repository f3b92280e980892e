"""Cells of a diagram, halved where it is asked for: boxes between vertices, none much larger than those beside it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from adam_vs_gd.refine.ladder import UNIT, Interval, Ladder, level_of

Vertex = tuple[int, ...]
"""A position on each axis: a point of the diagram at which lanes are trained."""
Box = tuple[Interval, ...]
"""An interval on each axis, ends included."""


@dataclass
class Cell:
    """A box.

    Attributes:
        level: how often it has been halved.
        vertices: those that are known in it or on its rim.
        parts: of what was halved; empty for a leaf.
    """

    level: int
    vertices: list[Vertex] = field(default_factory=list)
    parts: tuple[Box, ...] = ()


class Tree:
    """The cells between coarse values, and all that they have been halved into.

    Args:
        ladders: of the axes.
    """

    def __init__(self, ladders: Sequence[Ladder]) -> None:
        self.ladders = tuple(ladders)
        roots = [[(k * UNIT, (k + 1) * UNIT) for k in range(ladder.intervals)] for ladder in ladders]
        self.cells: dict[Box, Cell] = {box: Cell(0) for box in itertools.product(*roots)}
        self.leaves: dict[Box, None] = dict.fromkeys(self.cells)
        self.vertices: set[Vertex] = set()

    def add(self, vertex: Vertex) -> None:
        """A vertex is known from now on."""
        if vertex not in self.vertices:
            self.vertices.add(vertex)
            for box in self.touching(tuple((at, at) for at in vertex)):
                self.cells[box].vertices.append(vertex)

    def middles(self, box: Box) -> tuple[int | None, ...]:
        """Where a box is halved along each axis; None along those where it is not any more."""
        return tuple(ladder.middle(interval) for ladder, interval in zip(self.ladders, box, strict=True))

    def touching(self, box: Box) -> Iterator[Box]:
        """The leaves that have a point in common with a box."""
        near = []
        for (low, high), ladder in zip(box, self.ladders, strict=True):
            first, last = max(0, -(-low // UNIT) - 1), min(ladder.intervals - 1, high // UNIT)
            near.append([(k * UNIT, (k + 1) * UNIT) for k in range(first, last + 1)])
        found: list[Box] = list(itertools.product(*near))
        while found:
            here = found.pop()
            parts = self.cells[here].parts
            if parts:
                found += [part for part in parts if meet(part, box)]
            else:
                yield here

    def halve(self, box: Box) -> tuple[Box, ...]:
        """Halve a leaf along every axis that it can be halved along; gives its parts, none where there is none."""
        cell, middles = self.cells[box], self.middles(box)
        if all(at is None for at in middles):
            return ()
        sides = [[(low, high)] if at is None else [(low, at), (at, high)]
                 for (low, high), at in zip(box, middles, strict=True)]  # fmt: skip
        cell.parts = tuple(itertools.product(*sides))
        del self.leaves[box]
        for part in cell.parts:
            inside = [vertex for vertex in cell.vertices if holds(part, vertex)]
            self.cells[part] = Cell(cell.level + 1, inside)
            self.leaves[part] = None
        cell.vertices = []
        return cell.parts

    def balance(self, parts: Iterable[Box]) -> list[Box]:
        """Halve leaves until none is more than a level above those beside it, of which some are new.

        One that is not halved any more along some axis stays as it is: what is left of it is no longer a matter of
        what is beside it.

        Returns:
            The boxes that were halved.
        """
        halved, new = [], list(parts)
        while new:
            box = new.pop()
            least = self.cells[box].level - 1
            beside = [other for other in self.touching(box) if self.cells[other].level < least and share(box, other)]
            for other in beside:
                if other in self.leaves and None not in self.middles(other):
                    halved.append(other)
                    new += self.halve(other)
        return halved


def meet(one: Box, other: Box) -> bool:
    """Whether two boxes have a point in common."""
    return all(low <= last and first <= high for (low, high), (first, last) in zip(one, other, strict=True))


def share(one: Box, other: Box) -> bool:
    """Whether boxes that have a point in common have more than an edge: a face."""
    return sum(low == last or first == high for (low, high), (first, last) in zip(one, other, strict=True)) <= 1


def holds(box: Box, vertex: Vertex) -> bool:
    """Whether a vertex is in a box or on its rim."""
    return all(low <= at <= high for (low, high), at in zip(box, vertex, strict=True))


def place(vertex: Vertex) -> tuple[int, int]:
    """What vertices are ordered by: the level that they are of, and then Morton's code."""
    code = 0
    for bit in range(max(vertex).bit_length()):
        for k, at in enumerate(vertex):
            code |= (at >> bit & 1) << (bit * len(vertex) + k)
    return max(map(level_of, vertex)), code
