"""A sweep's specification: TOML or keywords -> a frozen, checked `SweepSpec`. Every message about it is made here."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from adam_vs_gd.errors import SpecError
from adam_vs_gd.keys import (
    CHOICES,
    CNN_ONLY,
    DEFAULT_RECORD,
    DEFAULT_SEEDS,
    KINDS,
    NUMBERS,
    OPTIMIZER,
    RANGE_DIGITS,
    SECTIONS,
    TOP,
    Number,
)

Value: TypeAlias = float | int | tuple[float, ...] | tuple[int, ...]


@dataclass(frozen=True)
class SweepSpec:
    """A checked sweep. Takes the keys of the TOML; every number is a scalar, or a sequence or range for an axis.

    Attributes:
        name: of the sweep, and of its folder.
        seeds: a count (5 means 0..4) or a list of seeds; a tuple of seeds once checked.
        steps: T, or an axis.
        record: trajectories are kept at `record` + 1 steps; 0 for none.
        data: n, d, s, sigma_p, alpha, supports, test_size.
        model: name, width, q, sigma_0.
        train: lam, precision; batch_size, which is not there for full batch.
        optimizers: {label: {kind, eta, beta1, beta2, eps}}; the label is the kind unless `kind` names it.

    Raises:
        SpecError: naming every mistake at once.
    """

    name: str = "sweep"
    seeds: Any = DEFAULT_SEEDS
    steps: Any = TOP["steps"].default
    record: Any = None
    data: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    optimizers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked, mistakes = check({f.name: getattr(self, f.name) for f in fields(self)})
        if mistakes:
            raise SpecError("spec", mistakes)
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    def to_dict(self) -> dict[str, Any]:
        """The spec with every default filled in, as one would write it in TOML."""
        plain: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}

        def lists(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {key: lists(v) for key, v in value.items()}
            return list(value) if isinstance(value, tuple) else value

        return lists(plain)

    def number(self, key: str, label: str | None = None) -> Value | None:
        """The value, or values, of a number; of an optimizer's own number by its label. None where it has none."""
        if key in OPTIMIZER:
            return self.optimizers[label].get(key) if label else None
        if key in TOP:
            return self.steps
        section = next(name for name, numbers in SECTIONS.items() if key in numbers)
        return getattr(self, section).get(key)


