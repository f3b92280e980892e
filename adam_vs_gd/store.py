"""Results on disk: a journal with one immutable file a finished chunk, and the labelled Dataset made from it.

The journal is the truth; `dataset.zarr` is a copy for other tools, and can always be made again.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import itertools
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import xarray as xr

from adam_vs_gd.errors import DamageError, FolderError, SpecError
from adam_vs_gd.keys import NUMBERS, OPTIMIZER
from adam_vs_gd.plan import Chunk, cells
from adam_vs_gd.spec import SweepSpec, axes, show
from adam_vs_gd.types import record_steps, test_steps
from adam_vs_gd.variables import CLASSES, DIMENSIONLESS, STATUSES, UNITS, VARIABLES

Rows = Mapping[str, np.ndarray]
"""{name: [lanes, ...]} of a chunk, trajectories under `<name>_path`."""

COMPRESSION = 3
DIGEST_BYTES = 32


class Folder:
    """A sweep's folder: `spec.toml`, `journal/`, `dataset.zarr`, `figures/`, `log.txt`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.spec_file = self.path / "spec.toml"
        self.journal = self.path / "journal"
        self.zarr = self.path / "dataset.zarr"
        self.figures = self.path / "figures"
        self.log_file = self.path / "log.txt"

    def check(self, spec: SweepSpec) -> None:
        """Whether this sweep may be written here; touches nothing.

        Raises:
            FolderError: if the path is a file, holds something that is no sweep, or a sweep that disagrees in a fixed
                value.
        """
        if self.path.exists() and not self.path.is_dir():
            raise FolderError(f"{self.path}: is a file, not a folder; choose another with --out")
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        if not self.spec_file.is_file():
            raise FolderError(
                f"{self.path}: holds something that is not a sweep (it has no spec.toml); choose another folder with "
                "--out, or move it aside with --overwrite"
            )
        differences = list(disagreements(self.spec(), spec))
        if differences:
            raise FolderError(
                f"{self.path}: holds a sweep that disagrees in a fixed value\n"
                + "\n".join(f"  {key}: {old} there, {new} here" for key, old, new in differences)
                + "\nchoose another folder with --out, or move it aside with --overwrite"
            )

    def spec(self) -> SweepSpec:
        """The spec of the sweep in the folder.

        Raises:
            FolderError: if there is none.
        """
        try:
            return SweepSpec(**tomllib.loads(self.spec_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise FolderError(f"{self.path}: holds no sweep (there is no {self.spec_file.name} in it)") from None
        except (tomllib.TOMLDecodeError, SpecError, TypeError) as error:
            raise FolderError(f"{self.spec_file}: cannot be read as a spec: {error}") from None

    def set_aside(self) -> Path | None:
        """Move the folder out of the way, and say where to; None where there is none."""
        if not self.path.exists():
            return None
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        for suffix in itertools.chain([""], (f"-{i}" for i in itertools.count(2))):
            aside = self.path.with_name(f"{self.path.name}.{stamp}{suffix}")
            if not aside.exists():
                self.path.rename(aside)
                return aside
        raise AssertionError("unreachable")

    def open(self, spec: SweepSpec) -> None:
        """Make the folder, and write the spec into it."""
        self.journal.mkdir(parents=True, exist_ok=True)
        publish(self.spec_file, tomli_w.dumps(spec.to_dict()).encode(), replace=True)

    def commit(self, chunk: Chunk, rows: Rows, about: Mapping[str, Any]) -> None:
        """Write a finished chunk: complete under its name, or not at all. A second writer of it changes nothing."""
        file = io.BytesIO()
        digests = np.array([lane.digest for lane in chunk.lanes])
        np.savez(file, **{"lane": digests, "about": np.array(json.dumps(about)), **rows})  # type: ignore[arg-type]
        content = file.getvalue()
        publish(self.journal / f"{chunk.digest[:32]}.npz", content + hashlib.sha256(content).digest(), replace=False)

    def chunks(self) -> Iterable[tuple[Path, dict[str, np.ndarray]]]:
        """Every committed chunk: an .npz and the SHA-256 of it, which is checked as it is read.

        Raises:
            DamageError: naming a chunk that is damaged.
        """
        for path in sorted(self.journal.glob("*.npz")):
            written = path.read_bytes()
            content, digest = written[:-DIGEST_BYTES], written[-DIGEST_BYTES:]
            if hashlib.sha256(content).digest() != digest:
                raise DamageError(f"{path}: is damaged (its SHA-256 is wrong); delete it and run the sweep again")
            with np.load(io.BytesIO(content)) as stored:
                yield path, {name: stored[name] for name in stored.files}

    def done(self) -> set[str]:
        """Digests of the lanes that are committed."""
        return {str(digest) for _, rows in self.chunks() for digest in rows["lane"]}

    def dataset(self, spec: SweepSpec | None = None) -> xr.Dataset:
        """The Dataset of what is committed; the rest is NaN, its status pending."""
        rows, about = [], {}
        for _, stored in self.chunks():
            about = json.loads(str(stored.pop("about")))
            rows.append(stored)
        return to_dataset(spec or self.spec(), rows, about)

    def consolidate(self, dataset: xr.Dataset) -> None:
        """Write `dataset.zarr` (Zarr 3, checksums in every chunk), in place of an older one."""
        from zarr.codecs import ZstdCodec

        codec = {"compressors": [ZstdCodec(level=COMPRESSION, checksum=True)]}
        numeric = [name for name, variable in dataset.variables.items() if variable.dtype.kind in "fiu"]
        staging = self.path / ".dataset.zarr.tmp"
        shutil.rmtree(staging, ignore_errors=True)
        dataset.to_zarr(staging, mode="w", zarr_format=3, consolidated=False, encoding=dict.fromkeys(numeric, codec))
        shutil.rmtree(self.zarr, ignore_errors=True)
        staging.rename(self.zarr)


def publish(path: Path, content: bytes, *, replace: bool) -> None:
    """Make `path` hold `content`, flushed to disk, never half. Without `replace` an existing file wins."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(name, path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(name, path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        Path(name).unlink(missing_ok=True)


def disagreements(old: SweepSpec, new: SweepSpec) -> Iterable[tuple[str, str, str]]:
    """(key, old value, new value) wherever both specs fix a value and it differs. Axes may grow, seeds may be added."""
    before, now = old.to_dict(), new.to_dict()
    pairs = [(key, before[key], now[key]) for key in ("name", "steps", "record")]
    tables = [(name, before[name], now[name]) for name in ("data", "model", "train")]
    shared = [label for label in before["optimizers"] if label in now["optimizers"]]
    tables += [(f"optimizers.{label}", before["optimizers"][label], now["optimizers"][label]) for label in shared]
    pairs += [(f"{name}.{key}", a.get(key), b.get(key)) for name, a, b in tables for key in a | b]
    for key, a, b in pairs:
        if not isinstance(a, list) and not isinstance(b, list) and a != b:
            yield key, show(a), show(b)


def to_dataset(spec: SweepSpec, chunks: Iterable[Rows], about: Mapping[str, Any] | None = None) -> xr.Dataset:
    """The labelled Dataset of a sweep from the rows of its chunks; cells without a row are pending.

    Args:
        spec: the sweep.
        chunks: rows with the lanes' digests under "lane"; lanes of other sweeps are left out.
        about: versions, device and so on, for the attributes.
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
            values[tuple(a[mine] for a in at)] = rows[name][at_rows[mine, 1]]
        variables[name] = (dims + tail_dims, values, attributes(name))
    dataset = xr.Dataset(variables, coordinates(spec))
    return dataset.assign_attrs(
        title=spec.name, spec=tomli_w.dumps(spec.to_dict()), supports=spec.data["supports"], model=spec.model["name"],
        precision=spec.train["precision"], **(about or {}),
    )  # fmt: skip


def layout(spec: SweepSpec, chunks: Iterable[Rows]) -> Iterable[tuple[str, dict[str, int], Any]]:
    """(variable, {dimension: size} after those of the cells, dtype) of every variable."""
    real = np.dtype(spec.train["precision"])
    steps = spec.steps[0] if isinstance(spec.steps, tuple) else spec.steps
    sizes = {"class": len(CLASSES)}
    for name, variable in VARIABLES.items():
        own = {dim: sizes[dim] for dim in variable.dims}
        yield name, own, real
        if spec.record and name in PATHS:
            on_test = name == "test_error"
            count = len((test_steps if on_test else record_steps)(steps, spec.record))
            yield f"{name}_path", {"test_record" if on_test else "record": count, **own}, real


PATHS = tuple(VARIABLES)[: tuple(VARIABLES).index("objective_change")]
"""Variables that are kept as trajectories."""


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
        "class": ("class", np.array(CLASSES), {"long_name": "class", "symbol": "$j$"}),
    }
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


def load_results(path: str | Path) -> xr.Dataset:
    """The results of a sweep, at any moment of it.

    Args:
        path: the sweep's folder.

    Returns:
        A Dataset with dimensions `optimizer`, every swept axis, `seed`, and `record` or `test_record` for
        trajectories (variables with the suffix `_path`); fixed values are coordinates. What has not been computed is
        NaN, its `status` 0 (pending).

    Raises:
        FolderError: if the folder holds no sweep.
        DamageError: if a chunk in it is damaged.
    """
    return Folder(path).dataset()
