"""What a large journal costs: a made-up folder of many chunks, and each thing that is done with one in its own process.

    python benchmarks/journal.py [--chunks 100000] [--lanes 10] [--folder FOLDER] [--out journal.json]

The lanes are those of a real spec (two patches, four axes, ten seeds, two optimizers, record = 0); the rows have the
variables of a real chunk, filled with random numbers. Seconds are those of the work alone, without starting Python and
importing; the peak is of the whole process. The file system has just written what is read, so its cache is warm. The
last thing that is done is to pack the chunks: measure the same --folder again for what packs cost to read.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adam_vs_gd.spec.cells import cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store import zarr_copy
from adam_vs_gd.store.files import sealed
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.provenance import processor, provenance

SEEDS = 10
POINTS = 2 * 10 * 5 * 2 * SEEDS  # lanes for each value of alpha
GIB = 2**30


def spec_of(lanes: int) -> SweepSpec:
    """A sweep with so many lanes."""
    if lanes % POINTS:
        raise SystemExit(f"chunks times lanes must be a multiple of {POINTS}")
    return SweepSpec(
        name="journal", seeds=SEEDS, steps=10, record=0,
        data={"n": 4, "d": 12, "s": 3, "test_size": 10, "alpha": np.linspace(0, 0.9, lanes // POINTS),
              "sigma_p": np.linspace(0.1, 1, 10)},
        model={"width": 2, "sigma_0": [0.01, 0.1]},
        train={"lam": np.linspace(0, 1e-3, 5)},
        optimizers={"adam": {"eta": 1e-3}, "gd": {"eta": 0.1}},
    )  # fmt: skip


def real_chunk() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The rows of a chunk that has been computed, and what it was computed with."""
    from adam_vs_gd.engine.loading import load_jax

    load_jax()
    from adam_vs_gd.engine.sweep import run_sweep

    with tempfile.TemporaryDirectory() as out:
        run_sweep(spec_of(POINTS), Path(out) / "sweep", quiet=True)
        rows = dict(next(Folder(Path(out) / "sweep").journal.chunks()))
    rows.pop("lane")
    return rows, json.loads(str(rows.pop("about")))


def make(folder: Path, chunks: int, lanes: int) -> None:
    """A folder of so many chunks with so many lanes each, all that its spec asks for; not flushed to disk."""
    rows, about = real_chunk()
    spec = spec_of(chunks * lanes)
    out = Folder(folder)
    out.open(spec)
    rng = np.random.default_rng(0)
    digests = [lane.digest for _, lane in sorted(cells(spec), key=lambda it: (it[1].static.optimizer, it[1].seed))]
    for i in range(0, len(digests), lanes):
        mine = digests[i : i + lanes]
        content = {name: filled(rng, lanes, values) for name, values in rows.items()}
        told = json.dumps(about | {"width": lanes, "devices": 1, "seconds": rng.random()})
        path = out.journal.path / f"{digest_of(mine)}.npz"
        path.write_bytes(sealed({"lane": np.array(mine), "about": np.array(told), **content}))


def filled(rng: np.random.Generator, lanes: int, like: np.ndarray) -> np.ndarray:
    """Random values of a variable; statuses are those of lanes that have been trained."""
    numbers = rng.random((lanes, *like.shape[1:]))
    return np.asarray(2 + 3 * numbers if like.dtype.kind in "iu" else numbers).astype(like.dtype)


def survey(folder: Folder) -> Callable[[], object]:
    """All chunks read and checked."""
    return folder.journal.survey


def load(folder: Folder) -> Callable[[], object]:
    """The Dataset."""
    return folder.dataset


def consolidate(folder: Folder) -> Callable[[], object]:
    """The Dataset, which is there, written as `dataset.zarr`."""
    dataset = folder.dataset()
    return lambda: zarr_copy.write(folder.zarr, dataset)


def command(*arguments: str) -> Callable[[Folder], Callable[[], object]]:
    """A command of the command line, its output thrown away."""

    def prepared(folder: Folder) -> Callable[[], object]:
        from adam_vs_gd.cli.main import main

        def run() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                main([*arguments, str(folder.path)])

        return run

    return prepared


def name_cells(folder: Folder) -> Callable[[], object]:
    """Every cell of the spec, and the digests of their lanes."""
    spec = folder.spec()
    return lambda: [(position, lane, lane.digest) for position, lane in cells(spec)]


def plan(folder: Folder) -> Callable[[], object]:
    """A plan where nothing is left to do, of lanes and digests that are known."""
    from adam_vs_gd.engine.packing import make_plan
    from adam_vs_gd.engine.plan import Limits

    spec = folder.spec()
    lanes = [lane for _, lane in cells(spec)]
    done = {lane.digest for lane in lanes}
    return lambda: make_plan(spec.family, lanes, Limits(2, 2**33, 2**20, 64), done)


def pack(folder: Folder) -> Callable[[], object]:
    """Chunks bundled into packs; done last, so that what is measured in the same folder again is packed."""
    return folder.journal.pack


MEASURED = {
    "cells": name_cells, "make_plan": plan, "survey": survey, "load_results": load, "consolidate": consolidate,
    "show": command("show"), "verify": command("verify"), "pack": pack,
}  # fmt: skip


def here(name: str, folder: Path) -> dict[str, float]:
    """Seconds of one of `MEASURED`, and this process's peak of memory in GiB."""
    run = MEASURED[name](Folder(folder))
    began = time.perf_counter()
    run()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB}


def in_its_own_process(*arguments: object, limit: float | None = None) -> str:
    """What this program prints when it is called with these arguments."""
    words = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, timeout=limit).stdout


def measured(folder: Path, names: list[str], limit: float) -> Iterator[tuple[str, dict[str, float] | None]]:
    """What each costs; None where it takes longer than the limit."""
    for name in names:
        try:
            yield name, json.loads(in_its_own_process("--measure", name, "--folder", folder, limit=limit))
        except subprocess.TimeoutExpired:
            yield name, None


def main() -> None:
    """Make the folder, measure, print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1000)
    parser.add_argument("--lanes", type=int, default=10, help="of a chunk")
    parser.add_argument("--folder", type=Path, help="where to make it, and to find it again; thrown away by default")
    parser.add_argument("--only", nargs="+", choices=list(MEASURED), default=list(MEASURED))
    parser.add_argument("--limit", type=float, default=3600, help="seconds that each may take")
    parser.add_argument("--out", type=Path, help="file of the figures as JSON; a table is printed otherwise")
    parser.add_argument("--make", action="store_true", help="make the folder, and no more")
    parser.add_argument("--measure", choices=list(MEASURED), help="measure one in this process, and print it")
    options = parser.parse_args()
    if options.make:
        return make(options.folder, options.chunks, options.lanes)
    if options.measure:
        return print(json.dumps(here(options.measure, options.folder)))
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "sweep"
        if not folder.exists():
            in_its_own_process("--make", "--folder", folder, "--chunks", options.chunks, "--lanes", options.lanes)
        found = dict(measured(folder, options.only, options.limit))
    made = {"by": processor(), **provenance(), "chunks": options.chunks, "lanes": options.chunks * options.lanes}
    if options.out:
        options.out.write_text(json.dumps(made | {"measured": found}, indent=1) + "\n", encoding="utf-8")
        return None
    print(f"{made['by']}; {made['commit']}; {made['chunks']} chunks, {made['lanes']} lanes")
    for name, figures in found.items():
        print(f"{name:14}", "{seconds:9.2f} s {peak:6.2f} GiB".format(**figures) if figures else "      over the limit")
    return None


if __name__ == "__main__":
    main()
