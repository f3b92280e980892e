"""What a sweep trains, one round after another: all of a grid at once, or what a refinement asks for next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import NamedTuple

from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.plan import Limits, Plan
from adam_vs_gd.engine.progress import Meter
from adam_vs_gd.engine.run import Run
from adam_vs_gd.problem import Family
from adam_vs_gd.refine.forecast import forecast, rehearsed
from adam_vs_gd.refine.refinement import Refinement
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.types import Rows


class Round(NamedTuple):
    """Lanes that may be trained in any order.

    Attributes:
        lanes: all of them, those that are done included.
        labels: {digest: the label of its variant}.
        name: which round it is; "" where there is one.
        later: lanes of rounds behind it, about.
    """

    lanes: list[Lane]
    labels: Mapping[str, str]
    name: str = ""
    later: int = 0

    def meter(self, plan: Plan) -> Meter:
        """A new one of this round."""
        each = plan.work / plan.lanes if plan.lanes else 0.0
        return Meter(plan, self.name, self.later * each)


def rounds(
    run: Run, rows: Callable[[], Iterable[Rows]], only: Callable[[Set[str]], Set[str]] | None = None
) -> Iterator[Round]:
    """The rounds of a run.

    Args:
        run: the run.
        rows: gives all rows that are there when it is asked first, and later those that have been added.
        only: gives those of some lanes' digests that may be trained; None for all.
    """

    def allowed(lanes: Iterable[Lane]) -> list[Lane]:
        lanes = list(lanes)
        chosen = only({lane.digest for lane in lanes}) if only else None
        return [lane for lane in lanes if chosen is None or lane.digest in chosen]

    if run.refinement is None:
        yield Round(allowed(lane for _, lane in run.cells), run.labels(run.cells))
        return
    refinement = run.refinement
    levels = [rehearsed(search.question) for search in refinement.searches]
    while True:
        for some in rows():
            refinement.add(some)
        refinement.go_on()
        lanes = allowed(refinement.wanted())
        likely = [forecast(search, level) for search, level in zip(refinement.searches, levels, strict=True)]
        if not lanes:
            return
        spent = sum(search.spent for search in refinement.searches)
        name = f"round {max(search.rounds for search in refinement.searches)} of about {max(r for _, r in likely)}"
        labels = {lane.digest: label for label, lane in refinement.asked()}
        yield Round(lanes, labels, name, max(0, sum(n for n, _ in likely) - spent))


def plan_of(
    family: Family,
    refinement: Refinement | None,
    lanes: Iterable[Lane],
    limits: Limits,
    done: Collection[str] = frozenset(),
    unfinished: Iterable[Collection[str]] = (),
) -> Plan:
    """The plan of a round. Those of a refinement share their programs: shapes are those of the coarse grid, or few."""
    if refinement is None:
        return make_plan(family, lanes, limits, done, unfinished)
    lanes = list(lanes)
    now = {lane.digest for lane in lanes}
    coarse = [lane for lane in refinement.coarse if lane.digest not in now]
    ended = {*done, *(lane.digest for lane in coarse)}
    return make_plan(family, [*coarse, *lanes], replace(limits, few=refinement.most_seeds), ended, unfinished)
