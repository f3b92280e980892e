"""The journal of a sweep: one immutable file a finished chunk, its own SHA-256 at its end. It is the truth.

Where there are thousands of them, they are bundled into packs, which hold the same bytes; see `pack`.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adam_vs_gd.errors import DamageError
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.store.files import free, move, publish, sealed, suffixes, unsealed
from adam_vs_gd.store.origins import Origins
from adam_vs_gd.store.pack import CHUNKS, SUFFIX, Piece, packed, part, pieces, places
from adam_vs_gd.types import Rows

CHUNK = ".npz"  # ends the name of a chunk's file
OF_ALL = ("lane", "about")
"""What is first in every chunk, before its variables."""
SMALL = 2**18
"""Bytes of a chunk that may be packed: what is large is no trouble as a file of its own, and costs time to copy."""


class Damage(NamedTuple):
    """A damaged chunk.

    Attributes:
        path: its file, or the pack that it is in.
        lanes: digests of the lanes it held; None where that cannot be told.
        name: of the chunk in a pack, as far as it can be told; None for a file of its own.
    """

    path: Path
    lanes: tuple[str, ...] | None
    name: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        if self.name is None:
            return str(self.path)
        return f"{self.path}, chunk {self.name}" if self.name else f"{self.path}, a chunk without a name"


class Survey(NamedTuple):
    """What a journal holds.

    Attributes:
        done: digests of the lanes that are committed and whole.
        about: what the whole chunks were computed with, each different one once, without `origins.OF_A_CHUNK`.
        damaged: the chunks that are not whole.
        seconds: how long each whole chunk took; None where it does not say.
    """

    done: frozenset[str]
    about: Sequence[Mapping[str, Any]]
    damaged: Sequence[Damage]
    seconds: Sequence[float | None]


class Stored(NamedTuple):
    """A committed chunk as it is read.

    Attributes:
        rows: its arrays; None where its bytes are not what was written.
        damage: what is wrong with it, or with its header in a pack; None where nothing is.
    """

    rows: dict[str, np.ndarray] | None
    damage: Damage | None


class Journal:
    """A folder of chunks, and one beside it for those that are found damaged.

    Args:
        path: of the chunks.
        damaged: of the damaged ones.
    """

    def __init__(self, path: Path, damaged: Path) -> None:
        self.path, self.damaged = path, damaged

    def commit(self, lanes: Sequence[str], rows: Rows, about: Mapping[str, Any]) -> None:
        """Write a finished chunk: complete under its name, or not at all. A second writer of it changes nothing.

        That the name is taken does not say that somebody has written it all, on a network's file system least of
        all: what is there is looked at, and set aside if it is damaged.

        Args:
            lanes: digests.
            rows: {name: [lanes, ...]}.
            about: what it was computed with; see `origins.PROVENANCE`.
        """
        content = sealed({"lane": np.array(lanes), "about": np.array(json.dumps(about)), **rows})
        path = self.path / f"{digest_of(lanes)}{CHUNK}"
        if not publish(path, content, replace=False) and not is_called(path.read_bytes(), path.stem):
            self.set_aside(path)
            publish(path, content, replace=False)

    def unseen(self, names: Iterable[str]) -> set[str]:
        """Those chunks of these names that are no file of their own here: a network may show them late."""
        return set(names) - {path.stem for path in self.files()}

    def chunks(self) -> Iterator[dict[str, np.ndarray]]:
        """Every committed chunk, once.

        Raises:
            DamageError: naming a chunk that is damaged.
        """
        for rows, damage in self.read():
            if damage:
                raise DamageError(
                    f"{damage.place}: is damaged (its SHA-256 is wrong); `adam-vs-gd verify "
                    f"{self.path.parent} --repair` recomputes it"
                )
            if rows is not None:
                yield rows

    def those(self, names: Iterable[str]) -> Iterator[dict[str, np.ndarray]]:
        """The chunks of some names that are whole files of their own, as those are that have just been committed."""
        for name in names:
            if (rows := unsealed((self.path / f"{name}{CHUNK}").read_bytes(), None)) is not None:
                yield rows

    def files(self) -> list[Path]:
        """The files of the committed chunks that are in no pack."""
        return files_of(self.path, CHUNK)

    def packs(self) -> list[Path]:
        """The files of packs."""
        return files_of(self.path, SUFFIX)

    def found(self) -> dict[str, Path | tuple[Path, int, int]]:
        """{name of a chunk: its file, or its pack and where in it}, by names and headers: nothing is checked."""
        found: dict[str, Path | tuple[Path, int, int]] = {path.stem: path for path in self.files()}
        for pack in self.packs():
            found.update({name: (pack, *at) for name, at in places(pack).items()})
        return found

    def read(self, first: int | None = None) -> Iterator[Stored]:
        """Every committed chunk, whole ones once, with its first few arrays or all.

        Another process may pack chunks meanwhile: what has vanished from where it was listed, or was listed nowhere, is
        in a pack that was not there at first. So packs are looked for again until there is no new one.
        """
        listed: set[Path] = set()
        served: set[str] = set()
        for again in itertools.count():
            packs = [path for path in self.packs() if path not in listed]
            if again and not packs:
                return
            loose = [path for path in self.files() if path not in listed]
            listed.update(packs, loose)
            for path in (*packs, *loose):
                with contextlib.suppress(FileNotFoundError):  # packed, or set aside, by another process
                    for piece in pieces(path) if path.suffix == SUFFIX else [alone(path)]:
                        stored = judged(path, piece, first)
                        if stored.damage or piece.name not in served:
                            yield stored
                        if stored.rows is not None:
                            served.add(piece.name)

    def survey(self) -> Survey:
        """What the journal holds, every chunk read and checked."""
        done: set[str] = set()
        origins, damaged, seconds = Origins(), [], []
        for rows, damage in self.read(len(OF_ALL)):
            if damage:
                damaged.append(damage)
            if rows is not None:
                done.update(rows["lane"].tolist())
                seconds.append(origins.add(rows).get("seconds"))
        return Survey(frozenset(done), origins.all(), damaged, seconds)

    def set_aside(self, path: Path) -> Path:
        """Move a damaged chunk out of the journal, or what is damaged in a pack, and say where to."""
        self.damaged.mkdir(exist_ok=True)
        if path.suffix != SUFFIX:
            return move(path, self.places_aside(path.stem))
        whole = {}
        for piece in pieces(path):
            if unsealed(piece.content, 0) is None:
                publish(free(self.places_aside(piece.name or path.stem)), piece.content, replace=False)
            else:
                whole[piece.name] = piece.content
        name, content = packed(whole)
        if whole:
            publish(self.path / name, content, replace=True)
        if not whole or name != path.name:
            path.unlink(missing_ok=True)
        return self.damaged

    def keep_aside(self, name: str, content: bytes) -> Path:
        """Put a damaged chunk that was found elsewhere to those that are set aside, and say where."""
        self.damaged.mkdir(parents=True, exist_ok=True)
        publish(path := free(self.places_aside(name)), content, replace=False)
        return path

    def places_aside(self, name: str) -> Iterator[Path]:
        """Where a damaged chunk may be put."""
        return (self.damaged / f"{name}{suffix}{CHUNK}" for suffix in suffixes())

    def pack(self, size: int = CHUNKS, check: Callable[[], None] = lambda: None) -> None:
        """Bundle chunks into packs where there are more files than two packs take; for a process that is alone here.

        A pack is on disk before the first file of a chunk in it is removed. Chunks that are damaged or not `SMALL` stay
        as they are.

        Args:
            size: chunks of a pack.
            check: called between two packs; may raise to stop.
        """
        if len(files := self.files()) <= 2 * size:
            return
        loose = self.not_packed(path for path in files if path.stat().st_size <= SMALL)
        for i in range(0, len(loose) - size + 1, size):
            check()
            found = {path: path.read_bytes() for path in loose[i : i + size]}
            whole = {path: content for path, content in found.items() if is_called(content, path.stem)}
            if whole:
                name, content = packed({path.stem: content for path, content in whole.items()})
                publish(self.path / name, content, replace=True)
            for path in whole:
                path.unlink()

    def not_packed(self, files: Iterable[Path]) -> list[Path]:
        """Those of the files whose chunks are in no pack; a file that a pack has byte for byte is removed."""
        loose = {path.stem: path for path in files}
        for pack in self.packs():
            for name, at in places(pack).items():
                if (path := loose.pop(name, None)) and path.read_bytes() == part(pack, *at):
                    path.unlink()
        return list(loose.values())

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
        for path in files_of(self.damaged, CHUNK):
            yield Damage(path, lanes_in(path.read_bytes(), path.stem.partition("-")[0]))

    def settle(self, wanted: Set[str], done: Set[str]) -> None:
        """Mark the damaged chunks set aside whose lanes are there again."""
        for damage in self.aside():
            if not (wanted - done if damage.lanes is None else wanted & set(damage.lanes) - done):
                move(damage.path, (damage.path.with_suffix(f".replaced{suffix}") for suffix in suffixes()))


def files_of(folder: Path, suffix: str) -> list[Path]:
    """The files in a folder that end so; none if it does not exist.

    Raises:
        OSError: if it cannot be read.
    """
    try:
        found = [path for path in folder.iterdir() if path.name.endswith(suffix) and not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda path: path.name)


def alone(path: Path) -> Piece:
    """A chunk that is a file of its own."""
    return Piece(path.stem, path.read_bytes(), marked=True)


def judged(path: Path, piece: Piece, first: int | None) -> Stored:
    """A chunk, or its first few arrays, and what is wrong with it."""
    rows = unsealed(piece.content, first)
    if rows is not None and piece.marked:
        return Stored(rows, None)
    lanes = lanes_in(piece.content, piece.name) if rows is None else tuple(rows["lane"].tolist())
    return Stored(rows, Damage(path, lanes, piece.name if path.suffix == SUFFIX else None))


def is_called(content: bytes, name: str) -> bool:
    """Whether a chunk is whole, and of this name."""
    rows = unsealed(content, 1)
    return rows is not None and digest_of(rows["lane"].tolist()) == name


def lanes_in(content: bytes, name: str) -> tuple[str, ...] | None:
    """The lanes of a damaged chunk: its first array, where that still agrees with the chunk's name."""
    try:
        array = np.lib.format.read_array(io.BytesIO(content[content.index(np.lib.format.MAGIC_PREFIX) :]))
        lanes = tuple(map(str, array))
    except Exception:  # damaged data can fail in any way
        return None
    return lanes if digest_of(lanes) == name else None
