"""Lanes in the middle of their training, on disk: orbax-checkpoint, with a digest of our own, which it lacks."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from adam_vs_gd.errors import DamageError, first_line
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.store.files import is_utf8, sealed, unsealed

CONTENT = "content"


class Snapshot(NamedTuple):
    """Lanes in the middle of their training, in host memory; padding is left out, so that any width can go on with it.

    Attributes:
        lanes: digests of the lanes, in order.
        step: how many steps are done.
        state: the leaves of their states, [lanes, ...].
        paths: {name: [lanes, points, ...]} what has been recorded so far.
        beside: {name: [lanes, ...]} what else is known of them.
    """

    lanes: tuple[str, ...]
    step: int
    state: tuple[np.ndarray, ...]
    paths: Mapping[str, np.ndarray]
    beside: Mapping[str, np.ndarray] = {}


def not_of_orbax(record: logging.LogRecord) -> bool:
    """Whether a line of the log is not orbax's, whose troubles `Checkpoints` tells of in its own words."""
    return "orbax" not in record.pathname


class Checkpoints:
    """The checkpoints of a folder: `checkpoints/<chunk>/<step>`, the newest of each chunk.

    Enter it to use it. They are written in the background. One that cannot be written, or is damaged when it is read,
    costs time and no result, and is told of.

    Args:
        path: `checkpoints/` of a sweep's folder.
        every: seconds between two of them.
        made: what they are made with, such as the platform; one that was made otherwise is not gone on with.
        tell: called with a line when something is wrong with one.
    """

    def __init__(self, path: Path, every: float, made: Mapping[str, str], tell: Callable[[str], None]) -> None:
        self.path, self.every, self.made, self.tell = path, every, dict(made), tell
        self.last = time.monotonic()
        self.lanes: dict[str, tuple[str, ...]] = {}
        self.having_lane: dict[str, list[str]] = {}
        self.managers: dict[str, Any] = {}
        self.opened: int | None = None

    def __enter__(self) -> Checkpoints:
        logging.getLogger("absl").addFilter(not_of_orbax)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        if self.opened is not None:
            os.close(self.opened)
        logging.getLogger("absl").removeFilter(not_of_orbax)

    def reachable(self) -> Path:
        """`path` as orbax's tensorstore takes it: where it is not UTF-8, by the number it is open under, in Linux."""
        if is_utf8(self.path.absolute()):
            return self.path.absolute()
        if self.opened is None:
            self.path.mkdir(exist_ok=True)
            self.opened = os.open(self.path, os.O_RDONLY)
        return Path(f"/proc/self/fd/{self.opened}")

    def between(self, snapshot: Callable[[], Snapshot]) -> None:
        """Write one if the last is long enough ago."""
        if time.monotonic() - self.last >= self.every:
            self.save(snapshot())

    def save(self, snapshot: Snapshot, *, wait: bool = False) -> None:
        """Write a snapshot, in the background unless `wait`."""
        import orbax.checkpoint as ocp

        self.last = time.monotonic()
        if not self.path.parent.is_dir():  # orbax would make it again
            return
        name = digest_of(snapshot.lanes)
        self.lanes[name] = snapshot.lanes
        try:
            if name not in self.managers:
                options = ocp.CheckpointManagerOptions(max_to_keep=1)
                self.managers[name] = ocp.CheckpointManager(self.reachable() / name, options=options)
            manager = self.managers[name]
            if snapshot.step not in manager.all_steps():
                content = np.frombuffer(packed(snapshot, self.made), np.uint8)
                manager.save(snapshot.step, args=ocp.args.PyTreeSave({CONTENT: content}))
            if wait:
                manager.wait_until_finished()
        except (OSError, ValueError, RuntimeError) as error:
            self.tell(f"a checkpoint at step {snapshot.step} could not be written: {first_line(error)}")

    def load(self) -> Iterator[Snapshot]:
        """What is there and whole; what is not is told of and removed."""
        self.close()
        for folder in sorted(path for path in self.path.glob("*") if path.is_dir()):
            try:
                snapshot = self.newest(folder)
            except FileNotFoundError:  # another process has done with it
                continue
            if snapshot is None:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                self.lanes[folder.name] = snapshot.lanes
                for lane in snapshot.lanes:
                    self.having_lane.setdefault(lane, []).append(folder.name)
                yield snapshot

    def newest(self, folder: Path) -> Snapshot | None:
        """The newest whole checkpoint of a chunk's folder."""
        for temporary in folder.glob("*orbax-checkpoint-tmp*"):
            shutil.rmtree(temporary, ignore_errors=True)
        for step in sorted((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), reverse=True):
            import orbax.checkpoint as ocp

            try:
                with ocp.CheckpointManager(self.reachable() / folder.name) as manager:
                    restored = manager.restore(step, args=ocp.args.PyTreeRestore())
                snapshot, made = unpacked(restored[CONTENT].tobytes())
                if made == self.made:
                    return snapshot
                self.tell(f"{folder / str(step)}: this checkpoint was made with {made}, and is left out")
            except Exception as error:  # damaged data can fail in any way
                self.tell(f"{folder / str(step)}: this checkpoint is damaged and left out: {first_line(error)}")
        return None

    def find(self, lanes: Collection[str], names: Collection[str]) -> Snapshot | None:
        """The checkpoint with all of some lanes that has come furthest, of those of these names."""
        self.close()
        found = []
        for folder in (self.path / name for name in sorted(names)):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                if (snapshot := self.newest(folder)) and set(lanes) <= set(snapshot.lanes):
                    found.append(snapshot)
        return max(found, key=lambda snapshot: snapshot.step, default=None)

    def having(self, lanes: Collection[str]) -> tuple[str, ...]:
        """The names of those that have been loaded, and have some of these lanes."""
        return tuple(dict.fromkeys(name for lane in lanes for name in self.having_lane.get(lane, ())))

    def remove(self, name: str) -> None:
        """Remove one that nobody needs any more."""
        shutil.rmtree(self.path / name, ignore_errors=True)

    def prune(self, done: Set[str]) -> None:
        """Remove the checkpoints of which every lane is done."""
        for name in [name for name, lanes in self.lanes.items() if done >= set(lanes)]:
            del self.lanes[name]
            if manager := self.managers.pop(name, None):
                self.end(manager)
            shutil.rmtree(self.path / name, ignore_errors=True)

    def end(self, manager: Any) -> None:
        """Wait until a manager has written what it was given."""
        try:
            manager.wait_until_finished()
            manager.close()
        except (OSError, ValueError, RuntimeError) as error:
            self.tell(f"a checkpoint could not be written: {first_line(error)}")

    def close(self) -> None:
        """Wait until what is being written is there."""
        while self.managers:
            self.end(self.managers.popitem()[1])


def packed(snapshot: Snapshot, made: Mapping[str, str]) -> bytes:
    """A snapshot, and what it was made with, as bytes with the SHA-256 of them."""
    about = json.dumps({"lanes": snapshot.lanes, "step": snapshot.step, "made": made})
    state = {f"state {i}": leaf for i, leaf in enumerate(snapshot.state)}
    paths = {f"path {name}": values for name, values in snapshot.paths.items()}
    beside = {f"beside {name}": values for name, values in snapshot.beside.items()}
    return sealed({"about": np.array(about), **state, **paths, **beside})


def unpacked(content: bytes) -> tuple[Snapshot, dict[str, str]]:
    """The snapshot, and what it was made with, of what `packed` gave.

    Raises:
        DamageError: if it is not what was packed.
    """
    arrays = unsealed(content)
    if arrays is None:
        raise DamageError("its SHA-256 is wrong")
    about = json.loads(str(arrays.pop("about")))
    state = tuple(array for name, array in arrays.items() if name.startswith("state "))
    paths, beside = (
        {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)}
        for kind in ("path ", "beside ")
    )
    return Snapshot(tuple(about["lanes"]), about["step"], state, paths, beside), about["made"]
