"""Table 1: training and test error of the solutions found by Adam and GD."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import markdown
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.results.columns import number
from adam_vs_gd.results.statistics import over_seeds
from adam_vs_gd.spec.sweep_spec import SweepSpec

PAPER = {"train_error": {"adam": "0", "gd": "0"}, "test_error": {"adam": "0.884", "gd": "0"}}
ROWS = (
    "train_error",
    "test_error",
    "data_loss",
    "feature_learning",
    "noise_memorization",
    "best_test_error",
    "best_step",
)
STEPS = 10_000
QUICK_STEPS = 2500


def table1_spec(name: str, seeds: int, quick: bool) -> SweepSpec:
    """The paper's configuration, which is what a spec's keys are when left out; `quick` trains a quarter as long."""
    return SweepSpec(name=name, seeds=seeds, steps=QUICK_STEPS if quick else STEPS, optimizers={"adam": {}, "gd": {}})


def reproduce(out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False) -> str:
    """Train both optimizers at Table 1's configuration and set the errors beside the paper's.

    Args:
        out: folder of the sweep; `table1.md` is written into it.
        seeds: how many.
        quick: a quarter of the steps: a try, not a reproduction.
        quiet: no progress.
    """
    results = run_sweep(table1_spec("table1", seeds, quick), out, quiet=quiet)
    text = table(results)
    (out / "table1.md").write_text(text + "\n", encoding="utf-8")
    return text


def table(results: xr.Dataset) -> str:
    """The table, in Markdown."""
    labels = [str(label) for label in results.optimizer.values]
    rows = [["", *(f"{label}{what}" for label in labels for what in (" (95 % interval)", ", paper"))]]
    for name in ROWS:
        summary = over_seeds(results, name)
        cells = [
            cell
            for k, label in enumerate(labels)
            for cell in (number(summary.isel(optimizer=k)), PAPER.get(name, {}).get(label, ""))
        ]
        rows.append([results[name].attrs["long_name"], *cells])
    fitted = [int((results.status.isel(optimizer=k) == CODES["fitted"]).sum()) for k in range(len(labels))]
    seeds = results.sizes["seed"]
    rows.append(["lanes fitted", *(cell for count in fitted for cell in (f"{count} of {seeds}", ""))])
    steps = results["steps"].item()
    return (
        markdown.table(rows)
        + f"\n\nMeans over {seeds} seeds after {steps} steps, {results.attrs['precision']}, "
        + f"{results.attrs['platform']}; {results.attrs['versions']}."
        + ("" if steps == STEPS else "\nNOT the paper's configuration: fewer steps (--quick).")
    )
