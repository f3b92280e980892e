"""A sweep at an address of an object store: what is there, and who runs it. Knows nothing of folders here.

Nothing is ever half there: an object appears whole or not at all. What is published under a name that is taken is
refused (`If-None-Match: *`), so that the first of two writers wins, whatever their clocks say.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import json
import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from adam_vs_gd.errors import FolderError, first_line
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.store.lock import HOLDER, described, is_gone, word_of

PROTOCOLS = ("s3", "s3a")
"""Those whose file system in fsspec publishes exclusively: others of fsspec's look first, and then write."""
PROBE = ".probe-"
BATCH_BYTES, BATCH = 2**26, 256
"""How much is fetched or put at once."""
CLIENT = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 1}}
"""Of botocore, beside s3fs's own tries: a run must not hang on a network that is away."""
SEND_SECONDS, SLOWEST = 120.0, 1e5
"""How long putting something may take, with so many bytes a second beside it."""
CONFLICTS, CONFLICT_SECONDS = 5, 0.2
POLL_SECONDS = 5.0  # between two looks at a holder that is waited for
RUNNING: set[str] = set()
"""Tokens of this process's runs: what it left elsewhere is of a run that ended while the network was away."""
LEASE_SECONDS = 180.0
"""A holder that has not left word for so long, by the store's clock, is taken for dead."""


