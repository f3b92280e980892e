"""One step after the other, as far as the time allows, and on disk after each."""

from __future__ import annotations

import datetime
import json
import math
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerator import figures
from accelerator.internals import CUDA, FAMILY, NATIVE, STAGING, provenance, publish, recorded
from accelerator.kernels import profile
from accelerator.page import page
from accelerator.work import (
    FULL,
    MISSING,
    Figures,
    Machine,
    Sizes,
    find_machine,
    name_of,
    reason_of,
    size_of,
    slug,
    spec_of,
)

SECONDS = {
    "table1": 20.0,
    "beside": 20.0,
    "bench": 12.0,
    "products": 8.0,
    "numerics": 20.0,
    "profile": 10.0,
    "whole": 45.0,
}
"""What a step of each section takes, until one of them has been measured: a guess."""
CUT_OFF = "the run was cut off before it, or in the middle of it"


@dataclass(frozen=True)
class Step:
    """Something to measure.

    Attributes:
        section: one of `SECONDS`.
        name: its own.
        measure: gives its figures, from those of all steps so far.
    """

    section: str
    name: str
    measure: Callable[[Mapping[str, Figures]], Figures]


def steps_of(machine: Machine, sizes: Sizes) -> list[Step]:
    """All there is to measure, the most telling first."""
    kernel = FAMILY.kernel(machine.devices[0].platform)
    others = (NATIVE | CUDA) - ((NATIVE if machine.on_cpu else CUDA) if kernel and kernel.simd else set())
    methods = {label: [m for m in names if m not in others] for label, names in sizes.methods.items()}
    few, all_seeds = sizes.seeds

    def table1(label: str, seeds: int) -> Step:
        def run(found: Mapping[str, Figures]) -> Figures:
            return figures.train(spec_of(sizes, label, seeds), machine.devices)

        return Step("table1", f"table1 {label}, {seeds} seeds", run)

    def beside(label: str) -> Step:
        def run(found: Mapping[str, Figures]) -> Figures:
            here, there = (
                found[table1(label, few).name],
                figures.train(spec_of(sizes, label, few), machine.cpu),
            )
            return there | ({} if MISSING in here else {"differences": figures.differences(here, there)})

        return Step("beside", f"table1 {label}, {few} seeds, on the CPU", run)

    def bench(label: str, method: str, lanes: int) -> Step:
        run = lambda found: figures.bench(machine, sizes, label, method, lanes)  # noqa: E731
        return Step("bench", f"bench {label} {method} {lanes}", run)

    def numerics(label: str) -> list[Step]:
        first = Step("numerics", f"numerics {label} float64", lambda found: figures.exact(machine, sizes, label))

        def at(precision: str) -> Step:
            def run(found: Mapping[str, Figures]) -> Figures:
                candidates = (found[name] for name in (first.name, beside(label).name))
                reference = next((step for step in candidates if MISSING not in step), None)
                if reference is None:
                    raise LookupError("there is nothing to hold it against, in float64 or on the CPU")
                return figures.inexact(machine, sizes, label, precision, reference)

            return Step("numerics", f"numerics {label} {precision}", run)

        return [first, *map(at, sizes.precisions)]

    def whole(label: str, by_xla: bool) -> Step:
        run = lambda found: figures.whole(machine, sizes, label, by_xla)  # noqa: E731
        seeds, alphas = sizes.whole
        return Step("whole", f"{seeds * alphas} trainings of {label}{', by XLA' if by_xla else ''}", run)

    def kernels(label: str, method: str) -> Step:
        run = lambda found: profile(machine, sizes, label, method, sizes.lanes[0])  # noqa: E731
        return Step("profile", f"profile {label} {method} {sizes.lanes[0]}", run)

    first = [(label, names[0]) for label, names in methods.items()]
    rest_of = [(label, name) for label, names in methods.items() for name in names[1:]]
    widest, rest = sizes.lanes[0], sizes.lanes[1:]
    by_xla = {label: next(m for m in names if m not in NATIVE | CUDA) for label, names in methods.items()}
    looked_at = [*((label, names[0]) for label, names in methods.items() if names[0] in CUDA), *by_xla.items()]
    return [
        *(table1(label, few) for label in methods),
        *(bench(*pair, widest) for pair in first),
        *(whole(label, False) for label in methods if first != list(by_xla.items())),
        *(beside(label) for label in methods),
        Step("products", "products", lambda found: figures.products(machine, sizes)),
        *(step for label in sizes.numerics[:1] for step in numerics(label)),
        *(bench(*pair, widest) for pair in rest_of),
        *(whole(label, True) for label in methods),
        *(kernels(*pair) for pair in looked_at),  # of programs that have been compiled by now
        *(step for label in sizes.numerics[1:] for step in numerics(label)),
        *(bench(*pair, lanes) for lanes in rest for pair in first),
        *(bench(*pair, lanes) for lanes in rest for pair in rest_of),
        *(table1(label, all_seeds) for label in methods if all_seeds != few),
    ]


