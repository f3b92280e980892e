"""The journal of a sweep: one immutable file a finished chunk, its own SHA-256 at its end. It is the truth."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adam_vs_gd.errors import DamageError
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.store.files import move, publish, sealed, suffixes, unsealed
from adam_vs_gd.types import Rows

PROVENANCE = ("platform", "device", "path", "kernel", "versions", "python", "commit")
"""What a chunk was computed with, as far as it is told in the Dataset's attributes; beside what its family adds."""
OF_A_CHUNK = ("width", "devices", "seconds")
"""What differs from chunk to chunk, and is not told there."""


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

        Args:
            lanes: digests.
            rows: {name: [lanes, ...]}.
            about: what it was computed with; see `PROVENANCE`.
        """
        content = sealed({"lane": np.array(lanes), "about": np.array(json.dumps(about)), **rows})
        publish(self.path / f"{digest_of(lanes)}.npz", content, replace=False)

    def chunks(self) -> Iterator[dict[str, np.ndarray]]:
        """Every committed chunk.

        Raises:
            DamageError: naming a chunk that is damaged.
        """
        for path, content in self.contents():
            rows = unsealed(content)
            if rows is None:
                raise DamageError(
                    f"{path}: is damaged (its SHA-256 is wrong); `adam-vs-gd verify "
                    f"{self.path.parent} --repair` recomputes it"
                )
            yield rows

    def files(self) -> list[Path]:
        """The files of the committed chunks."""
        return npz_files(self.path)

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

    def set_aside(self, path: Path) -> Path:
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
        for key in (*PROVENANCE, *(key for key in one if key not in PROVENANCE and key not in OF_A_CHUNK)):
            found.setdefault(key, {})[str(one.get(key, "unknown"))] = None
    return {key: "; ".join(values) for key, values in found.items()}
