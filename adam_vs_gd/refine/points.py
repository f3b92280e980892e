"""Vertices as lanes, and as cells of a result: the union of all values that they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from adam_vs_gd.refine.ladder import Ladder
from adam_vs_gd.refine.tree import Vertex
from adam_vs_gd.spec.cells import Cell, Lane, identity_of
from adam_vs_gd.spec.sweep_spec import TABLES, SweepSpec


class Points:
    """The lanes of a sweep at vertices.

    Args:
        spec: the sweep.
        ladders: of its axes, in the order of the dimensions.
        seeds: those that lanes may have, in the order in which they are taken.
    """

    def __init__(self, spec: SweepSpec, ladders: Sequence[Ladder], seeds: Sequence[int]) -> None:
        self.spec, self.ladders, self.seeds = spec, tuple(ladders), tuple(seeds)
        self.fixed = {label: {key: spec.number(key, label) for key in spec.numbers} for label in spec.labels}
        self.made: dict[tuple[str, Vertex], tuple[Any, Any, str]] = {}
        self.named: dict[tuple[str, Vertex, int], Lane] = {}

    def values(self, vertex: Vertex) -> dict[str, Any]:
        """{number: its value} at a vertex."""
        return {ladder.key: ladder.value(at) for ladder, at in zip(self.ladders, vertex, strict=True)}

    def number(self, key: str, label: str, vertex: Vertex) -> Any:
        """A number of a lane."""
        found = self.fixed[label][key]
        return self.values(vertex)[key] if isinstance(found, tuple) else found

    def lane(self, label: str, vertex: Vertex, seed: int) -> Lane:
        """The lane of an optimizer at a vertex, of the seed that is taken at a place among seeds."""
        if (label, vertex, seed) not in self.named:
            if (label, vertex) not in self.made:
                fixed = self.fixed[label]
                here = {key: value for key, value in self.values(vertex).items() if isinstance(fixed[key], tuple)}
                static, hyper = self.spec.family.lane(self.spec, label, fixed | here)
                self.made[label, vertex] = static, hyper, identity_of(static, hyper)
            static, hyper, identity = self.made[label, vertex]
            self.named[label, vertex, seed] = Lane(static, hyper, self.seeds[seed], self.spec.record, identity)
        return self.named[label, vertex, seed]

    def union(self, vertices: Iterable[Vertex], seeds: int) -> SweepSpec:
        """The sweep whose axes have all values of some vertices, and so many seeds."""
        spec = self.spec.to_dict() | {"seeds": list(self.seeds[:seeds]), "refine": None}
        for ladder, positions in zip(self.ladders, positions_of(vertices, len(self.ladders)), strict=True):
            values = [ladder.value(at) for at in positions]
            tables = [spec, *(spec[name] for name in TABLES if spec.get(name))]
            if self.spec.family.variants:
                tables += list(spec[self.spec.family.variants.section].values())
            for table in tables:
                if isinstance(table.get(ladder.key), list):
                    table[ladder.key] = values
        return SweepSpec(**spec)

    def cells(self, vertices: Sequence[Vertex], seeds: int) -> list[Cell]:
        """The cells of the union that vertices fill, for all optimizers and so many seeds."""
        index = [{at: k for k, at in enumerate(found)} for found in positions_of(vertices, len(self.ladders))]
        first = [(v,) if self.spec.variants else () for v in range(len(self.spec.labels))]
        return [
            ((*first[v], *(axis[at] for axis, at in zip(index, vertex, strict=True)), seed),
             self.lane(label, vertex, seed))
            for v, label in enumerate(self.spec.labels)
            for vertex in vertices
            for seed in range(seeds)
        ]  # fmt: skip


def positions_of(vertices: Iterable[Vertex], axes: int) -> list[list[int]]:
    """The positions that vertices have along each axis, ascending."""
    found: list[set[int]] = [set() for _ in range(axes)]
    for vertex in vertices:
        for positions, at in zip(found, vertex, strict=True):
            positions.add(at)
    return [sorted(positions) for positions in found]
