"""From which density on dense products are faster than the native kernel's sparse ones: `methods.SPARSE_SHARE`.

    python benchmarks/crossover.py [--d 1000] [--n 200]

Adam at Table 1's size, 32 lanes of two seeds, every method at every s; lane-steps per second.
"""

from __future__ import annotations

import argparse

from adam_vs_gd.engine.machine import use_devices
from adam_vs_gd.engine.plan import Chunk, Group
from adam_vs_gd.engine.timing import time_group
from adam_vs_gd.problems.two_patch.family import FAMILY
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.ways import WAYS
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.store.provenance import processor

SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--d", type=int, default=1000)
    parser.add_argument("--n", type=int, default=200)
    options = parser.parse_args()
    devices = use_devices()
    static = Static(n=options.n, d=options.d, steps=10_000, test_size=2)
    print(f"{processor()}, {len(devices)} devices; n = {options.n}, d = {options.d}")
    print(f"{'s/d':>6}{'sparse':>10}{'dense':>10}")
    for share in SHARES:
        s = max(1, round(share * options.d))
        speeds = []
        for method, block in (("sparse", 1), ("dense", 4)):
            lanes = tuple(
                Lane(static, Hyper(0.05 * k, s, 0.1, 0.01, 1e-5, 5e-5, 0.9, 0.999, 1e-8), seed, 0)
                for seed in (0, 1)
                for k in range(16)
            )
            group = Group(FAMILY, static, s, WAYS[method], 0, len(devices), 32, 2, (Chunk(lanes),), block)
            speeds.append(time_group(group, devices, lambda count: 2**40, make_batch).speed)
        print(f"{share:>6.2f}{speeds[0]:>10,.0f}{speeds[1]:>10,.0f}", flush=True)


if __name__ == "__main__":
    main()
