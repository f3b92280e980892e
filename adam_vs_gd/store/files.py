"""Files that are whole or not there, and that tell when they are damaged."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import itertools
import os
import struct
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from adam_vs_gd.store.npz import members

RUNS = Path("runs")
"""Where the command line makes a sweep's folder if it is not told where, under the sweep's name."""
STAGING = ".tmp-"
"""How the name of a file that is not complete begins; a process that is alone removes those that others left."""
DIGEST_BYTES = 32


def staging(path: Path) -> Path:
    """A name beside `path` to make it under, that nobody else has."""
    return path.with_name(f"{STAGING}{uuid.uuid4().hex}-{path.name}")


def is_utf8(path: Path) -> bool:
    """Whether a path's bytes are its text in UTF-8, as libraries assume that do not ask how Python names files."""
    try:
        return os.fsencode(path) == str(path).encode()
    except UnicodeEncodeError:
        return False


def suffixes() -> Iterator[str]:
    """Endings that tell files of one name apart: none, -2, -3 and so on."""
    return itertools.chain([""], (f"-{i}" for i in itertools.count(2)))


def free(names: Iterable[Path]) -> Path:
    """The first of these names that nothing has."""
    return next(name for name in names if not name.exists())


def move(path: Path, names: Iterable[Path]) -> Path:
    """Rename a file or folder to the first of these names that is free."""
    target = free(names)
    path.rename(target)
    return target


def publish(path: Path, content: bytes, *, replace: bool) -> bool:
    """Make `path` hold `content`, flushed to disk, never half. Without `replace` an existing file wins.

    Returns:
        Whether it holds that now; False if somebody was first.
    """
    name, first = staging(path), True
    try:
        with name.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(name, path)
        else:
            first = link(name, path)
        with contextlib.suppress(OSError):  # not every system can flush a folder
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
    finally:
        with contextlib.suppress(OSError):
            name.unlink(missing_ok=True)
    return first


def link(name: Path, path: Path) -> bool:
    """Give a file a second name, unless that is taken; on a file system without links, rename it. Whether it has it."""
    try:
        os.link(name, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        if path.exists():
            return False
        os.rename(name, path)
    return True


def sealed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Named arrays as an .npz, and behind it the SHA-256 of it."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    content = file.getvalue()
    return content + hashlib.sha256(content).digest()


def unsealed(content: bytes, first: int | None = None) -> dict[str, np.ndarray] | None:
    """The arrays of what `sealed` made, or only the first few; None where it is not that any more."""
    stored, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(stored).digest() != digest:
        return None
    try:
        return {name: array.copy() for name, array in itertools.islice(members(stored), first)}
    except (ValueError, struct.error):
        with np.load(io.BytesIO(stored)) as arrays:
            return {name: arrays[name] for name in arrays.files[:first]}
