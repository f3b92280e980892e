"""Results -> pictures. Reads nothing but the Dataset, and computes nothing of the model."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.lines
import matplotlib.ticker
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from adam_vs_gd.errors import DiskError, PlotError
from adam_vs_gd.files import publish
from adam_vs_gd.selection import check_value, choose_axes, select, swept
from adam_vs_gd.statistics import over_seeds
from adam_vs_gd.variables import ERRORS, STATUSES

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "hatch.linewidth": 0.6,
    "figure.dpi": 150,
    "savefig.dpi": 200,
}
PANEL = 2.9  # inches
MAX_PANELS = 24
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito, colour-blind safe
NOT_COMPUTED = "0.75"
HATCHES: Mapping[str, str] = {"undertrained": "////", "underfit": "\\\\\\\\", "collapsed": "oo"}
AXIS_TICKS = 9  # more values than this are not all written on an axis
CHANCE = 0.5


def phase_diagram(
    results: xr.Dataset,
    x: str | None = None,
    y: str | None = None,
    value: str = "test_error",
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
) -> Figure:
    """A heatmap of the mean over seeds, a panel an optimizer, and a row for each value of further axes.

    Grey cells are not computed. Hatched cells hold lanes that are not fitted, crossed ones lanes that diverged; where
    only some seeds are, their fraction is written. Collapsed and diverged lanes do not count in the mean.

    Args:
        results: the Dataset of a sweep.
        x: the horizontal axis; the first swept one that is not y by default.
        y: the vertical axis; the next one by default.
        value: a variable without further dimensions.
        optimizer: labels; all by default.
        sel: {axis: value} fixes further axes.

    Returns:
        A matplotlib figure.

    Raises:
        PlotError: if an axis, a variable or a value does not exist, or fewer than two axes are swept.
    """
    results = select(results, sel, optimizer)
    x, y = choose_axes(results, x, y)
    check_value(results, value)
    summary = over_seeds(results, value)
    others = [dim for dim in swept(results) if dim not in (x, y)]
    points = list(itertools.product(*(range(results.sizes[dim]) for dim in others)))
    labels = [str(label) for label in results.optimizer.values]
    if len(points) * len(labels) > MAX_PANELS:
        raise PlotError(
            f"{len(points) * len(labels)} panels for {' x '.join(others)}: fix some of these axes with --sel (sel=)"
        )
    if value in ERRORS:
        low, high = 0.0, 1.0
    else:
        finite = summary["mean"].values[np.isfinite(summary["mean"].values)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    with mpl.rc_context(STYLE):
        shape = (len(points), len(labels))
        figure = Figure(figsize=(PANEL * shape[1] + 0.9, PANEL * 0.92 * shape[0] + 0.7), layout="constrained")
        panels = figure.subplots(*shape, squeeze=False)
        seen: set[str] = set()
        for (row, point), (column, label) in itertools.product(enumerate(points), enumerate(labels)):
            at = {**dict(zip(others, point, strict=True)), "optimizer": column}
            here = results.isel(at)
            panel = panels[row, column]
            mean = summary["mean"].isel(at).transpose(y, x).values
            mesh = heatmap(panel, positions(here, x), positions(here, y), mean, low, high)
            seen |= mark_statuses(panel, here, x, y)
            panel.set_xlabel(axis_label(here, x))
            panel.set_ylabel(axis_label(here, y))
            fixed = ", ".join(f"{symbol(here, dim)} = {here[dim].item():g}" for dim in others)
            panel.set_title(label + (f", {fixed}" if fixed else ""))
        bar = figure.colorbar(mesh, ax=panels, shrink=0.9, pad=0.02)
        seeds = results.sizes["seed"]
        bar.set_label(f"{results[value].attrs['long_name']}, mean of {seeds} seed{'s' if seeds > 1 else ''}")
        if value in ERRORS:
            bar.ax.axhline(CHANCE, color="white", linewidth=1.2)
            bar.ax.axhline(CHANCE, color="black", linewidth=1.2, linestyle=(0, (2, 2)))
        if seen:
            figure.legend(handles=legend_handles(seen), loc="outside lower center", ncols=len(seen), frameon=False)
    return figure


def curves(
    results: xr.Dataset,
    value: str = "test_error",
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
) -> Figure:
    """Means over seeds with their 95 % intervals along the only swept axis, a curve an optimizer.

    Args:
        results: the Dataset of a sweep.
        value: a variable without further dimensions.
        optimizer: labels; all by default.
        sel: {axis: value} fixes further axes.

    Raises:
        PlotError: if not exactly one axis is left.
    """
    results = select(results, sel, optimizer)
    axes = swept(results)
    if len(axes) != 1:
        raise PlotError(f"curves need one axis, not {len(axes)} ({', '.join(axes)}): fix the others with --sel (sel=)")
    check_value(results, value)
    summary = over_seeds(results, value)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.1), layout="constrained")
        panel = figure.subplots()
        for k, label in enumerate(results.optimizer.values):
            here = results.isel(optimizer=k)
            at = positions(here, axes[0])
            mean, low, high = (summary[name].isel(optimizer=k).values for name in ("mean", "low", "high"))
            colour = COLOURS[k % len(COLOURS)]
            panel.plot(at, mean, "o-", markersize=3, color=colour, label=str(label))
            shown = np.isfinite(low) & np.isfinite(high)
            panel.fill_between(at, low, high, where=shown, color=colour, alpha=0.2, linewidth=0)
            open_ = ~(here.status == STATUSES.index("fitted")).all("seed").values & np.isfinite(mean)
            panel.plot(at[open_], mean[open_], "o", markersize=5, markerfacecolor="white", color=colour)
        panel.set_xscale("log" if is_log(at) else "linear")
        panel.set_xlabel(axis_label(here, axes[0]))
        panel.set_ylabel(results[value].attrs["long_name"])
        if value in ERRORS:
            panel.set_ylim(-0.03, 1.03)
            panel.axhline(CHANCE, color="0.5", linewidth=0.8, linestyle=":")
        panel.legend(title="band: 95 % over seeds; open: not all fitted", title_fontsize=7)
    return figure


def trajectories(
    results: xr.Dataset, optimizer: str | Sequence[str] | None = None, sel: Mapping[str, Any] | None = None
) -> Figure:
    """Feature learning and noise memorization along the training, a panel an optimizer: the paper's Figure 2.

    Args:
        results: the Dataset of a sweep with `record` > 0.
        optimizer: labels; all by default.
        sel: {axis: value} for every swept axis.

    Raises:
        PlotError: if there are no trajectories, or an axis is left.
    """
    results = select(results, sel, optimizer)
    if "record" not in results.dims:
        raise PlotError("there are no trajectories: the sweep ran with record = 0")
    if swept(results):
        raise PlotError(f"trajectories are of one point: fix {', '.join(swept(results))} with --sel (sel=)")
    names = ("feature_learning", "noise_memorization")
    with mpl.rc_context(STYLE):
        columns = results.sizes["optimizer"]
        figure = Figure(figsize=(PANEL * columns + 0.6, PANEL), layout="constrained")
        panels = figure.subplots(1, columns, squeeze=False)[0]
        for k, panel in enumerate(panels):
            for name, colour in zip(names, COLOURS, strict=False):
                summary = over_seeds(results, f"{name}_path").isel(optimizer=k)
                attrs = results[name].attrs
                panel.plot(results.step, summary["mean"], color=colour, label=f"{attrs['long_name']} {attrs['symbol']}")
                shown = np.isfinite(summary["low"]) & np.isfinite(summary["high"])
                panel.fill_between(
                    results.step, summary["low"], summary["high"], where=shown, color=colour, alpha=0.25, lw=0
                )
            panel.axhline(0, color="0.7", linewidth=0.6, zorder=0)
            panel.set_title(str(results.optimizer.values[k]))
            panel.set_xlabel("training step $t$")
        seeds = results.sizes["seed"]
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, texts, loc="outside lower center", ncols=2, frameon=False,
            title=f"mean and 95 % interval over {seeds} seeds", title_fontsize=8,
        )  # fmt: skip
    return figure


def suitable(
    results: xr.Dataset,
    x: str | None = None,
    y: str | None = None,
    value: str | None = None,
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
) -> tuple[str, Figure]:
    """The figure that suits the axes at hand, and a name for it: a phase diagram, curves, or trajectories.

    The arguments are those of `phase_diagram`; what is None is chosen.

    Raises:
        PlotError: as they do.
    """
    left = swept(select(results, sel))
    if len(left) >= 2 or x or y:
        x, y = choose_axes(select(results, sel), x, y)
        value = value or "test_error"
        return f"{value}-{x}-{y}", phase_diagram(results, x, y, value, optimizer, sel)
    if left:
        return f"{value or 'test_error'}-{left[0]}", curves(results, value or "test_error", optimizer, sel)
    if value:
        raise PlotError(f"{value}: nothing is swept, so there is only its trajectory; leave --value (value=) out")
    return "trajectories", trajectories(results, optimizer, sel)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as its file's ending says, complete or not at all.

    Raises:
        PlotError: if the ending is not .png, .pdf or .svg.
        DiskError: if it cannot be written.
    """
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise PlotError(f"{path}: a picture's name must end in .png, .pdf or .svg")
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(path, picture.getvalue(), replace=True)
    except OSError as error:
        raise DiskError(f"{path}: this picture cannot be written: {error.strerror or error}") from None
    return path


