"""Theorem 4.1: what the solutions of each optimizer are, where its premises hold and where they do not; and at rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.regimes import REGIMES, TITLES, most_steps, regime_spec, regime_steps
from adam_vs_gd.plot.lines import MARKERS
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import CHANCE, COLOURS, PAGE, styled
from adam_vs_gd.problems.learning.loss import FITTED_LOSS
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.problems.learning.optimizers import RULES
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
    results, rested = {}, {}
    for regime in REGIMES:
        name, steps = f"theorem41-{regime}", regime_steps(regime, quick=quick)
        spec = regime_spec(regime, name, seeds, KINDS, steps, record=RECORDS)
        results[regime] = run_sweep(spec, out / regime, quiet=quiet)
        most = most_steps(regime, quick=quick)
        to_rest = regime_spec(regime, f"{name}-to-rest", seeds, KINDS, most, record=25, train={"until": "rest"})
        rested[regime] = run_sweep(to_rest, out / f"{regime}-to-rest", quiet=quiet)
    parts = [
        f"**{TITLES[regime]}**\n\n{table(found)}\n\n{rest_table(found, rested[regime])}"
        for regime, found in results.items()
    ]
    text = "\n\n".join([*parts, legend(results, rested, quick=quick)])
    (out / "theorem41.md").write_text(text + "\n", encoding="utf-8")
    plot.save(picture(results, rested), out / "theorem41.png")
    return text


def rest_table(results: xr.Dataset, rested: xr.Dataset) -> str:
    """A line an optimizer: its test error at t_fit, after T steps, and at rest, beside what the theorem says of it."""
    rows = [["", "at rest", "at step", "test error at t_fit", "after T", "at rest", "training error", "Theorem 4.1"]]
    ended, seeds = over_seeds(results, "test_error"), rested.sizes["seed"]
    names = ("test_error_at_fit", "test_error_at_rest", "train_error_at_rest")
    at_fit, at_rest, train = (over_seeds(rested, name) for name in names)
    for k, label in enumerate(rested.optimizer.values):
        here = rested.isel(optimizer=k)
        errors = [number(one.isel(optimizer=k)) for one in (at_fit, ended, at_rest, train)]
        steps = times(here.rest_step.where(here.rest_step >= 0))
        count = f"{int((here.rest_step >= 0).sum())} of {seeds}"
        rows.append([str(label), count, steps, *errors, verdict(str(label), here.test_error_at_rest, "none at rest")])
    return markdown.table(rows)


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
        power = RULES[str(label)].norm
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
        rows.append(
            [str(label), *found, train, *gradient, met, test, verdict(str(label), here.best_test_error, "no W*")]
        )
    return markdown.table(rows)


def times(steps: xr.DataArray) -> str:
    """The range of steps over seeds."""
    known = steps.values[np.isfinite(steps.values)].astype(int)
    if not known.size:
        return "never"
    ends = dict.fromkeys([int(known.min()), int(known.max())])
    never = len(steps) - len(known)
    return " to ".join(map(str, ends)) + (f", {never} never" if never else "")


def verdict(label: str, errors: xr.DataArray, none: str) -> str:
    """In how many seeds the test error is what the theorem says of W*: 1/2 − o(1) or more, or o(1) for GD."""
    found = errors.values[np.isfinite(errors.values)]
    if not found.size:
        return none
    met = found < NEAR if label == "gd" else found >= CHANCE - NEAR
    return f"{'o(1)' if label == 'gd' else '≥ 1/2 − o(1)'}: {met.sum()} of {errors.size}"


def legend(results: Mapping[str, xr.Dataset], rested: Mapping[str, xr.Dataset], *, quick: bool) -> str:
    """What the tables' numbers mean."""
    most = dict.fromkeys(found["steps"].item() for found in rested.values())
    steps = dict.fromkeys(found["steps"].item() for found in results.values())
    return (
        f"{results['table1'].sizes['seed']} seeds, {' or '.join(map(str, steps))} steps; ranges over seeds, means with "
        f"95 % intervals. t_fit: the first of {RECORDS} recorded steps with training error 0 and data loss <= "
        f"{FITTED_LOSS:g}; W*: the iterate of least gradient norm from then on (the norm given is the largest of any "
        "seed's). The theorem is about Adam as in (3.1)–(3.3), which is adam_paper, and about GD; signGD is its "
        f"proof's model of Adam. Test errors are counted against it with o(1) = {NEAR:g}. The second table of a regime "
        "is of the same lanes, trained until they are at rest (docs/rest.md), "
        f"{' or '.join(map(str, most))} steps at most; its means at rest are over the lanes that come to it, "
        "its counts of all." + ("\nNOT the whole training: fewer steps (--quick)." if quick else "")
    )


def picture(results: Mapping[str, xr.Dataset], rested: Mapping[str, xr.Dataset]) -> Picture:
    """Test error of every optimizer in every regime: at W*, and hollow beside it at rest."""
    rows: list[dict[str, Any]] = []
    with styled():
        digest = digest_of(found.attrs["digest"] for found in (*results.values(), *rested.values()))
        figure = Picture("theorem41", digest, rows, figsize=(PAGE * 0.62, 2.4), layout="constrained")
        axes = figure.subplots()
        for k, kind in enumerate(KINDS):
            for i, regime in enumerate(results):
                for shift, found, variable in (
                    (-0.03, results, "best_test_error"),
                    (0.03, rested, "test_error_at_rest"),
                ):
                    summary = over_seeds(found[regime], variable).sel(optimizer=kind)
                    mean, low, high = (float(summary[name]) for name in ("mean", "low", "high"))
                    what = {"regime": regime, "optimizer": kind, "variable": variable, "mean": mean}
                    rows.append({**what, "low": low, "high": high, "seeds": int(summary["seeds"])})
                    hollow: dict[str, Any] = {"markerfacecolor": "white"} if found is rested else {}
                    axes.errorbar(
                        i + 0.16 * (k - 1.5) + shift, mean, [[max(0, mean - low)], [max(0, high - mean)]],
                        color=COLOURS[k], marker=MARKERS[k], markersize=4, linestyle="", capsize=2, **hollow,
                        label=kind if i == 0 and not hollow else None,
                    )  # fmt: skip
        axes.errorbar([], [], color="0.3", marker="o", markersize=4, linestyle="", label="at W*")
        axes.errorbar(
            [], [], color="0.3", marker="o", markersize=4, linestyle="", markerfacecolor="white", label="at rest"
        )
        axes.axhline(CHANCE, color="0.5", linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_xticks(range(len(results)), [TITLES[regime].split(" (")[0] for regime in results])
        axes.set_ylim(-0.05, 1.05)
        axes.set_ylabel("test error")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
