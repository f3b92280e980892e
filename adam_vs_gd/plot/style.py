"""How pictures look: sizes of a two-column paper, and colours that survive colour blindness and a grey printer."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import CenteredNorm, Colormap, LogNorm, Normalize

STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.5,
    "mathtext.fontset": "cm",
    "figure.dpi": 200,
}
COLUMN, PAGE = 3.4, 7.0  # inches: the widths of a column and of a page of a two-column paper

SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"  # even in lightness, not red against green
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito, safe for the colour-blind
DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (8, 2)), (0, (2, 2)))  # for a grey printer

NOT_COMPUTED = "0.75"
NOT_COUNTED = "white"  # computed, but no lane of the cell counts in its mean
CROSS = "x"  # the hatch of a status that is a cross
DIVERGED = "#D55E00"
OVERLAYS = ("#D55E00", "#CC79A7", "#E69F00", "#56B4E9")  # of Okabe and Ito those that stand out on the maps
CHANCE = 0.5  # of two classes; the contour of an error is there
DECADES = 1e3  # between the least and the largest value: colours are logarithmic beyond


Scheme = tuple[str | Colormap, Normalize]
"""A colour map, and the norm that goes with it."""


def colours(values: np.ndarray, *, error: bool, difference: bool) -> Scheme:
    """The colour map and the norm for values of a variable; NaN and infinite ones do not matter.

    Error rates have the range [0, 1], always; their differences diverge from 0 over [-1, 1]. Other differences, and
    values on both sides of 0, diverge from 0 as far as they go. Positive values over more than `DECADES` have a
    logarithmic norm.
    """
    if error:
        return (DIVERGING, Normalize(-1, 1)) if difference else (SEQUENTIAL, Normalize(0, 1))
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if difference or low < 0 < high:
        return DIVERGING, CenteredNorm(0, max(abs(low), abs(high)) or 1)
    if low > 0 and high > DECADES * low:
        return SEQUENTIAL, LogNorm(low, high)
    return SEQUENTIAL, Normalize(low, high if high > low else low + 1)


def ink(face: np.ndarray) -> np.ndarray:
    """[..., 4] colours -> whether black reads better on each than white (relative luminance of sRGB)."""
    rgb = np.asarray(face, float)[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722] > 0.18


def styled() -> Any:
    """A context in which new artists look as here, and after which nothing has changed."""
    return mpl.rc_context(STYLE)
