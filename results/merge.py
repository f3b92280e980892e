"""Journals that are shipped, in fewer files: `python results/merge.py DIR...`.

An array costs 270 bytes in a file beside its numbers, and a lane to rest has 46 of them, so chunks of a few lanes are
mostly names. Those that were computed alike (versions, device, instruction set, width) become one: each lane the same
numbers, the seconds added up. The results as read must be identical, or the folder stays as it is; nobody else may run
in it meanwhile.
"""

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from adam_vs_gd.errors import DamageError
from adam_vs_gd.store.files import publish
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.lock import held
from adam_vs_gd.types import Rows

MOST = 200_000  # bytes of a file's arrays, in which names are a sixteenth


def alike(rows: Rows) -> tuple[Any, ...]:
    """What chunks share that can be one: how they were computed, and which arrays they have."""
    about = json.loads(str(rows["about"])) | {"seconds": None}
    arrays = ((name, array.dtype.str, array.shape[1:]) for name, array in rows.items() if name != "about")
    return json.dumps(about, sort_keys=True), *arrays


def bundled(chunks: Iterable[Rows]) -> list[list[Rows]]:
    """Chunks that become one file: alike, and not larger together than `MOST`."""
    groups: dict[tuple[Any, ...], list[list[Rows]]] = defaultdict(lambda: [[]])
    for rows in chunks:
        files = groups[alike(rows)]
        if sum(array.nbytes for each in (*files[-1], rows) for array in each.values()) > MOST:
            files.append([])
        files[-1].append(rows)
    return [file for files in groups.values() for file in files if file]


def together(chunks: list[Rows]) -> tuple[list[str], Rows, dict[str, Any]]:
    """Lanes, arrays and origin of chunks as of one."""
    abouts = [json.loads(str(rows["about"])) for rows in chunks]
    arrays = {name: np.concatenate([rows[name] for rows in chunks]) for name in chunks[0] if name != "about"}
    seconds = [about["seconds"] for about in abouts if "seconds" in about]
    return arrays.pop("lane").tolist(), arrays, abouts[0] | ({"seconds": sum(seconds)} if seconds else {})


def merge(folder: Path) -> None:
    """Write chunks that are alike as one, in a copy first, which must give the same results.

    Raises:
        FolderError: if somebody runs in the folder: what is committed meanwhile would be lost.
        DamageError: if the results would not be the same.
    """
    whole = Folder(folder)
    with held(folder, wait=False, say=print), TemporaryDirectory() as place:
        copy = Folder(shutil.copytree(folder, Path(place) / folder.name, ignore=shutil.ignore_patterns("*.npz")))
        for chunks in bundled(whole.journal.chunks()):
            copy.journal.commit(*together(chunks))
        if not whole.dataset().identical(copy.dataset()):
            raise DamageError(f"{folder}: its results would not be the same in fewer files; it is left as it is")
        old, new = ({path.name for path in one.journal.files()} for one in (whole, copy))
        for name in new - old:
            publish(whole.journal.path / name, (copy.journal.path / name).read_bytes(), replace=True)
        for name in old - new:
            (whole.journal.path / name).unlink()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        merge(Path(name))