class Record:
    """The figures of one run, and their two files, each whole at any moment.

    Attributes:
        path: of the files, without an ending.
        about: the run.
        began: when, of `time.monotonic`.
        steps: figures, or why there are none, by the name of the step.
        running: the name of the step that is being measured.
        lock: held while any of these changes.
    """

    def __init__(self, path: Path, about: Figures, began: float, steps: Sequence[Step]) -> None:
        self.path, self.about, self.began, self.running, self.lock = path, about, began, "", threading.Lock()
        self.steps: dict[str, Figures] = {}
        for step in steps:
            self.steps[step.name] = {"section": step.section, MISSING: CUT_OFF}
        for left in path.parent.glob(f"{STAGING}*-{path.name}.*"):
            left.unlink(missing_ok=True)

    def put(self, step: Step, found: Figures) -> None:
        """Keep a step's figures, and write both files."""
        with self.lock:
            self.steps[step.name] = {"section": step.section, **found}
            self.running = ""
            self.write()

    def skip(self, step: Step, reason: str) -> None:
        """Say why a step is not measured; the files will, when they are written next."""
        with self.lock:
            self.steps[step.name] = {"section": step.section, MISSING: reason}

    def end(self) -> None:
        """The budget is over, whatever is being measured: say so, and end the process."""
        with self.lock:
            try:
                for name, step in self.steps.items():
                    if step.get(MISSING) == CUT_OFF:
                        step[MISSING] = (
                            f"the budget ended {'in the middle of' if name == self.running else 'before'} it"
                        )
                self.write()
                print(f"the budget is over, in the middle of {self.running or 'nothing'}: {self.tally()}", flush=True)
            finally:
                os._exit(0)

    def tally(self) -> str:
        """How far it is."""
        return f"{sum(MISSING not in step for step in self.steps.values())} of {len(self.steps)} steps measured"

    def write(self) -> None:
        """Both files, of all there is; where that is nothing, an earlier run's stay. The lock is held."""
        json_file, page_file = self.path.with_suffix(".json"), self.path.with_suffix(".md")
        if json_file.exists() and all(MISSING in step for step in self.steps.values()):
            return
        about = {**self.about, "seconds": round(time.monotonic() - self.began, 1), "measured": self.tally()}
        record = strict({"run": about, "steps": self.steps})
        publish(json_file, (json.dumps(record, indent=1) + "\n").encode(), replace=True)
        try:
            text = page(record)
        except Exception as error:  # the figures are worth more than their page
            text = f"This page could not be made: {reason_of(error)}. Its figures are in {json_file.name}."
        publish(page_file, (text + "\n").encode(), replace=True)


def strict(value: Any) -> Any:
    """A tree of figures as JSON can have it: a number that is not finite as a word."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def measure(machine: Machine, sizes: Sizes, steps: Sequence[Step], record: Record) -> None:
    """Each step that fits in the time left; what does not fit, or fails, is recorded as such."""
    taken: dict[str, float] = {}  # the longest of each section
    for step in steps:
        left = machine.deadline - time.monotonic()
        needed = taken.get(step.section, SECONDS[step.section] * sizes.patience)
        if needed > left:
            record.skip(step, f"takes about {needed:.0f} s, and {max(0.0, left):.0f} s were left")
            continue
        record.running, began = step.name, time.monotonic()
        try:
            found = step.measure(record.steps)
            taken[step.section] = max(time.monotonic() - began, taken.get(step.section, 0.0))
        except Exception as error:
            found = {MISSING: reason_of(error)}
        seconds = round(time.monotonic() - began, 1)
        record.put(step, found | {"took": seconds})
        print(f"{step.name}: {found.get(MISSING, 'measured')}, {seconds} s", flush=True)


def about(machine: Machine, sizes: Sizes, minutes: float) -> Figures:
    """What ran, where, and when."""
    platform = machine.devices[0].platform
    kernel = FAMILY.kernel(platform)
    found = {
        "id": uuid.uuid4().hex[:12],
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": machine.name, "platform": platform, "cpu": name_of(machine.cpu),
        "native kernel": (kernel.simd or f"none: {kernel.why_not}") if kernel else "there is none",
        "runtime": " ".join(machine.devices[0].client.platform_version.split()), "driver": driver(),
        **provenance(), "settings": recorded(platform),
        "load": f"{os.getloadavg()[0]:.1f} of {os.cpu_count()} processors, before it began",
        "size": size_of(sizes) + ("" if sizes is FULL else " (a try: its figures mean nothing)"), "full": sizes is FULL,
        "command": f"python benchmarks/accelerator.py --minutes {minutes:g}" + ("" if sizes is FULL else " --quick"),
    }  # fmt: skip
    return {key: value for key, value in found.items() if value != ""}


def driver() -> str:
    """What nvidia-smi says of the cards, their driver and memory; "" without it."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def run(out: Path, sizes: Sizes, began: float, minutes: float) -> None:
    """Measure until all is done or the budget is over.

    Args:
        out: folder of the files.
        sizes: how much.
        began: when the budget began, of `time.monotonic`.
        minutes: the budget.
    """
    out.mkdir(parents=True, exist_ok=True)
    machine = find_machine(began + 60 * minutes)
    path = out / (slug(machine.name) + ("" if sizes is FULL else "-quick"))
    on_cpu = " (there is no accelerator: this measures the CPU)" if machine.on_cpu else ""
    print(f"{machine.name}{on_cpu}: {minutes:g} minutes, into {path}.json and .md", flush=True)
    steps = steps_of(machine, sizes)
    record = Record(path, about(machine, sizes, minutes), began, steps)
    watch = threading.Timer(max(0.0, machine.deadline - time.monotonic()), record.end)
    watch.daemon = True
    watch.start()
    measure(machine, sizes, steps, record)
    watch.cancel()
    with record.lock:
        record.write()
    print(f"{path}.md: {record.tally()}", flush=True)
