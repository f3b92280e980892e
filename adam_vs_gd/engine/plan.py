"""What a sweep has to compute: lanes -> groups of one program -> padded chunks. Pure, no JAX."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from adam_vs_gd.problem import Cost, Family, Machine, Static, Way, until_of
from adam_vs_gd.spec.cells import Lane, digest_of
from adam_vs_gd.types import REST


@dataclass(frozen=True)
class Chunk:
    """Lanes that run side by side, and the seeds whose randomness they share."""

    lanes: tuple[Lane, ...]

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The distinct seeds, in order."""
        return tuple(dict.fromkeys(lane.seed for lane in self.lanes))

    @cached_property
    def digest(self) -> str:
        """A name made of those of the lanes."""
        return digest_of(lane.digest for lane in self.lanes)


@dataclass(frozen=True)
class Group:
    """Chunks that share one compiled program.

    Attributes:
        family: of the lanes.
        static: what decides the program, beside
        extent: what its shapes follow from, and
        way: how its lanes are trained.
        record: the lanes' record.
        devices: how many devices share a chunk's lanes.
        width: lanes a chunk is padded to, the same number on each device.
        seed_slots: seeds a chunk is padded to.
        chunks: the work.
        block: places in a row that lanes take which share something; some may be padding.
    """

    family: Family
    static: Static
    extent: Any
    way: Way
    record: int
    devices: int
    width: int
    seed_slots: int
    chunks: tuple[Chunk, ...]
    block: int = 1

    @property
    def lanes(self) -> int:
        """Lanes of all chunks, padding not counted."""
        return sum(len(chunk.lanes) for chunk in self.chunks)

    @cached_property
    def cost(self) -> Cost:
        """What its lanes take, by the family's count."""
        return self.family.cost(self.static, self.extent, self.way)

    @property
    def lane_bytes(self) -> int:
        """What a lane takes by that count, and its part of what its block shares."""
        return self.cost.lane + math.ceil(self.cost.block / self.block)

    @property
    def bytes(self) -> int:
        """What a chunk takes on each device, by that count; the compiled program knows better."""
        return self.width // self.devices * self.lane_bytes + self.seed_slots * self.cost.seed + self.cost.look

    @property
    def name(self) -> str:
        """For people."""
        where = f"{self.devices} device{'s' if self.devices > 1 else ''}"
        return f"{self.family.describe(self.static)}, {self.width} lanes on {where}"


@dataclass(frozen=True)
class Plan:
    """All that has to be computed, in order."""

    groups: tuple[Group, ...]

    @property
    def lanes(self) -> int:
        """Lanes of all groups."""
        return sum(group.lanes for group in self.groups)

    @property
    def lane_steps(self) -> int:
        """Training steps of all lanes."""
        return sum(group.lanes * group.static.steps for group in self.groups)

    @property
    def at_most(self) -> str:
        """What is to be said of these numbers: lanes that come to rest need less."""
        return " at most" if any(until_of(group.static) == REST for group in self.groups) else ""

    @property
    def work(self) -> float:
        """Floating-point operations of all steps, about: what the time left is judged by."""
        return sum(group.lanes * group.static.steps * group.cost.step for group in self.groups)


@dataclass(frozen=True)
class Limits:
    """What a machine allows a chunk.

    Attributes:
        devices: how many there are.
        memory: bytes that a chunk may take: of each of them, or of all together where they are `shared`.
        cache: bytes of lanes on a device beyond which more of them run no faster.
        width: lanes on a device at most.
        shared: whether the devices share one memory, as those of a CPU do.
        machine: what there is to train lanes with.
        workers: how many machines like this there are.
        few: where lanes come in rounds of many sizes, how many seeds these may have; 0 where they do not. Programs are
            then few: their widths are powers of two times the least, and all have room for so many seeds.
    """

    devices: int
    memory: int
    cache: int
    width: int
    shared: bool = False
    machine: Machine = field(default_factory=Machine)
    workers: int = 1
    few: int = 0

    def each(self, devices: int) -> int:
        """Bytes that a chunk may take of each of so many devices."""
        return self.memory // devices if self.shared else self.memory


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"
