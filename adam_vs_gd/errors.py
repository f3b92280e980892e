"""What goes wrong on a user's side. Imports nothing, so that the command line can catch it before it loads anything."""

from collections.abc import Sequence


class SpecError(ValueError):
    """A spec that cannot be run; one line for each mistake in `mistakes`."""

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        self.source, self.mistakes = source, tuple(mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__(f"{source}: {count}\n" + "\n".join(f"  {mistake}" for mistake in mistakes))


class FolderError(ValueError):
    """An output folder that cannot be used for this sweep, and why."""


class PlotError(ValueError):
    """A picture that these results cannot give, and why."""


class DamageError(RuntimeError):
    """A committed chunk that is not what was written."""
