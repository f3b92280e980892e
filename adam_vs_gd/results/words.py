"""What the names in some results mean, as the family declares that computed them; also of results that nobody did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adam_vs_gd.errors import PlotError
from adam_vs_gd.problem import Followed, Outcome, Variable
from adam_vs_gd.problems import family_of_results

if TYPE_CHECKING:
    import xarray as xr

PATH = "_path"  # ends the name of a trajectory
STATUS = "status"
SIDE = "side"  # of a level, on which the points of refined results are


def outcomes(results: xr.Dataset) -> tuple[Outcome, ...]:
    """The statuses in results, in the order of their codes."""
    declared = family_of_results(results).statuses
    meanings = results[STATUS].attrs.get("flag_meanings") if STATUS in results else None
    names = str(meanings).split() if meanings else []
    known = {outcome.name: outcome for outcome in declared}
    return tuple(known.get(name, Outcome(name)) for name in names) or declared


def good_word(known: Sequence[Outcome]) -> str:
    """What a lane is of which nothing is to be said."""
    return next((outcome.name for outcome in known if outcome.good), "good")


def pending(results: xr.Dataset) -> int:
    """The code of a lane that is not computed."""
    return next(code for code, outcome in enumerate(outcomes(results)) if outcome.name == "pending")


def variable_of(results: xr.Dataset, name: str) -> Variable:
    """What a variable is, or the one that a trajectory is of; one without declaration is called by its name."""
    base = name.removesuffix(PATH)
    return family_of_results(results).variables(None).get(base, Variable(base))


def is_rate(results: xr.Dataset, name: str) -> bool:
    """Whether a variable, or the one that a trajectory is of, is an error rate."""
    return bool(variable_of(results, name).rate)


def chance(results: xr.Dataset) -> float:
    """The error rate of guessing."""
    return family_of_results(results).chance(results)


def drawn_first(results: xr.Dataset) -> str:
    """The variable that is drawn where none is asked for: the family's main one, or the first of a cell.

    Raises:
        PlotError: if there is none.
    """
    main = family_of_results(results).main
    if main in results:
        return main
    return next(iter(finals(results)), None) or refuse(results)


def refuse(results: xr.Dataset) -> str:
    """Say that there is nothing to draw."""
    raise PlotError(f"no variable of a cell; there are {', '.join(map(str, results.data_vars)) or 'none'}")


def finals(results: xr.Dataset) -> list[str]:
    """The variables that have one number a lane."""
    dims = set(results[STATUS].dims) if STATUS in results else None
    return [
        str(name)
        for name, values in results.data_vars.items()
        if name not in (STATUS, SIDE)
        and np.issubdtype(values.dtype, np.number)
        and (dims is None or set(values.dims) <= dims)
    ]


def shown(results: xr.Dataset, most: int = 6) -> list[str]:
    """The variables that a table shows."""
    columns = family_of_results(results).columns
    return [name for name in columns if name in results] or finals(results)[:most]


def followed(results: xr.Dataset, most: int = 6) -> list[Followed]:
    """The trajectories that a page shows, those that are there."""
    rows = family_of_results(results).followed
    if not rows:
        names = [str(name).removesuffix(PATH) for name in results.data_vars if str(name).endswith(PATH)]
        rows = tuple(Followed(variable_words(results, name), (name,)) for name in names[:most])
    there = (row._replace(names=tuple(name for name in row.names if f"{name}{PATH}" in results)) for row in rows)
    return [row for row in there if row.names]


def variable_words(results: xr.Dataset, name: str) -> str:
    """A variable in words: the family's, or those of the results."""
    known = family_of_results(results).variables(None).get(name)
    return known.long_name if known else str(results[name].attrs.get("long_name", name)) if name in results else name


def drawn_together(results: xr.Dataset) -> list[str]:
    """The variables whose trajectories are drawn in one picture."""
    pairs = family_of_results(results).pairs
    there = ([name for name in pair if f"{name}{PATH}" in results] for pair in pairs)
    return next(filter(None, there), []) or [name for row in followed(results, 2) for name in row.names]
