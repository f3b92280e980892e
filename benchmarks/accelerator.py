"""What an accelerator does with this package, within minutes: one page of figures, named after the device.

    python benchmarks/accelerator.py [--minutes 8] [--out docs/devices] [--quick]

Measures, the most important first: Table 1 beside the CPU's; lane-steps per second by method and width, and memory; what
products of lower precision do to results; which kernels a step consists of. On the first accelerator, or on the CPU where
there is none. Both files, <device>.json and <device>.md, are whole on disk after every step, so that a run may be cut off
at any moment; what it did not get to is in them by name, with the reason.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import gzip
import json
import math
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="after which it ends, whatever it is at")
    parser.add_argument("--out", type=Path, default=Path("docs/devices"), help="folder of the two files")
    parser.add_argument("--quick", action="store_true", help="sizes that mean nothing, to try it; <device>-quick")
    return parser.parse_args()


if __name__ == "__main__":  # before JAX is imported: --help answers at once, and JAX reads its environment only once
    OPTIONS, BEGAN = arguments(), time.monotonic()
    if (asked := os.environ.get("JAX_PLATFORMS")) and "cpu" not in asked.split(","):
        os.environ["JAX_PLATFORMS"] = f"{asked},cpu"  # the CPU trains the same lanes beside

import jax
import jax.numpy as jnp
import numpy as np

from adam_vs_gd.chunk import SeedDraws, program_bytes
from adam_vs_gd.fast import make_batch, native
from adam_vs_gd.files import STAGING, publish
from adam_vs_gd.machine import limits_of, use_devices
from adam_vs_gd.methods import NATIVE, Means, least_width
from adam_vs_gd.plan import Chunk, Group, block_of, cells, make_plan, size
from adam_vs_gd.problem import Batch
from adam_vs_gd.provenance import processor, provenance
from adam_vs_gd.runner import Hooks, batch_of, placed, programs_of, run_plan, time_group
from adam_vs_gd.spec import SweepSpec
from adam_vs_gd.surroundings import numerics, recorded, refuse_settings

Figures = dict[str, Any]
MISSING = "not measured"
FIGURES = {
    "test_error": "test error",
    "train_error": "training error",
    "feature_learning": "feature learning",
    "noise_memorization": "noise memorization",
}
"""What Table 1 is told by, and each one's name in results/table1/table1.md."""
METHODS = {"adam": ("sparse", "dense", "plain"), "gd": ("span", "gram", "dense", "plain")}
"""By optimizer, the native method first."""
SECONDS = {"table1": 30.0, "beside": 40.0, "bench": 15.0, "products": 10.0, "numerics": 30.0, "profile": 10.0}
"""What a step of each section takes, by a guess, until one of them has been measured."""
STEPS_PROFILED = 20  # two of them look at W*
KERNELS = 12  # rows of a profile


@dataclass(frozen=True)
class Sizes:
    """How much is measured; by default what the page is for.

    Attributes:
        keys: of a spec, its default being Table 1's configuration.
        seeds: of Table 1 at first, and at the end.
        lanes: widths, the most informative first.
        bench: methods by optimizer.
        precisions: of products, the package's own first.
        numerics: optimizers that are trained at each of them.
        patience: what `SECONDS` are multiplied by.
    """

    keys: Mapping[str, Any]
    seeds: tuple[int, int] = (2, 5)
    lanes: tuple[int, ...] = (256, 64, 512, 128, 32, 16)
    bench: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: METHODS)
    precisions: tuple[str, ...] = ("highest", "high", "default", "TF32_TF32_F32_X3", "BF16_BF16_F32_X3")
    numerics: tuple[str, ...] = ("adam", "gd")
    patience: float = 1.0


FULL = Sizes({"record": 0})
QUICK = Sizes(
    {"record": 0, "steps": 40, "data": {"n": 20, "d": 60, "s": 6, "test_size": 100}, "model": {"width": 4}},
    seeds=(2, 2), lanes=(8,), bench={"adam": ("sparse", "dense"), "gd": ("gram",)},
    precisions=("highest", "default", "TF32_TF32_F32_X3"), numerics=("adam",), patience=0.1,
)  # fmt: skip


class OutOfTimeError(Exception):
    """The budget ended in the middle of a step."""


