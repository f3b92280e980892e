"""A JSON schema (draft 07) of specs, for editors, made of what the families declare.

It is a first look: a key that no family has, a value out of range, a text for a number. What depends on other keys
(what means something to which model, n·s < d) only `check` knows. Where a spec names somebody
else's code, whose keys are not known, it lets everything pass.

Editors look for what they show and complete in `properties` and `anyOf`, not behind `if`; so what is asked for under a
condition is offered without one as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adam_vs_gd.problem import Number, Section, Variants
from adam_vs_gd.problems import KNOWN, family_named
from adam_vs_gd.spec.keys import COMMON, MOST_SEED, MOST_SEEDS, NAME, REFINE, TOLERANCE, Entry, of_choice, of_number
from adam_vs_gd.spec.keys import of_refine as entries_of_refine
from adam_vs_gd.spec.sweep_spec import TABLES
from adam_vs_gd.spec.values import MOST_VALUES

Schema = dict[str, Any]

FOREIGN: Schema = {"required": ["import"]}
"""Of a table that is of somebody else's code."""
CODE: Schema = {"type": "string", "title": "somebody's own code", "description": 'a text, "package.module:name"'}


def text() -> str:
    """The schema as it is printed and shipped."""
    return json.dumps(schema(), ensure_ascii=False, indent=1) + "\n"


