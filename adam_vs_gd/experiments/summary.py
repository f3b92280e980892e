"""Numbers over seeds, for tables and for the files beside pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import xarray as xr

from adam_vs_gd.results.statistics import Interval, labelled, student


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def holds(self, value: float) -> bool:
        """Whether a value is within the interval."""
        return self.low <= value <= self.high


def verdict(*held: bool) -> str:
    """What is said where some of a claim's parts hold."""
    return "reproduced" if all(held) else "reproduced in part" if any(held) else "not reproduced"


def over(values: xr.DataArray) -> xr.Dataset:
    """Mean and Student's interval over the dimension `seed`; `statistics.over_seeds` is for variables of a sweep."""
    values = values.transpose(..., "seed")
    return labelled(student(values.values), values)


def numbers(interval: xr.Dataset, along: str, **about: Any) -> Iterator[dict[str, Any]]:
    """A row a point of what is drawn along one dimension."""
    for i, place in enumerate(interval[along].values.tolist()):
        yield about | {along: place} | {field: interval[field].values[i].item() for field in Interval._fields}
