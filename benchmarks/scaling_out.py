"""What workers cost: lane-steps per second in process and by Dask's workers, and what a chunk takes besides.

    python benchmarks/scaling_out.py

Each sweep is run twice: the first fills the cache of compiled programs, the second is told.
"""

from __future__ import annotations

import argparse
import os
import re
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
TRAINED = {"seeds": 32, "steps": 10_000, "n": 50, "d": 1000, "s": 100, "width": 20}
"""A minute or two of training on two cores."""
EMPTY = {"seeds": 200, "steps": 4, "n": 8, "d": 24, "s": 4, "width": 2}
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


def main() -> None:
    """Measure, and print a table."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print(f"{os.cpu_count()} cores of {processor()}")
    ways = {
        "in process, one device": {"devices": 1},
        "in process, all devices": {},
        "one worker of Dask": {"executor": "dask", "devices": 1},
        "two workers of Dask": {"executor": "dask", "devices": 2},
    }
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        spec = spec_of(place, TRAINED)
        lane_steps = 8 * TRAINED["seeds"] * TRAINED["steps"]
        print("\n| trained by | chunks | seconds | lane-steps/s |\n| --- | --- | --- | --- |")
        for name, keys in ways.items():
            for again in range(2):
                seconds, chunks = run(spec, place / f"{name}-{again}", **keys)
            print(f"| {name} | {chunks} | {seconds:.0f} | {lane_steps / seconds:,.0f} |", flush=True)
        spec = spec_of(place, EMPTY)
        print("\n| chunks of nothing, by | chunks | ms a chunk |\n| --- | --- | --- |")
        for name, keys in ways.items():
            if name != "in process, all devices":
                for again in range(2):
                    seconds, chunks = run(spec, place / f"empty-{name}-{again}", memory=100_000, **keys)
                print(f"| {name} | {chunks} | {1000 * seconds / chunks:.1f} |", flush=True)


if __name__ == "__main__":
    main()
