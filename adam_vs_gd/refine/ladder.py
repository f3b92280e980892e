"""An axis that is halved in its own scale: which values stand between two of its coarse ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adam_vs_gd.results.axis import LINEAR, Axis
from adam_vs_gd.spec.values import RANGE_DIGITS

BITS = 30
UNIT = 2**BITS
"""Positions between two coarse values: a place on an axis is an integer, k·UNIT being the k-th coarse value."""
EVEN = 1e-9  # of the whole axis, that steps may differ by which are taken for even

Interval = tuple[int, int]
"""Two positions on an axis, the lower first."""


@dataclass(frozen=True, eq=False)
class Ladder:
    """An axis and how finely it is halved.

    Attributes:
        key: the number that it is of.
        axis: its coarse values, ascending, and their scale.
        step: what its values are whole multiples of; 0 where they are real numbers.
        precision: of the lanes, in which two values must differ.
        depth: how often an interval between coarse values is halved at most.
        tolerance: the width in the axis's own scale, see `width`, from which on an interval is not halved.
        values: those at positions that have been asked for, and
        middles: of intervals that have been.
    """

    key: str
    axis: Axis
    step: int
    precision: str
    depth: int
    tolerance: float = 0.0
    values: dict[int, Any] = field(default_factory=dict)
    middles: dict[Interval, int | None] = field(default_factory=dict)

    @property
    def intervals(self) -> int:
        """How many there are between coarse values."""
        return len(self.axis.values) - 1

    def value(self, at: int) -> Any:
        """The value at a position.

        Between evenly spaced values it is the one that a finer range of the same ends has, to the same twelve digits;
        an integer is halfway between the two that it was found between.
        """
        if at not in self.values:
            k, rest = divmod(at, UNIT)
            if not rest:
                coarse = self.axis.values[k]
                self.values[at] = int(coarse) if self.step else float(coarse)
            elif self.step:
                self.values[at] = self.integer(at, (k * UNIT, (k + 1) * UNIT))
            else:
                self.values[at] = self.real(k, rest)
        return self.values[at]

    def real(self, k: int, rest: int) -> float:
        """The number so far behind a coarse value, in positions."""
        stands = self.axis.forward(self.axis.values)
        steps = np.diff(stands)
        if np.ptp(steps) <= EVEN * (stands[-1] - stands[0]):
            place = stands[0] + (k + rest / UNIT) * ((stands[-1] - stands[0]) / self.intervals)  # as NumPy has it
        else:
            place = stands[k] + steps[k] * (rest / UNIT)
        return float(f"{float(self.axis.inverse(place)):.{RANGE_DIGITS}g}")

    def integer(self, at: int, around: Interval) -> int:
        """The integer at a position between two others."""
        low, high = around
        middle = (low + high) // 2
        if at != middle:
            return self.integer(at, (low, middle) if at < middle else (middle, high))
        ends = self.value(low), self.value(high)
        halfway = float(self.axis.inverse(self.axis.forward(np.array(ends, float)).mean()))
        found = round(halfway / self.step) * self.step
        return found if ends[0] < found < ends[1] else sum(ends) // (2 * self.step) * self.step

    def width(self, interval: Interval) -> float:
        """How wide an interval is: on a linear axis the difference of its ends; on others that of their logarithms.

        On a logarithmic axis that is the relative difference where it is small; on a logit axis that of the odds.
        """
        ends = self.axis.forward(np.array([self.value(at) for at in interval], float))
        return float(ends[1] - ends[0]) * (1 if self.axis.scale == LINEAR else math.log(10))

    def middle(self, interval: Interval) -> int | None:
        """The position halfway; None where the interval is narrow enough, or nothing is between its ends."""
        if interval not in self.middles:
            low, high = interval
            fine = high - low <= UNIT >> self.depth or self.width(interval) <= self.tolerance
            self.middles[interval] = None if fine else self.between(interval)
        return self.middles[interval]

    def between(self, interval: Interval) -> int | None:
        """The position halfway; None where the precision, or integers, have nothing between the ends."""
        low, high = interval
        at = (low + high) // 2
        values = [self.value(low), self.value(at), self.value(high)]
        told = values if self.step else np.array(values, self.precision).tolist()
        return at if told[0] < told[1] < told[2] else None


def level_of(at: int) -> int:
    """How often an axis has been halved until there is this position."""
    rest = at % UNIT
    return BITS - ((rest & -rest).bit_length() - 1) if rest else 0


def deepest(ladder: Ladder) -> int:
    """How often coarse intervals can be halved before one has nothing between its ends; of integers, until all have."""
    found = []
    for k in range(ladder.intervals):
        interval, halved = (k * UNIT, (k + 1) * UNIT), 0
        while halved < BITS and (at := ladder.between(interval)) is not None:
            halves, halved = ((interval[0], at), (at, interval[1])), halved + 1
            interval = max(halves, key=lambda half: max(abs(ladder.value(end)) for end in half))  # the coarsest floats
        found.append(halved)
    return max(found) if ladder.step else min(found)


def halvings(ladder: Ladder, tolerance: float) -> int:
    """How often its widest coarse interval must be halved until it is no wider than a tolerance."""
    widest = max(ladder.width((k * UNIT, (k + 1) * UNIT)) for k in range(ladder.intervals))
    return max(0, math.ceil(math.log2(widest / tolerance) - EVEN))
