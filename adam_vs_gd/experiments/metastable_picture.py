"""The picture of `metastable`: where the feature returns, what decides it, and how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from adam_vs_gd.plot.lines import MARKERS
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import COLOURS, PAGE, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FATES = ("returned", "kept", "open")
SYMBOLS = {
    "alpha, sigma_p": r"$\alpha, \sigma_p$", "lam": r"$\lambda$", "eta": r"$\eta$", "n": "$n$", "overlap": "$ns/d$",
}  # fmt: skip
THRESHOLD = 2.0  # of x, as derived
LINEAR = 0.3  # of the axis of x, which has both signs


def drawn(found: pd.DataFrame, digest: str) -> Picture:
    """Three panels of the classes that were memorized at t_fit: α against σ_p, x against A, and lifetimes against x."""
    rows: list[dict[str, Any]] = found.to_dict("records")  # type: ignore[assignment]
    with styled():
        figure = Picture("metastable", digest, rows, figsize=(PAGE, 2.7), layout="constrained")
        first, second, third = figure.subplots(1, 3)
        over_numbers(first, found[found.study == "alpha, sigma_p"])
        fates(second, found)
        lifetimes(third, found)
    return figure


def over_numbers(place: Axes, found: pd.DataFrame) -> None:
    """The share of classes whose feature returns, over σ_p and α."""
    share = (found.fate == "returned").groupby([found.alpha, found.sigma_p]).mean().unstack()
    mesh = place.imshow(share, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1)
    place.figure.colorbar(mesh, ax=place, label="share that returns")
    place.set_xticks(range(share.shape[1]), [f"{value:g}" for value in share.columns], rotation=90)
    place.set_yticks(range(share.shape[0]), [f"{value:g}" for value in share.index])
    place.set_xlabel(r"$\sigma_p$")
    place.set_ylabel(r"$\alpha$")


def fates(place: Axes, found: pd.DataFrame) -> None:
    """Every class by what is left of its feature, against A.1's ratio."""
    for k, fate in enumerate(FATES):
        some = found[found.fate == fate]
        if len(some):
            look: dict[str, Any] = {"color": COLOURS[k], "marker": MARKERS[k], "s": 6, "linewidths": 0}
            place.scatter(np.maximum(some.A, 1e-2), some.x, label=fate, alpha=0.6, **look)
    place.set_xscale("log")
    place.set_yscale("symlog", linthresh=LINEAR, linscale=0.5)
    place.axhline(0, color="0.6", linewidth=0.6)
    place.axhline(THRESHOLD, color="0.5", linewidth=0.8, linestyle=(0, (4, 2)))
    place.axvline(1, color="0.5", linewidth=0.8, linestyle=":")
    place.set_xlabel(r"$A = \alpha n/(s\sigma_p^2)$  (0 drawn at 0.01)")
    place.set_ylabel(r"$x = (\Lambda_j/\Gamma_j)^{q-2}\, n/(s\sigma_p^2)$ at $t_\mathrm{fit}$")
    place.legend(frameon=False, loc="lower left", handletextpad=0.1)


def lifetimes(place: Axes, found: pd.DataFrame) -> None:
    """Lifetimes times η of what has returned, a colour a study."""
    some = found[found.fate == "returned"]
    for k, (study, part) in enumerate(some.groupby("study", sort=False)):
        look: dict[str, Any] = {
            "color": COLOURS[k % len(COLOURS)],
            "marker": MARKERS[k % len(MARKERS)],
            "s": 7,
            "linewidths": 0,
        }
        place.scatter(part.x, part.lifetime * part.eta, label=SYMBOLS[str(study)], alpha=0.7, **look)
    place.set_xscale("log")
    place.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    place.xaxis.set_major_formatter("{x:g}")
    place.xaxis.set_minor_locator(NullLocator())
    place.set_ylim(0, 1.45 * float((some.lifetime * some.eta).max()))
    place.set_xlabel("$x$")
    place.set_ylabel(r"lifetime$\,\times\,\eta$")
    place.legend(frameon=False, loc="upper right", handletextpad=0.1, columnspacing=0.8, ncols=3, title="what varies")
