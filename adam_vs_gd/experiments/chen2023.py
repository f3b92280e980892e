"""When SAM generalizes and SGD does not: Chen, Zhang, Kou, Chen, Hsieh and Gu, arXiv 2310.07269 (NeurIPS 2023).

Two-layer ReLU CNN, patches y·μ and ξ ~ N(0, σ_p²(I − μμᵀ/‖μ‖²)) in random order, which does not matter to it; a share of
the training labels is wrong. Their claim: SGD overfits benignly only where ‖μ‖ ≳ σ_p(d/n)^{1/4}, while training that begins
with SAM, τ = Θ(m√B/(Pσ_p√d)), does from a ‖μ‖ on that does not grow with d, because SAM's perturbation turns off the
filters that would memorize noise. The theorems have SAM first and then SGD, until the training loss is small.

The paper's text was not at hand. n = 20, P = 2, m = 10, σ_p = 1, labels wrong with probability 0.1, and d from 1000 to 20000
are as quoted in the task; full batches (B = n) and balanced true labels are ours, and so are `CHOSEN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.chen2023_training import TEST_SIZE, training
from adam_vs_gd.problems.function.sweep_function import sweep_function
from adam_vs_gd.results.power_law import fit_exponent
from adam_vs_gd.results.statistics import error_interval, wilson
from adam_vs_gd.results.transition import boundary

THEIRS: Mapping[str, int | float] = {"n": 20, "m": 10, "patches": 2, "flips": 0.1}  # as quoted in the task
D = (1000.0, 2000.0, 4500.0, 9500.0, 20000.0)  # their range, as quoted in the task
MU = tuple(np.geomspace(0.1, 10, 14).tolist())
CHOSEN: Mapping[str, float] = {"rate": 100.0, "radius": 0.5, "start": 0.1}  # η·σ_p²d, τ·Pσ_p√d/(m√n), σ_0·√(3d)
ITERATIONS = 1000
METHODS: Mapping[float, str] = {0.0: "GD", 0.05: "SAM 50, then GD", 0.5: "SAM 500, then GD", 1.0: "SAM throughout"}
"""{share of the iterations that SAM begins with: what it is called}, at `ITERATIONS`."""
LEVEL = 0.25  # of the mean test error, halfway between 0 and chance
FITTED = 0.1  # of the training loss, at training error 0


def reproduce(out: Path, seeds: int = 8, quick: bool = False, quiet: bool = False) -> str:
    """Train by GD and by SAM over d and ‖μ‖, and set their test errors and transitions side by side.

    Args:
        out: folder of the sweep `trainings`; `chen2023.md`, and `chen2023.png` with its numbers, are written into it.
            What is there is not computed again.
        seeds: how many.
        quick: three d, half of the ‖μ‖, two seeds and a fifth of the iterations: a try.
        quiet: no progress.
    """
    results = measured(out, seeds, quick, quiet)
    edges = {share: transition(results, share) for share in METHODS}
    text = report(results, edges)
    if quick:
        text += "\n\nNOT the reproduction: three d, half of the ‖μ‖, two seeds, a fifth of the iterations (--quick)."
    (out / "chen2023.md").write_text(text + "\n", encoding="utf-8")
    plot.save(drawn(results, edges), out / "chen2023.png")
    return f"{text}\n\n{out / 'chen2023.png'}"


def measured(out: Path, seeds: int, quick: bool, quiet: bool) -> xr.Dataset:
    """Errors and losses along (optimizer, mu, d, sam, seed)."""
    some = slice(None, None, 2 if quick else 1)
    sizes = {key: int(THEIRS[key]) for key in ("n", "m", "patches")}
    return sweep_function(
        training, {"mu": MU[some], "d": D[some], "sam": list(METHODS)}, {**CHOSEN, "flips": THEIRS["flips"]},
        {**sizes, "iterations": ITERATIONS // (5 if quick else 1)}, min(seeds, 2) if quick else seeds,
        out / ("try" if quick else "trainings"), name="chen2023", quiet=quiet,
    )  # fmt: skip
