"""What a sweep leaves behind in writing: `log.txt`."""

from __future__ import annotations

import contextlib
import datetime
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Log:
    """Lines with the time, added to a file; best effort, what matters is said elsewhere too."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, text: str) -> None:
        """Append a line, with the time."""
        stamp = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        with contextlib.suppress(OSError), self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            print(f"{stamp} {text}", file=file)

    @contextlib.contextmanager
    def warnings(self) -> Iterator[None]:
        """Every Python warning too, besides its being shown."""
        with warnings.catch_warnings():
            shown = warnings.showwarning

            def show(message: Warning | str, category: type[Warning], *rest: Any) -> None:
                self.add(f"warning: {category.__name__}: {message}")
                shown(message, category, *rest)

            warnings.showwarning = show  # type: ignore[assignment]
            yield
