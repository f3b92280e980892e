"""The picture of `cao2022`: the diagram, the collapse and the transition of each power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from adam_vs_gd.experiments.papers.cao2022_estimate import foretold_error
from adam_vs_gd.plot.lines import MARKERS, draw_curve
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import COLOURS, OVERLAYS, PAGE, SEQUENTIAL, styled
from adam_vs_gd.results.statistics import over_seeds
from adam_vs_gd.spec.cells import digest_of

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from adam_vs_gd.experiments.papers.cao2022 import Transition

THEORY, ESTIMATE = "theorems' slope $-1/q$", "estimate for finite $m$, $n$"


def drawn(found: Mapping[int, xr.Dataset], measured: Mapping[int, Transition], level: float) -> Picture:
    """A row a power: mean test errors over n and SNR, against n·SNR^q, and where they are `level`, against n."""
    rows: list[dict[str, Any]] = []
    digest = digest_of(results.attrs["digest"] for results in found.values())
    with styled():
        figure = Picture("cao2022", digest, rows, figsize=(PAGE, 2.35 * len(found) + 0.3), layout="constrained")
        places = figure.subplots(len(found), 3, squeeze=False)
        legend: dict[str, Any] = {}
        for (q, results), (first, second, third) in zip(found.items(), places, strict=True):
            errors = over_seeds(results, "test_error").sel(optimizer="gd").sortby("snr").transpose("n", "sigma_p")
            rows += numbers(q, errors)
            mesh = diagram(first, errors, measured[q])
            legend |= collapsed(second, q, errors, int(results.width), level)
            legend |= along_n(third, q, measured[q], level)
            first.set_title(f"$q = {q}$", loc="left")
        figure.colorbar(mesh, ax=places[:, 0].tolist(), location="left", label="test error, mean over seeds", aspect=40)
        figure.legend(legend.values(), legend, loc="outside lower center", ncols=5, frameon=False)
    return figure


def numbers(q: int, errors: xr.Dataset) -> list[dict[str, Any]]:
    """A row a cell."""
    return [
        {"q": q, "n": int(n), "snr": float(cell.snr)} | {k: cell[k].item() for k in ("mean", "low", "high", "seeds")}
        for n in errors.n.values
        for cell in (errors.sel(n=n).isel(sigma_p=i) for i in range(errors.sizes["sigma_p"]))
    ]


def edges(values: np.ndarray) -> np.ndarray:
    """[k + 1] edges of cells around [k] values on a logarithmic axis."""
    logs = np.log(values)
    inner = (logs[1:] + logs[:-1]) / 2
    return np.exp(np.concatenate([[2 * logs[0] - inner[0]], inner, [2 * logs[-1] - inner[-1]]]))


def logarithmic(place: Axes, *sides: str) -> None:
    """Axes with few plain numbers on them."""
    for side in sides:
        getattr(place, f"set_{side}scale")("log")
        axis = getattr(place, f"{side}axis")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())


def diagram(place: Axes, errors: xr.Dataset, one: Transition) -> Any:
    """Mean test errors over n and SNR, and where they are 1/4."""
    mesh = place.pcolormesh(
        edges(errors.n.values), edges(errors.snr.values), errors["mean"].values.T,
        cmap=SEQUENTIAL, vmin=0, vmax=1, rasterized=True,
    )  # fmt: skip
    place.plot(one.n, one.snr, color=OVERLAYS[0], marker="o", markersize=3)
    logarithmic(place, "x", "y")
    place.set_xlabel("$n$")
    place.set_ylabel(r"$\mathrm{SNR} = \|\mu\|/(\sigma_p\sqrt{d})$")
    return mesh


def collapsed(place: Axes, q: int, errors: xr.Dataset, m: int, level: float) -> dict[str, Any]:
    """Test errors of all n against n·SNR^q, and the estimate's for the smallest and the largest n."""
    legend: dict[str, Any] = {}
    for k, n in enumerate(errors.n.values.tolist()):
        x = n * errors.snr.values**q
        look: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
        legend[f"$n = {n}$"] = draw_curve(place, x, errors.sel(n=n), linewidth=0.8, markersize=3, **look)
        if n in (errors.n.values.min(), errors.n.values.max()):
            fine = np.geomspace(x.min(), x.max(), 100)
            foretold = foretold_error((fine / n) ** (1 / q), n, q, m)
            (legend[ESTIMATE],) = place.plot(fine, foretold, color="black", linestyle=(0, (4, 1.5)), linewidth=0.9)
    place.axhline(level, color="0.5", linewidth=0.8, linestyle=":", zorder=0)
    logarithmic(place, "x")
    place.xaxis.set_major_locator(LogLocator())
    place.set_xlim(0.08, 30)
    place.set_ylim(-0.02, 0.6)
    place.set_xlabel(rf"$n \cdot \mathrm{{SNR}}^{q}$")
    place.set_ylabel("test error")
    return legend


def along_n(place: Axes, q: int, one: Transition, level: float) -> dict[str, Any]:
    """The SNR at which the error is `level`, the theorems' slope through it, and the estimate."""
    middle = np.exp(np.log(one.snr).mean() + np.log(one.n).mean() / q)
    (theory,) = place.plot(one.n, middle * one.n ** (-1 / q), color="0.4", linewidth=0.9)
    (estimate,) = place.plot(one.n, one.foretold, color="black", linestyle=(0, (4, 1.5)), linewidth=0.9)
    reach = np.abs(np.stack([one.low, one.high]) - one.snr)
    place.errorbar(one.n, one.snr, reach, color=OVERLAYS[0], marker="o", markersize=3, linestyle="", elinewidth=0.8)
    logarithmic(place, "x", "y")
    place.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 4, 6, 8)))
    place.set_xlabel("$n$")
    place.set_ylabel(f"SNR at test error {level:g}")
    place.set_title(r"$\kappa = {:.3f}$ [{:.3f}, {:.3f}]".format(*one.exponent), loc="right")
    return {THEORY: theory, ESTIMATE: estimate}
