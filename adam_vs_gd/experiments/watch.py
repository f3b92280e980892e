"""Lanes whose weights one wants to see: trained as a sweep's, with more measured along the way. Kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adam_vs_gd.engine.chunk import draws_of, side_by_side
from adam_vs_gd.engine.plan import Group
from adam_vs_gd.engine.run import running
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.engine.sweep import train
from adam_vs_gd.problem import Batch, Way
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.lane import Hyper, Static, TrainState
from adam_vs_gd.problems.two_patch.ways import WAYS
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.types import Rows

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws
    from adam_vs_gd.spec.sweep_spec import SweepSpec
    from adam_vs_gd.types import Array

Look = Callable[[Static, Hyper, "TwoPatchDraws", TrainState], Mapping[str, "Array"]]
"""What is measured of one lane: (static, hyper, draws, state) -> {name: array}."""

HOLDS_WEIGHTS: Mapping[str, str] = {"span": "sparse", "gram": "dense"}
"""The method to train by instead of one whose state has no weights."""


def weights(static: Static, hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> Mapping[str, Array]:
    """A `Look` at the weights: [2, m, d], or [d] of the linear model."""
    return {"weights": state.params["w"]}


def watch(
    spec: SweepSpec,
    often: Look | None = None,
    rarely: Look | None = None,
    last: Look | None = None,
    *,
    quiet: bool = True,
) -> list[tuple[tuple[int, ...], Lane, Rows]]:
    """Train every lane of a sweep, and look at its states.

    Args:
        spec: the sweep. Its numbers come out as `run_sweep`'s do, to rounding.
        often: what to measure at the `record` + 1 steps of a trajectory.
        rarely: what to measure at the about ten steps of the `test_record` grid; under other names than `often`'s.
        last: what to measure at T alone, under names that no sweep has.
        quiet: no progress on stderr.

    Returns:
        (index, lane, rows) of every cell of the spec: its (optimizer, *axes, seed) index, and {name: values} as the
        sweep's, with what was looked at under `<name>_path` [points, ...] and at T under its name.

    Raises:
        MemoryError: if memory was too small for a lane.
    """

    def make(static: Static, ranks: int, way: Way, block: int) -> Batch:
        batch = make_batch(static, ranks, way, block)

        def with_look(measure: Callable[..., Mapping[str, Array]], look: Look | None) -> Any:
            if look is None:
                return measure
            every = side_by_side(lambda *lane: dict(look(static, *lane)), draws_of)
            return lambda *lanes: {**measure(*lanes), **every(*lanes[:4])}  # `finish` also takes what was measured

        return replace(
            batch,
            measure=with_look(batch.measure, often),
            test=with_look(batch.test, rarely),
            finish=with_look(batch.finish, last),
        )

    def adjust(group: Group) -> Group:
        name = HOLDS_WEIGHTS.get(group.way.name) if often or rarely or last else None
        return replace(group, way=WAYS[name]) if name else group

    with running(spec, {}, Settings(quiet=quiet)) as run:
        chunks, failed = train(run, make, adjust)
    if failed:
        raise MemoryError(f"{spec.name}: memory is too small for its lanes")
    found = {
        str(digest): {name: values[i] for name, values in rows.items() if name != "lane"}
        for rows in chunks
        for i, digest in enumerate(rows["lane"])
    }
    return [(index, lane, found[lane.digest]) for index, lane in run.cells]
