"""The diagrams of this folder again, to rest: `python results/to_rest.py [NAME …]` runs what is missing, in this order.

Each is the sweep of `sweeps/NAME.toml` with fewer seeds, at the same cells or, of the two largest, at every other value
of one axis, trained until it is at rest, 10⁵ steps at most; it can be stopped at any time, and goes on where it was.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import adam_vs_gd as ag

HERE = Path(__file__).parent
SWEEPS = HERE.parent / "sweeps"
MOST, SEEDS = 100_000, 2
NAMES: Mapping[str, Mapping[str, Any]] = {
    "lam-by-alpha": {},
    "eta-by-alpha": {},
    "beta2-by-alpha": {},
    "alpha-by-s": {"data.alpha": {"linspace": [0.0, 0.8, 9]}},
    "sigma_p-by-s": {"data.s": [10, 22, 47, 100, 220, 500]},
}
"""What each changes, beside its seeds and steps."""


def spec_of(name: str) -> ag.SweepSpec:
    """A sweep of this folder, to rest."""
    changes = {"name": f"{name}-to-rest", "seeds": SEEDS, "steps": MOST, "train.until": "rest", **NAMES[name]}
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
