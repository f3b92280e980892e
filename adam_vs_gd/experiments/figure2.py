"""Figure 2: feature learning and noise memorization along the training, for Adam and GD."""

from __future__ import annotations

from pathlib import Path

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments.table1 import table1_spec
from adam_vs_gd.results.columns import columns, number
from adam_vs_gd.results.statistics import over_seeds

SHOWN = ("feature_learning_path", "noise_memorization_path")
POINTS = 10  # rows of the printed table


def reproduce(out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False) -> str:
    """Train both optimizers at Table 1's configuration and draw the paper's two panels, with a band over seeds.

    Args:
        out: folder of the sweep; `figure2.png`, `figure2.pdf` and their numbers, `figure2.csv`, are written into it.
        seeds: how many.
        quick: a quarter of the steps: a try, not a reproduction.
        quiet: no progress.
    """
    results = run_sweep(table1_spec("figure2", seeds, quick), out, quiet=quiet)
    figure = plot.trajectories(results)
    for ending in ("png", "pdf"):
        plot.save(figure, out / f"figure2.{ending}")
    summaries = {name: over_seeds(results, name) for name in SHOWN}
    rows = [["optimizer", "step", "feature learning", "noise memorization"]]
    for k, label in enumerate(results.optimizer.values):
        for i in range(0, len(results.step), len(results.step) // POINTS):
            at = [number(summaries[name].isel(optimizer=k, record=i)) for name in SHOWN]
            rows.append([str(label), str(results.step.values[i]), *at])
    return columns(rows) + f"\n{out / 'figure2.png'}"
