"""A sweep that is refined: its searches side by side, what is known of its lanes, and the results that it has."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adam_vs_gd.errors import FolderError
from adam_vs_gd.refine.looks import ABOVE, BELOW, UNDECIDED, UNRESOLVED
from adam_vs_gd.refine.question import finest, questions_of
from adam_vs_gd.refine.search import Question, Read, Search
from adam_vs_gd.refine.tree import Vertex
from adam_vs_gd.results.axis import COARSE
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.results.statistics import LEVEL
from adam_vs_gd.results.uneven import ATTRIBUTE
from adam_vs_gd.results.words import SIDE, STATUS
from adam_vs_gd.spec.cells import Cell, Lane
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.types import Rows

if TYPE_CHECKING:
    import xarray as xr


class Refinement:
    """The searches of a sweep, as far as what is known of its lanes takes them.

    What is wanted next is a function of what is known, however that has come about: the lanes of a search are the same
    whoever trains them, in whatever order, however often it is interrupted.

    Args:
        spec: the sweep, with a table `refine`.

    Raises:
        SpecError: if that makes no sense; naming every mistake.
    """

    def __init__(self, spec: SweepSpec) -> None:
        self.spec = spec
        self.points, questions = questions_of(spec)
        self.searches = [Search(question) for question in questions]
        self.known: dict[str, tuple[int, float]] = {}
        self.coarse = self.lanes()  # those of the first round

    def add(self, rows: Rows) -> None:
        """What a chunk says of its lanes."""
        value = self.searches[0].question.value
        if value not in rows:
            raise FolderError(
                f"a chunk of this sweep has no {value}, by which it is refined: another version of adam-vs-gd has "
                "computed it; go on with that version, or choose another folder with --out"
            )
        numbers = rows[value]
        lanes, statuses = rows["lane"].tolist(), rows[STATUS].tolist()
        self.known.update(zip(lanes, zip(statuses, numbers.tolist(), strict=True), strict=True))

    def go_on(self) -> None:
        """Take every search as far as what is known goes."""
        for search in self.searches:
            while search.asks and search.go_on(self.reader(search.question)):
                pass

    def reader(self, question: Question) -> Read:
        """What looks lanes up."""
        absent = (0, math.nan)

        def read(vertices: Sequence[Vertex], seeds: int) -> tuple[np.ndarray, np.ndarray]:
            found = [
                [[self.known.get(self.points.lane(label, vertex, seed).digest, absent) for seed in range(seeds)]
                 for vertex in vertices]
                for label in question.labels
            ]  # fmt: skip
            table = np.array(found, float).reshape(len(question.labels), len(vertices), seeds, 2)
            return table[..., 1], table[..., 0].astype(np.int8)

        return read

    def asked(self) -> Iterator[tuple[str, Lane]]:
        """The lanes that are asked for now, each with the label of its variant."""
        for search in self.searches:
            for ask in search.asks:
                for label in search.question.labels:
                    for seed in range(search.question.looks.seeds[ask.look]):
                        yield label, self.points.lane(label, ask.vertex, seed)

    def wanted(self) -> list[Lane]:
        """The lanes that are needed to go on."""
        lanes = {lane.digest: lane for _, lane in self.asked() if lane.digest not in self.known}
        return list(lanes.values())

    @property
    def vertices(self) -> list[Vertex]:
        """Every vertex of every search, in the order of the axes."""
        return sorted({vertex for search in self.searches for vertex, _ in search.vertices})

    @property
    def seeds(self) -> int:
        """How many seeds there are in the results: the most that any vertex has, and those of the spec at least."""
        return max([len(self.spec.seeds), *(seeds for search in self.searches for _, seeds in search.vertices)])

    @property
    def most_seeds(self) -> int:
        """How many seeds a vertex has at most."""
        return self.searches[0].question.looks.seeds[-1]

    def cells(self) -> list[Cell]:
        """The cells of the results that lanes may fill: all optimizers and seeds at every vertex."""
        return self.points.cells(self.vertices, self.seeds)

    def lanes(self) -> list[Lane]:
        """The lanes that the searches have asked for so far."""
        return [
            self.points.lane(label, vertex, seed)
            for search in self.searches
            for vertex, seeds in search.vertices
            for label in search.question.labels
            for seed in range(seeds)
        ]

    def dataset(self, chunks: Iterable[Rows], about: Mapping[str, Any] | None = None) -> xr.Dataset:
        """The Dataset on the union of all values; pending where nothing was trained."""
        union = self.points.union(self.vertices, self.seeds)
        results = to_dataset(self.spec, chunks, about, self.cells(), union)
        if (sides := self.sides(results)) is not None:
            results[SIDE] = sides
        for ladder in self.points.ladders:
            results[ladder.key].attrs[COARSE] = ladder.axis.values.tolist()
        return results.assign_attrs({ATTRIBUTE: json.dumps(self.about())})

    def sides(self, results: xr.Dataset) -> xr.DataArray | None:
        """[optimizer, axes] on which side of the level points are, as the searches have found; None of statuses."""
        import xarray as xr

        alone = [one for one in self.searches if len(one.question.labels) == 1 and one.question.level is not None]
        if not alone:
            return None
        status = results[STATUS].isel(seed=0, drop=True)
        sides = xr.zeros_like(status, np.int8)
        for search in (one for one in alone if one.found):
            vertices, kinds = list(search.found), np.array(list(search.found.values()))
            values = np.array([list(self.points.values(vertex).values()) for vertex in vertices]).T
            keys = [ladder.key for ladder in self.points.ladders]
            at = tuple(np.searchsorted(results[key].values, found) for key, found in zip(keys, values, strict=True))
            label = search.question.labels[0]
            here = sides.sel(optimizer=label) if self.spec.variants else sides
            here.transpose(*keys).values[at] = np.select([kinds == BELOW, kinds == ABOVE], [-1, 1], 0)
        about = {"long_name": "side of the level", "flag_values": np.array([-1, 0, 1], np.int8)}
        return sides.assign_attrs({**about, "flag_meanings": "below not_told above"})

    def about(self) -> dict[str, Any]:
        """What was looked for and how far that has come, for the results' attributes."""
        axes = {
            ladder.key: {"depth": ladder.depth, "scale": ladder.axis.scale,
                         **({"tolerance": ladder.tolerance} if ladder.tolerance else {})}
            for ladder in self.points.ladders
        }  # fmt: skip
        lanes = {lane.digest for lane in self.lanes()}
        return {"axes": axes, "lanes": len(lanes), "missing": len(lanes - self.known.keys()),
                "searches": [told(search) for search in self.searches]}  # fmt: skip


