"""Faults that a sweep on several workers must survive: real processes of Dask, real signals. See `faults.py`.

    python tests/worker_faults.py worker SCHEDULER.json [FAULT ...]

is a worker with a fault built in, such as are started here.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import faults
from faults import NARROW, Outcome
from patience import HUNG, wait_until

SPEC = faults.SPEC.replace("steps = 2000", "steps = 200000")
"""Chunks of some seconds each, of several segments."""
PATH = [path for path in [os.environ.get("PYTHONPATH")] if path]
UNTOUCHED = "every lane is there; the end is bitwise that of a sweep in one process"


def use(fault, *rest):
    """Build a fault into this process, which is about to be a worker."""
    if fault == "version":
        from adam_vs_gd import _version

        _version.version = "99.0"
    elif fault == "starve":
        faults.starve(4)  # a program of more than four lanes finds no memory
    elif fault == "full":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))  # no chunk fits, a word does
    elif fault == "kill":
        from adam_vs_gd.engine import runner

        real = runner.run_chunk

        def run_chunk(ready, chunk, *others):
            if any(lane.digest == rest[0] for lane in chunk.lanes):
                os.kill(os.getpid(), signal.SIGKILL)
            return real(ready, chunk, *others)

        runner.run_chunk = run_chunk
    else:
        raise ValueError(fault)


def be_worker(scheduler_file, *fault):
    """What a worker's process does."""
    from distributed.cli.dask_worker import main

    if fault:
        use(*fault)
    here = [
        "--scheduler-file",
        scheduler_file,
        "--nthreads",
        "1",
        "--memory-limit",
        "0",
        "--no-dashboard",
        "--no-nanny",
    ]
    main([*here, "--host", "127.0.0.1", "--local-directory", str(Path(scheduler_file).parent)])


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, scratch: Path, count=2, fault=()):
        self.file, self.log = scratch / f"scheduler-{time.monotonic_ns()}.json", scratch / "cluster.txt"
        self.environment = {
            **os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1", "XDG_CACHE_HOME": str(scratch / "cache"),
            "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *PATH]),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        }  # fmt: skip
        self.scheduler = self.start_scheduler()
        self.workers = [self.worker(*fault) for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (*self.workers, self.scheduler):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def start(self, *command):
        with open(self.log, "ab") as log:
            return subprocess.Popen([*map(str, command)], stdout=log, stderr=log, env=self.environment)

    def start_scheduler(self):
        self.file.unlink(missing_ok=True)
        code = "from distributed.cli.dask_scheduler import main; main()"
        where = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        scheduler = self.start(sys.executable, "-c", code, "--scheduler-file", self.file, *where)
        wait_until(lambda: self.file.exists() and self.file.read_text().strip().endswith("}"))
        return scheduler

    def worker(self, *fault, before=()):
        return self.start(*before, sys.executable, __file__, "worker", self.file, *fault)

    def replace_dead(self):
        """Start a worker for each that has died, as whoever runs a cluster does."""
        for k, process in enumerate(self.workers):
            if process.poll() is not None:
                self.workers[k] = self.worker()


class Driver:
    """`adam-vs-gd sweep --executor`, in a process of its own."""

    def __init__(self, bench, folder, executor, *more):
        self.folder, self.text_file = folder, bench.scratch / f"driver-{time.monotonic_ns()}.txt"
        command = [sys.executable, "-m", "adam_vs_gd", "sweep", bench.spec_file, "--out", folder, *bench.options]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(bench.scratch / "cache")}
        with open(self.text_file, "wb") as text:
            everything = [*map(str, command), "--executor", str(executor), *map(str, more)]
            self.process = subprocess.Popen(
                everything, stdout=text, stderr=text, env=environment, start_new_session=True
            )

    @property
    def text(self):
        return self.text_file.read_text(errors="replace")

    def words(self):
        """{process of a worker: its word}, of those that train."""
        found = {}
        for path in self.folder.glob(".workers/*/[!.]*.json"):
            with contextlib.suppress(OSError, ValueError):
                word = json.loads(path.read_text())
                found[word["pid"]] = word
        return found

    def until(self, holds):
        """Wait until something holds, or the command has ended; whether it holds."""
        try:
            return wait_until(holds, lambda: self.process.poll() is not None, lambda: self.text, every=0.01)
        except AssertionError:
            self.kill()
            raise

    def trains(self, least=1):
        """Wait until workers are in the middle of chunks, past a segment; their processes."""
        found = []

        def there():
            found[:] = sorted(pid for pid, word in self.words().items() if "far" in word)
            return len(found) >= least

        assert self.until(there), self.text
        return found

    def end(self):
        try:
            return self.process.wait(HUNG)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {HUNG:.0f} s:\n{self.text}") from None

    def kill(self):
        """End it with all that it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def finished(bench, outcome, driver, status=0):
    """A run has ended as it should, and what it leaves is right."""
    found = driver.end()
    outcome.expect(found == status, f"exit {found}: {driver.text}")
    outcome.expect("Traceback" not in driver.text, driver.text)
    if status == 0:
        bench.check_end(outcome, driver.folder)
    else:
        bench.check(outcome, driver.folder)


def killed_workers(bench, count=30, seed=0):
    """SIGKILL of a worker in the middle of a chunk, at random; others are started in their place."""
    rng, outcome = random.Random(seed), Outcome("SIGKILL of a worker in a chunk", UNTOUCHED)
    with Cluster(bench.scratch) as cluster:
        while outcome.tried < count:
            folder = bench.fresh()
            driver = Driver(bench, folder, f"dask:{cluster.file}")
            while outcome.tried < count and driver.until(driver.words):
                time.sleep(rng.uniform(0, 4))
                if alive := sorted(driver.words()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(rng.choice(alive), signal.SIGKILL)
                        outcome.tried += 1
                time.sleep(0.2)
                cluster.replace_dead()
                if driver.process.poll() is not None:
                    break
            cluster.replace_dead()
            if driver.end() == 1 and "given up" in driver.text:  # three times by chance, before it came any further
                driver = Driver(bench, folder, f"dask:{cluster.file}")
            finished(bench, outcome, driver)
    return [outcome]


def local_worker_killed(bench):
    """The same of a worker that `--executor dask` has started, which its Nanny starts again."""
    outcome = Outcome("SIGKILL of a worker of --executor dask", UNTOUCHED)
    driver = Driver(bench, bench.fresh(), "dask", "--devices", "2")
    os.kill(driver.trains()[0], signal.SIGKILL)
    outcome.tried += 1
    finished(bench, outcome, driver)
    outcome.expect("was lost in the middle of a chunk" in driver.text, driver.text)
    return [outcome]


def interrupted(bench):
    """Ctrl-C in a terminal, which reaches the driver and all the processes that it has started."""
    outcome = Outcome("Ctrl-C, which workers get too", "exit 130, checkpoints; the same command goes on: " + UNTOUCHED)
    driver = Driver(bench, bench.fresh(), "dask", "--devices", "2")
    driver.trains()
    os.killpg(driver.process.pid, signal.SIGINT)
    outcome.tried += 1
    finished(bench, outcome, driver, 128 + signal.SIGINT)
    outcome.expect(list(driver.folder.glob("checkpoints/*")), "no checkpoint")
    again = Driver(bench, driver.folder, "dask", "--devices", "2")
    finished(bench, outcome, again)
    outcome.expect("go on at step" in again.text, again.text)
    return [outcome]


def zombie(bench):
    """SIGSTOP until its chunk has been given to another, then SIGCONT."""
    outcome = Outcome("SIGSTOP of a worker past --silence, then SIGCONT", UNTOUCHED)
    with Cluster(bench.scratch) as cluster:
        driver = Driver(bench, bench.fresh(), f"dask:{cluster.file}", "--silence", "12s")
        stopped, *_ = driver.trains(2)
        os.kill(stopped, signal.SIGSTOP)
        outcome.tried += 1
        outcome.expect(driver.until(lambda: "silent for" in driver.text), driver.text)
        time.sleep(1)
        os.kill(stopped, signal.SIGCONT)
        finished(bench, outcome, driver)
    return [outcome]


def scheduler_killed(bench):
    """The scheduler dies; another is started, and the same command."""
    outcome = Outcome("SIGKILL of the scheduler", "exit 1 with one message; the same command goes on: " + UNTOUCHED)
    folder = bench.fresh()
    with Cluster(bench.scratch) as cluster:
        driver = Driver(bench, folder, f"dask:{cluster.file}")
        driver.trains()
        cluster.scheduler.kill()
        outcome.tried += 1
        outcome.expect(driver.end() == 1 and "goes on from there" in driver.text, driver.text)
        outcome.expect("Traceback" not in driver.text, driver.text)
        held = bench.check(outcome, folder)
    with Cluster(bench.scratch) as cluster:
        driver = Driver(bench, folder, f"dask:{cluster.file}")
        finished(bench, outcome, driver)
        bench.check(outcome, folder, held)
    return [outcome]


def driver_killed(bench, count=3):
    """The driver dies, and is started again at once while its workers go on."""
    outcome = Outcome("SIGKILL of the driver, and again while workers run", UNTOUCHED)
    with Cluster(bench.scratch) as cluster:
        for _ in range(count):
            folder = bench.fresh()
            driver = Driver(bench, folder, f"dask:{cluster.file}")
            driver.trains()
            driver.process.kill()
            driver.process.wait()
            outcome.tried += 1
            held = bench.check(outcome, folder)
            finished(bench, outcome, Driver(bench, folder, f"dask:{cluster.file}"))
            bench.check(outcome, folder, held)
    return [outcome]


def beside_a_good_one(bench, outcome, *fault, options=()):
    """A sweep by a worker that is well and one with a fault; what it said."""
    with Cluster(bench.scratch, 1) as cluster:
        cluster.workers.append(cluster.worker(*fault))
        driver = Driver(bench, bench.fresh(), f"dask:{cluster.file}", *options)
        outcome.tried += 1
        finished(bench, outcome, driver)
    return driver.text


def other_version(bench):
    """A worker of another version beside one of this one, and alone."""
    outcome = Outcome("a worker of another version", "refused, both named; " + UNTOUCHED)
    alone = Outcome("workers of another version only", "exit 1, both named, nothing computed")
    beside_a_good_one(bench, outcome, "version")
    with Cluster(bench.scratch, 1, ("version",)) as cluster:
        driver = Driver(bench, bench.fresh(), f"dask:{cluster.file}")
        alone.tried += 1
        finished(bench, alone, driver, 1)
        alone.expect("it has adam-vs-gd 99.0, and the run" in driver.text, driver.text)
        alone.expect(not driver.folder.exists(), "something was written")
    return [outcome, alone]


def little_memory(bench):
    """A worker whose programs find no memory beyond the narrowest."""
    outcome = Outcome("a worker with less memory", "goes on narrower, and says so; " + UNTOUCHED)
    text = beside_a_good_one(bench, outcome, "starve", options=["--memory", "100kB"])
    outcome.expect("out of memory at width" in text, text)
    return [outcome]


def killer(bench):
    """A chunk in which every worker dies."""
    outcome = Outcome("a chunk that kills every worker", "given up after three, named in the end; all others are there")
    lane = sorted(bench.rows)[5]
    with Cluster(bench.scratch, 2, ("kill", lane)) as cluster:
        driver = Driver(bench, bench.fresh(), f"dask:{cluster.file}")
        while driver.process.poll() is None:
            for k, process in enumerate(cluster.workers):
                if process.poll() is not None:
                    cluster.workers[k] = cluster.worker("kill", lane)
            time.sleep(0.1)
        outcome.tried += 1
        finished(bench, outcome, driver, 1)
        outcome.expect("given up, 3 workers have died in it" in driver.text, driver.text)
        outcome.expect("4 lanes are not computed: their chunk" in driver.text, driver.text)
        held = bench.check(outcome, driver.folder)
        outcome.expect(len(set(bench.rows) - held) == 4, f"{len(held)} lanes are there")
        outcome.expect(lane not in held, "the lane is there")
    with Cluster(bench.scratch) as cluster:  # workers that are well
        finished(bench, outcome, Driver(bench, driver.folder, f"dask:{cluster.file}"))
    return [outcome]


def full_disk(bench):
    """A worker that can write no chunk."""
    outcome = Outcome("a full disk on one worker", "it hands its rows back; " + UNTOUCHED)
    text = beside_a_good_one(bench, outcome, "full")
    outcome.expect(os.strerror(errno.EFBIG) in text, text)
    return [outcome]


def unmounted(bench):
    """The folder vanishes under one worker, in a mount namespace of its own."""
    outcome = Outcome("the folder unmounted under one worker", "it hands its rows back; " + UNTOUCHED)
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        return []  # it takes root
    with Cluster(bench.scratch, 1) as cluster:
        cluster.workers.append(cluster.worker(before=["unshare", "--mount"]))
        driver = Driver(bench, bench.fresh(), f"dask:{cluster.file}")
        theirs = cluster.workers[-1].pid
        driver.until(lambda: "far" in driver.words().get(theirs, {}))
        inside, place = ["nsenter", "--target", str(theirs), "--mount"], str(driver.folder.parent)
        over = [*inside, "mount", "-t", "tmpfs", "none", place]
        outcome.expect(subprocess.run(over, capture_output=True).returncode == 0, "nothing was mounted over it")
        outcome.tried += 1
        finished(bench, outcome, driver)
    return [outcome]


def two_drivers(bench):
    """Two drivers on one folder."""
    outcome = Outcome("two drivers on one folder", "the second exits 2 and names the first, or waits; " + UNTOUCHED)
    with Cluster(bench.scratch) as cluster:
        first = Driver(bench, bench.fresh(), f"dask:{cluster.file}")
        first.trains()
        second = Driver(bench, first.folder, f"dask:{cluster.file}")
        outcome.expect(second.end() == 2 and f"process {first.process.pid}" in second.text, second.text)
        outcome.tried += 1
        third = Driver(bench, first.folder, f"dask:{cluster.file}", "--wait")
        outcome.expect(first.end() == 0, first.text)
        finished(bench, outcome, third)
    return [outcome]


def terminated(bench):
    """SIGTERM to workers that train in a thread that is not the main one."""
    outcome = Outcome("SIGTERM of a worker", "it leaves a checkpoint, from which another goes on; " + UNTOUCHED)
    with Cluster(bench.scratch) as cluster:
        driver = Driver(bench, bench.fresh(), f"dask:{cluster.file}")
        os.kill(driver.trains()[0], signal.SIGTERM)
        outcome.tried += 1
        finished(bench, outcome, driver)
        outcome.expect("go on at step" in driver.text, driver.text)
    return [outcome]


FAULTS = (
    killed_workers, local_worker_killed, interrupted, terminated, zombie, scheduler_killed, driver_killed,
    other_version, little_memory, killer, full_disk, unmounted, two_drivers,
)  # fmt: skip


def bench_at(scratch):
    """The sweep, as one process does it."""
    scratch.mkdir(exist_ok=True)
    return faults.Bench(scratch, SPEC, NARROW)


def all_faults(scratch, kill_count, seed=0):
    """Every fault."""
    bench = bench_at(scratch)
    for fault in FAULTS:
        yield from fault(bench, kill_count, seed) if fault is killed_workers else fault(bench)


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        be_worker(*sys.argv[2:])
    else:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            place = bench_at(Path(folder))
            print(f"{place.seconds:.1f} s alone", flush=True)
            for fault in FAULTS:
                if fault.__name__ in sys.argv[1:] or sys.argv[1] == "all":
                    began = time.monotonic()
                    for found in fault(place):
                        print(f"{time.monotonic() - began:.0f} s", found, flush=True)