def positions(results: xr.Dataset, dim: str) -> np.ndarray:
    """Values along an axis; of an `_index` axis those of the one optimizer in `results`, where it has any."""
    own = results.coords.get(dim.removesuffix("_index"))
    if (
        own is not None
        and own.dims == (dim,)
        and np.isfinite(own.values).all()
        and np.unique(own.values).size == own.size
    ):
        return own.values
    return results[dim].values


def symbol(results: xr.Dataset, dim: str) -> str:
    """The paper's symbol of an axis."""
    return results[dim.removesuffix("_index")].attrs.get("symbol", dim)


def axis_label(results: xr.Dataset, dim: str) -> str:
    """An axis's symbol and meaning."""
    attrs = results[dim.removesuffix("_index")].attrs
    return f"{attrs['long_name']} {attrs['symbol']}"


def is_log(values: np.ndarray) -> bool:
    """Whether values are spread more evenly on a logarithmic axis than on a linear one."""
    if len(values) < 3 or min(values) <= 0:
        return len(values) == 2 and min(values) > 0 and max(values) / min(values) >= 10

    def unevenness(v: np.ndarray) -> float:
        steps = np.diff(np.sort(v))
        return float(steps.std() / steps.mean())

    return unevenness(np.log(values)) < unevenness(np.asarray(values, float))


