"""A sweep's specification: TOML or keywords -> a frozen, checked `SweepSpec`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from adam_vs_gd.checks import Value, check, show
from adam_vs_gd.errors import SpecError
from adam_vs_gd.keys import DEFAULT_NAME, DEFAULT_SEEDS, NUMBERS, OPTIMIZER, SECTIONS, TOP


@dataclass(frozen=True)
class SweepSpec:
    """A checked sweep. Takes the keys of the TOML; every number is a scalar, or a sequence or range for an axis.

    Attributes:
        name: of the sweep, and of its folder.
        seeds: a count (5 means 0..4) or a list of seeds; a tuple of seeds once checked.
        steps: T, or an axis.
        record: trajectories are kept at `record` + 1 steps; 0 for none.
        data: n, d, s, sigma_p, alpha, supports, test_size; of a model of images n, test_size, images, split, augment.
        model: name, and width, q, sigma_0 as far as it has them.
        train: lam, precision; batch_size, which is not there for full batch (of a model of images 128, left out).
        optimizers: {label: {kind, eta, beta1, beta2, eps}}; the label is the kind unless `kind` names it.

    Raises:
        SpecError: naming every mistake at once.
    """

    name: str = DEFAULT_NAME
    seeds: Any = DEFAULT_SEEDS
    steps: Any = TOP["steps"].default
    record: Any = None
    data: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    optimizers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        checked, mistakes = check(given, list(given))
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
        if re.fullmatch(r"[\w-]+(:\S+)?", value):
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
    _, mistakes = check(given, [f.name for f in fields(SweepSpec)])
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
