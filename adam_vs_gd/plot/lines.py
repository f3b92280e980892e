"""Curves along one axis, and trajectories along the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adam_vs_gd.errors import PlotError
from adam_vs_gd.panels import panels, shown
from adam_vs_gd.plot.picture import Picture, given
from adam_vs_gd.plot.style import CHANCE, COLOURS, COLUMN, DASHES, PAGE, styled
from adam_vs_gd.plot.ticks import set_axis
from adam_vs_gd.selection import check_value, complete, select, swept
from adam_vs_gd.statistics import is_error, over_seeds

LEARNING = ("feature_learning", "noise_memorization")
BAND: Any = {"alpha": 0.2, "linewidth": 0}
MARKERS = "osD^v*"
ROOM = 180.0  # points: the length of an axis of a picture as wide as a column


def curves(
    results: xr.Dataset,
    value: str = "test_error",
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Means over seeds with their 95 % intervals along the only swept axis, a curve an optimizer.

    Points are open where not all lanes are fitted.

    Args:
        results: the Dataset of a sweep, or any with variables of the same names.
        value: a variable without further dimensions.
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
    check_value(results, value)
    everyone = [str(label) for label in results.optimizer.values]
    (row,) = panels(results, axes, value, shown(results, everyone if optimizer is None else optimizer))
    numbers = [line for panel in row for line in panel.numbers(value)]
    with styled():
        figure, (place,) = place_or_own(ax, 1, f"{value}-{axes[0]}", results, numbers, figsize=(COLUMN, 2.7))
        for k, panel in enumerate(row):
            (axis,) = panel.axes
            at = axis.values[axis.order]
            mean, low, high = (panel.interval[name].values[axis.order] for name in ("mean", "low", "high"))
            style: Any = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
            name = panel.name.replace(" - ", " − ")
            place.plot(at, mean, linestyle=DASHES[k % len(DASHES)], markersize=3, label=name, **style)
            there = np.isfinite(low) & np.isfinite(high)
            place.fill_between(at, low, high, where=there, color=style["color"], **BAND)
            unfit = (panel.counted("fitted") < panel.counts.sum(-1))[axis.order] & np.isfinite(mean)
            place.plot(at[unfit], mean[unfit], linestyle="", markersize=4, markerfacecolor="white", **style)
        set_axis(place, "x", axis, ROOM)
        place.set_xlabel(axis.label)
        place.set_ylabel(results[value].attrs["long_name"])
        if is_error(value):
            lowest = -1 if any(panel.is_difference for panel in row) else 0
            place.set_ylim(lowest - 0.03, 1.03)
            place.axhline(CHANCE, color="0.5", linewidth=0.8, linestyle=":", zorder=0)
        says = "band: 95 % over seeds; open: not all lanes fitted"
        if ax is None:
            figure.legend(loc="outside lower center", ncols=len(row), frameon=False, title=says)
        else:
            place.legend(title=says)
    return figure


def trajectories(
    results: xr.Dataset,
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
    *,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Feature learning and noise memorization along the training, a panel an optimizer: the paper's Figure 2.

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
    summaries = {name: over_seeds(results, f"{name}_path") for name in LEARNING if f"{name}_path" in results}
    numbers = [row for name, summary in summaries.items() for row in points(name, summary)]
    columns = results.sizes["optimizer"]
    with styled():
        size = (COLUMN if columns == 1 else PAGE, 2.6)
        figure, places = place_or_own(ax, columns, "trajectories", results, numbers, figsize=size)
        for k, place in enumerate(places):
            for i, (name, summary) in enumerate(summaries.items()):
                mean, low, high = (summary[field].isel(optimizer=k) for field in ("mean", "low", "high"))
                about = results[name].attrs if name in results else {"long_name": name, "symbol": ""}
                text = f"{about['long_name']} {about['symbol']}"
                place.plot(results.step, mean, color=COLOURS[i], linestyle=DASHES[i], label=text)
                there = np.isfinite(low) & np.isfinite(high)
                place.fill_between(results.step, low, high, where=there, color=COLOURS[i], **BAND)
            place.axhline(0, color="0.7", linewidth=0.6, zorder=0)
            place.set_title(str(results.optimizer.values[k]))
            place.set_xlabel("training step $t$")
        seeds = results.sizes["seed"]
        says = f"mean and 95 % interval over {seeds} seed{'s' if seeds > 1 else ''}"
        if ax is None:
            handles, texts = places[0].get_legend_handles_labels()
            figure.legend(handles, texts, loc="outside lower center", ncols=2, frameon=False, title=says)
        else:
            places[0].legend(title=says)
    return figure


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
    **keys: Any,
) -> tuple[Figure, list[Axes]]:
    """The Axes that somebody gave, or those of a new picture side by side; and their figure."""
    if ax is not None:
        return given(ax, columns)
    figure = Picture(name, results.attrs.get("digest", ""), numbers, layout="constrained", **keys)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])
