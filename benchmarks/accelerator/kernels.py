"""Which kernels a step consists of, by JAX's profiler."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from accelerator.internals import SeedDraws, batch_of, make_batch, numerics, placed, programs_of
from accelerator.work import Figures, Machine, Sizes, group_of

STEPS = 100  # that are profiled; ten of them look at W*
MOST = 12  # kernels that are kept

Event = Mapping[str, Any]


def profile(machine: Machine, sizes: Sizes, optimizer: str, method: str, lanes: int) -> Figures:
    """The first steps of so many lanes: how long they take, and the kernels they consist of, the longest first.

    Raises:
        ValueError: if the profiler tells of none.
    """
    group = group_of(machine, sizes, optimizer, method, lanes)
    here, count = machine.devices[: group.devices], min(STEPS, group.static.steps)
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with numerics("float32"), tempfile.TemporaryDirectory() as folder:
        programs = programs_of(batch_of(group, make_batch), group, here)
        inputs = placed(batch_of(group, make_batch), group, group.chunks[0], here, SeedDraws())

        def advance() -> float:
            state = jax.block_until_ready(programs.start(*inputs))
            began = time.perf_counter()
            jax.block_until_ready(programs.advance(*inputs, state, np.int32(0), np.int32(count)))
            return 1e6 * (time.perf_counter() - began)

        advance()  # what runs for the first time is slower
        untraced = advance()
        state = jax.block_until_ready(programs.start(*inputs))
        with jax.profiler.trace(folder, profiler_options=options):
            jax.block_until_ready(programs.advance(*inputs, state, np.int32(0), np.int32(count)))
        files = sorted(Path(folder).rglob("*.trace.json.gz"))
        if not files:
            raise ValueError("the profiler wrote no trace.json.gz")
        kernels = kernels_of(json.loads(gzip.decompress(files[0].read_bytes()))["traceEvents"])
    return {
        "device": machine.name, "optimizer": optimizer, "method": method, "lanes": lanes, "devices": group.devices,
        "steps": count, "wall_microseconds": untraced, "busy_microseconds": sum(row["microseconds"] for row in kernels),
        "kinds": len(kernels), "kernels": kernels[:MOST],
    }  # fmt: skip


def kernels_of(events: Iterable[Event]) -> list[Figures]:
    """Name, calls, µs of its own and share of each kernel in a trace, the longest first.

    On a GPU that is what its streams ran, on a TPU its line of operations, on a CPU whatever XLA names an operation. Of
    what encloses others, as a loop does, only the time that they leave counts.

    Raises:
        ValueError: if there is none.
    """
    events = list(events)
    names = {(e["name"], e["pid"], e.get("tid")): str(e["args"].get("name")) for e in events if e.get("ph") == "M"}
    complete = [e for e in events if e.get("ph") == "X" and "dur" in e]
    on_device = [e for e in complete if "/device:" in names.get(("process_name", e["pid"], None), "")]

    def on_lines(beginning: str) -> list[Event]:
        return [e for e in on_device if names.get(("thread_name", e["pid"], e["tid"]), "").startswith(beginning)]

    on_host = [e for e in complete if "hlo_op" in (e.get("args") or {})]
    calls: dict[str, int] = defaultdict(int)
    own: dict[str, float] = defaultdict(float)
    around: dict[tuple[Any, Any], list[Event]] = defaultdict(list)
    for e in sorted(on_lines("Stream") or on_lines("XLA Ops") or on_host, key=lambda e: (e["ts"], -e["dur"])):
        enclosing = around[e["pid"], e["tid"]]
        while enclosing and enclosing[-1]["ts"] + enclosing[-1]["dur"] <= e["ts"]:
            enclosing.pop()
        if enclosing:
            own[enclosing[-1]["name"]] -= e["dur"]
        enclosing.append(e)
        calls[e["name"]] += 1
        own[e["name"]] += e["dur"]
    if not calls:
        raise ValueError("the profiler's trace names no kernel")
    whole = sum(own.values()) or 1.0
    rows = [{"name": name, "calls": calls[name], "microseconds": own[name], "share": own[name] / whole} for name in own]
    return sorted(rows, key=lambda row: -row["microseconds"])
