"""How long until it answers: importing the package, --help, show, and a sweep of Table 1's size to its first step.

    python benchmarks/startup.py [--runs 5] [--imports] [--out startup.json]

Each is a process of its own, measured from its start, the least of so many runs: in seconds of the clock, and of the
processor (user and system, which says more where other processes run beside). Modules are compiled, as pip leaves
them, whatever PYTHONDONTWRITEBYTECODE says here. A sweep's first step is when its first line with a speed comes, and it
is ended then; "cold" compiles every program, in a cache folder of its own, and "warm" finds them there. With --imports,
whose modules a warm sweep imports until then, and how long each package takes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from adam_vs_gd.store.provenance import processor, provenance

COMMAND = (sys.executable, "-m", "adam_vs_gd")
SPEC = "name = 'table1'\nseeds = 5\n[optimizers.adam]\n[optimizers.gd]\n"  # all that is left out is Table 1's
STEPPED = "lane-steps/s"
MOST_PACKAGES = 12


class Took(NamedTuple):
    """What a process took: seconds of the clock, and of the processor."""

    clock: float
    processor: float


def measured(command: Sequence[str], cache: Path, until: str = "") -> tuple[Took, list[str]]:
    """A process until it ends, or says something on stderr; and what it said there."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    began, said = time.perf_counter(), []
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=kept | {"XDG_CACHE_HOME": str(cache), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    stopped = False
    for line in process.stderr:
        said.append(line)
        if until and until in line:
            process.kill()
            stopped = True
            break
    _, status, usage = os.wait4(process.pid, 0)
    clock = time.perf_counter() - began
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if (process.returncode and not stopped) or (until and not stopped):
        raise SystemExit("".join(said))
    return Took(clock, usage.ru_utime + usage.ru_stime), said


def least(runs: Sequence[Took]) -> Took:
    """The least of each."""
    return Took(min(run.clock for run in runs), min(run.processor for run in runs))


def to_first_step(spec: Path, folder: Path, cache: Path, *options: str) -> tuple[Took, list[str]]:
    """A new sweep until its first step is done."""
    command = [COMMAND[0], *options, *COMMAND[1:], "sweep", str(spec), "--out", str(folder)]
    return measured(command, cache, STEPPED)


def packages(said: Sequence[str]) -> list[tuple[str, float]]:
    """Seconds that the modules of each package took to import, without what they import, by `-X importtime`."""
    took: Counter[str] = Counter()
    for line in said:
        if found := re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)", line):
            took[found[2]] += int(found[1])
    return [(name, microseconds / 1e6) for name, microseconds in took.most_common(MOST_PACKAGES)]


def run(runs: int, imports: bool) -> tuple[dict[str, Took], list[tuple[str, float]]]:
    """{what: the least that it took}, and packages by the time of their import."""
    with tempfile.TemporaryDirectory(prefix="adam-vs-gd-startup-") as place:
        root = Path(place)
        spec, cache, done = root / "table1.toml", root / "cache", root / "done"
        spec.write_text(SPEC, encoding="utf-8")
        measured([*COMMAND, "sweep", str(spec), "--set", "steps=20", "--out", str(done), "--quiet"], cache)
        commands = {
            "import adam_vs_gd": [sys.executable, "-c", "import adam_vs_gd"],
            "--help": [*COMMAND, "--help"],
            "show": [*COMMAND, "show", str(done)],
            "verify": [*COMMAND, "verify", str(done)],
            "plot": [*COMMAND, "plot", str(done)],
        }
        found = {what: least([measured(command, cache)[0] for _ in range(runs)]) for what, command in commands.items()}
        cold, _ = to_first_step(spec, root / "cold", root / "cold-cache")
        found["sweep to its first step, cold"] = cold
        to_first_step(spec, root / "filling", cache)
        warm = [to_first_step(spec, root / f"warm{k}", cache)[0] for k in range(runs)]
        found["sweep to its first step, warm"] = least(warm)
        told = to_first_step(spec, root / "imports", cache, "-X", "importtime")[1] if imports else []
        return found, packages(told)


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each of which the least counts (default: 5)")
    parser.add_argument("--imports", action="store_true", help="say what importing takes, too")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    options = parser.parse_args()
    found, imported = run(options.runs, options.imports)
    print("| until it answers | clock, s | processor, s |\n| --- | ---: | ---: |")
    for what, took in found.items():
        print(f"| {what} | {took.clock:.2f} | {took.processor:.2f} |")
    for name, seconds in imported:
        print(f"{seconds:6.2f} s  {name}")
    if options.out:
        made = {**provenance(), "device": processor(), "cores": os.cpu_count(), "runs": options.runs}
        numbers = {what: took._asdict() for what, took in found.items()}
        options.out.write_text(json.dumps({"made": made, "seconds": numbers}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
