"""What a lane-step costs as each size grows alone, from Table 1's; and d at fixed n·s.

    python benchmarks/scaling.py [--out docs/scaling]

Writes a table (.csv) and a picture (.png). Every point is the planner's own choice for that many lanes of four seeds
(as many as there are, where they are fewer), stepped for about a second.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter

from adam_vs_gd.engine.machine import limits_of, use_devices
from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.timing import time_group
from adam_vs_gd.problems.learning.table1 import KINDS
from adam_vs_gd.problems.two_patch.family import FAMILY
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.store.provenance import processor, provenance

TABLE1 = {"lanes": 64, "n": 200, "d": 1000, "m": 20, "s": 100, "steps": 10_000}
AXES = {
    "lanes": (1, 4, 16, 64, 256, 512),
    "n": (50, 200, 800),
    "d": (300, 1000, 3000, 10_000),
    "m": (2, 10, 20, 50),
    "s": (10, 30, 100, 300, 900),
    "steps": (1000, 10_000, 100_000),
}
SPARSE_REGIME = {"lanes": 4, "n": 20, "s": 50, "m": 10}
DIMENSIONS = (2000, 10_000, 100_000, 1_000_000)
FIELDS = ("axis", "value", "optimizer", "method", "lanes", "n", "d", "m", "s", "steps", "microseconds", "compilation")


def points() -> Iterator[tuple[str, dict[str, int]]]:
    """(axis, sizes) of every point."""
    for axis, values in AXES.items():
        for value in values:
            yield axis, TABLE1 | {axis: value}
    for d in DIMENSIONS:
        yield "d at n·s = 1000", TABLE1 | SPARSE_REGIME | {"d": d}


def measure(axis: str, optimizer: str, sizes: dict[str, int]) -> dict[str, object]:
    """The cost of a lane-step, all lanes and devices together: seconds over lane-steps."""
    devices = use_devices()
    static = Static(
        optimizer=optimizer, n=sizes["n"], d=sizes["d"], width=sizes["m"], steps=sizes["steps"], test_size=2
    )
    own = {key: KINDS[optimizer].get(key, 0.0) for key in ("eta", "beta1", "beta2", "eps")}
    seeds = min(4, sizes["lanes"])
    lanes = [
        Lane(static, Hyper(0.9 * k / sizes["lanes"], sizes["s"], 0.1, 0.01, 1e-5, **own), k % seeds, 0)
        for k in range(sizes["lanes"])
    ]
    group = make_plan(FAMILY, lanes, limits_of(FAMILY, devices)).groups[0]
    timing = time_group(group, devices, lambda count: 2**40, make_batch)
    speed = timing.speed * group.lanes / (len(group.chunks) * group.width)  # padding is no work
    value = sizes["d"] if axis not in sizes else sizes[axis]
    found = {"axis": axis, "value": value, "optimizer": optimizer, "method": group.way.name, **sizes}
    return found | {"microseconds": round(1e6 / speed, 3), "compilation": round(timing.compilation, 2)}


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Cost against each size, double logarithmic, with a line of slope one for comparison."""
    names = list(dict.fromkeys(str(row["axis"]) for row in rows))
    figure, axes = plt.subplots(2, 4, figsize=(13, 6), constrained_layout=True)
    for ax, name in zip(axes.flat, names, strict=False):
        for optimizer, marker in (("adam", "o"), ("gd", "s")):
            mine = [row for row in rows if row["axis"] == name and row["optimizer"] == optimizer]
            x, y = ([float(str(row[key])) for row in mine] for key in ("value", "microseconds"))
            ax.loglog(x, y, marker=marker, label=optimizer)
        ax.set(xlabel=name, ylabel="µs per lane-step")
        ticks = sorted({int(str(row["value"])) for row in rows if row["axis"] == name})
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks], rotation=30)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.grid(alpha=0.3, which="both")
    axes.flat[0].legend()
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    figure.suptitle(f"Cost of a lane-step, one size at a time from Table 1's ({processor()})")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/scaling"))
    options = parser.parse_args()
    rows = []
    with options.out.with_suffix(".csv").open("w", newline="") as file:
        file.write(f"# {processor()}; {provenance()['versions']}; {provenance()['commit']}\n")
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for axis, sizes in points():
            for optimizer in ("adam", "gd"):
                rows.append(measure(axis, optimizer, sizes))
                writer.writerow(rows[-1])
                file.flush()
                print(rows[-1], flush=True)
    draw(rows, options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
