"""Results -> text."""

from __future__ import annotations

import itertools

import numpy as np
import xarray as xr

from adam_vs_gd.selection import swept
from adam_vs_gd.statistics import over_seeds
from adam_vs_gd.variables import STATUSES

COLUMNS = ("test_error", "train_error", "data_loss", "feature_learning", "noise_memorization")


def summary(results: xr.Dataset) -> str:
    """What a sweep is, how far it has come, its statuses, and its means with 95 % intervals over the seeds."""
    return "\n\n".join([heading(results), statuses(results), table(results)])


def heading(results: xr.Dataset) -> str:
    """Axes, fixed values, progress, provenance."""
    cells = results.status.size
    done = int((results.status != STATUSES.index("pending")).sum())
    axes = ", ".join(f"{dim} ({results.sizes[dim]})" for dim in ["optimizer", *swept(results), "seed"])
    fixed = ", ".join(f"{name} = {coord.item():g}" for name, coord in results.coords.items() if coord.ndim == 0)
    lines = [
        f"{results.attrs['title']}: {done} of {cells} cells computed",
        f"axes   {axes}",
        f"fixed  {fixed}",
        f"model  {results.attrs['model']}, {results.attrs['supports']} supports, {results.attrs['precision']}",
    ]
    if "device" in results.attrs:
        lines.append(f"by     {results.attrs['versions']}; {results.attrs['platform']} ({results.attrs['device']})")
    return "\n".join(lines)


def statuses(results: xr.Dataset) -> str:
    """Cells of each status, by optimizer."""
    found = [name for k, name in enumerate(STATUSES) if bool((results.status == k).any())]
    rows = [["status", *found]]
    for k, label in enumerate(results.optimizer.values):
        here = results.status.isel(optimizer=k)
        rows.append([str(label), *(str(int((here == STATUSES.index(name)).sum())) for name in found)])
    return columns(rows)


def table(results: xr.Dataset) -> str:
    """A line a point: means over seeds, intervals, and the statuses that are not `fitted`."""
    summaries = {name: over_seeds(results, name) for name in COLUMNS}
    axes = swept(results)
    heads = [dim.removesuffix("_index") for dim in axes]
    rows = [["optimizer", *heads, "seeds", *(name.replace("_", " ") for name in COLUMNS), "not fitted"]]
    sizes = (range(results.sizes[dim]) for dim in ("optimizer", *axes))
    for index in itertools.product(*sizes):
        at = dict(zip(("optimizer", *axes), index, strict=True))
        here = results.isel(at)
        values = [f"{here[name].item():.4g}" for name in heads]
        cells = [number(summaries[name].isel(at)) for name in COLUMNS]
        found = here.status.values
        odd = {name: int((found == k).sum()) for k, name in enumerate(STATUSES) if name != "fitted"}
        note = ", ".join(f"{count} {name}" for name, count in odd.items() if count)
        counted = int(summaries["data_loss"]["seeds"].isel(at))
        rows.append([str(here.optimizer.item()), *values, str(counted), *cells, note])
    return (
        columns(rows)
        + "\n(mean over seeds, 95 % interval in brackets; diverged lanes count in none, collapsed in no error)"
    )


def number(interval: xr.Dataset) -> str:
    """Mean and interval of one cell."""
    found = [float(interval[name]) for name in ("mean", "low", "high")]
    if np.isnan(found[0]):
        return "-"
    mean, low, high = (f"{x:.0f}" if 1000 <= abs(x) < np.inf else f"{x:.3g}" for x in found)
    return f"{mean} [{low}, {high}]"


def columns(rows: list[list[str]]) -> str:
    """Rows of text in aligned columns."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