def edges(values: np.ndarray) -> np.ndarray:
    """[k + 1] edges of the cells around k ascending values, halfway between them in the axis's own scale."""
    if is_log(values):
        return np.exp(linear_edges(np.log(values)))
    return linear_edges(np.asarray(values, float))


def linear_edges(values: np.ndarray) -> np.ndarray:
    """Edges halfway between ascending values."""
    if len(values) == 1:
        half = 0.5 * abs(values[0]) or 0.5
        return np.array([values[0] - half, values[0] + half])
    middle = (values[:-1] + values[1:]) / 2
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def heatmap(panel: Axes, x: np.ndarray, y: np.ndarray, mean: np.ndarray, low: float, high: float) -> Any:
    """Cells around (x, y); NaN is grey. Values need not ascend."""
    right, up = np.argsort(x), np.argsort(y)
    panel.set_facecolor(NOT_COMPUTED)
    mesh = panel.pcolormesh(
        edges(x[right]), edges(y[up]), mean[np.ix_(up, right)], vmin=low, vmax=high, cmap="viridis", rasterized=True
    )
    for axis, values, scale in ((panel.xaxis, x, panel.set_xscale), (panel.yaxis, y, panel.set_yscale)):
        scale("log" if is_log(values) else "linear")
        axis.set_minor_locator(mpl.ticker.NullLocator())
        if len(values) <= AXIS_TICKS or is_log(values):
            shown = np.sort(values)[:: math.ceil(len(values) / AXIS_TICKS)]
            axis.set_major_locator(mpl.ticker.FixedLocator(shown.tolist()))
            axis.set_major_formatter(mpl.ticker.FuncFormatter(lambda v, _: f"{v:.3g}"))
    if len(x) > 6:
        panel.tick_params(axis="x", rotation=45)
    return mesh


def mark_statuses(panel: Axes, here: xr.Dataset, x: str, y: str) -> set[str]:
    """Hatch, cross and count what the colour alone would hide; returns the statuses seen."""
    seen: set[str] = set()
    status = here.status.transpose(y, x, "seed").values
    right, up = positions(here, x), positions(here, y)
    order_x, order_y = np.argsort(right), np.argsort(up)
    edge_x, edge_y = edges(right[order_x]), edges(up[order_y])
    for (row, i), (column, j) in itertools.product(enumerate(order_y), enumerate(order_x)):
        found = status[i, j]
        box = Rectangle(
            (edge_x[column], edge_y[row]), edge_x[column + 1] - edge_x[column], edge_y[row + 1] - edge_y[row],
            fill=False, linewidth=0, edgecolor="white",
        )  # fmt: skip
        centre = (right[j], up[i])
        fractions = {name: float((found == STATUSES.index(name)).mean()) for name in STATUSES}
        worst = max((name for name in HATCHES), key=lambda name: fractions[name])
        if fractions[worst] > 0:
            box.set_hatch(HATCHES[worst])
            panel.add_patch(box)
        if fractions["diverged"] > 0:
            panel.plot(*centre, "x", color="#D55E00", markersize=6, markeredgewidth=1.4)
        odd = 1 - fractions["fitted"] - fractions["pending"]
        if 0 < odd < 1 - 1e-9:
            count = round(odd * found.size)
            panel.text(*centre, f"{count}/{found.size}", color="white", fontsize=5.5, ha="center", va="center",
                       bbox={"facecolor": "0.2", "edgecolor": "none", "pad": 0.8, "alpha": 0.7})  # fmt: skip
        seen |= {name for name, fraction in fractions.items() if fraction and name != "fitted"}
    return seen


def legend_handles(seen: Iterable[str]) -> list[Any]:
    """What the marks mean."""
    handles: list[Any] = []
    seen = set(seen)
    for name in [status for status in STATUSES if status in seen]:
        if name == "diverged":
            handles.append(
                mpl.lines.Line2D(
                    [], [], marker="x", color="#D55E00", linestyle="", markeredgewidth=1.4, label="diverged"
                )
            )
        elif name == "pending":
            handles.append(Patch(facecolor=NOT_COMPUTED, edgecolor="none", label="not computed"))
        else:
            handles.append(Patch(facecolor="0.45", edgecolor="white", hatch=HATCHES[name], label=name))
    return handles
