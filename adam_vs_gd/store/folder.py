"""A sweep on disk: its spec, its journal, and a copy of the Dataset made from it for other tools."""

from __future__ import annotations

import contextlib
import datetime
import glob
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from adam_vs_gd.errors import DamageError, DiskError, FolderError, SpecError
from adam_vs_gd.refine.refinement import Refinement
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.cells import Cell, cells
from adam_vs_gd.spec.plain import plain, typed
from adam_vs_gd.spec.sweep_spec import SweepSpec, load_spec
from adam_vs_gd.store.agreement import disagreements
from adam_vs_gd.store.files import RUNS, STAGING, move, publish, suffixes
from adam_vs_gd.store.journal import Journal
from adam_vs_gd.store.lock import HOLDER, LOCK, held
from adam_vs_gd.store.mirror import SPEC, Mirror, object_of, pull
from adam_vs_gd.store.origins import Origins, combined
from adam_vs_gd.store.remote import PROBE, PROTOCOLS, Remote, is_address
from adam_vs_gd.types import Rows

if TYPE_CHECKING:
    import xarray as xr

WORKERS = ".workers"
"""Where workers leave word while they train."""


class Folder:
    """A sweep's folder: `spec.toml`, `journal/`, `checkpoints/`, `dataset.zarr`, `figures/`, `log.txt`.

    Args:
        path: of the folder; or an address in an object store, of which the folder is this machine's copy. The store is
            not looked at before `check` or `refresh`, and kept in step by a run's `mirror`.
    """

    def __init__(self, path: str | Path) -> None:
        self.remote = Remote(str(path)) if is_address(path) else None
        self.mirror: Mirror | None = None
        try:
            self.path = self.remote.copy if self.remote else Path(path)
        except TypeError:
            raise FolderError(f"{typed(plain(path))}: must be the path of a sweep's folder") from None
        if not self.remote and self.path.as_posix().startswith(tuple(f"{known}:/" for known in PROTOCOLS)):
            raise FolderError(f'{self.path}: an address must be text, as in out="s3://bucket/prefix", and no Path')
        self.spec_file = self.path / SPEC
        self.journal = Journal(self.path / "journal", self.path / "damaged")
        self.checkpoints = self.path / "checkpoints"
        self.zarr = self.path / "dataset.zarr"
        self.figures = self.path / "figures"
        self.log_file = self.path / "log.txt"

    def __str__(self) -> str:
        return self.remote.address if self.remote else str(self.path)

    def check(self, spec: SweepSpec) -> None:
        """Whether this sweep may be written here; touches nothing but a copy of a store, which gets what that has.

        Raises:
            FolderError: if the path is a file, holds something that is no sweep, or a sweep that disagrees in a fixed
                value.
        """
        if self.remote:
            self.follow(self.remote, spec)
        self.refuse(spec)
        if self.remote:  # what is there needs no memory here
            pull(self.remote, self.journal)

    def refuse(self, spec: SweepSpec) -> None:
        """`check`, of what is on this machine."""
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
                f"{self}: holds a sweep that disagrees in a fixed value\n"
                + "\n".join(f"  {key}: {old} there, {new} here" for key, old, new in differences)
                + "\nchoose another folder with --out"
                + ("" if self.remote else ", or move it aside with --overwrite")
            )

    def follow(self, remote: Remote, new: SweepSpec | None = None) -> None:
        """Make the copy of a store one of the sweep that is there now; another that this machine has is moved aside.

        Args:
            remote: the store.
            new: what is to be swept there, if it has none yet.

        Raises:
            FolderError: if it cannot be reached, holds something that is no sweep, or none and none is to be.
        """
        if new:
            remote.now()  # which is refused where a sweep cannot be written
        if (content := remote.get(SPEC)) is None:
            if found := [name for name in remote.names() if not name.startswith((PROBE, HOLDER))]:
                raise FolderError(
                    f"{remote.address}: holds something that is not a sweep ({found[0]}, and no {SPEC}); choose "
                    "another with --out"
                )
            if new is None:
                raise FolderError(f"{remote.address}: holds no sweep (there is no {SPEC} in it)")
        truth = new if content is None else read_spec(content, remote.place(SPEC))
        if self.spec_file.is_file() and truth and list(disagreements(self.spec(), truth)):
            with held(self.path, wait=False, say=lambda text: None):
                self.set_aside()
        if content is not None:
            self.make()
            publish(self.spec_file, content, replace=True)

    def refresh(self) -> Folder:
        """Fetch what a store has and its copy lacks, to be read; gives the folder.

        Raises:
            FolderError: if it cannot be reached, or holds no sweep.
            DamageError: naming a chunk that is damaged there.
        """
        if self.remote:
            self.follow(self.remote)
            for name in pull(self.remote, self.journal)[1]:
                raise DamageError(
                    f"{self.remote.place(object_of(name))}: is damaged (its SHA-256 is wrong); `adam-vs-gd verify "
                    f"{self} --repair` recomputes it"
                )
        return self

    def place(self, path: Path) -> str:
        """Where a file of the folder is, for people."""
        return self.remote.place(path.relative_to(self.path).as_posix()) if self.remote else str(path)

    def share(self, path: Path) -> str:
        """Put a file, and what is beside it under the same name, into the store too, if there is one; where it is now.

        Raises:
            DiskError: if it cannot be put.
        """
        if not self.remote or not path.is_relative_to(self.path):
            return str(path)
        try:
            for file in path.parent.glob(f"{glob.escape(path.stem)}.*"):
                self.remote.put(file.relative_to(self.path).as_posix(), file.read_bytes())
        except FolderError as error:
            raise DiskError(f"{error}\nit is {path}") from None
        return self.place(path)

    def committed(self, name: str) -> None:
        """A chunk of this name is in the journal."""
        if self.mirror:
            self.mirror.add(name)

    def is_empty(self) -> bool:
        """Whether there is nothing at the path, or only what a sweep makes before it writes its spec.

        In the copy of a store that is a log too: what goes wrong with the store is told in it.
        """
        if not self.path.is_dir():
            return not self.path.exists()
        names = {path.name for path in self.path.iterdir() if not path.name.startswith(STAGING)}
        return not names - {LOCK, HOLDER} - ({self.log_file.name} if self.remote else set())

    def spec(self) -> SweepSpec:
        """The spec of the sweep in the folder.

        Raises:
            FolderError: if there is none.
        """
        if self.path.is_file():
            raise FolderError(f"{self.path}: is a file, not the folder of a sweep{meant(self.path)}")
        if not self.spec_file.exists():
            raise FolderError(
                f"{self.path}: holds no sweep (there is no {self.spec_file.name} in it){meant(self.path)}"
            )
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
        content = tomli_w.dumps(spec.to_dict()).encode()
        publish(self.spec_file, content, replace=True)
        if self.remote:
            self.remote.put(SPEC, content)
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

        spec = spec or self.spec()
        if spec.refine is None:
            dataset = to_dataset(spec, rows(), everything=everything)
        else:
            dataset = self.refinement(spec).dataset(rows())
        return dataset.assign_attrs(combined(origins.all()))

    def refinement(self, spec: SweepSpec) -> Refinement:
        """How far a sweep is that is refined, by all in the journal that is whole."""
        refinement = Refinement(spec)
        for stored in self.journal.read():
            if stored.rows is not None:
                refinement.add(stored.rows)
        refinement.go_on()
        return refinement

    def asked(self, spec: SweepSpec, everything: Sequence[Cell] | None = None) -> set[str]:
        """Digests of the lanes that a sweep has asked for: all of a grid; of one that is refined as far as it is.

        Args:
            spec: of the sweep.
            everything: the cells of a grid, if they are known.
        """
        if spec.refine is not None:
            return {lane.digest for lane in self.refinement(spec).lanes()}
        return {lane.digest for _, lane in (cells(spec) if everything is None else everything)}


