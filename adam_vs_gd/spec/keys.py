"""The keys that every spec has, and what there is to say of any key: one line for a comment, a title for an editor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from adam_vs_gd.problem import Number, Section
from adam_vs_gd.spec.plain import typed
from adam_vs_gd.spec.symbols import without_tex

DEFAULT_NAME = "sweep"
DEFAULT_SEEDS = 5
MOST_SEEDS = 1_000_000
MOST_SEED = 2**32 - 1
SEEDS = f"a count >= 1, or a list of different seeds, integers in 0 .. {MOST_SEED}"
NAME = r"[\w-][\w.-]*"
"""What a sweep may be called, a regular expression."""


class Entry(NamedTuple):
    """What there is to say of a key.

    Attributes:
        long_name: in words.
        allowed: the values allowed, in words.
        default: its value where it is left out; None where there is none.
        symbol: in plain text; "" where it has none.
    """

    long_name: str
    allowed: str
    default: Any = None
    symbol: str = ""

    @property
    def title(self) -> str:
        """What it is."""
        return f"{self.symbol}, {self.long_name}" if self.symbol else self.long_name

    @property
    def range(self) -> str:
        """What it may be, and is where it is left out."""
        return self.allowed if self.default is None else f"{self.allowed}; default {typed(self.default)}"


COMMON: Mapping[str, Entry] = {
    "name": Entry("name of the sweep, and of its folder", "letters, digits, - and _, fit for a folder"),
    "seeds": Entry("how many seeds, or which", SEEDS, DEFAULT_SEEDS),
    "record": Entry("steps at which a trajectory is kept, beside its start; 0 for none", "an integer in 0 .. steps"),
    "refine": Entry("what is looked for between the values of the axes", "a table; true for its defaults"),
}
"""Keys that every spec has."""
REFINE: Mapping[str, Number] = {
    "level": Number(float, -math.inf, math.inf, None, "", "level that is looked for"),
    "depth": Number(int, 1, 24, None, "", "how often a cell is halved"),
    "max_lanes": Number(int, 1, 2**53, None, "", "lanes at most"),
    "max_seeds": Number(int, 1, MOST_SEEDS, None, "", "seeds of a point at most"),
}
"""Numbers of [refine]; beside them it has:"""
REFINE_WORDS: Mapping[str, Entry] = {
    "value": Entry("what has the level", 'the name of a variable, or "status"'),
    "of": Entry("whose boundary", "a label, a difference, or a list of them"),
    "tolerance": Entry("width of a cell", "a number > 0, or a table of one for each axis"),
}
TOLERANCE = Number(float, 0, math.inf, None, "", "width of a cell", above=True)


def of_number(number: Number, default: Any) -> Entry:
    """What there is to say of a number; a limit that only a machine's integers set is not worth it."""
    limited = number.kind is float or number.high < 2**31 - 1
    allowed = (number if limited else replace(number, high=math.inf)).allowed
    return Entry(number.long_name, allowed, default, without_tex(number.symbol))


def of_choice(section: Section, key: str) -> Entry:
    """What there is to say of a choice."""
    *others, last = map(typed, section.choices[key])
    allowed = f"{', '.join(others)} or {last}" if others else last
    return Entry(section.words.get(key, ""), allowed, section.choices[key][0])


def of_refine() -> dict[str, Entry]:
    """What there is to say of the keys of [refine]."""
    return {**REFINE_WORDS, **{key: of_number(number, None) for key, number in REFINE.items()}}
