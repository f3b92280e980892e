"""What an experiment has measured, kept in its folder, so that the same command computes none of it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from adam_vs_gd.spec.cells import cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store.files import publish, sealed, unsealed


def kept(
    folder: Path, spec: SweepSpec, version: int, measure: Callable[[], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """What was measured of the lanes of a sweep: read if it is there and whole, else measured and written.

    Args:
        folder: of the experiment.
        spec: the sweep, whose lanes name the file.
        version: of what is measured of them; another one reads no file of this one.
        measure: gives named arrays.
    """
    path = folder / "measured" / f"{spec.name}-v{version}-{digest_of(lane.digest for _, lane in cells(spec))}.npz"
    found = unsealed(path.read_bytes()) if path.exists() else None
    if found is None:
        found = {name: np.asarray(values) for name, values in measure().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(path, sealed(found), replace=True)
    return found
