"""Whether a sweep's folder holds what was written into it."""

from __future__ import annotations

from adam_vs_gd.spec.cells import cells
from adam_vs_gd.store import zarr_copy
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.mirror import object_of, pull


def verify(folder: Folder) -> tuple[str, bool]:
    """Read and check every chunk of a folder and its `dataset.zarr`.

    Returns:
        A report, naming what is damaged; and whether nothing is. Lanes that are not computed yet are no damage.

    Raises:
        FolderError: if the folder holds no sweep.
    """
    lines = []
    if folder.remote:
        folder.follow(folder.remote)
        for name in pull(folder.remote, folder.journal, everything=True)[1]:
            lines.append(f"{folder.remote.place(object_of(name))}: damaged (its SHA-256 is wrong)")
    sound = not lines
    spec = folder.spec()
    survey = folder.journal.survey()
    everything = list(cells(spec)) if spec.refine is None else None
    wanted = folder.asked(spec, everything)
    for damage in survey.damaged:
        held = "it cannot be told which lanes it held" if damage.lanes is None else f"it held {len(damage.lanes)} lanes"
        lines.append(f"{damage.place}: damaged (its SHA-256 is wrong); {held}")
    complete = wanted <= survey.done
    lost = folder.journal.lost(wanted, survey)
    if lost and not survey.damaged:
        lines.append(f"{len(lost)} lanes that damaged chunks held, or may have, are missing; --repair computes them")
    whole = sound and not survey.damaged and not lost
    if not survey.damaged:
        found = zarr_copy.says(folder.zarr, folder.dataset(spec, everything))
        whole &= found in ("whole", "missing") or (found == "different" and not complete)
        says = {
            "whole": "whole",
            "missing": "not there; it is written when the sweep ends, or by --repair",
            "damaged": "damaged; --repair writes it again",
            "different": "not what the journal says; --repair writes it again"
            if complete
            else "older than the journal; it is written again when the sweep ends, or by --repair",
        }
        lines.append(f"{folder.zarr}: {says[found]}")
    chunks = len(survey.seconds) + len(survey.damaged)
    there = f"{len(wanted & survey.done)} of {len(wanted)} lanes are there"
    lines.append(f"{chunks} chunks checked, {len(survey.damaged)} damaged; {there}")
    return "\n".join(lines), whole
