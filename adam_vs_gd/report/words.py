"""Names as a page writes them: without TeX."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from adam_vs_gd.markup import plain_symbol


def symbol(results: xr.Dataset, key: str) -> str:
    r"""The paper's symbol of an axis or a number, `$\sigma_p$` as σ_p; its own name where it has none."""
    return plain_symbol(str(results[key.removesuffix("_index")].attrs.get("symbol", key)))


def written(values: ArrayLike) -> list[str]:
    """[k] values as one reads them; "none" where there is none."""
    return [each(value) for value in np.asarray(values).tolist()]


def each(value: object) -> str:
    """A value as one reads it."""
    if isinstance(value, int | float):
        return "none" if math.isnan(value) else f"{value:.6g}"
    return str(value)
