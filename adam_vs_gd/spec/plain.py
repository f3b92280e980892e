"""What people hand to a spec -> plain Python: None, bool, int, float, str, lists of those, dicts; or it is refused."""

from __future__ import annotations

import decimal
import itertools
import json
import math
import numbers
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LONGEST = 1_000_000  # items of a list
TOO_LONG = f"; a list has at most {LONGEST} values"
DEEPEST = 5  # tables in tables; a spec's own go to three
SHOWN, ENDS = 8, (4, 1)  # items of a list that are shown; of a longer one, so many first and last
TEXT = 300  # characters that are shown
SURROGATES = range(0xD800, 0xE000)  # no characters: a file of UTF-8 cannot hold them
DIGITS = 128  # bits of an integer that is shown by its digits


@dataclass(frozen=True)
class Refused:
    """What is neither a scalar, nor one-dimensional, nor a table.

    Attributes:
        text: it, in short.
        hint: what to do about it, behind what is allowed.
    """

    text: str
    hint: str = ""


def plain(value: Any, depth: int = DEEPEST) -> Any:
    """A value as it would be read from TOML: None, bool, int, float, str, a list of those, a dict; else `Refused`.

    What is one-dimensional becomes a list, what has no dimension a scalar, whoever made it (NumPy, JAX, pandas,
    xarray). A float32 is the shortest decimal that rounds to it: `jnp.float32(0.1)` is 0.1. Entries of a table that
    are None are left out. Nothing is raised, whatever the value's own methods do; a later change of it changes nothing.
    """
    try:
        if isinstance(value, Mapping):
            return table(value, depth)
        if hasattr(value, "__array__"):
            return of_array(value)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            items = list(itertools.islice(value, LONGEST + 1))
            return [scalar(item) for item in items] if len(items) <= LONGEST else Refused(about(value), TOO_LONG)
        return scalar(value)
    except Exception:  # of a stranger's __array__, __iter__, __float__
        return Refused(about(value))


def table(value: Mapping[Any, Any], depth: int) -> dict[str, Any] | Refused:
    """A mapping with what is None left out; refused where a key is no text, or tables are in tables without end."""
    if depth == 0:
        return Refused("{ … }", "; tables are in tables without end")
    plainly: dict[str, Any] = {}
    for key, inner in value.items():
        name = text(key)
        if isinstance(name, Refused):
            return Refused(about(value), f"; keys are text, not {typed(name)}")
        plainly[name] = plain(inner, depth - 1)
    return {key: inner for key, inner in plainly.items() if inner is not None}


def of_array(value: Any) -> Any:
    """A scalar or a list of what can be read as an array."""
    if isinstance(value, np.ma.MaskedArray) and np.any(value.mask):
        return Refused(about(value), "; some of it is masked")
    array = np.asarray(value)
    if array.ndim > 1 or array.size > LONGEST:
        return Refused(
            f"an array of shape {array.shape}", "; an axis has one dimension" if array.ndim > 1 else TOO_LONG
        )
    if array.dtype == np.float32:
        array = array.astype(str).astype(float)
    elif array.dtype.kind == "f" or (array.dtype.kind == "V" and np.can_cast(array.dtype, float)):  # V: bfloat16
        with np.errstate(all="ignore"):
            array = array.astype(float)
    elif array.dtype.kind not in "biuUO":
        return Refused(about(value))
    items = array.tolist()
    return [scalar(item) for item in items] if array.ndim else scalar(items)


def scalar(value: Any) -> Any:
    """None, a bool, a number or text, plainly; else `Refused`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, np.generic) or hasattr(value, "__array__"):
        array = np.asarray(value)
        return Refused(about(value)) if array.ndim or array.dtype == object else of_array(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real | decimal.Decimal):
        return as_float(value)
    orderless = isinstance(value, Iterable) and not isinstance(value, Sequence | Mapping)
    return Refused(about(value), "; make a list of it first" if orderless else "")


def text(value: Any) -> str | Refused:
    """Text that a file can hold."""
    if not isinstance(value, str):
        return Refused(about(value))
    exact = str.__str__(value)
    return exact if exact.isascii() or not any(ord(c) in SURROGATES for c in exact) else Refused(ascii(exact))


def as_float(value: Any) -> float:
    """A number as a float; infinite where it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def about(value: Any) -> str:
    """A stranger's value in one short line."""
    kind = f"a value of type {type(value).__name__}"
    try:
        line = " ".join(reprlib.repr(value).split())
    except Exception:  # of a stranger's __repr__
        return kind
    return kind if " at 0x" in line else line


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys from the outside in, value) of all in a table that is no table itself."""
    if not isinstance(value, Mapping):
        yield path, value
        return
    for key, inner in value.items():
        yield from leaves(inner, (*path, key))


def hint_of(value: Any) -> str:
    """What to do about a value that is refused; nothing of what is plain."""
    return value.hint if isinstance(value, Refused) else ""


def typed(value: Any) -> str:
    """A plain value as one would type it in TOML, cut short."""
    told = spelled(value)
    return told if len(told) <= TEXT else f"{told[: TEXT - 1]}…"


def spelled(value: Any) -> str:
    """A plain value as one would type it in TOML, its long lists abbreviated."""
    if isinstance(value, Refused):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and value.bit_length() > DIGITS:
        return f"an integer of about {math.log10(abs(value)):.0f} digits"
    if isinstance(value, Mapping) and value:
        return "{ " + ", ".join(f"{key} = {spelled(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        first, last = ENDS
        if len(value) <= SHOWN:
            return "[" + ", ".join(map(spelled, value)) + "]"
        ends = [*map(spelled, value[:first]), "…", *map(spelled, value[-last:])]
        return "[" + ", ".join(ends) + f"] ({len(value)} values)"
    return str(value)
