"""What workers leave in a folder while they train a chunk, for whoever handed it out: one small file a try."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from adam_vs_gd.store.files import STAGING, staging

STOP, OFF = "stop", ".off"


class Words:
    """A folder of words.

    It holds `<attempt>.json` for every try that runs, `<attempt>.off` for one that nobody waits for any more, and
    `stop` once all have to stop. It is there as long as the run that made it, by which a worker knows that it sees that
    run's folder.

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
        """Leave word of a try, whole but not flushed to disk: it says nothing after a failure of power; best effort."""
        path = self.path / f"{attempt}.json"
        with contextlib.suppress(OSError):
            if self.seen():
                name = staging(path)
                name.write_text(json.dumps(word), encoding="utf-8")
                os.replace(name, path)

    def has(self, attempt: str) -> bool:
        """Whether somebody has begun a try, and not come to its end."""
        return (self.path / f"{attempt}.json").exists()

    def end(self, attempt: str) -> None:
        """A try is over, in whatever way but its worker's death."""
        with contextlib.suppress(OSError):
            (self.path / f"{attempt}.json").unlink(missing_ok=True)

    def forget(self, attempt: str) -> None:
        """Nobody waits for a try any more: whoever is still at it, as one that was thought dead, may leave it."""
        if self.has(attempt):
            with contextlib.suppress(OSError):
                (self.path / f"{attempt}{OFF}").touch()
            self.end(attempt)

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

    def stopping(self, attempt: str) -> bool:
        """Whether a try has to stop."""
        return (self.path / STOP).exists() or (self.path / f"{attempt}{OFF}").exists()

    def alive(self) -> dict[str, Any]:
        """{attempt: what changes as long as somebody is at it}, without those of this machine who are dead."""
        here = socket.gethostname()
        return {
            attempt: word.get("beat")
            for attempt, word in self.heard()
            if word.get("host") != here or psutil.pid_exists(int(word.get("pid", 0)))
        }


def left_behind(folder: Path) -> list[Words]:
    """The words of runs whose driver is gone."""
    with contextlib.suppress(OSError):
        return [Words(path) for path in folder.iterdir() if path.is_dir()]
    return []
