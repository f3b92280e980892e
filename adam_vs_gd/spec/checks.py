"""What a spec may hold: every key of it checked and completed. Every message about a spec's values is made here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from adam_vs_gd.problems.keys import (
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
    SECTIONS,
    TOP,
    VALIDATION,
    Sizes,
    set_of,
)
from adam_vs_gd.spec.plain import hint_of, plain, show
from adam_vs_gd.spec.values import check_number, values

MOST_SEEDS = 1_000_000
COUNT_DIGITS = 9  # of noise:COUNT, at most


def nearest(key: str, known: Sequence[str]) -> str:
    """What to say beside an unknown key."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed: {', '.join(known)}"


def check_section(name: str, given: Any, model: str, precision: str, mistakes: list[str]) -> dict[str, Any]:
    """One of [data], [model], [train] with the defaults of a model filled in; a key without one is left out."""
    numbers, choices, meaningless = SECTIONS[name], CHOICES[name], MEANINGLESS[model]
    if not isinstance(given, Mapping):
        mistakes.append(
            f"{name} = {show(given)}: must be a table with keys {', '.join([*choices, *numbers])}{hint_of(given)}"
        )
        return {}
    checked: dict[str, Any] = {}
    for key, value in given.items():
        path = f"{name}.{key}"
        if key in meaningless:
            mistakes.append(f"{path} = {show(value)}: means nothing to the {model} model; leave it out")
        elif key in choices:
            checked[key] = value
            if (set_of(value) if key == "images" and isinstance(value, str) else value) not in choices[key]:
                mistakes.append(f"{path} = {show(value)}: {nearest(show(value), choices[key])}")
        elif key in numbers:
            checked[key] = check_number(path, numbers[key], value, precision, mistakes)
        else:
            mistakes.append(f"{path} = {show(value)}: unknown key; {nearest(key, [*choices, *numbers])}")
    defaults: dict[str, Any] = {key: options[0] for key, options in choices.items()}
    defaults |= {key: DEFAULTS.get(model, {}).get(key, number.default) for key, number in numbers.items()}
    if model in ON_IMAGES:
        defaults |= how_many(checked)
    complete = {key: checked.get(key, defaults[key]) for key in (*choices, *numbers) if key not in meaningless}
    return {key: value for key, value in complete.items() if value is not None}


def chosen(given: Mapping[str, Any], section: str, key: str) -> str:
    """What a spec chooses, or the default in place of what there is not."""
    table, options = given.get(section), CHOICES[section][key]
    choice = table.get(key) if isinstance(table, Mapping) else None
    return choice if choice in options else options[0]


def sizes_of(data: Mapping[str, Any]) -> Sizes | None:
    """How many images there are of the set that a [data] section names; None where there is no such set."""
    name, _, rest = str(data.get("images", next(iter(IMAGE_SETS)))).partition(":")
    sizes = IMAGE_SETS.get(name)
    if sizes and name == "noise" and rest.isdecimal() and len(rest) <= COUNT_DIGITS:
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


def check_optimizer(label: str, given: Any, precision: str, mistakes: list[str]) -> dict[str, Any]:
    """One of [optimizers.*] with its defaults filled in."""
    path = f"optimizers.{label}"
    if not isinstance(given, Mapping):
        mistakes.append(f"{path} = {show(given)}: must be a table, [{path}]{hint_of(given)}")
        return {}
    kind = given.get("kind", label)
    if not isinstance(kind, str) or kind not in KINDS:
        key = f"{path}.kind" if "kind" in given else path
        mistakes.append(
            f"{key} = {show(given.get('kind', given))}: unknown optimizer; {nearest(show(kind), list(KINDS))}"
        )
        known: Mapping[str, float] = {}
    else:
        known = KINDS[kind]
    checked: dict[str, Any] = {"kind": kind, **known}
    for key, value in given.items():
        if key == "kind":
            continue
        if key in OPTIMIZER and (key in known or not known):
            checked[key] = check_number(f"{path}.{key}", OPTIMIZER[key], value, precision, mistakes)
        elif known:
            what = f"means nothing to {kind}" if key in OPTIMIZER else "unknown key"
            mistakes.append(f"{path}.{key} = {show(value)}: {what}; {nearest(key, ['kind', *known])}")
    return checked


def check_optimizers(given: Any, precision: str, mistakes: list[str]) -> dict[str, Any]:
    """[optimizers], each with its defaults filled in."""
    if not isinstance(given, Mapping) or not given:
        some = "at least one is needed, for instance [optimizers.adam]"
        mistakes.append(f"optimizers = {show(given)}: {some}{hint_of(given)}")
        return {}
    for label in given:
        if not label.strip():
            mistakes.append(f"optimizers.{show(label)}: a label must not be empty")
    return {label: check_optimizer(label, table, precision, mistakes) for label, table in given.items()}


def check_seeds(value: Any, mistakes: list[str]) -> tuple[int, ...] | None:
    """The seeds: a count, or a list of them."""
    listed = isinstance(value, list)
    items = value if listed else [value]
    right = bool(items) and all(isinstance(item, int) and not isinstance(item, bool) for item in items)
    if right and listed and all(0 <= item < 2**32 for item in items) and len(set(items)) == len(items):
        return tuple(items)
    if right and not listed and 1 <= value <= MOST_SEEDS:
        return tuple(range(value))
    most = f"; a count is at most {MOST_SEEDS}" if right and not listed and value > MOST_SEEDS else hint_of(value)
    mistakes.append(
        f"seeds = {show(value)}: must be a count >= 1, or a list of different seeds, integers in 0 .. 4294967295{most}"
    )
    return None


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
        mistakes.append(f"record = {show(record)}: must be an integer in 0 .. steps{hint_of(record)}")
    elif steps and record > min(steps):
        mistakes.append(f"record = {show(record)}: must be in 0 .. steps = {min(steps)}")
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
    """The keys of a spec, of which those `known` may be there, checked and completed, and all mistakes in them.

    Whatever is None is as if it were left out.
    """
    mistakes: list[str] = []
    given = {key: value for key, value in ((key, plain(value)) for key, value in given.items()) if value is not None}
    for key in given:
        if key not in known:
            inside = next((s for s, numbers in SECTIONS.items() if key in numbers or key in CHOICES[s]), None)
            where = f"it belongs under [{inside}]" if inside else nearest(key, known)
            mistakes.append(f"{key} = {show(given[key])}: unknown key; {where}")
    name = given.get("name", DEFAULT_NAME)
    if not (isinstance(name, str) and re.fullmatch(r"[\w-][\w.-]*", name)):
        mistakes.append(f"name = {show(name)}: must be letters, digits, - and _, fit for a folder")
    model, precision = chosen(given, "model", "name"), chosen(given, "train", "precision")
    spec: dict[str, Any] = {"name": name, "seeds": check_seeds(given.get("seeds", DEFAULT_SEEDS), mistakes)}
    steps = given.get("steps", TOP["steps"].default)
    spec["steps"] = check_number("steps", TOP["steps"], steps, precision, mistakes)
    for section in SECTIONS:
        spec[section] = check_section(section, given.get(section, {}), model, precision, mistakes)
    spec["optimizers"] = check_optimizers(given.get("optimizers", {}), precision, mistakes)
    record = given.get("record")
    if record is None:
        record = min((IMAGE_RECORD if model in ON_IMAGES else DEFAULT_RECORD, *values(spec["steps"])))
    check_together(spec, record, mistakes)
    spec["record"] = record
    return spec, mistakes