def nearest(key: str, known: Sequence[str]) -> str:
    """What to say beside an unknown key."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed: {', '.join(known)}"


def show(value: Any) -> str:
    """A value as one would type it in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping) and value:
        return "{ " + ", ".join(f"{k} = {show(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(show(v) for v in value) + "]"
    return str(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number; TOML's true and false are not."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def expand_range(value: Mapping[str, Any]) -> list[float]:
    """The values of { linspace = [first, last, count] } or { geomspace = … }.

    Raises:
        ValueError: saying what is wrong, without the key.
    """
    wanted = "a range is { linspace = [first, last, count] } or { geomspace = [first, last, count] }"
    if len(value) != 1 or next(iter(value)) not in ("linspace", "geomspace"):
        raise ValueError(wanted)
    ((how, arguments),) = value.items()
    if not (isinstance(arguments, Sequence) and len(arguments) == 3 and all(is_number(a) for a in arguments)):
        raise ValueError(wanted)
    first, last, count = arguments
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ValueError(f"the ends of {how} must be finite")
    if isinstance(count, float) or not 1 <= count <= 10_000:
        raise ValueError(f"the count of {how} must be an integer in 1 .. 10000, not {show(count)}")
    if how == "geomspace" and not (first > 0 and last > 0):
        raise ValueError("the ends of geomspace must be > 0")
    spaced = (np.linspace if how == "linspace" else np.geomspace)(first, last, count)
    return [float(f"{x:.{RANGE_DIGITS}g}") for x in spaced]


def is_axis(value: Any) -> bool:
    """Whether a value of a spec is a list or a range, and not a scalar."""
    return isinstance(value, Mapping | Sequence | np.ndarray) and not isinstance(value, str)


def accept_number(number: Number, value: Any) -> Value:
    """A scalar, or a tuple for an axis.

    Raises:
        ValueError: saying what is wrong, without the key.
    """
    hint = ""
    items: list[Any] = [value]
    if isinstance(value, Mapping):
        items = list(expand_range(value))
        if number.kind is int:
            items = [round(x) if abs(x - round(x)) < 1e-9 * max(1, abs(x)) else x for x in items]
            hint = " (list the integers instead of a range that passes between them)"
    elif is_axis(value):
        items = list(value)
    if not items:
        raise ValueError("an axis needs at least one value")
    accepted = []
    for item in items:
        where = f"{show(item)} " if is_axis(value) else ""
        integral = isinstance(item, int | np.integer)
        if number.kind is int and not hint and isinstance(item, float):
            hint = " (written without a point or an exponent)"
        if not is_number(item) or (number.kind is int and not integral):
            raise ValueError(f"{where}must be {number.allowed}{hint}")
        if not number.holds(item):
            raise ValueError(f"{where}must be {number.allowed}")
        if item in accepted:
            raise ValueError(f"{show(item)} appears twice; the values of an axis must differ")
        accepted.append(number.kind(item))
    return tuple(accepted) if is_axis(value) else accepted[0]


def check_number(path: str, number: Number, value: Any, mistakes: list[str]) -> Value | None:
    """A scalar, or a tuple for an axis; None, and a line in `mistakes`, where it is wrong."""
    try:
        return accept_number(number, value)
    except ValueError as error:
        mistakes.append(f"{path} = {show(value)}: {error}")
        return None


def check_section(name: str, given: Any, mistakes: list[str]) -> dict[str, Any]:
    """One of [data], [model], [train] with its defaults filled in; a key without one is left out."""
    numbers, choices = SECTIONS[name], CHOICES[name]
    if not isinstance(given, Mapping):
        mistakes.append(f"{name} = {show(given)}: must be a table with keys {', '.join([*choices, *numbers])}")
        return {}
    checked: dict[str, Any] = {}
    for key, value in given.items():
        path = f"{name}.{key}"
        if key in choices:
            checked[key] = value
            if value not in choices[key]:
                mistakes.append(f"{path} = {show(value)}: {nearest(str(value), choices[key])}")
        elif key in numbers:
            checked[key] = check_number(path, numbers[key], value, mistakes)
        else:
            mistakes.append(f"{path} = {show(value)}: unknown key; {nearest(key, [*choices, *numbers])}")
    linear = name == "model" and checked.get("name") == "linear"
    for key in CNN_ONLY if linear else ():
        if key in checked:
            mistakes.append(f"model.{key} = {show(given[key])}: means nothing to the linear model; leave it out")
    defaults: dict[str, Any] = {key: options[0] for key, options in choices.items()}
    defaults |= {key: number.default for key, number in numbers.items() if not (linear and key in CNN_ONLY)}
    complete = {key: checked.get(key, default) for key, default in defaults.items()}
    return {key: value for key, value in complete.items() if value is not None}


def check_optimizer(label: str, given: Any, mistakes: list[str]) -> dict[str, Any]:
    """One of [optimizers.*] with its defaults filled in."""
    path = f"optimizers.{label}"
    if not isinstance(given, Mapping):
        mistakes.append(f"{path} = {show(given)}: must be a table, [{path}]")
        return {}
    kind = given.get("kind", label)
    if not isinstance(kind, str) or kind not in KINDS:
        key = f"{path}.kind" if "kind" in given else path
        mistakes.append(
            f"{key} = {show(given.get('kind', given))}: unknown optimizer; {nearest(str(kind), list(KINDS))}"
        )
        known: Mapping[str, float] = {}
    else:
        known = KINDS[kind]
    checked: dict[str, Any] = {"kind": kind, **known}
    for key, value in given.items():
        if key == "kind":
            continue
        if key in OPTIMIZER and (key in known or not known):
            checked[key] = check_number(f"{path}.{key}", OPTIMIZER[key], value, mistakes)
        elif known:
            what = f"means nothing to {kind}" if key in OPTIMIZER else "unknown key"
            mistakes.append(f"{path}.{key} = {show(value)}: {what}; {nearest(key, ['kind', *known])}")
    return checked


def check_seeds(value: Any, mistakes: list[str]) -> tuple[int, ...] | None:
    """The seeds: a count, or a list of them."""
    allowed = "a count >= 1, or a list of different seeds, integers in 0 .. 4294967295"
    items = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value]
    listed = items != [value]
    if not items or not all(isinstance(item, int | np.integer) and not isinstance(item, bool) for item in items):
        mistakes.append(f"seeds = {show(value)}: must be {allowed}")
    elif not listed and not 1 <= value <= 1_000_000:
        mistakes.append(f"seeds = {show(value)}: must be {allowed}; a count is at most 1000000")
    elif listed and not (all(0 <= item < 2**32 for item in items) and len(set(items)) == len(items)):
        mistakes.append(f"seeds = {show(value)}: must be {allowed}")
    else:
        return tuple(map(int, items)) if listed else tuple(range(value))
    return None


