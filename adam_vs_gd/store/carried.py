"""Checkpoints that go with a sweep to another machine: `checkpoints/<chunk>/<step>.tar` in an object store."""

from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from adam_vs_gd.store.files import STAGING
from adam_vs_gd.store.remote import Remote

CHECKPOINTS, TAR = "checkpoints", ".tar"


class Carried:
    """Keeps the newest checkpoint of each chunk in a store; for whoever holds it.

    They carry their own digest, by which whoever loads one knows whether it is whole. One that is lost costs time.

    Args:
        remote: the store.
        folder: of the checkpoints here.
    """

    def __init__(self, remote: Remote, folder: Path) -> None:
        self.remote, self.folder = remote, folder
        self.there: set[str] = set()

    def fetch(self, each: Callable[[], None] = lambda: None) -> None:
        """Those that have come further than what is here.

        Args:
            each: called before each.
        """
        here, sizes = newest_in(self.folder), self.remote.names(CHECKPOINTS)
        self.there = set(sizes)
        wanted = {name: size for name, size in sizes.items() if further(name, here)}
        for name, content in self.remote.fetch(wanted):
            each()
            chunk, step = chunk_and_step(name)
            with contextlib.suppress(tarfile.TarError, OSError):
                (self.folder / chunk).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(prefix=STAGING, dir=self.folder.parent) as half:
                    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                        tar.extractall(half, filter="data")
                    (Path(half) / str(step)).rename(self.folder / chunk / str(step))

    def put(self, each: Callable[[], None] = lambda: None) -> None:
        """Those that are newer than what is there; the others there are removed.

        Args:
            each: called before each.
        """
        wanted = {f"{CHECKPOINTS}/{chunk}/{step}{TAR}": step for chunk, step in newest_in(self.folder).items()}
        for name, step in wanted.items():
            each()
            if name not in self.there:
                content = io.BytesIO()
                with contextlib.suppress(OSError):  # removed meanwhile, as there is a newer one
                    with tarfile.open(fileobj=content, mode="w") as tar:
                        tar.add(self.folder / chunk_and_step(name)[0] / str(step), str(step))
                    self.remote.put(name, content.getvalue())
                    self.there.add(name)
        self.remote.remove(old := self.there - wanted.keys())
        self.there -= old


def newest_in(folder: Path) -> dict[str, int]:
    """{chunk: step} of the newest checkpoints in a folder."""
    found: dict[str, int] = {}
    for path in folder.glob("*/*"):
        if path.name.isdecimal():
            found[path.parent.name] = max(int(path.name), found.get(path.parent.name, -1))
    return found


def chunk_and_step(name: str) -> tuple[str, int]:
    """What an object is a checkpoint of."""
    _, chunk, step = name.split("/")
    return chunk, int(step.removesuffix(TAR))


def further(name: str, here: dict[str, int]) -> bool:
    """Whether an object is a checkpoint that has come further than what is here."""
    try:
        chunk, step = chunk_and_step(name)
    except ValueError:  # somebody else's
        return False
    return chunk.isalnum() and step > here.get(chunk, -1)
