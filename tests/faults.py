"""Faults that a sweep must survive: real processes, real signals. `test_faults.py` and `test_damage.py` try a few.

    python tests/faults.py --kills 200 --out docs/reliability.md

tries as many as wanted and writes the table. Processes are forked from one that has imported everything and started
nothing, so that a try costs what the sweep costs.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import errno
import itertools
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
from patience import HUNG, wait_until

from adam_vs_gd import cli
from adam_vs_gd.spec.sweep_spec import load_spec
from adam_vs_gd.store import zarr_copy
from adam_vs_gd.store.folder import Folder, load_results
from adam_vs_gd.store.provenance import provenance

SPEC = """
name = "faults"
seeds = 3
steps = 2000
record = 4
[data]
n = 8
d = 24
s = 4
alpha = [0.0, 0.2, 0.4, 0.6]
test_size = 20
[model]
width = 2
[optimizers.adam]
eta = 1e-3
[optimizers.gd]
eta = 0.1
"""
TO_REST = (
    SPEC.replace("steps = 2000", "steps = 3000").replace("eta = 1e-3", "eta = 1e-2")
    + """[train]
until = "rest"
lam = 3e-3
"""
)
"""The same on its way to rest, which some lanes come to, each at another step."""
ALONE = ["--devices", "1", "--path", "reference"]
"""The path that is slow enough here to be caught in the middle."""
NARROW = [*ALONE, "--memory", "16.5kB", "--checkpoint-every", "0"]
"""Three chunks of the narrowest width for each of the two groups, and a checkpoint after every segment."""
MADE = {"platform": "cpu", "path": "reference", "kernel": "XLA", "versions": provenance()["versions"]}
PRELOADED = ["faults", "adam_vs_gd.engine.sweep", "adam_vs_gd.plot", "adam_vs_gd.show", "orbax.checkpoint", "zarr"]
LANES = 24

context = multiprocessing.get_context("forkserver")


def child(arguments, text, options):
    """What a forked process does: a command of the command line, with a fault built in."""
    with open(text, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    if options.get("kill_at"):
        kill_at_file_event(options["folder"], *options["kill_at"])
    if options.get("clock"):
        shift_clock(options["clock"])
    if options.get("largest_file"):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (options["largest_file"], options["largest_file"]))
    if options.get("no_locks"):
        import fcntl

        def without(*_):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        fcntl.flock = without
    if options.get("memory_for"):
        starve(options["memory_for"])
    if options.get("background"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell's script starts what it ends with &
    status = cli.main([str(argument) for argument in arguments])
    sys.stdout.flush()
    os._exit(status)


def kill_at_file_event(folder, part, count):
    """SIGKILL this process at its count-th change of the file system in a part of the folder."""
    left = [count]

    def hook(event, arguments):
        changes = event in ("os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir") or (
            event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+")
        )
        paths = f"{arguments[0]} {arguments[1]}" if event in ("os.link", "os.rename") else str(arguments[:1])
        if changes and str(folder) in paths and part in paths:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def shift_clock(seconds):
    """Move the wall clock."""
    real = time.time
    time.time = lambda: real() + seconds

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(time.time(), tz)

    datetime.datetime = Shifted


def starve(width):
    """Let every program of more than so many lanes run out of memory, as XLA says it."""
    import jax

    from adam_vs_gd.engine import runner

    real = runner.run_chunk

    def run_chunk(ready, *rest):
        if ready.group.width > width:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4294967296 bytes.")
        return real(ready, *rest)

    runner.run_chunk = run_chunk


class Run:
    """A running command."""

    def __init__(self, *arguments, scratch: Path, **options):
        self.text_file = scratch / f"{time.monotonic_ns()}.txt"
        self.text_file.touch()
        self.process = context.Process(target=child, args=(arguments, self.text_file, options))
        self.process.start()

    @property
    def text(self):
        return self.text_file.read_text(errors="replace")

    def says(self, *words):
        """Wait until it has said one of these, or has ended; whether it has said it."""
        return wait_until(
            lambda: any(word in self.text for word in words),
            lambda: self.process.exitcode is not None,
            lambda: f"nothing of {words} in\n{self.text}",
        )

    def send(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def end(self):
        """Its exit status; negative where a signal ended it."""
        self.process.join(HUNG)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"did not end within {HUNG:.0f} s:\n{self.text}")
        return self.process.exitcode


@dataclass
class Outcome:
    """What a kind of fault did, over all tries."""

    fault: str
    expected: str
    tried: int = 0
    lanes_lost: int = 0
    lanes_changed: int = 0
    unexpected: list[str] = field(default_factory=list)

    def expect(self, holds, otherwise):
        if not holds:
            self.unexpected.append(str(otherwise)[-2000:])

    @property
    def survived(self):
        return self.tried > 0 and not (self.lanes_lost or self.lanes_changed or self.unexpected)


class Bench:
    """A place to try faults in, with the sweep as it is without any."""

    def __init__(self, scratch: Path, spec=SPEC, options=None):
        self.scratch, self.options = scratch, options or NARROW
        self.spec_file = scratch / "faults.toml"
        self.spec_file.write_text(spec)
        self.spec = load_spec(self.spec_file)
        self.count = 0
        context.set_forkserver_preload(PRELOADED)
        began = time.monotonic()
        with mock.patch.dict(os.environ, JAX_PLATFORMS="cpu", XDG_CACHE_HOME=str(scratch / "cache")):
            self.expect_done(self.sweep(self.fresh()))  # compiles, and starts the server of all processes to come
        self.cold = time.monotonic() - began
        began = time.monotonic()
        self.whole = self.fresh()
        self.expect_done(self.sweep(self.whole))
        self.seconds = time.monotonic() - began
        self.rows = rows_of(self.whole)
        self.results = load_results(self.whole)

    def fresh(self):
        """A folder that is not there yet."""
        self.count += 1
        return self.scratch / f"sweep-{self.count}"

    def sweep(self, folder, *more, **options):
        arguments = ["sweep", self.spec_file, "--out", folder, *self.options, *more]
        return Run(*arguments, scratch=self.scratch, folder=folder, **options)

    def run(self, *arguments):
        run = Run(*arguments, scratch=self.scratch)
        return run.end(), run.text

    def expect_done(self, run):
        status = run.end()
        assert status == 0, run.text

    def check(self, outcome, folder, before=frozenset()):
        """Count what a folder has lost of `before`, or holds otherwise than it should; what it holds now."""
        now = {}
        if (folder / "journal").is_dir():
            survey = Folder(folder).journal.survey()
            outcome.expect(not survey.damaged, f"damaged after the fault: {survey.damaged}")
            now = rows_of(folder)
        outcome.lanes_lost += len(set(before) - set(now))
        outcome.lanes_changed += sum(now[lane] != self.rows[lane] for lane in now)
        return set(now)

    def check_end(self, outcome, folder):
        """The finished folder is that of an undisturbed run, bit for bit, in the journal and in dataset.zarr."""
        held = self.check(outcome, folder)
        outcome.lanes_lost += len(set(self.rows) - held)
        outcome.expect(load_results(folder).identical(self.results), "another Dataset")
        outcome.expect(zarr_copy.says(Folder(folder).zarr, self.results) == "whole", "another dataset.zarr")
        left = {path.name for path in folder.iterdir()} - {
            "spec.toml", "journal", "checkpoints", "damaged", "dataset.zarr", "figures", "log.txt", ".lock",
        }  # fmt: skip
        outcome.expect(not left, f"left behind: {left}")
        checkpoints = list(folder.glob("checkpoints/*"))
        outcome.expect(not checkpoints, f"left behind: {checkpoints}")

    def interrupted(self):
        """A folder whose sweep was interrupted in the middle of a chunk."""
        while True:
            folder = self.fresh()
            run = self.sweep(folder)
            wait_until(
                lambda folder=folder: list(folder.glob("checkpoints/*/*")),
                lambda run=run: run.process.exitcode is not None,
            )
            run.send(signal.SIGTERM)
            if run.end() == 128 + signal.SIGTERM and list(folder.glob("checkpoints/*/*")):
                return folder


def rows_of(folder):
    """{lane: its bytes} of a folder's journal."""
    found = {}
    for rows in Folder(folder).journal.chunks():
        for i, lane in enumerate(rows["lane"]):
            found[str(lane)] = {name: v[i].tobytes() for name, v in rows.items() if name not in ("lane", "about")}
    return found


