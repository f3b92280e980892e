"""The reference of a spec: every key, from what the families declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf
from typing import Any

from _ext.markdown import attributes_of, code, codes, math, named, table
from adam_vs_gd.problem import Family, Number, Section, Variants
from adam_vs_gd.problems import MODELS, family_named
from adam_vs_gd.problems.function import family as function
from adam_vs_gd.problems.function.sweep_function import sweep_function
from adam_vs_gd.problems.learning.numbers import INT_MAX
from adam_vs_gd.problems.two_patch import reading
from adam_vs_gd.refine.question import CHANCE, DEPTH, MORE_SEEDS
from adam_vs_gd.spec.checks import COMMON, DEFAULT_NAME, DEFAULT_SEEDS, MOST_SEEDS, REFINE, REFINE_WORDS, TOLERANCE
from adam_vs_gd.spec.sweep_spec import SweepSpec

FAMILIES: Mapping[str, str] = {"two_patch": "Two patches", "images": "Images"}
HEAD = ("key", "symbol", "meaning", "may be", "default")


def markdown() -> str:
    """The page below its introduction."""
    families = {family_named(name): title for name, title in FAMILIES.items()}
    parts = [every_spec()]
    parts += [section for family, title in families.items() for section in of_family(family, title)]
    parts += [optimizers(next(iter(families)).variants), refinement(), own_parts(), of_function()]
    return "\n".join(filter(None, parts))


def every_spec() -> str:
    """What stands at the top of every spec."""
    words = attributes_of(SweepSpec)
    allowed = {
        "name": ("letters, digits, `-`, `_` and `.`", f"the file's name; {code(DEFAULT_NAME)} in Python"),
        "seeds": (f"a count, 1 to {MOST_SEEDS:,}, or a list of integers >= 0 and < 2^32", code(DEFAULT_SEEDS)),
        "record": ("an integer >= 0 and <= `steps`", "`100`, of images `10`; `steps` where that is less"),
        "refine": ("a table, see below", "none"),
    }
    rows = [(named(key), "", words[key], *allowed[key]) for key in COMMON]
    return "## Every spec\n\n" + table(HEAD, rows)


def of_family(family: Family, title: str) -> Iterator[str]:
    """The tables of a family."""
    models = [model for model, its in MODELS.items() if its == family.name]
    yield f"## {title}\n\nThe models {codes(models)}.\n"
    for name, section in family.sections.items():
        rows = [*choices(family, name, section), *numbers(family, name, section)]
        heading = f"`[{name}]`" if name else "At the top"
        yield f"### {heading} of {title.lower()}\n\n" + table((*HEAD, "where"), rows)


def choices(family: Family, name: str, section: Section) -> Iterator[tuple[str, ...]]:
    """The rows of names that are chosen among."""
    for key, options in section.choices.items():
        known = [one for one in options if key != "name" or MODELS.get(one) == family.name]
        place = ", each of which `:PLACE` may follow" if key in section.placed else ""
        where = applies(family, name, key)
        yield named(key, anchor(family, name, key)), "", "a name", codes(known) + place, code(known[0]), where


def numbers(family: Family, name: str, section: Section) -> Iterator[tuple[str, ...]]:
    """The rows of numbers."""
    defaults = family.fit({}).defaults
    for key, number in section.numbers.items():
        default = default_of(defaults.get(key, number.default), section)
        yield (named(key, anchor(family, name, key)), *about(number), default, applies(family, name, key))


def about(number: Number) -> tuple[str, str, str]:
    """A number's symbol, its meaning, and what it may be; a limit that only the machine's integers set is none."""
    limited = number.kind is float or number.high < INT_MAX
    return math(number.symbol), number.long_name, (number if limited else replace(number, high=inf)).allowed


def anchor(family: Family, table_: str, key: str) -> str:
    """What a key is linked to by."""
    return ".".join(filter(None, (family.name, table_, key)))


def default_of(default: Any, section: Section) -> str:
    """A default in words; one that follows from the section's other keys, for each of its first choice."""
    if default is None:
        return "none"
    if not callable(default):
        return code(default)
    key, options = next(iter(section.choices.items()))
    return "all: " + ", ".join(f"{default({key: one}):,} of {code(one)}" for one in options)


