"""The pictures of Adam against signGD: the diagram over load and s, and what changes along its rows."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adam_vs_gd import plot
from adam_vs_gd.experiments.closeness_tables import steps
from adam_vs_gd.experiments.summary import numbers, over
from adam_vs_gd.plot.layout import own_layout
from adam_vs_gd.plot.lines import MARKERS, draw_curve
from adam_vs_gd.plot.style import COLOURS, DASHES, styled
from adam_vs_gd.plot.ticks import set_axis
from adam_vs_gd.results.axis import axis_of
from adam_vs_gd.results.statistics import difference, over_seeds

HEIGHT, COLUMNS = 4.4, 3  # inches


def diagram(results: xr.Dataset, edge: xr.Dataset, estimate: xr.DataArray) -> Figure:
    """Both test errors and their difference over load and s, with the crossovers, and the estimate of signGD's."""
    panels = ["signgd", "adam - signgd"]
    overlays = [plot.Overlay("estimate for signGD", estimate.values, results.s.values, optimizer=panels)]
    for label, name in (("signgd", "signGD"), ("adam", "Adam")):
        one = edge.sel(optimizer=label)
        one = one.sel(s=one["load"].notnull())
        panels = [label, "adam - signgd"]
        overlays.append(plot.Overlay(f"{name} through 1/2", one["load"], one.s, one.low, one.high, optimizer=panels))
    return plot.phase_diagram(
        results.drop_dims(("record", "coordinates"), errors="ignore"), x="load", y="s", overlays=overlays
    )


def curves(results: xr.Dataset) -> Figure:
    """Against the load, a colour an s: test errors, Adam's steps, and how alike the solutions are."""
    errors, adams = over_seeds(results, "test_error"), {name: over(values) for name, values in steps(results).items()}
    panels: dict[str, dict[str, xr.Dataset]] = {
        "test error, Adam": {"test error, Adam": errors.sel(optimizer="adam")},
        "test error, signGD": {"test error, signGD": errors.sel(optimizer="signgd")},
        "test error, Adam − signGD": {"difference": difference(results, "test_error", "adam", "signgd")},
        "Adam's steps, noise / feature": {"noise/feature": adams["noise/feature"]},
        "share of the same sign": {"Adam's step, $-\\nabla L$": adams["signs agree"],
                                   "both moves from $W_0$": over(results.moved_alike)},
        r"distance $\|W_A - W_S\|\,/\,\|W_S\|$": {"distance": over(results.distance)},
    }  # fmt: skip
    rows: list[dict[str, Any]] = []
    looks: list[dict[str, Any]] = [
        {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 3} for k in range(results.sizes["s"])
    ]
    with styled():
        layout = own_layout("closeness-curves", results.attrs["digest"], rows, COLUMNS, len(panels), HEIGHT)
        for place, (title, shown) in zip(layout.places, panels.items(), strict=True):
            place.set_title(title)
            set_axis(place, "x", axis_of(results, "load"), layout.panel_points[0])
            styles: list[Any] = list(DASHES[: len(shown)])
            for style, (name, interval) in zip(styles, shown.items(), strict=True):
                for look, s in zip(looks, results.s.values.tolist(), strict=True):
                    draw_curve(place, results["load"].values, interval.sel(s=s), linestyle=style, **look)
                    rows += numbers(interval.sel(s=s), "load", variable=name, s=s)
            if len(shown) > 1:
                keys = [Line2D([], [], color="0.3", linestyle=style) for style in styles]
                place.legend(keys, list(shown), frameon=False, loc="lower right")
        for place, level in zip(layout.places, (0.5, 0.5, 0.0, 1.0), strict=False):
            place.axhline(level, color="0.5", linewidth=0.8, linestyle=":", zorder=0)
        for place in layout.places[:2]:
            place.set_ylim(-0.03, 1.03)
        layout.places[4].set_ylim(0.55, 1.03)
        for place in layout.places[-COLUMNS:]:
            place.set_xlabel("load $n s/d$")
        values: list[Any] = [Line2D([], [], **look) for look in looks]
        texts = [f"$s$ = {s}" for s in results.s.values]
        layout.add_legend(dict(zip(texts, values, strict=True)), len(values))
    return layout.figure
