"""Curves over a diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike


class Overlay(NamedTuple):
    """A curve over a diagram, in the units of its axes: a theory's, or a measured boundary.

    Attributes:
        label: for the legend; curves of one label look alike.
        x: [k] along the horizontal axis.
        y: [k] along the vertical axis.
        low: [k] lower ends of x's interval, if it has one.
        high: [k] upper ends of it.
        optimizer: the panel, or panels, to draw it on; on all by default.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    optimizer: str | Sequence[str] | None = None

    @property
    def panels(self) -> Sequence[str]:
        """The panels to draw it on, where they are named."""
        named = self.optimizer or ()
        return (named,) if isinstance(named, str) else named
