"""How far a run is, and where it says so: a bar in a terminal, plain lines elsewhere, nothing on request."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from types import TracebackType
from typing import NamedTuple, Protocol, TextIO, cast

from adam_vs_gd.engine.plan import Group, Plan
from adam_vs_gd.engine.terminal import Lasting

SECONDS_BETWEEN_LINES = 5.0
SPEED_SECONDS = 30.0  # of stepping that the speed is averaged over


class Pulse:
    """How far the lanes of a plan are, to whoever trains them, and how fast they were in the last half minute."""

    def __init__(self) -> None:
        self.lanes_done = self.step = self.steps = 0
        self.work_done = self.work_begun = 0.0
        self.recent: deque[tuple[float, int, float]] = deque()

    def pass_over(self, group: Group, steps: int, lanes: int) -> None:
        """So many steps of the lanes of a chunk need no work any more."""
        self.work_begun += steps * lanes * group.cost.step

    def advance(self, group: Group, step: int, steps: int, lanes: int, seconds: float) -> None:
        """The lanes of a chunk went `steps` on, to `step`, in `seconds`."""
        self.step, self.steps = step, group.static.steps
        self.pass_over(group, steps, lanes)
        self.recent.append((seconds, steps * lanes, steps * lanes * group.cost.step))
        while sum(seconds for seconds, _, _ in self.recent) - self.recent[0][0] > SPEED_SECONDS:
            self.recent.popleft()

    def finish(self, lanes: int) -> None:
        """So many lanes are done."""
        self.lanes_done += lanes
        self.work_done, self.work_begun = self.work_done + self.work_begun, 0.0

    def begin_again(self) -> None:
        """What is not done is begun again."""
        self.work_begun = 0.0

    def far(self) -> Far:
        """How far they are, in numbers."""
        seconds = sum(seconds for seconds, _, _ in self.recent)
        per = (sum(done[k] for done in self.recent) / seconds if seconds else 0.0 for k in (1, 2))
        return Far(self.lanes_done, self.step, self.steps, self.work_done + self.work_begun, *per)


class Far(NamedTuple):
    """How far some lanes are.

    Attributes:
        lanes: those that are done.
        step: of those that run, of
        steps: their last.
        work: operations that are done, or not needed.
        speed: lane-steps per second; 0 where nothing has been measured.
        rate: operations per second.
    """

    lanes: int = 0
    step: int = 0
    steps: int = 0
    work: float = 0.0
    speed: float = 0.0
    rate: float = 0.0


class Meter:
    """How far a run is. The time left is judged by the operations left, at the speed of the last half minute.

    Args:
        plan: what is trained.
        stage: which of several plans it is, in words; and
        later: operations of those behind it, about.
    """

    def __init__(self, plan: Plan, stage: str = "", later: float = 0.0) -> None:
        self.stage, self.later = stage, later
        self.main = next((group.family.main for group in plan.groups), "").replace("_", " ")
        self.lanes, self.work, self.at_most = plan.lanes, plan.work, plan.at_most
        self.chunks = sum(len(group.chunks) for group in plan.groups)
        self.lanes_ended = self.chunks_done = 0
        self.work_ended = 0.0
        self.statuses: dict[str, Counter[str]] = {}
        self.values: dict[str, tuple[float, int]] = {}
        self.running: dict[str, Far] = {}
        self.last = Far()

    def hear(self, name: str, far: Far) -> None:
        """A chunk that runs under a name is so far."""
        self.running[name] = far
        if far.speed:
            self.last = far

    def drop(self, name: str) -> None:
        """A chunk runs no more, whatever became of it."""
        self.running.pop(name, None)

    def end(self, lanes: int, work: float, chunks: int = 1) -> None:
        """A chunk, or a part of one, needs no more work: so many of its lanes are done."""
        self.chunks_done += chunks
        self.lanes_ended += lanes
        self.work_ended += work

    def count(self, status: str, label: str, value: float | None) -> None:
        """A lane's status, its variant's label, and its main variable; None where that counts in no mean."""
        self.statuses.setdefault(label, Counter())[status] += 1
        if value is not None:
            total, count = self.values.get(label, (0.0, 0))
            self.values[label] = (total + value, count + 1)

    @property
    def lanes_done(self) -> int:
        """Lanes that are done, of chunks that run too."""
        return self.lanes_ended + sum(far.lanes for far in self.running.values())

    @property
    def work_done(self) -> float:
        """Operations that are done."""
        return self.work_ended + sum(far.work for far in self.running.values())

    @property
    def speed(self) -> float:
        """Lane-steps per second of all that run; 0 when nothing has been measured."""
        return sum(far.speed for far in self.running.values()) or self.last.speed

    @property
    def left(self) -> float | None:
        """Seconds left, compilation not counted; None when nothing has been measured."""
        rate = sum(far.rate for far in self.running.values()) or self.last.rate
        return (max(0.0, self.work - self.work_done) + self.later) / rate if rate else None

    def position(self) -> str:
        """Lanes, chunk and step (or how many chunks run), speed, time left."""
        parts = [*filter(None, [self.stage]), f"{self.lanes_done}/{self.lanes} lanes"]
        stepped = [far for far in self.running.values() if far.steps]
        if len(self.running) > 1:
            parts.append(f"{self.chunks_done}/{self.chunks} chunks, {len(self.running)} running")
        elif stepped:
            parts.append(f"chunk {self.chunks_done + 1}/{self.chunks} at step {stepped[0].step}/{stepped[0].steps}")
        parts.append(f"{self.speed:,.0f} lane-steps/s")
        about = "about " if self.later else ""
        parts.append("? left" if self.left is None else f"{about}{duration(self.left)} left{self.at_most}")
        return ", ".join(parts)

    @property
    def means(self) -> dict[str, float]:
        """The mean of the main variable of each variant so far."""
        return {label: total / count for label, (total, count) in self.values.items()}

    def outcome(self) -> str:
        """Lanes of each status, and the mean of the main variable of each variant so far."""
        counts = sum(self.statuses.values(), Counter[str]())
        found = ", ".join(f"{count} {status}" for status, count in counts.most_common())
        means = ", ".join(f"{label} {mean:.3g}" for label, mean in self.means.items())
        return found + (f"; mean {self.main} {means}" if means else "")


class Progress(Protocol):
    """What a run tells; enter it when there is something to tell."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def note(self, text: str) -> None:
        """Something worth a line."""

    def update(self, meter: Meter) -> None:
        """The run has got on."""


