"""Two sweeps side by side: what differs in their specs, in what computed them, and in their numbers."""

from __future__ import annotations

import dataclasses
import tomllib
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from adam_vs_gd.results.selection import OWN
from adam_vs_gd.results.statistics import counted, student
from adam_vs_gd.results.table import LANE, OPTIMIZER, SEED, identity, is_swept, spread_over, stacked
from adam_vs_gd.results.uneven import ATTRIBUTE
from adam_vs_gd.results.words import STATUS, finals, outcomes
from adam_vs_gd.spec.plain import leaves

DIGITS = 12  # to which numbers of two specs are the same number
NO_PROVENANCE = ("title", "digest", "spec", ATTRIBUTE)


@dataclasses.dataclass(frozen=True)
class Difference:
    """A value that is not the same in both; None where one has none."""

    key: str
    first: Any
    second: Any


@dataclasses.dataclass(frozen=True)
class Change:
    """How many lanes have one status in the first, and another in the second."""

    first: str
    second: str
    lanes: int


@dataclasses.dataclass(frozen=True)
class Largest:
    """The largest difference of a variable, the values that differ by it, and where: the lane, and the place in it."""

    difference: float
    first: float
    second: float
    where: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How far a variable, or a trajectory, of the lanes that both have is the same.

    Attributes:
        name: of the variable.
        equal: in how many lanes it is the same to the last bit (all NaN being alike).
        within: in how many it is that within the tolerances.
        one_sided: in how many only one of the two is a number.
        absolute: the largest difference; None where there is none.
        relative: the largest difference in units of the larger of the two numbers.
    """

    name: str
    equal: int
    within: int
    one_sided: int
    absolute: Largest | None
    relative: Largest | None


@dataclasses.dataclass(frozen=True)
class Shift:
    """By how much a variable's mean is higher in the second: paired by lane, with its 95 % interval over seeds."""

    name: str
    optimizer: str
    mean: float
    low: float
    high: float
    seeds: int


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two sweeps side by side.

    Attributes:
        spec: keys of the specs that differ, `name` left out.
        provenance: what computed them, as far as that differs.
        both: lanes that both have computed;
        only_first: those of the first alone, and
        only_second: those of the second alone.
        equal: lanes of both in which everything is the same to the last bit.
        statuses: which statuses have become which, where they differ.
        variables: all that was compared.
        not_compared: variables that one of them lacks, or that have another shape.
        shifts: of the final variables that differ, for each optimizer.
        rtol: differences up to this times the larger of two numbers count as none, and
        atol: up to this as well; the two are added.
    """

    spec: tuple[Difference, ...]
    provenance: tuple[Difference, ...]
    both: int
    only_first: int
    only_second: int
    equal: int
    statuses: tuple[Change, ...]
    variables: tuple[Deviation, ...]
    not_compared: tuple[str, ...]
    shifts: tuple[Shift, ...]
    rtol: float
    atol: float

    @property
    def agree(self) -> bool:
        """Whether there are lanes that both have, and their statuses and numbers are the same within the tolerances."""
        return self.both > 0 and not self.statuses and all(one.within == self.both for one in self.variables)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python, and `agree`."""
        return {"agree": self.agree, **dataclasses.asdict(self)}


