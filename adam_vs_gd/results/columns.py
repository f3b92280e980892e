"""Numbers and rows of text, aligned."""

import numpy as np
import xarray as xr


def number(interval: xr.Dataset) -> str:
    """Mean and interval of one cell."""
    found = [float(interval[name]) for name in ("mean", "low", "high")]
    if np.isnan(found[0]):
        return "-"
    mean, low, high = (f"{x:.0f}" if 1000 <= abs(x) < np.inf else f"{x:.3g}" for x in found)
    return f"{mean} [{low}, {high}]"


def columns(rows: list[list[str]]) -> str:
    """Rows of text in aligned columns."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
