"""A pack: many sealed chunks in one immutable file, named by a digest of their names.

Each chunk is a header (magic, the chunk's name, its length, the SHA-256 of these), and then its bytes, which end in
their own SHA-256. There is no table to lose: where headers are damaged, their chunks reach to the next header that is
whole, and tell their names themselves; and a pack that has lost a chunk without a trace is not what its name says.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from adam_vs_gd.spec.cells import DIGITS, digest_of
from adam_vs_gd.store.files import DIGEST_BYTES, unsealed
from adam_vs_gd.store.npz import MEMBER

SUFFIX = ".pack"
CHUNKS = 1024  # of a pack
MAGIC = b"\x93CHUNK\r\n"
HEADER = struct.Struct(f"<{len(MAGIC)}s{DIGITS}sQ{DIGEST_BYTES}s")
BEGIN = b"lane.npy"  # the name of what is first in a chunk
BLOCK = 2**20  # bytes that are looked through at once for a header


class Piece(NamedTuple):
    """A part of a pack.

    Attributes:
        name: of the chunk; "" where that cannot be told.
        content: its bytes, as they are.
        marked: whether its header is what was written.
    """

    name: str
    content: bytes
    marked: bool


def header(name: str, length: int) -> bytes:
    """What stands before a chunk."""
    plain = HEADER.pack(MAGIC, name.encode(), length, b"")[:-DIGEST_BYTES]
    return plain + hashlib.sha256(plain).digest()


def understood(found: bytes) -> tuple[str, int] | None:
    """Name and length of the chunk behind a header; None where it is not a header."""
    if len(found) != HEADER.size or hashlib.sha256(found[:-DIGEST_BYTES]).digest() != found[-DIGEST_BYTES:]:
        return None
    magic, name, length, _ = HEADER.unpack(found)
    return (name.decode(), length) if magic == MAGIC else None


def packed(chunks: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The name of a pack's file, and what is in it.

    Args:
        chunks: {name: its bytes}.
    """
    content = b"".join(part for name, chunk in chunks.items() for part in (header(name, len(chunk)), chunk))
    return f"{digest_of(chunks)}{SUFFIX}", content


def pieces(path: Path) -> Iterator[Piece]:
    """What is in a pack, chunk by chunk. What is damaged costs no other chunk, and if it is a header, not its own.

    Raises:
        FileNotFoundError: if it is not there.
    """
    names: list[str] = []
    with path.open("rb") as file:
        while found := file.read(HEADER.size):
            if told := understood(found):
                here = [Piece(told[0], file.read(told[1]), marked=True)]
            else:
                file.seek(1 - len(found), os.SEEK_CUR)
                here = unmarked(found[:1] + up_to_a_header(file))
            names += [piece.name for piece in here]
            yield from here
    if "" not in names and digest_of(names) != path.stem:  # something is missing, and nothing tells what
        yield Piece("", b"", marked=False)


def unmarked(content: bytes) -> list[Piece]:
    """The chunks in what stands before the next header, found from its end; what is before them may be anything."""
    found: list[Piece] = []
    end = at = len(content)
    while (at := content.rfind(BEGIN, 0, at) - MEMBER.size) >= 0:
        if rows := unsealed(content[at:end], 1):
            found.insert(0, Piece(digest_of(rows["lane"].tolist()), content[at:end], marked=False))
            end = at = max(0, at - HEADER.size)
    rest = content[HEADER.size : end]
    return found if found and not rest else [Piece("", rest, marked=False), *found]


def up_to_a_header(file: IO[bytes]) -> bytes:
    """What stands in a file from here to the next header that is whole, or to its end; the file is then there."""
    start, content = file.tell(), bytearray()
    while block := file.read(BLOCK):
        at = max(0, len(content) - HEADER.size)
        content += block
        while (at := content.find(MAGIC, at)) >= 0:
            if understood(bytes(content[at : at + HEADER.size])):
                file.seek(start + at)
                return bytes(content[:at])
            at += 1
    return bytes(content)


def places(path: Path) -> dict[str, tuple[int, int]]:
    """{name: (where it begins, its length)} of the chunks of a pack, by its headers, as far as they are whole."""
    found = {}
    with path.open("rb") as file:
        while told := understood(file.read(HEADER.size)):
            name, length = told
            found[name] = file.tell(), length
            file.seek(length, os.SEEK_CUR)
    return found


def part(path: Path, start: int, length: int) -> bytes:
    """Some bytes of a file."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)