def schema() -> Schema:
    """The schema of the specs of all families that declare their tables, and of anybody's function."""
    families = [family for name in KNOWN if (family := family_named(name)).sections]
    definitions = Definitions()
    offered: Schema = common() | {"refine": of_refine()}
    asked: Schema = {}
    for name in dict.fromkeys(name for family in families for name in family.sections):
        found = {family.name: family.sections[name] for family in families if name in family.sections}
        keys = of_sections(found, definitions)
        if name:
            definitions[name] = closed({"import": CODE} | keys)
            offered[name] = {"type": "object", **hint(ref(name))}
            asked[name] = {"if": FOREIGN, "else": ref(name)}
        else:
            offered |= keys
    variants = together([family.variants for family in families if family.variants])
    for one in variants:
        offered[one.section], asked[one.section] = of_variants(one, definitions)
    definitions["number"] = of_number_or_axis({"type": "number"})
    for name in TABLES:
        offered.setdefault(name, {"type": "object", "additionalProperties": ref("number")})
    offered["problem"] = {"type": "object", "properties": {"import": CODE}, "required": ["import"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "a sweep of adam-vs-gd",
        **closed(offered),
        "if": {"required": ["problem"]},
        "else": {"properties": asked, "required": [one.section for one in variants]},
        "definitions": definitions | {"range": of_range()},
    }


class Definitions(dict[str, Schema]):
    """What a schema refers to, by name."""

    def of(self, number: Number) -> Schema:
        """A reference to the values that a number may have; numbers of one range share one."""
        scalar = of_scalar(number)
        name = " ".join(f"{key} {value}" for key, value in scalar.items()).replace(" ", "-")
        self[name] = of_number_or_axis(scalar)
        return ref(name)


def ref(name: str) -> Schema:
    """A definition, by its name."""
    return {"$ref": f"#/definitions/{name}"}


def hint(offered: Schema) -> Schema:
    """What editors show and complete, without its being asked for."""
    return {"anyOf": [{}, offered]}


def closed(keys: Schema) -> Schema:
    """A table that has these keys at most."""
    return {"type": "object", "properties": keys, "additionalProperties": False}


def told(entry: Entry, **values: Any) -> Schema:
    """What is shown of a key, and what it may be."""
    shown = {"title": entry.title, "description": entry.range}
    return shown | ({} if entry.default is None else {"default": entry.default}) | values


def common() -> dict[str, Schema]:
    """The keys that every spec has."""
    seed = {"type": "integer", "minimum": 0, "maximum": MOST_SEED}
    listed = {"type": "array", "items": seed, "minItems": 1, "uniqueItems": True}
    return {
        "name": told(COMMON["name"], type="string", pattern=f"^{NAME}$"),
        "seeds": told(COMMON["seeds"], **of_axis({"type": "integer", "minimum": 1, "maximum": MOST_SEEDS}, listed)),
        "record": told(COMMON["record"], type="integer", minimum=0),
    }


def of_sections(sections: Mapping[str, Section], definitions: Definitions) -> dict[str, Schema]:
    """The keys of one table, as one family or another has it."""
    keys = dict.fromkeys(key for section in sections.values() for key in (*section.choices, *section.numbers))
    found = {}
    for key in keys:
        having = {name: s for name, s in sections.items() if key in s.choices or key in s.numbers}
        entries, values = [], []
        for section in having.values():
            choice, number = key in section.choices, section.numbers.get(key)
            entries.append(of_choice(section, key) if number is None else of_number(number, number.default))
            values.append(of_options(section, key) if choice or number is None else definitions.of(number))
        ranges = dict(zip(having, (entry.range for entry in entries), strict=True))
        shown = told(entries[0], allOf=[either(values)])
        if len(set(ranges.values())) > 1:
            shown["description"] = "\n\n".join(f"{name}: {range_}" for name, range_ in ranges.items())
        found[key] = shown
    return found


def either(schemas: Sequence[Schema]) -> Schema:
    """One schema or another of those that differ."""
    different = [one for k, one in enumerate(schemas) if one not in schemas[:k]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def of_options(section: Section, key: str) -> Schema:
    """The names that a choice may be."""
    options: Schema = {"enum": list(section.choices[key])}
    if key not in section.placed:
        return options
    return {"type": "string", "pattern": f"^({'|'.join(section.choices[key])})(:.*)?$", **hint(options)}


def of_scalar(number: Number) -> Schema:
    """One value of a number."""
    bounds = {
        "exclusiveMinimum" if number.above else "minimum": number.low,
        "exclusiveMaximum" if number.below else "maximum": number.high,
    }
    finite = {
        key: int(bound) if bound == int(bound) else bound for key, bound in bounds.items() if math.isfinite(bound)
    }
    even = {"multipleOf": 2} if number.even else {}
    return {"type": "integer" if number.kind is int else "number", **finite, **even}


def of_axis(scalar: Schema, listed: Schema) -> Schema:
    """A scalar, or a list; told apart first, so that what is said of a wrong one is of what it was meant to be."""
    return {"if": {"type": "array"}, "then": listed, "else": scalar}


def of_number_or_axis(scalar: Schema) -> Schema:
    """A number: a scalar, a list, or a range."""
    listed = {"type": "array", "items": scalar, "minItems": 1, "uniqueItems": True}
    return {"if": {"type": "object"}, "then": ref("range"), "else": of_axis(scalar, listed)}


def of_range() -> Schema:
    """{ linspace = [first, last, count] } or { geomspace = … }."""
    count = {"type": "integer", "minimum": 1, "maximum": MOST_VALUES}
    ends = {"linspace": {"type": "number"}, "geomspace": {"type": "number", "exclusiveMinimum": 0}}
    keys = {
        how: {"type": "array", "items": [end, end, count], "minItems": 3, "maxItems": 3, "title": "first, last, count"}
        for how, end in ends.items()
    }
    return {**closed(keys), "minProperties": 1, "maxProperties": 1}


def of_refine() -> Schema:
    """[refine]."""
    width = of_scalar(TOLERANCE)
    values: dict[str, Schema] = {key: of_scalar(number) for key, number in REFINE.items()} | {
        "value": {"type": "string"},
        "of": of_axis({"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}),
        "tolerance": {"if": {"type": "object"}, "then": {"additionalProperties": width}, "else": width},
    }
    keys = {key: told(entry, **values[key]) for key, entry in entries_of_refine().items()}
    return told(COMMON["refine"], **closed(keys) | {"type": ["object", "boolean"]})


def together(variants: Iterable[Variants]) -> list[Variants]:
    """Those of one section as one."""
    found: dict[str, Variants] = {}
    for one in variants:
        other = found.get(one.section, one)
        found[one.section] = Variants(
            one.section, {**other.numbers, **one.numbers}, {**other.kinds, **one.kinds}, one.example,
            {**other.optional, **one.optional},
        )  # fmt: skip
    return list(found.values())


def of_variants(variants: Variants, definitions: Definitions) -> tuple[Schema, Schema]:
    """(what is offered, what is asked for) of tables whose label is their kind, unless they name it."""
    entries = {key: of_number(number, None) for key, number in variants.numbers.items()}
    of_key = {key: f"{variants.section}.{key}" for key in entries}
    for key, number in variants.numbers.items():
        definitions[of_key[key]] = told(entries[key], allOf=[definitions.of(number)])
    kind = {"title": "kind", "description": "a label is a kind where it is left out", "enum": list(variants.kinds)}
    of_kind = {name: f"{variants.section}:{name}" for name in variants.kinds}
    for name, defaults in variants.kinds.items():
        known = {**defaults, **variants.optional}
        numbers = {key: of_default(entries[key], default, of_key[key]) for key, default in known.items()}
        definitions[of_kind[name]] = closed({"kind": kind | {"enum": [name]}} | numbers)
    anything = {"kind": kind, "import": CODE, **{key: ref(name) for key, name in of_key.items()}}
    chosen = [{"if": {"properties": {"kind": {"enum": [name]}}}, "then": ref(one)} for name, one in of_kind.items()]
    named = {"required": ["kind"], "properties": {"kind": kind}, "allOf": chosen}
    definitions[variants.section] = {"if": FOREIGN, "else": named}
    labels = {
        name: {"if": {"required": ["kind"]}, "then": ref(variants.section), "else": {"if": FOREIGN, "else": ref(one)}}
        for name, one in of_kind.items()
    }
    offered = {
        "type": "object",
        "minProperties": 1,
        "properties": {name: {"type": "object", **hint(ref(one))} for name, one in of_kind.items()},
        "additionalProperties": {"type": "object", **hint({"properties": anything})},
    }
    return offered, {"properties": labels, "additionalProperties": ref(variants.section)}


def of_default(entry: Entry, default: Any, name: str) -> Schema:
    """A number of a kind, which has a default of its own."""
    own = entry._replace(default=default)
    return {"description": own.range, "default": default, "allOf": [ref(name)]}