def told(search: Search) -> dict[str, Any]:
    """What a search was for, and what has come of it."""
    question, found = search.question, search.found
    kinds = sorted({kind for kind in found.values() if kind >= 0})
    ladders, looks = question.ladders, question.looks
    names = [one.name for one in question.statuses]
    ends = {"range": [float(search.low), float(search.high)]} if search.low <= search.high else {}
    level = {} if question.level is None else {"level": question.level, **ends}
    return {
        "of": question.name, "labels": list(question.labels), "value": question.value,
        **level,
        "kinds": [("below", "above")[kind] if question.level is not None else names[kind] for kind in kinds],
        "looks": list(looks.seeds), "confidence": looks.level,
        "lanes": search.spent, "rounds": search.rounds, "points": len(search.look),
        "grid": finest(ladders),
        "unresolved": sum(found[vertex] in (UNRESOLVED, UNDECIDED) for vertex in found),
        "end": "" if search.asks else "budget" if search.cut else "found" if len(kinds) > 1 else "one side",
        **held_out(search),
    }  # fmt: skip


def held_out(search: Search) -> dict[str, Any]:
    """What looking where nothing is expected has shown."""
    from scipy import stats

    looked = [vertex for vertex in search.held if vertex in search.found]
    wrong, count = sum(search.found[vertex] != search.held[vertex] for vertex in looked), len(looked)
    most = float(stats.beta.ppf(LEVEL, wrong + 1, count - wrong)) if wrong < count else 1.0  # Clopper and Pearson's
    return {"held_out": count, "contradicted": wrong, "missed_at_most": most}
