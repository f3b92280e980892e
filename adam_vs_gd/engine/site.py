"""Where lanes are trained: JAX started there, what it computes with, and programs that give what was declared."""

from __future__ import annotations

from collections.abc import Callable

import jax

from adam_vs_gd.engine.chunk import Programs
from adam_vs_gd.engine.machine import expect_products, keep_compiled, kernel_of, use_devices
from adam_vs_gd.engine.plan import Group
from adam_vs_gd.engine.settings import Settings, describe_machine
from adam_vs_gd.errors import SpecError
from adam_vs_gd.problem import Maker, until_of
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store.provenance import provenance
from adam_vs_gd.types import AT_FIT, AT_REST, FIT_STEP, REST, REST_STEP

GRIDS = {"record": "measure", "test_record": "test"}
"""{grid of a trajectory: the program that gives it}."""


def start(spec: SweepSpec, settings: Settings, note: Callable[[str], None]) -> tuple[jax.Device, ...]:
    """Start JAX's backend, and say on what."""
    if settings.compile_cache:
        keep_compiled()
    found = use_devices(settings.devices)
    expect_products(settings.products, found)
    count = f"{len(found)} devices" if len(found) > 1 else "1 device"
    note(f"{spec.name}: JAX runs on {count}, {found[0].platform} ({found[0].device_kind})")
    if kernel := kernel_of(spec.family, found, settings.path):
        without = f"without the native kernel, several times slower: {kernel.why_not}"
        note(f"native kernel: {kernel.simd}" if kernel.simd else without)
    return found


def describe_site(maker: Maker, devices: tuple[jax.Device, ...], settings: Settings) -> dict[str, str]:
    """What lanes are computed with there."""
    machine = describe_machine(maker.spec.family, devices, settings.path, settings.products)
    return provenance() | machine | dict(maker.about)


def expect_declared(spec: SweepSpec, group: Group, programs: Programs) -> None:
    """See that programs give the variables that the family declares, and no others.

    Raises:
        SpecError: naming those that do not agree.
    """
    family, declared = spec.family, spec.family.variables(spec)
    final = set(programs.gives["finish"])
    if until_of(group.static) == REST:
        measured = {*programs.gives["measure"], *programs.gives["test"]}
        final |= {FIT_STEP, REST_STEP, *(name + end for name in measured for end in (AT_FIT, AT_REST))}
    paths = {name: grid for grid, which in GRIDS.items() for name in programs.gives[which]}
    said = {name: variable.grid for name, variable in declared.items() if variable.grid}
    wrong = [f"{name}: is measured, but no variable of the family {family.name}" for name in
             sorted(final - declared.keys() - {"status"})]  # fmt: skip
    wrong += [f"{name}: is a variable of the family {family.name}, but not measured" for name in
              sorted((declared.keys() | {"status"}) - final)]  # fmt: skip
    if spec.record:
        wrong += [
            f"{name}: has a trajectory on the grid {grid or 'none'}, and {said.get(name) or 'none'} was declared"
            for name in sorted(paths.keys() | said.keys())
            if (grid := paths.get(name, "")) != said.get(name, "") and name in final
        ]
    if wrong:
        raise SpecError(f"the functions of {group.name}", wrong)
