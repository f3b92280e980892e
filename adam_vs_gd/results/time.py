"""At what time of its lanes' trainings a result is: after so many steps, at t_fit, or at rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adam_vs_gd.problem import Outcome
from adam_vs_gd.results.selection import FIXED
from adam_vs_gd.results.words import PATH, STATUS, good_word, outcomes, pending
from adam_vs_gd.types import AT_FIT, AT_REST, REST_STEP

if TYPE_CHECKING:
    import xarray as xr

RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LENGTH = "steps"  # the number that says how long lanes are trained


def to_rest(results: xr.Dataset) -> bool:
    """Whether lanes were trained until they are at rest."""
    return REST_STEP in results


def at_end(value: str) -> bool:
    """Whether a variable is one of the end of trainings, by its name."""
    return not value.endswith((AT_FIT, AT_REST, PATH))


def when(results: xr.Dataset, value: str) -> str:
    """At what time a variable of some results is, in words; "" where that is not one, or not known."""
    if value.endswith((AT_FIT, AT_REST)) or LENGTH not in results.coords or results[LENGTH].ndim:
        return ""
    if value.endswith(PATH):
        at = [results.attrs.get(FIXED, {}).get(key) for key in ("step", "test_step")]
        return f"after {count(float(next(filter(None, at))))} steps" if any(at) else ""
    steps = count(float(results[LENGTH]))
    return f"at rest, or after {steps} steps" if to_rest(results) else f"after {steps} steps"


def wanted(results: xr.Dataset) -> str:
    """What a lane is to be: at rest where lanes were trained until they are, else what nothing is to be said of."""
    known = outcomes(results)
    return next((one.name for one in known if one.at_rest), "") if to_rest(results) else good_word(known)


def moving(known: Sequence[Outcome]) -> list[int]:
    """Codes of the statuses of which nothing is to be said but that their lanes are not at rest."""
    return [code for code, one in enumerate(known) if one.good and not one.at_rest]


def count(steps: float) -> str:
    """A number of steps for people: powers of ten as such."""
    power = math.log10(steps) if steps > 0 else 0.5
    if 10_000 <= steps < 10**10 and power == round(power):
        return f"10{str(round(power)).translate(RAISED)}"
    return f"{steps:,.0f}"


def rest(results: xr.Dataset) -> str:
    """How many lanes are at rest, and when they came to it, as a sentence; "" where trainings have no length."""
    if LENGTH not in results.coords:
        return ""
    if not to_rest(results):
        return "a snapshot: whether lanes are at rest was not asked"
    known = outcomes(results)
    there = [code for code, one in enumerate(known) if one.at_rest]
    settled = np.isin(results[STATUS].values, there)
    done = int((results[STATUS].values != pending(results)).sum())
    words = f"{int(settled.sum())} of {done} lanes at rest"
    if not settled.any():
        return words
    steps = results[REST_STEP].broadcast_like(results[STATUS]).values[settled]
    return f"{words}, since step {np.median(steps):,.0f} in the median ({steps.min():,.0f} to {steps.max():,.0f})"