@dataclass(frozen=True)
class Machine:
    """Where it is measured.

    Attributes:
        devices: the first accelerator; or the CPU's, one for each core.
        cpu: the CPU's devices.
        deadline: of `time.monotonic`.
    """

    devices: tuple[jax.Device, ...]
    cpu: tuple[jax.Device, ...]
    deadline: float

    @property
    def name(self) -> str:
        """The device for people."""
        return name_of(self.devices)

    def check(self, *_: Any) -> None:
        """Stop a step whose time is over.

        Raises:
            OutOfTimeError: if it is.
        """
        if time.monotonic() > self.deadline:
            raise OutOfTimeError("the budget ended in the middle of it")


def machine(deadline: float) -> Machine:
    """Start JAX, without its cache of compiled programs: what compiling takes is measured."""
    refuse_settings()
    jax.config.update("jax_enable_compilation_cache", False)
    devices = use_devices()
    cpu = devices if devices[0].platform == "cpu" else tuple(jax.local_devices(backend="cpu"))
    return Machine(devices if devices == cpu else devices[:1], cpu, deadline)


def name_of(devices: Sequence[jax.Device]) -> str:
    """A device for people: what it is, and of a CPU how many cores are used."""
    kind = devices[0].device_kind
    return f"{processor()}, {len(devices)} cores" if devices[0].platform == "cpu" else kind


def slug(name: str) -> str:
    """A device as a file's name."""
    plain = re.sub(r"\((r|tm)\)", "", name.partition(",")[0].lower())
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def spec_of(sizes: Sizes, optimizer: str, seeds: int, **keys: Any) -> SweepSpec:
    """A sweep of one optimizer; `keys` add to those of the sizes, table by table."""
    whole = {key: {**sizes.keys.get(key, {}), **value} for key, value in keys.items()}
    return SweepSpec(name="accelerator", seeds=seeds, optimizers={optimizer: {}}, **{**sizes.keys, **whole})


def train(
    machine: Machine,
    spec: SweepSpec,
    devices: Sequence[jax.Device],
    make: Callable[..., Batch] = make_batch,
    by_xla: bool = False,
) -> Figures:
    """Train a sweep's lanes to the end: the method chosen, seconds, and `FIGURES` by seed; without the kernel `by_xla`."""
    limits, here, rows, ran = limits_of(tuple(devices)), jax.default_device(devices[0]), {}, []
    if by_xla:
        limits = replace(limits, means=Means())
    plan = make_plan((lane for _, lane in cells(spec)), limits)

    def keep(meter: Any, group: Any, chunk: Any, found: Mapping[str, np.ndarray], seconds: float) -> None:
        ran.append(seconds)
        for i, lane in enumerate(chunk.lanes):
            rows[lane.seed] = {name: float(found[name][i]) for name in FIGURES}

    began = time.monotonic()
    with here:
        failed = run_plan(
            plan, devices, limits.each, Hooks(check=machine.check, between=machine.check, keep=keep), make
        )
    if failed:
        raise MemoryError(f"out of memory for {len(failed)} lanes")
    apart = time.monotonic() - began - sum(ran)
    steps = sum(group.width * group.static.steps * len(group.chunks) for group in plan.groups)
    found = {"device": name_of(devices), "method": plan.groups[0].method, "seconds": sum(ran), "compilation": apart}
    return found | {
        "lane_steps_per_second": steps / sum(ran),
        "seeds": {str(seed): rows[seed] for seed in sorted(rows)},
    }


def differences(found: Figures, reference: Figures) -> dict[str, float]:
    """Largest difference of each figure, lane by lane; of errors as it is, of the others relative to the largest."""
    apart = {}
    for name in FIGURES:
        pairs = [(found["seeds"][seed][name], row[name]) for seed, row in reference["seeds"].items()]
        scale = 1.0 if name.endswith("error") else max(abs(b) for _, b in pairs) or 1.0
        apart[name] = float(np.max([abs(a - b) for a, b in pairs])) / scale  # NaN, if any is
    return apart


