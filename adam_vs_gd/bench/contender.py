"""One contender on one piece of work, in a process of its own.

python -m adam_vs_gd.bench.contender WORK.json OUT.npz
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from adam_vs_gd.bench import end_to_end, engine, peak, plain_jax, torch_eager, torch_vmap
from adam_vs_gd.bench.work import table1_work

BASELINES = {"plain_jax": plain_jax.train, "torch_eager": torch_eager.train, "torch_vmap": torch_vmap.train}


def run(work: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """(weights, figures) of a piece of work: its contender, optimizer, lanes, seeds, steps."""
    name = work["contender"]
    size = (work["optimizer"], work["lanes"], work["seeds"], work["steps"])
    if name == "peak":
        return np.zeros(0), {"flops": peak.matmul_peak()}
    if name == "end_to_end":
        return np.zeros(0), end_to_end.run(*size)
    if name in BASELINES:
        given = table1_work(work["lanes"], work["seeds"])
        weights, seconds = BASELINES[name](*given, work["optimizer"], work["steps"])
        return weights, {"seconds": seconds}
    return engine.train(*size, path="reference" if name == "reference" else "fast")


if __name__ == "__main__":
    weights, figures = run(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    np.savez(sys.argv[2], weights=weights, figures=json.dumps(figures))
