"""What a sweep still has to compute on this machine, and how long that takes."""

from __future__ import annotations

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
from adam_vs_gd.errors import UnfitError
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


def estimate(spec: SweepSpec, plan: Plan, settings: Settings) -> str:
    """How long the plan of a sweep will take here, from about a second of each group."""
    make = spec.family.make(spec, {}).batch
    lines, total, devices, rest = [], 0.0, use_devices(settings.devices), ""
    memory = lambda count: settings.limits(spec.family, devices).each(count)  # noqa: E731
    for group in plan.groups:
        try:
            timing = time_group(group, devices, memory, make)
        except (UnfitError, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).strip().splitlines()[0][:200]
            lines.append(f"  {group.name}: out of memory ({reason}); a run tries half the width, and so on")
            rest = " without what is out of memory"
            continue
        total += timing.total(group)
        lines.append(
            f"  {group.name}: {timing.speed:,.0f} lane-steps/s, compiled in {duration(timing.compilation)}, "
            f"all {len(group.chunks)} chunks in {duration(timing.total(group))}"
        )
    return "\n".join([*lines, f"estimated time{rest}: {duration(total)}{plan.at_most}"])
