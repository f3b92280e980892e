"""What is drawn on top of a panel's colours: statuses, significance, the contour, curves of a theory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.transforms import ScaledTranslation

from adam_vs_gd.plot.style import CROSS, DASHES, DIVERGED, NOT_COMPUTED, NOT_COUNTED, OVERLAYS, ink
from adam_vs_gd.results.axis import Axis
from adam_vs_gd.results.overlay import Overlay
from adam_vs_gd.results.panels import Panel, plain
from adam_vs_gd.results.transition import contour, side_of
from adam_vs_gd.results.words import good_word

Legend = dict[str, Any]
"""{text: handle} of what has been drawn."""

TEXT_POINTS = 4.5  # smaller text is left out
OUTLINE = [withStroke(linewidth=2.4, foreground="white")]


class Cells(NamedTuple):
    """The cells of a panel in its Axes.

    Attributes:
        x: the horizontal axis, ascending.
        y: the vertical axis, ascending.
        faces: [rows, columns, 4] colours.
        points: how large a cell is at least, in points of the page; the lesser of its sides.
    """

    x: Axis
    y: Axis
    faces: np.ndarray
    points: float

    @property
    def text_points(self) -> float:
        """How large letters in a cell are; 0 where they could not be read."""
        size = min(6.0, 0.42 * self.points)
        return size if size >= TEXT_POINTS else 0.0

    def boxes(
        self, chosen: np.ndarray, start: np.ndarray | float = 0.0, end: np.ndarray | float = 1.0
    ) -> list[Rectangle]:
        """Rectangles in some of the [rows, columns] cells, from a share of a cell's height to another."""
        left, right = self.x.edges[:-1], self.x.edges[1:]
        edges = self.y.forward(self.y.edges)[:, None]
        low, high = (self.y.inverse(edges[:-1] + share * np.diff(edges, axis=0)) for share in (start, end))
        low, high = (np.broadcast_to(side, chosen.shape) for side in (low, high))
        return [
            Rectangle((left[j], low[i, j]), right[j] - left[j], high[i, j] - low[i, j])
            for i, j in np.argwhere(chosen).tolist()
        ]

    def mark(self, axes: Axes, chosen: np.ndarray, style: Mapping[str, Any], raised: np.ndarray) -> None:
        """A marker in some of the [rows, columns] cells: in the middle, or where it is `raised` above letters."""
        up = ScaledTranslation(0, 0.26 * self.points / 72, axes.figure.dpi_scale_trans)
        for here, transform in ((chosen & ~raised, axes.transData), (chosen & raised, axes.transData + up)):
            rows, columns = np.nonzero(here)
            if len(rows):
                at = self.x.values[columns], self.y.values[rows]
                axes.plot(*at, **style, transform=transform, scalex=False, scaley=False)


