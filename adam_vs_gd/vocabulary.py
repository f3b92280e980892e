"""What a family declares itself in: numbers and choices of a spec, variables and statuses of results. No JAX."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from adam_vs_gd.types import STEPS

if TYPE_CHECKING:
    import numpy as np

RECORD, TEST_RECORD = "record", "test_record"
"""The grids of a trajectory: of `record` + 1 points, and of about ten of those."""


@dataclass(frozen=True)
class Number:
    """A number of a spec: what it may be, and how it is written on an axis.

    Attributes:
        kind: int or float.
        low: smallest value allowed, or the bound itself where `above` is set.
        high: largest value allowed, or the bound itself where `below` is set.
        default: its value where it is left out; None where that depends on others, or there need not be any.
        symbol: in matplotlib's mathtext.
        long_name: in words.
        above: whether `low` itself is excluded.
        below: whether `high` itself is excluded.
        even: whether it must be even.
    """

    kind: type
    low: float
    high: float
    default: float | None
    symbol: str
    long_name: str
    above: bool = False
    below: bool = False
    even: bool = False

    @property
    def allowed(self) -> str:
        """The values allowed, in words."""
        what = ("an even integer" if self.even else "an integer") if self.kind is int else "a number"
        low = f" {'>' if self.above else '>='} {self.low:g}" if math.isfinite(self.low) else ""
        high = f"{'<' if self.below else '<='} {self.high:g}" if math.isfinite(self.high) else ""
        range_ = low + (f" and {high}" if low and high else f" {high}" if high else "")
        return f"{what}{range_}" if self.kind is int else f"a finite number{range_}"

    def holds(self, value: float) -> bool:
        """Whether a number of the right type is in range."""
        return (
            abs(value) < math.inf
            and (value > self.low if self.above else value >= self.low)
            and (value < self.high if self.below else value <= self.high)
            and not (self.even and value % 2)
        )


@dataclass(frozen=True)
class Section:
    """A table of a spec.

    Attributes:
        numbers: {key: what it may be}.
        choices: {key: the names that it may be, the default first}.
        placed: those of the choices in which `name:place` says where the named thing is.
        words: {key of the choices: what it chooses}, for people.
    """

    numbers: Mapping[str, Number] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    placed: frozenset[str] = frozenset()
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Variants:
    """Tables of a spec that are compared with each other, `[section.LABEL]`: the dimension `optimizer`.

    Attributes:
        section: what they stand under.
        numbers: {key: what it may be} of all kinds.
        kinds: {kind: {key that it has: its default}}; a label is a kind unless the key `kind` names one.
        example: one of the kinds, for messages.
        optional: {key that any kind may have, and is left out where it is not given: what it is then}.
    """

    section: str
    numbers: Mapping[str, Number]
    kinds: Mapping[str, Mapping[str, float]]
    example: str
    optional: Mapping[str, float] = field(default_factory=dict)


class Fit(NamedTuple):
    """What follows from a spec's choices.

    Attributes:
        who: what has been chosen, for messages.
        absent: keys that mean nothing to it.
        defaults: {key: value} other than those of its numbers; or what makes a value of the section as it was given.
        record: trajectories are kept at so many steps, if `record` is left out.
    """

    who: str = ""
    absent: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = {}
    record: int = 100


class Variable(NamedTuple):
    """A variable of the results.

    Attributes:
        long_name: in words.
        symbol: in matplotlib's mathtext.
        dims: dimensions after those of the cells.
        grid: of its trajectory, RECORD or TEST_RECORD; "" where it has none.
        rate: of an error rate in [0, 1], the number that says how many examples are behind it; "" of what is none.
        units: "1" where it has none.
        none: a value that says that there is none.
        dtype: in results; that of the lanes' precision by default.
    """

    long_name: str
    symbol: str = ""
    dims: tuple[str, ...] = ()
    grid: str = ""
    rate: str = ""
    units: str = "1"
    none: float | None = None
    dtype: str = ""


class Followed(NamedTuple):
    """Variables whose trajectories a page shows in one row.

    Attributes:
        title: of the row.
        names: of the variables.
        log: whether it is logarithmic where all is positive.
    """

    title: str
    names: tuple[str, ...]
    log: bool = False


class Dim(NamedTuple):
    """A dimension that variables have beside those of the cells.

    Attributes:
        size: how long it is; None where that differs from lane to lane, so that its variables are left out.
        values: of its coordinate, if it has one.
        long_name: in words.
        symbol: in matplotlib's mathtext.
    """

    size: int | None
    values: Sequence[Any] | None = None
    long_name: str = ""
    symbol: str = ""


class Outcome(NamedTuple):
    """A status: what can become of a lane. Its code is its place among a family's; the first is "pending".

    Attributes:
        name: as in CF's flag_meanings.
        good: whether nothing is to be said of a lane that has it.
        counts: whether its lanes count in means, and
        in_rates: whether they do in means of error rates.
        letter: that stands for it in a table of letters.
        hatch: matplotlib's, that stands for it in a picture; "x" is a cross.
        at_rest: whether a lane that has it would stay what it is if it were trained on.
    """

    name: str
    good: bool = False
    counts: bool = True
    in_rates: bool = True
    letter: str = ""
    hatch: str = ""
    at_rest: bool = False


PENDING = Outcome("pending", counts=False, in_rates=False, letter="p")
DIVERGED = Outcome("diverged", counts=False, in_rates=False, letter="x", hatch="x")
DONE = Outcome("done", good=True)


class Verdict(NamedTuple):
    """What is said of lanes that were asked whether they are at rest.

    Attributes:
        leaves: [L] bool, whether a lane is trained no further; and
        rested: whether that is because it is at rest.
        told: {name: [L]} of what that was judged by, for their final values.
    """

    leaves: np.ndarray
    rested: np.ndarray
    told: Mapping[str, np.ndarray]


class Rest(NamedTuple):
    """How trainings are taken to rest, where `until_of` their static says so; asked at `types.rest_steps`.

    A lane leaves when it is at rest; its result depends on itself alone. `finish` finds in `measured`, beside what it
    finds otherwise, `step`, the last step, `rested`, whether the lane is at rest there, and what `judge` told.

    Attributes:
        fit_step: state -> int32, of a lane or of lanes alike: t_fit, the first step at whose beginning the lane was
            fitted; -1 while there is none. All that is measured is measured there, too.
        watched: names of what `measure` gives that is judged by.
        window: how many times in a row that is looked at.
        judge: (hyper of [L] arrays, {name: [L, window]}, step) -> `Verdict`, in NumPy. The last column is of the step;
            NaN before the first time.
        told: names of what it tells, real numbers.
    """

    fit_step: Callable[[Any], Any]
    watched: tuple[str, ...]
    window: int
    judge: Callable[[Any, Mapping[str, np.ndarray], int], Verdict]
    told: tuple[str, ...] = ()


def until_of(static: Any) -> str:
    """Until when lanes are trained, "steps" or "rest": what their `until` says, if they have one."""
    return getattr(static, "until", STEPS)
