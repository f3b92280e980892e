"""The diagrams of this folder again, to rest: `python results/to_rest.py [NAME …]` runs what is missing, in this order.

Each is the sweep of `sweeps/NAME.toml` at the same cells, with fewer seeds, trained until it is at rest, 10⁵ steps at
most; it can be stopped at any time, and goes on where it was.
"""

import sys
import time
from pathlib import Path

import adam_vs_gd as ag

HERE = Path(__file__).parent
SWEEPS = HERE.parent / "sweeps"
MOST, SEEDS = 100_000, 2
NAMES = ("lam-by-alpha", "eta-by-alpha", "beta2-by-alpha", "alpha-by-s", "sigma_p-by-s")


def spec_of(name: str) -> ag.SweepSpec:
    """A sweep of this folder, to rest."""
    changes = {"name": f"{name}-to-rest", "seeds": SEEDS, "steps": MOST, "train.until": "rest"}
    return ag.load_spec(SWEEPS / f"{name}.toml", overrides=changes)


def main() -> None:
    """Run those that are asked for, or all."""
    for name in sys.argv[1:] or NAMES:
        began = time.monotonic()
        results = ag.run_sweep(spec_of(name), HERE / f"{name}-to-rest")
        rested = int((results.status == 6).sum())
        print(f"{name}: {rested} of {results.status.size} lanes at rest, {time.monotonic() - began:.0f} s here")


if __name__ == "__main__":
    main()
