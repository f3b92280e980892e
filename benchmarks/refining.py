"""What a refinement saves, and what it misses: `python benchmarks/refining.py` writes docs/refining.csv and .png.

Boundaries that are known are looked for on grids of N x N cells by the search that `sweep --refine` runs, from 8 x 8
cells on: a line, a curve, an island of 3 % of the area, a wedge, and a band of noise in which every lane is 0 or 1 by
chance. All lanes are counted that it asks for: seeds, repeated looks, points held out, and what fills each round's last
chunk up to a multiple of eight, as on two devices of a CPU. A cell of the grid that the
boundary passes through is found if the search ends with a cell of that size there whose corners differ, or do not tell.

Then three of the diagrams in results/ are looked for among their own lanes, from every other value on (depth 1), and
from every fourth (depth 2); and a sweep is run both ways, with a clock (`--wall`).
"""

import argparse
import csv
import itertools
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

import adam_vs_gd as ag
from adam_vs_gd.problem import DONE, PENDING
from adam_vs_gd.refine.ladder import UNIT, Ladder
from adam_vs_gd.refine.looks import UNRESOLVED, looks_of
from adam_vs_gd.refine.search import Question, Search
from adam_vs_gd.results.axis import Axis
from adam_vs_gd.results.columns import columns
from adam_vs_gd.results.uneven import refinement
from adam_vs_gd.results.words import outcomes

HERE = Path(__file__).parent
DOCS, RESULTS = HERE.parent / "docs", HERE.parent / "results"
SIZES = (16, 32, 64, 128, 256)
COARSE = 8
SEEDS, MOST = 2, 8
PLACES = 8  # lanes of the narrowest chunk on two devices
SPREAD = 0.05  # of a lane's value around its mean, away from the band
Field = Callable[[np.ndarray, np.ndarray], np.ndarray]
SHAPES: dict[str, Field] = {
    "line": lambda x, y: np.where(y > 0.27 + 0.47 * x, 0.9, 0.0),
    "curve": lambda x, y: np.where(y > 0.5 + 0.3 * np.sin(5 * x), 0.9, 0.0),
    "island": lambda x, y: np.where((x - 0.63) ** 2 + (y - 0.34) ** 2 < 0.03 / math.pi, 0.9, 0.0),
    "wedge": lambda x, y: np.where(np.abs(y - 0.52) < 0.28 * (x - 0.08), 0.9, 0.0),
    "band": lambda x, y: np.clip(0.5 + (y - 0.3 - 0.4 * x) / 0.2, 0, 1),
}
"""{shape: the mean of lanes at places in the unit square}; of the band, how likely one is 1."""
SHIPPED = ("alpha-by-s", "sigma_p-by-s", "beta2-by-alpha")


class Found(NamedTuple):
    """What came of a search.

    Attributes:
        search: the search, at its end.
        lanes: it took, and
        grid: a full grid with as many seeds as it takes to know as much.
        missed: cells that the boundary passes through and that it did not find, of
        crossed: all of those.
        apart: Hausdorff's distance of both sets of cells, in cells; infinite if one is empty and the other not.
        seconds: it thought.
    """

    search: Search
    lanes: int
    grid: int
    missed: int
    crossed: int
    apart: float
    seconds: float

    @property
    def row(self) -> list[str]:
        """It as a line of a table."""
        held = self.search.held
        wrong = sum(self.search.found[vertex] != kind for vertex, kind in held.items() if vertex in self.search.found)
        apart = f"{self.apart:.1f}" if math.isfinite(self.apart) else "-"
        return [str(self.grid), str(self.lanes), f"{self.grid / self.lanes:.1f}", f"{self.missed}/{self.crossed}",
                apart, str(self.search.rounds), f"{wrong}/{len(held)}"]  # fmt: skip


HEAD = ["grid's lanes", "lanes", "times fewer", "missed", "apart", "rounds", "held out"]


