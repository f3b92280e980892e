"""What a sweep still has to compute on this machine, and how long that takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from adam_vs_gd.engine.machine import expect_products, use_devices
from adam_vs_gd.engine.plan import Limits, Plan
from adam_vs_gd.engine.progress import duration
from adam_vs_gd.engine.rounds import plan_of
from adam_vs_gd.engine.runner import is_out_of_memory
from adam_vs_gd.engine.settings import DEFAULTS, Settings
from adam_vs_gd.engine.timing import time_group
from adam_vs_gd.errors import UnfitError, first_line
from adam_vs_gd.refine.refinement import Refinement
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.surroundings import refuse_settings


def plan_sweep(
    spec: SweepSpec,
    folder: Folder | None = None,
    settings: Settings = DEFAULTS,
    given: Mapping[str, Any] = {},
) -> tuple[Plan, Limits, Refinement | None]:
    """The plan of what a sweep still has to compute on this machine, what that allows, and how it is refined.

    Raises:
        DataError: if data that it needs are not there.
    """
    refuse_settings()
    spec = spec.family.make(spec, given).spec
    if folder:
        folder.check(spec)
    done = folder.journal.survey().done if folder else frozenset()
    refinement = None if spec.refine is None else folder.refinement(spec) if folder else Refinement(spec)
    lanes = (lane for _, lane in cells(spec)) if refinement is None else refinement.wanted()
    devices = use_devices(settings.devices)
    expect_products(settings.products, devices)
    limits = settings.limits(spec.family, devices)
    return plan_of(spec.family, refinement, lanes, limits, done), limits, refinement


@dataclasses.dataclass(frozen=True)
class GroupTime:
    """How long a group takes.

    Attributes:
        name: of the group.
        chunks: how many it has.
        speed: lane-steps a second; None, like the next two, where it does not fit.
        compilation: seconds.
        seconds: of all its chunks.
        out_of_memory: why it does not fit; "" where it does.
    """

    name: str
    chunks: int
    speed: float | None = None
    compilation: float | None = None
    seconds: float | None = None
    out_of_memory: str = ""

    def __str__(self) -> str:
        if self.speed is None or self.compilation is None or self.seconds is None:
            return f"  {self.name}: out of memory ({self.out_of_memory}); a run tries half the width, and so on"
        return (
            f"  {self.name}: {self.speed:,.0f} lane-steps/s, compiled in {duration(self.compilation)}, all "
            f"{self.chunks} chunks in {duration(self.seconds)}"
        )


@dataclasses.dataclass(frozen=True)
class Estimate:
    """How long a plan takes.

    Attributes:
        seconds: of all groups that fit; where lanes are trained to rest
        at_most: it may be less.
        groups: of the plan.
    """

    seconds: float
    at_most: bool
    groups: tuple[GroupTime, ...]

    def __str__(self) -> str:
        rest = " without what is out of memory" if any(group.out_of_memory for group in self.groups) else ""
        total = f"estimated time{rest}: {duration(self.seconds)}{' at most' if self.at_most else ''}"
        return "\n".join([*map(str, self.groups), total])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python."""
        return dataclasses.asdict(self)


def estimate(spec: SweepSpec, plan: Plan, settings: Settings) -> Estimate:
    """How long the plan of a sweep will take here, from about a second of each group."""
    make = spec.family.make(spec, {}).batch
    devices, groups = use_devices(settings.devices), []
    memory = lambda count: settings.limits(spec.family, devices).each(count)  # noqa: E731
    for group in plan.groups:
        try:
            timing = time_group(group, devices, memory, make)
        except (UnfitError, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            groups.append(GroupTime(group.name, len(group.chunks), out_of_memory=first_line(error)[:200]))
            continue
        seconds = timing.total(group)
        groups.append(GroupTime(group.name, len(group.chunks), timing.speed, timing.compilation, seconds))
    return Estimate(sum(group.seconds or 0.0 for group in groups), bool(plan.at_most), tuple(groups))
