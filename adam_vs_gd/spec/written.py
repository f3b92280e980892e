"""A spec as TOML for people: a line a key, and behind it what there is to say of the key."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import tomli_w

from adam_vs_gd.problem import Section, Variants
from adam_vs_gd.spec.checks import check_record
from adam_vs_gd.spec.keys import COMMON, Entry, of_choice, of_number, of_refine
from adam_vs_gd.spec.sweep_spec import TOP, SweepSpec
from adam_vs_gd.spec.values import is_number

COLUMN = 34  # of the comments
WIDTH = 120  # of a line
INDENT = "    "  # of what goes on below


class Line(NamedTuple):
    """A key, its value, and what there is to say of it.

    Attributes:
        key: of a table.
        value: plain; None where there is none.
        entry: None where nothing is known of the key.
        live: whether it is part of the spec, and no comment.
    """

    key: str
    value: Any
    entry: Entry | None
    live: bool = True


def written(spec: SweepSpec, given: Mapping[str, Any] | None = None) -> str:
    """A spec as TOML that is read back to the same spec.

    A key that is no part of it but might be, as far as its problem declares keys, stands there as a comment: `#key = `
    with its default, if it has one.

    Args:
        spec: the sweep.
        given: its keys as they were typed; what is left out of the tables in it is commented out. None for all keys,
            completed.
    """
    variants = spec.family.variants
    given = completed(spec) if given is None else given
    tables = {name: value for name, value in given.items() if isinstance(value, Mapping) and name not in TOP}
    top = {key: value for key, value in given.items() if key not in tables}
    texts = [block("", lines(top, entries_of_top(spec)))]
    for name, table in tables.items():
        if variants and name == variants.section:
            entries = {label: entries_of_variant(variants, label, one) for label, one in table.items()}
            for label in list(table)[1:]:  # what any of them may have is told once
                entries[label] = {key: entry for key, entry in entries[label].items() if key not in variants.optional}
            texts += [block(f"{name}.{bare(label)}", lines(one, entries[label])) for label, one in table.items()]
        else:
            texts.append(block(name, lines(table, entries_of_table(spec, name))))
    return "\n".join(texts)


def completed(spec: SweepSpec) -> dict[str, Any]:
    """The spec with every default filled in; seeds 0, 1, … as their count."""
    found = spec.to_dict()
    seeds = found["seeds"]
    return found | {"seeds": len(seeds) if seeds == list(range(len(seeds))) else seeds}


def lines(table: Mapping[str, Any], entries: Mapping[str, Entry]) -> Iterator[Line]:
    """The keys of a table, and behind them those that it might have."""
    for key, value in table.items():
        yield Line(key, value, entries.get(key))
    for key, entry in entries.items():
        if key not in table:
            yield Line(key, entry.default, entry, live=False)


def entries_of_top(spec: SweepSpec) -> dict[str, Entry]:
    """What there is to say of the keys that stand in no table."""
    entries = {key: entry for key, entry in COMMON.items() if key != "refine"}
    if spec.steps is not None:
        number = spec.numbers["steps"]
        entries["steps"] = of_number(number, number.default)
        kept = check_record(None, spec.steps, spec.family.fit(vars(spec)).record, [])
        entries["record"] = entries["record"]._replace(default=kept)
    return entries


def entries_of_table(spec: SweepSpec, name: str) -> dict[str, Entry]:
    """What there is to say of the keys that mean something in a table; nothing of one that is somebody else's part."""
    if name == "refine":
        return of_refine()
    family, table = spec.family, getattr(spec, name)
    section = family.sections.get(name, Section())
    if "import" in table:
        return {}
    entries = {key: of_choice(section, key) for key in section.choices}
    defaults = family.fit(vars(spec)).defaults
    for key, number in section.numbers.items():
        default = defaults.get(key, number.default)
        others = {other: value for other, value in table.items() if other != key}
        entries[key] = of_number(number, default(others) if callable(default) else default)

    def means_something(key: str) -> bool:
        return key not in family.fit({**vars(spec), name: {**table, key: entries[key].default}}).absent

    return {key: entry for key, entry in entries.items() if key in table or means_something(key)}


def entries_of_variant(variants: Variants, label: str, table: Mapping[str, Any]) -> dict[str, Entry]:
    """What there is to say of the numbers of a variant; nothing of somebody else's."""
    known = {**variants.kinds.get(table.get("kind", label), {})}
    known |= variants.optional if known else {}
    return {key: of_number(variants.numbers[key], default) for key, default in known.items()}


def block(name: str, found: Iterator[Line]) -> str:
    """A table, "" for the top."""
    return "".join(line + "\n" for line in [*([f"[{name}]"] if name else []), *map(laid_out, found)])


def laid_out(line: Line) -> str:
    """A key and its comment, which stands above it where there is no room behind it."""
    off = "" if line.live else "#"
    left = f"{off}{bare(line.key)} = " + ("" if line.value is None else literal(line.value))
    if len(left) > WIDTH and isinstance(line.value, list):
        left = f"{off}{bare(line.key)} = {folded(line.value)}"
    if line.entry is None:
        return left
    told = f"{line.entry.title}: {line.entry.range}" if line.entry.title else line.entry.range
    beside = f"{left.rstrip().ljust(COLUMN - 2)}  # {told}"
    if len(left) <= COLUMN - 2 and len(beside) <= WIDTH:
        return beside
    above = textwrap.wrap(told, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return "\n".join([*above, left.rstrip()])


def folded(items: list[Any]) -> str:
    """A long list on several lines."""
    rows: list[str] = []
    row = INDENT
    for item in map(literal, items):
        if len(row) + len(item) + 1 > WIDTH:
            rows, row = [*rows, row.rstrip()], INDENT
        row += f"{item}, "
    return "\n".join(["[", *rows, row.rstrip(), "]"])


def literal(value: Any) -> str:
    """A plain value in TOML, on one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{bare(key)} = {literal(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value) if is_number(value) else tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n")


def bare(key: str) -> str:
    """A key in TOML, quoted where it must be."""
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")
