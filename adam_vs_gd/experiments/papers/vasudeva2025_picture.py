"""The picture of `vasudeva2025`: errors over ω and p, boundaries in the plane, and errors over ω of trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.patches import Circle
from scipy.optimize import brentq

from adam_vs_gd.experiments.papers.vasudeva2025_samples import DONE, END, gap_of
from adam_vs_gd.experiments.papers.vasudeva2025_training import bayes_density, clusters, slope
from adam_vs_gd.experiments.summary import numbers, over
from adam_vs_gd.plot.lines import MARKERS
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import COLOURS, DASHES, OVERLAYS, PAGE, SEQUENTIAL, styled
from adam_vs_gd.results.axis import axis_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SYMBOLS = {"omega": r"$\omega$", "power": "$p$"}
CLASSES = ("#56B4E9", "#E69F00")  # −1 and +1, Okabe and Ito's


def drawn(excess: xr.DataArray, at: xr.Dataset, digest: str) -> Picture:
    """Population gradients over ω and p, boundaries where GD and Adam differ most, and excess errors for every σ.

    Args:
        excess: errors less Bayes', by population gradients, along (omega, power, seed).
        at: `beside_bayes`, of trainings on samples.
        digest: of the sweeps.
    """
    rows: list[dict[str, Any]] = []
    with styled():
        figure = Picture("vasudeva2025", digest, rows, figsize=(PAGE, 4.6), layout="constrained")
        (first, second), last = figure.subplots(2, 2)
        rows += diagram(first, excess, figure)
        rows += boundaries(second, at)
        for place, sigma in zip(last, at["sigma"].values.tolist(), strict=True):
            rows += errors(place, at.sel(sigma=sigma), sigma)
        last[0].set_ylabel("excess error over Bayes' rule")
        legend = {
            label: line
            for place in (second, last[0])
            for line, label in zip(*place.get_legend_handles_labels(), strict=True)
        }
        figure.legend(legend.values(), legend, loc="outside lower center", ncols=len(legend), frameon=False)
    return figure


def diagram(place: Axes, excess: xr.DataArray, figure: Picture) -> list[dict[str, Any]]:
    """Mean excess errors over ω and p, and the ω from which on GD's simple direction is unstable."""
    interval = over(excess)
    for name, symbol in SYMBOLS.items():
        interval[name].attrs["symbol"] = symbol
    x, y = (axis_of(interval, name) for name in SYMBOLS)
    mean = interval["mean"].transpose("power", "omega").values
    mesh = place.pcolormesh(x.edges, y.edges, mean, cmap=SEQUENTIAL, vmin=0, rasterized=True)
    figure.colorbar(mesh, ax=place, label="excess error")
    edge = brentq(lambda omega: slope(omega) - 1, 0.1, 5.0)
    place.axvline(edge, color=OVERLAYS[0], linestyle=(0, (4, 1.5)))
    place.set(
        xlabel=x.symbol, ylabel=y.symbol, xticks=x.values, yticks=y.values,
        title=r"population gradients, steps $g/|g|^p$; dashed: $\kappa(\omega) = 1$",
    )  # fmt: skip
    return [
        {"panel": "powers"} | row
        for omega in excess.omega.values.tolist()
        for row in numbers(interval.sel(omega=omega, drop=True), "power", omega=omega)
    ]


def boundaries(place: Axes, at: xr.Dataset) -> list[dict[str, Any]]:
    """Boundaries of one training each, at the same loss, where GD's error is most above Adam's."""
    gap = gap_of(at, DONE)["mean"]
    omega, sigma = gap.stack(cell=("omega", "sigma")).idxmax("cell").item()
    one = at.sel(when=DONE, omega=omega, sigma=sigma).isel(seed=0)
    means = np.asarray(clusters(omega)[0], float)
    for k, mean in enumerate(means):
        for reach in (1, 2):
            place.add_patch(Circle(mean.tolist(), reach * sigma, color=CLASSES[int(k > 0)], fill=False, linewidth=0.7))
        place.annotate("$-1$" if k == 0 else "$+1$", mean.tolist(), ha="center", va="center")
    low, high = means.min(0) - 2.2 * sigma, means.max(0) + 2.2 * sigma
    wider = max(0.0, 1.6 * (high[1] - low[1]) - (high[0] - low[0])) / 2  # so that it fills the panel
    low[0], high[0] = low[0] - wider, high[0] + wider
    x, y = np.meshgrid(np.linspace(low[0], high[0], 300), np.linspace(low[1], high[1], 301))
    place.contour(x, y, bayes_density(np.stack([x, y], -1), omega, sigma), [0.0], colors="black", linewidths=1.2)
    place.plot([], [], color="black", label="Bayes")
    far = 2 * float(np.abs([low, high]).max())
    rows = []
    for k, name in enumerate(at.optimizer.values.tolist()):
        above, below = float(one.above.sel(optimizer=name)), float(one.below.sel(optimizer=name))
        rays = np.array([[np.cos(above), np.sin(above)], [0, 0], [np.cos(below), -np.sin(below)]]) * far
        place.plot(*rays.T, color=COLOURS[k], linestyle=DASHES[k])
        rows.append(
            {"panel": "boundaries", "method": name, "omega": omega, "sigma": sigma, "above": above, "below": below}
        )
    place.set(
        xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="$x_1$", ylabel="$x_2$",
        title=rf"boundaries {DONE}, $\omega = {omega:g}$, $\sigma = {sigma:g}$",
    )  # fmt: skip
    place.set_aspect("equal")
    return rows


def errors(place: Axes, at: xr.Dataset, sigma: float) -> list[dict[str, Any]]:
    """Excess errors over ω: at the same loss, and crosses at the end; in grey those of the line."""
    rows: list[dict[str, Any]] = []
    for k, name in enumerate(at.optimizer.values.tolist()):
        for when in (DONE, END):
            interval = over(at.excess.sel(when=when, optimizer=name))
            rows += [{"panel": "errors", "sigma": sigma} | row
                     for row in numbers(interval, "omega", optimizer=name, when=when)]  # fmt: skip
            if when == DONE:
                reach = [interval["mean"] - interval.low, interval.high - interval["mean"]]
                look: dict[str, Any] = {"color": COLOURS[k], "marker": MARKERS[k], "linestyle": DASHES[k]}
                place.errorbar(
                    at.omega, interval["mean"], reach, label=name, markersize=3, linewidth=0.9, elinewidth=0.7, **look
                )
            else:
                place.plot(at.omega, interval["mean"], color=COLOURS[k], marker="x", markersize=3, linestyle="")
    highest = max(row["high"] for row in rows)
    place.plot(at.omega, at.line, color="0.5", linewidth=0.9, linestyle=(0, (4, 1.5)), label="line $x_1 = 0$")
    place.plot([], [], color="0.3", marker="x", markersize=3, linestyle="", label=END)
    place.set_ylim(-0.03 * highest, 1.1 * highest)
    place.set(
        xlabel=SYMBOLS["omega"], xticks=at.omega, title=rf"on samples, logistic loss, {DONE}, $\sigma = {sigma:g}$"
    )
    return rows