def is_address(place: object) -> bool:
    """Whether a place for results is an address, and not a folder."""
    return isinstance(place, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", place) is not None


class Remote:
    """An address in an object store.

    Every method raises a FolderError that says why the store cannot be reached, or used.

    Args:
        address: such as s3://bucket/prefix.

    Raises:
        FolderError: if nothing can be kept there.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        protocol, _, self.root = address.partition("://")
        self.root = self.root.rstrip("/")
        if protocol not in PROTOCOLS:
            raise FolderError(
                f"{address}: {protocol}:// is not known to refuse a second writer; an address must begin with "
                f"{' or '.join(f'{known}://' for known in PROTOCOLS)}, and all else is a folder"
            )
        if not self.root or any(c in self.root for c in "*?[]\\") or "" in self.root.split("/"):
            raise FolderError(
                f"{address}: must be {protocol}://bucket/prefix, without *, ?, [, ], \\ and empty parts; choose "
                "another with --out"
            )

    @property
    def copy(self) -> Path:
        """Where this machine has its copy."""
        last = "".join(c if c.isalnum() or c in "-_." else "-" for c in self.root.rpartition("/")[2])
        return platformdirs.user_cache_path("adam-vs-gd", appauthor=False) / "stores" / (
            f"{last}-{digest_of([self.address])}"
        )  # fmt: skip

    @functools.cached_property
    def files(self) -> Any:
        """The file system of fsspec."""
        try:
            import fsspec
            import s3fs  # noqa: F401
        except ImportError:
            raise FolderError(f"{self.address}: needs s3fs; pip install 'adam-vs-gd[s3]'") from None
        own = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        with self.reaching():
            return fsspec.filesystem("s3", use_listings_cache=False, config_kwargs={**CLIENT, **own})

    @contextlib.contextmanager
    def reaching(self) -> Iterator[None]:
        """Say in one line what keeps the store from being used."""
        try:
            yield
        except FolderError:
            raise
        except Exception as error:  # of s3fs, aiobotocore, aiohttp, asyncio
            raise FolderError(f"{self.address}: {why(error)}") from error

    def at(self, name: str) -> str:
        """An object as fsspec names it."""
        return f"{self.root}/{name}"

    def place(self, name: str) -> str:
        """An object as people name it."""
        return f"{self.address}/{name}"

    def names(self, under: str = "") -> dict[str, int]:
        """{name: bytes} of the objects; in no order."""
        with self.reaching():
            found = self.files.find(self.at(under).rstrip("/"), detail=True)
        start = len(self.root) + 1
        return {path[start:]: info["size"] for path, info in found.items() if info["type"] == "file" and path[start:]}

    def get(self, name: str) -> bytes | None:
        """An object; None where there is none."""
        with self.reaching():
            try:
                return self.files.cat_file(self.at(name))
            except FileNotFoundError as error:
                if is_bucket(error):
                    raise
                return None

    def fetch(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """(name, content) of objects, some at once; without those that have vanished.

        Args:
            sizes: {name: bytes}.
        """
        for batch in batches(sizes):
            with self.reaching():
                found = self.files.cat([self.at(name) for name in batch], on_error="return")
                for name in batch:
                    content = found[self.at(name)]
                    if isinstance(content, FileNotFoundError):
                        continue
                    if isinstance(content, BaseException):
                        raise content
                    yield name, content

    def send(self, objects: Mapping[str, bytes], **mode: str) -> None:
        """Put objects at once, in limited time: the limits of `CLIENT` do not hold while something is sent.

        Args:
            objects: {name: content}.
            mode: of `pipe_file`.
        """
        from fsspec.asyn import sync

        async def all_of_them() -> None:
            each = (self.files._pipe_file(self.at(name), content, **mode) for name, content in objects.items())
            for outcome in await asyncio.gather(*each, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

        size = sum(map(len, objects.values()))
        seconds = SEND_SECONDS + size / SLOWEST
        try:
            sync(self.files.loop, all_of_them, timeout=seconds)
        except TimeoutError as error:
            raise TimeoutError(str(error) or f"{size:,} bytes were not taken in {seconds:.0f} s") from error

    def put(self, name: str, content: bytes) -> None:
        """Make an object hold this, whatever it held."""
        with self.reaching():
            self.send({name: content})

    def put_all(self, files: Mapping[str, Path]) -> None:
        """`put` for many files, some at once.

        Args:
            files: {name: file}.
        """
        for batch in batches({name: path.stat().st_size for name, path in files.items()}):
            with self.reaching():
                self.send({name: files[name].read_bytes() for name in batch})

    def publish(self, name: str, content: bytes) -> bool:
        """Make an object hold this, unless there is one; says whether there was none."""
        with self.reaching():
            for last in (False,) * CONFLICTS + (True,):
                try:
                    self.send({name: content}, mode="create")
                    return True
                except Exception as error:
                    if is_taken(error):
                        return False
                    if last or code_of(error) != "ConditionalRequestConflict":  # someone else is just at it
                        raise
                time.sleep(CONFLICT_SECONDS)
        raise AssertionError

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, those that are there."""
        for name in names:
            with self.reaching(), contextlib.suppress(FileNotFoundError):
                self.files.rm_file(self.at(name))

    def now(self) -> datetime.datetime:
        """The time by the store's clock, told by an object that is published twice: the second must be refused."""
        name = f"{PROBE}{uuid.uuid4().hex}"
        self.publish(name, b"")
        try:
            if self.publish(name, b""):
                raise FolderError(
                    f"{self.address}: this store does not heed If-None-Match, so that two writers could overwrite each "
                    "other; choose another, or a folder, with --out"
                )
            return self.modified(name)
        finally:
            self.remove([name])

    def modified(self, name: str) -> datetime.datetime:
        """When an object was put, by the store's clock."""
        with self.reaching():
            return self.files.modified(self.at(name))

    def holder(self) -> dict[str, Any] | None:
        """The last word of whoever runs a sweep here; None where nobody does."""
        try:
            found = json.loads(self.get(HOLDER) or b"null")
        except ValueError:
            return None
        return found if isinstance(found, dict) and {"host", "pid", "at", "says", "token"} <= found.keys() else None

    def say(self, token: str, says: str) -> bool:
        """Leave word that whoever holds this under a token still runs; says whether it still holds it."""
        if not self.holds(token):
            return False
        self.put(HOLDER, word(token, says))
        return True

    def holds(self, token: str) -> bool:
        """Whether the holder is who has this token."""
        return (self.holder() or {}).get("token") == token

    @contextlib.contextmanager
    def held(self, *, wait: bool, say: Callable[[str], None], check: Callable[[], None]) -> Iterator[str]:
        """Be the only one who runs a sweep here, as long as word is left by `say`; gives the token for that.

        It is a courtesy, and no lock: two who run one sweep waste work, and harm nothing. So whoever is silent for
        `LEASE_SECONDS` is taken for dead.

        Args:
            wait: whether to wait for another holder, and not to give up.
            say: called with a line when there is somebody to wait for.
            check: called while waiting; may raise to stop.

        Raises:
            FolderError: if somebody else runs a sweep here, naming who.
        """
        token, waiting = uuid.uuid4().hex, False
        while not self.publish(HOLDER, word(token, "starting")):
            if (other := self.holder()) and other["token"] == token:  # put, and put again as the answer was lost
                break
            if other is None or has_ended(other) or self.silent() > LEASE_SECONDS:
                self.remove([HOLDER])
                continue
            if not wait:
                raise FolderError(
                    f"{self.address}: {described(other)}; wait for it with --wait, or choose another with --out (it is "
                    f"taken for dead when it has said nothing for {LEASE_SECONDS:.0f} s)"
                )
            if not waiting:
                say(f"{self.address}: {described(other)}; waiting for it")
                waiting = True
            check()
            time.sleep(POLL_SECONDS)
        RUNNING.add(token)
        try:
            yield token
        finally:
            RUNNING.discard(token)
            with contextlib.suppress(FolderError):
                if self.holds(token):
                    self.remove([HOLDER])

    def silent(self) -> float:
        """Seconds since the holder left word, by the store's clock."""
        try:
            return (self.now() - self.modified(HOLDER)).total_seconds()
        except FolderError as error:
            if isinstance(error.__cause__, FileNotFoundError):  # it has just ended
                return float("inf")
            raise


def word(token: str, says: str) -> bytes:
    """What a holder leaves."""
    return json.dumps(word_of(says) | {"token": token}).encode()


def has_ended(word: Mapping[str, Any]) -> bool:
    """Whether a holder is known to run no more."""
    own = word["host"] == socket.gethostname() and word["pid"] == os.getpid()
    return (own and word["token"] not in RUNNING) or is_gone(word)


def batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Names in groups of at most `BATCH`, and about `BATCH_BYTES`."""
    group: list[str] = []
    total = 0
    for name, size in sizes.items():
        if group and (total + size > BATCH_BYTES or len(group) == BATCH):
            yield group
            group, total = [], 0
        group.append(name)
        total += size
    if group:
        yield group


def code_of(error: BaseException | None) -> str:
    """What the store calls an error."""
    said: Any = getattr(error, "response", None) or getattr(error.__cause__, "response", None) if error else None
    return str(said.get("Error", {}).get("Code", "")) if isinstance(said, Mapping) else ""


def is_taken(error: Exception) -> bool:
    """Whether an object was not put because there is one; not every store says so as s3fs expects."""
    return isinstance(error, FileExistsError) or code_of(error) in ("PreconditionFailed", "412")


def is_bucket(error: Exception) -> bool:
    """Whether it is the whole bucket that is missing."""
    return code_of(error) == "NoSuchBucket"


def why(error: Exception) -> str:
    """What is wrong with a store, and the fix."""
    said = first_line(error)
    if is_bucket(error):
        return "there is no such bucket; make it, or choose another with --out"
    if "Credentials" in type(error).__name__ or "Profile" in type(error).__name__:
        return f"{said}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, PermissionError):
        return f"access is refused ({said}); the credentials must allow to list, get, put and delete objects there"
    return f"is not reached ({said}); look at the network, AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
