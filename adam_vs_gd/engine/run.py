"""What a sweep is run with, from the start of JAX to the lock of its folder."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import jax

from adam_vs_gd.engine.chunk import Programs
from adam_vs_gd.engine.interruption import Interruption
from adam_vs_gd.engine.machine import expect_products, keep_compiled, kernel_of, use_devices
from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.plan import Group, Limits
from adam_vs_gd.engine.progress import Progress, progress_on
from adam_vs_gd.engine.settings import Settings, describe_machine
from adam_vs_gd.errors import DiskError, SpecError
from adam_vs_gd.problem import Family, Maker, until_of
from adam_vs_gd.spec.cells import Cell, cells
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store import lock
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.provenance import provenance
from adam_vs_gd.surroundings import refuse_settings
from adam_vs_gd.types import AT_FIT, AT_REST, FIT_STEP, REST, REST_STEP


class Run(NamedTuple):
    """What is run.

    Attributes:
        spec: the sweep, complete.
        maker: its functions.
        cells: of its result.
        settings: how it is run.
        devices: where.
        progress: what is told of it.
        interruption: whether it has to stop.
    """

    spec: SweepSpec
    maker: Maker
    cells: Sequence[Cell]
    settings: Settings
    devices: tuple[jax.Device, ...]
    progress: Progress
    interruption: Interruption

    @property
    def family(self) -> Family:
        """The kind of problem."""
        return self.spec.family

    @property
    def labels(self) -> dict[str, str]:
        """The label of the variant of each of the lanes."""
        labels = self.spec.labels
        first = bool(self.spec.variants)
        return {lane.digest: labels[position[0] if first else 0] for position, lane in self.cells}

    @property
    def about(self) -> dict[str, str]:
        """What computes it."""
        machine = describe_machine(self.family, self.devices, self.settings.path, self.settings.products)
        return provenance() | machine | dict(self.maker.about)

    def limits(self) -> Limits:
        """What a chunk may take now."""
        return self.settings.limits(self.family, self.devices)

    def memory(self, devices: int) -> int:
        """Of so many of the devices, the bytes that a chunk may take on each now."""
        return self.limits().each(devices)

    def compiled(self, group: Group, programs: Programs) -> None:
        """See that programs give the variables that the family declares, and no others.

        Raises:
            SpecError: naming those that do not agree.
        """
        declared = self.family.variables(self.spec)
        final = set(programs.gives["finish"])
        if until_of(group.static) == REST:
            measured = {*programs.gives["measure"], *programs.gives["test"]}
            final |= {FIT_STEP, REST_STEP, *(name + end for name in measured for end in (AT_FIT, AT_REST))}
        paths = {name: grid for grid, which in GRIDS.items() for name in programs.gives[which]}
        said = {name: variable.grid for name, variable in declared.items() if variable.grid}
        wrong = [f"{name}: is measured, but no variable of the family {self.family.name}" for name in
                 sorted(final - declared.keys() - {"status"})]  # fmt: skip
        wrong += [f"{name}: is a variable of the family {self.family.name}, but not measured" for name in
                  sorted((declared.keys() | {"status"}) - final)]  # fmt: skip
        if self.spec.record:
            wrong += [
                f"{name}: has a trajectory on the grid {grid or 'none'}, and {said.get(name) or 'none'} was declared"
                for name in sorted(paths.keys() | said.keys())
                if (grid := paths.get(name, "")) != said.get(name, "") and name in final
            ]
        if wrong:
            raise SpecError(f"the functions of {group.name}", wrong)


GRIDS = {"record": "measure", "test_record": "test"}
"""{grid of a trajectory: the program that gives it}."""


@contextlib.contextmanager
def running(spec: SweepSpec, given: Mapping[str, Any], settings: Settings) -> Iterator[Run]:
    """What a sweep is run with; JAX's backend is started, unless it is set to what would change results."""
    refuse_settings()
    maker = spec.family.make(spec, given)
    spec = maker.spec
    with progress_on(quiet=settings.quiet) as progress, Interruption(progress.note) as interruption:
        devices = start(spec, settings, progress)
        yield Run(spec, maker, list(cells(spec)), settings, devices, progress, interruption)


def start(spec: SweepSpec, settings: Settings, progress: Progress) -> tuple[jax.Device, ...]:
    """Start JAX's backend."""
    if settings.compile_cache:
        keep_compiled()
    found = use_devices(settings.devices)
    expect_products(settings.products, found)
    count = f"{len(found)} devices" if len(found) > 1 else "1 device"
    progress.note(f"{spec.name}: JAX runs on {count}, {found[0].platform} ({found[0].device_kind})")
    if kernel := kernel_of(spec.family, found, settings.path):
        without = f"without the native kernel, several times slower: {kernel.why_not}"
        progress.note(f"native kernel: {kernel.simd}" if kernel.simd else without)
    return found


def refuse_unfit(run: Run, done: Set[str]) -> None:
    """Refuse lanes that are not done and do not fit alone, as far as their family knows.

    Raises:
        MachineError: naming what they take.
    """
    limits = run.limits()
    for group in make_plan(run.family, (lane for _, lane in run.cells), limits, done).groups:
        if group.bytes > limits.each(group.devices):
            run.maker.refuse(group.static, limits.each(1))


@contextlib.contextmanager
def locked(folder: Folder, settings: Settings, progress: Progress, interruption: Interruption) -> Iterator[None]:
    """Hold the lock of a folder; what is half done in it is removed, and many chunks are packed, before and after."""
    folder.make()
    with lock.held(folder.path, wait=settings.wait, say=progress.note, check=interruption.check) as alone:
        if alone:
            with writing(folder):
                folder.clean()
            pack(folder, progress, interruption)
        yield
        if alone:
            pack(folder, progress, interruption)


def pack(folder: Folder, progress: Progress, interruption: Interruption) -> None:
    """Bundle the chunks of a folder, if there are many. Where that cannot be done, they stay files of their own."""
    try:
        folder.journal.pack(check=interruption.check)
    except OSError as error:
        progress.note(f"{folder.journal.path}: its chunks are not packed: {error.strerror or error}")


@contextlib.contextmanager
def holding(folder: Folder, run: Run, *, overwrite: bool = False) -> Iterator[None]:
    """`locked`, behind moving what is there aside for `overwrite`."""
    settings, progress, interruption = run.settings, run.progress, run.interruption
    if overwrite and not folder.is_empty():
        hold = functools.partial(lock.held, folder.path, wait=settings.wait, say=progress.note)
        with hold(check=interruption.check) if folder.path.is_dir() else contextlib.nullcontext():
            progress.note(f"moved what was there to {folder.set_aside()}")
    with locked(folder, settings, progress, interruption):
        yield


@contextlib.contextmanager
def writing(folder: Folder) -> Iterator[None]:
    """Say in one line what keeps results from being written.

    Raises:
        DiskError: for any error of the file system.
    """
    try:
        yield
    except OSError as error:
        # orbax makes a folder that has vanished again, but not what else was in it
        vanished = isinstance(error, FileNotFoundError) or not folder.path.is_dir()
        gone = " (the folder has vanished)" if vanished else ""
        raise DiskError(
            f"{folder.path}: cannot be written to: {error.strerror or error}{gone}; what was committed stays. "
            "Mend it and run the same command again: it goes on from there"
        ) from error
