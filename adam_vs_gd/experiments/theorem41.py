"""Theorem 4.1: what the solutions of each optimizer are, where the theorem's premises hold and where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.regimes import REGIMES, TITLES, regime_spec, regime_steps
from adam_vs_gd.plot.lines import MARKERS
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import CHANCE, COLOURS, PAGE, styled
from adam_vs_gd.problems.learning.loss import FITTED_LOSS
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.problems.learning.optimizers import GRADIENT_NORM
from adam_vs_gd.results.columns import number
from adam_vs_gd.results.statistics import over_seeds
from adam_vs_gd.spec.cells import digest_of

KINDS = ("adam", "adam_paper", "signgd", "gd")
NEAR = 0.01  # what o(1) is taken for
RECORDS = 1000  # t_fit is known to a thousandth of the training
HEADS = ("", "fitted", "t_fit", "W* at step", "training error", "‖∇L‖ at W*", "1/(Tη)", "meets it", "test error",
         "Theorem 4.1")  # fmt: skip


def reproduce(out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False) -> str:
    """Train all optimizers in every regime, and set W* beside what the theorem says of it.

    Args:
        out: a folder of sweeps, one a regime; `theorem41.md`, `theorem41.png` and its numbers are written into it.
        seeds: how many.
        quick: a quarter of the steps: GD has hardly learned the feature by then.
        quiet: no progress.
    """
    results = {}
    for regime in REGIMES:
        steps = regime_steps(regime, quick=quick)
        spec = regime_spec(regime, f"theorem41-{regime}", seeds, KINDS, steps, record=RECORDS)
        results[regime] = run_sweep(spec, out / regime, quiet=quiet)
    parts = [f"**{TITLES[regime]}**\n\n{table(found)}" for regime, found in results.items()]
    text = "\n\n".join([*parts, legend(results, quick=quick)])
    (out / "theorem41.md").write_text(text + "\n", encoding="utf-8")
    plot.save(picture(results), out / "theorem41.png")
    return text


def first_fit(results: xr.Dataset) -> xr.DataArray:
    """(optimizer, seed) t_fit: the first recorded step with training error 0 and data loss <= 0.1; NaN without one."""
    fits = (results.train_error_path == 0) & (results.data_loss_path <= FITTED_LOSS)
    return results.step[fits.argmax("record")].where(fits.any("record"))


def table(results: xr.Dataset) -> str:
    """A line an optimizer: how W* was found, and what it is."""
    rows = [list(HEADS)]
    fits, seeds = first_fit(results), results.sizes["seed"]
    summaries = [over_seeds(results, name) for name in ("best_train_error", "best_test_error")]
    for k, label in enumerate(results.optimizer.values):
        here = results.isel(optimizer=k)
        power = GRADIENT_NORM[str(label)]
        norm = float((here.best_grad_norm**power).max())
        train, test = (number(summary.isel(optimizer=k)) for summary in summaries)
        fitted = int((here.status == CODES["fitted"]).sum())
        found = [
            f"{fitted} of {seeds}",
            times(fits.isel(optimizer=k)),
            times(here.best_step.where(here.best_step >= 0)),
        ]
        size = "-" if np.isnan(norm) else f"{norm:.2g}{'' if power == 1 else ' (squared)'}"
        gradient = [size, f"{1 / float(here.steps * here.eta):.2g}"]
        met = f"{int(here.stationary.sum())} of {seeds}"
        rows.append([str(label), *found, train, *gradient, met, test, verdict(str(label), here)])
    return markdown.table(rows)


def times(steps: xr.DataArray) -> str:
    """The range of steps over seeds."""
    known = steps.values[np.isfinite(steps.values)].astype(int)
    if not known.size:
        return "never"
    ends = dict.fromkeys([int(known.min()), int(known.max())])
    never = len(steps) - len(known)
    return " to ".join(map(str, ends)) + (f", {never} never" if never else "")


def verdict(label: str, here: xr.Dataset) -> str:
    """In how many seeds the test error at W* is what the theorem says: 1/2 − o(1) or more, or o(1) for GD."""
    errors = here.best_test_error.values
    found = errors[np.isfinite(errors)]
    if not found.size:
        return "no W*"
    met = found < NEAR if label == "gd" else found >= CHANCE - NEAR
    return f"{'o(1)' if label == 'gd' else '≥ 1/2 − o(1)'}: {met.sum()} of {errors.size}"


def legend(results: Mapping[str, xr.Dataset], *, quick: bool) -> str:
    """What the tables' numbers mean."""
    steps = dict.fromkeys(found["steps"].item() for found in results.values())
    return (
        f"{results['table1'].sizes['seed']} seeds, {' or '.join(map(str, steps))} steps; ranges over seeds, means with "
        f"95 % intervals. t_fit: the first of {RECORDS} recorded steps with training error 0 and data loss <= "
        f"{FITTED_LOSS:g}; W*: the iterate of least gradient norm from then on (the norm given is the largest of any "
        "seed's). The theorem is about Adam as in (3.1)–(3.3), which is adam_paper, and about GD; signGD is its "
        f"proof's model of Adam. Test errors are counted against it with o(1) = {NEAR:g}."
        + ("\nNOT the whole training: fewer steps (--quick)." if quick else "")
    )


def picture(results: Mapping[str, xr.Dataset]) -> Picture:
    """Test error at W* of every optimizer in every regime."""
    rows: list[dict[str, Any]] = []
    with styled():
        digest = digest_of(found.attrs["digest"] for found in results.values())
        figure = Picture("theorem41", digest, rows, figsize=(PAGE * 0.62, 2.4), layout="constrained")
        axes = figure.subplots()
        for k, kind in enumerate(KINDS):
            for i, (regime, found) in enumerate(results.items()):
                summary = over_seeds(found, "best_test_error").sel(optimizer=kind)
                mean, low, high = (float(summary[name]) for name in ("mean", "low", "high"))
                found_here = {"regime": regime, "optimizer": kind, "variable": "best_test_error", "mean": mean}
                rows.append({**found_here, "low": low, "high": high, "seeds": int(summary["seeds"])})
                axes.errorbar(
                    i + 0.14 * (k - 1.5), mean, [[max(0, mean - low)], [max(0, high - mean)]], color=COLOURS[k],
                    marker=MARKERS[k], markersize=4, linestyle="", capsize=2, label=kind if i == 0 else None,
                )  # fmt: skip
        axes.axhline(CHANCE, color="0.5", linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_xticks(range(len(results)), [TITLES[regime].split(" (")[0] for regime in results])
        axes.set_ylim(-0.05, 1.05)
        axes.set_ylabel("test error at W*")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
