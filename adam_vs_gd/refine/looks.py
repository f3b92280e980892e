"""What a vertex is after so many seeds: below the level, above it, of a status; or not to be told yet, or ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adam_vs_gd.problem import Outcome
from adam_vs_gd.results.statistics import LEVEL, Interval, Spread, difference_interval, error_interval, student

BELOW, ABOVE = 0, 1
UNDECIDED, UNRESOLVED, NOTHING = -1, -2, -3
"""What a vertex is that is neither: one that more seeds may decide, that they would not, or that has no value."""
LEAST = 4  # seeds from which on their spread says what more of them would do


class Looks(NamedTuple):
    """How often vertices are looked at.

    Attributes:
        seeds: how many are behind each look, ascending.
        chance: how likely a vertex that lies on the level is called below or above it by any of the looks.
    """

    seeds: tuple[int, ...]
    chance: float = 1 - LEVEL

    @property
    def level(self) -> float:
        """Of the intervals of each look: Bonferroni's, so that all of them together are wrong with `chance` at most."""
        return 1 - self.chance / len(self.seeds)


def looks_of(first: int, most: int) -> Looks:
    """Twice as many seeds at each look, as many as there may be at the last."""
    seeds = [first]
    while seeds[-1] < most:
        seeds.append(min(2 * seeds[-1], most))
    return Looks(tuple(seeds))


def counted(values: np.ndarray, statuses: np.ndarray, known: Sequence[Outcome], *, rate: bool) -> np.ndarray:
    """Values of lanes, NaN where their status says that they count in no mean."""
    counts = np.array([one.in_rates if rate else one.counts for one in known])
    return np.where(counts[statuses], values, np.nan)


def sides(
    values: np.ndarray, level: float, look: int, looks: Looks, examples: np.ndarray | None, spread: Spread | None
) -> np.ndarray:
    """Of vertices on which side of the level they are, by the interval of their mean.

    Where there is one seed and there will be no other it is what its value says: nothing is known of others. From four
    seeds on a vertex is `UNRESOLVED` as soon as the seeds that there may be would not bring it off the level, if they
    were spread as those that there are.

    Args:
        values: [optimizers, vertices, seeds]; NaN where a lane does not count. Of two optimizers it is the difference.
        level: what is to be told from.
        look: which one it is.
        looks: all of them.
        examples: [vertices] examples behind a value, where it is an error rate.
        spread: [vertices] of the seeds there and around; of two seeds alone it says next to nothing.
    """
    difference = difference_of(values)
    if looks.seeds == (1,):
        alone = difference[:, 0]
        return np.where(np.isnan(alone), NOTHING, np.where(alone < level, BELOW, ABOVE))
    interval = interval_of(values, examples, looks.level, spread)
    side = np.where(interval.high < level, BELOW, np.where(interval.low > level, ABOVE, UNDECIDED))
    if look == len(looks.seeds) - 1:
        side[side == UNDECIDED] = UNRESOLVED
    else:
        less = np.sqrt(interval.seeds / looks.seeds[-1])
        near = np.abs(interval.mean - level) < (interval.high - interval.mean) * less / 2
        side[(side == UNDECIDED) & near & (interval.seeds >= LEAST)] = UNRESOLVED
    return np.where(interval.seeds == 0, NOTHING, side)


def difference_of(values: np.ndarray) -> np.ndarray:
    """[vertices, seeds] what is told from a level: one optimizer's values, or the difference of two."""
    return values[0] - values[-1] if len(values) == 2 else values[0]


def interval_of(values: np.ndarray, examples: np.ndarray | None, level: float, spread: Spread | None) -> Interval:
    """The interval over seeds of one optimizer's values, or of the difference of two."""
    if examples is None:
        return student(difference_of(values), level=level, spread=spread)
    if len(values) == 2:
        return difference_interval(values[0], values[-1], examples, level=level, spread=spread)
    return error_interval(values[0], examples, level=level, spread=spread)


def kinds(statuses: np.ndarray, look: int, looks: Looks) -> np.ndarray:
    """Of vertices which status they are of: that of all seeds, or at last of most, beyond doubt.

    Args:
        statuses: [vertices, seeds] codes.
        look: which one it is.
        looks: all of them.
    """
    from scipy import stats

    first = statuses[:, 0]
    alike = (statuses == first[:, None]).all(1)
    codes = np.arange(statuses.max(initial=0) + 1)
    counts = (statuses[:, :, None] == codes).sum(1)
    most, seeds = counts.max(1), statuses.shape[1]
    doubt = stats.binom.sf(most - 1, seeds, 0.5)
    mixed = np.where(doubt < (1 - looks.level) / 2, counts.argmax(1), UNDECIDED)
    if look == len(looks.seeds) - 1:
        mixed[mixed == UNDECIDED] = UNRESOLVED
    return np.where(alike, first, mixed)
