"""How far a run is, in a notebook: one output of its cell that is updated, and says in the end what came out."""

from __future__ import annotations

import html
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from adam_vs_gd.engine.progress import Meter, duration
from adam_vs_gd.markup import Shown, table

SECONDS_BETWEEN_UPDATES = 0.5
MOST_NOTES = 100  # that are kept of a run


def display(shown: Shown) -> Any:
    """Show it as a new output of the cell that runs; gives its handle, whose `update` shows something else there."""
    from IPython.display import display

    return display(shown, display_id=True)


class Notebook:
    """One output of a cell: a bar with the position, and a table of statuses; in the end a line and that table.

    Args:
        display: gives the handle of a new output.
    """

    def __init__(self, display: Callable[[Shown], Any] = display) -> None:
        self.display = display
        self.handle: Any = None
        self.meter: Meter | None = None
        self.notes: deque[str] = deque(maxlen=MOST_NOTES)
        self.began, self.moved = time.monotonic(), -SECONDS_BETWEEN_UPDATES
        self.showing = False

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.handle is not None:
            self.show(Shown(*ended(self.meter, self.notes, error, time.monotonic() - self.began)))

    def note(self, text: str) -> None:
        """A line below the bar."""
        self.notes.append(text)
        self.show(Shown(*going(self.meter, self.notes)))

    def update(self, meter: Meter) -> None:
        """Move the bar, unless that was done just now: twice a second at most."""
        self.meter = meter
        now = time.monotonic()
        if now - self.moved >= SECONDS_BETWEEN_UPDATES:
            self.moved = now
            self.show(Shown(*going(meter, self.notes)))

    def show(self, shown: Shown) -> None:
        """Show something in the output; what a signal's handler says in the middle of that is shown next time."""
        if self.showing:
            return
        self.showing = True
        try:
            if self.handle is None:
                self.handle = self.display(shown)
            else:
                self.handle.update(shown)
        finally:
            self.showing = False


def going(meter: Meter | None, notes: deque[str]) -> tuple[str, str]:
    """(HTML, text) of a run that goes on."""
    if meter is None:
        return paragraph(notes[-1]), notes[-1]
    share = min(1.0, meter.work_done / meter.work) if meter.work else 1.0
    bar = f'<progress max="1" value="{share:.4f}" style="width:100%;max-width:40em"></progress>'
    text = "; ".join(filter(None, [meter.position(), meter.outcome()]))
    return f"<div>{bar}{paragraph(meter.position())}{outcomes(meter)}{listed(notes)}</div>", text


def ended(meter: Meter | None, notes: deque[str], error: BaseException | None, seconds: float) -> tuple[str, str]:
    """(HTML, text) of a run that has come to its end, or was ended by an error."""
    how = "done" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    if meter is None:
        line = f"{how} in {duration(seconds)}; {notes[-1]}"
        return f"<div>{paragraph(line)}{listed(notes)}</div>", line
    far = ", ".join(filter(None, [meter.stage, f"{meter.lanes_done}/{meter.lanes} lanes"]))
    line = f"{how} in {duration(seconds)}: {far}"
    text = "; ".join(filter(None, [line, meter.outcome()]))
    return f"<div>{paragraph(line)}{outcomes(meter)}{listed(notes)}</div>", text


def paragraph(text: str) -> str:
    """A line of text."""
    return f'<div style="font-variant-numeric:tabular-nums">{html.escape(text)}</div>'


def outcomes(meter: Meter) -> str:
    """Lanes of each status of each variant, and the mean of its main variable."""
    if not meter.statuses:
        return ""
    known = list(dict.fromkeys(status for counts in meter.statuses.values() for status in counts))
    means = meter.means
    rows = [
        [label, *(str(counts[status]) for status in known), f"{means[label]:.3g}" if label in means else ""]
        for label, counts in meter.statuses.items()
    ]
    return table(["optimizer" if any(meter.statuses) else "", *known, f"mean {meter.main}"], rows)


def listed(notes: deque[str]) -> str:
    """What was said on the way, to be opened."""
    if not notes:
        return ""
    lines = "".join(paragraph(note) for note in notes)
    return f'<details><summary style="cursor:pointer">Log</summary>{lines}</details>'