def values(value: Any) -> tuple[Any, ...]:
    """The values of a number that was accepted; none where it was not."""
    return () if value is None else value if isinstance(value, tuple) else (value,)


def check_together(spec: Mapping[str, Any], record: Any, mistakes: list[str]) -> None:
    """What must hold between keys, for every combination of the axes."""
    data, optimizers = spec["data"], spec["optimizers"]
    n, d, s = (values(data.get(key)) for key in ("n", "d", "s"))
    if d and s and max(s) > min(d) - 1:
        at = f" at data.d = {min(d)}" if len(d) > 1 else ""
        mistakes.append(f"data.s = {show(max(s))}: must be in 1 .. d-1 = {min(d) - 1}{at}")
    elif n and d and s and data.get("supports") == "disjoint" and max(n) * max(s) > min(d) - 1:
        mistakes.append(
            f'data.supports = "disjoint": needs n·s <= d-1 at every point, but n·s = {max(n)}·{max(s)} = '
            f"{max(n) * max(s)} and d-1 = {min(d) - 1}; lower data.s or data.n, or raise data.d"
        )
    batch = values(spec["train"].get("batch_size"))
    if batch and n and max(batch) > min(n):
        at = f" at data.n = {min(n)}" if len(n) > 1 else ""
        mistakes.append(
            f"train.batch_size = {show(max(batch))}: must be in 1 .. n = {min(n)}{at}; lower it, raise data.n, or "
            "leave it out for full batch"
        )
    steps = values(spec["steps"])
    if not isinstance(record, int) or isinstance(record, bool) or record < 0:
        mistakes.append(f"record = {show(record)}: must be an integer in 0 .. steps")
    elif steps and record > min(steps):
        mistakes.append(f"record = {record}: must be in 0 .. steps = {min(steps)}")
    for key in OPTIMIZER:
        axes = {label: o[key] for label, o in optimizers.items() if isinstance(o.get(key), tuple)}
        lengths = {label: len(axis) for label, axis in axes.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{length} values for {label}" for label, length in lengths.items())
            mistakes.append(
                f"optimizers.*.{key}: lists of different optimizers must have equal lengths (or be a scalar, which is "
                f"repeated), but there are {found}"
            )


def check(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The keys of a spec, checked and completed, and all mistakes in them."""
    mistakes: list[str] = []
    known = [f.name for f in fields(SweepSpec)]
    for key in given:
        if key not in known:
            inside = next((s for s, numbers in SECTIONS.items() if key in numbers or key in CHOICES[s]), None)
            where = f"it belongs under [{inside}]" if inside else nearest(key, known)
            mistakes.append(f"{key} = {show(given[key])}: unknown key; {where}")
    name = given.get("name", SweepSpec.name)
    if not (isinstance(name, str) and re.fullmatch(r"[\w-][\w.-]*", name)):
        mistakes.append(f"name = {show(name)}: must be letters, digits, - and _, fit for a folder")
    spec: dict[str, Any] = {"name": name, "seeds": check_seeds(given.get("seeds", DEFAULT_SEEDS), mistakes)}
    spec["steps"] = check_number("steps", TOP["steps"], given.get("steps", TOP["steps"].default), mistakes)
    for section in SECTIONS:
        spec[section] = check_section(section, given.get(section, {}), mistakes)
    optimizers = given.get("optimizers", {})
    if not isinstance(optimizers, Mapping) or not optimizers:
        mistakes.append(f"optimizers = {show(optimizers)}: at least one is needed, for instance [optimizers.adam]")
        optimizers = {}
    spec["optimizers"] = {label: check_optimizer(label, table, mistakes) for label, table in optimizers.items()}
    record = given.get("record")
    if record is None:
        record = min((DEFAULT_RECORD, *values(spec["steps"])))
    check_together(spec, record, mistakes)
    spec["record"] = record
    return spec, mistakes


def override(table: dict[str, Any], path: str, value: Any) -> None:
    """Set `path` ("data.alpha") of a nested table in place; what it makes unknown is found by `check`."""
    *parents, key = path.split(".")
    for parent in parents:
        inner = table.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise SpecError("--set", [f"{path} = {show(value)}: {parent} is not a table but {show(inner)}"])
        table = inner
    table[key] = value


def parse_override(text: str, option: str = "--set", example: str = "data.alpha=0.3") -> tuple[str, Any]:
    """`data.alpha=0.3` -> its path and its value; the value is TOML, or a bare word for a string.

    Args:
        text: what stands behind the option.
        option: its name, and
        example: how it is used, for the message.

    Raises:
        SpecError: if it is not `key=value`.
    """
    path, equals, value = text.partition("=")
    path, value = path.strip(), value.strip()
    if not equals or not path or not value:
        raise SpecError(option, [f"{text}: must be key=value, for instance {example}"])
    try:
        return path, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        if re.fullmatch(r"[\w-]+", value):
            return path, value
        raise SpecError(option, [f"{text}: {value} is not a TOML value"]) from None


def load_spec(path: str | Path, overrides: Mapping[str, Any] | None = None) -> SweepSpec:
    """Read and check a spec.

    Args:
        path: a TOML file. Its name is the sweep's where the file gives none.
        overrides: {"data.alpha": 0.3} sets keys before anything is checked.

    Raises:
        SpecError: if there is no such file, it is not TOML, or anything in it is wrong; all mistakes at once.
    """
    path = Path(path)
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(
            str(path), [f"cannot be read: {error.strerror or error}; name a TOML file, for instance one of sweeps/"]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(str(path), [f"is not TOML: {error}"]) from None
    for key, value in (overrides or {}).items():
        override(given, key, value)
    given.setdefault("name", path.stem)
    _, mistakes = check(given)
    if mistakes:
        raise SpecError(str(path), mistakes)
    return SweepSpec(**given)


def axes(spec: SweepSpec) -> Iterator[tuple[str, tuple[float, ...] | None]]:
    """The swept axes in the order of the dimensions: (key, its values).

    A key of the optimizers whose lists differ between optimizers has dimension `<key>_index` and values None.
    """
    for key in NUMBERS:
        if key not in OPTIMIZER:
            value = spec.number(key)
            if isinstance(value, tuple):
                yield key, value
            continue
        held = [spec.number(key, label) for label in spec.optimizers]
        swept = {value for value in held if value is not None}
        if any(isinstance(value, tuple) for value in swept):
            yield (key, swept.pop()) if len(swept) == 1 else (f"{key}_index", None)  # type: ignore[misc]
