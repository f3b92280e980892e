"""How far to step at once: so that a segment takes about a second, and an interruption is answered as fast."""

from __future__ import annotations

from collections.abc import Iterable

SEGMENT_SECONDS = 1.0
FIRST_SEGMENT = 20  # steps of the first, when nothing is known
ROUND = 10  # segments of so many steps or more end at multiples of it, so that ways in rounds are cut between these


class Pace:
    """The length of the next segment, by that of the last.

    Args:
        stops: steps at which a segment has to end, in order.
    """

    def __init__(self, stops: Iterable[int]) -> None:
        self.stops, self.most = list(stops), FIRST_SEGMENT

    def stop(self, reached: int) -> int:
        """Where the segment that begins at a step ends."""
        last = reached + self.most
        even = last - last % ROUND
        return min(next(stop for stop in self.stops if stop > reached), even if even > reached else last)

    def took(self, steps: int, seconds: float) -> None:
        """The last segment had so many steps, and took so long."""
        self.most = max(1, min(int(steps * SEGMENT_SECONDS / max(seconds, 1e-3)), 16 * self.most))
