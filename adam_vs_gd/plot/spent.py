"""Where the lanes of a refined sweep were spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap

from adam_vs_gd.errors import PlotError
from adam_vs_gd.plot.diagram import MAX_PANELS, abreast, label
from adam_vs_gd.plot.layout import given_layout, own_layout
from adam_vs_gd.plot.picture import Picture, picture_name
from adam_vs_gd.plot.style import styled
from adam_vs_gd.plot.ticks import set_axis
from adam_vs_gd.results.panels import Panel, panels
from adam_vs_gd.results.selection import choose_axes, complete, select, swept
from adam_vs_gd.results.uneven import at_coarse, searches
from adam_vs_gd.results.words import drawn_first

LEAST, MOST, SHARE = 0.6, 3.0, 0.6  # points across of a dot: at least, at most, and as a share of the narrowest cell
SHADES = ("#f0f0f0", "#cfe1f2", "#93c4de", "#4a97c9", "#1764ab", "#08306b")


def spent(
    results: xr.Dataset,
    x: str | None = None,
    y: str | None = None,
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
    *,
    ax: Axes | Sequence[Axes] | None = None,
) -> Picture:
    """Where lanes were trained to find a boundary: a dot a point, and how many seeds each place's nearest point has.

    Args:
        results: the Dataset of a sweep that was refined.
        x: the horizontal axis, and
        y: the vertical one; those of `phase_diagram` by default.
        optimizer: labels; by default every one that lanes were trained of.
        sel: {axis: value} fixes further axes; they are shown at their coarse values by default.
        ax: what to draw into: an Axes a panel. A figure of its own by default.

    Returns:
        A matplotlib figure: a `Picture`, which `save` writes with its numbers, or that of `ax`.

    Raises:
        PlotError: if the results are of a grid, or an axis or a value does not exist.
    """
    results = select(complete(results), sel)
    if not (looked_for := searches(results)):
        raise PlotError("these results are of a grid: every cell has all seeds")
    x, y = choose_axes(results, x, y)
    further = [dim for dim in swept(results) if dim not in (x, y)]
    results = at_coarse(results, further)
    labels = dict.fromkeys(name for one in looked_for for name in one["labels"])
    asked = [optimizer] if isinstance(optimizer, str) else list(optimizer or labels)
    if unknown := [name for name in asked if name not in labels]:
        raise PlotError(f"optimizer = {unknown[0]}: has no boundary here; there are {', '.join(labels)}")
    flat = [panel for row in panels(results, (y, x), drawn_first(results), [(one,) for one in asked]) for panel in row]
    if len(flat) > MAX_PANELS:
        raise PlotError(f"{len(flat)} panels for {' x '.join(further)}: fix some of these axes with --sel (sel=)")
    steps = sorted({seeds for one in looked_for for seeds in one["looks"]})
    shades = ListedColormap([SHADES[round(k * (len(SHADES) - 1) / len(steps))] for k in range(1, len(steps) + 1)])
    norm = BoundaryNorm(range(len(steps) + 1), shades.N)
    names = {k + 0.5: str(seeds) for k, seeds in enumerate(steps)}
    with styled():
        if ax is None:
            columns = abreast(len(asked), len(flat) // len(asked))
            numbers = [row for panel in flat for row in points(panel)]
            name = picture_name(["lanes", x, y], results, optimizer)
            layout = own_layout(name, results.attrs.get("digest", ""), numbers, columns, len(flat))
        else:
            layout = given_layout(ax, len(flat))
        layout.add_colours(layout.places, (shades, norm), "seeds of the nearest point", {}, names)
        for k, (panel, place) in enumerate(zip(flat, layout.places, strict=True)):
            up, across = panel.axes
            set_axis(place, "x", across, layout.panel_points[0])
            set_axis(place, "y", up, layout.panel_points[1])
            seeds = np.searchsorted(steps, panel.counts.sum(-1)) + 0.5
            place.pcolormesh(across.edges, up.edges, seeds, cmap=shades, norm=norm, rasterized=True)
            rows, columns_ = np.nonzero(panel.marked)
            size = min(MOST, SHARE * min(across.narrowest, up.narrowest) * min(layout.panel_points))
            dots: Any = {"s": max(LEAST, size) ** 2, "color": "black", "linewidths": 0}
            place.scatter(across.values[columns_], up.values[rows], **dots)
            place.set_xlim(across.edges[0], across.edges[-1])
            place.set_ylim(up.edges[0], up.edges[-1])
            label(layout, k, panel, flat, results)
        layout.settle()
    return layout.figure  # type: ignore[return-value]


def points(panel: Panel) -> Iterator[dict[str, Any]]:
    """A row a point: where it is, and how many seeds it has."""
    for row, counts in zip(panel.numbers("lanes"), panel.counts[panel.marked], strict=True):
        yield {key: row[key] for key in row if key not in ("mean", "low", "high")} | {"seeds": int(counts.sum())}
