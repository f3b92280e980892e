"""A plan as `--dry-run` tells it: to people and to scripts. Pure, no JAX."""

from __future__ import annotations

import dataclasses
from typing import Any

from adam_vs_gd.engine.plan import Limits, Plan, size


@dataclasses.dataclass(frozen=True)
class GroupOutline:
    """Lanes of one program.

    Attributes:
        program: what they are.
        method: how they are trained.
        lanes: how many there are, in
        chunks: so many chunks of
        width: so many lanes, padding among them, on
        devices: so many devices.
        bytes: what a chunk takes of each device, about: that of
        lane_bytes: each lane there, of
        seeds: so many seeds,
        seed_bytes: each seed, and
        measure_bytes: what measures them.
        memory: what may be taken of each device.
    """

    program: str
    method: str
    lanes: int
    chunks: int
    width: int
    devices: int
    bytes: int
    lane_bytes: int
    seeds: int
    seed_bytes: int
    measure_bytes: int
    memory: int

    @property
    def fits(self) -> bool:
        """Whether a chunk fits, by that count."""
        return self.bytes <= self.memory

    def __str__(self) -> str:
        devices = "1 device" if self.devices == 1 else f"{self.devices} devices"
        lines = [
            f"  {self.program}: {self.lanes} lanes in {self.chunks} chunks of {self.width}, on {devices}, method "
            f"{self.method}",
            f"    memory of each device: about {size(self.bytes)} = {self.width // self.devices} lanes x "
            f"{size(self.lane_bytes)} + {self.seeds} seeds x {size(self.seed_bytes)} + {size(self.measure_bytes)} to "
            f"measure; {size(self.memory)} may be used",
        ]
        if not self.fits:
            lines.append("    does not fit: these lanes will not be computed unless the compiled program needs less")
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Outline:
    """What a sweep still has to compute.

    Attributes:
        lanes: to train.
        lane_steps: of all of them; where they are trained to rest
        at_most: it may be fewer.
        groups: one compilation each.
    """

    lanes: int
    lane_steps: int
    at_most: bool
    groups: tuple[GroupOutline, ...]

    def __str__(self) -> str:
        head = (
            f"{self.lanes} lanes to train, {self.lane_steps:.3g} lane-steps{' at most' if self.at_most else ''}, in "
            f"{len(self.groups)} groups (one compilation each) of {sum(group.chunks for group in self.groups)} chunks"
        )
        return "\n".join([head, *map(str, self.groups)])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python, and of each group whether it `fits`."""
        groups = [{**dataclasses.asdict(group), "fits": group.fits} for group in self.groups]
        return {**dataclasses.asdict(self), "groups": groups}


def outline(plan: Plan, limits: Limits) -> Outline:
    """A plan as it is told."""
    groups = [
        GroupOutline(
            group.family.describe(group.static), group.way.name, group.lanes, len(group.chunks), group.width,
            group.devices, group.bytes, group.lane_bytes, group.seed_slots, group.cost.seed, group.cost.look,
            limits.each(group.devices),
        )
        for group in plan.groups
    ]  # fmt: skip
    return Outline(plan.lanes, plan.lane_steps, bool(plan.at_most), tuple(groups))
