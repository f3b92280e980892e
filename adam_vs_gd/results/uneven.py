"""Results of a sweep that was refined: which of the cells of their union of values stand for something, and for what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from adam_vs_gd.results.axis import Axis
from adam_vs_gd.results.statistics import LEVEL
from adam_vs_gd.results.words import STATUS, pending

ATTRIBUTE = "refinement"  # of results: what was looked for, as JSON


def refinement(results: xr.Dataset) -> Mapping[str, Any] | None:
    """What a refined sweep has looked for, and how far it is; None of others."""
    return json.loads(results.attrs[ATTRIBUTE]) if ATTRIBUTE in results.attrs else None


def unfinished(results: xr.Dataset) -> bool:
    """Whether lanes are missing that the sweep has asked for."""
    about = refinement(results)
    return bool((results[STATUS] == pending(results)).any() if about is None else about["missing"])


def there(results: xr.Dataset) -> xr.DataArray:
    """[optimizer, axes] whether a cell has a lane that is not pending."""
    return (results[STATUS] != pending(results)).any("seed")


def at_coarse(results: xr.Dataset, dims: Sequence[str]) -> xr.Dataset:
    """Refined results at the coarse values of some axes; others as they are."""
    if ATTRIBUTE not in results.attrs:
        return results
    chosen = {dim: np.isin(results[dim].values, results[dim].attrs[COARSE]) for dim in dims if dim in results.dims}
    return results.isel({dim: np.flatnonzero(here) for dim, here in chosen.items()})


def searches(results: xr.Dataset) -> Sequence[Mapping[str, Any]]:
    """What has been looked for in refined results; nothing in others."""
    about = refinement(results)
    return [] if about is None else about["searches"]


def confidence(results: xr.Dataset) -> float:
    """Of an interval by which a point is on one side of a level: in refined results each of several looks has its own."""
    return min((one["confidence"] for one in searches(results)), default=LEVEL)


def level_in(results: xr.Dataset, value: str, name: str) -> float | None:
    """The level of a variable that was looked for in results, of an optimizer or a difference; None where none was."""
    return next((one["level"] for one in searches(results)
                 if one["value"] == value and one["of"] == name and "level" in one), None)  # fmt: skip


def owners(axes: Sequence[Axis], coarse: Sequence[Sequence[float]], known: np.ndarray) -> np.ndarray:
    """For each cell of a union of values, the cell whose lanes are the nearest: which colour it has.

    Nearest in the scale of each axis, in units of the coarse cells there, the largest of the axes' distances counting:
    so the cells of points that stand alone are boxes.

    Args:
        axes: ascending.
        coarse: the values that each was refined from.
        known: [cells of each axis] whether a cell has lanes.

    Returns:
        [cells of each axis] flat indices.
    """
    stands = []
    for axis, values in zip(axes, coarse, strict=True):
        ends = axis.forward(np.sort(np.array(values, float)))
        stands.append(np.interp(axis.forward(axis.values), ends, np.arange(len(ends))))
    grid = np.stack(np.meshgrid(*stands, indexing="ij"), -1).reshape(-1, len(axes))
    inside = np.flatnonzero(known.ravel())
    if not len(inside):
        return np.arange(known.size).reshape(known.shape)
    _, nearest = cKDTree(grid[inside]).query(grid, p=np.inf)
    return inside[nearest].reshape(known.shape)
