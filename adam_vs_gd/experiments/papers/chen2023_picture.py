"""The picture of `chen2023`: test errors over d and ‖μ‖, and where they fall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import LogLocator

from adam_vs_gd.experiments.papers.cao2022_picture import edges as edges_of
from adam_vs_gd.experiments.papers.cao2022_picture import logarithmic
from adam_vs_gd.plot.lines import MARKERS
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import COLOURS, OVERLAYS, PAGE, SEQUENTIAL, styled
from adam_vs_gd.results.statistics import student

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.experiments.papers.chen2023 import Transition

SHOWN = (0.0, 0.5, 1.0)  # of the methods, those that have a diagram


def drawn(
    results: xr.Dataset, edges: Mapping[float, Transition], methods: Mapping[float, str], level: float
) -> Picture:
    """Diagrams of methods beside each other, and the transitions of all with the slope 1/4."""
    values = results.test_error.transpose("sam", "d", "mu", "seed")
    interval = student(values.values)
    rows = [
        {"method": methods[share], "d": d, "mu": mu}
        | {name: float(getattr(interval, name)[i, j, k]) for name in ("mean", "low", "high")}
        for i, share in enumerate(values["sam"].values.tolist())
        for j, d in enumerate(values.d.values.tolist())
        for k, mu in enumerate(values.mu.values.tolist())
    ]
    with styled():
        figure = Picture("chen2023", results.attrs.get("digest", ""), rows, figsize=(PAGE, 2.9), layout="constrained")
        *diagrams, last = figure.subplots(1, len(SHOWN) + 1)
        for place, share in zip(diagrams, SHOWN, strict=True):
            mean = interval.mean[values["sam"].values.tolist().index(share)]
            mesh = place.pcolormesh(
                edges_of(values.mu.values),
                edges_of(values.d.values),
                mean,
                cmap=SEQUENTIAL,
                vmin=0,
                vmax=1,
                rasterized=True,
            )
            place.plot(edges[share].mu, edges[share].d, color=OVERLAYS[0], marker="o", markersize=3)
            logarithmic(place, "x", "y")
            place.set_title(methods[share])
            place.set_xlabel(r"$\|\mu\|$")
            if share == SHOWN[0]:
                place.set_ylabel("$d$")
            else:
                place.set_yticklabels([])
        figure.colorbar(mesh, ax=diagrams, location="bottom", label="test error, mean over seeds", aspect=40)
        for k, (share, one) in enumerate(edges.items()):
            look: dict[str, Any] = {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 3, "linewidth": 0.8}
            reach = np.abs(np.stack([one.low, one.high]) - one.mu)
            reach = np.where(np.isfinite(reach), reach, 0)
            label = rf"{methods[share]}, $\kappa = {one.exponent[0]:.2f}$"
            last.errorbar(one.d, one.mu, reach, label=label, elinewidth=0.8, **look)
            if np.isfinite(one.mu).all():
                middle = np.exp(np.log(one.mu).mean() - np.log(one.d).mean() / 4)
                last.plot(one.d, middle * one.d**0.25, color="0.5", linestyle="--", linewidth=0.7, zorder=0)
        logarithmic(last, "x", "y")
        last.xaxis.set_major_locator(LogLocator())
        last.set_xlabel("$d$")
        last.set_ylabel(rf"$\|\mu\|$ at test error {level:g}")
        last.set_title("dashed: slope 1/4")
        figure.legend(*last.get_legend_handles_labels(), loc="outside lower center", ncols=len(edges), frameon=False)
    return figure