class Silent:
    """Says nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def note(self, text: str) -> None:
        """Nothing is said."""

    def update(self, meter: Meter) -> None:
        """Nothing is said."""


class Lines(Silent):
    """A line every few seconds, for log files and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.spoken = stream, -SECONDS_BETWEEN_LINES

    def note(self, text: str) -> None:
        """One line."""
        print(text, file=self.stream, flush=True)

    def update(self, meter: Meter) -> None:
        """A line, unless there was one just now."""
        now = time.monotonic()
        if now - self.spoken >= SECONDS_BETWEEN_LINES or meter.lanes_done == meter.lanes:
            self.spoken = now
            self.note("; ".join(filter(None, [meter.position(), meter.outcome()])))


class Bar:
    """A bar of rich's, with the position beside it and the outcome below."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.text import Text

        self.text = Text
        self.bar = Progress(BarColumn(), TextColumn("{task.description}", markup=False))
        self.live = Live(console=Console(file=stream), refresh_per_second=4)

    def __enter__(self) -> Bar:
        self.live.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.__exit__(kind, error, trace)

    def note(self, text: str) -> None:
        """A line above the bar."""
        self.live.console.print(text, highlight=False, markup=False)

    def update(self, meter: Meter) -> None:
        """Move the bar."""
        from rich.console import Group

        if not self.bar.tasks:
            self.bar.add_task("", total=meter.work)
        self.bar.update(self.bar.tasks[0].id, completed=meter.work_done, description=meter.position())
        self.live.update(Group(self.bar, self.text(meter.outcome())))


def progress_on(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """What suits a stream; stderr unless another is given, or a notebook's cell where this process is its kernel."""
    if quiet:
        return Silent()
    if stream is None and in_kernel():
        from adam_vs_gd.engine.notebook import Notebook

        return Notebook()
    stream = cast(TextIO, Lasting(sys.stderr if stream is None else stream))
    return Bar(stream) if stream.isatty() else Lines(stream)


def in_kernel() -> bool:
    """Whether this process is the kernel of a notebook: then IPython has been imported."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
