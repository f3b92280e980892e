"""Results -> text."""

from __future__ import annotations

import itertools

import numpy as np
import xarray as xr
from rich.text import Text

from adam_vs_gd.problems.variables import STATUSES
from adam_vs_gd.results.panels import Panel, panels
from adam_vs_gd.results.selection import choose_axes, swept
from adam_vs_gd.results.statistics import census, over_seeds

LETTERS = {"pending": "p", "undertrained": "u", "underfit": "f", "collapsed": "c", "diverged": "x"}
VIRIDIS = ("#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")
LIGHT = 6  # colours from here on are light
MAX_HEATMAPS = 4
COLUMNS = ("test_error", "train_error", "data_loss", "feature_learning", "noise_memorization", "high_frequency",
           "total_variation")  # fmt: skip


def summary(results: xr.Dataset, width: int = 80) -> Text:
    """What a sweep is, how far it has come, statuses, a diagram, and means with 95 % intervals over the seeds.

    Args:
        results: the Dataset of a sweep, running or finished.
        width: characters of a line, for the diagram.
    """
    parts = [Text(heading(results)), Text(statuses(results)), *heatmaps(results, width), Text(table(results))]
    return Text("\n\n").join(parts)


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
        f"model  {results.attrs['model']}, {data_in_words(results)}, {results.attrs['precision']}",
    ]
    if "device" in results.attrs:
        lines.append(f"by     {results.attrs['versions']}; {results.attrs['platform']} ({results.attrs['device']})")
    return "\n".join(lines)


def data_in_words(results: xr.Dataset) -> str:
    """What the lanes were trained on."""
    if "images" not in results.attrs:
        return f"{results.attrs['supports']} supports"
    return f"{results.attrs['images']} images, {results.attrs['split']} split, augmented by {results.attrs['augment']}"


def statuses(results: xr.Dataset) -> str:
    """Cells of each status, by optimizer."""
    (_, *found), *rows = census(results)
    return columns([["status", *found], *rows])


def heatmaps(results: xr.Dataset, width: int) -> list[Text]:
    """Phase diagrams of the test error in letters, coloured where a terminal can; none without two axes.

    Args:
        results: the Dataset of a sweep.
        width: characters of a line.
    """
    if len(swept(results)) < 2:
        return []
    x, y = choose_axes(results, None, None)
    rows = panels(results, (y, x), "test_error", [(str(label),) for label in results.optimizer.values])
    flat = [panel for row in rows for panel in row]
    shown = [heatmap(panel, width) for panel in flat[:MAX_HEATMAPS]]
    more = f"{len(flat) - MAX_HEATMAPS} more panels: adam-vs-gd plot\n" if len(flat) > MAX_HEATMAPS else ""
    marks = ", ".join(f"{letter} {name}" for name, letter in LETTERS.items())
    return [*shown, Text(f"{more}(mean over seeds; . not computed; some seeds: {marks})")]


def heatmap(panel: Panel, width: int) -> Text:
    """A panel: a line a value of y, upwards; in a cell hundredths and a letter, or in less room one of them."""
    y, x = panel.axes
    rows, columns = y.names(), x.names()
    left = max(map(len, rows)) + 2
    wide = left + 4 * len(columns) <= width
    at = [f"{name} = {value}" for name, value in panel.fixed.items()]
    drawn = Text(
        f"test error of {', '.join([panel.name, *at])}: {y.name} upwards, {x.name} from {columns[0]} to {columns[-1]}"
    )
    for i, name in reversed(list(enumerate(rows))):
        drawn.append(f"\n{name:>{left - 2}}  ")
        for j in range(len(columns)):
            drawn.append(*cell(panel.interval["mean"].values[i, j], panel.counts[i, j], wide))
    if wide:
        drawn.append("\n" + " " * left + "".join(f"{text[:7]:<8}" for text in columns[::2]).rstrip())
    return drawn


def cell(mean: float, counts: np.ndarray, wide: bool) -> tuple[str, str]:
    """The letters and the colours of a cell."""
    if counts[STATUSES.index("pending")] == counts.sum():
        return " .  " if wide else ".", ""
    letter = next((letter for status, letter in LETTERS.items() if counts[STATUSES.index(status)]), "")
    if np.isnan(mean):
        return f" -{letter:<2}" if wide else letter, ""
    tenth = min(int(10 * mean), 9)
    narrow = str(tenth) if letter in ("", LETTERS["pending"]) else letter
    text = f"{f'{mean:.2f}'.removeprefix('0')[:3]}{letter:<1}" if wide else narrow
    return text, f"{'black' if tenth >= LIGHT else 'white'} on {VIRIDIS[tenth]}"


def table(results: xr.Dataset) -> str:
    """A line a point: means over seeds, intervals, and the statuses that are not `fitted`."""
    summaries = {name: over_seeds(results, name) for name in COLUMNS if name in results}
    axes = swept(results)
    heads = [dim.removesuffix("_index") for dim in axes]
    rows = [["optimizer", *heads, "seeds", *(name.replace("_", " ") for name in summaries), "not fitted"]]
    sizes = (range(results.sizes[dim]) for dim in ("optimizer", *axes))
    for index in itertools.product(*sizes):
        at = dict(zip(("optimizer", *axes), index, strict=True))
        here = results.isel(at)
        values = [f"{here[name].item():.4g}" for name in heads]
        cells = [number(summary.isel(at)) for summary in summaries.values()]
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