def compare(first: xr.Dataset, second: xr.Dataset, rtol: float = 0.0, atol: float = 0.0) -> Comparison:
    """Set two sweeps side by side.

    Lanes are the same where optimizer, seed and all numbers are (to twelve digits), wherever they stand in the results.
    A number that only one of the sweeps has tells its lanes apart if it has several values there.

    Args:
        first: the Dataset of a sweep, running or finished.
        second: that of another.
        rtol: differences up to this times the larger of two numbers count as none.
        atol: up to this as well; the two are added.
    """
    rows = stacked(first), stacked(second)
    names = telling(*rows)
    keys = [named(one, names) for one in rows]
    places = {key: at for at, key in enumerate(keys[1])}
    pairs = [(at, places[key]) for at, key in enumerate(keys[0]) if key in places]
    at = np.array(pairs, int).reshape(-1, 2).T
    a, b = (one.isel({LANE: here}) for one, here in zip(rows, at, strict=True))
    kept = [
        name for name in identity(a) if name in (OPTIMIZER, SEED) or is_swept(first, name) or is_swept(second, name)
    ]

    statuses = [np.array([one.name for one in outcomes(rows)], object)[rows[STATUS].values] for rows in (a, b)]
    same = statuses[0] == statuses[1]
    changes = Counter(zip(statuses[0][~same], statuses[1][~same], strict=True))
    alike = [name for name in plain_numbers(a) if name in b and shape_of(a, name) == shape_of(b, name)]
    variables = []
    for name in alike:
        deviation, equal = deviation_of(a, b, name, kept, rtol, atol)
        variables.append(deviation)
        same &= equal
    differing = [one.name for one in variables if one.equal < len(pairs)]
    others = [name for name in dict.fromkeys((*plain_numbers(a), *plain_numbers(b))) if name not in alike]
    return Comparison(
        spec=tuple(spec_differences(first, second)),
        provenance=tuple(provenance_differences(first, second)),
        both=len(pairs),
        only_first=len(keys[0]) - len(pairs),
        only_second=len(keys[1]) - len(pairs),
        equal=int(same.sum()),
        statuses=tuple(Change(*ends, count) for ends, count in sorted(changes.items())),
        variables=tuple(variables),
        not_compared=tuple(others),
        shifts=tuple(shifts(first, second, at, differing)) if pairs else (),
        rtol=rtol,
        atol=atol,
    )


def telling(first: xr.Dataset, second: xr.Dataset) -> list[str]:
    """The coordinates by which lanes of two tables are told apart."""
    found = [identity(first), identity(second)]
    shared = [name for name in found[0] if name in found[1]]
    alone = [(rows, name) for rows, names in zip((first, second), found, strict=True) for name in names]
    return shared + [name for rows, name in alone if name not in shared and len(set(words(rows, name)) - {"nan"}) > 1]


def words(rows: xr.Dataset, name: str) -> list[str]:
    """A coordinate of every lane as text, numbers rounded; what a table lacks is "nan"."""
    if name not in rows.coords:
        return ["nan"] * rows.sizes[LANE]
    values = spread_over(rows, rows[name]).tolist()
    return [f"{value:.{DIGITS}g}" if isinstance(value, int | float) else str(value) for value in values]


def named(rows: xr.Dataset, names: Sequence[str]) -> list[Hashable]:
    """What every lane is called by some coordinates."""
    return list(zip(*(words(rows, name) for name in names), strict=True))


def plain_numbers(rows: xr.Dataset) -> list[str]:
    """The variables whose values are numbers, and no flags."""
    return [str(name) for name, values in rows.data_vars.items()
            if np.issubdtype(values.dtype, np.number) and "flag_meanings" not in values.attrs]  # fmt: skip


def shape_of(rows: xr.Dataset, name: str) -> dict[Hashable, int]:
    """{dimension beside the lanes: its size} of a variable."""
    return {dim: rows.sizes[dim] for dim in rows[name].dims if dim != LANE}


