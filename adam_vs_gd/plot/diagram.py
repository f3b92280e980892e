"""Phase diagrams."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from adam_vs_gd.errors import PlotError
from adam_vs_gd.plot.layout import Layout, given_layout, own_layout
from adam_vs_gd.plot.marks import (
    Cells,
    Legend,
    mark_level,
    mark_moving,
    mark_overlays,
    mark_significance,
    mark_statuses,
)
from adam_vs_gd.plot.picture import picture_name
from adam_vs_gd.plot.style import CHANCE, NOT_COMPUTED, Scheme, colours, styled
from adam_vs_gd.plot.ticks import set_axis, wrapped
from adam_vs_gd.results.overlay import Overlay
from adam_vs_gd.results.panels import Panel, labels_in, panels, plain, shown, where
from adam_vs_gd.results.selection import check_value, choose_axes, complete, select, swept
from adam_vs_gd.results.time import when
from adam_vs_gd.results.uneven import at_coarse, level_in
from adam_vs_gd.results.words import chance, drawn_first, is_rate

MAX_PANELS = 24
NO_BREAK = "\xa0"
ACROSS = 3  # panels side by side, where they may be wrapped
OPTIMIZERS_ACROSS = 5  # as many optimizers stand in one row
DASHED = (0, (2, 2))  # the line at the error of guessing, on the bar of colours
SHRINKS = 0.9  # a panel's height by the legend, which is known last


def phase_diagram(
    results: xr.Dataset,
    x: str | None = None,
    y: str | None = None,
    value: str | None = None,
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
    *,
    overlays: Sequence[Overlay] = (),
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """A heatmap of the mean over seeds: a panel an optimizer, their difference, a row for each value of further axes.

    Grey cells are not computed. Hatched cells hold lanes that are not fitted, crossed ones lanes that diverged; where
    only some of a cell's seeds are fitted, their fraction is written; a tilde says that some are not at rest, where
    lanes were trained until they are. Collapsed and diverged lanes do not count in the mean; a cell without any that
    does is white. In a difference, seeds are paired, a pair is as good as its worse lane, and a dot marks a cell whose
    95 % interval excludes 0. The line is the contour of 1/2, drawn only where it passes between cells whose intervals
    are on either side of it. The colour bar says at what time of the trainings the cells are; the error of guessing is
    dashed on it.

    Of refined results every place has the colour of the nearest point at which lanes were trained, further axes are
    shown at their coarse values, and the line is that of the level that was looked for, which is on the colour bar too.

    Args:
        results: the Dataset of a sweep, or any with variables of the same names.
        x: the horizontal axis; the first swept one that is not y by default.
        y: the vertical axis; the next one by default.
        value: a variable without further dimensions; by default the one that suits the results.
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
    value = value or drawn_first(results)
    check_value(results, value)
    rate = is_rate(results, value)
    of = shown(results, optimizer)
    further = [dim for dim in swept(results) if dim not in (x, y)]
    results = at_coarse(results, further)
    rows = math.prod(results.sizes[dim] for dim in further)
    if rows * len(of) > MAX_PANELS:
        raise PlotError(f"{rows * len(of)} panels for {' x '.join(further)}: fix some of these axes with --sel (sel=)")
    for overlay in overlays:
        for name in overlay.panels:
            labels_in(name, [str(label) for label in results.optimizer.values])
    flat = [panel for row in panels(results, (y, x), value, of) for panel in row]
    kinds = {kind: [panel for panel in flat if panel.is_difference == kind] for kind in (False, True)}
    with styled():
        if ax is None:
            columns = abreast(len(of), rows)
            name = picture_name([value, x, y], results, optimizer)
            numbers = [row for panel in flat for row in panel.numbers(value)]
            layout = own_layout(name, results.attrs.get("digest", ""), numbers, columns, len(flat))
        else:
            layout = given_layout(ax, len(flat))
        for kind, some in kinds.items():
            places = [place for panel, place in zip(flat, layout.places, strict=True) if panel.is_difference == kind]
            if some:
                means = np.concatenate([panel.interval["mean"].values.ravel() for panel in some])
                scheme = colours(means, error=rate, difference=kind)
                for panel, place in zip(some, places, strict=True):
                    colour(place, panel, scheme, *layout.panel_points)
                levels = [level_in(results, value, panel.name) for panel in some]
                lines: dict[float, Any] = {level: "solid" for level in levels if level is not None}
                lines |= {chance(results): DASHED} if rate and not kind else {}
                layout.add_colours(places, scheme, value_label(results, value, some), lines)
        for k, panel in enumerate(flat):
            label(layout, k, panel, flat, results)
        layout.settle()
        legends: Legend = {}
        for panel, place in zip(flat, layout.places, strict=True):
            level = level_in(results, value, panel.name)
            level = CHANCE if level is None and rate and not panel.is_difference else level
            what = "error" if rate and not panel.is_difference else plain(results[value].attrs["long_name"])
            legends |= mark(place, panel, overlays, *layout.panel_points, what=what, level=level)
        layout.add_legend(legends, 2 if layout.columns == 1 else 4)
    return layout.figure


