"""What workers leave in a folder while they train a chunk, for whoever handed it out: one small file a try."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adam_vs_gd.store.files import STAGING, publish

STOP = "stop"


class Words:
    """A folder of words: `<attempt>.json` for every try that runs, and `stop` once they have to stop.

    It is there as long as the run that made it, by which a worker knows that it sees that run's folder.

    Args:
        path: of the folder; its name is the run's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make the folder."""
        self.path.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove it, with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()  # unless another run has its own beside it

    def seen(self) -> bool:
        """Whether the folder is there, from here."""
        return self.path.is_dir()

    def say(self, attempt: str, word: dict[str, Any]) -> None:
        """Leave word of a try; best effort."""
        with contextlib.suppress(OSError):
            if self.seen():
                publish(self.path / f"{attempt}.json", json.dumps(word).encode(), replace=True)

    def end(self, attempt: str) -> None:
        """A try is over, in whatever way but its worker's death."""
        with contextlib.suppress(OSError):
            (self.path / f"{attempt}.json").unlink(missing_ok=True)

    def heard(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(attempt, its last word) of all that run, or whose worker has died."""
        with contextlib.suppress(OSError):
            for path in list(self.path.iterdir()):
                if path.suffix == ".json" and not path.name.startswith(STAGING):
                    with contextlib.suppress(OSError, ValueError):
                        yield path.stem, json.loads(path.read_text(encoding="utf-8"))

    def stop(self) -> None:
        """Ask all that run to stop."""
        with contextlib.suppress(OSError):
            (self.path / STOP).touch()

    def stopping(self) -> bool:
        """Whether they have to."""
        return (self.path / STOP).exists()
