"""Signals that ask a run to stop: the first is answered after the segment, the second at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from adam_vs_gd.errors import Interrupted

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
SHOW_CURSOR = "\x1b[?25h"
STOPPED = "stopped at once; what was committed is kept, and the same command goes on from there"


def is_interactive() -> bool:
    """Whether this process holds somebody's session: a notebook's kernel, or a prompt of Python's or IPython's."""
    return hasattr(sys, "ps1")


class Interruption:
    """While entered, SIGINT, SIGTERM and SIGHUP only leave a mark, and a second one ends the process.

    In an interactive session the second raises at once instead, for the sake of what else the session holds. Only the
    main thread of a process can do so; elsewhere signals do what they did before. SIGHUP stays ignored where it is
    (under nohup); SIGINT does not, which a shell's script ignores in what it runs in the background.

    Args:
        say: called with a line when the first signal comes.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.signal: int | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) is not signal.SIG_IGN:
                    self.before[number] = signal.signal(number, self.receive)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; end the process, or in a session what it runs, at the second.

        Raises:
            Interrupted: at the second one of a session.
        """
        if self.signal is None:
            self.signal = number
            with contextlib.suppress(RuntimeError):  # the signal came in the middle of another line
                self.say(f"{signal.Signals(number).name}: stopping after this segment; once more stops at once")
            return
        if is_interactive():
            raise Interrupted(number)
        if sys.stderr is not None:  # or 2 may be the number of another file
            with contextlib.suppress(OSError):
                cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
                os.write(2, f"{cursor}{STOPPED}\n".encode())
        os._exit(128 + number)

    def check(self) -> None:
        """Stop here if a signal has asked for it.

        Raises:
            Interrupted: with its number.
        """
        if self.signal is not None:
            raise Interrupted(self.signal)
