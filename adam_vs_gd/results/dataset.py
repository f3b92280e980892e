"""The labelled Dataset of a sweep, from the rows of its chunks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w

from adam_vs_gd.errors import FolderError
from adam_vs_gd.problem import RECORD, TEST_RECORD, Outcome, Variable, until_of
from adam_vs_gd.problems import DEFAULT, MODELS, family_key
from adam_vs_gd.spec.cells import Cell, axes, cells, digest_of, index_length
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.types import REST, Rows, record_steps, test_steps

if TYPE_CHECKING:
    import xarray as xr

STATUS = "status"
GRIDS = {RECORD: record_steps, TEST_RECORD: test_steps}
PATH = "_path"  # ends the name of a trajectory
KEPT = ("lane", "about")  # what a chunk holds beside variables
BYTES, MOST_BYTES = 4, 2**28  # of a number; and of a trajectory where most cells have none, beyond which it is left out


def to_dataset(
    spec: SweepSpec,
    chunks: Iterable[Rows],
    about: Mapping[str, Any] | None = None,
    everything: Sequence[Cell] | None = None,
    grid: SweepSpec | None = None,
) -> xr.Dataset:
    """The labelled Dataset of a sweep from the rows of its chunks; cells without a row are pending.

    Where only some of the grid's cells may have a lane, it is left without trajectories if these would be large.

    Args:
        spec: the sweep.
        chunks: rows with the lanes' digests under "lane"; lanes of other sweeps are left out.
        about: versions, device and so on, for the attributes.
        everything: the spec's cells, if they are known; or some of the cells of
        grid: the sweep that has the result's axes, the spec's own by default.

    Raises:
        FolderError: if a chunk lacks a variable.
    """
    import xarray as xr

    everything = list(cells(spec)) if everything is None else everything
    grid = spec if grid is None else grid
    sizes = shape_of(grid)
    cells_there = math.prod(sizes.values())
    small = [
        (name, tail, variable)
        for name, tail, variable in layout(grid)
        if len(everything) == cells_there
        or not name.endswith(PATH)
        or cells_there * math.prod(tail.values()) * BYTES <= MOST_BYTES
    ]
    columns = {
        name: (tuple(tail), variable, column(name, (len(everything), *tail.values()), variable, everything))
        for name, tail, variable in small
    }
    found = fill({name: values for name, (_, _, values) in columns.items()}, chunks, everything)
    tell_of_others(spec, found)
    dims, shape = tuple(sizes), tuple(sizes.values())
    variables = {
        name: (dims + tail, spread(name, values, everything, shape, variable),
               attributes(name, variable, spec.family.statuses))
        for name, (tail, variable, values) in columns.items()
    }  # fmt: skip
    dataset = xr.Dataset(variables, coordinates(grid))
    known = family_key(spec.family, spec.problem)
    return dataset.assign_attrs(
        title=spec.name, digest=digest_of(lane.digest for _, lane in everything), spec=tomli_w.dumps(spec.to_dict()),
        **({} if known in {*MODELS.values(), DEFAULT} else {"problem": known}),
        **dict(spec.family.attributes(spec)) | dict(about or {}),
    )  # fmt: skip


def shape_of(spec: SweepSpec) -> dict[str, int]:
    """{dimension: size} of the cells of a sweep."""
    first = {"optimizer": len(spec.labels)} if spec.variants else {}
    along = {
        name: len(values) if values else index_length(spec, name.removesuffix("_index")) for name, values in axes(spec)
    }
    return {**first, **along, "seed": len(spec.seeds)}


def spread(
    name: str, values: np.ndarray, everything: Sequence[Cell], shape: tuple[int, ...], variable: Variable
) -> np.ndarray:
    """[*shape, ...] a variable of some cells, or all in order, given as [cells, ...]."""
    if len(everything) == math.prod(shape):
        return values.reshape(shape + values.shape[1:])
    whole = column(name, (*shape, *values.shape[1:]), variable, everything)
    whole[tuple(np.array([position for position, _ in everything]).T)] = values
    return whole


def column(name: str, shape: Sequence[int], variable: Variable, everything: Sequence[Cell]) -> np.ndarray:
    """[cells, ...] a variable of which nothing is known yet."""
    if name == STATUS:
        return np.zeros(shape, np.int8)
    return np.full(shape, np.nan, variable.dtype or everything[0][1].static.precision)


def fill(columns: Mapping[str, np.ndarray], chunks: Iterable[Rows], everything: Sequence[Cell]) -> set[str]:
    """Write the rows of chunks where their lanes' cells are, and give the names of all that the chunks hold.

    Of several chunks with a lane, that counts whose name comes last, in whatever order they are read.

    Args:
        columns: {variable: [cells, ...]}.
        chunks: rows with the lanes' digests under "lane"; each is read once, and not kept.
        everything: the cells.

    Raises:
        FolderError: if a chunk lacks a variable.
    """
    first: dict[str, int] = {}
    alike = [(cell, known) for cell, (_, lane) in enumerate(everything)
             if (known := first.setdefault(lane.digest, cell)) != cell]  # fmt: skip
    names: set[str] = set()
    source = [""] * len(everything)
    for rows in chunks:
        names.update(rows)
        digests = rows["lane"].tolist()
        chunk = digest_of(digests)
        here = [(row, first[digest]) for row, digest in enumerate(digests) if digest in first]
        here = [(row, cell) for row, cell in here if source[cell] <= chunk]
        if not here:
            continue
        at_rows, at = np.array(here).T
        for cell in at:
            source[cell] = chunk
        for name, values in columns.items():
            if name not in rows:
                raise FolderError(
                    f"a chunk of this sweep has no {name}: another version of adam-vs-gd has computed it; go on with "
                    "that version, or choose another folder with --out"
                )
            values[at] = rows[name][at_rows]
    if alike:
        to, of = np.array(alike).T
        for values in columns.values():
            values[to] = values[of]
    return names


def tell_of_others(spec: SweepSpec, names: Set[str]) -> None:
    """Warn of variables in chunks that the family does not declare, which are left out."""
    known = {name for own in spec.family.variables(spec) for name in (own, f"{own}{PATH}")} | {STATUS, *KEPT}
    if others := sorted(names - known):
        warnings.warn(
            f"chunks of this sweep hold {', '.join(others)}, which this version of adam-vs-gd does not know and leaves "
            "out",
            stacklevel=3,
        )


def layout(spec: SweepSpec) -> Iterator[tuple[str, dict[str, int], Variable]]:
    """(variable or trajectory, {dimension: size} after those of the cells, what it is) of all of a sweep."""
    steps = spec.steps[0] if isinstance(spec.steps, tuple) else spec.steps
    family, own, end = spec.family, spec.family.dims(spec), until(spec)
    for name, variable in family.variables(spec).items():
        sizes = {dim: own[dim].size for dim in variable.dims}
        if any(size is None for size in sizes.values()):
            continue
        tail: dict[str, Any] = sizes
        yield name, tail, variable
        if spec.record and variable.grid:
            count = len(GRIDS[variable.grid](steps, spec.record, end))
            yield f"{name}{PATH}", {variable.grid: count, **tail}, variable
    yield STATUS, {}, Variable("what became of the lane", "status")


def until(spec: SweepSpec) -> str:
    """Until when the lanes of a sweep are trained: all alike, because it is no number."""
    return until_of(next(cells(spec))[1].static)


def attributes(name: str, variable: Variable, statuses: Sequence[Outcome]) -> dict[str, Any]:
    """Attributes of a variable or a trajectory of it."""
    along = " along the training" if name.endswith(PATH) else ""
    about: dict[str, Any] = {"long_name": variable.long_name + along, "symbol": variable.symbol}
    if name == STATUS:
        names = " ".join(outcome.name for outcome in statuses)
        return about | {"flag_values": np.arange(len(statuses), dtype=np.int8), "flag_meanings": names}
    return about | {"units": variable.units}


def coordinates(spec: SweepSpec) -> dict[str, Any]:
    """Every number of the sweep as a coordinate: along its axis, along `optimizer`, or a scalar."""
    labels = spec.labels
    coords: dict[str, Any] = {}
    if spec.variants:
        coords["optimizer"] = ("optimizer", np.array(labels, dtype=object), {"long_name": "optimizer"})
    coords["seed"] = ("seed", np.array(spec.seeds), {"long_name": "seed"})
    for name, own in spec.family.dims(spec).items():
        if own.values is not None:
            words = {"long_name": own.long_name, "symbol": own.symbol}
            coords[name] = (name, np.array(own.values), words)
    dimension = {name.removesuffix("_index"): (name, values) for name, values in axes(spec)}
    for key, number in spec.numbers.items():
        about = {"long_name": number.long_name, "symbol": number.symbol, "units": "1"}
        dim, values = dimension.get(key, (key, None))
        held = [spec.number(key, label) for label in labels]
        if values is not None:
            coords[key] = (dim, np.array(values), about)
        elif key in dimension:
            length = next(len(v) for v in held if isinstance(v, tuple))
            table = [np.full(length, np.nan if v is None else v) if not isinstance(v, tuple) else v for v in held]
            coords[key] = (("optimizer", dim), np.array(table, float), about)
            coords[dim] = (dim, np.arange(length), {"long_name": f"index along {number.long_name}"})
        elif len(set(held)) == 1:
            if held[0] is not None:
                coords[key] = ((), held[0], about)
        elif any(v is not None for v in held):
            coords[key] = ("optimizer", np.array([np.nan if v is None else v for v in held], float), about)
    if spec.record:
        end = until(spec)
        for name, dim, grid in (("step", RECORD, record_steps), ("test_step", TEST_RECORD, test_steps)):
            about = {"long_name": "training step", "symbol": "$t$", "units": "step"}
            if end == REST:
                about["comment"] = "evenly spaced in log t, because lanes end when they are at rest: NaN after that"
            if isinstance(spec.steps, tuple):
                coords[name] = (("steps", dim), np.array([grid(T, spec.record) for T in spec.steps]), about)
            else:
                coords[name] = (dim, grid(spec.steps, spec.record, end), about)
    return coords
