"""The pictures of Figure 1: filters side by side, and their noisiness against λ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adam_vs_gd.experiments.figure1_tables import NAMES, NOISIER, at_best
from adam_vs_gd.experiments.summary import numbers, over
from adam_vs_gd.plot.layout import own_layout
from adam_vs_gd.plot.lines import MARKERS, draw_curve
from adam_vs_gd.plot.style import COLOURS, DASHES, styled
from adam_vs_gd.plot.ticks import set_axis, wrapped
from adam_vs_gd.problems.images.filters import LIVE, of_white_noise
from adam_vs_gd.problems.images.numbers import FILTER_SIDE, set_of
from adam_vs_gd.results.axis import axis_of
from adam_vs_gd.results.columns import number
from adam_vs_gd.results.statistics import counted, over_seeds

GRID_HEIGHT, LINES_HEIGHT = 3.05, 4.4  # inches
GAP = 1  # points between filters
SMALL = 7
PAPER = 1.0


def grids(final: xr.Dataset, best: Mapping[str, float], seed: int = 0) -> Figure:
    """The filters of one seed at each optimizer's tuned λ, a grid an optimizer.

    Filters stand in the same order in each grid: those of one place began as the same random numbers. Each is scaled by
    its own largest weight, the same for its three channels; grey is 0. Filters of less than a hundredth of the largest
    norm have no picture.

    Args:
        final: (optimizer, lam, seed) with `filters`.
        best: the λ of each optimizer.
        seed: which, by its place.
    """
    rows: list[dict[str, Any]] = []
    with styled():
        layout = own_layout("figure1", final.attrs.get("digest", ""), rows, len(NAMES), len(NAMES), GRID_HEIGHT)
        images = set_of(final.attrs["images"])
        which = f"first-layer filters, seed {final.seed.values[seed]}, trained on {images}"
        layout.figure.supxlabel(f"{which}; each scaled by its own largest weight, grey is 0", fontsize=SMALL)
        for place, (label, name) in zip(layout.places, NAMES.items(), strict=True):
            here = at_best(final, label, best).isel(optimizer=0)
            filters = here.filters.isel(seed=seed).transpose("filter", "filter_y", "filter_x", "channel").values
            place.imshow(mosaic(filters), interpolation="nearest")
            place.set_axis_off()
            place.set_anchor("S")  # room above, for the title
            share = over(counted(here, "high_frequency"))
            error = over_seeds(here.expand_dims("optimizer"), "test_error").isel(optimizer=0)
            place.set_title(
                f"{name}\n$\\eta$ = {here.eta.item():g}, $\\lambda$ = {best[label]:g}\n"
                f"test error {number(error)}\nhigh frequencies {number(share)}",
                fontsize=SMALL,
            )
            for k, norm in enumerate(np.sqrt((filters**2).sum((1, 2, 3))).tolist()):
                rows.append({"optimizer": label, "lam": best[label], "seed": int(here.seed.values[seed]), "filter": k,
                             "norm": norm})  # fmt: skip
    return layout.figure


def mosaic(filters: np.ndarray) -> np.ndarray:
    """[h, w, 3] in [0, 1]: filters [m, k, k, c] in a square, one after the other along rows."""
    count, size, _, channels = filters.shape
    norms = np.sqrt((filters**2).sum((1, 2, 3)))
    columns = math.ceil(math.sqrt(count))
    lines, step = math.ceil(count / columns), size + GAP
    canvas = np.full((lines * step - GAP, columns * step - GAP, 3), PAPER)
    largest = np.abs(filters).max((1, 2, 3))
    for k, image in enumerate(filters):
        if not np.isfinite(norms[k]) or norms[k] < LIVE * norms.max() or norms[k] == 0:
            continue
        i, j = divmod(k, columns)
        shown = 0.5 + 0.5 * image / largest[k]
        canvas[i * step : i * step + size, j * step : j * step + size] = np.broadcast_to(
            shown, (size, size, 3)) if channels == 1 else shown  # fmt: skip
    return canvas


def against_lambda(final: xr.Dataset, best: Mapping[str, float]) -> Figure:
    """Every measure and both errors against λ, a colour an optimizer, with the value of white noise.

    Args:
        final: (optimizer, lam, seed) the measures.
        best: the λ of each optimizer, which has a larger mark.
    """
    panels = (*NOISIER, "test_error", "train_error")
    rows: list[dict[str, Any]] = []
    white, images = of_white_noise(FILTER_SIDE, final.sizes["channel"]), set_of(final.attrs["images"])
    looks: dict[str, dict[str, Any]] = {
        label: {"color": COLOURS[k], "linestyle": DASHES[k], "marker": MARKERS[k], "markersize": 3}
        for k, label in enumerate(NAMES)
    }
    with styled():
        layout = own_layout("figure1-lambda", final.attrs.get("digest", ""), rows, 3, len(panels), LINES_HEIGHT)
        axis = axis_of(final, "lam")
        for k, (place, name) in enumerate(zip(layout.places, panels, strict=True)):
            summary = over_seeds(final, name)
            for label, look in looks.items():
                interval = summary.sel(optimizer=label)
                draw_curve(place, axis.values, interval, **look)
                rows += numbers(interval, "lam", optimizer=label, variable=name)
                tuned: Any = {**look, "markersize": 7, "markerfacecolor": "none"}
                place.plot([best[label]], [interval["mean"].sel(lam=best[label])], **tuned)
            if name in white:
                place.axhline(white[name], color="0.5", linewidth=0.8, linestyle=":", zorder=0)
            place.set_title(wrapped(final[name].attrs["long_name"], layout.panel_points[0]))
            set_axis(place, "x", axis, layout.panel_points[0])
            if layout.is_bottom(k):
                place.set_xlabel(axis.label)
        legend: dict[str, Any] = {NAMES[label]: Line2D([], [], **look) for label, look in looks.items()}
        legend["white noise"] = Line2D([], [], color="0.5", linewidth=0.8, linestyle=":")
        layout.add_legend(legend, len(legend), f"{images}; band: 95 % over seeds; large mark: the tuned λ")
    return layout.figure
