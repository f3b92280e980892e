"""What a spec's [refine] asks: checked against its axes, variables and seeds before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adam_vs_gd.errors import PlotError, SpecError
from adam_vs_gd.problem import Variable
from adam_vs_gd.refine.ladder import BITS, UNIT, Ladder, deepest, halvings
from adam_vs_gd.refine.looks import Looks, looks_of
from adam_vs_gd.refine.points import Points
from adam_vs_gd.refine.search import Question
from adam_vs_gd.refine.tree import Vertex
from adam_vs_gd.results.axis import Axis, scale_of
from adam_vs_gd.results.panels import labels_in
from adam_vs_gd.results.words import STATUS
from adam_vs_gd.spec.cells import axes
from adam_vs_gd.spec.checks import nearest
from adam_vs_gd.spec.plain import typed
from adam_vs_gd.spec.sweep_spec import TABLES, SweepSpec

AXES = (2, 3)  # how many there may be
DEPTH = 3  # halvings, if nothing else is said
MORE_SEEDS = 4  # times the spec's that a vertex gets at most, if nothing else is said
CHANCE = 0.5  # the level of an error rate, if nothing else is said
MOST_BYTES = 2**34  # of the final variables on the union of values


def questions_of(spec: SweepSpec) -> tuple[Points, tuple[Question, ...]]:
    """The lanes of a sweep at vertices, and what is looked for among them: a question an entry of `of`.

    Raises:
        SpecError: naming every mistake at once.
    """
    mistakes: list[str] = []
    refine = spec.refine
    ladders = ladders_of(spec, mistakes)
    seeds, looks = seeds_of(spec, mistakes)
    points = Points(spec, ladders, seeds)
    variables = dict(spec.family.variables(spec))
    value = refine.get("value", spec.family.main if spec.family.main in variables else STATUS)
    questions = []
    if value != STATUS and value not in variables:
        mistakes.append(f"refine.value = {value}: {nearest(value, [STATUS, *variables])}")
    elif value != STATUS and variables[value].dims:
        along = ", ".join(variables[value].dims)
        mistakes.append(f"refine.value = {value}: has a value for each {along}; choose one that has one number a lane")
    else:
        for labels in targets(spec, mistakes):
            if value == STATUS and len(labels) == 2:
                mistakes.append(f"refine.of = {' - '.join(labels)}: statuses have no difference; name one optimizer")
                continue
            variable = variables.get(value, Variable(STATUS))
            level = level_of(refine.get("level"), value, variable, len(labels), mistakes)
            examples = examples_of(points, labels, variable)
            questions.append(
                Question(labels, value, level, ladders, looks, spec.family.statuses, bool(variable.rate), examples)
            )
    if not mistakes:
        check_size(spec, questions, len(variables), mistakes)
    if mistakes:
        raise SpecError("spec", list(dict.fromkeys(mistakes)))
    most = refine.get("max_lanes")
    return points, tuple(
        Question(**(vars(one) | {"most": None if most is None else most // len(questions)})) for one in questions
    )


def path_of(spec: SweepSpec, key: str) -> str:
    """Where a number stands in a spec, for messages."""
    table = next((name for name in TABLES if key in (getattr(spec, name) or {})), "")
    if not table and spec.family.variants and any(key in variant for variant in spec.variants.values()):
        table = f"{spec.family.variants.section}.*"
    return f"{table}.{key}".lstrip(".")


def ladders_of(spec: SweepSpec, mistakes: list[str]) -> tuple[Ladder, ...]:
    """The axes of a sweep, and how finely each is halved."""
    swept, found = list(axes(spec)), []
    if len(swept) not in AXES:
        names = ", ".join(name for name, _ in swept) or "none"
        mistakes.append(f"refine: needs two or three swept axes, and there are {len(swept)} ({names})")
        return ()
    for name, values in swept:
        path = path_of(spec, name.removesuffix("_index"))
        if values is None:
            mistakes.append(
                f"{path}: each optimizer has its own values, which have no common scale to be halved in; give all the "
                "same list, or refine one optimizer by itself"
            )
        elif name in (spec.static or {}):
            mistakes.append(f"{path}: is compiled in, and every value another program; refine axes of traced numbers")
        elif len(values) < 2:
            mistakes.append(f"{path} = {typed(list(values))}: one value on an axis has nothing beside it to be halved; "
                            "give two or more, or a scalar")  # fmt: skip
        else:
            found.append(ladder_of(spec, name, values))
    if len(found) < len(swept):
        return ()
    wanted = tolerances(spec, found, mistakes)
    depth = spec.refine.get("depth")
    halved = {key: halvings(ladder, wanted[key]) for ladder in found if (key := ladder.key) in wanted}
    other = depth or max(halved.values(), default=DEPTH)
    ladders = []
    for ladder in found:
        key, limit = ladder.key, deepest(ladder)
        asked = halved.get(key, other)
        if asked > limit and not ladder.step:
            what = f"refine.tolerance = {wanted[key]:g}" if key in halved else f"refine.depth = {asked}"
            finer = '; precision = "float64" is finer' if ladder.precision == "float32" else ""
            widest = max(ladder.width((k * UNIT, (k + 1) * UNIT)) for k in range(ladder.intervals))
            mistakes.append(
                f"{what}: is below what {ladder.precision} resolves of {path_of(spec, key)}, which can be halved "
                f"{limit} times, down to {widest / 2**limit:.2g} in its scale ({ladder.axis.scale}){finer}"
            )
        narrowed = {"depth": min(asked, depth or BITS, limit), "tolerance": wanted.get(key, 0.0)}
        ladders.append(Ladder(**(vars(ladder) | narrowed)))
    if not mistakes and not any(ladder.depth for ladder in ladders):
        mistakes.append("refine: no cell is halved, as all are as narrow as they are to be; a smaller tolerance, or a "
                        "coarser grid, leaves something to find")  # fmt: skip
    return tuple(ladders)


def ladder_of(spec: SweepSpec, key: str, values: Sequence[float]) -> Ladder:
    """An axis as it is, halved as finely as can be."""
    number = spec.numbers[key]
    coarse = np.sort(np.array(values, float))
    axis = Axis(key, number.long_name, number.symbol, coarse, (), *scale_of(coarse))
    step = (2 if number.even else 1) if all(isinstance(value, int) for value in values) else 0
    precision = next(iter(spec_precisions(spec)), "float32")
    return Ladder(key, axis, step, precision, BITS)


def spec_precisions(spec: SweepSpec) -> list[str]:
    """What the precision of a sweep's lanes is called in its tables."""
    return [table["precision"] for table in (spec.train, spec.problem) if table and "precision" in table]


