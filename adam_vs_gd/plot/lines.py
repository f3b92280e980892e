"""Curves along one axis, and trajectories along the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adam_vs_gd.errors import PlotError
from adam_vs_gd.plot.layout import Layout, given_layout, own_layout
from adam_vs_gd.plot.picture import picture_name
from adam_vs_gd.plot.style import COLOURS, DASHES, colours, styled
from adam_vs_gd.plot.ticks import set_axis, wrapped
from adam_vs_gd.results.panels import panels, plain, shown, where
from adam_vs_gd.results.selection import FIXED, check_value, complete, select, swept
from adam_vs_gd.results.statistics import over_seeds
from adam_vs_gd.results.time import wanted, when
from adam_vs_gd.results.words import chance, drawn_first, drawn_together, is_rate

BAND: Any = {"alpha": 0.2, "linewidth": 0}
MARKERS = "osD^v*"


def curves(
    results: xr.Dataset,
    value: str | None = None,
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Means over seeds with their 95 % intervals along the only swept axis, a curve an optimizer.

    Points are open where not all lanes are fitted.

    Args:
        results: the Dataset of a sweep, or any with variables of the same names.
        value: a variable without further dimensions; by default the one that suits the results.
        optimizer: labels, and differences as "adam - gd"; every optimizer by default.
        sel: {axis: value} fixes further axes.
        ax: what to draw into; a figure of its own by default.

    Returns:
        A matplotlib figure: a `Picture`, which `save` writes with its numbers, or that of `ax`.

    Raises:
        PlotError: if not exactly one axis is left, or a variable or a value does not exist.
    """
    results = select(complete(results), sel)
    axes = swept(results)
    if len(axes) != 1:
        raise PlotError(f"curves need one axis, not {len(axes)} ({', '.join(axes)}): fix the others with --sel (sel=)")
    value = value or drawn_first(results)
    check_value(results, value)
    rate = is_rate(results, value)
    everyone = [str(label) for label in results.optimizer.values]
    (row,) = panels(results, axes, value, shown(results, everyone if optimizer is None else optimizer))
    differences = [panel.is_difference for panel in row]
    with styled():
        name = picture_name([value, axes[0]], results, optimizer)
        layout = place_or_own(ax, 1, name, results, [line for panel in row for line in panel.numbers(value)], 2.9)
        (place,) = layout.places
        legend: dict[str, Any] = {}
        for k, panel in enumerate(row):
            (axis,) = panel.axes
            turn = (k + k // len(COLOURS)) % len(COLOURS)  # another one with each round of the colours
            look = {"color": COLOURS[k % len(COLOURS)], "linestyle": DASHES[turn], "marker": MARKERS[turn]}
            own = panel.interval.isel(dict.fromkeys(panel.interval["mean"].dims, panel.marked))
            legend[panel.title] = draw_curve(place, axis.values[panel.marked], own, markersize=3, **look)
            unfit = (~panel.good | (panel.moving > 0)) & np.isfinite(panel.interval["mean"].values) & panel.marked
            open_: Any = {**look, "linestyle": "", "markersize": 4, "markerfacecolor": "white"}
            place.plot(axis.values[unfit], panel.interval["mean"].values[unfit], **open_)
        set_axis(place, "x", axis, layout.panel_points[0])
        place.set_xlabel(wrapped(axis.label, layout.panel_points[0]))
        what = results[value].attrs["long_name"] + (", difference" if all(differences) else "")
        at = where(results.attrs.get(FIXED, {}), results)
        what = " ".join(filter(None, [what, when(results, value)]))
        place.set_ylabel(wrapped(", ".join([what, *at]), 0.8 * layout.panel_points[1]))
        means = np.concatenate([panel.interval["mean"].values for panel in row])
        if rate:
            place.set_ylim((-1 if any(differences) else 0) - 0.03, 1.03)
        elif isinstance(colours(means, error=False, difference=any(differences))[1], LogNorm):
            place.set_yscale("log")
        if rate or any(differences):
            place.axhline(
                0 if all(differences) else chance(results), color="0.5", linewidth=0.8, linestyle=":", zorder=0
            )
        layout.add_legend(legend, 3, f"band: 95 % over seeds; open: not all {wanted(results)}")
    return layout.figure


def trajectories(
    results: xr.Dataset,
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
    *,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """What the family pairs along the training, a panel an optimizer: of two patches the paper's Figure 2.

    Args:
        results: the Dataset of a sweep with `record` > 0.
        optimizer: labels; all by default.
        sel: {axis: value} for every swept axis.
        ax: what to draw into: an Axes an optimizer. A figure of its own by default.

    Returns:
        A matplotlib figure: a `Picture`, which `save` writes with its numbers, or that of `ax`.

    Raises:
        PlotError: if there are no trajectories, or an axis is left.
    """
    results = select(complete(results), sel, optimizer)
    if "record" not in results.dims:
        raise PlotError("there are no trajectories: the sweep ran with record = 0")
    if swept(results):
        raise PlotError(f"trajectories are of one point: fix {', '.join(swept(results))} with --sel (sel=)")
    summaries = {name: over_seeds(results, f"{name}_path") for name in drawn_together(results)}
    numbers = [row for name, summary in summaries.items() for row in points(name, summary)]
    labels = [str(label) for label in results.optimizer.values]
    seeds = results.sizes["seed"]
    with styled():
        name = picture_name(["trajectories"], results, optimizer)
        layout = place_or_own(ax, len(labels), name, results, numbers, 2.6)
        legend: dict[str, Any] = {}
        for k, (label, place) in enumerate(zip(labels, layout.places, strict=True)):
            for i, (name, summary) in enumerate(summaries.items()):
                about = results[f"{name}_path"].attrs
                text = f"{about['long_name'].removesuffix(' along the training')} {about['symbol']}"
                look = {"color": COLOURS[i], "linestyle": DASHES[i]}
                legend[text] = draw_curve(place, results.step.values, summary.isel(optimizer=k), **look)
            place.axhline(0, color="0.7", linewidth=0.6, zorder=0)
            at = where(results.attrs.get(FIXED, {}), results)
            place.set_title(wrapped(", ".join([plain(label), *at]), 1.15 * layout.panel_points[0]))
            place.set_xlabel("training step $t$")
        layout.add_legend(legend, 2, f"mean and 95 % interval over {seeds} seed{'s' if seeds > 1 else ''}")
    return layout.figure


def draw_curve(place: Axes, x: np.ndarray, interval: xr.Dataset, **look: Any) -> Line2D:
    """Means along an axis, and their intervals as a band."""
    mean, low, high = (interval[name].values for name in ("mean", "low", "high"))
    (line,) = place.plot(x, mean, **look)
    there = np.isfinite(low) & np.isfinite(high)
    place.fill_between(x, low, high, where=there, color=look["color"], **BAND)
    return line


def points(name: str, summary: xr.Dataset) -> Iterator[dict[str, Any]]:
    """A row a step of every optimizer."""
    for k, label in enumerate(summary.optimizer.values):
        for i, step in enumerate(summary.step.values):
            here = summary.isel(optimizer=k, record=i)
            numbers = {field: here[field].item() for field in ("mean", "low", "high", "seeds")}
            yield {"optimizer": str(label), "step": int(step), "variable": name, **numbers}


def place_or_own(
    ax: Axes | Sequence[Axes] | None,
    columns: int,
    name: str,
    results: xr.Dataset,
    numbers: list[dict[str, Any]],
    height: float,
) -> Layout:
    """The Axes that somebody gave, or those of a new picture side by side."""
    if ax is not None:
        return given_layout(ax, columns)
    return own_layout(name, results.attrs.get("digest", ""), numbers, columns, columns, height)
