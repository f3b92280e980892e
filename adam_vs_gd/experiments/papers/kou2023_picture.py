"""The picture of `kou2023`: both heatmaps of the test error, their difference, and the level in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from adam_vs_gd.experiments.papers.kou2023_agreement import CROSSED, THEORY, Line, level_line
from adam_vs_gd.plot.marks import OUTLINE
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import DASHES, DIVERGING, OVERLAYS, PAGE, SEQUENTIAL, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

MOST = 0.5  # of a test error on average: guessing
WIDEST = 0.15  # of a difference, on the bar of colours


def drawn(theirs: xr.DataArray, ours: xr.DataArray, digest: str) -> Picture:
    """Three panels over ‖μ‖ and d: the published test error, ours, and ours minus theirs.

    Args:
        theirs: [d, mu] means.
        ours: the same.
        digest: of the sweep.
    """
    lines = [level_line(table) for table in (theirs, ours)]
    rows: list[dict[str, Any]] = [
        {"d": d, "theirs": float(theirs_at), "ours": float(ours_at)}
        for d, theirs_at, ours_at in zip(theirs.d.values.tolist(), lines[0].at, lines[1].at, strict=True)
    ]
    with styled():
        figure = Picture("kou2023", digest, rows, figsize=(PAGE, 2.9), layout="constrained")
        places = figure.subplots(1, 3, sharey=True)
        error, difference = Normalize(0, MOST), Normalize(-WIDEST, WIDEST)
        for place, table, title in zip(places, (theirs, ours), ("published", "here"), strict=False):
            mesh = coloured(place, table, SEQUENTIAL, error)
            place.set_title(title)
        figure.colorbar(mesh, ax=places[:2].tolist(), label="test error (mean of the trainings)")
        mesh = coloured(places[2], ours - theirs, DIVERGING, difference)
        places[2].set_title("here − published")
        figure.colorbar(mesh, ax=places[2], label="difference", extend="both")
        for place, line in zip(places, lines, strict=False):
            mark(place, theirs.d.values, line)
        places[0].set_ylabel("dimension $d$")
        keys, names = places[0].get_legend_handles_labels()
        figure.legend(keys, names, loc="outside lower center", ncols=len(names), frameon=False)
    return figure


def coloured(place: Axes, table: xr.DataArray, colours: str, norm: Normalize) -> Any:
    """The cells of a panel."""
    mesh = place.pcolormesh(table.mu.values, table.d.values, table.values, cmap=colours, norm=norm, rasterized=True)
    place.xaxis.set_major_locator(MaxNLocator(5))
    place.set_xlabel(r"signal $\|\mu\|$")
    return mesh


def mark(place: Axes, d: np.ndarray, line: Line) -> None:
    """Where the rows of a panel cross the level, and power laws through that."""
    kappa = line.exponent.value
    style: dict[str, Any] = {"linewidth": 1.4, "path_effects": OUTLINE, "scalex": False, "scaley": False}
    place.plot(line.at, d, ".", color="white", markersize=1.5, scalex=False, scaley=False)
    fitted, theory = line.prefactor * d**kappa, line.given * d**THEORY
    place.plot(fitted, d, color=OVERLAYS[0], label=rf"test error {CROSSED:g}, fitted $c\,d^\kappa$", **style)
    name = r"$\|\mu\| = C\,d^{1/4}$, $C$ fitted"
    place.plot(theory, d, color=OVERLAYS[1], linestyle=DASHES[1], label=name, **style)
    place.text(0.97, 0.97, rf"$\kappa$ = {kappa:.3f}", transform=place.transAxes, ha="right", va="top", color="white")
