"""What a step on a batch costs: Adam on B of Table 1's 200 examples, by the native kernel and plainly.

    python benchmarks/batches.py [--plain 3]

32 lanes of two seeds, lane-steps per second. A step is the products of its examples and the update of all d rows,
whatever B is; every tenth looks at all n besides (W*, t_fit). What an example costs is told from a straight line
through B = 100 and n, beside what it costs in full batch.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import jax

from adam_vs_gd.engine.machine import use_devices
from adam_vs_gd.engine.plan import Chunk, Group
from adam_vs_gd.engine.timing import time_group
from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.two_patch.family import FAMILY
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.ways import WAYS
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.store.provenance import processor

BATCHES = (1, 2, 5, 10, 20, 50, 100, 200)
LANES, SEEDS = 32, 2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", type=int, default=3, help="at how many batch sizes the plain step is timed too")
    options = parser.parse_args()
    devices = use_devices()
    print(f"{processor()}, {len(devices)} devices; Adam, n = {table1.N}, d = {table1.D}, s = {table1.S}")
    full = speed(0, "sparse", devices)
    print(f"full batch by the kernel: {full:,.0f} lane-steps/s")
    print(f"{'B':>4}{'kernel':>10}{'plain':>10}{'us a step':>12}{'us an example':>15}")
    timed = {}
    for k, size in enumerate(BATCHES):
        kernel = speed(size, "sparse", devices)
        plain = f"{speed(size, 'plain', devices):>10,.0f}" if k < options.plain else f"{'':>10}"
        timed[size] = 1e6 / kernel
        print(f"{size:>4}{kernel:>10,.0f}{plain}{timed[size]:>12.1f}{timed[size] / size:>15.2f}", flush=True)
    slope = (timed[200] - timed[100]) / 100
    print(f"an example more: {slope:.2f} us; what every step costs besides: {timed[200] - 200 * slope:.1f} us")
    print(f"full batch: {1e6 / full:.1f} us a step, {1e6 / full / table1.N:.2f} an example, all in all")


def speed(batch: int, method: str, devices: Sequence[jax.Device]) -> float:
    """Lane-steps per second."""
    static = Static(steps=table1.STEPS, test_size=2, batch_size=batch)
    lanes = tuple(
        Lane(static, Hyper(0.05 * k, table1.S, 0.1, 0.01, 1e-5, 5e-5, 0.9, 0.999, 1e-8), seed, 0)
        for seed in range(SEEDS)
        for k in range(LANES // SEEDS)
    )
    group = Group(FAMILY, static, table1.S, WAYS[method], 0, len(devices), LANES, SEEDS, (Chunk(lanes),), 1)
    return time_group(group, devices, lambda count: 2**40, make_batch).speed


if __name__ == "__main__":
    main()
