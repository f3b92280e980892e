"""Which part of a result is meant: axes, values, optimizers, variables."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adam_vs_gd.errors import PlotError
from adam_vs_gd.problems import family_of_results
from adam_vs_gd.results.words import is_rate, outcomes, variable_of
from adam_vs_gd.spec.plain import plain, typed

if TYPE_CHECKING:
    import xarray as xr

OWN = {"class": "class", "record": "step", "test_record": "test_step"}
"""Dimensions that only some variables have, and the coordinate by which a place along each is named."""
FIXED = "fixed"
"""The attribute of a result in which `select` says what it has fixed: {axis: value}."""
IS_GOOD, IS_PENDING = operator.attrgetter("good"), lambda outcome: outcome.name == "pending"


def complete(results: xr.Dataset) -> xr.Dataset:
    """Results with all that pictures ask for, whoever computed them; those of this package as they are.

    Missing dimensions `optimizer` and `seed` get length 1; variables get this package's names for them, or their own.
    The error rates, or without any of them all final variables, say what a lane is: a missing `status` is `pending`
    where none of them is finite, else the good one; and what is no number, or along other dimensions, is left out.

    Args:
        results: a Dataset with variables of names that the package knows (or others), along any axes.

    Raises:
        TypeError: if it is none, such as the path of one.
    """
    import xarray as xr

    if not isinstance(results, xr.Dataset):
        raise TypeError(f"{typed(plain(results))}: must be an xarray.Dataset; load_results(folder) gives a sweep's")
    words = [name for name, variable in results.data_vars.items() if not np.issubdtype(variable.dtype, np.number)]
    results = results.drop_vars(words)
    for dim, value in (("optimizer", results.attrs.get("title", "result")), ("seed", 0)):
        if dim not in results.dims:
            value = results[dim].item() if dim in results.coords else value
            results = results.drop_vars(dim, errors="ignore").expand_dims({dim: [value]})
    if results.optimizer.dtype != object:
        results = results.assign_coords(optimizer=results.optimizer.astype(str).astype(object))
    for dim in ("record", "test_record"):
        if dim in results.dims and OWN[dim] not in results.coords:
            results = results.assign_coords({OWN[dim]: (dim, np.arange(results.sizes[dim]))})
    own = own_dims(results)
    final = {name: variable for name, variable in results.data_vars.items() if not own.keys() & set(variable.dims)}
    if not final:
        raise PlotError("these results have no variable of a cell, only trajectories")
    rates = [variable for name, variable in final.items() if is_rate(results, str(name))]
    telling = [final["status"]] if "status" in final else rates or list(final.values())
    lanes = xr.broadcast(*telling)[0]
    if "status" not in results:
        there = functools.reduce(operator.or_, map(np.isfinite, telling))
        known = outcomes(results)
        good, absent = (next(k for k, one in enumerate(known) if is_it(one)) for is_it in (IS_GOOD, IS_PENDING))
        results = results.assign(status=xr.where(there, good, absent))
    for name, variable in results.data_vars.items():
        if set(variable.dims) - set(lanes.dims) - own.keys():
            results = results.drop_vars([name])
        elif set(lanes.dims) - set(variable.dims):
            results[name] = variable.broadcast_like(lanes).transpose(..., *(d for d in variable.dims if d in own))
    return results.assign({name: named(results, variable) for name, variable in results.data_vars.items()})


def named(results: xr.Dataset, variable: xr.DataArray) -> xr.DataArray:
    """A variable with a name for people: that of the family, or its own."""
    known = variable_of(results, str(variable.name))
    return variable.assign_attrs({"symbol": known.symbol, "long_name": known.long_name, **variable.attrs})


def own_dims(results: xr.Dataset) -> dict[str, str]:
    """{dimension that only some variables have: the coordinate by which a place along it is named}."""
    dims = set(results.status.dims) | {"optimizer", "seed"} if "status" in results else set(results.dims)
    others = [str(dim) for dim in results.dims if dim not in dims and dim in results.coords and dim not in OWN]
    return {dim: name for dim, name in OWN.items() if dim in results.dims} | {dim: dim for dim in others}


def swept(results: xr.Dataset) -> list[str]:
    """The swept axes of a result, in order."""
    return [str(dim) for dim in results.status.dims if dim not in ("optimizer", "seed")]


def select(
    results: xr.Dataset, sel: Mapping[str, Any] | None = None, optimizer: str | Sequence[str] | None = None
) -> xr.Dataset:
    """Results at given values of some axes.

    Args:
        results: the Dataset of a sweep.
        sel: {axis: value}; numbers are matched to nine digits. The axis goes, `seed` stays as one of length 1. Beside
            axes, `class`, `step` and `test_step` fix what variables of a class and trajectories are along.
        optimizer: a label, or labels in the order wanted; the axis stays.

    Raises:
        PlotError: if there is no such axis or no such value, naming those there are.
    """
    if optimizer is not None:
        known = [str(label) for label in results.optimizer.values]
        asked = [optimizer] if isinstance(optimizer, str) else list(optimizer)
        for label in asked:
            if label not in known:
                raise PlotError(f"optimizer = {label}: not in these results; there are {', '.join(known)}")
        results = results.isel(optimizer=[known.index(label) for label in asked])
    for key, value in (sel or {}).items():
        there = {name: dim for dim, name in own_dims(results).items() if name in results.coords}
        own = {name: dim for name, dim in there.items() if results[name].dims == (dim,)}
        axes = {axis: axis for axis in [*swept(results), "seed"]} | own
        if f"{key}_index" in axes:
            raise PlotError(
                f"{key} = {value}: each optimizer has its own values along {key}_index; fix that, for instance "
                f"{key}_index=0 for {', '.join(map(str, results[key].isel({f'{key}_index': 0}).values.ravel()))}"
            )
        if key not in axes:
            raise PlotError(f"{key} = {value}: no such axis; there are {', '.join(axes)}")
        coordinate = results[key].values
        if is_real(value) and np.issubdtype(coordinate.dtype, np.number):
            found = np.flatnonzero(np.isclose(coordinate, value, rtol=1e-9, atol=0))
        else:
            found = np.flatnonzero(coordinate.astype(str) == str(value))
        if not found.size:
            raise PlotError(f"{key} = {value}: not a value of this axis; there are {', '.join(map(str, coordinate))}")
        results = results.isel({axes[key]: found[:1] if key == "seed" else found[0]})
        results.attrs = results.attrs | {
            FIXED: results.attrs.get(FIXED, {}) | {key: f"{value:g}" if is_real(value) else str(value)}
        }
    return results


def is_real(value: Any) -> bool:
    """Whether a value can be looked up on an axis."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def choose_axes(results: xr.Dataset, x: str | None, y: str | None) -> tuple[str, str]:
    """The two axes of a diagram: those asked for, or the first that are left; some are drawn upwards."""
    axes = swept(results)
    x, y = (f"{name}_index" if f"{name}_index" in axes else name for name in (x, y))
    for name in (x, y):
        if name is not None and name not in axes:
            raise PlotError(f"{name}: not a swept axis; there are {', '.join(axes) or 'none'}")
    if x is not None and x == y:
        raise PlotError(f"x and y are both {x}")
    left = [axis for axis in axes if axis not in (x, y)]
    if (x is None) + (y is None) > len(left):
        raise PlotError(f"a phase diagram needs two swept axes; there are {', '.join(axes) or 'none'}")
    if y is None:
        upright = [axis for axis in family_of_results(results).upright if axis in left]
        y = upright[0] if upright else left[0 if x else 1]
    return x or next(axis for axis in left if axis != y), y


def check_value(results: xr.Dataset, value: str) -> None:
    """Whether a variable can be drawn: it exists, is a number, and what it is along by itself is fixed."""
    if value == "status":
        raise PlotError("status: has no mean; every diagram shows it as hatches and crosses")
    if value not in results.data_vars:
        raise PlotError(f"{value}: no such variable; there are {', '.join(map(str, results.data_vars))}")
    own = own_dims(results)
    if left := [own[str(dim)] for dim in results[value].dims if dim in own]:
        some = results[left[0]].values.ravel()[-1]
        raise PlotError(f"{value}: has a value for each {', '.join(left)}; fix it with --sel {left[0]}={some} (sel=)")
