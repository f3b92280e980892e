"""Whether a sweep's folder holds what was written into it."""

from __future__ import annotations

import dataclasses
from typing import Any

from adam_vs_gd.spec.cells import cells
from adam_vs_gd.store import zarr_copy
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.mirror import object_of, pull

COPIES = {
    "whole": "whole",
    "missing": "not there; it is written when the sweep ends, or by --repair",
    "damaged": "damaged; --repair writes it again",
    "different": "not what the journal says; --repair writes it again",
    "older": "older than the journal; it is written again when the sweep ends, or by --repair",
}
"""What may be said of `dataset.zarr`."""


@dataclasses.dataclass(frozen=True)
class DamagedChunk:
    """A chunk that is not what was written.

    Attributes:
        place: where it is.
        lanes: how many it held; None where that cannot be told.
    """

    place: str
    lanes: int | None

    def __str__(self) -> str:
        held = "it cannot be told which lanes it held" if self.lanes is None else f"it held {self.lanes} lanes"
        return f"{self.place}: damaged (its SHA-256 is wrong); {held}"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a sweep's folder holds what was written into it.

    Attributes:
        stored: objects of a store that are damaged there.
        damaged: chunks that are.
        lost: lanes that damaged chunks held, or may have, and that are missing.
        zarr: where the copy of the Dataset is, and
        copy: what it is, one of `COPIES`; None where it was not looked at, because chunks are damaged.
        chunks: how many chunks were checked.
        lanes: how many lanes are there, of
        asked: those that the sweep has asked for.
    """

    stored: tuple[str, ...]
    damaged: tuple[DamagedChunk, ...]
    lost: int
    zarr: str
    copy: str | None
    chunks: int
    lanes: int
    asked: int

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged. Lanes that are not computed yet are no damage."""
        return not (self.stored or self.damaged or self.lost or self.copy in ("damaged", "different"))

    def __str__(self) -> str:
        lines = [f"{place}: damaged (its SHA-256 is wrong)" for place in self.stored]
        lines += map(str, self.damaged)
        if self.lost and not self.damaged:
            lines.append(
                f"{self.lost} lanes that damaged chunks held, or may have, are missing; --repair computes them"
            )
        if self.copy is not None:
            lines.append(f"{self.zarr}: {COPIES[self.copy]}")
        there = f"{self.lanes} of {self.asked} lanes are there"
        return "\n".join([*lines, f"{self.chunks} chunks checked, {len(self.damaged)} damaged; {there}"])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python, and `whole`."""
        return {"whole": self.whole, **dataclasses.asdict(self)}


def verify(folder: Folder) -> Verdict:
    """Read and check every chunk of a folder and its `dataset.zarr`.

    Raises:
        FolderError: if the folder holds no sweep.
    """
    stored: list[str] = []
    if folder.remote:
        folder.follow(folder.remote)
        damaged = pull(folder.remote, folder.journal, everything=True)[1]
        stored = [folder.remote.place(object_of(name)) for name in damaged]
    spec = folder.spec()
    survey = folder.journal.survey()
    everything = list(cells(spec)) if spec.refine is None else None
    wanted = folder.asked(spec, everything)
    copy = None
    if not survey.damaged:
        copy = zarr_copy.says(folder.zarr, folder.dataset(spec, everything))
        if copy == "different" and not wanted <= survey.done:
            copy = "older"
    return Verdict(
        tuple(stored),
        tuple(DamagedChunk(str(one.place), None if one.lanes is None else len(one.lanes)) for one in survey.damaged),
        len(folder.journal.lost(wanted, survey)),
        str(folder.zarr),
        copy,
        len(survey.seconds) + len(survey.damaged),
        len(wanted & survey.done),
        len(wanted),
    )
