"""Phase diagrams."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from adam_vs_gd.errors import PlotError
from adam_vs_gd.panels import Panel, panels, shown, title
from adam_vs_gd.plot.marks import (
    Cells,
    Legend,
    Overlay,
    add_legend,
    mark_level,
    mark_overlays,
    mark_significance,
    mark_statuses,
    merged,
)  # fmt: skip
from adam_vs_gd.plot.picture import Picture, given
from adam_vs_gd.plot.style import CHANCE, COLUMN, NOT_COMPUTED, PAGE, colours, styled
from adam_vs_gd.plot.ticks import set_axis
from adam_vs_gd.selection import check_value, choose_axes, complete, select, swept
from adam_vs_gd.statistics import is_error

MAX_PANELS = 24
ACROSS = 3  # panels side by side, where they may be wrapped

Scheme = tuple[str, Normalize]


def phase_diagram(
    results: xr.Dataset,
    x: str | None = None,
    y: str | None = None,
    value: str = "test_error",
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
    *,
    overlays: Sequence[Overlay] = (),
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """A heatmap of the mean over seeds: a panel an optimizer, their difference, a row for each value of further axes.

    Grey cells are not computed. Hatched cells hold lanes that are not fitted, crossed ones lanes that diverged; where
    only some of a cell's seeds are fitted, their fraction is written. Collapsed and diverged lanes do not count in the
    mean; a cell without any that does is white. In a difference, seeds are paired, a pair is as good as its worse lane,
    and a dot marks a cell whose 95 % interval excludes 0. The line is the contour of 1/2, drawn only where it passes
    between cells whose intervals are on either side of it.

    Args:
        results: the Dataset of a sweep, or any with variables of the same names.
        x: the horizontal axis; the first swept one that is not y by default.
        y: the vertical axis; the next one by default.
        value: a variable without further dimensions.
        optimizer: labels, and differences as "adam - gd"; by default every optimizer, and where there are two, their
            difference.
        sel: {axis: value} fixes further axes.
        overlays: curves to draw over the panels.
        ax: what to draw into: an Axes a panel. A figure of its own by default.

    Returns:
        A matplotlib figure: a `Picture`, which `save` writes with its numbers, or that of `ax`.

    Raises:
        PlotError: if an axis, a variable or a value does not exist, or fewer than two axes are swept.
    """
    results = select(complete(results), sel)
    x, y = choose_axes(results, x, y)
    check_value(results, value)
    of = shown(results, optimizer)
    rows = math.prod(results.sizes[dim] for dim in swept(results) if dim not in (x, y))
    if rows * len(of) > MAX_PANELS:
        others = " x ".join(dim for dim in swept(results) if dim not in (x, y))
        raise PlotError(f"{rows * len(of)} panels for {others}: fix some of these axes with --sel (sel=)")
    grid = panels(results, (y, x), value, of)
    flat = [panel for row in grid for panel in row]
    schemes = {
        difference: colours(
            np.concatenate([p.interval["mean"].values.ravel() for p in flat if p.is_difference == difference]),
            error=is_error(value), difference=difference,
        )
        for difference in sorted({panel.is_difference for panel in flat})
    }  # fmt: skip
    with styled():
        columns = len(of) if rows == 1 or len(of) > 1 else min(ACROSS, rows)
        if ax is None:
            numbers = [row for panel in flat for row in panel.numbers(value)]
            figure: Figure = own_figure(
                f"{value}-{x}-{y}", results.attrs.get("digest", ""), numbers, columns, len(flat)
            )
            places = figure.axes
        else:
            figure, places = given(ax, len(flat))
            columns = 1
        legends = []
        for k, (panel, place) in enumerate(zip(flat, places, strict=True)):
            legends.append(draw(place, panel, schemes[panel.is_difference], overlays, error=is_error(value)))
            place.set_title(title(panel, results))
            label(place, panel, flat, left=k % columns == 0, bottom=k + columns >= len(flat))
        for difference, scheme in schemes.items():
            mine = [place for panel, place in zip(flat, places, strict=True) if panel.is_difference == difference]
            of_these = [panel for panel in flat if panel.is_difference == difference]
            text = value_label(results, value, of_these, "\n" if columns > 1 and len(of_these) == 1 else " ")
            add_colours(figure, mine, scheme, text, below=columns > 1, chance=is_error(value) and not difference)
        if ax is None:
            add_legend(merged(legends), figure, 2 if columns == 1 else 4, loc="outside lower center")
        else:
            add_legend(merged(legends), places[-1], 2, loc="upper left", bbox_to_anchor=(-0.1, -0.2))
    return figure


def own_figure(name: str, digest: str, numbers: Sequence[Mapping[str, Any]], columns: int, count: int) -> Picture:
    """A figure with so many panels in so many columns."""
    width = COLUMN if columns == 1 else max(PAGE, PAGE / 4 * columns)
    rows = math.ceil(count / columns)
    across = (width - 0.7) / columns  # inches of a panel
    height = rows * (0.85 * across + 0.4) + (0.9 if columns > 1 else 0.3)
    figure = Picture(name, digest, numbers, figsize=(width, height), layout="constrained")
    for k in range(count):
        figure.add_subplot(rows, columns, k + 1)
    return figure


def draw(place: Axes, panel: Panel, scheme: Scheme, overlays: Sequence[Overlay], *, error: bool) -> Legend:
    """The cells of a panel, and the marks on them."""
    y, x = panel.axes
    sort = np.ix_(y.order, x.order)
    mean, counts = panel.interval["mean"].values[sort], panel.counts[sort]
    place.set_facecolor(NOT_COMPUTED)
    box, points = place.get_window_extent(), 72 / place.figure.dpi
    across, up = box.width * points, box.height * points
    set_axis(place, "x", x, across)
    set_axis(place, "y", y, up)
    mesh = place.pcolormesh(x.edges, y.edges, mean, cmap=scheme[0], norm=scheme[1], rasterized=True)
    place.set_xlim(x.edges[0], x.edges[-1])
    place.set_ylim(y.edges[0], y.edges[-1])
    counted = np.isfinite(mean)
    size = min(across / len(x.values), up / len(y.values))
    cells = Cells(x.edges, y.edges, x.values[x.order], y.values[y.order], mesh.to_rgba(np.nan_to_num(mean)), size)
    return merged(
        [
            mark_statuses(place, cells, counts, counted),
            mark_significance(place, cells, panel) if panel.is_difference else {},
            mark_level(place, panel) if error and not panel.is_difference else {},
            mark_overlays(place, panel, overlays),
        ]
    )


def label(place: Axes, panel: Panel, flat: Sequence[Panel], *, left: bool, bottom: bool) -> None:
    """Labels of the axes: inside a figure only where they differ from those of other panels."""
    y, x = panel.axes
    if left or not all(np.array_equal(other.axes[0].values, y.values) for other in flat):
        place.set_ylabel(y.label)
    else:
        place.tick_params(labelleft=False)
    if bottom or not all(np.array_equal(other.axes[1].values, x.values) for other in flat):
        place.set_xlabel(x.label)
    else:
        place.tick_params(labelbottom=False)


def value_label(results: xr.Dataset, value: str, shown: Sequence[Panel], separator: str) -> str:
    """What the colours of some panels mean, and how many seeds are behind them."""
    counted = np.concatenate([panel.interval["seeds"].values.ravel() for panel in shown])
    most, least = counted.max(), counted[counted > 0].min(initial=counted.max())
    seeds = f"{most} seed{'s' if most != 1 else ''}" if least == most else f"{least} to {most} seeds"
    seeds = f"mean of {seeds}" if most else "none counts yet"
    what = results[value].attrs["long_name"]
    names = {panel.name for panel in shown}
    if shown[0].is_difference:
        what += f", {names.pop().replace(' - ', ' − ')}" if len(names) == 1 else ", difference"
    return f"{what}{separator}({seeds})"


def add_colours(
    figure: Figure, places: Sequence[Axes], scheme: Scheme, text: str, *, below: bool, chance: bool
) -> None:
    """The bar that says what colours mean, with the chance level marked for errors."""
    where: Any = {"location": "bottom", "aspect": 30, "pad": 0.03} if below else {"location": "right", "pad": 0.03}
    bar = figure.colorbar(ScalarMappable(scheme[1], scheme[0]), ax=places, label=text, **where)
    bar.outline.set_linewidth(0.6)
    if chance:
        line = bar.ax.axvline if below else bar.ax.axhline
        line(CHANCE, color="white", linewidth=1.2)
        line(CHANCE, color="black", linewidth=1.2, linestyle=(0, (2, 2)))
