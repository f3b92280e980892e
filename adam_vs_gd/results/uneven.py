"""Results of a sweep that was refined: what was looked for, and what the cells without lanes stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adam_vs_gd.results.axis import COARSE, Axis
from adam_vs_gd.results.words import SIDE, STATUS, pending

if TYPE_CHECKING:
    import xarray as xr

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
    """What has been looked for in refined results, by the labels that they have; nothing in others."""
    about = refinement(results)
    if about is None:
        return []
    alone = str(results.optimizer.values.ravel()[0]) if "optimizer" in results.coords else ""
    return [{**one, "of": one["of"] or alone, "labels": [label or alone for label in one["labels"]]}
            for one in about["searches"]]  # fmt: skip


def level_in(results: xr.Dataset, value: str, name: str) -> float | None:
    """The level of a variable that was looked for in results, of an optimizer or a difference; None where none was."""
    return next((one["level"] for one in searches(results)
                 if one["value"] == value and one["of"] == name and "level" in one), None)  # fmt: skip


def told(results: xr.Dataset) -> list[str]:
    """What was looked for in refined results and what has come of it, a line each."""
    about = refinement(results)
    if about is None:
        return []
    missing = f", {about['missing']} of them still to come" if about["missing"] else ""
    return [*(sentence(one) for one in about["searches"]), f"{about['lanes']} lanes in all{missing}"]


def sentence(search: Mapping[str, Any]) -> str:
    """What one search was for, and what has come of it."""
    level = f" = {search['level']:g}" if "level" in search else ""
    what = f"{search['value']}{level}{' of ' + search['of'] if search['of'] else ''}"
    took = f"{search['lanes']} lanes in {search['rounds']} rounds"
    parts = [f"{what}: {search['points']} of the {search['grid']} points of a grid as fine, {took}"]
    if search["unresolved"]:
        parts.append(f"{search['unresolved']} points are not to be told from the level by {search['looks'][-1]} seeds")
    if search["held_out"]:
        parts.append(
            f"{search['contradicted']} of {search['held_out']} points held out are not what is around them, so at most "
            f"{search['missed_at_most']:.0%} of what looks alike is not (95 %)"
        )
    end = came_to(search) or ("" if search["end"] else "not at its end")
    return "; ".join([*parts, *filter(None, [end])])


def came_to(search: Mapping[str, Any]) -> str:
    """What is to be said, and to be done, of a search that did not come to its end, or found nothing; else ""."""
    if search["end"] == "budget":
        return "max_lanes was reached before cells are as narrow as they were to be; more of them go on from there"
    if search["end"] != "one side":
        return ""
    if not search["kinds"]:
        return 'no point has a value there: all lanes have a status that counts in no mean; look for value = "status"'
    if "level" not in search:
        return f"every point is {search['kinds'][0]}: nothing changes; widen the axes"
    low, high = search["range"]
    return (
        f"every point is {search['kinds'][0]} the level (means from {low:.3g} to {high:.3g}): no boundary is there; "
        "widen the axes, or choose a level in between"
    )


def sides(results: xr.Dataset, value: str, level: float) -> xr.DataArray | None:
    """[optimizer, axes] on which side of a level points were found to be; None where another one was looked for."""
    if SIDE not in results or not any(one["value"] == value and one.get("level") == level for one in searches(results)):
        return None
    found = results[SIDE]
    return found.isel(seed=0, drop=True) if "seed" in found.dims else found


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
    from scipy.spatial import cKDTree

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
