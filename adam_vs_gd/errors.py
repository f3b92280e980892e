"""What goes wrong outside of the numerics. Imports nothing: the command line catches it before it loads anything."""

from collections.abc import Sequence


class SpecError(ValueError):
    """A spec that cannot be run; one line for each mistake in `mistakes`."""

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        self.source, self.mistakes = source, tuple(mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__(f"{source}: {count}\n" + "\n".join(f"  {mistake}" for mistake in mistakes))

    def __reduce__(self) -> tuple[type, tuple[str, Sequence[str]]]:
        return type(self), (self.source, self.mistakes)


class FolderError(ValueError):
    """An output folder that cannot be used for this sweep, and why."""


class MachineError(ValueError):
    """Devices or memory that this process does not have, and the fix."""


class PlotError(ValueError):
    """A picture that these results cannot give, and why."""


class TheoryError(ValueError):
    """A prediction that the theory does not make, and why."""


class DataError(ValueError):
    """Images that are not there, or not what they should be, and the fix."""


class DamageError(RuntimeError):
    """A committed chunk that is not what was written."""


class DiskError(RuntimeError):
    """What has been computed cannot be written; what was committed stays."""


class ExecutorError(RuntimeError):
    """There is nobody left to train chunks; what was committed stays."""


class UnfitError(RuntimeError):
    """A compiled program that needs more memory than there is."""


class Interrupted(KeyboardInterrupt):
    """A run that a signal has stopped; the same command, or call, goes on from what its folder holds.

    Attributes:
        signal: its number.
    """

    def __init__(self, signal: int) -> None:
        self.signal = signal
        super().__init__(f"stopped by signal {signal}; run the same again: it goes on from what its folder holds")

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return type(self), (self.signal,)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of it: whoever stops a cell need not read where that was."""
        return [f"{type(self).__name__}: {self}"]


def first_line(error: BaseException) -> str:
    """The first line of an error."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
