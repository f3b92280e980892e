"""What is drawn on top of a panel's colours: statuses, significance, the contour, curves of a theory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from adam_vs_gd.panels import Panel
from adam_vs_gd.plot.style import CHANCE, DASHES, DIVERGED, HATCHES, NOT_COMPUTED, NOT_COUNTED, OVERLAYS, ink
from adam_vs_gd.transition import contour
from adam_vs_gd.variables import STATUSES

Legend = dict[str, Any]
"""{text: handle} of what has been drawn."""

TEXT_POINTS = 2.4  # smaller text is left out
OUTLINE = [withStroke(linewidth=2.4, foreground="white")]


class Overlay(NamedTuple):
    """A curve over a diagram, in the units of its axes: a theory's, or a measured boundary.

    Attributes:
        label: for the legend.
        x: [k] along the horizontal axis.
        y: [k] along the vertical axis.
        low: [k] lower ends of x's interval, if it has one.
        high: [k] upper ends of it.
        optimizer: the panel to draw it on; on all by default.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    optimizer: str | None = None


class Cells(NamedTuple):
    """The cells of a panel in the order in which they stand, as points in its Axes.

    Attributes:
        edge_x: [columns + 1].
        edge_y: [rows + 1].
        x: [columns] values.
        y: [rows] values.
        faces: [rows, columns, 4] colours.
        points: how large a cell is at least, in points of the page; the lesser of its sides.
    """

    edge_x: np.ndarray
    edge_y: np.ndarray
    x: np.ndarray
    y: np.ndarray
    faces: np.ndarray
    points: float

    def boxes(self, chosen: np.ndarray) -> list[Rectangle]:
        """The rectangles of some of the [rows, columns] cells."""
        width, height = np.diff(self.edge_x), np.diff(self.edge_y)
        return [
            Rectangle((self.edge_x[j], self.edge_y[i]), width[j], height[i]) for i, j in np.argwhere(chosen).tolist()
        ]

    def centres(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X and y of some of the [rows, columns] cells."""
        rows, columns = np.nonzero(chosen)
        return self.x[columns], self.y[rows]


def mark_statuses(axes: Axes, cells: Cells, counts: np.ndarray, counted: np.ndarray) -> Legend:
    """Hatch, cross and count what the colour alone would hide.

    Args:
        axes: where to draw.
        cells: the cells.
        counts: [rows, columns, statuses] how many seeds have each.
        counted: [rows, columns] whether a cell has a mean.
    """
    legend: Legend = {}
    of = {name: counts[..., code] for code, name in enumerate(STATUSES)}
    seeds = counts.sum(-1)
    blank = ~counted & (of["pending"] < seeds)
    axes.add_collection(PatchCollection(cells.boxes(blank), facecolor=NOT_COUNTED, linewidth=0), autolim=False)
    if (of["pending"] == seeds).any():
        legend["not computed"] = Patch(facecolor=NOT_COMPUTED, edgecolor="none")
    hatched = np.stack([of[name] for name in HATCHES])
    black = ink(cells.faces) | blank
    for k, (name, hatch) in enumerate(HATCHES.items()):
        mine = (hatched[k] > 0) & (hatched.argmax(0) == k)
        for dark in (True, False):
            boxes = cells.boxes(mine & (black == dark))
            colour = "0.1" if dark else "white"
            axes.add_collection(
                PatchCollection(boxes, facecolor="none", edgecolor=colour, linewidth=0, hatch=hatch), autolim=False
            )
        if hatched[k].any():
            legend[name] = Patch(facecolor="0.45", edgecolor="white", linewidth=0, hatch=hatch)
    if of["diverged"].any():
        cross: Mapping[str, Any] = {"marker": "x", "color": DIVERGED, "linestyle": "", "markeredgewidth": 1.2}
        size = min(6, 0.6 * cells.points)
        axes.plot(*cells.centres(of["diverged"] > 0), **cross, markersize=size, scalex=False, scaley=False)
        legend["diverged"] = Line2D([], [], **cross, markersize=5)
    mixed = (of["fitted"] != seeds) & (counts.max(-1) != seeds)
    size = min(6, 0.42 * cells.points)
    if mixed.any() and size >= TEXT_POINTS:
        legend["k/n: k of n seeds fitted"] = Line2D([], [], linestyle="")
        for i, j in np.argwhere(mixed):
            axes.text(
                cells.x[j], cells.y[i], f"{of['fitted'][i, j]}/{seeds[i, j]}", fontsize=size, color="white",
                ha="center", va="center", clip_on=True,
                bbox={"facecolor": "0.15", "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
            )  # fmt: skip
    return legend


def mark_significance(axes: Axes, cells: Cells, panel: Panel) -> Legend:
    """Dots on the cells of a difference whose interval excludes 0: full where the first is higher, open where lower."""
    legend: Legend = {}
    low, high = (panel.interval[name].values for name in ("low", "high"))
    first, second = panel.labels
    for chosen, face, text in ((low > 0, "black", f"{first} higher"), (high < 0, "white", f"{second} higher")):
        dot: Mapping[str, Any] = {
            "marker": "o", "linestyle": "", "color": "black", "markerfacecolor": face, "markeredgewidth": 0.5,
        }  # fmt: skip
        if chosen.any():
            size = min(2.2, 0.3 * cells.points)
            axes.plot(*cells.centres(chosen), **dot, markersize=size, scalex=False, scaley=False)
            legend[f"{text} (95 %)"] = Line2D([], [], **dot, markersize=3)
    return legend


def mark_level(axes: Axes, panel: Panel, level: float = CHANCE) -> Legend:
    """The contour of a level, where it is resolved."""
    y, x = panel.axes
    mean, low, high = (panel.interval[name].values[np.ix_(y.order, x.order)] for name in ("mean", "low", "high"))
    style: Mapping[str, Any] = {"color": "black", "linewidth": 1.4, "path_effects": OUTLINE}
    pieces = contour(mean, low, high, level)
    for piece in pieces:
        columns, rows = (
            axis.inverse(np.interp(at, np.arange(len(axis.values)), axis.forward(axis.values[axis.order])))
            for axis, at in ((x, piece[:, 0]), (y, piece[:, 1]))
        )
        axes.plot(columns, rows, **style, scalex=False, scaley=False)
    return {f"error {level:g}, where resolved": Line2D([], [], **style)} if pieces else {}


def mark_overlays(axes: Axes, panel: Panel, overlays: Sequence[Overlay]) -> Legend:
    """Curves of a theory, or boundaries."""
    legend: Legend = {}
    for k, overlay in enumerate(overlays):
        if overlay.optimizer not in (None, panel.name):
            continue
        colour, dash = OVERLAYS[k % len(OVERLAYS)], DASHES[(k + 1) % len(DASHES)]
        style: Mapping[str, Any] = {"color": colour, "linestyle": dash, "linewidth": 1.4, "path_effects": OUTLINE}
        axes.plot(overlay.x, overlay.y, **style, scalex=False, scaley=False)
        if overlay.low is not None and overlay.high is not None:
            left, right = (np.clip(end, *axes.get_xlim()) for end in (overlay.low, overlay.high))
            axes.hlines(overlay.y, left, right, color=colour, linewidth=0.8)
        legend[overlay.label] = Line2D([], [], **style)
    return legend


def add_legend(legend: Legend, owner: Any, columns: int, **where: Any) -> None:
    """Say what the marks mean, if there are any, below a figure or an Axes."""
    if legend:
        columns = min(len(legend), columns)
        owner.legend(list(legend.values()), list(legend), ncols=columns, frameon=False, handlelength=1.8, **where)


def merged(legends: Iterable[Legend]) -> Legend:
    """Several legends, each text once."""
    return {text: handle for legend in legends for text, handle in legend.items()}
