"""Files that others have published: read within bounds, and compared with their size and MD5."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import NamedTuple

from adam_vs_gd.errors import DataError


class Published(NamedTuple):
    """What is known of a file: its size in bytes, and its MD5 in hex, which finds damage but stops no forger."""

    size: int
    md5: str


def md5_of(content: bytes) -> str:
    """MD5 in hex."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def read(path: Path, most: int, fix: str) -> bytes:
    """A file of at most `most` bytes.

    Args:
        path: the file.
        most: bytes; of a larger file no more than that is read.
        fix: what the message of an error ends with.

    Raises:
        DataError: if it is not there, is no file, cannot be read, or is larger.
    """
    try:
        if not path.is_file():
            found = "is there, but is no file" if path.exists() else "is not there"
            raise DataError(f"{path}: {found}; {fix}")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); {fix}") from error
    if len(content) > most:
        raise DataError(f"{path}: has more than {most:,} bytes, and should not; {fix}")
    return content


def unzip(path: Path, content: bytes, most: int, fix: str) -> bytes:
    """What a gzip file of one member holds, at most `most` bytes; no more than that is ever unpacked.

    Raises:
        DataError: if it is no gzip file, is damaged, ends early, goes on after its end, or holds more.
    """
    stream = zlib.decompressobj(wbits=31)  # 31: a gzip header, and the sum at its end
    try:
        unpacked = stream.decompress(content, most + 1)
    except zlib.error as error:
        raise DataError(f"{path}: is no gzip file, or a damaged one ({error}); {fix}") from error
    if len(unpacked) > most:
        raise DataError(f"{path}: unpacks to more than {most:,} bytes, and should not; {fix}")
    if not stream.eof:
        raise DataError(f"{path}: ends early, after {len(content):,} bytes; {fix}")
    if stream.unused_data.strip(b"\0"):
        raise DataError(f"{path}: goes on after the end of what it packs; {fix}")
    return unpacked


def check(path: Path, content: bytes, known: Published, fix: str) -> None:
    """Compare content with what is known of it.

    Raises:
        DataError: if the size or the MD5 differs.
    """
    if len(content) != known.size:
        raise DataError(f"{path}: has {len(content):,} bytes instead of {known.size:,}; {fix}")
    if (md5 := md5_of(content)) != known.md5:
        raise DataError(
            f"{path}: has the MD5 {md5} instead of the published {known.md5}: it is damaged, or another file; {fix}"
        )
