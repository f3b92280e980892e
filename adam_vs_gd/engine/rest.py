"""Lanes that are trained until they are at rest: those that are leave, those that are not are packed together again.

A lane's result depends on itself alone: whether it is at rest is asked at fixed steps, and whatever stands beside it,
how wide a chunk is, and where a training is cut changes no bit of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adam_vs_gd.engine.chunk import LANES, Programs, sharding
from adam_vs_gd.engine.packing import laid_out, places_of, widths
from adam_vs_gd.engine.placing import Ready, draws_for, leaves_of, padded, programs_of, state_from
from adam_vs_gd.engine.plan import Chunk, Group
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.store.checkpoint import Snapshot
from adam_vs_gd.types import AT_FIT, AT_REST, FIT_STEP, REST, REST_STEP, Rows, record_steps, rest_steps, test_steps

WATCHED = "watched "  # begins the name, beside a snapshot's lanes, of what they are judged by


class Side(NamedTuple):
    """Where lanes stand: in a chunk of a width, at places of it, on the devices."""

    group: Group  # of that width, with the chunk alone
    places: list[int]  # for each place, which of the lanes is in it
    hyper: Any  # the numbers of the lane in each place, in host memory
    inputs: Any  # what its programs take: (hyper, slot, draws)

    @property
    def where(self) -> list[int]:
        """The first place of each of the lanes."""
        return [self.places.index(i) for i in range(len(self.group.chunks[0].lanes))]


class Waiting(NamedTuple):
    """A lane that has come to t_fit, or to its end: it waits for others, to be measured with them."""

    lane: Lane
    leaves: list[np.ndarray]  # of its state
    step: int
    fit_step: int = -1
    rested: bool = False
    told: Mapping[str, Any] = {}
    paths: Mapping[str, np.ndarray] = {}


class ToRest:
    """The lanes of a chunk, on their way to rest.

    Args:
        ready: their group.
        chunk: the lanes.
        keep: called with lanes that are done, and their rows.

    Attributes:
        reached: the step that the lanes are at.
        lanes: those that still run.
        steps: the most.
        stops: steps at which something is asked or recorded, in order.
    """

    def __init__(self, ready: Ready, chunk: Chunk, keep: Callable[[Chunk, Rows], None]) -> None:
        self.batch, self.programs, self.group, self.devices, seed_draws = ready
        assert self.batch.rest is not None
        self.rest, self.chunk, self.keep = self.batch.rest, chunk, keep
        self.draws = draws_for(self.batch, self.group, chunk.seeds, self.devices, seed_draws)
        self.steps = self.group.static.steps
        self.grids = {
            "measure": record_steps(self.steps, self.group.record, REST),
            "test": test_steps(self.steps, self.group.record, REST),
        }
        self.asked = set(rest_steps(self.steps).tolist())
        self.stops = sorted({*self.grids["measure"].tolist(), *self.asked} - {0})
        self.narrower: dict[tuple[int, tuple[str, ...]], Programs] = {}
        self.waiting: list[Waiting] = []
        self.fits: list[Waiting] = []
        self.at_fit: dict[str, dict[str, np.ndarray]] = {}
        self.lanes, self.reached = list(chunk.lanes), 0
        self.side, self.active = self.beside(self.lanes, self.group.width), self.programs
        self.where = self.side.where
        self.paths: dict[str, list[np.ndarray]] = {}
        none = np.full((len(self.lanes), self.rest.window), np.nan, self.group.static.precision)
        self.watched = dict.fromkeys(self.rest.watched, none)
        self.fit_step = np.full(len(self.lanes), -1, np.int32)

    @property
    def running(self) -> int:
        """How many lanes still run."""
        return len(self.lanes)

    @property
    def idle(self) -> float:
        """The share of the places whose lanes have left."""
        return 1 - len(self.lanes) / len(self.side.group.chunks[0].lanes)

    def beside(self, lanes: Sequence[Lane], width: int) -> Side:
        """Lanes at the places of a chunk of a width."""
        chunk = Chunk(tuple(lanes))
        group = replace(self.group, width=width, chunks=(chunk,))
        numbers = padded(chunk, group, self.chunk.seeds)
        on_lanes = jax.device_put(numbers, sharding(self.devices, LANES))
        return Side(group, places_of(chunk, group), numbers[0], (*on_lanes, self.draws))

    def narrowest(self, lanes: Sequence[Lane]) -> int:
        """The least of the group's few widths that some lanes fit in."""
        needed = len(laid_out(lanes, self.group.block, self.group.family.share))
        return next(width for width in widths(self.group) if width >= needed)

    def programs_at(self, side: Side, *names: str) -> Programs:
        """The programs of these names for a width."""
        key = side.group.width, names
        if key not in self.narrower:
            whole = side.group.width == self.group.width
            self.narrower[key] = self.programs if whole else programs_of(self.batch, side.group, self.devices, names)
        return self.narrower[key]

    def start(self) -> None:
        """Begin at step 0."""
        self.state = self.programs.start(*self.side.inputs)
        self.look()

    def knows(self, found: Snapshot) -> bool:
        """Whether a snapshot has what this goes on with."""
        return {FIT_STEP, *(WATCHED + name for name in self.rest.watched)} <= found.beside.keys()

    def restore(self, found: Snapshot) -> None:
        """Go on with a snapshot that has the lanes."""
        place = {digest: i for i, digest in enumerate(found.lanes)}
        rows = [place[lane.digest] for lane in self.lanes]
        self.reached = found.step
        self.state = state_from([leaf[rows] for leaf in found.state], self.side.places, self.programs)
        self.paths = {name: list(np.moveaxis(values[rows], 1, 0)) for name, values in found.paths.items()}
        known = {name: values[rows] for name, values in found.beside.items()}
        self.watched = {name: known.pop(WATCHED + name) for name in self.rest.watched}
        self.fit_step = known.pop(FIT_STEP)
        for i, lane in enumerate(self.lanes):
            if self.fit_step[i] >= 0:
                self.at_fit[lane.digest] = {name: values[i] for name, values in known.items()}

    def snapshot(self) -> Snapshot:
        """The lanes that still run; what has left is kept first."""
        self.flush()
        at_fit = [self.at_fit.get(lane.digest) or self.nowhere() for lane in self.lanes]
        known = {name: np.stack([one[name] for one in at_fit]) for name in at_fit[0]}
        known |= {WATCHED + name: values for name, values in self.watched.items()} | {FIT_STEP: self.fit_step.copy()}
        paths = {name: np.stack(values, axis=1) for name, values in self.paths.items()}
        leaves = leaves_of(self.state, self.where)
        return Snapshot(tuple(lane.digest for lane in self.lanes), self.reached, tuple(leaves), paths, known)

    def nowhere(self) -> dict[str, np.ndarray]:
        """What is measured at t_fit of a lane that has none."""
        names = (*self.programs.gives["measure"], *self.programs.gives["test"])
        like = {name: self.programs.measured[name] for name in names}
        return {name: np.full(one.shape[1:], np.nan, one.dtype) for name, one in like.items()}

    def look(self) -> None:
        """Record what is measured now, and what lanes are judged by."""
        for which, grid in self.grids.items():
            asked = which == "measure" and self.reached in self.asked
            if not asked and self.reached not in grid:
                continue
            values = getattr(self.active, which)(*self.side.inputs, self.state)
            mine = {name: np.asarray(value)[self.where] for name, value in values.items()}
            if asked:
                add = lambda window, now: np.concatenate([window[:, 1:], now[:, None]], axis=1)  # noqa: E731
                self.watched = {name: add(window, mine[name]) for name, window in self.watched.items()}
            if self.reached in grid:
                for name, value in mine.items():
                    self.paths.setdefault(name, []).append(value)

    def advance(self, stop: int) -> int:
        """Go on to a step: find t_fit of those that have come to it, look, and let go who is at rest.

        Returns:
            How many lanes have gone.
        """
        start, self.reached = self.reached, stop
        missing = self.fit_step < 0
        before = jax.tree.map(jnp.copy, self.state) if missing.any() else None  # `advance` gives up what it is given
        self.state = self.active.advance(*self.side.inputs, self.state, np.int32(start), np.int32(stop))
        if before is not None:
            self.fit_step = np.asarray(self.rest.fit_step(self.state))[self.where]
            found = np.flatnonzero(missing & (self.fit_step >= 0))
            self.fits += self.at_t_fit(found, before, start)
        self.look()
        return self.leave() if stop in self.asked else 0

    def at_t_fit(self, found: np.ndarray, before: Any, reached: int) -> Iterator[Waiting]:
        """Lanes at their t_fit, to be measured there, from a state before it: who is there leaves, the others go on.

        Lanes stay in the chunk's order, in which they fit into its width.
        """
        side, state, where = self.side, before, np.array(self.where)[found]
        for step in np.unique(self.fit_step[found]).tolist():
            lanes = [self.lanes[i] for i in found]
            if (width := self.narrowest(lanes)) < side.group.width:
                leaves = leaves_of(state, where)
                side = self.beside(lanes, width)
                state = state_from(leaves, side.places, self.programs_at(side, "advance"))
                where = np.array(side.where)
            if step > reached:
                advance = self.programs_at(side, "advance").advance
                state, reached = advance(*side.inputs, state, np.int32(reached), np.int32(step)), step
            there = self.fit_step[found] == step
            leaves = leaves_of(state, where[there])
            for k, i in enumerate(found[there]):
                yield Waiting(self.lanes[i], [leaf[k] for leaf in leaves], step)
            found, where = found[~there], where[~there]

    def leave(self) -> int:
        """Let the lanes go that are at rest, or at the last step; how many."""
        hyper = jax.tree.map(lambda column: column[self.where], self.side.hyper)
        verdict = self.rest.judge(hyper, self.watched, self.reached)
        going = verdict.leaves | (self.reached == self.steps)
        gone = np.flatnonzero(going)
        if not len(gone):
            return 0
        leaves = leaves_of(self.state, [self.where[i] for i in gone])
        self.waiting += [
            Waiting(
                self.lanes[i], [leaf[k] for leaf in leaves], self.reached, int(self.fit_step[i]),
                bool(verdict.rested[i]), {name: values[i] for name, values in verdict.told.items()},
                {name: np.stack([value[i] for value in values]) for name, values in self.paths.items()},
            )
            for k, i in enumerate(gone)
        ]  # fmt: skip
        stay = np.flatnonzero(~going)
        self.lanes, self.where = [self.lanes[i] for i in stay], [self.where[i] for i in stay]
        self.paths = {name: [value[stay] for value in values] for name, values in self.paths.items()}
        self.watched = {name: values[stay] for name, values in self.watched.items()}
        self.fit_step = self.fit_step[stay]
        if len(self.waiting) >= self.group.width:
            self.flush()
        return len(gone)

    def repack(self) -> bool:
        """Put the lanes that still run into a narrower chunk; False if there is none."""
        width = self.narrowest(self.lanes)
        if width >= self.side.group.width:
            return False
        leaves = leaves_of(self.state, self.where)
        self.side = self.beside(self.lanes, width)
        self.where = self.side.where
        self.active = self.programs_at(self.side, "advance", "measure", "test")
        self.state = state_from(leaves, self.side.places, self.active)
        return True

    def flush(self) -> None:
        """Measure what waits, at t_fit and at the end, and keep the lanes that are done."""
        for some, side, state in self.together(self.fits):
            measured = self.measured(side, state)
            for place, one in zip(side.where, some, strict=True):
                self.at_fit[one.lane.digest] = {name: np.asarray(value)[place] for name, value in measured.items()}
        self.fits = []
        for some, side, state in self.together(self.waiting):
            self.keep(side.group.chunks[0], self.rows(some, side, state))
        self.waiting = []

    def together(self, waiting: Sequence[Waiting]) -> Iterator[tuple[Sequence[Waiting], Side, Any]]:
        """Lanes that wait in chunks of the group's width, with their states."""
        share = self.group.family.share
        waiting = sorted(waiting, key=lambda one: share(one.lane))
        places = laid_out([one.lane for one in waiting], self.group.block, share)
        for first in range(0, len(places), self.group.width):
            some = [waiting[k] for k in dict.fromkeys(places[first : first + self.group.width])]
            side = self.beside([one.lane for one in some], self.group.width)
            leaves = [np.stack(column) for column in zip(*(one.leaves for one in some), strict=True)]
            yield some, side, state_from(leaves, side.places, self.programs)

    def measured(self, side: Side, state: Any) -> dict[str, Any]:
        """All that is measured of lanes at a state."""
        return {**self.programs.measure(*side.inputs, state), **self.programs.test(*side.inputs, state)}

    def rows(self, some: Sequence[Waiting], side: Side, state: Any) -> Rows:
        """The rows of lanes that are done."""
        measured = self.measured(side, state)
        steps, rested = np.array([one.step for one in some], np.int32), np.array([one.rested for one in some])
        said: dict[str, Any] = {"step": steps, "rested": rested}
        said |= {name: [one.told[name] for one in some] for name in self.rest.told}
        like = self.programs.measured
        beside = {name: np.array(values, like[name].dtype)[side.places] for name, values in said.items()}
        on_lanes = jax.device_put(beside, sharding(self.devices, LANES))
        final = self.programs.finish(*side.inputs, state, {**measured, **on_lanes})
        rows = {name: np.asarray(value)[side.where] for name, value in final.items()}

        rows[FIT_STEP] = np.array([one.fit_step for one in some], np.int32)
        rows[REST_STEP] = np.where(rested, steps, np.int32(-1))
        at_fit = [self.at_fit.pop(one.lane.digest) if one.fit_step >= 0 else self.nowhere() for one in some]
        for name, value in measured.items():
            last = np.asarray(value)[side.where]
            rows[name + AT_FIT] = np.stack([one[name] for one in at_fit])
            rows[name + AT_REST] = last.copy()
            rows[name + AT_REST][~rested] = np.nan
        return rows | {f"{name}_path": self.whole(name, [one.paths[name] for one in some]) for name in self.paths}

    def whole(self, name: str, paths: Sequence[np.ndarray]) -> np.ndarray:
        """Trajectories [lanes, points, ...] on the whole grid, NaN after a lane's end."""
        grid = self.grids["measure" if name in self.programs.gives["measure"] else "test"]
        whole = np.full((len(paths), len(grid), *paths[0].shape[1:]), np.nan, paths[0].dtype)
        for lane, path in zip(whole, paths, strict=True):
            lane[: len(path)] = path
        return whole
