"""One process at a time in a folder, and who it is."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock
import psutil

from adam_vs_gd.errors import FolderError
from adam_vs_gd.store.files import publish

LOCK, HOLDER = ".lock", ".holder.json"
POLL_SECONDS = 0.2
WORD_SECONDS = 2.0  # between two words for whoever looks at a running sweep
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


@contextlib.contextmanager
def held(
    folder: Path, *, wait: bool, say: Callable[[str], None], check: Callable[[], None] = lambda: None
) -> Iterator[bool]:
    """Hold a folder's lock. The kernel gives it back when its holder dies, however that comes about.

    Gives whether it is held: a file system may have no locks, and then another process may be there too.

    Args:
        folder: exists.
        wait: whether to wait for another holder, and not to give up.
        say: called with a line when there is somebody to wait for, or nothing to lock with.
        check: called while waiting; may raise to stop.

    Raises:
        FolderError: if another process holds it, naming it; or if it cannot be locked.
    """
    lock = filelock.FileLock(folder / LOCK, fallback_to_soft=False)
    try:
        waiting = False
        while not taken(lock):
            if not waiting:
                who = described(holder(folder))
                if not wait:
                    raise FolderError(f"{folder}: {who}; wait for it with --wait, or choose another with --out")
                say(f"{folder}: {who}; waiting for it")
                waiting = True
            check()
            time.sleep(POLL_SECONDS)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise FolderError(
                f"{folder / LOCK}: cannot be locked ({error.strerror}); it may be somebody else's: choose another "
                "folder with --out"
            ) from None
        say(f"{folder}: its file system has no locks; start no second sweep in it")  # twice computed is harmless
    try:
        tell(folder, "starting")
        yield lock.is_locked
    finally:
        try:
            with contextlib.suppress(OSError):
                (folder / HOLDER).unlink(missing_ok=True)
        finally:  # whatever a signal's handler raises
            lock.release()


def taken(lock: filelock.BaseFileLock) -> bool:
    """Whether the lock is ours now, and that of the folder that stands there now: it may just have been moved aside."""
    while True:
        before = identity(lock.lock_file)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return False
        if before in (None, identity(lock.lock_file)):
            return True
        lock.release()


def identity(path: str) -> tuple[int, int] | None:
    """Which file is at a path; None where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def tell(folder: Path, says: str) -> None:
    """Leave word of who runs here and how far it is, for `holder`; best effort."""
    with contextlib.suppress(OSError):
        publish(folder / HOLDER, json.dumps(word_of(says)).encode(), replace=True)


def word_of(says: str) -> dict[str, Any]:
    """What this process leaves as a holder."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "at": time.time(), "says": says}


def holder(folder: Path) -> dict[str, Any] | None:
    """The last word of the process that runs in a folder; None where there is none, or it is known to be dead."""
    try:
        word = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return None if is_gone(word) else word
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_gone(word: Mapping[str, Any]) -> bool:
    """Whether a holder is known to be dead: it was a process of this machine."""
    return word["host"] == socket.gethostname() and not psutil.pid_exists(word["pid"])


def described(word: dict[str, Any] | None) -> str:
    """A holder for people."""
    if word is None:
        return "another process runs a sweep in it"
    at = datetime.fromtimestamp(word["at"]).astimezone().isoformat(sep=" ", timespec="seconds")
    return f"{word['host']}, process {word['pid']}, runs a sweep in it (at {at}: {word['says']})"


class Word:
    """Leaves word of how far a run is for whoever looks at its folder, every few seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.last = folder, -WORD_SECONDS

    def say(self, position: str) -> None:
        """Leave it, if the last is long enough ago."""
        now = time.monotonic()
        if now - self.last >= WORD_SECONDS:
            self.last = now
            tell(self.folder, position)