def tolerances(spec: SweepSpec, ladders: Sequence[Ladder], mistakes: list[str]) -> dict[str, float]:
    """{axis: how wide its cells may be}."""
    given, keys = spec.refine.get("tolerance"), [ladder.key for ladder in ladders]
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(keys, given)
    for key in given:
        if key not in keys:
            mistakes.append(f"refine.tolerance.{key} = {given[key]:g}: no swept axis; {nearest(key, keys)}")
    return {key: given[key] for key in keys if key in given}


def seeds_of(spec: SweepSpec, mistakes: list[str]) -> tuple[tuple[int, ...], Looks]:
    """The seeds that there may be, and how many a vertex has at each look."""
    first, counts = len(spec.seeds), spec.seeds == tuple(range(len(spec.seeds)))
    most = spec.refine.get("max_seeds") or (MORE_SEEDS * first if counts else None)
    if most is None or (most > first and not counts):
        mistakes.append(
            f"seeds = {typed(list(spec.seeds))}: a list of seeds cannot grow, and a point gets more of them where the "
            f"level is within their spread; give a count, seeds = {first}, or go without, refine.max_seeds = {first}"
        )
        most = first
    elif most < first:
        mistakes.append(f"refine.max_seeds = {most}: must be at least the {first} seeds that points begin with")
        most = first
    return (tuple(range(most)) if counts else spec.seeds), looks_of(first, most)