def deviation_of(
    first: xr.Dataset, second: xr.Dataset, name: str, kept: Sequence[str], rtol: float, atol: float
) -> tuple[Deviation, np.ndarray]:
    """How far a variable of the same lanes in two tables is the same, and in which lanes it is to the last bit."""
    one, two = (rows[name].transpose(LANE, *shape_of(first, name)) for rows in (first, second))
    x, y = np.asarray(one.values, float), np.asarray(two.values, float)
    of_lanes = tuple(range(1, x.ndim))
    equal = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.where(equal, 0.0, np.abs(x - y))
        size = np.fmax(np.abs(x), np.abs(y))
        share = np.divide(gap, size, out=np.zeros_like(gap), where=size > 0)
        within = equal | (np.isfinite(gap) & (gap <= atol + rtol * size))

    def largest(distance: np.ndarray) -> Largest | None:
        if not (distance > 0).any():
            return None
        at = np.unravel_index(np.nanargmax(distance), distance.shape)
        return Largest(float(distance[at]), float(x[at]), float(y[at]), place(first, one, at, kept))

    lanes = equal.all(of_lanes)
    one_sided = (np.isnan(x) != np.isnan(y)).any(of_lanes)
    found = Deviation(
        name, int(lanes.sum()), int(within.all(of_lanes).sum()), int(one_sided.sum()), largest(gap), largest(share)
    )
    return found, lanes


def place(rows: xr.Dataset, values: xr.DataArray, at: Sequence[Any], kept: Sequence[str]) -> dict[str, Any]:
    """Where an entry of a variable is: the lane's numbers, and along each further dimension its coordinate."""
    here = rows.isel({dim: int(k) for dim, k in zip(values.dims, at, strict=True)})
    along = [OWN.get(str(dim), str(dim)) for dim in values.dims[1:]]
    places = dict(zip(along, map(int, at[1:]), strict=True))
    return {name: here[name].item() if name in here.coords else places[name] for name in (*kept, *along)}


def spec_differences(first: xr.Dataset, second: xr.Dataset) -> Iterator[Difference]:
    """The keys of two specs that differ, but for their names."""
    one, two = ({".".join(path): value for path, value in leaves(tomllib.loads(results.attrs.get("spec", "")))}
                for results in (first, second))  # fmt: skip
    for key in dict.fromkeys((*one, *two)):
        if key != "name" and one.get(key) != two.get(key):
            yield Difference(key, one.get(key), two.get(key))


def provenance_differences(first: xr.Dataset, second: xr.Dataset) -> Iterator[Difference]:
    """What two sweeps were computed with, as far as it differs; of versions only those that do."""
    told = {part for results in (first, second) for path, _ in leaves(tomllib.loads(results.attrs.get("spec", "")))
            for part in path}  # fmt: skip
    for key in dict.fromkeys(map(str, (*first.attrs, *second.attrs))):
        one, two = (None if key not in results.attrs else str(results.attrs[key]) for results in (first, second))
        if one == two or key in NO_PROVENANCE or key in told:
            continue
        if key == "versions" and one and two:
            parts = one.split(", "), two.split(", ")
            one, two = (", ".join(part for part in parts[k] if part not in parts[1 - k]) for k in (0, 1))
        yield Difference(key, one, two)


def shifts(first: xr.Dataset, second: xr.Dataset, at: np.ndarray, names: Sequence[str]) -> Iterator[Shift]:
    """The mean differences of final variables between lanes of two results, which count in both, by optimizer."""
    chosen = [name for name in names if name in finals(first) and name in finals(second)]
    if SEED not in first.dims or SEED not in second.dims:
        return
    a, b = (stacked(results.assign({name: counted(results, name) for name in chosen})).isel({LANE: here})
            for results, here in zip((first, second), at, strict=True))  # fmt: skip
    labels = spread_over(a, a[OPTIMIZER]) if OPTIMIZER in a.coords else np.full(a.sizes[LANE], "")
    seeds = spread_over(a, a[SEED])
    for name in chosen:
        gap = np.asarray(b[name].values, float) - np.asarray(a[name].values, float)
        for label in dict.fromkeys(labels.tolist()):
            of_seeds = [gap[(labels == label) & (seeds == seed) & np.isfinite(gap)] for seed in dict.fromkeys(seeds)]
            found = student([values.mean() for values in of_seeds if values.size] or [np.nan])
            if found.seeds:
                yield Shift(name, label, float(found.mean), float(found.low), float(found.high), int(found.seeds))
