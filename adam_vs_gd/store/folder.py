"""Results on disk: a journal with one immutable file a finished chunk, and a copy of the Dataset made from it.

The journal is the truth; `dataset.zarr` is a copy for other tools, and can always be made again.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli_w
import xarray as xr

from adam_vs_gd.engine.plan import digest_of
from adam_vs_gd.errors import DamageError, FolderError, SpecError
from adam_vs_gd.problems.keys import set_of
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.plain import plain, show
from adam_vs_gd.spec.sweep_spec import SweepSpec, load_spec
from adam_vs_gd.store.files import STAGING, move, publish, sealed, staging, suffixes, unsealed
from adam_vs_gd.store.lock import HOLDER, LOCK
from adam_vs_gd.types import Rows

COMPRESSION = 3
ZARR_CHUNK_BYTES = 2**24
PROVENANCE = ("platform", "device", "path", "kernel", "versions", "python", "commit")
"""What a chunk was computed with, as far as it is told in the Dataset's attributes; and if there was such a thing:"""
OCCASIONAL = ("settings", "image_set", "image_digest")


class Damage(NamedTuple):
    """A damaged chunk.

    Attributes:
        path: its file.
        lanes: digests of the lanes it held; None where that cannot be told.
    """

    path: Path
    lanes: tuple[str, ...] | None


class Survey(NamedTuple):
    """What a journal holds.

    Attributes:
        done: digests of the lanes that are committed and whole.
        about: what each whole chunk was computed with.
        damaged: the chunks that are not whole.
    """

    done: frozenset[str]
    about: Sequence[Mapping[str, Any]]
    damaged: Sequence[Damage]


class Folder:
    """A sweep's folder: `spec.toml`, `journal/`, `checkpoints/`, `dataset.zarr`, `figures/`, `log.txt`."""

    def __init__(self, path: str | Path) -> None:
        try:
            self.path = Path(path)
        except TypeError:
            raise FolderError(f"{show(plain(path))}: must be the path of a sweep's folder") from None
        self.spec_file = self.path / "spec.toml"
        self.journal = self.path / "journal"
        self.checkpoints = self.path / "checkpoints"
        self.damaged = self.path / "damaged"
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
        for folder in (self.path, self.journal, self.figures):
            for half in folder.glob(f"{STAGING}*"):
                shutil.rmtree(half) if half.is_dir() else half.unlink(missing_ok=True)

    def open(self, spec: SweepSpec) -> None:
        """Write the spec, and make room for chunks."""
        self.path.mkdir(parents=True, exist_ok=True)
        publish(self.spec_file, tomli_w.dumps(spec.to_dict()).encode(), replace=True)
        self.journal.mkdir(exist_ok=True)

    def commit(self, lanes: Sequence[str], rows: Rows, about: Mapping[str, Any]) -> None:
        """Write a finished chunk: complete under its name, or not at all. A second writer of it changes nothing.

        Args:
            lanes: digests.
            rows: {name: [lanes, ...]}.
            about: what it was computed with; see `PROVENANCE`.
        """
        content = sealed({"lane": np.array(lanes), "about": np.array(json.dumps(about)), **rows})
        publish(self.journal / f"{digest_of(lanes)}.npz", content, replace=False)

    def chunks(self) -> Iterator[dict[str, np.ndarray]]:
        """Every committed chunk.

        Raises:
            DamageError: naming a chunk that is damaged.
        """
        for path, content in self.contents():
            rows = unsealed(content)
            if rows is None:
                raise DamageError(
                    f"{path}: is damaged (its SHA-256 is wrong); `adam-vs-gd verify {self.path} --repair` recomputes it"
                )
            yield rows

    def files(self) -> list[Path]:
        """The files of the committed chunks."""
        return npz_files(self.journal)

    def contents(self) -> Iterator[tuple[Path, bytes]]:
        """The files of the committed chunks, with what is in them."""
        for path in self.files():
            with contextlib.suppress(FileNotFoundError):  # another process has just set it aside
                yield path, path.read_bytes()

    def survey(self) -> Survey:
        """What the journal holds, every chunk read and checked."""
        done: set[str] = set()
        about, damaged = [], []
        for path, content in self.contents():
            rows = unsealed(content)
            if rows is None:
                damaged.append(Damage(path, lanes_in(content, path.stem)))
            else:
                done.update(map(str, rows["lane"]))
                about.append(json.loads(str(rows["about"])))
        return Survey(frozenset(done), about, damaged)

    def set_damaged_aside(self, path: Path) -> Path:
        """Move a damaged chunk out of the journal, and say where to."""
        self.damaged.mkdir(exist_ok=True)
        return move(path, (self.damaged / f"{path.stem}{suffix}.npz" for suffix in suffixes()))

    def lost(self, wanted: Set[str], survey: Survey) -> set[str]:
        """Those of the lanes that damaged chunks held, or may have held, and that no whole chunk holds by now.

        Chunks count that have been set aside too, so that a repair that was interrupted is known to be one.
        """
        missing = wanted - survey.done
        lost: set[str] = set()
        for damage in (*survey.damaged, *self.aside()):
            lost |= missing if damage.lanes is None else missing & set(damage.lanes)
        return lost

    def aside(self) -> Iterator[Damage]:
        """The damaged chunks set aside whose lanes may not all be there again."""
        for path in npz_files(self.damaged):
            yield Damage(path, lanes_in(path.read_bytes(), path.stem.partition("-")[0]))

    def settle(self, wanted: Set[str], done: Set[str]) -> None:
        """Mark the damaged chunks set aside whose lanes are there again."""
        for damage in self.aside():
            if not (wanted - done if damage.lanes is None else wanted & set(damage.lanes) - done):
                move(damage.path, (damage.path.with_suffix(f".replaced{suffix}") for suffix in suffixes()))

    def dataset(self, spec: SweepSpec | None = None) -> xr.Dataset:
        """The Dataset of what is committed; the rest is NaN, its status pending."""
        spec = spec or self.spec()
        rows, about = [], []
        for stored in self.chunks():
            about.append(json.loads(str(stored.pop("about"))))
            rows.append(stored)
        return to_dataset(spec, rows, combined(about))

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
                same = dataset.drop_attrs().identical(stored.load().drop_attrs())
        except Exception:  # damaged data can fail in any way
            return "damaged"
        return "whole" if same else "different"


