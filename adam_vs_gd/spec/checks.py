"""What a spec may hold: every key of it checked and completed, by what its problem declares."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from adam_vs_gd.errors import SpecError
from adam_vs_gd.problem import Family, Fit, Section, Variants
from adam_vs_gd.problems import family_of_spec
from adam_vs_gd.spec.keys import (
    COMMON,
    DEFAULT_NAME,
    DEFAULT_SEEDS,
    MOST_SEED,
    MOST_SEEDS,
    NAME,
    REFINE,
    REFINE_WORDS,
    TOLERANCE,
)
from adam_vs_gd.spec.plain import hint_of, plain, typed
from adam_vs_gd.spec.values import check_number, is_axis, values

PRECISION = "precision"  # the choice that numbers are checked in


def nearest(key: str, known: Sequence[str]) -> str:
    """What to say beside an unknown key."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed: {', '.join(known)}"


def check_section(
    name: str, section: Section, given: Any, fit: Fit, precision: str, mistakes: list[str]
) -> dict[str, Any]:
    """A table with the defaults filled in that suit the choices made; a key without one is left out."""
    numbers, choices = section.numbers, section.choices
    if not isinstance(given, Mapping):
        mistakes.append(
            f"{name} = {typed(given)}: must be a table with keys {', '.join([*choices, *numbers])}{hint_of(given)}"
        )
        return {}
    checked: dict[str, Any] = {}
    for key, value in given.items():
        path = f"{name}.{key}"
        if key in fit.absent:
            mistakes.append(f"{path} = {typed(value)}: means nothing to the {fit.who}; leave it out")
        elif key in choices:
            checked[key] = value
            named = value.partition(":")[0] if key in section.placed and isinstance(value, str) else value
            if named not in choices[key]:
                mistakes.append(f"{path} = {typed(value)}: {nearest(typed(value), choices[key])}")
        elif key in numbers:
            checked[key] = check_number(path, numbers[key], value, precision, mistakes)
        else:
            mistakes.append(f"{path} = {typed(value)}: unknown key; {nearest(key, [*choices, *numbers])}")
    defaults: dict[str, Any] = {key: options[0] for key, options in choices.items()}
    defaults |= {key: fit.defaults.get(key, number.default) for key, number in numbers.items()}
    defaults = {key: value(checked) if callable(value) else value for key, value in defaults.items()}
    complete = {key: checked.get(key, defaults[key]) for key in (*choices, *numbers) if key not in fit.absent}
    return {key: value for key, value in complete.items() if value is not None}


def chosen(given: Mapping[str, Any], sections: Mapping[str, Section], key: str, default: str = "") -> str:
    """What a spec chooses, or the default in place of what there is not."""
    name = next((name for name, section in sections.items() if key in section.choices), None)
    if name is None:
        return default
    table, options = given.get(name), sections[name].choices[key]
    choice = table.get(key) if isinstance(table, Mapping) else None
    return choice if choice in options else options[0]


def check_variant(label: str, given: Any, variants: Variants, precision: str, mistakes: list[str]) -> dict[str, Any]:
    """One of [section.*] with its defaults filled in."""
    path = f"{variants.section}.{label}"
    if not isinstance(given, Mapping):
        mistakes.append(f"{path} = {typed(given)}: must be a table, [{path}]{hint_of(given)}")
        return {}
    kind = given.get("kind", label)
    if not isinstance(kind, str) or kind not in variants.kinds:
        key, one = f"{path}.kind" if "kind" in given else path, variants.section.removesuffix("s")
        mistakes.append(
            f"{key} = {typed(given.get('kind', given))}: unknown {one}; {nearest(typed(kind), list(variants.kinds))}"
        )
        known: Mapping[str, float] = {}
    else:
        known = variants.kinds[kind]
    checked: dict[str, Any] = {"kind": kind, **known}
    for key, value in given.items():
        if key == "kind":
            continue
        if key in variants.numbers and (key in known or key in variants.optional or not known):
            checked[key] = check_number(f"{path}.{key}", variants.numbers[key], value, precision, mistakes)
        elif known:
            what = f"means nothing to {kind}" if key in variants.numbers else "unknown key"
            allowed = nearest(key, ["kind", *known, *variants.optional])
            mistakes.append(f"{path}.{key} = {typed(value)}: {what}; {allowed}")
    return checked


def check_variants(given: Any, variants: Variants, precision: str, mistakes: list[str]) -> dict[str, Any]:
    """[section], each table of it with its defaults filled in; lists of one key of equal lengths."""
    name = variants.section
    if not isinstance(given, Mapping) or not given:
        some = "at least one is needed" if given in (None, {}) else "must be a table of tables"
        mistakes.append(f"{name} = {typed(given)}: {some}, for instance [{name}.{variants.example}]{hint_of(given)}")
        return {}
    for label in given:
        if not label.strip():
            mistakes.append(f"{name}.{typed(label)}: a label must not be empty")
    return {label: check_variant(label, table, variants, precision, mistakes) for label, table in given.items()}


def check_lengths(name: str, tables: Mapping[str, Mapping[str, Any]], mistakes: list[str]) -> None:
    """Whether the lists that variants have of one key are equally long."""
    for key in dict.fromkeys(key for table in tables.values() for key in table):
        lengths = {label: len(table[key]) for label, table in tables.items() if isinstance(table.get(key), tuple)}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{length} values for {label}" for label, length in lengths.items())
            mistakes.append(
                f"{name}.*.{key}: lists of different {name} must have equal lengths (or be a scalar, which is "
                f"repeated), but there are {found}"
            )


