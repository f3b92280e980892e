"""Whether lanes that are called converged stay what they are: trained ten times as long, none of them used to choose.

The thresholds of `problems.learning.rest` were chosen on other sizes, seeds and numbers (docs/rest.md). Of the lanes
here, those that are converged are trained on, to ten times the step at which they came to rest; what is counted is how
many change their test error by more than `SMALL`, anywhere on the way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from adam_vs_gd.engine.run import running
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.engine.sweep import run_sweep, train
from adam_vs_gd.experiments import markdown
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.spec.cells import Cell, Lane, cells
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store.files import publish
from adam_vs_gd.types import STEPS

MOST, LONGER, SMALL = 100_000, 10, 0.02
FIRST_SEED = 100  # the thresholds were chosen on seeds below
RECORD = 20  # of the longer training: the test error is looked at ten times in it
LENGTHS_A_DECADE = 8  # lanes are trained on in groups of about the same length
ALL = {"adam": {"eta": 1e-4}, "adam_paper": {"eta": 1e-4}, "signgd": {"eta": 1e-4}, "gd": {"eta": 0.2},
       "momentum": {"eta": 0.02}}  # fmt: skip
HELD_OUT: Mapping[str, Mapping[str, Any]] = {
    "disjoint": {
        "data": {"n": 30, "d": 1600, "s": [8, 50], "sigma_p": [0.06, 0.2], "alpha": [0.05, 0.3],
                 "supports": "disjoint"},
        "model": {"width": 8}, "train": {"lam": [3e-5, 1e-3]}, "optimizers": ALL,
    },
    "overlapping": {
        "data": {"n": 60, "d": 300, "s": [8, 80], "sigma_p": [0.1, 0.4], "alpha": [0.1, 0.6]},
        "model": {"width": 8}, "train": {"lam": [3e-5, 1e-3]}, "optimizers": ALL,
    },
    "fourth-power": {
        "data": {"n": 24, "d": 120, "s": [6, 40], "sigma_p": 0.25, "alpha": [0.0, 0.2, 0.7]},
        "model": {"width": 5, "q": 4, "sigma_0": 0.05}, "train": {"lam": [1e-4, 1e-3]}, "optimizers": ALL,
    },
    "paper-size": {
        "data": {"s": [40, 150, 450], "alpha": [0.1, 0.4]}, "train": {"lam": [1e-5, 2e-4]}, "optimizers": {"adam": {}},
    },
    "adam-memory": {
        "data": {"n": 60, "d": 300, "s": 30, "sigma_p": 0.2, "alpha": [0.0, 0.3]}, "model": {"width": 8},
        "optimizers": {"adam": {"eta": [3e-5, 1e-3], "beta2": [0.5, 0.9, 0.99]}},
    },
}  # fmt: skip


def reproduce(out: Path, seeds: int = 2, quick: bool = False, quiet: bool = False) -> str:
    """Take every regime to rest, train on what is converged, and count what changes.

    Args:
        out: a folder of sweeps, one a regime; `rest.md` and `rest.csv` are written into it. What is there is kept.
        seeds: how many, from `FIRST_SEED` on; the paper's size has half as many.
        quick: a tenth of the steps: little is converged by then.
        quiet: no progress.
    """
    most = MOST // 10 if quick else MOST
    tables = []
    for name, keys in HELD_OUT.items():
        count = max(1, seeds // 2) if "n" not in keys["data"] else seeds
        known = {**keys, "train": {**keys.get("train", {}), "until": "rest"}}
        spec = SweepSpec(name=name, seeds=range(FIRST_SEED, FIRST_SEED + count), steps=most, record=25, **known)
        folder = out / name
        results = run_sweep(spec, folder, quiet=quiet)
        file = folder / "longer.csv"
        if not file.exists():
            found = trained_on(spec, results, quiet=quiet)
            publish(file, found.to_csv(index=False).encode(), replace=True)
        tables.append(pd.read_csv(file).assign(regime=name, lanes=results.status.size))
    found = pd.concat(tables, ignore_index=True)
    text = report(found, most)
    (out / "rest.md").write_text(text + "\n", encoding="utf-8")
    found.to_csv(out / "rest.csv", index=False)
    return text


def trained_on(spec: SweepSpec, results: xr.Dataset, *, quiet: bool) -> pd.DataFrame:
    """The converged lanes of a sweep, trained `LONGER` times as long: a line a lane."""
    rested = [
        (spec.labels[position[0]], lane, int(results.rest_step.values[position]), results.test_error.values[position])
        for position, lane in cells(spec)
        if results.status.values[position] == CODES["converged"]
    ]
    if not rested:
        return pd.DataFrame(columns=["optimizer", "rest_step", "test_error", "steps", "furthest"])
    longer = [replaced(lane, step) for _, lane, step, _ in rested]
    everything: Sequence[Cell] = [((0, k), lane) for k, lane in enumerate(longer)]
    with running(spec, {}, Settings(quiet=quiet)) as run:
        chunks, _ = train(run._replace(cells=everything), run.here.maker.batch)
    row_of = {str(digest): (rows, i) for rows in chunks for i, digest in enumerate(rows["lane"])}
    lines = []
    for (label, _, step, error), lane in zip(rested, longer, strict=True):
        rows, i = row_of[lane.digest]
        path = rows["test_error_path"][i]
        late = path[np.linspace(0, lane.static.steps, len(path)) > step]
        furthest = late[np.abs(late - error).argmax()]
        lines.append([label, lane.hyper, step, float(error), lane.static.steps, float(furthest)])
    found = pd.DataFrame(lines, columns=["optimizer", "hyper", "rest_step", "test_error", "steps", "furthest"])
    numbers = pd.DataFrame([{k: v for k, v in hyper._asdict().items() if k != "own"} for hyper in found.pop("hyper")])
    return pd.concat([found, numbers], axis=1)


def replaced(lane: Lane, rest_step: int) -> Lane:
    """A lane that is trained for `LONGER` times the steps, at least, and does not end at rest."""
    k = math.ceil(LENGTHS_A_DECADE * math.log10(LONGER * rest_step) - 1e-9)
    steps = 10 * round(10 ** (k / LENGTHS_A_DECADE) / 10)
    return Lane(replace(lane.static, until=STEPS, steps=steps), lane.hyper, lane.seed, RECORD)


def report(found: pd.DataFrame, most: int) -> str:
    """The table behind the claim, by regime and optimizer."""
    changed = (found.furthest - found.test_error).abs() > SMALL
    rows = [["regime", "optimizer", "converged", "at step", "test error there", f"changed by more than {SMALL:g}"]]
    for (regime, optimizer), here in found.groupby(["regime", "optimizer"], sort=False):
        ends, errors = (f"{here[name].min():g} to {here[name].max():g}" for name in ("rest_step", "test_error"))
        rows.append([str(regime), str(optimizer), str(len(here)), ends, errors, str(int(changed[here.index].sum()))])
    lanes = found.drop_duplicates("regime").lanes.sum()
    count, total = int(changed.sum()), len(found)
    share = f"{count / total:.2%}" if total else "none"
    rows.append(["all", "", f"{total} of {lanes} lanes", "", "", f"{count}, {share}"])
    largest = (found.furthest - found.test_error).abs().max()
    return (
        f"{markdown.table(rows)}\n\nConverged lanes (fitted, and at rest within {most:,} steps), each trained on to "
        f"{LONGER} times the step at which it came to rest, its test error measured ten times on the way: the largest "
        f"change of any is {largest:.3f}. None of these sizes and seeds was used to choose the thresholds."
    )