MOMENTS = {
    "start, at a random time": None,
    "compilation, at a random time": None,
    "training, at a random time": None,
    "a change of a checkpoint's files": ("checkpoints", 60),
    "a change of the journal's files": ("journal", 8),
    "consolidation": ("dataset.zarr", 150),
    "any other change of files": ("", 30),
}
"""When to kill: the part of the folder and about how many changes there are to choose from, None for by the clock."""


def kills(bench, count, seed=0):
    """SIGKILL at random times and at random changes of the file system; a folder is gone on with until it is done."""
    rng = random.Random(seed)
    expected = "every committed lane stays; the end is bitwise that of an undisturbed run"
    outcomes = {moment: Outcome(f"SIGKILL: {moment}", expected) for moment in MOMENTS}
    ends = Outcome("sweeps brought to their end between these kills", expected)
    folder, held = bench.fresh(), set()
    moments = iter([moment for _ in range(count) for moment in rng.sample(list(MOMENTS), len(MOMENTS))])
    while sum(outcome.tried for outcome in outcomes.values()) < count:
        moment = next(moments)
        if at := MOMENTS[moment]:
            run = bench.sweep(folder, kill_at=(at[0], rng.randint(1, at[1])))
        else:
            run = bench.sweep(folder, *(["--no-compile-cache"] if moment.startswith("compilation") else []))
            if moment.startswith("start"):
                run.process.join(rng.uniform(0, 0.2))
            elif moment.startswith("compilation"):
                run.says("compiling")
                run.process.join(rng.uniform(0, 0.3 * bench.cold))
            else:
                run.says("at step")
                run.process.join(rng.uniform(0, 0.5 * bench.seconds))
            run.send(signal.SIGKILL)
        status = run.end()
        if status == -signal.SIGKILL:
            outcomes[moment].tried += 1
            held = bench.check(outcomes[moment], folder, held)
        else:
            ends.expect(status == 0, run.text)
            bench.check_end(ends, folder)
            ends.tried += 1
            shutil.rmtree(folder)
            folder, held = bench.fresh(), set()
    run = bench.sweep(folder)
    ends.expect(run.end() == 0, run.text)
    bench.check_end(ends, folder)
    ends.tried += 1
    return [*outcomes.values(), ends]