def targets(spec: SweepSpec, mistakes: list[str]) -> list[tuple[str, ...]]:
    """The optimizers, or differences of two, that `of` names; by default every optimizer."""
    given = spec.refine.get("of")
    if not spec.variants:
        if given is not None:
            mistakes.append(f"refine.of = {', '.join(given)}: nothing is compared in this sweep; leave it out")
        return [spec.labels]
    found = []
    for text in given or spec.labels:
        try:
            found.append(labels_in(text, spec.labels))
        except PlotError:
            mistakes.append(
                f"refine.of = {text}: {nearest(text, spec.labels)}, and differences such as "
                f"{spec.labels[0]} - {spec.labels[-1]}"
            )
    return list(dict.fromkeys(found))


def level_of(level: float | None, value: str, variable: Variable, labels: int, mistakes: list[str]) -> float | None:
    """The level of a variable; None of a status, which has none."""
    if value == STATUS:
        if level is not None:
            mistakes.append(f"refine.level = {level:g}: a status has no level, only changes; leave it out")
        return None
    if not variable.rate:
        if level is None:
            mistakes.append(f"refine.level: is missing; say which level of {value} is looked for")
        return level
    level = CHANCE if level is None else level
    low, high = (-1, 1) if labels == 2 else (0, 1)
    if not low < level < high:
        what = f"a difference of {value}" if labels == 2 else value
        mistakes.append(f"refine.level = {level:g}: must be between {low} and {high}, as {what} is")
    return level


def examples_of(points: Points, labels: tuple[str, ...], variable: Variable) -> Any:
    """How many examples are behind a rate: (vertices, seeds) -> [vertices] of a seed."""
    if not variable.rate:
        return None
    pooled, label = points.spec.family.pooled, labels[0]

    def examples(vertices: Sequence[Vertex], seeds: int) -> np.ndarray:
        found = np.array([points.number(variable.rate, label, vertex) or math.inf for vertex in vertices], float)
        return found if pooled else found / seeds

    return examples


def check_size(spec: SweepSpec, questions: Sequence[Question], variables: int, mistakes: list[str]) -> None:
    """Whether there are lanes for the coarse grid, and memory for the finest."""
    looks, ladders = questions[0].looks, questions[0].ladders
    coarse = math.prod(ladder.intervals + 1 for ladder in ladders)
    lanes = coarse * looks.seeds[0] * sum(len(question.labels) for question in questions)
    most = spec.refine.get("max_lanes")
    if most is not None and most < lanes:
        grid = " x ".join(str(ladder.intervals + 1) for ladder in ladders)
        mistakes.append(
            f"refine.max_lanes = {most}: the coarse grid alone ({grid} points, {looks.seeds[0]} seeds) takes {lanes}; "
            "allow more, or give fewer values"
        )
    bytes_ = finest(ladders) * looks.seeds[-1] * len(spec.labels) * variables * 4
    if bytes_ > MOST_BYTES:
        mistakes.append(
            f"refine.depth: the results could take {bytes_ / 2**30:.0f} GiB, as values that are new on one axis are on "
            "all of it; halve less often, or zoom in on a smaller part"
        )


def finest(ladders: Sequence[Ladder]) -> int:
    """Points of the grid that would be filled without a search."""
    return math.prod(rungs(ladder) for ladder in ladders)


def rungs(ladder: Ladder) -> int:
    """Values that an axis has once all of it is halved as finely as may be."""
    if not ladder.step and len(set(np.round(np.diff(ladder.axis.forward(ladder.axis.values)), 9))) == 1:
        return ladder.intervals * 2**ladder.depth + 1
    todo, found = [(k * UNIT, (k + 1) * UNIT) for k in range(ladder.intervals)], 1
    while todo:
        low, high = todo.pop()
        if (at := ladder.middle((low, high))) is None:
            found += 1
        else:
            todo += [(low, at), (at, high)]
    return found