def applies(family: Family, table_: str, key: str) -> str:
    """For which choices a key means something, or for which it does not; "" where it does for all."""

    def is_there(**chosen: str) -> bool:
        given: dict[str, dict[str, Any]] = {table_: {key: 1}} if table_ else {}
        for name, section in family.sections.items():
            for other in section.choices.keys() & chosen:
                given.setdefault(name, {})[other] = chosen[other]
        return key not in family.fit(given).absent

    usual, differing = is_there(), []
    for section in family.sections.values():
        for other, options in section.choices.items():
            known = [one for one in options if other != "name" or MODELS.get(one) == family.name]
            differ = [one for one in known if other != key and is_there(**{other: one}) != usual]
            differing += [f"`{other}` {codes(differ)}"] if differ else []
    return f"{'not with' if usual else 'only with'} {'; '.join(differing)}" if differing else ""


def optimizers(variants: Variants | None) -> str:
    """What is compared with each other."""
    assert variants is not None
    name, optional = variants.section, variants.optional
    kinds = [
        (named(kind, f"{name}.{kind}"), ", ".join(f"`{key}` {value:g}" for key, value in its.items()))
        for kind, its in variants.kinds.items()
    ]
    rows = []
    for key, number in variants.numbers.items():
        having = [kind for kind, its in variants.kinds.items() if key in its]
        of = (
            "any"
            if key in optional
            else "all"
            if len(having) == len(variants.kinds)
            else ", ".join(map("`{}`".format, having))
        )
        rows.append(
            (named(key, f"{name}.{key}"), *about(number), code(optional[key]) if key in optional else "by kind", of)
        )
    return (
        f"## `[{name}.LABEL]`\n\nA table for each that is compared; its label is its kind unless `kind` names one. "
        "Networks on images have those that do not switch.\n\n"
        + table(("kind", "its numbers and their defaults"), kinds)
        + table((*HEAD, "of"), rows)
    )


def refinement() -> str:
    """[refine]."""
    words = {
        "level": f"`{CHANCE:g}` of an error rate",
        "depth": f"`{DEPTH}`",
        "max_lanes": "none",
        "max_seeds": f"{MORE_SEEDS} times those of the spec",
    }
    rows = [(named(key, f"refine.{key}"), "", *about(number)[1:], words[key]) for key, number in REFINE.items()]
    others = {
        "value": ("variable whose boundary is looked for", 'the name of one, or `"status"`', "the first that is drawn"),
        "of": ("whose boundaries", 'a label, a difference such as `"adam - gd"`, or a list of them', "every label's"),
        "tolerance": (TOLERANCE.long_name, f"{TOLERANCE.allowed}; or a table of one for each axis", "as `depth` gives"),
    }
    rows += [(named(key, f"refine.{key}"), "", *others[key]) for key in REFINE_WORDS]
    return "## `[refine]`\n\nSee [refining](../refining.md).\n\n" + table(HEAD, rows)


def own_parts() -> str:
    """What a table says of somebody else's part."""
    words = {
        "import": ("`[optimizers.LABEL]`, `[model]`, `[data]`", 'where it is: `"package.module:name"`'),
        "version": ("the same", "takes the place of a digest of its code in the names of lanes"),
        "code": ("the same", "its name and its version or digest; filled in"),
        "static": ("`[optimizers.LABEL]`", "those of its keys that are compiled in, a list"),
        "filters": ("`[model]`", "whether it says what its filters are; filled in"),
    }
    rows = [(named(key, f"own.{key}"), *words[key]) for key in reading.ABOUT]
    return "## Parts of your own\n\nBeside these, such a table has numbers under names of their own.\n\n" + table(
        ("key", "in", "meaning"), rows
    )


def of_function() -> str:
    """[problem] and the tables of numbers of somebody's function."""
    words = attributes_of(sweep_function, "Args") | {
        "import": 'where the function is, `"package.module:name"`; or a `Family`, which says what else there may be',
        "code": "its name and its version or digest; filled in",
        "outputs": "dimensions, shape and type of what it returns; filled in",
    }
    rows = [(named(key, f"problem.{key}"), words[key]) for key in function.KEYS]
    tables = [(named(f"[{name}]", f"function.{name}"), words[name]) for name in function.TABLES]
    top = [(named("steps", "function.steps"), f"{words['steps']} {about(function.STEPS)[2].capitalize()}.")]
    return "## `[problem]`\n\nSomebody's function.\n\n" + table(("key", "meaning"), [*rows, *tables, *top])
