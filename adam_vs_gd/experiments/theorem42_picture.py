"""The picture of Theorem 4.2: distance and bound, and test errors, against T."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adam_vs_gd.experiments.summary import numbers, over
from adam_vs_gd.plot.layout import own_layout
from adam_vs_gd.plot.lines import MARKERS, draw_curve
from adam_vs_gd.plot.style import COLOURS, DASHES, styled
from adam_vs_gd.results.statistics import over_seeds

HEIGHT = 3.0  # inches


def picture(results: xr.Dataset) -> Figure:
    """Two panels against T, a colour a λ: how far apart the solutions are, with the bound; test errors.

    Args:
        results: what `theorem42.compared` returns.

    Returns:
        A `Picture`.
    """
    errors = over_seeds(results, "test_error")
    panels: dict[str, dict[str, xr.Dataset]] = {
        r"distance $\|w_A - w_G\|\,/\,\|w_G\|$": {name: over(results[name]) for name in ("distance", "bound")},
        "test error": {name: errors.sel(optimizer=label) for name, label in (("Adam", "adam"), ("GD", "gd"))},
    }
    rows: list[dict[str, Any]] = []
    looks: list[dict[str, Any]] = [
        {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 3} for k in range(results.sizes["lam"])
    ]
    with styled():
        layout = own_layout("theorem42", results.attrs["digest"], rows, 2, 2, HEIGHT)
        for place, (title, shown) in zip(layout.places, panels.items(), strict=True):
            styles: list[Any] = list(DASHES[: len(shown)])
            for style, (name, interval) in zip(styles, shown.items(), strict=True):
                for k, lam in enumerate(results.lam.values.tolist()):
                    here = interval.sel(lam=lam)
                    if here["mean"].notnull().any():
                        drawn = here.assign(low=np.maximum(here.low, here["mean"] / 10))  # for a logarithmic axis
                        draw_curve(place, results.steps.values, drawn, linestyle=style, **looks[k])
                        rows += numbers(here, "steps", variable=name, lam=lam)
            place.set(title=title, xscale="log", xlabel="training steps $T$")
            keys = [Line2D([], [], color="0.3", linestyle=style) for style in styles]
            place.legend(keys, list(shown), frameon=False, loc="best")
        layout.places[0].set_yscale("log")
        values: list[Any] = [Line2D([], [], **look) for look in looks]
        texts = [rf"$\lambda$ = {lam:g}" for lam in results.lam.values]
        layout.add_legend(dict(zip(texts, values, strict=True)), len(values))
    return layout.figure
