"""What workers cost: lane-steps per second in process and by Dask's workers, and what a chunk takes besides.

    python benchmarks/scaling_out.py

Each sweep is run in a process of its own, twice or more, and the best counts: the first fills the cache of compiled
programs. Seconds are from the first chunk that is handed out until the Dataset is there; a worker of Dask loads its
programs in them, and a second one starts JAX.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import adam_vs_gd as ag
from adam_vs_gd.store.provenance import processor

SPEC = """
name = "scaling-out"
seeds = {seeds}
steps = {steps}
[data]
n = {n}
d = {d}
s = {s}
alpha = [0.0, 0.2, 0.4, 0.6]
test_size = {n}
[model]
width = {width}
[optimizers.adam]
eta = 1e-4
[optimizers.gd]
eta = 0.02
"""
TRAINED = {"seeds": 32, "steps": 8000, "n": 50, "d": 1000, "s": 100, "width": 20}
"""A minute or two of training on two cores."""
EMPTY = {"seeds": 1000, "steps": 4, "n": 8, "d": 24, "s": 4, "width": 2}
"""Hardly any: chunks of a few lanes, by a limit of memory."""


def spec_of(folder: Path, numbers: dict[str, int]) -> ag.SweepSpec:
    """A spec."""
    path = folder / "spec.toml"
    path.write_text(SPEC.format(**numbers))
    return ag.load_spec(path)


def run(spec: ag.SweepSpec, folder: Path, **keys) -> tuple[float, int]:
    """Seconds from the first chunk that was handed out until the Dataset is there, and how many chunks there were."""
    ag.run_sweep(spec, folder, quiet=True, **keys)
    text = (folder / "log.txt").read_text()
    minutes, seconds = re.findall(r" done: .* in (?:(\d+) min )?([\d.]+) s\n", text)[-1]
    return 60 * float(minutes or 0) + float(seconds), text.count(" lanes in ")


WAYS = {
    "in process, one device": {"devices": 1},
    "in process, two devices": {"devices": 2},
    "one worker of Dask, one device": {"executor": "dask", "devices": 1},
    "two workers of Dask, one device each": {"executor": "dask", "devices": 2},
}
CASES = {"trained": TRAINED, "empty": EMPTY}


def measured(case: str, way: str) -> tuple[float, int]:
    """What `run` gives, in a process of its own: of the same ways twice in one process the second compiles nothing."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"} | ({"JAX_NUM_CPU_DEVICES": "1"} if "one worker" in way else {})
    command = [sys.executable, __file__, "--case", case, "--way", way]
    seconds, chunks = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stdout.split()
    return float(seconds), int(chunks)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="of which the best counts (default: 2)")
    parser.add_argument("--case", choices=CASES, help="only this, and print its numbers alone")
    parser.add_argument("--way", choices=WAYS, help="of this way")
    options = parser.parse_args()
    if options.case:
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch)
            memory = {"memory": 100_000} if options.case == "empty" else {}
            print(*run(spec_of(place, CASES[options.case]), place / "sweep", **WAYS[options.way], **memory))
        return
    print(f"{os.cpu_count()} cores of {processor()}")
    best = {case: dict.fromkeys(WAYS, (math.inf, 0)) for case in CASES}
    for _ in range(options.rounds):
        for case, way in itertools.product(CASES, WAYS):
            best[case][way] = min(best[case][way], measured(case, way))
    lane_steps = 8 * TRAINED["seeds"] * TRAINED["steps"]
    print("\n| trained | chunks | seconds | lane-steps/s |\n| --- | --- | --- | --- |")
    for way, (seconds, chunks) in best["trained"].items():
        print(f"| {way} | {chunks} | {seconds:.0f} | {lane_steps / seconds:,.0f} |")
    print("\n| chunks of nothing | chunks | ms a chunk |\n| --- | --- | --- |")
    for way, (seconds, chunks) in best["empty"].items():
        print(f"| {way} | {chunks} | {1000 * seconds / chunks:.0f} |")


if __name__ == "__main__":
    main()
