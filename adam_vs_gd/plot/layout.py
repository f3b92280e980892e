"""Where the panels of a picture stand: in a figure of its own, or in the Axes that somebody gave."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from adam_vs_gd.errors import PlotError
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import COLUMN, PAGE, Scheme
from adam_vs_gd.plot.ticks import wrapped

MARGIN = 0.7  # inches beside the panels
HEIGHT = 0.85  # of a panel, in its widths


class Layout(NamedTuple):
    """A figure and the Axes of its panels.

    Attributes:
        figure: what is drawn into.
        places: an Axes a panel.
        columns: how many stand side by side.
        own: whether the figure was made here.
    """

    figure: Figure
    places: Sequence[Axes]
    columns: int
    own: bool

    def is_left(self, k: int) -> bool:
        """Whether a panel names its vertical axis, even if the others have the same."""
        return not self.own or k % self.columns == 0

    def is_bottom(self, k: int) -> bool:
        """Whether a panel names its horizontal axis, even if the others have the same."""
        return not self.own or k + self.columns >= len(self.places)

    @property
    def panel_points(self) -> tuple[float, float]:
        """Width and height of a panel on the page, as far as they are settled."""
        box, points = self.places[0].get_window_extent(), 72 / self.figure.dpi
        return box.width * points, box.height * points

    def settle(self) -> None:
        """Give panels the room that labels and bars have left them."""
        self.figure.draw_without_rendering()

    def add_colours(
        self,
        places: Sequence[Axes],
        scheme: Scheme,
        text: str,
        lines: Mapping[float, Any],
        names: Mapping[float, str] | None = None,
    ) -> None:
        """The bar that says what the colours of some panels mean, with levels marked on it.

        Args:
            places: the panels.
            scheme: their colours.
            text: what these mean.
            lines: {level that is marked: the style of its line}.
            names: {value: what it is called} of the ticks, if they are not to be numbers.
        """
        below = self.own and self.columns > 1
        for some in [places] if self.own else [[place] for place in places]:
            width, height = self.panel_points
            side = len({place.get_position().x0 for place in some})
            where: Any = {"location": "bottom", "aspect": 30} if below else {"location": "right"}
            bar = self.figure.colorbar(ScalarMappable(scheme[1], scheme[0]), ax=some, pad=0.03, **where)
            bar.set_label(wrapped(text, side * width if below else height))
            bar.outline.set_linewidth(0.6)
            if names is not None:
                bar.set_ticks(list(names), labels=list(names.values()))
            line = bar.ax.axvline if below else bar.ax.axhline
            for level, style in lines.items():
                line(level, color="white", linewidth=1.2)
                line(level, color="black", linewidth=1.2, linestyle=style)

    def add_legend(self, legend: Mapping[str, Any], columns: int, title: str | None = None) -> None:
        """Say what the marks mean, if there are any, below the panels."""
        keys: Any = {"frameon": False, "handlelength": 1.8, "ncols": min(len(legend), columns), "title": title}
        if legend and self.own:
            self.figure.legend(list(legend.values()), list(legend), loc="outside lower center", **keys)
        elif legend:
            below: Any = {"loc": "upper left", "bbox_to_anchor": (0, -0.25), "borderaxespad": 0}
            self.places[-1].legend(list(legend.values()), list(legend), **keys, **below)


def own_layout(
    name: str, digest: str, numbers: Sequence[Mapping[str, Any]], columns: int, count: int, height: float | None = None
) -> Layout:
    """A new picture with so many panels in so many columns.

    Args:
        name: the picture's.
        digest: the sweep's.
        numbers: what it shows.
        columns: side by side.
        count: panels.
        height: inches of the figure; by default what suits a diagram.
    """
    width = COLUMN if columns == 1 else max(PAGE, PAGE / 4 * columns)
    rows = math.ceil(count / columns)
    if height is None:
        height = rows * (HEIGHT * (width - MARGIN) / columns + 0.4) + (1.4 if columns > 1 else 0.3)
    figure = Picture(name, digest, numbers, figsize=(width, height), layout="constrained")
    return Layout(figure, [figure.add_subplot(rows, columns, k + 1) for k in range(count)], columns, True)


def given_layout(ax: Axes | Sequence[Axes], count: int) -> Layout:
    """The Axes that somebody gave.

    Raises:
        PlotError: if they are not `count`.
    """
    places = [ax] if isinstance(ax, Axes) else list(np.ravel(np.asarray(ax, object)))
    if len(places) != count:
        raise PlotError(
            f"{count} panels for {len(places)} Axes (ax=): give an Axes for each, or choose with optimizer= and sel="
        )
    figure = places[0].get_figure(root=True)
    assert figure is not None, "an Axes is of a figure"
    return Layout(figure, places, 1, False)
