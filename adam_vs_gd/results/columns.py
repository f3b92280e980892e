"""Numbers and rows of text, aligned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def number(interval: xr.Dataset) -> str:
    """Mean and interval of one cell."""
    return told(*(float(interval[name]) for name in ("mean", "low", "high")))


def told(mean: float, low: float, high: float) -> str:
    """A mean and its interval; "-" where there is none."""
    if math.isnan(mean):
        return "-"
    a, b, c = (f"{x:.0f}" if 1000 <= abs(x) < math.inf else f"{x:.3g}" for x in (mean, low, high))
    return f"{a} [{b}, {c}]"


def columns(rows: list[list[str]]) -> str:
    """Rows of text in aligned columns."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