def group_of(machine: Machine, sizes: Sizes, optimizer: str, method: str, lanes: int) -> Group:
    """So many lanes, of four seeds and of α as in a sweep, side by side by a method."""
    seeds = min(4, lanes)
    alpha = {"linspace": [0.2, 0.8, lanes // seeds]}
    spec = spec_of(sizes, optimizer, seeds, data={"alpha": alpha, "test_size": 2}, train={})
    found = sorted((lane for _, lane in cells(spec)), key=lambda lane: lane.seed)
    block, least = block_of(method, found), least_width(method)
    most = min(len(machine.devices), lanes // least)
    devices = max(k for k in range(1, most + 1) if lanes % (k * block) == 0)
    ranks = int(found[0].hyper.s)
    return Group(found[0].static, method, ranks, 0, devices, lanes, seeds, (Chunk(tuple(found)),), block)


def bench(machine: Machine, sizes: Sizes, optimizer: str, method: str, lanes: int) -> Figures:
    """Speed and memory of so many lanes by a method: about a second of stepping."""
    group = group_of(machine, sizes, optimizer, method, lanes)
    here, limits = machine.devices[: group.devices], limits_of(machine.devices)
    before = peak_of(here[0])
    timing = time_group(group, here, limits.each)
    peak = peak_of(here[0])
    with numerics("float32"):
        programs = programs_of(batch_of(group), group, here)  # which are compiled
    return {
        "device": machine.name, "optimizer": optimizer, "method": method, "lanes": lanes, "devices": group.devices,
        "lane_steps_per_second": timing.speed, "compilation": timing.compilation, "draws": timing.draws,
        "planned_lane": group.lane_bytes, "planned": group.bytes,
        "compiled": programs.bytes, "compiled_steps": program_bytes(programs.advance),
        "peak": peak, "peak_is_its_own": peak is not None and peak > (before or 0),
    }  # fmt: skip


def peak_of(device: jax.Device) -> int | None:
    """Most bytes that this process has had on a device so far, where JAX tells."""
    return (device.memory_stats() or {}).get("peak_bytes_in_use")


def canonical(precision: str) -> Any:
    """A precision's name as what JAX calls it: a `Precision`, or the algorithm of a product."""
    return jax.lax.DotAlgorithmPreset[precision] if precision.isupper() else (jax.lax.Precision(precision),) * 2


@contextlib.contextmanager
def products_at(precision: str) -> Iterator[list[str]]:
    """Trace every product at another precision, also where code asks for `HIGHEST`, as this package's does.

    `jax.default_matmul_precision` alone has no effect on those. Gives a list with an entry for each product traced.
    """
    primitive, traced = jax.lax.dot_general_p, []
    bind = primitive.bind

    def bind_at(*operands: Any, **how: Any) -> Any:
        traced.append(precision)
        return bind(*operands, **{**how, "precision": canonical(precision)})

    primitive.bind = bind_at
    try:
        with jax.default_matmul_precision(precision):  # so that JAX finds nothing that it has traced otherwise
            yield traced
    finally:
        del primitive.bind


def steps_at(precision: str, traced: list[str]) -> Callable[..., Batch]:
    """`make_batch` with the products of its steps at a precision; those of its measurements stay as they are."""

    def make(*key: Any) -> Batch:
        batch = make_batch(*key)

        def advance(*operands: Any) -> Any:
            with products_at(precision) as seen:
                found = batch.advance(*operands)
            traced.extend(seen)
            return found

        return replace(batch, advance=advance)

    return make


def exact(machine: Machine, sizes: Sizes, optimizer: str) -> Figures:
    """Lanes of Table 1 in float64, what others are held against."""
    spec = spec_of(sizes, optimizer, sizes.seeds[0], train={"precision": "float64"})
    return train(machine, spec, machine.devices, by_xla=True)


def inexact(machine: Machine, sizes: Sizes, optimizer: str, precision: str, reference: Figures) -> Figures:
    """The same lanes in float32, their steps' products at a precision, and how far they end from the reference."""
    if "seeds" not in reference:
        raise RuntimeError("there is no float64 reference to hold it against")
    traced: list[str] = []
    spec = spec_of(sizes, optimizer, sizes.seeds[0])
    found = train(machine, spec, machine.devices, steps_at(precision, traced), by_xla=True)
    return found | {"products": len(traced), "differences": differences(found, reference)}


def products(machine: Machine, sizes: Sizes) -> Figures:
    """One product of a step alone, [blocks, 4·2m, d] x [blocks, n, d], at each precision: error and speed."""
    static = next(cells(spec_of(sizes, "adam", 1)))[1].static
    rng, blocks, rows = np.random.default_rng(0), max(1, sizes.lanes[0] // 4), 4 * 2 * static.width
    w = rng.standard_normal((blocks, rows, static.d), np.float32)
    z = rng.standard_normal((blocks, static.n, static.d), np.float32)
    right = np.einsum("bkd,bnd->bkn", w[:1].astype(float), z[:1].astype(float))
    inputs = jax.device_put((w, z), machine.devices[0])
    found: Figures = {"device": machine.devices[0].device_kind, "blocks": blocks, "precisions": {}}
    for precision in sizes.precisions:
        try:
            product = jax.jit(functools.partial(jnp.einsum, "bkd,bnd->bkn", precision=canonical(precision)))
            first, count, seconds = jax.block_until_ready(product(*inputs)), 1, 0.0
            while seconds < 0.1 and count < 2**14:
                began, count = time.perf_counter(), 2 * count
                jax.block_until_ready([product(*inputs) for _ in range(count)][-1])
                seconds = time.perf_counter() - began
            error = float(np.linalg.norm(np.asarray(first[0], float) - right[0]) / np.linalg.norm(right[0]))
            rate = 2.0 * w.size * static.n * count / seconds
            found["precisions"][precision] = {"error": error, "microseconds": 1e6 * seconds / count, "flops": rate}
        except Exception as error:
            found["precisions"][precision] = {MISSING: reason_of(error)}
    return found


def profile(machine: Machine, sizes: Sizes, optimizer: str, method: str, lanes: int) -> Figures:
    """Which kernels some steps of so many lanes consist of, by JAX's profiler."""
    group = group_of(machine, sizes, optimizer, method, lanes)
    here, count = machine.devices[: group.devices], min(STEPS_PROFILED, group.static.steps)
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with numerics("float32"), tempfile.TemporaryDirectory() as folder:
        programs = programs_of(batch_of(group), group, here)
        inputs = placed(batch_of(group), group, group.chunks[0], here, SeedDraws())

        def advance() -> float:
            state = jax.block_until_ready(programs.start(*inputs))
            began = time.perf_counter()
            jax.block_until_ready(programs.advance(*inputs, state, np.int32(0), np.int32(count)))
            return 1e6 * (time.perf_counter() - began)

        advance()
        untraced = advance()
        with jax.profiler.trace(folder, profiler_options=options):
            advance()
        files = sorted(Path(folder).rglob("*.trace.json.gz"))
        if not files:
            raise FileNotFoundError("the profiler wrote no trace.json.gz")
        kernels = kernels_of(json.loads(gzip.decompress(files[0].read_bytes()))["traceEvents"])
    busy = sum(row["microseconds"] for row in kernels)
    return {
        "device": machine.name, "optimizer": optimizer, "method": method, "lanes": lanes, "steps": count,
        "wall_microseconds": untraced, "busy_microseconds": busy, "kinds": len(kernels), "kernels": kernels[:KERNELS],
    }  # fmt: skip


def kernels_of(events: Iterable[Mapping[str, Any]]) -> list[Figures]:
    """Name, calls, µs of its own, and share of each kernel in a trace, the longest first.

    On a GPU what is on its streams, on a TPU its line of operations, on a CPU whatever XLA names an operation; of what
    encloses others, as a loop does, only the time that is left.
    """
    events = list(events)
    named = {(e["name"], e["pid"], e.get("tid")): str(e["args"].get("name")) for e in events if e.get("ph") == "M"}
    complete = [e for e in events if e.get("ph") == "X" and "dur" in e]

    def line(e: Mapping[str, Any]) -> str:
        return named.get(("thread_name", e["pid"], e["tid"]), "")

    on_device = [e for e in complete if "/device:" in named.get(("process_name", e["pid"], None), "")]
    streams = [e for e in on_device if line(e).startswith("Stream")]
    operations = [e for e in on_device if line(e) == "XLA Ops"]
    chosen = streams or operations or [e for e in complete if "hlo_op" in (e.get("args") or {})]
    own: dict[int, float] = {id(e): float(e["dur"]) for e in chosen}
    open_: dict[tuple[Any, Any], list[Mapping[str, Any]]] = defaultdict(list)
    for e in sorted(chosen, key=lambda e: (e["ts"], -e["dur"])):
        around = open_[e["pid"], e["tid"]]
        while around and around[-1]["ts"] + around[-1]["dur"] <= e["ts"]:
            around.pop()
        if around:
            own[id(around[-1])] -= e["dur"]
        around.append(e)
    calls, total = defaultdict(int), defaultdict(float)
    for e in chosen:
        calls[e["name"]] += 1
        total[e["name"]] += max(0.0, own[id(e)])
    whole = sum(total.values()) or 1.0
    rows = [{"name": k, "calls": calls[k], "microseconds": total[k], "share": total[k] / whole} for k in total]
    if not rows:
        raise ValueError("the profiler's trace names no kernel")
    return sorted(rows, key=lambda row: -row["microseconds"])


@dataclass(frozen=True)
class Step:
    """Something to measure.

    Attributes:
        section: of the page, one of `SECONDS`.
        name: of its own.
        measure: gives its figures, from those of all steps so far.
    """

    section: str
    name: str
    measure: Callable[[Mapping[str, Figures]], Figures]


def steps_of(machine: Machine, sizes: Sizes) -> list[Step]:
    """All there is to measure, the most telling first."""
    on_cpu, kernel = machine.devices == machine.cpu, bool(native.load().simd)
    methods = {o: [m for m in ms if m not in NATIVE or (on_cpu and kernel)] for o, ms in sizes.bench.items()}
    widest, rest = sizes.lanes[0], sizes.lanes[1:]
    few, all_seeds = sizes.seeds

    def table1(optimizer: str, seeds: int) -> Step:
        run = lambda found: train(machine, spec_of(sizes, optimizer, seeds), machine.devices)  # noqa: E731
        return Step("table1", f"table1 {optimizer}, {seeds} seeds", run)

    def beside(optimizer: str) -> Step:
        def run(found: Mapping[str, Figures]) -> Figures:
            figures = train(machine, spec_of(sizes, optimizer, few), machine.cpu)
            on_device = found[f"table1 {optimizer}, {few} seeds"]
            return figures | ({"differences": differences(on_device, figures)} if "seeds" in on_device else {})

        return Step("beside", f"table1 {optimizer}, {few} seeds, on the CPU", run)

    def benched(optimizer: str, method: str, lanes: int) -> Step:
        run = lambda found: bench(machine, sizes, optimizer, method, lanes)  # noqa: E731
        return Step("bench", f"bench {optimizer} {method} {lanes}", run)

    def trained(optimizer: str) -> list[Step]:
        name = f"numerics {optimizer} float64"

        def at(precision: str) -> Step:
            run = lambda found: inexact(machine, sizes, optimizer, precision, found[name])  # noqa: E731
            return Step("numerics", f"numerics {optimizer} {precision}", run)

        first = Step("numerics", name, lambda found: exact(machine, sizes, optimizer))
        return [first, *map(at, sizes.precisions)]

    def profiled(optimizer: str) -> Step:
        method = next((m for m in methods[optimizer] if m not in NATIVE), methods[optimizer][0])
        run = lambda found: profile(machine, sizes, optimizer, method, widest)  # noqa: E731
        return Step("profile", f"profile {optimizer} {method} {widest}", run)

    first, others = {o: ms[0] for o, ms in methods.items()}, [(o, m) for o, ms in methods.items() for m in ms[1:]]
    numerical = [trained(optimizer) for optimizer in sizes.numerics]
    return [
        *(table1(optimizer, few) for optimizer in methods),
        *(benched(*pair, widest) for pair in first.items()),
        *(beside(optimizer) for optimizer in methods),
        Step("products", "products", lambda found: products(machine, sizes)),
        *(step for steps in numerical[:1] for step in steps),
        *(profiled(optimizer) for optimizer in methods),
        *(benched(*pair, widest) for pair in others),
        *(step for steps in numerical[1:] for step in steps),
        *(benched(*pair, lanes) for lanes in rest for pair in first.items()),
        *(benched(*pair, lanes) for lanes in rest for pair in others),
        *(table1(optimizer, all_seeds) for optimizer in methods if all_seeds != few),
    ]


class Record:
    """The figures of one run, and their two files, each whole at any moment."""

    def __init__(self, path: Path, about: Figures, steps: Sequence[Step]) -> None:
        """Nothing is written yet: what an earlier run left stays until this one has figures of its own."""
        self.path, self.about, self.lock, self.running = path, about, threading.Lock(), ""
        unreached = {MISSING: "the run was cut off before it"}
        self.steps: dict[str, Figures] = {step.name: {"section": step.section, **unreached} for step in steps}
        for stale in path.parent.glob(f"{STAGING}*-{path.name}.*"):
            stale.unlink(missing_ok=True)

    def put(self, step: Step, figures: Figures, seconds: float) -> None:
        """Keep a step's figures, and write both files."""
        with self.lock:
            self.steps[step.name] = {"section": step.section, **figures, "took": seconds}
            self.running = ""
            self.write()

    def write(self) -> None:
        """Both files, of all there is."""
        self.about["seconds"] = time.monotonic() - self.about["began"]
        record = plain({"run": {k: v for k, v in self.about.items() if k != "began"}, "steps": self.steps})
        publish(self.path.with_suffix(".json"), (json.dumps(record, indent=1) + "\n").encode(), replace=True)
        publish(self.path.with_suffix(".md"), (page(record) + "\n").encode(), replace=True)

    def end(self) -> None:
        """The budget is over, whatever is running: say so, and end the process."""
        with self.lock:
            if self.running:
                self.steps[self.running][MISSING] = "the budget ended in the middle of it"
            self.write()
            print("the budget is over", flush=True)
            os._exit(0)


def plain(value: Any) -> Any:
    """A tree of figures as strict JSON has it: a number that is not finite as a word."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def reason_of(error: BaseException) -> str:
    """An error in a line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, OutOfTimeError) else f"{type(error).__name__}: {text[:300]}"


def measure(machine: Machine, sizes: Sizes, steps: Sequence[Step], record: Record) -> None:
    """One step after the other, as far as time allows; what fails or does not fit is recorded as such."""
    taken: dict[str, float] = {}
    for step in steps:
        left = machine.deadline - time.monotonic()
        needs = taken.get(step.section, SECONDS[step.section] * sizes.patience)
        if needs > left:
            record.put(step, {MISSING: f"takes about {needs:.0f} s, and {max(0.0, left):.0f} s were left"}, 0.0)
            continue
        began, record.running = time.monotonic(), step.name
        try:
            figures = step.measure(record.steps)
        except Exception as error:
            figures = {MISSING: reason_of(error)}
        seconds = time.monotonic() - began
        if MISSING not in figures:
            taken[step.section] = seconds
        record.put(step, figures, seconds)
        print(f"{step.name}: {figures.get(MISSING, 'measured')}, {seconds:.1f} s", flush=True)


def driver() -> str:
    """What nvidia-smi says of the card, its driver and memory; "" without it."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def about(machine: Machine, minutes: float) -> Figures:
    """What ran, where, and when."""
    platform = machine.devices[0].platform
    kernel = native.load()
    found = {
        "id": uuid.uuid4().hex[:12],
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": machine.name, "platform": platform, "cpu": name_of(machine.cpu),
        "native_kernel": kernel.simd or f"none: {kernel.why_not}",
        "runtime": " ".join(machine.devices[0].client.platform_version.split()), "driver": driver(),
        **provenance(), "settings": recorded(platform),
        "command": shlex.join(["python", "benchmarks/accelerator.py", *sys.argv[1:]]), "minutes": minutes,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value != ""}


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Cells in Markdown, numbers to three digits; "" without any row."""
    text = lambda cell: (f"{cell:.3g}" if isinstance(cell, float) else f"{cell}").replace("|", r"\|")  # noqa: E731
    lines = [f"| {' | '.join(map(text, row))} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) if len(lines) > 2 else ""


def committed() -> dict[tuple[str, str], str]:
    """{(figure, optimizer): mean and interval} of results/table1, the CPU's five seeds; nothing if it is not there."""
    path = Path(__file__).parent.parent / "results" / "table1" / "table1.md"
    with contextlib.suppress(OSError, ValueError):
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in path.read_text().splitlines()]
        columns = {cell.split()[0]: i for i, cell in enumerate(rows[0]) if "interval" in cell}
        return {(row[0], label): row[i] for row in rows[2:] if row for label, i in columns.items()}
    return {}


def mean(found: Figures, name: str) -> Any:
    """Mean over seeds of a figure, and its range."""
    values = [row[name] for row in found["seeds"].values()]
    if any(isinstance(value, str) for value in values):  # not finite
        return ", ".join(map(str, values))
    return f"{np.mean(values):.4g} ({min(values):.4g} … {max(values):.4g})"


def page(record: Mapping[str, Any]) -> str:
    """The page of a run, from its JSON alone."""
    run, steps = record["run"], record["steps"]
    done = {name: step for name, step in steps.items() if MISSING not in step}
    of = lambda *sections: {k: v for k, v in done.items() if v["section"] in sections}  # noqa: E731
    kept, named = committed(), lambda step: step["section"] == "beside"
    compared = []
    for name, step in of("table1", "beside").items():
        optimizer = name.split()[1].rstrip(",")
        cells = [mean(step, figure) for figure in FIGURES]
        compared.append([optimizer, step["device"], step["method"], len(step["seeds"]), *cells, step["seconds"]])
    for optimizer in dict.fromkeys(row[0] for row in compared):
        cells = [kept.get((figure, optimizer), "") for figure in FIGURES.values()]
        compared.append([optimizer, "committed (results/table1, a CPU)", "", 5, *cells, ""])
    apart = [
        [name.split()[1].rstrip(","), *step["differences"].values()]
        for name, step in of("beside").items() if named(step) and "differences" in step
    ]  # fmt: skip
    speeds = sorted(of("bench").values(), key=lambda s: (s["optimizer"], s["method"], s["lanes"]))
    trained = [
        [*name.split()[1:], step["method"], step.get("products", ""), step["lane_steps_per_second"],
         *(step["differences"].values() if "differences" in step else [0] * len(FIGURES))]
        for name, step in of("numerics").items()
    ]  # fmt: skip
    alone = [
        [precision, *(row.get(key, row.get(MISSING)) for key in ("error", "microseconds")), row.get("flops", 0.0) / 1e12]
        for step in of("products").values() for precision, row in step["precisions"].items()
    ]  # fmt: skip
    where, figures = run["device"], list(FIGURES.values())
    parts = [
        f"# {where}",
        "\n".join(f"- {line}" for line in reading(run, done)),
        table(["", ""], [[key, value] for key, value in run.items()]),
        "## Table 1",
        "Mean over seeds (and range); seconds of training, without compilation.",
        table(["optimizer", "device", "method", "seeds", *figures, "s"], compared),
        "Largest difference between the device and the CPU beside it, lane by lane: of errors as it is, of the others"
        " relative to the largest.",
        table(["optimizer", *figures], apart),
        f"## Speed\n\nOn {where}: lanes of four seeds at the size that the command says, stepped for about a second.",
        table(
            ["optimizer", "method", "lanes", "lane-steps/s", "µs a step", "compiled in s"],
            [
                [
                    s["optimizer"],
                    s["method"],
                    s["lanes"],
                    f"{s['lane_steps_per_second']:,.0f}",
                    1e6 * s["lanes"] / s["lane_steps_per_second"],
                    s["compilation"],
                ]
                for s in speeds
            ],
        ),
        f"## Memory\n\nOf each device ({where}): the plan's count; XLA's of the compiled programs, the largest of them"
        " and that of the steps; and the most that was in use, where this step raised it.",
        table(
            ["optimizer", "method", "lanes", "planned a lane", "planned", "compiled", "compiled, steps", "in use"],
            [
                [
                    s["optimizer"],
                    s["method"],
                    f"{s['lanes']} on {s['devices']}",
                    *(size(s[key]) for key in ("planned_lane", "planned", "compiled", "compiled_steps")),
                    "not told" if s["peak"] is None else ("" if s["peak_is_its_own"] else "at most ") + size(s["peak"]),
                ]
                for s in speeds
            ],
        ),
        f"## Numerics\n\nThe products of the steps of Table 1's lanes, traced at another precision than the package's own"
        f" (`highest`), on {where}: largest difference from float64 on the same device after the last step, errors as they"
        " are, the others relative. A few lanes, so that the speeds are of narrow chunks. The package sets"
        " `Precision.HIGHEST` in each product, which `jax_default_matmul_precision` does not reach: the primitive is told"
        " otherwise here while steps are traced (how many products that were is counted); measurements stay exact.",
        table(["optimizer", "precision", "method", "products", "lane-steps/s", *figures], trained),
        "One product of a step alone: relative error against float64, time, rate.",
        table(["precision", "error", "µs", "TFLOP/s"], alone),
        f"## Profile\n\nThe kernels of some steps on {where}, by JAX's profiler: time of their own, calls, share.",
    ]
    for step in of("profile").values():
        count = step["steps"]
        wall, busy = step["wall_microseconds"] / count, step["busy_microseconds"] / count
        parts.append(
            f"{step['optimizer']}, {step['method']}, {step['lanes']} lanes, {count} steps: {wall:,.0f} µs a step untraced,"
            f" {busy:,.0f} µs in kernels of {step['kinds']} names."
        )
        rows = [[f"`{k['name']}`", k["calls"], k["microseconds"], f"{k['share']:.1%}"] for k in step["kernels"]]
        parts.append(table(["kernel", "calls", "µs", "share"], rows))
    missing = [[name, step[MISSING]] for name, step in steps.items() if MISSING in step]
    parts += ["## Not measured", table(["", "reason"], missing) or "Nothing is missing."]
    return "\n\n".join(part or "Not measured." for part in parts)


def reading(run: Mapping[str, Any], done: Mapping[str, Figures]) -> list[str]:
    """What it means, in three lines: results; speed and memory; precision."""
    tables = [(k.split()[1].rstrip(","), v) for k, v in done.items() if v["section"] == "table1"]
    apart = [v["differences"] for v in done.values() if v["section"] == "beside" and "differences" in v]
    errors = ", ".join(f"{o} {mean(v, 'test_error')}" for o, v in dict(tables).items()) or MISSING
    here = run["device"] if run["platform"] != "cpu" else f"{run['device']} (there is no accelerator: figures of a CPU)"
    largest = max((float(value) for row in apart for value in row.values()), default=math.nan)
    agree = f"largest difference of any figure {largest:.2g}" if apart else MISSING
    benched = [v for v in done.values() if v["section"] == "bench"]
    best = {s["optimizer"]: s for s in sorted(benched, key=lambda s: s["lane_steps_per_second"])}
    fastest = "; ".join(
        f"{o} {s['lane_steps_per_second']:,.0f} by `{s['method']}` at {s['lanes']} lanes, "
        f"{size(s['compiled'] * s['devices'] / s['lanes'])} a lane where {size(s['planned'] * s['devices'] / s['lanes'])}"
        " were planned"
        for o, s in sorted(best.items())
    )
    lower = "; ".join(
        f"{' '.join(k.split()[1:])} {max(map(float, v['differences'].values())):.1g}"
        for k, v in done.items() if v["section"] == "numerics" and "differences" in v
    )  # fmt: skip
    return [
        f"Results on {here}: test error {errors}; beside the same lanes on its CPU: {agree}.",
        f"Lane-steps per second at most, and memory: {fastest or MISSING}.",
        f"Largest difference from float64 in any final figure, by precision of products: {lower or MISSING}.",
    ]


def main(options: argparse.Namespace, began: float) -> None:
    """Measure until the budget is over."""
    sizes, deadline = QUICK if options.quick else FULL, began + 60 * options.minutes
    options.out.mkdir(parents=True, exist_ok=True)
    here = machine(deadline)
    on_cpu = " (there is no accelerator: this measures the CPU)" if here.devices == here.cpu else ""
    path = options.out / (slug(here.name) + ("-quick" if options.quick else ""))
    print(f"{here.name}{on_cpu}: {options.minutes:g} minutes, into {path}.json and .md", flush=True)
    steps = steps_of(here, sizes)
    record = Record(path, {**about(here, options.minutes), "began": began}, steps)
    watch = threading.Timer(max(0.0, deadline - time.monotonic()), record.end)
    watch.daemon = True
    watch.start()
    measure(here, sizes, steps, record)
    watch.cancel()
    print(f"{path}.md: {sum(MISSING not in step for step in record.steps.values())} of {len(steps)} steps measured")


if __name__ == "__main__":
    main(OPTIONS, BEGAN)
