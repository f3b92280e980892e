"""Arrays of numbers as text within a page."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

BYTES_OF: Mapping[str, int] = {"f4": 4, "i1": 1}
LEVEL = 6  # of gzip: 9 takes five times as long for 1 % less


class Blob:
    """Named arrays one behind the other.

    A float's four bytes stand apart, first bytes first, so that like stands beside like when they are compressed.

    Attributes:
        places: {name: (first byte, numbers, type)}, the types being those of `BYTES_OF`.
    """

    def __init__(self) -> None:
        self.places: dict[str, tuple[int, int, str]] = {}
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, name: str, values: ArrayLike, kind: str = "f4") -> None:
        """Put an array of any shape behind the others; its numbers stay in C order."""
        array = np.ascontiguousarray(values, dtype=f"<{kind}").reshape(-1)
        content = array.view(np.uint8).reshape(-1, BYTES_OF[kind]).T.tobytes()
        self.places[name] = (self.size, array.size, kind)
        self.parts.append(content)
        self.size += len(content)

    def text(self) -> str:
        """All of it, compressed by gzip, in base64."""
        return base64.b64encode(gzip.compress(b"".join(self.parts), LEVEL, mtime=0)).decode("ascii")


def rounded(values: ArrayLike, bits: int) -> np.ndarray:
    """float32 numbers rounded to so many bits behind the leading one (relative error 2^-(bits + 1)); NaN and inf stay.

    Args:
        values: any shape.
        bits: 1 .. 22.
    """
    array = np.array(values, np.float32)
    drop = 23 - bits
    pattern = array.view(np.uint32)
    up = pattern + np.uint32((1 << (drop - 1)) - 1) + ((pattern >> np.uint32(drop)) & np.uint32(1))
    kept = np.where(np.isfinite(array), up & np.uint32(0xFFFFFFFF ^ ((1 << drop) - 1)), pattern)
    return kept.astype(np.uint32).view(np.float32)