def abreast(optimizers: int, rows: int) -> int:
    """How many panels stand side by side: the optimizers, wrapped evenly if they are many; of one its rows."""
    if optimizers == 1:
        return min(ACROSS, rows)
    if rows > 1:
        return optimizers
    return math.ceil(optimizers / math.ceil(optimizers / OPTIMIZERS_ACROSS))


def colour(place: Axes, panel: Panel, scheme: Scheme, width: float, height: float) -> None:
    """The cells of a panel that is so many points wide and high."""
    y, x = panel.axes
    place.set_facecolor(NOT_COMPUTED)
    set_axis(place, "x", x, width)
    set_axis(place, "y", y, height)
    mean = panel.interval["mean"].values
    place.pcolormesh(x.edges, y.edges, mean, cmap=scheme[0], norm=scheme[1], rasterized=True)
    place.set_xlim(x.edges[0], x.edges[-1])
    place.set_ylim(y.edges[0], y.edges[-1])


def mark(
    place: Axes,
    panel: Panel,
    overlays: Sequence[Overlay],
    width: float,
    height: float,
    *,
    what: str,
    level: float | None,
) -> Legend:
    """The marks on the cells of a panel that is so many points wide and high, and the contour of a level."""
    y, x = panel.axes
    (mesh,) = (mesh for mesh in place.collections if isinstance(mesh, QuadMesh))
    mean = panel.interval["mean"].values
    size = min(width * x.narrowest, SHRINKS * height * y.narrowest)
    cells = Cells(x, y, mesh.to_rgba(np.nan_to_num(mean)), size)
    legend, lettered = mark_statuses(place, cells, panel, np.isfinite(mean))
    legend |= mark_moving(place, cells, panel, lettered)
    if panel.is_difference:
        legend |= mark_significance(place, cells, panel, lettered)
    if level is not None:
        legend |= mark_level(place, panel, what, level)
    return legend | mark_overlays(place, panel, overlays)


def label(layout: Layout, k: int, panel: Panel, flat: Sequence[Panel], results: xr.Dataset) -> None:
    """A panel's title, and labels of its axes: inside a figure of ours only where they differ from those of others."""
    place, (y, x), (width, height) = layout.places[k], panel.axes, layout.panel_points
    place.set_title(wrapped(", ".join([panel.title, *where(panel.fixed, results)]), 1.15 * width))
    if layout.is_left(k) or not all(np.array_equal(other.axes[0].values, y.values) for other in flat):
        place.set_ylabel(wrapped(y.label, 0.7 * height))
    else:
        place.tick_params(labelleft=False)
    if layout.is_bottom(k) or not all(np.array_equal(other.axes[1].values, x.values) for other in flat):
        place.set_xlabel(wrapped(x.label, 1.15 * width))
    else:
        place.tick_params(labelbottom=False)


def value_label(results: xr.Dataset, value: str, shown: Sequence[Panel]) -> str:
    """What the colours of some panels mean, and how many seeds are behind them."""
    counted = np.concatenate([panel.interval["seeds"].values.ravel() for panel in shown])
    most, least = counted.max(), counted[counted > 0].min(initial=counted.max())
    seeds = f"{most} seed{'s' if most != 1 else ''}" if least == most else f"{least} to {most} seeds"
    what = results[value].attrs["long_name"]
    if shown[0].is_difference:
        titles = {panel.title for panel in shown}
        what += f", {titles.pop() if len(titles) == 1 else 'difference'}"
    if time := when(results, value):
        what += f" {time.replace(' ', NO_BREAK)}"
    behind = f"(mean of {seeds})" if most else "(no seed counts yet)"
    return f"{what} {behind.replace(' ', NO_BREAK)}"
