"""The boundary of trainability again, found instead of gridded, and zoomed: `python examples/zoom.py`.

The network and its training are those of `trainability.py`. Cells are halved where its loss begins to grow and nowhere
else, four times; then a sixteenth is looked at in that way, and a sixteenth of it. A grid over the first window as
fine as the last would have 65,537 values along each axis.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import trainability

import adam_vs_gd as ag
from adam_vs_gd.results.uneven import refinement

CELLS, DEPTH, ZOOMS = 16, 4, 2
RATES = ("eta_first", "eta_second")


def sweep(ends, out, depth=DEPTH, quiet=False):
    """A window of learning rates, from `ends` (two for each axis, in powers of ten), refined."""
    axes = {name: np.geomspace(10**low, 10**high, CELLS + 1) for name, (low, high) in zip(RATES, ends, strict=True)}
    return ag.sweep_function(
        (trainability.init, trainability.step, trainability.measure), axes, static={"width": 16}, seeds=1,
        steps=trainability.STEPS, record=0, out=out, name="zoom", precision="float64", quiet=quiet,
        refine={"value": "growth", "level": 0.0, "depth": depth, "max_seeds": 1},
    )  # fmt: skip


def next_window(results, depth):
    """Of the coarse cells that the boundary passes through the one with a median number of lanes, as ends."""
    lanes = (results.status.isel(seed=0).transpose(*RATES) > 0).values
    edges = [np.sort(results[name].attrs["coarse"]) for name in RATES]
    at = [np.searchsorted(edge, results[name].values, "right") - 1 for edge, name in zip(edges, RATES, strict=True)]
    counts = np.zeros((CELLS, CELLS))
    np.add.at(counts, np.ix_(*(np.minimum(k, CELLS - 1) for k in at)), lanes)
    order = np.argsort(counts, axis=None, kind="stable")
    crossed = order[counts.ravel()[order] > 2**depth]  # of a line that passes it are more, of a cell beside it fewer
    cell = np.unravel_index(crossed[len(crossed) // 2], counts.shape)
    return [tuple(np.log10(edge[k : k + 2])) for edge, k in zip(edges, cell, strict=True)]


def zoomed(out, depth=DEPTH, zooms=None, quiet=False):
    """The results of every window, each in a folder of its own."""
    low = trainability.CORNER
    ends = [(start, start + trainability.SPAN) for start in low]
    for zoom in range((ZOOMS if zooms is None else zooms) + 1):
        results = sweep(ends, out / f"zoom-{zoom}", depth, quiet)
        yield results
        ends = next_window(results, depth)


def main():
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/zoom"))
    parser.add_argument("--quick", action="store_true", help="cells are halved twice: a try")
    options = parser.parse_args()
    pictures = []
    for results in zoomed(options.out, 2 if options.quick else DEPTH):
        pictures.append(results)
        (search,) = refinement(results)["searches"]
        print(f"{search['lanes']} lanes in {search['rounds']} rounds, of a grid of {search['grid']}: "
              f"{search['grid'] / search['lanes']:.1f} times fewer")  # fmt: skip
    print(trainability.draw(pictures, options.out / "zoom.png", CELLS))


if __name__ == "__main__":
    main()
