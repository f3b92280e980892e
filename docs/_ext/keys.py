"""The reference of a spec: every key, from what the families declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from _ext.markdown import arguments_of, code, codes, math, named, table
from adam_vs_gd.problem import Family, Number, Section, Variants
from adam_vs_gd.problems import MODELS, family_named
from adam_vs_gd.problems.function import family as function
from adam_vs_gd.problems.function.sweep_function import sweep_function
from adam_vs_gd.problems.two_patch import reading
from adam_vs_gd.refine.question import CHANCE, DEPTH, MORE_SEEDS
from adam_vs_gd.spec.keys import COMMON, DEFAULT_NAME, REFINE, Entry, of_choice, of_number, of_refine

FAMILIES: Mapping[str, str] = {"two_patch": "Two patches", "images": "Images"}
HEAD = ("key", "symbol", "meaning", "may be", "default")


def markdown() -> str:
    """The page below its introduction."""
    families = {family_named(name): title for name, title in FAMILIES.items()}
    parts = [every_spec(families)]
    parts += [section for family, title in families.items() for section in of_family(family, title)]
    parts += [optimizers(next(iter(families)).variants), refinement(), own_parts(), of_function()]
    return "\n".join(filter(None, parts))


def row(anchor: str, key: str, entry: Entry, default: str | None = None, number: Number | None = None) -> list[str]:
    """What the one table says of a key; `default` is in words where the key's default is no constant."""
    symbol = math(number.symbol) if number else ""
    if default is None:
        default = "none" if entry.default is None else code(entry.default)
    return [named(key, anchor), symbol, entry.long_name, entry.allowed, default]


def every_spec(families: Mapping[Family, str]) -> str:
    """What stands at the top of every spec."""
    records = ", ".join(f"{code(family.fit({}).record)} of {title.lower()}" for family, title in families.items())
    defaults = {
        "name": f"the file's name; {code(DEFAULT_NAME)} in Python",
        "record": f"{records}; `steps` where that is less",
    }
    return "## Every spec\n\n" + table(HEAD, [row(key, key, entry, defaults.get(key)) for key, entry in COMMON.items()])


def of_family(family: Family, title: str) -> Iterator[str]:
    """The tables of a family."""
    models = [model for model, its in MODELS.items() if its == family.name]
    yield f"## {title}\n\nThe models {codes(models)}.\n"
    for name, section in family.sections.items():
        rows = [*choices(family, name, section), *numbers(family, name, section)]
        heading = f"`[{name}]`" if name else "At the top"
        yield f"### {heading} of {title.lower()}\n\n" + table((*HEAD, "where"), rows)


def choices(family: Family, name: str, section: Section) -> Iterator[list[str]]:
    """The rows of names that are chosen among."""
    for key, options in section.choices.items():
        known = [one for one in options if key != "name" or MODELS.get(one) == family.name]
        place = ", each of which `:PLACE` may follow" if key in section.placed else ""
        entry = of_choice(section, key)._replace(allowed=codes(known) + place, default=known[0])
        yield [*row(anchor(family, name, key), key, entry), applies(family, name, key)]


def numbers(family: Family, name: str, section: Section) -> Iterator[list[str]]:
    """The rows of numbers."""
    defaults = family.fit({}).defaults
    for key, number in section.numbers.items():
        default = defaults.get(key, number.default)
        words = of_first_choices(default, section) if callable(default) else None
        entry = of_number(number, default)
        yield [*row(anchor(family, name, key), key, entry, words, number), applies(family, name, key)]


def anchor(family: Family, table_: str, key: str) -> str:
    """What a key is linked to by."""
    return ".".join(filter(None, (family.name, table_, key)))


def of_first_choices(default: Any, section: Section) -> str:
    """A default that follows from the section's other keys, for each of its first choice."""
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
        everywhere = "all" if len(having) == len(variants.kinds) else ", ".join(map("`{}`".format, having))
        entry, by_kind = of_number(number, optional.get(key)), None if key in optional else "by kind"
        rows.append([*row(f"{name}.{key}", key, entry, by_kind, number), "any" if key in optional else everywhere])
    return (
        f"## `[{name}.LABEL]`\n\nA table for each that is compared; its label is its kind unless `kind` names one. "
        "Networks on images have those that do not switch.\n\n"
        + table(("kind", "its numbers and their defaults"), kinds)
        + table((*HEAD, "of"), rows)
    )


def refinement() -> str:
    """[refine]."""
    defaults = {
        "level": f"{code(CHANCE)} of an error rate",
        "depth": code(DEPTH),
        "max_seeds": f"{MORE_SEEDS} times those of the spec",
        "value": "the variable that is drawn first",
        "of": "every label's",
        "tolerance": "as `depth` gives",
    }
    rows = [row(f"refine.{key}", key, entry, defaults.get(key), REFINE.get(key)) for key, entry in of_refine().items()]
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
    words = arguments_of(sweep_function) | {
        "import": 'where the function is, `"package.module:name"`; or a `Family`, which says what else there may be',
        "code": "its name and its version or digest; filled in",
        "outputs": "dimensions, shape and type of what it returns; filled in",
    }
    rows = [(named(key, f"problem.{key}"), words[key]) for key in function.KEYS]
    tables = [(named(f"[{name}]", f"function.{name}"), words[name]) for name in function.TABLES]
    allowed = of_number(function.STEPS, None).allowed.capitalize()
    top = [(named("steps", "function.steps"), f"{words['steps']} {allowed}.")]
    return "## `[problem]`\n\nSomebody's function.\n\n" + table(("key", "meaning"), [*rows, *tables, *top])
