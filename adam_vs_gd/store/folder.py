"""A sweep on disk: its spec, its journal, and a copy of the Dataset made from it for other tools."""

from __future__ import annotations

import contextlib
import datetime
import errno
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import xarray as xr

from adam_vs_gd.errors import FolderError, SpecError
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.cells import Cell
from adam_vs_gd.spec.plain import plain, typed
from adam_vs_gd.spec.sweep_spec import SweepSpec, load_spec
from adam_vs_gd.store.files import STAGING, move, publish, staging, suffixes
from adam_vs_gd.store.journal import Journal
from adam_vs_gd.store.lock import HOLDER, LOCK
from adam_vs_gd.store.origins import Origins, combined
from adam_vs_gd.types import Rows

COMPRESSION = 3
WORKERS = ".workers"
"""Where workers leave word while they train."""
ZARR_CHUNK_BYTES = 2**24


class Folder:
    """A sweep's folder: `spec.toml`, `journal/`, `checkpoints/`, `dataset.zarr`, `figures/`, `log.txt`."""

    def __init__(self, path: str | Path) -> None:
        try:
            self.path = Path(path)
        except TypeError:
            raise FolderError(f"{typed(plain(path))}: must be the path of a sweep's folder") from None
        self.spec_file = self.path / "spec.toml"
        self.journal = Journal(self.path / "journal", self.path / "damaged")
        self.checkpoints = self.path / "checkpoints"
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
        if self.is_empty():
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

    def is_empty(self) -> bool:
        """Whether there is nothing at the path, or only what a sweep makes before it writes its spec."""
        if not self.path.is_dir():
            return not self.path.exists()
        names = {path.name for path in self.path.iterdir() if not path.name.startswith(STAGING)}
        return not names - {LOCK, HOLDER}

    def spec(self) -> SweepSpec:
        """The spec of the sweep in the folder.

        Raises:
            FolderError: if there is none.
        """
        if self.path.is_file():
            raise FolderError(f"{self.path}: is a file, not the folder of a sweep")
        if not self.spec_file.exists():
            raise FolderError(f"{self.path}: holds no sweep (there is no {self.spec_file.name} in it)")
        try:
            return load_spec(self.spec_file)
        except SpecError as error:
            raise FolderError(f"{error}\nthis file is the sweep's own; has a newer adam-vs-gd written it?") from None

    def set_aside(self) -> Path:
        """Move the folder, or what is in its place, out of the way, and say where to.

        Raises:
            FolderError: if it cannot be moved.
        """
        with contextlib.suppress(OSError):
            (self.path / HOLDER).unlink(missing_ok=True)
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        here = self.path.resolve()
        if Path.cwd().is_relative_to(here):
            raise FolderError(f"{self.path}: you are in it; leave it, and then move it aside")
        try:
            return move(here, (here.with_name(f"{here.name}.{stamp}{suffix}") for suffix in suffixes()))
        except OSError as error:
            raise FolderError(
                f"{self.path}: cannot be moved aside ({error.strerror}); choose another folder with --out"
            ) from None

    def make(self) -> None:
        """Make the folder.

        Raises:
            FolderError: if it cannot be made, or written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.path).close()
        except OSError as error:
            raise FolderError(
                f"{self.path}: cannot be written to ({error.strerror}); choose another folder with --out"
            ) from None

    def clean(self) -> None:
        """Remove what earlier runs left half done; for a process that is alone here."""
        for folder in (self.path, self.journal.path, self.figures):
            for half in folder.glob(f"{STAGING}*"):
                shutil.rmtree(half) if half.is_dir() else half.unlink(missing_ok=True)

    def open(self, spec: SweepSpec) -> None:
        """Write the spec, and make room for chunks."""
        self.path.mkdir(parents=True, exist_ok=True)
        publish(self.spec_file, tomli_w.dumps(spec.to_dict()).encode(), replace=True)
        self.journal.path.mkdir(exist_ok=True)

    def dataset(self, spec: SweepSpec | None = None, everything: Sequence[Cell] | None = None) -> xr.Dataset:
        """The Dataset of what is committed; the rest is NaN, its status pending.

        Args:
            spec: of the sweep, if it is known.
            everything: its cells, if they are.
        """
        origins = Origins()

        def rows() -> Iterator[Rows]:
            for stored in self.journal.chunks():
                origins.add(stored)
                yield stored

        dataset = to_dataset(spec or self.spec(), rows(), everything=everything)
        return dataset.assign_attrs(combined(origins.all()))

    def consolidate(self, dataset: xr.Dataset) -> None:
        """Write `dataset.zarr` (Zarr 3, checksums in every chunk), in place of an older one."""
        from zarr.codecs import ZstdCodec

        compressors = [ZstdCodec(level=COMPRESSION, checksum=True)]
        encoding = {
            name: {"compressors": compressors, "chunks": zarr_chunks(variable.shape, variable.dtype.itemsize)}
            for name, variable in dataset.variables.items()
        }
        new = staging(self.zarr)
        dataset.to_zarr(new, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
        while True:
            old = staging(self.zarr)
            with contextlib.suppress(FileNotFoundError):
                self.zarr.rename(old)
                shutil.rmtree(old, ignore_errors=True)
            try:
                new.rename(self.zarr)
                return
            except OSError as error:  # another process has just put its own there
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise

    def zarr_says(self, dataset: xr.Dataset) -> str:
        """What `dataset.zarr` is beside a Dataset: "whole", "missing", "damaged" (unreadable), or "different"."""
        if not self.zarr.exists():
            return "missing"
        try:
            with xr.open_zarr(self.zarr, consolidated=False, mask_and_scale=False) as stored:
                same = stored.coords.keys() == dataset.coords.keys() and stored.keys() == dataset.keys()
                # one after another, so that no second Dataset is held
                same = same and all(
                    stored.variables[name].compute().equals(variable) for name, variable in dataset.variables.items()
                )
        except Exception:  # damaged data can fail in any way
            return "damaged"
        return "whole" if same else "different"


def zarr_chunks(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Chunks of whole trailing axes, the leading ones cut until a chunk is at most `ZARR_CHUNK_BYTES`."""
    chunks = list(shape)
    for axis in range(len(chunks)):
        rest = int(np.prod(chunks[axis + 1 :], dtype=np.int64)) * itemsize
        chunks[axis] = max(1, min(chunks[axis], ZARR_CHUNK_BYTES // rest))
        if chunks[axis] > 1 or rest * chunks[axis] <= ZARR_CHUNK_BYTES:
            break
    return tuple(chunks)


def disagreements(old: SweepSpec, new: SweepSpec) -> Iterable[tuple[str, str, str]]:
    """(key, old value, new value) wherever both specs fix a value and it differs. Axes may grow, seeds may be added.

    A key that only one of them has is a difference too, whatever its value: what was trained without it is on no axis.
    """
    before, now = fixed(old, new.labels), fixed(new, old.labels)
    for key in before | now:
        a, b = before.get(key), now.get(key)
        if a is None or b is None or not (isinstance(a, list) or isinstance(b, list) or a == b):
            yield key, told(a), told(b)


def fixed(spec: SweepSpec, labels: Collection[str]) -> dict[str, Any]:
    """{dotted key: value} of all in a spec but its seeds, as its family compares it; of variants those with `labels`.

    It does not matter in which of its tables a problem that is no network has a number.
    """
    found: dict[str, Any] = {}

    def add(path: tuple[str, ...], value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add((*path, key), inner)
        else:
            key = ".".join(path[1:] if path[0] in ("axes", "fixed", "static") else path)
            found[key] = spec.family.compared(key, value)

    variants = spec.family.variants.section if spec.family.variants else None
    for key, value in spec.to_dict().items():
        if key == variants:
            add((key,), {label: table for label, table in value.items() if label in labels})
        elif key != "seeds":
            add((key,), value)
    return found


def told(value: Any) -> str:
    """A fixed value of a spec, or that it has none."""
    return "left out" if value is None else typed(value)


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