def npz_files(folder: Path) -> list[Path]:
    """The chunks in a folder; none if it does not exist.

    Raises:
        OSError: if it cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".npz" and not path.name.startswith("."))
    except FileNotFoundError:
        return []


def lanes_in(content: bytes, name: str) -> tuple[str, ...] | None:
    """The lanes of a damaged chunk: its first array, where that still agrees with the chunk's name."""
    try:
        array = np.lib.format.read_array(io.BytesIO(content[content.index(np.lib.format.MAGIC_PREFIX) :]))
        lanes = tuple(map(str, array))
    except Exception:  # damaged data can fail in any way
        return None
    return lanes if digest_of(lanes) == name else None


def combined(about: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What chunks were computed with, as attributes: every different value, in order."""
    found: dict[str, dict[str, None]] = {}
    for one in about:
        for key in (*PROVENANCE, *(key for key in OCCASIONAL if key in one)):
            found.setdefault(key, {})[str(one.get(key, "unknown"))] = None
    return {key: "; ".join(values) for key, values in found.items()}


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
    before, now = old.to_dict(), new.to_dict()
    pairs = [(key, before[key], now[key]) for key in ("name", "steps", "record")]
    tables = [(name, before[name], now[name]) for name in ("data", "model", "train")]
    shared = [label for label in before["optimizers"] if label in now["optimizers"]]
    tables += [(f"optimizers.{label}", before["optimizers"][label], now["optimizers"][label]) for label in shared]
    pairs += [(f"{name}.{key}", a.get(key), b.get(key)) for name, a, b in tables for key in a | b if key != "images"]
    pairs += [("data.images", set_of(before["data"].get("images", "")), set_of(now["data"].get("images", "")))]
    for key, a, b in pairs:
        if a is None or b is None or not (isinstance(a, list) or isinstance(b, list) or a == b):
            yield key, told(a), told(b)


def told(value: Any) -> str:
    """A fixed value of a spec, or that it has none."""
    return "left out" if value is None else show(value)


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