def meant(path: Path) -> str:
    """What to say where no sweep is: that it may be where a spec of this name is swept into, or in the folder."""
    found = [*(RUNS / path.stem).glob(SPEC), *sorted(path.glob(f"*/{SPEC}"))]
    return f"; did you mean {found[0].parent}?" if found else ""


def read_spec(content: bytes, place: str) -> SweepSpec:
    """The spec in a file that is not here.

    Raises:
        FolderError: if it is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / SPEC).write_bytes(content)
        try:
            return load_spec(path)
        except SpecError as error:
            mistakes = "; ".join(error.mistakes)
            raise FolderError(f"{place}: {mistakes}; has a newer adam-vs-gd written it?") from None


def load_results(path: str | Path) -> xr.Dataset:
    """The results of a sweep, at any moment of it.

    Args:
        path: the sweep's folder, or its address in an object store, such as s3://bucket/prefix.

    Returns:
        A Dataset with dimensions `optimizer`, every swept axis, `seed`, and `record` or `test_record` for
        trajectories (variables with the suffix `_path`); fixed values are coordinates. What has not been computed is
        NaN, its `status` 0 (pending).

    Raises:
        FolderError: if the folder holds no sweep.
        DamageError: if a chunk in it is damaged.
    """
    return Folder(path).refresh().dataset()
