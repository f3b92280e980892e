"""What an accelerator does with this package, within minutes: one page of figures, named after the device.

    python benchmarks/accelerator.py [--minutes 8] [--out docs/devices] [--quick]

Measures, the most telling first: Table 1 beside the CPU's; lane-steps per second by method and width, and memory; what
products of lower precision do to results; which kernels a step consists of. On the first accelerator, or on the CPU
where there is none. <device>.json and <device>.md are whole on disk after every step, so that a run may be cut off at
any moment; what it did not get to is named in them, with the reason.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Read the command line, then start JAX: `--help` answers at once."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="after which it ends, whatever it is at")
    parser.add_argument("--out", type=Path, default=Path("docs/devices"), help="folder of the two files")
    parser.add_argument("--quick", action="store_true", help="sizes that mean nothing, to try it; <device>-quick.json")
    options = parser.parse_args()
    if not 0 < options.minutes < math.inf:
        parser.error(f"--minutes {options.minutes:g}: must be positive")
    if (asked := os.environ.get("JAX_PLATFORMS")) and "cpu" not in asked.split(","):
        os.environ["JAX_PLATFORMS"] = f"{asked},cpu"  # which trains the same lanes beside
    sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

    from accelerator.run import run
    from accelerator.work import FULL, QUICK

    run(options.out, QUICK if options.quick else FULL, began, options.minutes)


if __name__ == "__main__":
    main()
