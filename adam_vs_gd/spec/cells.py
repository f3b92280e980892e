"""The cells of a sweep's result, and the lanes that fill them. No JAX."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adam_vs_gd.spec.sweep_spec import SweepSpec

DIGITS = 32  # of the name of lanes together


@dataclass(frozen=True)
class Lane:
    """One training.

    Attributes:
        static: what decides its program, a `problem.Static`.
        hyper: its numbers, a pytree of Python floats and ints.
        seed: its seed.
        record: its trajectory's record.
        known: `identity_of` its static and hyper, where that has been found before.
    """

    static: Any
    hyper: Any
    seed: int
    record: int
    known: InitVar[str | None] = None

    def __post_init__(self, known: str | None) -> None:
        if known is not None:
            self.__dict__["identity"] = known

    @cached_property
    def identity(self) -> str:
        """`identity_of` its static and hyper."""
        return identity_of(self.static, self.hyper)

    @cached_property
    def digest(self) -> str:
        """A name made of all that determines the lane's result, its numbers in full precision."""
        return hashlib.sha256(f"{self.identity}{json.dumps([self.seed, self.record])[1:]}".encode()).hexdigest()


def identity_of(static: Any, hyper: Any) -> str:
    """The list that names a lane, as JSON, as far as lanes that differ in their seed alone share it."""
    parts = static.identity(hyper)
    return f"{json.dumps(parts)[:-1]}, " if parts else "["


Cell = tuple[tuple[int, ...], Lane]
"""(variant, *axes, seed) indices of a cell of the result, and the lane that fills it."""


def digest_of(lanes: Iterable[str]) -> str:
    """The name of lanes together, made of their digests."""
    return hashlib.sha256("".join(lanes).encode()).hexdigest()[:DIGITS]


def axes(spec: SweepSpec) -> Iterator[tuple[str, tuple[float, ...] | None]]:
    """The swept axes in the order of the dimensions: (key, its values).

    A key of the variants whose lists differ between them has dimension `<key>_index` and values None.
    """
    for key in spec.numbers:
        held = [spec.number(key, label) for label in spec.labels]
        swept = {value for value in held if value is not None}
        if any(isinstance(value, tuple) for value in swept):
            yield (key, swept.pop()) if len(swept) == 1 else (f"{key}_index", None)  # type: ignore[misc]


def index_length(spec: SweepSpec, key: str) -> int:
    """Length of a `<key>_index` dimension."""
    found = (spec.number(key, label) for label in spec.labels)
    return next(len(value) for value in found if isinstance(value, tuple))


def cells(spec: SweepSpec) -> Iterator[Cell]:
    """Every cell of the result with the lane that fills it.

    A variant that lacks a swept key, or has one value for it, fills several cells with the same lane.
    """
    dimensions = list(axes(spec))
    keys = [name.removesuffix("_index") for name, _ in dimensions]
    sizes = [
        len(values) if values else index_length(spec, key) for key, (_, values) in zip(keys, dimensions, strict=True)
    ]
    for v, label in enumerate(spec.labels):
        first = (v,) if spec.variants else ()
        fixed = {key: spec.number(key, label) for key in spec.numbers}
        swept = {key: value for key in keys if isinstance(value := fixed[key], tuple)}
        for index in itertools.product(*map(range, sizes)):
            here = {key: swept[key][i] for key, i in zip(keys, index, strict=True) if key in swept}
            static, hyper = spec.family.lane(spec, label, fixed | here)
            identity = identity_of(static, hyper)
            for k, seed in enumerate(spec.seeds):
                yield (*first, *index, k), Lane(static, hyper, seed, spec.record, identity)