def births(bench, count):
    """SIGKILL at each of the first changes of a folder that was not there before."""
    outcome = Outcome("SIGKILL: each of the first changes of a new folder", "the same command trains as undisturbed")
    for k in range(1, count + 1):
        folder = bench.fresh()
        killed = bench.sweep(folder, kill_at=("", k))
        outcome.expect(killed.end() == -signal.SIGKILL, killed.text)
        outcome.tried += 1
        run = bench.sweep(folder)
        if k < count:
            run.says("at step")
            run.send(signal.SIGKILL)
            outcome.expect(run.end() == -signal.SIGKILL, run.text)
    outcome.expect(run.end() == 0, run.text)
    bench.check_end(outcome, folder)
    return [outcome]


def signals(bench, count):
    """SIGTERM or SIGINT, then in the same folder SIGTERM three times at once, then nothing."""
    once = Outcome("SIGTERM once, SIGINT once", "exit 143 or 130 within 10 s, a checkpoint, then as undisturbed")
    thrice = Outcome("SIGTERM three times at once", "exit 143, nothing committed lost, then as undisturbed")
    for k in range(count):
        number = (signal.SIGTERM, signal.SIGINT)[k % 2]
        folder = bench.fresh()
        run = bench.sweep(folder, background=number == signal.SIGINT)
        run.says(*(["compiling"] if k % 4 == 3 else ["at step"]))
        run.send(number)
        began = time.monotonic()
        status = run.end()
        once.tried += 1
        once.expect(status == 128 + number, run.text)
        once.expect(time.monotonic() - began < 10, "took too long to stop")
        once.expect("the same command goes on from there" in run.text, run.text)
        held = bench.check(once, folder)

        run = bench.sweep(folder)
        run.says("at step")
        for _ in range(3):
            run.send(signal.SIGTERM)
            time.sleep(0.01)
        thrice.tried += 1
        thrice.expect(run.end() == 143, run.text)
        held = bench.check(thrice, folder, held)
        bench.expect_done(bench.sweep(folder))
        bench.check(thrice, folder, held)
        for outcome in (once, thrice):
            bench.check_end(outcome, folder)
    return [once, thrice]


