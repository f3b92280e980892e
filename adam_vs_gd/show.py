"""Results -> text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from rich.text import Text

from adam_vs_gd.problem import Outcome
from adam_vs_gd.results import overview
from adam_vs_gd.results.columns import columns, told
from adam_vs_gd.results.panels import Panel, panels
from adam_vs_gd.results.selection import choose_axes, complete, swept
from adam_vs_gd.results.time import wanted
from adam_vs_gd.results.uneven import at_coarse, searches, there
from adam_vs_gd.results.words import drawn_first, is_rate, outcomes, shown, variable_words

VIRIDIS = ("#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")
LIGHT = 6  # colours from here on are light
MAX_HEATMAPS = 4


def summary(results: xr.Dataset, width: int = 80) -> Text:
    """What a sweep is, how far it has come, statuses, a diagram, and means with 95 % intervals over the seeds.

    Args:
        results: the Dataset of a sweep, running or finished.
        width: characters of a line, for the diagram.
    """
    results = complete(results)
    coarse = at_coarse(results, swept(results))
    parts = [Text(heading(results)), Text(statuses(results)), *heatmaps(coarse, width), Text(table(results))]
    return Text("\n\n").join(parts)


def heading(results: xr.Dataset) -> str:
    """Axes, fixed values, progress, provenance."""
    found = overview.head(results)
    of = "lanes computed" if found.refined else f"of {found.cells} cells computed"
    what = ", ".join(filter(None, [found.model, found.data, found.precision]))
    lines = [
        f"{found.title}: {found.computed} {of}",
        f"axes   {', '.join(f'{dim} ({size})' for dim, size in found.axes.items())}",
        f"fixed  {', '.join(f'{name} = {value:g}' for name, value in found.fixed.items())}",
        *([f"model  {what}"] if what else []),
        *([f"time   {', '.join(found.time)}"] if found.time else []),
        *(f"{'looked' if not k else '':<6} {line}" for k, line in enumerate(found.refined)),
    ]
    if found.device is not None:
        lines.append(f"by     {found.versions}; {found.platform} ({found.device})")
    return "\n".join(lines)


def statuses(results: xr.Dataset) -> str:
    """Cells of each status, by optimizer."""
    found = overview.statuses(results)
    names = dict.fromkeys(name for counts in found.values() for name in counts)
    return columns([["status", *names], *([label, *map(str, counts.values())] for label, counts in found.items())])


def heatmaps(results: xr.Dataset, width: int) -> list[Text]:
    """Phase diagrams of the test error in letters, coloured where a terminal can; none without two axes.

    Args:
        results: the Dataset of a sweep.
        width: characters of a line.
    """
    if len(swept(results)) < 2:
        return []
    x, y = choose_axes(results, None, None)
    value = drawn_first(results)
    if not is_rate(results, value):
        return []
    here = there(results).any([dim for dim in results.status.dims if dim not in ("optimizer", "seed")])
    labels = results.optimizer.values[here.values] if searches(results) else results.optimizer.values
    rows = panels(results, (y, x), value, [(str(label),) for label in labels])
    flat = [panel for row in rows for panel in row]
    words = variable_words(results, value)
    drawn = [heatmap(panel, words, width) for panel in flat[:MAX_HEATMAPS]]
    more = f"{len(flat) - MAX_HEATMAPS} more panels: adam-vs-gd plot\n" if len(flat) > MAX_HEATMAPS else ""
    marks = ", ".join(f"{one.letter} {one.name}" for one in by_urgency(outcomes(results)))
    return [*drawn, Text(f"{more}(mean over seeds; . not computed; some seeds: {marks})")]


def by_urgency(known: Sequence[Outcome]) -> list[Outcome]:
    """The statuses that have a letter: what is not there first, then from the least to the worst."""
    return [one for one in (known[0], *reversed(known[1:])) if one.letter]


def heatmap(panel: Panel, words: str, width: int) -> Text:
    """A panel: a line a value of y, upwards; in a cell hundredths and a letter, or in less room one of them."""
    y, x = panel.axes
    rows, columns = y.names(), x.names()
    left = max(map(len, rows)) + 2
    wide = left + 4 * len(columns) <= width
    at = [f"{name} = {value}" for name, value in panel.fixed.items()]
    drawn = Text(
        f"{words} of {', '.join([panel.name, *at])}: {y.name} upwards, {x.name} from {columns[0]} to {columns[-1]}"
    )
    for i, name in reversed(list(enumerate(rows))):
        drawn.append(f"\n{name:>{left - 2}}  ")
        for j in range(len(columns)):
            drawn.append(*cell(panel.interval["mean"].values[i, j], panel.counts[i, j], panel.outcomes, wide))
    if wide:
        drawn.append("\n" + " " * left + "".join(f"{text[:7]:<8}" for text in columns[::2]).rstrip())
    return drawn


def cell(mean: float, counts: np.ndarray, known: Sequence[Outcome], wide: bool) -> tuple[str, str]:
    """The letters and the colours of a cell."""
    absent = known[0]
    if counts[0] == counts.sum():
        return " .  " if wide else ".", ""
    letter = next((one.letter for one in by_urgency(known) if counts[known.index(one)]), "")
    if np.isnan(mean):
        return f" -{letter:<2}" if wide else letter, ""
    tenth = min(int(10 * mean), 9)
    narrow = str(tenth) if letter in ("", absent.letter) else letter
    text = f"{f'{mean:.2f}'.removeprefix('0')[:3]}{letter:<1}" if wide else narrow
    return text, f"{'black' if tenth >= LIGHT else 'white'} on {VIRIDIS[tenth]}"


def table(results: xr.Dataset) -> str:
    """A line a point: means over seeds, intervals, and the statuses that are not `fitted`."""
    heads = [dim.removesuffix("_index") for dim in swept(results)]
    names = [name.replace("_", " ") for name in shown(results)]
    rows = [["optimizer", *heads, "seeds", *names, f"not {wanted(results)}"]]
    for point in overview.points(results):
        at = [f"{value:.4g}" for value in point.at.values()]
        notes = ", ".join(f"{count} {name}" for name, count in point.exceptions.items())
        rows.append([point.optimizer, *at, str(point.seeds), *(told(*three) for three in point.means.values()), notes])
    return columns(rows) + f"\n(mean over seeds, 95 % interval in brackets{not_counted(outcomes(results))})"


def not_counted(known: Sequence[Outcome]) -> str:
    """Which computed lanes do not count in means."""
    nowhere = [one.name for one in known[1:] if not one.counts]
    in_rates = [one.name for one in known[1:] if one.counts and not one.in_rates]
    words = [f"{name} lanes count in none" for name in nowhere] + [f"{name} in no error" for name in in_rates]
    return f"; {', '.join(words)}" if words else ""
