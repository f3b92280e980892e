"""What a process does that trains chunks for another: it answers, leaves word, and ends well when it is told to end."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import pickle
import signal
import socket
import threading
import time
import traceback
from collections.abc import Collection, Iterator
from typing import Any

from adam_vs_gd.engine.progress import Far
from adam_vs_gd.engine.task import Answer, Job, Kept, Raised, Site, Task
from adam_vs_gd.engine.worker import Bench, StoppedError, bench_for, carry_out, this_worker
from adam_vs_gd.errors import ExecutorError
from adam_vs_gd.store.provenance import version
from adam_vs_gd.store.words import Words
from adam_vs_gd.surroundings import refuse_settings

WORD_SECONDS = 1.0  # between two words of a chunk
BEAT_SECONDS = 10.0  # between two signs of life while nothing else is said, as in a compilation
PAUSE_SECONDS = 5.0  # before a chunk is refused: a worker that refuses all must not be the first to ask for the next
LEAVE_SECONDS = 25.0  # that a chunk has to be left in when a process has to end: a segment and a checkpoint

AT_WORK = threading.Lock()
"""Held while a chunk is trained here: one at a time, however many threads there are."""
STOPPING = threading.Event()
"""Set when this process is about to end, by whatever is told so."""


def parcel(thing: Job | Task) -> tuple[str, bytes]:
    """What travels to a worker: pickled, and beside it by which version of this package."""
    return version(), pickle.dumps(thing)


@functools.lru_cache(maxsize=1)
def bench_of(job: Job) -> tuple[Bench, tuple[str, ...]]:
    """The bench of a process that works for others, and what was said as it was made; kept for the chunks to come."""
    refuse_settings()
    spec, given = job.sweep()
    said: list[str] = []
    bench = bench_for(job, spec.family.make(spec, given), said.append)
    return bench, tuple(said)


def look(made_by: str, packed: bytes) -> Site | Raised:
    """What a worker says of itself; an `ExecutorError` if it has another version of this package."""
    heed()
    if made_by != version():
        time.sleep(PAUSE_SECONDS)
        return Raised(ExecutorError(f"{this_worker()}: {other_version(made_by)}; start workers with the same"))
    with AT_WORK:
        try:
            bench, said = bench_of(pickle.loads(packed))
            return Site(bench.maker.spec.to_dict(), bench.about, bench.limits(), said, bench.name)
        except Exception as error:
            return Raised(portable(error, this_worker()))


def work(made_by: str, packed: bytes) -> Answer:
    """Train a chunk in a process that works for others."""
    heed()
    if made_by != version():
        time.sleep(PAUSE_SECONDS)
        return Answer(refused=other_version(made_by), worker=this_worker())
    with AT_WORK:
        if STOPPING.is_set():
            time.sleep(1.0)
            return Answer(stopped=True, worker=this_worker())
        try:
            task: Task = pickle.loads(packed)
            bench, _ = bench_of(task.job)
        except Exception as error:
            return Answer(error=portable(error, this_worker()), worker=this_worker())
        if task.job.words and Words(task.job.words).has(task.attempt):
            return Answer(lost=True, worker=bench.name)  # an executor that tries again by itself
        with posted(task, bench.name) as post:
            answer = carry_out(bench, task, post)
    if answer.refused:
        time.sleep(PAUSE_SECONDS)
    wrong = None if answer.error is None else portable(answer.error, bench.name)
    return answer._replace(said=tuple(post.said), error=wrong)


def other_version(made_by: str) -> str:
    """What is to be said of a run by another version."""
    return f"it has adam-vs-gd {version()}, and the run {made_by}"


def portable(error: BaseException, worker: str) -> BaseException:
    """An error that can be pickled, with a note of where it happened."""
    where = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
        told = error
    except Exception as reason:  # somebody's exception may be anything
        told = RuntimeError(f"{type(error).__name__}: {error} ({reason})")
    told.add_note(f"in {worker}:\n{where}")
    return told


def heed() -> None:
    """Let SIGTERM end this process only when the chunk that it trains has been left with a checkpoint.

    Ctrl-C reaches all processes of a terminal: one that another has started leaves it to that one. Only a main thread
    can see to these, and only where nobody else has said what they do.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end_soon, daemon=True).start())
    if multiprocessing.parent_process() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_soon() -> None:
    """End this process once it has left its chunk."""
    leave()
    time.sleep(0.5)  # the answer is on its way
    os._exit(128 + signal.SIGTERM)


def leave() -> None:
    """Leave the chunk that is trained here at its next checkpoint, and begin no other; wait for that."""
    STOPPING.set()
    if AT_WORK.acquire(timeout=LEAVE_SECONDS):
        AT_WORK.release()


class Posted:
    """Word in a folder, where that is seen; what is said goes back with the answer as well."""

    def __init__(self, task: Task, name: str) -> None:
        self.words = Words(task.job.words) if task.job.words and Words(task.job.words).seen() else None
        self.attempt, self.said, self.spoken, self.lock = task.attempt, list[str](), 0.0, threading.Lock()
        self.folder = task.job.folder
        self.word: dict[str, Any] = {
            "worker": name, "host": socket.gethostname(), "pid": os.getpid(), "chunk": task.chunk.digest,
            "kept": [], "published": [], "begun": [], "said": self.said,
        }  # fmt: skip
        self.over = threading.Event()

    def say(self) -> None:
        """Leave the word that there is."""
        if self.words:
            with self.lock:
                self.spoken = time.monotonic()
                self.word["beat"] = self.word.get("beat", 0) + 1
                self.words.say(self.attempt, self.word)

    def beat(self) -> None:
        """Give signs of life until it is over."""
        while not self.over.wait(BEAT_SECONDS):
            self.say()

    def tell(self, text: str) -> None:
        """As of `Post`."""
        self.said.append(text)
        self.say()

    def far(self, far: Far) -> None:
        """As of `Post`."""
        self.word["far"] = far
        if time.monotonic() - self.spoken >= WORD_SECONDS:
            self.say()

    def kept(self, kept: Kept) -> None:
        """As of `Post`."""
        self.word["kept"] += [list(one) for one in zip(kept.lanes, kept.statuses, kept.values, strict=True)]
        if kept.rows is None:
            self.word["published"].append({"lanes": kept.lanes, "seconds": kept.how["seconds"]})
            self.say()  # it need not be done again, whatever happens

    def begun(self, names: Collection[str]) -> None:
        """As of `Post`."""
        self.word["begun"] = list(names)

    def check(self) -> None:
        """As of `Post`.

        Raises:
            StoppedError: if this process, or this try, has to stop, or its run is over. A folder that is gone
                altogether says nothing of that: it may be gone from here only.
        """
        if STOPPING.is_set() or (self.words and (self.words.stopping(self.attempt) or self.abandoned(self.words))):
            raise StoppedError

    def abandoned(self, words: Words) -> bool:
        """Whether the run is over that this was a part of."""
        return not words.seen() and (self.folder is None or self.folder.is_dir())


@contextlib.contextmanager
def posted(task: Task, name: str) -> Iterator[Posted]:
    """Word of a chunk, from its begin to its end."""
    post = Posted(task, name)
    post.say()
    beating = threading.Thread(target=post.beat, daemon=True)
    beating.start()
    try:
        yield post
    finally:
        post.over.set()
        beating.join()
        if post.words:
            post.words.end(post.attempt)
