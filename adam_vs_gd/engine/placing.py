"""Lanes of a chunk onto the devices: their functions and programs, their numbers and draws, their state and back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from adam_vs_gd.engine.chunk import FUNCTIONS, LANES, SHARED, Programs, SeedDraws, compile_programs, sharding
from adam_vs_gd.engine.packing import places_of
from adam_vs_gd.engine.plan import Chunk, Group
from adam_vs_gd.problem import Batch, Way
from adam_vs_gd.store.checkpoint import Snapshot

Make = Callable[[Any, Any, Way, int], Batch]
"""What gives the functions of a group: (static, extent, way, block) -> them; `Maker.batch`."""


def batch_of(group: Group, make: Make) -> Batch:
    """A group's functions; kept, so that the next sweep of the same shapes in this process finds its programs."""
    return made(make, group.static, group.extent, group.way, group.block)


made = functools.lru_cache(maxsize=64)(lambda make, *key: make(*key))


def programs_of(
    batch: Batch, group: Group, devices: tuple[jax.Device, ...], names: tuple[str, ...] = FUNCTIONS
) -> Programs:
    """A group's compiled programs; of these names only, if not of all."""
    hyper, _ = padded(group.chunks[0], group, group.chunks[0].seeds)
    leaves, tree = jax.tree.flatten(hyper)
    kinds = tuple(column.dtype for column in leaves)
    return compile_programs(batch, tree, kinds, group.width, group.seed_slots, devices, names)


class Ready(NamedTuple):
    """A group that can run: all that its chunks have in common.

    Attributes:
        batch: its functions.
        programs: compiled for its width.
        group: the group.
        devices: where it runs.
        seed_draws: where its draws come from.
    """

    batch: Batch
    programs: Programs
    group: Group
    devices: tuple[jax.Device, ...]
    seed_draws: SeedDraws


def placed(
    batch: Batch, group: Group, chunk: Chunk, devices: tuple[jax.Device, ...], seed_draws: SeedDraws
) -> tuple[Any, Any, Any]:
    """(hyper [L], slot [L], draws [K, ...]) of a chunk on the devices."""
    numbers = jax.device_put(padded(chunk, group, chunk.seeds), sharding(devices, LANES))
    return (*numbers, draws_for(batch, group, chunk.seeds, devices, seed_draws))


def draws_for(
    batch: Batch, group: Group, seeds: Sequence[int], devices: tuple[jax.Device, ...], seed_draws: SeedDraws
) -> Any:
    """Draws [K, ...] of a chunk's seeds on the devices, the last filling up; beside what is shared, if anything is."""
    full = [*seeds, *[seeds[-1]] * (group.seed_slots - len(seeds))]
    draws = seed_draws.stack(batch.draw, full, devices)
    return draws if batch.shared is None else (draws, jax.device_put(batch.shared(), sharding(devices, SHARED)))


def padded(chunk: Chunk, group: Group, seeds: Sequence[int]) -> tuple[Any, np.ndarray]:
    """(hyper [L], slot [L]) of a chunk, filled up with copies of its lanes.

    A number of the hyper is an int32 array where the lanes' are integers, and of the group's precision elsewhere.

    Args:
        chunk: the lanes.
        group: of them.
        seeds: those whose draws there are, in order, which `slot` counts.
    """
    lanes = [chunk.lanes[i] for i in places_of(chunk, group)]
    real = np.dtype(group.static.precision)
    column = lambda *values: np.array(values, np.int32 if isinstance(values[0], int) else real)  # noqa: E731
    hyper = jax.tree.map(column, *(lane.hyper for lane in lanes))
    return hyper, np.array([seeds.index(lane.seed) for lane in lanes], np.int32)


def leaves_of(state: Any, where: Sequence[int]) -> list[np.ndarray]:
    """The leaves [lanes, ...] of the state of lanes at these places, in host memory."""
    rows = np.array(where, int)
    return [leaf[rows] for leaf in jax.device_get(jax.tree.leaves(state))]


def state_from(leaves: Sequence[np.ndarray], places: Sequence[int], programs: Programs) -> Any:
    """The state [L, ...] on the devices, from lanes' leaves [lanes, ...]: at each place that of the lane in it."""
    like, tree = jax.tree.flatten(programs.state)
    rows = np.array(places, int)
    return jax.tree.unflatten(tree, jax.device_put([leaf[rows] for leaf in leaves], [kind.sharding for kind in like]))


def fits(snapshot: Snapshot, programs: Programs) -> bool:
    """Whether a snapshot's state is of the form that the programs have; if not, only other code can go on with it."""
    like = jax.tree.leaves(programs.state)
    return [(a.shape[1:], a.dtype) for a in snapshot.state] == [(a.shape[1:], a.dtype) for a in like]
