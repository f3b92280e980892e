"""What a spec may hold: every key of it checked and completed. Every message about a spec's values is made here."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from adam_vs_gd.keys import (
    CHOICES,
    DEFAULT_NAME,
    DEFAULT_RECORD,
    DEFAULT_SEEDS,
    DEFAULTS,
    IMAGE_RECORD,
    IMAGE_SETS,
    KINDS,
    MEANINGLESS,
    ON_IMAGES,
    OPTIMIZER,
    RANGE_DIGITS,
    SECTIONS,
    TOP,
    VALIDATION,
    Number,
    Sizes,
    set_of,
)

Value: TypeAlias = float | int | tuple[float, ...] | tuple[int, ...]


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


def check_section(name: str, given: Any, model: str, mistakes: list[str]) -> dict[str, Any]:
    """One of [data], [model], [train] with the defaults of a model filled in; a key without one is left out."""
    numbers, choices, meaningless = SECTIONS[name], CHOICES[name], MEANINGLESS[model]
    if not isinstance(given, Mapping):
        mistakes.append(f"{name} = {show(given)}: must be a table with keys {', '.join([*choices, *numbers])}")
        return {}
    checked: dict[str, Any] = {}
    for key, value in given.items():
        path = f"{name}.{key}"
        if key in meaningless:
            mistakes.append(f"{path} = {show(value)}: means nothing to the {model} model; leave it out")
        elif key in choices:
            checked[key] = value
            if (set_of(value) if key == "images" and isinstance(value, str) else value) not in choices[key]:
                mistakes.append(f"{path} = {show(value)}: {nearest(str(value), choices[key])}")
        elif key in numbers:
            checked[key] = check_number(path, numbers[key], value, mistakes)
        else:
            mistakes.append(f"{path} = {show(value)}: unknown key; {nearest(key, [*choices, *numbers])}")
    defaults: dict[str, Any] = {key: options[0] for key, options in choices.items()}
    defaults |= {key: DEFAULTS.get(model, {}).get(key, number.default) for key, number in numbers.items()}
    if model in ON_IMAGES:
        defaults |= how_many(checked)
    complete = {key: checked.get(key, defaults[key]) for key in (*choices, *numbers) if key not in meaningless}
    return {key: value for key, value in complete.items() if value is not None}


def model_of(given: Mapping[str, Any]) -> str:
    """The model that a spec names, or the default in place of one that there is not."""
    section, names = given.get("model", {}), CHOICES["model"]["name"]
    name = section.get("name") if isinstance(section, Mapping) else None
    return name if name in names else names[0]


def sizes_of(data: Mapping[str, Any]) -> Sizes | None:
    """How many images there are of the set that a [data] section names; None where there is no such set."""
    name, _, rest = str(data.get("images", next(iter(IMAGE_SETS)))).partition(":")
    sizes = IMAGE_SETS.get(name)
    if sizes and name == "noise" and rest.isdecimal():
        return sizes._replace(train=int(rest), test=max(1, int(rest) // 5))
    return sizes


def how_many(data: Mapping[str, Any]) -> dict[str, int]:
    """{n, test_size} of all images that a [data] section has to train on and to test on, where they are left out."""
    sizes = sizes_of(data)
    if sizes is None:
        return {"n": 0, "test_size": 0}
    if data.get("split") != "validation":
        return {"n": sizes.train, "test_size": sizes.test}
    n, tests = (max(values(data.get(key)), default=0) for key in ("n", "test_size"))
    held_out = sizes.train // VALIDATION
    return {"n": sizes.train - max(tests, held_out), "test_size": min(held_out, sizes.train - n)}


def check_images(data: Mapping[str, Any], mistakes: list[str]) -> None:
    """Whether there are so many images."""
    sizes, n, tests = sizes_of(data), *(max(values(data.get(key)), default=0) for key in ("n", "test_size"))
    if sizes is None:
        return
    if data.get("split") != "validation":
        for key, count, most in (("n", n, sizes.train), ("test_size", tests, sizes.test)):
            if count > most:
                mistakes.append(
                    f"data.{key} = {show(data[key])}: must be at most {most}, all that {data['images']} has"
                )
    elif n + tests > sizes.train:
        mistakes.append(
            f"data.n + data.test_size = {n} + {tests}: must be at most {sizes.train}, the training images of "
            f'{data["images"]}; with split = "validation" some are trained on and the last are tested on'
        )


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
            f"train.batch_size = {show(max(batch))}: must be in 1 .. n = {min(n)}{at}; lower it, or raise data.n"
            + ("" if "images" in data else ", or leave it out for full batch")
        )
    if "images" in data:
        check_images(data, mistakes)
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


def check(given: Mapping[str, Any], known: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The keys of a spec, of which those `known` may be there, checked and completed, and all mistakes in them."""
    mistakes: list[str] = []
    for key in given:
        if key not in known:
            inside = next((s for s, numbers in SECTIONS.items() if key in numbers or key in CHOICES[s]), None)
            where = f"it belongs under [{inside}]" if inside else nearest(key, known)
            mistakes.append(f"{key} = {show(given[key])}: unknown key; {where}")
    name = given.get("name", DEFAULT_NAME)
    if not (isinstance(name, str) and re.fullmatch(r"[\w-][\w.-]*", name)):
        mistakes.append(f"name = {show(name)}: must be letters, digits, - and _, fit for a folder")
    spec: dict[str, Any] = {"name": name, "seeds": check_seeds(given.get("seeds", DEFAULT_SEEDS), mistakes)}
    spec["steps"] = check_number("steps", TOP["steps"], given.get("steps", TOP["steps"].default), mistakes)
    model = model_of(given)
    for section in SECTIONS:
        spec[section] = check_section(section, given.get(section, {}), model, mistakes)
    optimizers = given.get("optimizers", {})
    if not isinstance(optimizers, Mapping) or not optimizers:
        mistakes.append(f"optimizers = {show(optimizers)}: at least one is needed, for instance [optimizers.adam]")
        optimizers = {}
    spec["optimizers"] = {label: check_optimizer(label, table, mistakes) for label, table in optimizers.items()}
    record = given.get("record")
    if record is None:
        record = min((IMAGE_RECORD if model in ON_IMAGES else DEFAULT_RECORD, *values(spec["steps"])))
    check_together(spec, record, mistakes)
    spec["record"] = record
    return spec, mistakes
