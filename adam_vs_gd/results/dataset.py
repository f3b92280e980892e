"""The labelled Dataset of a sweep, from the rows of its chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tomli_w
import xarray as xr

from adam_vs_gd.engine.plan import cells, digest_of
from adam_vs_gd.errors import FolderError
from adam_vs_gd.problems.keys import CHOICES, FILTER_SIDE, IMAGE_SETS, NUMBERS, ON_IMAGES, OPTIMIZER, set_of
from adam_vs_gd.problems.variables import CLASSES, DIMENSIONLESS, FINAL, STATUSES, UNITS, VARIABLES, variables_of
from adam_vs_gd.spec.sweep_spec import SweepSpec, axes
from adam_vs_gd.types import Rows, record_steps, test_steps


def to_dataset(spec: SweepSpec, chunks: Iterable[Rows], about: Mapping[str, Any] | None = None) -> xr.Dataset:
    """The labelled Dataset of a sweep from the rows of its chunks; cells without a row are pending.

    Args:
        spec: the sweep.
        chunks: rows with the lanes' digests under "lane"; lanes of other sweeps are left out.
        about: versions, device and so on, for the attributes.

    Raises:
        FolderError: if a chunk lacks a variable.
    """
    chunks = list(chunks)
    row_of = {str(digest): (c, r) for c, rows in enumerate(chunks) for r, digest in enumerate(rows["lane"])}
    everything = list(cells(spec))
    shape = tuple(1 + max(position[i] for position, _ in everything) for i in range(len(everything[0][0])))
    dims = ("optimizer", *(name for name, _ in axes(spec)), "seed")

    filled: list[tuple[int, ...]] = []
    source: list[tuple[int, int]] = []
    for position, lane in everything:
        if lane.digest in row_of:
            filled.append(position)
            source.append(row_of[lane.digest])
    at, at_rows = tuple(np.array(filled, int).reshape(-1, len(shape)).T), np.array(source, int).reshape(-1, 2)

    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]] = {}
    for name, tail, dtype in layout(spec, chunks):
        tail_dims, tail_shape = tuple(tail), tuple(tail.values())
        values = (
            np.zeros(shape + tail_shape, np.int8) if name == "status" else np.full(shape + tail_shape, np.nan, dtype)
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
        variables[name] = (dims + tail_dims, values, attributes(name))
    dataset = xr.Dataset(variables, coordinates(spec))
    return dataset.assign_attrs(
        title=spec.name, digest=digest_of(lane.digest for _, lane in everything), spec=tomli_w.dumps(spec.to_dict()),
        **{key: spec.data[key] for key in CHOICES["data"] if key in spec.data},
        model=spec.model["name"], precision=spec.train["precision"], **(about or {}),
    )  # fmt: skip


def layout(spec: SweepSpec, chunks: Iterable[Rows]) -> Iterable[tuple[str, dict[str, int], Any]]:
    """(variable, {dimension: size} after those of the cells, dtype) of every variable."""
    real = np.dtype(spec.train["precision"])
    steps = spec.steps[0] if isinstance(spec.steps, tuple) else spec.steps
    on_images, sizes = spec.model["name"] in ON_IMAGES, {"class": len(CLASSES)}
    if on_images:
        channels = IMAGE_SETS[set_of(spec.data["images"])].channels
        sizes |= {"filter_y": FILTER_SIDE, "filter_x": FILTER_SIDE, "channel": channels, "filter": spec.model["width"]}
    for name, variable in variables_of(on_images).items():
        own = {dim: sizes[dim] for dim in variable.dims}
        if any(isinstance(size, tuple) for size in own.values()):
            continue  # filters of a width that is swept are of no one shape
        yield name, own, real
        if spec.record and name not in FINAL:
            on_test = name == "test_error"
            count = len((test_steps if on_test else record_steps)(steps, spec.record))
            yield f"{name}_path", {"test_record" if on_test else "record": count, **own}, real


def attributes(name: str) -> dict[str, Any]:
    """Attributes of a variable or a trajectory of it."""
    base = name.removesuffix("_path")
    variable = VARIABLES[base]
    long_name = variable.long_name + (" along the training" if name != base else "")
    about: dict[str, Any] = {"long_name": long_name, "symbol": variable.symbol}
    if base == "status":
        return about | {"flag_values": np.arange(len(STATUSES), dtype=np.int8), "flag_meanings": " ".join(STATUSES)}
    return about | {"units": UNITS.get(base, DIMENSIONLESS)}


def coordinates(spec: SweepSpec) -> dict[str, Any]:
    """Every number of the sweep as a coordinate: along its axis, along `optimizer`, or a scalar."""
    labels = list(spec.optimizers)
    coords: dict[str, Any] = {
        "optimizer": ("optimizer", np.array(labels, dtype=object), {"long_name": "optimizer"}),
        "seed": ("seed", np.array(spec.seeds), {"long_name": "seed"}),
    }
    if spec.model["name"] not in ON_IMAGES:
        coords["class"] = ("class", np.array(CLASSES), {"long_name": "class", "symbol": "$j$"})
    dimension = {name.removesuffix("_index"): (name, values) for name, values in axes(spec)}
    for key, number in NUMBERS.items():
        about = {"long_name": number.long_name, "symbol": number.symbol, "units": DIMENSIONLESS}
        dim, values = dimension.get(key, (key, None))
        if values is not None:
            coords[key] = (dim, np.array(values), about)
        elif key in OPTIMIZER:
            held = [spec.number(key, label) for label in labels]
            if key in dimension:
                length = next(len(v) for v in held if isinstance(v, tuple))
                table = [np.full(length, np.nan if v is None else v) if not isinstance(v, tuple) else v for v in held]
                coords[key] = (("optimizer", dim), np.array(table, float), about)
                coords[dim] = (dim, np.arange(length), {"long_name": f"index along {number.long_name}"})
            elif len(set(held)) == 1 and held[0] is not None:
                coords[key] = ((), held[0], about)
            elif any(v is not None for v in held):
                coords[key] = ("optimizer", np.array([np.nan if v is None else v for v in held], float), about)
        elif spec.number(key) is not None:
            coords[key] = ((), spec.number(key), about)
    if spec.record:
        for name, dim, grid in (("step", "record", record_steps), ("test_step", "test_record", test_steps)):
            about = {"long_name": "training step", "symbol": "$t$", "units": "step"}
            if isinstance(spec.steps, tuple):
                coords[name] = (("steps", dim), np.array([grid(T, spec.record) for T in spec.steps]), about)
            else:
                coords[name] = (dim, grid(spec.steps, spec.record), about)
    return coords
