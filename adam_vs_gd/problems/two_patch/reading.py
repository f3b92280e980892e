"""A spec of the two-patch problem in which an optimizer, the model or the data are somebody else's. No JAX.

Somebody else's part is named by `import`, or handed over in Python, and may have numbers of its own. What only the code
knows (its name, the defaults of its numbers) is filled in before a sweep begins (`parts`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from adam_vs_gd.problem import Family, Number, Section
from adam_vs_gd.problems.two_patch.sections import OF_MODELS, OF_SAMPLERS
from adam_vs_gd.spec.checks import PRECISION, check_lengths, chosen, read_sections
from adam_vs_gd.spec.plain import typed
from adam_vs_gd.spec.values import check_number

OWN = "own"
"""The kind of an optimizer, and the name of a model, that are somebody else's."""
ABOUT = ("import", "version", "code", "static", "filters")
"""What a table says of somebody else's part beside numbers."""
TAKEN = frozenset(
    {"seed", "optimizer", "status", "record", "step", "test_record", "test_step", "class", "kind", "name"}
)


def free(key: str, kind: type = float) -> Number:
    """A number of which nothing is known but its name."""
    return Number(kind, -math.inf, math.inf, None, "", key)


def is_own(table: Any, key: str) -> TypeGuard[Mapping[str, Any]]:
    """Whether a table is of somebody else's part."""
    return isinstance(table, Mapping) and ("import" in table or table.get(key) == OWN)


def read(family: Family, given: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    """The tables of a spec, checked and completed, somebody else's parts too."""
    data, model, optimizers = (given.get(key, {}) for key in ("data", "model", "optimizers"))
    sections, rest = dict(family.sections), dict(given)
    about: dict[str, dict[str, Any]] = {}
    known = set().union(*(section.numbers for section in sections.values())) - OF_SAMPLERS - OF_MODELS
    if is_own(data, "name"):
        mine = {key: number for key, number in sections["data"].numbers.items() if key not in OF_SAMPLERS}
        sections["data"] = Section(mine, {"supports": sections["data"].choices["supports"]})
        sections["data"] = with_free(sections["data"], data, float, known, "data", mistakes)
        about["data"], rest["data"] = split(data, "data", mistakes)
    if is_own(model, "name"):
        held = {key: number for key, number in sections["model"].numbers.items() if key not in OF_MODELS}
        numbers = {key: replace(number, default=None) for key, number in held.items()}
        numbers["sigma_0"] = replace(numbers["sigma_0"], default=1.0)
        sections["model"] = with_free(Section(numbers, {"name": (OWN,)}), model, int, known, "model", mistakes)
        about["model"], rest["model"] = split(model, "model", mistakes)
    ours: dict[str, Any] = {}
    if isinstance(optimizers, Mapping):
        ours = {label: table for label, table in optimizers.items() if is_own(table, "kind")}
        rest["optimizers"] = {label: table for label, table in optimizers.items() if label not in ours}
    as_own = replace(family, sections=sections, read=None)
    if ours and not rest["optimizers"]:
        as_own = replace(as_own, variants=None)
    tables = read_sections(as_own, rest, mistakes)
    for name, found in about.items():
        tables[name] |= found
    if ours:
        precision = chosen(given, family.sections, PRECISION, "float32")
        others = tables.get("optimizers", {})
        read_own = {label: read_optimizer(label, table, known, precision, mistakes) for label, table in ours.items()}
        tables["optimizers"] = {label: {**others, **read_own}[label] for label in optimizers or {}}
        check_lengths("optimizers", tables["optimizers"], mistakes)
    return tables


def with_free(
    section: Section, table: Mapping[str, Any], kind: type, known: set[str], name: str, mistakes: list[str]
) -> Section:
    """A section with the numbers of a table that nobody knows."""
    numbers = dict(section.numbers)
    for key in table:
        if key in numbers or key in section.choices or key in ABOUT:
            continue
        if not key.isidentifier() or key in TAKEN or key in known:
            mistakes.append(f"{name}.{key} = {typed(table[key])}: {key} means something else; choose another name")
        numbers[key] = free(key, kind)
    return replace(section, numbers=numbers)


def split(table: Mapping[str, Any], name: str, mistakes: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what a table says of somebody else's part, the rest)."""
    about = {key: value for key, value in table.items() if key in ABOUT}
    for key in ("import", "code"):
        if key in about and not isinstance(about[key], str):
            mistakes.append(f'{name}.{key} = {typed(about[key])}: must be "package.module:name"')
    if "version" in about:
        about["version"] = str(about["version"])
    return about, {key: value for key, value in table.items() if key not in ABOUT}


def read_optimizer(
    label: str, table: Mapping[str, Any], known: set[str], precision: str, mistakes: list[str]
) -> dict[str, Any]:
    """One of [optimizers.*] that is somebody else's."""
    from adam_vs_gd.problems.learning.numbers import OPTIMIZER

    path = f"optimizers.{label}"
    about, numbers = split(table, path, mistakes)
    kept = about.get("static", [])
    if not (isinstance(kept, list) and all(isinstance(name, str) for name in kept)):
        mistakes.append(f'{path}.static = {typed(kept)}: must be a list of names, for instance ["order"]')
        kept = []
    about = {**about, **({"static": tuple(kept)} if kept else {})}
    checked: dict[str, Any] = {"kind": OWN, **about}
    for key, value in numbers.items():
        if key == "kind":
            continue
        where = f"{path}.{key}"
        if not key.isidentifier() or key in TAKEN or key in known:
            mistakes.append(f"{where} = {typed(value)}: {key} means something else; choose another name")
        elif isinstance(value, bool):
            checked[key] = value
            if key not in kept:
                mistakes.append(f'{where} = {typed(value)}: is no number; compile it in with static = ["{key}"]')
        elif key in kept:
            items = value if isinstance(value, list) else [value]
            whole = all(isinstance(item, int) and not isinstance(item, bool) for item in items)
            checked[key] = check_number(where, free(key, int if whole else float), value, precision, mistakes)
        else:
            checked[key] = check_number(where, OPTIMIZER.get(key, free(key)), value, precision, mistakes)
    return checked
