"""The scale of an axis in matplotlib, and ticks where there is room for them."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from typing import Any

import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes

from adam_vs_gd.results.axis import LINEAR, LOG, SYMLOG, Axis, written
from adam_vs_gd.results.panels import plain

LETTER, GAP, LINE = 4.2, 6.0, 12.0  # points: a tick label's letter, what is between two labels, a line of them

MATH, HOLE = r"(?<!\\)\$[^$]*\$", "\ue000\ue000"  # a symbol, and what is as wide and in no text


def set_axis(axes: Axes, side: str, axis: Axis, points: float) -> None:
    """The scale of an axis of a picture, and ticks: at values where they are words or on a logarithm, else round.

    Args:
        axes: where.
        side: "x" or "y".
        axis: what is along it, ascending.
        points: how long it is on the page.
    """
    keys: Any = {"linthresh": axis.threshold, "linscale": 0.9 * axis.step} if axis.scale == SYMLOG else {}
    set_scale, along = (axes.set_xscale, axes.xaxis) if side == "x" else (axes.set_yscale, axes.yaxis)
    set_scale(axis.scale, **keys)
    along.set_minor_locator(matplotlib.ticker.NullLocator())
    values, texts = axis.values, axis.texts
    length = max(map(len, axis.names()))
    most = max(2, int(points / (LETTER * length + GAP if side == "x" else LINE)))
    if not texts and axis.scale == LINEAR:
        whole = bool((values == np.round(values)).all())
        along.set_major_locator(matplotlib.ticker.MaxNLocator(min(6, most), steps=[1, 2, 5, 10], integer=whole))
        return
    if axis.scale == LOG and values[-1] >= 100 * values[0]:
        along.set_major_locator(matplotlib.ticker.LogLocator(numticks=most))
        return
    powers = [value for value in values if value == 0 or is_power(value)] if axis.scale == SYMLOG else []
    candidates = values if len(powers) < 3 else np.array(powers)
    kept = candidates[:: math.ceil(len(candidates) / most)]
    along.set_major_locator(matplotlib.ticker.FixedLocator(kept.tolist()))
    names = [plain(texts[int(v)]) for v in kept] if texts else numbers(kept)
    along.set_major_formatter(matplotlib.ticker.FixedFormatter(names))


def is_power(value: float) -> bool:
    """Whether a positive number is a power of ten."""
    return bool(np.isclose(np.log10(value), round(np.log10(value))))


def numbers(values: np.ndarray) -> list[str]:
    """Tick labels; far powers of ten as such."""
    far = [bool(v) and not 1e-3 <= v < 1e5 and is_power(v) for v in values]
    texts = written(values)
    return [f"$10^{{{round(np.log10(v))}}}$" if f else text for v, f, text in zip(values, far, texts, strict=True)]


def wrapped(text: str, points: float) -> str:
    """Words in lines no longer than so many points of the page; a symbol stays with the word before it."""
    symbols = re.findall(MATH, text)
    short = re.sub(rf" ?{MATH}", lambda found: "\xa0" * found[0].startswith(" ") + HOLE, text)
    lines = textwrap.fill(short, max(12, int(points / LETTER)), break_long_words=False).replace("\xa0", " ")
    return "".join(part + symbol for part, symbol in itertools.zip_longest(lines.split(HOLE), symbols, fillvalue=""))