def mark_statuses(axes: Axes, cells: Cells, panel: Panel, counted: np.ndarray) -> tuple[Legend, np.ndarray]:
    """Hatch, cross and count what the colour alone would hide, in parts of a cell as large as their share of its seeds.

    Args:
        axes: where to draw.
        cells: the cells.
        panel: whose cells have statuses.
        counted: [rows, columns] whether a cell has a mean.

    Returns:
        The legend, and in which [rows, columns] cells there are letters.
    """
    legend: Legend = {}
    counts, known = panel.counts, panel.outcomes
    seeds = counts.sum(-1)
    share = {one.name: counts[..., code] / np.maximum(seeds, 1) for code, one in enumerate(known)}
    blank = ~counted & (share["pending"] < 1)
    axes.add_collection(PatchCollection(cells.boxes(blank), facecolor=NOT_COUNTED, linewidth=0), autolim=False)
    if share["pending"].any():
        grey = cells.boxes(share["pending"] > 0, 1 - share["pending"])
        axes.add_collection(PatchCollection(grey, facecolor=NOT_COMPUTED, linewidth=0), autolim=False)
        legend["not computed"] = Patch(facecolor=NOT_COMPUTED, edgecolor="none")
    black, height = ink(cells.faces) | blank, np.zeros(seeds.shape)
    for name, hatch in ((one.name, one.hatch) for one in reversed(known) if one.hatch not in ("", CROSS)):
        for dark, colour in ((True, "0.1"), (False, "white")):
            boxes = cells.boxes((share[name] > 0) & (black == dark), height, height + share[name])
            hatched = PatchCollection(boxes, facecolor="none", edgecolor=colour, linewidth=0, hatch=hatch)
            axes.add_collection(hatched, autolim=False)
        height = height + share[name]
        if share[name].any():
            legend[name] = Patch(facecolor="0.45", edgecolor="white", linewidth=0, hatch=hatch)
    is_good = np.array([one.good for one in known])
    alike = np.maximum(counts[..., is_good].sum(-1), counts[..., ~is_good].max(-1))
    mixed = (alike < seeds) & bool(cells.text_points) & panel.marked
    for name in (one.name for one in known if one.hatch == CROSS and share[one.name].any()):
        cross: Mapping[str, Any] = {"marker": "x", "color": DIVERGED, "linestyle": "", "markeredgewidth": 1.2}
        cells.mark(axes, (share[name] > 0) & panel.marked, {**cross, "markersize": min(6, 0.4 * cells.points)}, mixed)
        legend[name] = Line2D([], [], **cross, markersize=5)
    if (alike < seeds).any():
        legend["part of a cell: of its seeds"] = Line2D([], [], linestyle="")
    if mixed.any():
        legend[f"k/n: k of n seeds {good_word(known)}"] = Line2D([], [], linestyle="")
        good = counts[..., is_good].sum(-1)
        for i, j in np.argwhere(mixed):
            axes.annotate(
                f"{good[i, j]}/{seeds[i, j]}", (cells.x.values[j], cells.y.values[i]), (0, -0.2 * cells.points),
                textcoords="offset points", fontsize=cells.text_points, color="white", ha="center", va="center",
                annotation_clip=True,
                bbox={"facecolor": "0.15", "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
            )  # fmt: skip
    return legend, mixed


def mark_moving(axes: Axes, cells: Cells, panel: Panel, raised: np.ndarray) -> Legend:
    """A tilde on the cells with seeds that are not at rest, where lanes were trained until they are."""
    chosen, black = (panel.moving > 0) & panel.marked, ink(cells.faces)
    if not chosen.any():
        return {}
    tilde: Mapping[str, Any] = {"marker": r"$\sim$", "linestyle": "", "markeredgewidth": 0}
    for here, colour in ((chosen & black, "0.1"), (chosen & ~black, "white")):
        size = min(4.0, 0.5 * cells.points)
        cells.mark(axes, here, {**tilde, "color": colour, "markersize": size}, raised | panel.is_difference)
    return {"not all seeds at rest": Line2D([], [], **tilde, color="0.1", markersize=5)}


def mark_significance(axes: Axes, cells: Cells, panel: Panel, raised: np.ndarray) -> Legend:
    """Dots on the cells of a difference whose interval excludes 0: full where the first is higher, open where lower.

    Args:
        axes: where to draw.
        cells: the cells.
        panel: the difference.
        raised: [rows, columns] in which cells dots stand above letters.
    """
    legend: Legend = {}
    low, high = (panel.interval[name].values for name in ("low", "high"))
    first, second = map(plain, panel.labels)
    for chosen, face, edge, text in (
        (low > 0, "black", "white", f"{first} higher"),
        (high < 0, "white", "black", f"{second} higher"),
    ):
        dot: Mapping[str, Any] = {
            "marker": "o", "linestyle": "", "markerfacecolor": face, "markeredgecolor": edge, "markeredgewidth": 0.5,
        }  # fmt: skip
        if chosen.any():
            cells.mark(axes, chosen & panel.marked, {**dot, "markersize": min(2.6, 0.35 * cells.points)}, raised)
            legend[f"{text} (95 %)"] = Line2D([], [], **dot, markersize=3)
    return legend


def mark_level(axes: Axes, panel: Panel, what: str, level: float) -> Legend:
    """The contour of a level of something, where it is resolved."""
    y, x = panel.axes
    mean, low, high = (panel.interval[name].values for name in ("mean", "low", "high"))
    style: Mapping[str, Any] = {"color": "black", "linewidth": 1.4, "path_effects": OUTLINE}
    pieces = contour(mean, side_of(low, high, level) if panel.side is None else panel.side, level)
    for piece in pieces:
        columns, rows = (
            axis.inverse(np.interp(at, np.arange(len(axis.values)), axis.forward(axis.values)))
            for axis, at in ((x, piece[:, 0]), (y, piece[:, 1]))
        )
        axes.plot(columns, rows, **style, scalex=False, scaley=False)
    return {f"{what} {level:g}, where resolved": Line2D([], [], **style)} if pieces else {}


def mark_overlays(axes: Axes, panel: Panel, overlays: Sequence[Overlay]) -> Legend:
    """Curves of a theory, or boundaries; those of one label look alike, in whichever panel."""
    legend: Legend = {}
    labels = list(dict.fromkeys(overlay.label for overlay in overlays))
    for overlay in overlays:
        if overlay.optimizer is not None and panel.name not in overlay.panels:
            continue
        k = labels.index(overlay.label)
        colour, dash = OVERLAYS[k % len(OVERLAYS)], DASHES[(k + 1) % len(DASHES)]
        style: Mapping[str, Any] = {"color": colour, "linestyle": dash, "linewidth": 1.4, "path_effects": OUTLINE}
        axes.plot(overlay.x, overlay.y, **style, scalex=False, scaley=False)
        if overlay.low is not None and overlay.high is not None:
            left, right = (np.clip(end, *axes.get_xlim()) for end in (overlay.low, overlay.high))
            axes.hlines(overlay.y, left, right, color=colour, linewidth=0.8)
        legend[overlay.label] = Line2D([], [], **style)
    return legend
