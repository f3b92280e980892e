"""A sweep's folder and an object store kept in step: what the store has is fetched, what the folder commits is put.

The store has one object a chunk, `journal/<name>.npz`, the bytes of the chunk's file: it is published exclusively,
never packed, and only ever replaced or removed where it is damaged, behind a copy under `damaged/`.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from adam_vs_gd.errors import DiskError, FolderError
from adam_vs_gd.store.carried import CHECKPOINTS, Carried
from adam_vs_gd.store.files import publish
from adam_vs_gd.store.journal import CHUNK, Journal, is_called
from adam_vs_gd.store.lock import holder
from adam_vs_gd.store.pack import part
from adam_vs_gd.store.remote import Remote

SPEC, JOURNAL, DAMAGED, ZARR, LOG = "spec.toml", "journal", "damaged", "dataset.zarr", "log.txt"
ROOT = f"{ZARR}/zarr.json"
"""Without it a Dataset cannot be opened: it is removed first and put last."""
BEAT_SECONDS = 30.0  # between two words of a run that it is alive, and between two tries to put what could not be put


def object_of(name: str) -> str:
    """The object of a chunk."""
    return f"{JOURNAL}/{name}{CHUNK}"


def chunks_in(remote: Remote) -> dict[str, int]:
    """{name of a chunk: bytes} of those that are objects of their own."""
    found = {
        name.removeprefix(f"{JOURNAL}/").removesuffix(CHUNK): size
        for name, size in remote.names(JOURNAL).items()
        if name.endswith(CHUNK)
    }
    return {name: size for name, size in found.items() if name.isalnum()}  # no paths, which would lead elsewhere


def pull(
    remote: Remote, journal: Journal, *, everything: bool = False, each: Callable[[], None] = lambda: None
) -> tuple[int, dict[str, bytes]]:
    """Fetch the chunks that a store has and a journal lacks; what is not whole is not let in.

    Args:
        remote: where they are.
        journal: where they come to.
        everything: read those too that are here already, to see whether they are whole there.
        each: called after each.

    Returns:
        How many have come, and {name: content} of the damaged ones.
    """
    here, count, damaged = journal.found(), 0, {}
    wanted = {object_of(name): size for name, size in chunks_in(remote).items() if everything or name not in here}
    if wanted:
        journal.path.mkdir(parents=True, exist_ok=True)
    for place, content in remote.fetch(wanted):
        name = place.removeprefix(f"{JOURNAL}/").removesuffix(CHUNK)
        if not is_called(content, name):  # it may be the way here that was bad
            content = remote.get(place) or content
        if not is_called(content, name):
            damaged[name] = content
        elif name not in here:
            publish(journal.path / f"{name}{CHUNK}", content, replace=False)
            count += 1
        each()
    return count, damaged


class Mirror:
    """Keeps a store in step with the folder of a run, beside the run: a network that is slow or away delays nothing.

    Entered, it puts the spec of the folder, fetches what the folder lacks, and begins to put what the store lacks; in
    the end it puts all the rest, and complains if it cannot.

    Args:
        remote: the store.
        token: by which this run holds it.
        folder: of the run.
        journal: of that folder.
        tell: called with a line when something is worth one.
        everything: check every object of the store, and mend what is damaged.
    """

    def __init__(
        self,
        remote: Remote,
        token: str,
        folder: Path,
        journal: Journal,
        tell: Callable[[str], None],
        *,
        everything: bool = False,
    ) -> None:
        self.remote, self.token, self.folder, self.journal, self.tell = remote, token, folder, journal, tell
        self.everything = everything
        self.carried = Carried(remote, folder / CHECKPOINTS)
        self.waiting: deque[str] = deque()
        self.trouble = ""
        self.over, self.wake = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.beaten = self.carried_at = time.monotonic()
        self.places = journal.found()

    def __enter__(self) -> Mirror:
        if (spec := self.folder / SPEC).is_file():  # chunks without one would be nobody's
            self.remote.publish(SPEC, spec.read_bytes())
        self.fetch()
        self.waiting.extend(self.lacking())
        self.wake.set()
        self.thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        self.wake.set()
        self.thread.join()
        try:
            self.finish(whole=kind is None)
        except (FolderError, OSError) as why:
            text = (
                f"{why}\nwhat could not be put is in {self.folder}, and nothing is lost: the same command puts it, and "
                "trains nothing again"
            )
            if kind is None:
                raise DiskError(text) from why
            self.tell(text)

    def fetch(self) -> None:
        """What the store has comes here; what is damaged there is set aside there, and mended from here if it can be.

        A damaged chunk that is nowhere else is kept here with those that were found damaged, so that it is known which
        lanes are lost.
        """
        count, damaged = pull(self.remote, self.journal, everything=self.everything, each=self.word)
        if count:
            self.tell(f"{count} chunks are fetched from {self.remote.address}")
        self.places = here = self.journal.found()
        for name, content in damaged.items():
            self.word()
            if self.mend(name, content):
                continue
            self.remote.remove([object_of(name)])
            if name not in here:
                self.journal.keep_aside(name, content)
        self.carried.fetch(self.word)
        stored = self.remote.get(LOG)
        if stored is not None:
            self.merge_log(stored)

    def merge_log(self, stored: bytes) -> None:
        """The lines of other machines come before those of this one that they lack."""
        log = self.folder / LOG
        with contextlib.suppress(OSError):
            own = log.read_bytes() if log.exists() else b""
            known = set(stored.splitlines())
            rest = [line for line in own.splitlines(keepends=True) if line.rstrip(b"\n") not in known]
            publish(log, stored + b"".join(rest), replace=True)

    def mend(self, name: str, content: bytes) -> bool:
        """Copy a damaged object aside in the store, and put the chunk from here over it; whether it is here, whole."""
        aside = f"{DAMAGED}/{name}-{uuid.uuid4().hex[:8]}{CHUNK}"
        self.remote.put(aside, content)
        self.tell(f"{self.remote.place(object_of(name))}: is damaged; set aside as {self.remote.place(aside)}")
        if (own := self.chunk(name)) is not None:
            self.remote.put(object_of(name), own)
        return own is not None

    def chunk(self, name: str) -> bytes | None:
        """A chunk of the folder; None where it is not there, or damaged."""
        path = self.journal.path / f"{name}{CHUNK}"
        place = path if path.exists() else self.places.get(name)
        if place is None:
            return None
        with contextlib.suppress(OSError):
            content = place.read_bytes() if isinstance(place, Path) else part(*place)
            return content if is_called(content, name) else None
        return None

    def lacking(self) -> list[str]:
        """The chunks that the folder has and the store lacks."""
        there, self.places = chunks_in(self.remote), self.journal.found()
        return [name for name in self.places if name not in there]

    def add(self, name: str) -> None:
        """A chunk has been committed: it is put soon."""
        self.waiting.append(name)
        self.wake.set()

    def work(self) -> None:
        """Put what waits, and leave word, until it is over."""
        while not self.over.is_set():
            self.wake.wait(BEAT_SECONDS)
            self.wake.clear()
            try:
                self.put_waiting()
                self.beat()
            except (FolderError, OSError) as error:
                if not self.trouble:
                    self.tell(f"{error}; it goes on without: what is done stays in {self.folder}, and is put later")
                self.trouble = str(error)
                continue
            if self.trouble:
                self.tell(f"{self.remote.address}: is reached again")
                self.trouble = ""

    def put_waiting(self) -> None:
        """Put the chunks that wait."""
        while self.waiting:
            self.put(self.waiting[0])
            self.waiting.popleft()
            self.word()

    def put(self, name: str) -> None:
        """Publish a chunk, unless it is there and whole."""
        if (content := self.chunk(name)) is None:
            return  # it is found, told of and computed again when the journal is read
        if not self.remote.publish(object_of(name), content):
            for again in (False, True):  # the way here may be bad once
                there = self.remote.get(object_of(name))
                if there is None or is_called(there, name):
                    return
                if again:
                    self.mend(name, there)

    def beat(self) -> None:
        """Leave word when it is time; and put checkpoints, when it is time for them."""
        self.word()
        if self.token and time.monotonic() - self.carried_at >= BEAT_SECONDS:
            self.carried_at = time.monotonic()
            self.carried.put(self.word)

    def word(self) -> None:
        """Leave word, if the last is long enough ago, and the store still counts this run as who holds it."""
        if time.monotonic() - self.beaten < BEAT_SECONDS or not self.token:
            return
        self.beaten = time.monotonic()
        if not self.remote.say(self.token, (holder(self.folder) or {}).get("says", "running")):
            self.tell(f"{self.remote.address}: another run has taken this one for dead; both go on, and do no harm")
            self.token = ""

    def finish(self, *, whole: bool) -> None:
        """Put all that the store lacks; and the Dataset too if the run came to its end."""
        self.put_waiting()
        for name in self.lacking():
            self.put(name)
            self.word()
        if self.token:
            self.carried.put(self.word)
        if whole:
            self.put_dataset()
        if (log := self.folder / LOG).exists():
            self.remote.put(LOG, log.read_bytes())

    def put_dataset(self) -> None:
        """Put `dataset.zarr`, in such an order that nobody can open it while it is of two versions."""
        folder = self.folder / ZARR
        files = {f"{ZARR}/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
        if ROOT not in files:
            return
        there = self.remote.names(ZARR)
        self.remote.remove([ROOT])
        self.remote.put_all({name: path for name, path in files.items() if name != ROOT})
        self.remote.remove(there.keys() - files.keys())
        self.remote.put(ROOT, files[ROOT].read_bytes())
