"""The arrays of an .npz as `np.savez` writes it, read where they stand, one after another.

`np.load` reads the list of them at the end first, and checks each again: ten times as long, where they are small.
"""

from __future__ import annotations

import functools
import io
import math
import struct
from collections.abc import Iterator
from typing import Literal

import numpy as np

MEMBER = struct.Struct("<4sHHH8xLLHH")
"""What stands before an array's file: signature, version, flags, method; sizes; lengths of its name and of the rest."""
SIGNATURE, LIST = b"PK\x03\x04", b"PK\x01\x02"  # of a member, and of their list at the end
UTF8, STORED = 0x800, 0
LENGTH = struct.Struct("<8xH")  # of an array's header, behind its magic and version
VERSION_1 = np.lib.format.magic(1, 0)


def members(content: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """(name, array), in the order in which they were given to `np.savez`; the arrays are views of the content.

    Raises:
        ValueError: at what `np.savez` writes in no usual case; `np.load` may read it.
    """
    at = 0
    while content[at : at + len(LIST)] != LIST:
        signature, _, flags, method, _, _, named, more = MEMBER.unpack_from(content, at)
        if signature != SIGNATURE or flags & ~UTF8 or method != STORED:
            raise ValueError("not as np.savez writes it")
        at += MEMBER.size
        name = content[at : at + named].decode().removesuffix(".npy")
        at += named + more
        start = at + LENGTH.size + LENGTH.unpack_from(content, at)[0]
        shape, order, dtype = described(content[at:start])
        count = math.prod(shape)
        yield name, np.frombuffer(content, dtype, count, start).reshape(shape, order=order)
        at = start + count * dtype.itemsize


@functools.lru_cache(maxsize=4096)
def described(header: bytes) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype]:
    """Shape, order and dtype that the header of an array's file tells; the few that there are come again and again.

    Raises:
        ValueError: if it is of no array of numbers or text, or of another version.
    """
    if not header.startswith(VERSION_1):
        raise ValueError("not an array's file, or of another version")
    file = io.BytesIO(header)
    np.lib.format.read_magic(file)
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError("not of numbers or text")
    return shape, "F" if by_columns else "C", dtype
