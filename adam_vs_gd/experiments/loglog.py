"""The picture of `exponents`: times against each number on logarithmic axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from adam_vs_gd.experiments.times import enough
from adam_vs_gd.plot.lines import MARKERS
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.plot.style import COLOURS, PAGE, styled
from adam_vs_gd.plot.ticks import set_axis
from adam_vs_gd.problems.two_patch.family import NUMBERS
from adam_vs_gd.results.axis import LOG, Axis
from adam_vs_gd.spec.cells import digest_of

if TYPE_CHECKING:
    from adam_vs_gd.experiments.studies import Measured

COLUMNS, WIDTH = 4, 90.0  # panels side by side; points of one
SLOPE = "the paper's slope"


def drawn(found: Sequence[Measured]) -> Picture:
    """A panel a study: geometric means over seeds, each seed faintly, and the paper's slope through the mean."""
    panels: dict[str, list[Measured]] = {}
    for one in found:
        panels.setdefault(one.study.name, []).append(one)
    labels = list(dict.fromkeys(one.label for one in found))
    digest = digest_of(dict.fromkeys(one.digest for one in found))
    rows = -(-len(panels) // COLUMNS)
    with styled():
        size = PAGE, 1.75 * rows + 0.4
        figure = Picture("exponents", digest, list(numbers(found)), figsize=size, layout="constrained")
        legend: dict[str, Any] = {}
        for k, ones in enumerate(panels.values()):
            place = figure.add_subplot(rows, COLUMNS, k + 1)
            for one in ones:
                i = labels.index(one.label)
                legend.update(draw(place, one, COLOURS[i], MARKERS[i]))
            study = ones[0].study
            symbol = NUMBERS[study.key].symbol
            set_axis(place, "x", Axis(study.key, symbol, symbol, np.array(study.values), (), LOG), WIDTH)
            place.set_yscale("log")
            place.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            place.yaxis.set_major_formatter("{x:g}")
            place.yaxis.set_minor_locator(NullLocator())
            place.set_xlabel(symbol)
            place.set_ylabel(f"${study.time}$, steps")
        legend[SLOPE] = legend.pop(SLOPE)
        figure.legend(legend.values(), legend, loc="outside lower center", ncols=len(legend), frameon=False)
    return figure


def draw(place: Axes, one: Measured, colour: str, marker: str) -> dict[str, Any]:
    """Draw one optimizer's times into a panel; returns what its marks mean."""
    x, times = np.array(one.study.values), enough(one.times)
    if not len(times):
        return {}
    place.plot(x, times.T, color=colour, alpha=0.25, linewidth=0.6)
    mean = np.exp(np.ma.log(times).mean(0))
    centre = np.exp(np.log(mean).mean()), np.exp(np.log(x).mean())
    (points,) = place.plot(x, mean, marker, color=colour, markersize=3.5)
    (line,) = place.plot(x, centre[0] * (x / centre[1]) ** one.study.predicted(), "--", color="0.4", linewidth=0.8)
    return {one.label: points, SLOPE: line}


def numbers(found: Sequence[Measured]) -> Iterator[dict[str, Any]]:
    """A row a lane."""
    for one in found:
        for (seed, k), steps in np.ndenumerate(one.times):
            what = {"time": one.study.time, "optimizer": one.label, "study": one.study.name, "seed": int(seed)}
            at = {"against": one.study.key, "value": float(one.study.values[k])}
            yield {**what, **at, "steps": float(steps), "derived": float(one.derived[seed, k])}
