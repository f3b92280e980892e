"""The labelled Dataset of a sweep, from the rows of its chunks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tomli_w
import xarray as xr

from adam_vs_gd.errors import FolderError
from adam_vs_gd.problem import RECORD, TEST_RECORD, Outcome, Variable, until_of
from adam_vs_gd.problems import DEFAULT, MODELS, family_key
from adam_vs_gd.spec.cells import Cell, axes, cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.types import REST, Rows, record_steps, test_steps

STATUS = "status"
GRIDS = {RECORD: record_steps, TEST_RECORD: test_steps}
PATH = "_path"  # ends the name of a trajectory
KEPT = ("lane", "about")  # what a chunk holds beside variables


def to_dataset(
    spec: SweepSpec,
    chunks: Iterable[Rows],
    about: Mapping[str, Any] | None = None,
    everything: Sequence[Cell] | None = None,
) -> xr.Dataset:
    """The labelled Dataset of a sweep from the rows of its chunks; cells without a row are pending.

    Args:
        spec: the sweep.
        chunks: rows with the lanes' digests under "lane"; lanes of other sweeps are left out.
        about: versions, device and so on, for the attributes.
        everything: the spec's cells, if they are known.

    Raises:
        FolderError: if a chunk lacks a variable.
    """
    chunks = list(chunks)
    row_of = {str(digest): (c, r) for c, rows in enumerate(chunks) for r, digest in enumerate(rows["lane"])}
    everything = list(cells(spec)) if everything is None else everything
    shape = tuple(1 + max(position[i] for position, _ in everything) for i in range(len(everything[0][0])))
    dims = (*(("optimizer",) if spec.variants else ()), *(name for name, _ in axes(spec)), "seed")

    filled: list[tuple[int, ...]] = []
    source: list[tuple[int, int]] = []
    for position, lane in everything:
        if lane.digest in row_of:
            filled.append(position)
            source.append(row_of[lane.digest])
    at, at_rows = tuple(np.array(filled, int).reshape(-1, len(shape)).T), np.array(source, int).reshape(-1, 2)

    precision = everything[0][1].static.precision
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]] = {}
    for name, tail, variable in layout(spec):
        tail_dims, tail_shape = tuple(tail), tuple(tail.values())
        values = (
            np.zeros(shape + tail_shape, np.int8)
            if name == STATUS
            else np.full(shape + tail_shape, np.nan, variable.dtype or precision)
        )
        for c, rows in enumerate(chunks):
            mine = at_rows[:, 0] == c
            if not mine.any():
                continue
            if name not in rows:
                raise FolderError(
                    f"a chunk of this sweep has no {name}: another version of adam-vs-gd has computed it; go on with "
                    "that version, or choose another folder with --out"
                )
            values[tuple(a[mine] for a in at)] = rows[name][at_rows[mine, 1]]
        variables[name] = (dims + tail_dims, values, attributes(name, variable, spec.family.statuses))
    tell_of_others(spec, chunks)
    dataset = xr.Dataset(variables, coordinates(spec))
    known = family_key(spec.family, spec.problem)
    return dataset.assign_attrs(
        title=spec.name, digest=digest_of(lane.digest for _, lane in everything), spec=tomli_w.dumps(spec.to_dict()),
        **({} if known in {*MODELS.values(), DEFAULT} else {"problem": known}),
        **dict(spec.family.attributes(spec)) | dict(about or {}),
    )  # fmt: skip


def tell_of_others(spec: SweepSpec, chunks: Iterable[Rows]) -> None:
    """Warn of variables in chunks that the family does not declare, which are left out."""
    known = {name for own in spec.family.variables(spec) for name in (own, f"{own}{PATH}")} | {STATUS, *KEPT}
    others = sorted({name for rows in chunks for name in rows} - known)
    if others:
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