def damage(content, how, rng):
    """Content after a fault of the disk."""
    if how == "truncated":
        return content[: rng.randrange(len(content))]
    if how == "zeroed":
        start = rng.randrange(len(content))
        return content[:start] + bytes(len(content) - start)
    bad = bytearray(content)
    bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    return bytes(bad)


def rotten_chunks(bench, count, seed=0):
    """A chunk's file truncated, zeroed from somewhere on, or with one bit flipped."""
    rng = random.Random(seed)
    outcomes = []
    folder = bench.fresh()
    shutil.copytree(bench.whole, folder)
    files = Folder(folder).journal.files()
    tries_of = {"truncated": count // 4, "zeroed": count // 4, "bit flipped": count}
    for how, tries in tries_of.items():
        outcome = Outcome(f"a chunk's file {how}", "noticed when read, never served")
        for _ in range(max(1, tries)):
            path = rng.choice(files)
            good = path.read_bytes()
            bad = damage(good, how, rng)
            if bad == good:
                continue
            path.write_bytes(bad)
            outcome.tried += 1
            survey = Folder(folder).journal.survey()
            served = {lane for lane in survey.done if lane not in bench.rows}
            outcome.expect([d.path for d in survey.damaged] == [path], f"not noticed: {path}")
            outcome.lanes_changed += len(served)
            path.write_bytes(good)
        outcomes.append(outcome)
    commands = {"the sweep again": ("sweep", bench.spec_file, "--out"), "verify --repair": ("verify", "--repair")}
    for name, command in commands.items():
        outcome = Outcome(f"damaged chunks, and {name}", "named, set aside, only their lanes recomputed, bit for bit")
        folder = bench.fresh()
        shutil.copytree(bench.whole, folder)
        files = Folder(folder).journal.files()
        bad = rng.sample(files, len(tries_of))
        others = {path: path.stat().st_mtime_ns for path in files if path not in bad}
        for how, path in zip(tries_of, bad, strict=True):
            path.write_bytes(damage(path.read_bytes(), how, rng))
            outcome.tried += 1
        status, text = bench.run("verify", folder)
        outcome.expect(status == 1 and all(path.name in text for path in bad), text)
        status, text = bench.run(*command, folder, *NARROW)
        outcome.expect(status == 0 and all(path.name in text for path in bad), text)
        outcome.expect({path: path.stat().st_mtime_ns for path in others} == others, "another chunk was written again")
        outcome.expect(len(list((folder / "damaged").iterdir())) == len(bad), "not set aside")
        bench.check_end(outcome, folder)
        outcomes.append(outcome)
    return outcomes


def rotten_checkpoints(bench, count, seed=0):
    """One bit of a checkpoint flipped, in any of its files."""
    from adam_vs_gd.store.checkpoint import Checkpoints

    rng = random.Random(seed)
    folder = bench.interrupted()
    (snapshot,) = Checkpoints(folder / "checkpoints", 0, MADE, print).load()
    read = Outcome("a bit of a checkpoint flipped, and it is read", "noticed, or without effect")
    files = [path for path in folder.glob("checkpoints/**/*") if path.is_file() and path.stat().st_size]
    for _ in range(count):
        copy = bench.fresh()
        shutil.copytree(folder / "checkpoints", copy)
        path = copy / rng.choice(files).relative_to(folder / "checkpoints")
        path.write_bytes(damage(path.read_bytes(), "bit flipped", rng))
        told = []
        found = list(Checkpoints(copy, 0, MADE, told.append).load())
        same = found and all(
            a.tobytes() == b.tobytes()
            for a, b in zip(
                [*found[0].state, *found[0].paths.values()], [*snapshot.state, *snapshot.paths.values()], strict=True
            )
        )
        read.tried += 1
        read.expect(told or (same and found[0].step == snapshot.step), f"not noticed: {path}")
        shutil.rmtree(copy)
    rerun = Outcome("a checkpoint's data flipped, and the sweep again", "noticed, the chunk restarted")
    for _ in range(max(1, count // 50)):
        folder = bench.interrupted()
        for path in folder.glob("checkpoints/**/d/*"):
            path.write_bytes(damage(path.read_bytes(), "bit flipped", rng))
        run = bench.sweep(folder)
        rerun.tried += 1
        rerun.expect(run.end() == 0 and "damaged" in run.text, run.text)
        bench.check_end(rerun, folder)
    return [read, rerun]


def full_disk(bench, sizes=(4000, 9000)):
    """Files may not grow beyond so many bytes, as on a full disk or under a quota; a chunk has 12 kB."""
    outcome = Outcome("disk full (limit of a file's size)", "exit 1 with one message, what was committed stays")
    for largest in sizes:
        folder = bench.fresh()
        first = bench.sweep(folder)
        wait_until(lambda folder=folder: len(Folder(folder).journal.files()) >= 2)
        first.send(signal.SIGKILL)
        first.end()
        held = bench.check(outcome, folder)
        run = bench.sweep(folder, largest_file=largest)
        outcome.tried += 1
        status = run.end()
        outcome.expect(status == 1 and run.text.count("cannot be written to") == 1, f"{status} {run.text}")
        outcome.expect("Traceback" not in run.text, run.text)
        bench.check(outcome, folder, held)
        bench.expect_done(bench.sweep(folder))
        bench.check_end(outcome, folder)
    return [outcome]


def bad_folders(bench):
    """A folder that cannot be written to, and one that vanishes while the sweep runs."""
    read_only = Outcome("a folder that cannot be made or written to", "exit 2 with one message, nothing started")
    for place in ("/proc/sweep", bench.spec_file / "sweep"):
        status, text = bench.run("sweep", bench.spec_file, "--out", place, *NARROW)
        read_only.tried += 1
        read_only.expect(status == 2 and "choose another" in text and "Traceback" not in text, f"{status} {text}")
    vanished = Outcome("the folder vanishes", "exit 1 with one message")
    folder = bench.fresh()
    run = bench.sweep(folder)
    run.says("chunk 1/6 at step")
    folder.rename(bench.fresh())
    vanished.tried += 1
    status = run.end()
    vanished.expect(status == 1 and "vanished" in run.text and "Traceback" not in run.text, f"{status} {run.text}")
    return [read_only, vanished]


def two_at_once(bench):
    """Two processes on one folder."""
    refused = Outcome("a second process in the folder", "exit 2, names host and process of the first")
    waited = Outcome("a second process with --wait", "waits, finds everything there")
    folder = bench.fresh()
    first = bench.sweep(folder)
    first.says("at step")
    os.kill(first.process.pid, signal.SIGSTOP)
    second = bench.sweep(folder)
    refused.tried += 1
    refused.expect(second.end() == 2 and f"process {first.process.pid}" in second.text, second.text)
    shown = Outcome("show from another terminal while a sweep runs", "what is there, who runs, and how far it is")
    shown.tried += 1
    status, text = bench.run("show", folder)
    shown.expect(status == 0 and f"process {first.process.pid}, runs a sweep" in text and "at step" in text, text)
    third = bench.sweep(folder, "--wait")
    third.says("waiting for it")
    os.kill(first.process.pid, signal.SIGCONT)
    waited.tried += 1
    waited.expect(first.end() == 0, first.text)
    waited.expect(third.end() == 0 and f"{LANES} of {LANES} lanes are there" in third.text, third.text)
    bench.check_end(waited, folder)

    dead = Outcome("the lock's holder is dead", "goes on at once")
    folder = bench.fresh()
    first = bench.sweep(folder)
    first.says("at step")
    first.send(signal.SIGKILL)
    first.end()
    dead.tried += 1
    dead.expect((folder / ".holder.json").exists(), "the holder left no word")
    bench.expect_done(bench.sweep(folder))
    bench.check_end(dead, folder)
    return [refused, waited, shown, dead]


def two_without_locks(bench, count=20, seed=0):
    """Two processes in one folder whose file system has no locks, the second a little later."""
    rng = random.Random(seed)
    both = Outcome("two processes at once, no locks", "both end, each lane right")
    for k in range(count):
        folder = bench.fresh()
        first = bench.sweep(folder, no_locks=True)
        first.process.join(rng.uniform(0, 0.5) if k else 0)
        second = bench.sweep(folder, *([] if k % 2 else ["--memory", "1GiB"]), no_locks=True)
        both.tried += 1
        for run in (first, second):
            both.expect(run.end() == 0, run.text)
        both.expect(set(bench.check(both, folder)) == set(bench.rows), "lanes are missing")
        both.expect(load_results(folder).identical(bench.results), "another Dataset")
        both.expect(zarr_copy.says(Folder(folder).zarr, bench.results) == "whole", "another dataset.zarr")
    return [both]


def moved_clock(bench, moves=(-10, 10)):
    """The clock goes back ten years between two runs, or ahead, and files are from the future."""
    outcome = Outcome("the clock moved ten years back, or ahead", "as undisturbed")
    for years in moves:
        folder = bench.interrupted()
        for path in folder.rglob("*"):
            os.utime(path, (time.time() - years * 3e7,) * 2)
        run = bench.sweep(folder, clock=years * 3e7)
        outcome.tried += 1
        outcome.expect(run.end() == 0, run.text)
        bench.check_end(outcome, folder)
    return [outcome]


def edited_spec(bench):
    """The spec changes between two runs: a fixed value, and an axis."""
    outcome = Outcome("the spec edited between runs", "a fixed value is refused by name; an axis grows, all is reused")
    folder = bench.interrupted()
    held = bench.check(outcome, folder)
    run = bench.sweep(folder, "--set", "data.n=10")
    outcome.tried += 1
    outcome.expect(run.end() == 2 and "data.n: 8 there, 10 here" in run.text, run.text)
    held = bench.check(outcome, folder, held)
    run = bench.sweep(folder, "--set", "data.alpha=[0.0, 0.2, 0.4, 0.6, 0.8]")
    outcome.tried += 1
    outcome.expect(run.end() == 0, run.text)
    more = load_results(folder)
    outcome.lanes_lost += len(held - set(rows_of(folder)))
    outcome.expect(more.sizes["alpha"] == 5 and bool((more.status > 0).all()), "not computed")
    for name in bench.results.data_vars:
        same = more[name].sel(alpha=bench.results.alpha).values.tobytes() == bench.results[name].values.tobytes()
        outcome.lanes_changed += not same
    return [outcome]


def out_of_memory(bench):
    """Programs that XLA has no memory for, at two widths, and at all."""
    halved = Outcome("out of memory at two widths", "goes on with half the width, says so, every lane right")
    for width in (8, 4):
        folder = bench.fresh()
        arguments = ["sweep", bench.spec_file, "--out", folder, *ALONE]
        run = Run(*arguments, scratch=bench.scratch, memory_for=width)
        halved.tried += 1
        halved.expect(run.end() == 0 and "out of memory at width 12" in run.text, run.text)
        halved.expect(width == 8 or "out of memory at width 6: going on with 4" in run.text, run.text)
        halved.expect(load_results(folder).drop_attrs().identical(bench.results.drop_attrs()), "another Dataset")
    never = Outcome("out of memory at the narrowest width", "exit 1, the lanes stay pending")
    folder = bench.fresh()
    run = Run("sweep", bench.spec_file, "--out", folder, *ALONE, scratch=bench.scratch, memory_for=1)
    never.tried += 1
    never.expect(run.end() == 1 and "24 lanes are not computed" in run.text, run.text)
    never.expect(not load_results(folder).status.any(), "something was computed")
    return [halved, never]


def diverging_lane(bench):
    """A lane that is NaN from its first step on, among 31 healthy ones of its chunk."""
    outcome = Outcome("a lane that is NaN from step 1, among 31", "diverged; the others bitwise as without it")
    found = []
    for eta in (1e-3, 4e37):
        folder = bench.fresh()
        etas = [1e-4 * (k + 1) for k in range(31)] + [eta * 7]
        sets = ["--set", f"optimizers.adam.eta={etas}", "seeds=1", "data.alpha=0.2"]
        run = Run("sweep", bench.spec_file, "--out", folder, *ALONE, *sets, scratch=bench.scratch)
        outcome.expect(run.end() == 0, run.text)
        found.append(load_results(folder).sel(optimizer="adam"))
    outcome.tried += 1
    well, ill = found
    last = ill.isel(eta_index=31)
    outcome.expect(bool((last.status == 1).all()) and bool(np.isnan(last.test_error).all()), "not diverged")
    for name in well.data_vars:
        same = (
            well[name].isel(eta_index=slice(31)).values.tobytes()
            == ill[name].isel(eta_index=slice(31)).values.tobytes()
        )
        outcome.lanes_changed += not same
    return [outcome]


def all_faults(bench, kill_count, flips, seed=0):
    """Every fault."""
    yield from kills(bench, kill_count, seed)
    yield from births(bench, min(15, kill_count))
    yield from signals(bench, max(3, kill_count // 20))
    yield from rotten_chunks(bench, flips, seed)
    yield from rotten_checkpoints(bench, flips, seed)
    for faults in (
        full_disk,
        bad_folders,
        two_at_once,
        two_without_locks,
        moved_clock,
        edited_spec,
        out_of_memory,
        diverging_lane,
    ):
        yield from faults(bench)


def table(outcomes, command, bench, seconds):
    """The outcomes as a page."""
    from adam_vs_gd.store.provenance import processor, provenance

    rows = ["| fault | tried | lanes lost | lanes changed | what must happen | as it must |", "| --- " * 6 + "|"]
    signed = sum(o.tried for o in outcomes if o.fault.startswith("SIGKILL"))
    for o in outcomes:
        held = "yes" if o.survived else f"NO: {len(o.unexpected)} times not"
        rows.append(f"| {o.fault} | {o.tried} | {o.lanes_lost} | {o.lanes_changed} | {o.expected} | {held} |")
    made = provenance()
    return (
        "# Reliability\n\nFaults done to real processes of a small sweep "
        f"({LANES} lanes in 6 chunks, a checkpoint after every segment), and what was lost; {signed} of them SIGKILLs. "
        f"Made by\n\n```\n{command}\n```\n\nin {seconds / 60:.0f} minutes on {os.cpu_count()} cores of {processor()}; "
        f"commit {made['commit']}, Python {made['python']}; {made['versions']}.\n\nEach kill goes on in the folder "
        "that the one before it left. A sweep that comes to its end is compared bit for bit with an undisturbed one: "
        "its journal, its Dataset, its `dataset.zarr`, and what it leaves behind. Workers are processes of Dask "
        "on this machine, two unless said otherwise, and the sweep is a longer one of the same kind.\n\n"
        + "\n".join(rows)
        + "\n"
    )


def main():
    parser = argparse.ArgumentParser(description="Try faults on sweeps, and write the table of what was lost.")
    parser.add_argument("--kills", type=int, default=60, help="how many SIGKILLs (default: 60)")
    parser.add_argument("--flips", type=int, default=200, help="how many bit flips (default: 200)")
    parser.add_argument("--worker-kills", type=int, default=30, help="how many SIGKILLs of workers (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--out", type=Path, help="file of the table; printed otherwise")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        bench, outcomes = Bench(Path(scratch)), []
        import worker_faults

        of_workers = worker_faults.all_faults(Path(scratch) / "workers", options.worker_kills, options.seed)
        of_one = all_faults(bench, options.kills, options.flips, options.seed)
        for outcome in itertools.chain(of_one, of_workers):
            outcomes.append(outcome)
            says = [f"{outcome.fault}: {outcome.tried} tried", *outcome.unexpected]
            print("\n".join(says), file=sys.stderr, flush=True)
        text = table(outcomes, "python " + " ".join(sys.argv), bench, time.monotonic() - began)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    return not all(outcome.survived for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())
