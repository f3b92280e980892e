"""Where a sweep says how far it is: a bar in a terminal, plain lines elsewhere, nothing when asked to be quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, TextIO

SECONDS_BETWEEN_LINES = 5.0


class Progress(Protocol):
    """What the engine tells; enter it when there is something to tell."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def begin(self, lanes: int, lane_steps: int) -> None:
        """So much is to be done."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def advance(self, lane_steps: int, lanes: int = 0) -> None:
        """So much more is done."""


class Silent:
    """Says nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def begin(self, lanes: int, lane_steps: int) -> None:
        """Nothing is said."""

    def note(self, text: str) -> None:
        """Nothing is said."""

    def advance(self, lane_steps: int, lanes: int = 0) -> None:
        """Nothing is said."""


class Lines(Silent):
    """A line every few seconds, for log files and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def begin(self, lanes: int, lane_steps: int) -> None:
        """Start the clock."""
        self.lanes, self.lane_steps, self.lanes_done, self.steps_done = lanes, lane_steps, 0, 0
        self.started = self.spoken = time.monotonic()
        self.note(f"0/{lanes} lanes")

    def note(self, text: str) -> None:
        """One line."""
        print(text, file=self.stream, flush=True)

    def advance(self, lane_steps: int, lanes: int = 0) -> None:
        """A line, unless there was one just now."""
        self.lanes_done += lanes
        self.steps_done += lane_steps
        now = time.monotonic()
        if now - self.spoken >= SECONDS_BETWEEN_LINES or self.lanes_done == self.lanes:
            self.spoken = now
            speed = self.steps_done / (now - self.started)
            left = duration((self.lane_steps - self.steps_done) / speed) if speed else "?"
            self.note(f"{self.lanes_done}/{self.lanes} lanes, {speed:,.0f} lane-steps/s, {left} left")


class Bar:
    """A bar of rich's, with lanes done, lane-steps per second and the time left."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            BarColumn(),
            TextColumn("{task.fields[lanes_done]}/{task.fields[lanes]} lanes"),
            TextColumn("{task.fields[speed]:,.0f} lane-steps/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        self.bar = Progress(*columns, console=Console(file=stream))
        self.lanes_done = 0

    def __enter__(self) -> Bar:
        self.bar.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.__exit__(kind, error, trace)

    def begin(self, lanes: int, lane_steps: int) -> None:
        """Show the bar."""
        self.started = time.monotonic()
        self.task = self.bar.add_task("", total=lane_steps, lanes=lanes, lanes_done=0, speed=0.0)

    def note(self, text: str) -> None:
        """A line above the bar."""
        self.bar.console.print(text, highlight=False, markup=False)

    def advance(self, lane_steps: int, lanes: int = 0) -> None:
        """Move the bar."""
        self.lanes_done += lanes
        done = self.bar.tasks[self.task].completed + lane_steps
        speed = done / max(time.monotonic() - self.started, 1e-9)
        self.bar.update(self.task, advance=lane_steps, lanes_done=self.lanes_done, speed=speed)


def progress_on(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """What suits a stream; stderr unless another is given."""
    stream = sys.stderr if stream is None else stream
    if quiet:
        return Silent()
    return Bar(stream) if stream.isatty() else Lines(stream)


def duration(seconds: float) -> str:
    """Seconds for people."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
