"""How many workers one run can keep busy: the real `dispatch`, with workers that are simulated (`simulated.py`).

    python benchmarks/workers.py [--out docs/workers] [--workers 1 2 5 ...]
    python benchmarks/workers.py --one 1000 [--between-failures 3600] [--seed 1] ...
    python benchmarks/workers.py --measure

The first form writes a table (.csv) and a picture (.png); the second simulates one run and prints what became of the
workers' time; the third measures on this machine what the driver's work costs. That each lane is delivered once, or
named as given up, is asserted.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import pickle
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from simulated import LOSSES, Outcome, Try, World, plan_of, simulate

from adam_vs_gd.engine.plan import Chunk
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.engine.task import Answer, Job, Kept, Task, shape_of
from adam_vs_gd.store.log import Log
from adam_vs_gd.store.provenance import processor, provenance
from adam_vs_gd.store.words import Words

BEND = 0.05  # of the efficiency of the fewest workers, lost to their being more
ENOUGH, RUNS = 10_000, 25  # chunks that a point is the mean over, in so many runs of other seeds at most

FAILING: dict[str, Any] = {"start": 4.0, "compile": 16.0, "between_failures": 6 * 3600.0}
TROUBLED: dict[str, Any] = FAILING | {"between_preemptions": 12 * 3600.0, "slow_share": 0.02}
TROUBLES: dict[str, dict[str, Any]] = {
    "no troubles": {},
    "start 20 s, a failure per 6 h": FAILING,
    "preempted per 12 h, 2 % slow, too": TROUBLED,
}
DRIVERS: dict[str, dict[str, Any]] = {
    "words on a local disk": {},
    "rows handed back: 3 ms a chunk": {"overhead": 3e-3},
    "words on a network: 1 ms each": {"word": 1e-3},
    "workers not counted": {"counted": False, "spare": 4, "start": 4.0},
}
PANELS: dict[str, tuple[Callable[[int], int], float, dict[str, dict[str, Any]]]] = {
    "20 chunks of 60 s a worker": (lambda workers: 20 * workers, 60.0, TROUBLES),
    "5 chunks of 300 s a worker": (lambda workers: 5 * workers, 300.0, TROUBLES),
    "10 000 chunks of 60 s": (lambda workers: 10_000, 60.0, TROUBLES),
    "the driver: 50 chunks of 10 s a worker": (lambda workers: 50 * workers, 10.0, DRIVERS),
}
"""{title: (workers -> chunks, their seconds, {scenario: what differs})}."""
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
FEWEST = {"10 000 chunks of 60 s": 10}  # one worker would need a week, in polls of half a second


def point(panel: str, scenario: str, workers: int) -> dict[str, Any]:
    """A row of the table, the mean of some runs where there are few chunks."""
    chunks, seconds, scenarios = PANELS[panel]
    world = World(workers=workers, chunks=chunks(workers), seconds=seconds, **scenarios[scenario])
    runs = [simulate(replace(world, seed=seed)) for seed in range(max(1, min(RUNS, ENOUGH // world.chunks)))]

    def mean(of: Callable[[Outcome], float]) -> float:
        return statistics.fmean(map(of, runs))

    return {
        "panel": panel, "scenario": scenario, "workers": workers, "chunks": world.chunks,
        "makespan": round(mean(lambda run: run.makespan), 1), "tries": round(mean(lambda run: run.tries), 1),
        "given up": round(mean(lambda run: len(run.given_up)), 1),
        "processor": round(mean(lambda run: run.processor), 2),
        "efficiency": round(mean(lambda run: run.efficiency), 4),
        **{loss: round(mean(lambda run, loss=loss: run.shares[loss]), 4) for loss in LOSSES},  # type: ignore[misc]
    }  # fmt: skip


def bend(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], str] | None:
    """Of a line, the first point that has lost `BEND` to the number of workers, and the loss that has grown most."""
    first = rows[0]
    for row in rows:
        if row["efficiency"] < first["efficiency"] - BEND:
            return row, max(LOSSES, key=lambda loss: row[loss] - first[loss])
    return None


def line_of(rows: list[dict[str, Any]], panel: str, scenario: str) -> list[dict[str, Any]]:
    """The points of a line."""
    return [row for row in rows if (row["panel"], row["scenario"]) == (panel, scenario)]


def table(rows: list[dict[str, Any]], counts: Collection[int] = (10, 100, 1000, 2000)) -> str:
    """The efficiency at some counts of workers, and where and why it bends, as Markdown."""
    lines = [
        f"| chunks | workers | {' | '.join(map(str, counts))} | bends at | by |",
        "| --- " * (len(counts) + 4) + "|",
    ]
    for panel, (_, _, scenarios) in PANELS.items():
        for scenario in scenarios:
            mine = line_of(rows, panel, scenario)
            found = bend(mine)
            shares = {row["workers"]: f"{row['efficiency']:.1%}" for row in mine}
            where = (str(found[0]["workers"]), LOSSES[found[1]]) if found else ("", "")
            lines.append(f"| {' | '.join([panel, scenario, *(shares.get(count, '') for count in counts), *where])} |")
    return "\n".join(lines)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Efficiency against workers, where each line bends, and why."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(12, 10), constrained_layout=True)
    for ax, (panel, (_, _, scenarios)) in zip(axes.flat, PANELS.items(), strict=True):
        for scenario, marker in zip(scenarios, "osD^", strict=False):
            mine = line_of(rows, panel, scenario)
            found = bend(mine)
            label = f"{scenario}; bends at {found[0]['workers']}: {LOSSES[found[1]]}" if found else scenario
            x, y = ([row[key] for row in mine] for key in ("workers", "efficiency"))
            (drawn,) = ax.plot(x, y, marker=marker, markersize=4, label=label)
            if found:
                ax.plot(found[0]["workers"], found[0]["efficiency"], "o", markersize=13, fillstyle="none",
                        markeredgewidth=1.5, color=drawn.get_color())  # fmt: skip
        least = min(row["efficiency"] for row in rows if row["panel"] == panel)
        ax.set(title=panel, xscale="log", ylim=(math.floor(10 * least) / 10, 1.02), xlabel="workers")
        ticks = sorted({row["workers"] for row in rows if row["panel"] == panel})
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), fontsize=9, frameon=False)
    for ax in axes[:, 0]:
        ax.set_ylabel("efficiency")
    figure.suptitle("Useful share of simulated workers' time; a ring is where 5 points of 100 are lost to their number")
    figure.savefig(path, dpi=110)


# what the driver's work costs, really


def measured(workers: int = 1000) -> dict[str, float]:
    """{what: microseconds of this machine} of what the driver does for a chunk, and for a word."""
    group = plan_of(workers).groups[0]
    chunk = Chunk(tuple(lane for chunk in group.chunks[:20] for lane in chunk.lanes))
    task = Task(Job("a", {"spec": "x" * 1000}, b"x" * 1000, Settings()), uuid.uuid4().hex, shape_of(group), chunk)
    digests = tuple(lane.digest for lane in chunk.lanes)
    kept = Kept(digests, (1,) * len(digests), (0.5,) * len(digests), None, {"versions": "x" * 200})
    answer = pickle.dumps(Answer([kept], worker="somebody"))
    with tempfile.TemporaryDirectory() as scratch:
        words, log = Words(Path(scratch) / "words"), Log(Path(scratch) / "log.txt")
        words.make()
        for trying in (Try(task, 60.0, 0.0) for _ in range(workers)):
            words.say(uuid.uuid4().hex, trying.word("some host, process 12345", 0.0))
        found = {
            "a task pickled": seconds_of(lambda: pickle.dumps(task)),
            "an answer unpickled": seconds_of(lambda: pickle.loads(answer)),
            "a line of the log": seconds_of(lambda: log.add("x" * 80)),
            f"a word of {workers} read": seconds_of(lambda: dict(words.heard()), times=3) / workers,
        }
    for count in (10, workers):
        free = World(workers=count, chunks=20 * workers, overhead=0.0, word=0.0)
        found[f"a chunk of {count} workers dispatched, and simulated"] = simulate(free).processor / free.chunks
    return {what: seconds * 1e6 for what, seconds in found.items()}


def seconds_of(call: Callable[[], object], times: int = 200) -> float:
    """Seconds that a call takes."""
    call()
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


KINDS: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": lambda text: text == "True"}


def main() -> None:
    """Simulate, write, draw; or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/workers"))
    parser.add_argument("--workers", type=int, nargs="+", default=COUNTS, help="of the sweep")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--one", type=int, metavar="WORKERS", help="one run with so many workers, and as these say:")
    for one in fields(World)[1:]:
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=KINDS[str(one.type)], default=one.default)
    options = parser.parse_args()
    if options.measure:
        for what, microseconds in measured().items():
            print(f"{microseconds:8.1f} µs  {what}")
        return
    if options.one:
        outcome = simulate(World(options.one, **{one.name: getattr(options, one.name) for one in fields(World)[1:]}))
        print(f"{outcome.makespan:.1f} s, {outcome.tries} chunks handed out, {len(outcome.given_up)} given up")
        for name, share in outcome.shares.items():
            print(f"{share:8.2%}  {LOSSES.get(name, name)}")
        return
    rows: list[dict[str, Any]] = []
    with options.out.with_suffix(".csv").open("w", newline="") as file:
        file.write(f"# {processor()}; {provenance()['versions']}; {provenance()['commit']}\n")
        for panel, (_, _, scenarios) in PANELS.items():
            for scenario, workers in itertools.product(scenarios, options.workers):
                if workers < FEWEST.get(panel, 1):
                    continue
                rows.append(point(panel, scenario, workers))
                if len(rows) == 1:
                    writer = csv.DictWriter(file, rows[0])
                    writer.writeheader()
                writer.writerow(rows[-1])
                print(*(rows[-1][key] for key in ("panel", "scenario", "workers", "efficiency", *LOSSES)), flush=True)
    draw(rows, options.out.with_suffix(".png"))
    print(table(rows))


if __name__ == "__main__":
    main()
