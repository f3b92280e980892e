"""A number of a spec: a scalar, a list or a range -> values that are in range, and stay so in a sweep's precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from adam_vs_gd.problem import Number
from adam_vs_gd.spec.plain import as_float, hint_of, typed

MOST_VALUES = 10_000  # of a range
RANGE_DIGITS = 12  # significant digits of a range's values, so that 0.3 is 0.3

Value: TypeAlias = float | int | tuple[float, ...] | tuple[int, ...]


def is_number(value: Any) -> bool:
    """Whether a plain value is a number; TOML's true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_axis(value: Any) -> bool:
    """Whether a plain value is a list or a range, and not a scalar."""
    return isinstance(value, Mapping | list)


def expand_range(value: Mapping[str, Any]) -> list[float]:
    """The values of { linspace = [first, last, count] } or { geomspace = … }.

    Raises:
        ValueError: saying what is wrong, without the key.
    """
    wanted = "a range is { linspace = [first, last, count] } or { geomspace = [first, last, count] }"
    if len(value) != 1 or next(iter(value)) not in ("linspace", "geomspace"):
        raise ValueError(wanted)
    ((how, arguments),) = value.items()
    if not (isinstance(arguments, list) and len(arguments) == 3 and all(is_number(a) for a in arguments)):
        raise ValueError(wanted)
    first, last, count = as_float(arguments[0]), as_float(arguments[1]), arguments[2]
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ValueError(f"the ends of {how} must be finite")
    if isinstance(count, float) or not 1 <= count <= MOST_VALUES:
        raise ValueError(f"the count of {how} must be an integer in 1 .. {MOST_VALUES}, not {typed(count)}")
    if how == "geomspace" and not (first > 0 and last > 0):
        raise ValueError("the ends of geomspace must be > 0")
    with np.errstate(all="ignore"):
        spaced = (np.linspace if how == "linspace" else np.geomspace)(first, last, count)
    if not np.all(np.isfinite(spaced)):
        raise ValueError(f"the ends of {how} are too far apart")
    return [float(f"{x:.{RANGE_DIGITS}g}") for x in spaced]


def trained(number: Number, value: float, precision: str) -> float:
    """What a value is in a training of a precision.

    Raises:
        ValueError: if that is 0, infinite, out of range, or another integer; saying so, without the key.
    """
    if number.kind is int:
        return value
    with np.errstate(all="ignore"):
        real = np.dtype(precision).type(value)
    rounded, limits = float(real), np.finfo(precision)
    integer = float(str(real)) if value.is_integer() else value
    if value and abs(rounded) < limits.tiny:  # XLA takes numbers below it for 0
        what = f"0 in {precision}, whose smallest number is {limits.tiny:.3g}"
    elif not number.holds(rounded):
        what = f"{rounded:g} in {precision}, but must be {number.allowed}"
    elif integer != value:
        what = f"{integer:.0f} in {precision}"
    else:
        return rounded
    raise ValueError(f"{typed(value)} is {what}{remedy(precision)}")


def remedy(precision: str) -> str:
    """What to do about numbers that a precision is too coarse for."""
    return '; train.precision = "float64" is finer' if precision == "float32" else ""


def accept_number(number: Number, value: Any, precision: str) -> Value:
    """A scalar, or a tuple for an axis.

    Raises:
        ValueError: saying what is wrong, without the key.
    """
    hint = hint_of(value)
    items: list[Any] = value if isinstance(value, list) else [value]
    if isinstance(value, Mapping):
        items = list(expand_range(value))
        if number.kind is int:
            items = [round(x) if abs(x - round(x)) < 1e-9 * max(1, abs(x)) else x for x in items]
            hint = " (list the integers instead of a range that passes between them)"
    if not items:
        raise ValueError("an axis needs at least one value")
    accepted: dict[float, Any] = {}
    for item in items:
        where = f"{typed(item)} " if is_axis(value) else ""
        if number.kind is int and not hint and isinstance(item, float):
            hint = " (written without a point or an exponent)"
        if not is_number(item) or (number.kind is int and not isinstance(item, int)):
            raise ValueError(f"{where}must be {number.allowed}{hint}")
        kept = item if number.kind is int else as_float(item) + 0.0  # which makes -0.0 of 0.0
        if not number.holds(kept):
            raise ValueError(f"{where}must be {number.allowed}")
        once = trained(number, kept, precision)
        if accepted.get(once) == kept:
            raise ValueError(f"{typed(item)} appears twice; the values of an axis must differ")
        if once in accepted:
            both = f"{typed(accepted[once])} and {typed(kept)}"
            raise ValueError(f"{both} are the same number in {precision}{remedy(precision)}")
        accepted[once] = kept
    return tuple(accepted.values()) if is_axis(value) else next(iter(accepted.values()))


def check_number(path: str, number: Number, value: Any, precision: str, mistakes: list[str]) -> Value | None:
    """A scalar, or a tuple for an axis; None, and a line in `mistakes`, where it is wrong."""
    try:
        return accept_number(number, value, precision)
    except ValueError as error:
        mistakes.append(f"{path} = {typed(value)}: {error}")
        return None


def values(value: Any) -> tuple[Any, ...]:
    """The values of a number that was accepted; none where it was not."""
    return () if value is None else value if isinstance(value, tuple) else (value,)
