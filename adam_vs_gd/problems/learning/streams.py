"""The named streams of a seed's randomness."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import jax

if TYPE_CHECKING:
    from adam_vs_gd.types import Key


class Stream(enum.IntEnum):
    """Named streams of a seed's randomness. Numbers are never reused: results on disk depend on them."""

    TRAIN = 1
    TEST = 2
    WEIGHTS = 3
    BATCHES = 4
    AUGMENT = 5
    ORDER = 6
    FEATURES = 7


def stream(key: Key, name: Stream) -> Key:
    """The key of one named stream of a seed."""
    return jax.random.fold_in(key, name)
