"""The picture of `baek2025`: batch against β2 of Adam and β of Signum, and what is foretold in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.colors import Normalize

from adam_vs_gd.experiments.summary import over
from adam_vs_gd.plot.lines import draw_curve
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import COLOURS, PAGE, SEQUENTIAL, ink, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

MARGINS = {"l2": r"$\ell_2$", "linf": r"$\ell_\infty$"}


def drawn(adam: xr.Dataset, signum: xr.Dataset, digest: str, foretold: float) -> Picture:
    """A row a method: cosines with the two directions over batch and β, and along the batch at one β.

    Args:
        adam: `compared` lanes over beta2, size and seed.
        signum: the same over beta1.
        digest: of their sweeps.
        foretold: the β2 at which Adam is set beside what is foretold; Signum is shown at its largest β.
    """
    rows: list[dict[str, Any]] = []
    methods = (("Adam", adam, "beta2", r"$\beta_2$"), ("Signum", signum, "beta1", r"$\beta$"))
    cells = [over(found[name])["mean"].values for _, found, _, _ in methods for name in MARGINS]
    norm = Normalize(min(map(np.min, cells)), 1)
    with styled():
        figure = Picture("baek2025", digest, rows, figsize=(PAGE, 4.2), layout="constrained")
        places = figure.subplots(2, 3, width_ratios=[1, 1, 1.1])
        for line, (method, found, axis, symbol) in zip(places, methods, strict=True):
            for place, name in zip(line, MARGINS, strict=False):
                mesh = cosines(place, over(found[name]), axis, norm)
                place.set(title=f"{method}: cosine with {MARGINS[name]}", xlabel=symbol)
                rows += numbers(over(found[name]), method, name, axis)
            line[0].set_ylabel("batch $B$")
            last = found.sel(beta2=foretold) if method == "Adam" else found.isel(beta1=-1)
            along(line[2], last, f"{method}, {symbol} = {float(last[axis]):g}", foretold=method == "Adam")
            line[2].sharey(places[0, 2])
        figure.colorbar(mesh, ax=places[:, :2].ravel().tolist(), label="cosine (mean over data sets)", shrink=0.8)
    return figure


def cosines(place: Axes, interval: xr.Dataset, axis: str, norm: Normalize) -> QuadMesh:
    """Cells of batch against β, each with its mean."""
    mean = interval["mean"].transpose("size", axis)
    mesh = place.pcolormesh(mean.values, cmap=SEQUENTIAL, norm=norm)
    dark = ink(mesh.to_rgba(mean.values))
    for (i, k), value in np.ndenumerate(mean.values):
        place.text(k + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", size=6, color="k" if dark[i, k] else "w")
    for ticks, labels, name in ((place.set_xticks, mean[axis], axis), (place.set_yticks, mean["size"], "size")):
        ticks(np.arange(mean.sizes[name]) + 0.5, [f"{value:g}" for value in labels.values])
    return mesh


def along(place: Axes, found: xr.Dataset, title: str, *, foretold: bool) -> None:
    """Cosines along the batch, and lines where they are foretold."""
    sizes = found["size"].values
    for k, (name, text) in enumerate(MARGINS.items()):
        look: dict[str, Any] = {"color": COLOURS[k], "marker": "os"[k], "markersize": 3, "linestyle": ""}
        draw_curve(place, sizes, over(found[name]), label=text, **look)
        if foretold:
            line = over(found[f"proxy_{name}"])["mean"]
            place.plot(sizes, line, color=COLOURS[k], linewidth=0.9, linestyle=(0, (4, 2)))
    place.set(title=title, xlabel="batch $B$", ylabel="cosine", xticks=sizes)
    if not foretold:  # where there is room for a legend
        place.plot([], [], color="0.3", linewidth=0.9, linestyle=(0, (4, 2)), label="foretold")
        place.legend(frameon=False, loc=(0.03, 0.5))


def numbers(interval: xr.Dataset, method: str, name: str, axis: str) -> list[dict[str, Any]]:
    """A row a cell."""
    found = interval[["mean", "low", "high", "seeds"]].stack(cell=("size", axis))
    fields = [{"method": method, "cosine with": name}] * found.sizes["cell"]
    cells = found.cell.values.tolist()
    values = zip(*(found[key].values.tolist() for key in found.data_vars), strict=True)
    return [
        about | {"batch": size, axis: beta} | dict(zip(map(str, found.data_vars), one, strict=True))
        for about, (size, beta), one in zip(fields, cells, values, strict=True)
    ]
