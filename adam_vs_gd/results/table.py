"""Results as tables: a row a lane, or a row a lane and a step of its trajectory."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from adam_vs_gd.errors import SpecError
from adam_vs_gd.problem import RECORD, TEST_RECORD
from adam_vs_gd.results.selection import OWN, complete
from adam_vs_gd.results.words import STATUS, pending
from adam_vs_gd.spec.sweep_spec import SweepSpec

LANE, OPTIMIZER, SEED, INDEX = "lane", "optimizer", "seed", "_index"
COLUMNS, LEFT_OUT = "columns", "left_out"
"""Attributes of a table: {column: {long_name, symbol, units}}; and {variable that is no column: its shape}."""
WIDEST = 64  # numbers a lane; a variable with more is an array, and no row's


def lanes(results: xr.Dataset) -> pd.DataFrame:
    """The computed lanes of results, a row each; those that are pending have none.

    Args:
        results: the Dataset of a sweep, running or finished.

    Returns:
        Columns `optimizer`, every number by its value (those that are fixed, too; NaN where an optimizer lacks it),
        `seed`, `status` by its name, and the final variables; one that has a further dimension, such as `class`, has a
        column `name[value]` for each place along it. A lane that fills several cells of the results, because its
        optimizer lacks a swept number, has one row. `attrs` are those of the results; `columns`, what they are; and
        `left_out`, which variables have more than 64 numbers a lane, and no column.
    """
    rows = stacked(results)
    columns: dict[str, Any] = {name: spread_over(rows, rows[name]) for name in identity(rows)}
    finals = [str(name) for name, variable in rows.data_vars.items() if not {RECORD, TEST_RECORD} & set(variable.dims)]
    finals.sort(key=lambda name: name != STATUS)
    arrays = {name: size for name in finals if math.prod(size := own_shape(rows, name)) > WIDEST}
    for name in (name for name in finals if name not in arrays):
        values = meanings(rows[name].transpose(LANE, ...))
        columns |= dict(zip(entries(rows, name), columns_of(values, 1), strict=True))
    return framed(rows, columns, arrays)


def paths(results: xr.Dataset, grid: Literal["record", "test_record"] = "record") -> pd.DataFrame:
    """The trajectories of results in long form: a row for each computed lane and point of a grid.

    Args:
        results: the Dataset of a sweep, running or finished.
        grid: `record`, or the coarser `test_record`, on which test errors are.

    Returns:
        Columns `optimizer`, the swept numbers, `seed`, the step (`step` or `test_step`), and every trajectory on the
        grid; rows as in `lanes`, each repeated for all points. Empty where the sweep keeps no trajectories.

    Raises:
        ValueError: if there is no such grid.
    """
    if grid not in (RECORD, TEST_RECORD):
        raise ValueError(f"grid = {grid!r}: must be {RECORD!r} or {TEST_RECORD!r}")
    rows = stacked(results)
    names = [str(name) for name, variable in rows.data_vars.items() if grid in variable.dims]
    arrays = {name: size for name in names if math.prod(size := own_shape(rows, name)) > WIDEST}
    points = rows.sizes.get(grid, 0)
    kept = [name for name in identity(rows) if name in (OPTIMIZER, SEED) or is_swept(results, name)]
    columns: dict[str, Any] = {name: np.repeat(spread_over(rows, rows[name]), points) for name in kept}
    if points and (time := OWN[grid]) in rows.coords:
        steps = rows[time].transpose(..., grid).values
        columns[time] = np.broadcast_to(steps, (rows.sizes[LANE], points)).reshape(-1)
    for name in (name for name in names if name not in arrays):
        values = rows[name].transpose(LANE, grid, ...).values
        columns |= dict(zip(entries(rows, name), columns_of(values, 2), strict=True))
    return framed(rows, columns, arrays)


def stacked(results: xr.Dataset) -> xr.Dataset:
    """Results with one dimension `lane` in place of those of their cells: the computed lanes, each once.

    A number that a lane's optimizer lacks is NaN, also where it is an axis. Without the spec, or without the code that
    it names, it is not known which optimizers lack which, and lanes are repeated as they are in the cells.
    """
    if not isinstance(results, xr.Dataset) or STATUS not in results:
        results = complete(results)
    dims = results[STATUS].dims
    results = results.assign_coords({dim: np.arange(results.sizes[dim]) for dim in dims if dim not in results.coords})
    spec = spec_of(results)
    chosen = (results[STATUS] != pending(results)) & once(results, spec)
    indexed = [dim for dim in dims if dim in results.indexes]
    rows = results.reset_index(indexed).stack({LANE: dims}, create_index=False) if dims else results.expand_dims(LANE)
    rows = rows.isel({LANE: np.flatnonzero(chosen.transpose(*dims).values.ravel())})
    if spec is None or OPTIMIZER not in rows.coords:
        return rows
    labels = spread_over(rows, rows[OPTIMIZER])
    for key in (key for key in spec.numbers if key in rows.coords):
        absent = np.isin(labels, [label for label in spec.labels if spec.number(key, label) is None])
        if absent.any():
            values = np.where(absent, np.nan, spread_over(rows, rows[key]))
            rows = rows.assign_coords({key: (LANE, values, rows[key].attrs)})
    return rows


def spec_of(results: xr.Dataset) -> SweepSpec | None:
    """The spec in the attributes of results, if they have one that can be read here."""
    try:
        return SweepSpec(**tomllib.loads(results.attrs["spec"]))
    except (KeyError, TypeError, ValueError, SpecError):
        return None


def once(results: xr.Dataset, spec: SweepSpec | None) -> xr.DataArray:
    """Whether a cell is the first that its lane fills: those along an axis that an optimizer lacks are one lane."""
    first = xr.ones_like(results[STATUS], bool)
    if spec is None or OPTIMIZER not in results.coords:
        return first
    for dim in (str(dim) for dim in results[STATUS].dims if dim not in (OPTIMIZER, SEED)):
        alike = [label for label in spec.labels if not isinstance(spec.number(dim.removesuffix(INDEX), label), tuple)]
        later = xr.DataArray(np.arange(results.sizes[dim]) > 0, dims=dim)
        first = first & ~(results[OPTIMIZER].isin(alike) & later)
    return first


def identity(rows: xr.Dataset) -> list[str]:
    """The coordinates that tell lanes apart, in order: optimizer, numbers, seed."""
    of_lanes = [str(name) for name, coord in rows.coords.items() if set(coord.dims) <= {LANE}]
    places = [name for name in of_lanes if name.endswith(INDEX) and name.removesuffix(INDEX) in of_lanes]
    numbers = [name for name in of_lanes if name not in (OPTIMIZER, SEED, *places)]
    return [*([OPTIMIZER] if OPTIMIZER in of_lanes else []), *numbers, *([SEED] if SEED in of_lanes else [])]


def is_swept(results: xr.Dataset, name: str) -> bool:
    """Whether a number has several values for one optimizer."""
    return name in results.coords and bool(set(results[name].dims) - {OPTIMIZER})


def spread_over(rows: xr.Dataset, values: xr.DataArray) -> np.ndarray:
    """[lanes] of what is one for each lane, or one for all."""
    return np.broadcast_to(values.values, (rows.sizes[LANE],))


def own_dims(rows: xr.Dataset, name: str) -> list[str]:
    """The dimensions of a variable beside the lane and the point of its trajectory."""
    return [str(dim) for dim in rows[name].dims if dim not in (LANE, RECORD, TEST_RECORD)]


def own_shape(rows: xr.Dataset, name: str) -> list[int]:
    """The shape of what a variable is for one lane at one point of its trajectory."""
    return [rows.sizes[dim] for dim in own_dims(rows, name)]


def entries(rows: xr.Dataset, name: str) -> Iterator[str]:
    """The columns of a variable: its name, or that with a place along each dimension of its own."""
    places = [rows[dim].values if dim in rows.coords else range(rows.sizes[dim]) for dim in own_dims(rows, name)]
    for at in itertools.product(*places):
        yield f"{name}[{','.join(map(str, at))}]" if at else name


def columns_of(values: np.ndarray, leading: int) -> np.ndarray:
    """[columns, rows] an array whose first axes are those of the rows."""
    return values.reshape(math.prod(values.shape[:leading]), math.prod(values.shape[leading:])).T


def meanings(values: xr.DataArray) -> np.ndarray:
    """The values of a variable; where they are flags, what those mean (CF's `flag_values`, `flag_meanings`)."""
    if "flag_meanings" not in values.attrs:
        return values.values
    words = str(values.attrs["flag_meanings"]).split()
    known = dict(zip(np.ravel(values.attrs.get("flag_values", range(len(words)))).tolist(), words, strict=False))
    flat = [known.get(code, code) for code in values.values.ravel().tolist()]
    return np.array(flat, dtype=object).reshape(values.shape)


def framed(rows: xr.Dataset, columns: Mapping[str, Any], arrays: Mapping[str, Any]) -> pd.DataFrame:
    """A table of columns, with the results' attributes, what its columns are, and what has none."""
    frame = pd.DataFrame(columns)
    about = {column: described(rows[column.partition("[")[0]]) for column in columns}
    frame.attrs = {**{str(key): value for key, value in rows.attrs.items()}, COLUMNS: about, LEFT_OUT: dict(arrays)}
    return frame


def described(values: xr.DataArray) -> dict[str, str]:
    """What a column is, in words."""
    return {key: str(values.attrs[key]) for key in ("long_name", "symbol", "units") if values.attrs.get(key)}
