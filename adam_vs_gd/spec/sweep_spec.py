"""A sweep's specification: TOML or keywords -> a frozen, checked `SweepSpec`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from adam_vs_gd.errors import SpecError
from adam_vs_gd.problem import Family, Number
from adam_vs_gd.problems import family_of_spec
from adam_vs_gd.spec.checks import check
from adam_vs_gd.spec.keys import DEFAULT_NAME, DEFAULT_SEEDS
from adam_vs_gd.spec.plain import hint_of, plain, typed
from adam_vs_gd.spec.values import Value


@dataclass(frozen=True, eq=False, repr=False)
class Table(Mapping[str, Any]):
    """A mapping that cannot be changed, and is hashable if what it holds is; equal to a dict of the same."""

    entries: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __hash__(self) -> int:
        return hash(frozenset(self.items()))

    def __repr__(self) -> str:
        return repr(self.entries)


def frozen(value: Any) -> Any:
    """A checked value of a spec, its tables made `Table`."""
    return Table({key: frozen(inner) for key, inner in value.items()}) if isinstance(value, Mapping) else value


@dataclass(frozen=True)
class SweepSpec:
    """A checked sweep, frozen and hashable. Takes the keys of the TOML; what is None is as if left out.

    Every number is a scalar, or an axis: a sequence, a range, or anything one-dimensional (of NumPy, JAX, pandas,
    xarray). It must stay what it is in the precision asked for: not become 0, infinite, out of range, or its neighbour.

    Attributes:
        name: of the sweep, and of its folder.
        seeds: a count (5 means 0..4) or a list of seeds; a tuple of seeds once checked.
        steps: T, or an axis.
        record: trajectories are kept at `record` + 1 steps; 0 for none.
        data: what is trained on: numbers and names.
        model: what is trained: its name and numbers.
        train: how: numbers, and the precision.
        optimizers: {label: {kind, its numbers}}, compared with each other; a label is a kind unless `kind` names one.
        problem: what is swept instead of a network: `import`, and what `ag.sweep_function` takes beside numbers.
        axes: of such a problem, its swept numbers;
        fixed: those that are not swept; and
        static: those that are compiled in, swept or not.
        refine: what is looked for between the values of the axes, see docs/refining.md; None to fill the grid.

    Raises:
        SpecError: naming every mistake at once.
    """

    name: str = DEFAULT_NAME
    seeds: Any = DEFAULT_SEEDS
    steps: Any = None
    record: Any = None
    data: Any = None
    model: Any = None
    train: Any = None
    optimizers: Any = None
    problem: Any = None
    axes: Any = None
    fixed: Any = None
    static: Any = None
    refine: Any = None

    def __post_init__(self) -> None:
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        checked, mistakes = check(given, list(given))
        if mistakes:
            raise SpecError("spec", mistakes)
        for key in given:
            object.__setattr__(self, key, frozen(checked.get(key)))

    def to_dict(self) -> dict[str, Any]:
        """The spec with every default filled in, as one would write it in TOML."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}

        def lists(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {key: lists(v) for key, v in value.items()}
            return list(value) if isinstance(value, tuple) else value

        return {key: lists(value) for key, value in given.items() if value is not None}

    def _repr_html_(self) -> str:
        """What a notebook shows: axes, optimizers, what is fixed, and how many lanes that makes."""
        from adam_vs_gd.spec.page import described

        return described(self)

    @property
    def family(self) -> Family:
        """The kind of problem that is swept."""
        return family_of_spec({key: table for key in ("problem", "model") if (table := getattr(self, key)) is not None})

    @property
    def numbers(self) -> Mapping[str, Number]:
        """Every number that may be an axis, in the order of the dimensions."""
        family = self.family
        if family.numbers is not None:
            return family.numbers(self)
        tables = [section.numbers for section in family.sections.values()]
        tables += [family.variants.numbers] if family.variants else []
        return {key: number for numbers in tables for key, number in numbers.items()}

    @property
    def variants(self) -> Mapping[str, Mapping[str, Any]]:
        """{label: table} of what is compared; empty where nothing is."""
        return getattr(self, self.family.variants.section) if self.family.variants else {}

    @property
    def names_code(self) -> bool:
        """Whether it names code of somebody's, which says more of the sweep when it is looked at."""
        tables = [self.problem, self.data, self.model, *self.variants.values()]
        return any("import" in table or table.get("kind") == "own" for table in tables if table)

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the variants; one without a name where there are none."""
        return tuple(self.variants) or ("",)

    def number(self, key: str, label: str | None = None) -> Value | None:
        """The value, or values, of a number; of a variant's own number by its label. None where it has none."""
        if key in (own := self.variants.get(label or "", {})):
            return own[key]
        if key in TOP:
            return getattr(self, key)
        return next((table[key] for name in TABLES if key in (table := getattr(self, name) or {})), None)


TOP = ("steps",)
TABLES = ("data", "model", "train", "axes", "fixed", "static")
"""Where numbers stand."""


def expect_spec(spec: Any) -> SweepSpec:
    """The spec that a sweep is run from, if it is one.

    Raises:
        SpecError: if it is not; saying how to make one.
    """
    if not isinstance(spec, SweepSpec):
        ways = "load_spec(path) reads one, SweepSpec(**keys) makes one"
        raise SpecError("spec", [f"{typed(plain(spec))}: must be a SweepSpec; {ways}"])
    return spec


def override(table: dict[str, Any], path: str, value: Any) -> None:
    """Set `path` ("train.precision") of a nested table in place; what it makes unknown is found by `check`."""
    value = plain(value)
    *parents, key = path.split(".")
    for parent in parents:
        inner = table.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise SpecError("--set", [f"{path} = {typed(value)}: {parent} is not a table but {typed(inner)}"])
        table = inner
    table[key] = value


def parse_override(text: str, option: str = "--set", example: str = "steps=100") -> tuple[str, Any]:
    """`train.steps=3` -> its path and its value; the value is TOML, or a bare word for a string.

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
    except (ValueError, RecursionError):
        if re.fullmatch(r"[\w-]+(:\S+)?", value):
            return path, value
        raise SpecError(option, [f"{text}: {value} is not a TOML value"]) from None


def line_of(text: str, error: str) -> str:
    """The line that a TOML parser complains about, to stand behind its complaint; nothing if it names none."""
    found = re.search(r"at line (\d+)", error)
    line = text.splitlines()[int(found[1]) - 1].strip() if found else ""
    return f": {line}" if line else ""


def load_spec(path: str | Path, overrides: Mapping[str, Any] | None = None) -> SweepSpec:
    """Read and check a spec.

    Args:
        path: a TOML file. Its name is the sweep's where the file gives none.
        overrides: {"seeds": 3} sets keys (dotted ones in tables) before anything is checked.

    Raises:
        SpecError: if there is no such file, it is not TOML, or anything in it is wrong; all mistakes at once.
    """
    try:
        path = Path(path)
    except TypeError:
        raise SpecError("spec", [f"{typed(plain(path))}: must be the path of a TOML file"]) from None
    if path.is_dir():
        spec = path / "spec.toml"
        what = f"its spec is {spec}" if spec.is_file() else "name a TOML file"
        raise SpecError(str(path), [f"is a folder; {what}"])
    try:
        given = tomllib.loads(text := path.read_text(encoding="utf-8-sig"))  # some editors begin it with a mark
    except OSError as error:
        near = path.with_name(f"{path.name}.toml")
        hint = f"did you mean {near}?" if near.is_file() else "name a TOML file, for instance one of sweeps/"
        raise SpecError(str(path), [f"cannot be read: {error.strerror or error}; {hint}"]) from None
    except UnicodeDecodeError as error:
        raise SpecError(str(path), [f"is not TOML: {error}; save it as text in UTF-8"]) from None
    except (ValueError, RecursionError) as error:  # of TOML, of integers of thousands of digits
        raise SpecError(str(path), [f"is not TOML: {error}{line_of(text, str(error))}"]) from None
    changes = plain({} if overrides is None else overrides)
    if not isinstance(changes, dict):
        raise SpecError(
            "overrides", [f'{typed(changes)}: must be a table, for instance {{"seeds": 3}}{hint_of(changes)}']
        )
    for key, value in changes.items():
        override(given, key, value)
    given.setdefault("name", path.stem)
    _, mistakes = check(given, [f.name for f in fields(SweepSpec)])
    if mistakes:
        raise SpecError(str(path), mistakes)
    return SweepSpec(**given)
