"""Somebody's code as JAX traces it: what it raises, and which numbers it needs the values of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax

NEEDS_A_VALUE = (
    jax.errors.ConcretizationTypeError,  # of which branching on a tracer is one
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
LONGEST = 300  # characters of somebody's error that are shown


def brief(error: BaseException) -> str:
    """An error in a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:LONGEST]}"


def needing(call: Callable[..., Any], hyper: Mapping[str, Any], *rest: Any) -> list[str]:
    """The numbers whose values the code needs while it is traced: without which, alone or together, it can be."""

    def runs_with(names: tuple[str, ...]) -> bool:
        known = dict.fromkeys(names, 1.0)
        free = {name: value for name, value in hyper.items() if name not in known}
        try:
            jax.eval_shape(lambda free, *rest: call({**known, **free}, *rest), free, *rest)
        except NEEDS_A_VALUE:
            return False
        except Exception:  # of the value 1.0, which need not suit
            return True
        return True

    for count in range(1, len(hyper) + 1):
        for names in itertools.combinations(hyper, count):
            if runs_with(names):
                return list(names)
    return []