def searched(
    values: np.ndarray, statuses: np.ndarray, known: Sequence[Any], strides: Sequence[int], seeds: int, level: float,
    truth: np.ndarray, examples: float | None = None, confirmed: int | None = None,
) -> Found:  # fmt: skip
    """Look for a boundary among lanes that are there.

    Args:
        values: [rows, columns, seeds] of lanes.
        statuses: their codes.
        known: what these mean.
        strides: from every how many-th row and column on.
        seeds: at first.
        level: that is looked for.
        truth: [rows, columns] which side of it each point is on.
        examples: behind a value, where it is an error rate.
        confirmed: seeds of the grid that it is compared with.
    """
    ladders = []
    for length, stride in zip(truth.shape, strides, strict=True):
        coarse = np.arange(0, length, stride, dtype=float)
        ladders.append(Ladder("", Axis("", "", "", coarse, ()), 1, "float64", stride.bit_length() - 1))
    counts = None if examples is None else lambda vertices, seeds: np.full(len(vertices), examples)
    question = Question(("a",), "a", level, tuple(ladders), looks_of(seeds, values.shape[-1]), tuple(known),
                        examples is not None, counts)  # fmt: skip
    search, began = Search(question), time.monotonic()

    def read(vertices: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
        at = tuple(
            np.array([[v // (UNIT // s) for v, s in zip(vertex, strides, strict=True)] for vertex in vertices]).T
        )
        return values[at][None, :, :count], statuses[at][None, :, :count]

    lanes = 0
    while search.asks:
        lanes += math.ceil(sum(map(question.cost, search.asks)) / PLACES) * PLACES
        search.go_on(read)
    seconds = time.monotonic() - began
    found = np.zeros([length - 1 for length in truth.shape], bool)
    for box in search.tree.leaves:
        kinds = {search.found[vertex] for vertex in search.tree.cells[box].vertices}
        if len({kind for kind in kinds if kind >= 0}) > 1 or UNRESOLVED in kinds:
            ends = [[at * s // UNIT for at in ends] for ends, s in zip(box, strides, strict=True)]
            if all(high - low == 1 for low, high in ends) or kinds == {UNRESOLVED}:
                found[tuple(slice(low, high) for low, high in ends)] = True
    corners = np.stack([truth[i : i - 1 or None, j : j - 1 or None] for i, j in itertools.product((0, 1), repeat=2)])
    crossed = corners.any(0) & ~corners.all(0)
    grid = truth.size * (confirmed or seeds)
    return Found(search, lanes, grid, int((crossed & ~found).sum()), int(crossed.sum()),
                 apart(np.argwhere(crossed), np.argwhere(found)), seconds)  # fmt: skip


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Hausdorff's distance of two sets of cells."""
    if not len(one) or not len(other):
        return 0.0 if len(one) == len(other) else math.inf
    return float(max(cKDTree(one).query(other)[0].max(), cKDTree(other).query(one)[0].max()))


def synthetic(shape: str, size: int, start: int = COARSE, rng_seed: int = 0) -> Found:
    """A shape on a grid of size x size cells."""
    at = np.linspace(0, 1, size + 1)
    mean = SHAPES[shape](*np.meshgrid(at, at, indexing="xy"))
    rng = np.random.default_rng(rng_seed)
    if shape == "band":
        values = (rng.random((*mean.shape, MOST)) < mean[..., None]).astype(float)
    else:
        values = mean[..., None] + SPREAD * rng.standard_normal((*mean.shape, MOST))
    statuses = np.ones(values.shape, np.int8)
    stride = size // start
    seeds = MOST if shape == "band" else SEEDS
    return searched(values, statuses, (PENDING, DONE), (stride, stride), SEEDS, 0.5, mean > 0.5, confirmed=seeds)


def shipped(name: str, depth: int) -> tuple[Found, str]:
    """A diagram of results/, from every 2^depth-th value on; its truth is what all of its seeds say."""
    results = ag.load_results(RESULTS / name).sel(optimizer="adam")
    dims = [str(dim) for dim in results.status.dims if dim != "seed"]
    stride = 2**depth
    results = results.isel({dim: slice(0, (results.sizes[dim] - 1) // stride * stride + 1) for dim in dims})
    errors, statuses = (results[key].transpose(*dims, "seed").values for key in ("test_error", "status"))
    known = outcomes(results)
    counts = np.array([one.in_rates for one in known])[statuses]
    mean = np.nanmean(np.where(counts, errors, np.nan), -1)
    found = searched(errors.astype(float), statuses, known, [stride] * 2, SEEDS, 0.5, mean > 0.5,
                     float(results.test_size), errors.shape[-1])  # fmt: skip
    return found, " x ".join(str(results.sizes[dim]) for dim in dims)


def wall() -> list[list[str]]:
    """A sweep as a grid, and refined to cells as small: each in a process's first hour, compiling included."""
    spec = {"name": "wall", "seeds": SEEDS, "steps": 2000, "record": 0, "model": {"width": 10},
            "optimizers": {"adam": {"eta": 3e-4}}}  # fmt: skip
    data = {"n": 40, "d": 200, "s": 20, "test_size": 2000}
    rows = [["cells", "grid, s", "refined, s", "times faster", "grid's lanes", "lanes", "rounds"]]
    for cells in (32, 64):
        axes = [{"sigma_p": {"geomspace": [0.05, 0.8, n + 1]}, "alpha": {"linspace": [0.0, 0.6, n + 1]}}
                for n in (cells, COARSE)]  # fmt: skip
        refine = {"depth": (cells // COARSE).bit_length() - 1, "max_seeds": SEEDS}
        seconds, lanes, about = [], [], None
        for place, how in zip(axes, (None, refine), strict=True):
            with tempfile.TemporaryDirectory() as folder:
                began = time.monotonic()
                results = ag.run_sweep(ag.SweepSpec(**spec, data=data | place, refine=how), folder, quiet=True,
                                       compile_cache=False)  # fmt: skip
                seconds.append(time.monotonic() - began)
            lanes.append(int((results.status > 0).sum()))
            about = refinement(results)
        rows.append([f"{cells} x {cells}", *(f"{s:.0f}" for s in seconds), f"{seconds[0] / seconds[1]:.1f}",
                     *map(str, lanes), str(about["searches"][0]["rounds"] if about else "")])  # fmt: skip
    return rows


def drawn(found: dict[tuple[str, int], Found], size: int) -> Figure:
    """How many times fewer lanes, and where they are, for grids of one size."""
    figure = Figure((9.6, 4.6), layout="constrained", dpi=150)
    places = figure.subplots(2, 3).ravel()
    for k, shape in enumerate(SHAPES):
        ratio = [found[shape, n].grid / found[shape, n].lanes for n in SIZES]
        places[0].loglog(SIZES, ratio, marker="os^Dv"[k], markersize=4, label=shape)
    places[0].axhline(10, color="0.7", linewidth=0.8, linestyle=":")
    places[0].set(xlabel="cells along an axis of the grid", ylabel="times fewer lanes", xticks=SIZES)
    places[0].set_xticklabels(map(str, SIZES))
    places[0].set_yticks([2, 5, 10, 20, 50], labels=["2", "5", "10", "20", "50"])
    places[0].minorticks_off()
    places[0].legend(frameon=False, fontsize=7)
    for shape, place in zip(SHAPES, places[1:], strict=True):
        search = found[shape, size].search
        at = np.array(list(search.look)) * (size // COARSE) // UNIT
        seeds = np.array([search.question.looks.seeds[look] for look in search.look.values()])
        place.scatter(at[:, 1], at[:, 0], s=1.5, c=np.log2(seeds), cmap="viridis", vmin=0, vmax=3.6, linewidths=0)
        place.set(title=f"{shape}: {found[shape, size].lanes} lanes", aspect="equal", xticks=[], yticks=[])
    return figure


def main() -> None:
    """Measure, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wall", action="store_true", help="run a sweep both ways, too")
    options = parser.parse_args()
    found = {(shape, n): synthetic(shape, n) for shape in SHAPES for n in SIZES}
    table = [["boundary", "cells", *HEAD], *([shape, str(n), *one.row] for (shape, n), one in found.items())]
    for start in (4, 8, 16):
        one = [synthetic("island", 128, start, rng_seed=k) for k in range(10)]
        hit = sum(each.missed < each.crossed for each in one)
        print(f"island of 3 %, 128 x 128 cells, from {start} x {start}: found in {hit} of {len(one)} tries")
    for name in SHIPPED:
        for depth in (1, 2):
            one, cells = shipped(name, depth)
            table.append([f"{name}, depth {depth}", cells, *one.row])
    with (DOCS / "refining.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
    drawn(found, 64).savefig(DOCS / "refining.png")
    print(columns(table))
    print(
        "thinking, of the largest: " + ", ".join(f"{shape} {found[shape, SIZES[-1]].seconds:.1f} s" for shape in SHAPES)
    )
    if options.wall:
        print(columns(wall()))


if __name__ == "__main__":
    main()