def check_seeds(value: Any, mistakes: list[str]) -> tuple[int, ...] | None:
    """The seeds: a count, or a list of them."""
    listed = isinstance(value, list)
    items = value if listed else [value]
    right = bool(items) and all(isinstance(item, int) and not isinstance(item, bool) for item in items)
    if right and listed and all(0 <= item <= MOST_SEED for item in items) and len(set(items)) == len(items):
        return tuple(items)
    if right and not listed and 1 <= value <= MOST_SEEDS:
        return tuple(range(value))
    most = f"; a count is at most {MOST_SEEDS}" if right and not listed and value > MOST_SEEDS else hint_of(value)
    mistakes.append(f"seeds = {typed(value)}: must be {COMMON['seeds'].allowed}{most}")
    return None


def check_refine(given: Any, mistakes: list[str]) -> dict[str, Any] | None:
    """[refine], as far as it can be checked by itself; None where nothing is refined."""
    if given is None or given is False:
        return None
    given = {} if given is True else given
    if not isinstance(given, Mapping):
        mistakes.append(f"refine = {typed(given)}: must be a table, [refine] level = 0.5{hint_of(given)}")
        return {}
    checked: dict[str, Any] = {}
    for key, value in given.items():
        path = f"refine.{key}"
        if key in REFINE and not is_axis(value):
            checked[key] = check_number(path, REFINE[key], value, "float64", mistakes)
        elif key in REFINE:
            mistakes.append(f"{path} = {typed(value)}: must be {REFINE[key].allowed}")
        elif key == "tolerance":
            table = value if isinstance(value, Mapping) else {"": value}
            widths = {axis: check_number(f"{path}.{axis}".rstrip("."), TOLERANCE, width, "float64", mistakes)
                      for axis, width in table.items()}  # fmt: skip
            checked[key] = widths if isinstance(value, Mapping) else widths[""]
        elif key == "value" and isinstance(value, str):
            checked[key] = value
        elif key == "of" and isinstance(value, str):
            checked[key] = (value,)
        elif key == "of" and isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            checked[key] = tuple(value)
        elif key in REFINE_WORDS:
            mistakes.append(f"{path} = {typed(value)}: must be {REFINE_WORDS[key].allowed}{hint_of(value)}")
        else:
            mistakes.append(f"{path} = {typed(value)}: unknown key; {nearest(key, [*REFINE, *REFINE_WORDS])}")
    return checked


def check_record(record: Any, steps: Any, most: int, mistakes: list[str]) -> Any:
    """How many steps a trajectory is kept at; as many as suit, or fewer of a short training, where it is left out."""
    if record is None:
        return min((most, *values(steps)))
    if not isinstance(record, int) or isinstance(record, bool) or record < 0:
        mistakes.append(f"record = {typed(record)}: must be {COMMON['record'].allowed}{hint_of(record)}")
    elif values(steps) and record > min(values(steps)):
        mistakes.append(f"record = {typed(record)}: must be in 0 .. steps = {min(values(steps))}")
    return record


def read_sections(family: Family, given: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    """The tables of a spec, checked and completed by a family's `sections`, `variants`, `fit` and `check`."""
    fit, precision = family.fit(given), chosen(given, family.sections, PRECISION, "float32")
    tables: dict[str, Any] = {}
    for name, section in family.sections.items():
        if name:
            tables[name] = check_section(name, section, given.get(name, {}), fit, precision, mistakes)
        else:
            for key, number in section.numbers.items():
                value = given.get(key, fit.defaults.get(key, number.default))
                tables[key] = check_number(key, number, value, precision, mistakes)
    if family.variants:
        name = family.variants.section
        tables[name] = check_variants(given.get(name, {}), family.variants, precision, mistakes)
    family.check(tables, mistakes)
    tables["record"] = check_record(given.get("record"), tables.get("steps"), fit.record, mistakes)
    if family.variants:
        check_lengths(name, tables[name], mistakes)
    return tables


def keys_of(family: Family) -> list[str]:
    """The keys that a spec of a family has at its top."""
    top = family.sections.get("", Section()).numbers
    return [*COMMON, *top, *filter(None, family.sections), *([family.variants.section] if family.variants else [])]


def check(given: Mapping[str, Any], known: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The keys of a spec, of which those `known` may be there, checked and completed, and all mistakes in them.

    Whatever is None is as if it were left out.
    """
    mistakes: list[str] = []
    given = {key: value for key, value in ((key, plain(value)) for key, value in given.items()) if value is not None}
    try:
        family = family_of_spec(given)
    except SpecError as error:
        return {}, list(error.mistakes)
    mine = [*keys_of(family), *(["problem"] if "problem" in given else [])]
    allowed = [key for key in known if key in mine] if family.sections else list(known)
    for key in given:
        if key not in allowed:
            inside = next((s for s, t in family.sections.items() if s and (key in t.numbers or key in t.choices)), None)
            where = f"it belongs under [{inside}]" if inside else nearest(key, allowed)
            mistakes.append(f"{key} = {typed(given[key])}: unknown key; {where}")
    name = given.get("name", DEFAULT_NAME)
    if not (isinstance(name, str) and re.fullmatch(NAME, name)):
        mistakes.append(f"name = {typed(name)}: must be {COMMON['name'].allowed}")
    spec: dict[str, Any] = {"name": name, "seeds": check_seeds(given.get("seeds", DEFAULT_SEEDS), mistakes)}
    spec["refine"] = check_refine(given.get("refine"), mistakes)
    if family.read is None:
        spec |= read_sections(family, given, mistakes)
        if "problem" in given:
            spec["problem"] = {"import": given["problem"]["import"]}
    else:
        spec |= family.read(given, mistakes)
    return spec, mistakes
