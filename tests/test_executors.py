"""Chunks handed to somebody else's workers: the same numbers, and whatever befalls the workers."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import foreign
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd.engine import dispatch as dispatching
from adam_vs_gd.engine import errand, worker
from adam_vs_gd.engine.crew import Reports
from adam_vs_gd.engine.dispatch import DEATHS, dispatch
from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.engine.progress import Far, Meter
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.engine.task import Answer, Job, Kept
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.store.folder import WORKERS, Folder
from adam_vs_gd.store.words import Words

SPEC = small.spec(steps=40, record=2, seeds=2, optimizers={"adam": {}, "gd": {}}, data={"alpha": [0.0, 0.2, 0.4, 0.6]})
NARROW = {"memory": 100_000, "devices": 1, "quiet": True}
PLAN = small.make_plan([lane for _, lane in cells(SPEC)], Limits(1, 2**40, 2**40, 4))


def spawned(count=2):
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def alone():
    return ag.run_sweep(SPEC, **NARROW)


def test_threads_are_workers_too(alone, tmp_path):
    """A worker that trains in a thread that is not the main one: what it publishes, and what it hands back."""
    with ThreadPoolExecutor(1) as pool:
        assert ag.run_sweep(SPEC, executor=pool, **NARROW).identical(alone)
        assert ag.run_sweep(SPEC, tmp_path / "sweep", executor=pool, **NARROW).identical(alone)
    assert len(Folder(tmp_path / "sweep").journal.files()) > 1
    assert not (tmp_path / "sweep" / WORKERS).exists()
    assert ag.load_results(tmp_path / "sweep").identical(alone)


def test_workers_that_do_not_see_the_folder_hand_their_rows_back(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(Words, "seen", lambda words: False)
    handed = []
    real = Folder(tmp_path).journal.commit.__func__
    main = threading.get_ident()

    def commit(journal, *arguments):
        handed.append(threading.get_ident() == main)
        real(journal, *arguments)

    monkeypatch.setattr("adam_vs_gd.store.journal.Journal.commit", commit)
    with ThreadPoolExecutor(1) as pool:
        assert ag.run_sweep(SPEC, tmp_path / "sweep", executor=pool, **NARROW).identical(alone)
    assert handed
    assert all(handed), "published by the driver"


def test_a_worker_that_cannot_write_hands_its_rows_back(alone, tmp_path, monkeypatch):
    real = Folder(tmp_path).journal.commit.__func__
    main = threading.get_ident()

    def commit(journal, *arguments):
        if threading.get_ident() != main:
            raise OSError(28, "No space left on device")
        real(journal, *arguments)

    monkeypatch.setattr("adam_vs_gd.store.journal.Journal.commit", commit)
    with ThreadPoolExecutor(1) as pool:
        assert ag.run_sweep(SPEC, tmp_path / "sweep", executor=pool, **NARROW).identical(alone)
    assert "No space left" in (tmp_path / "sweep" / "log.txt").read_text()


def test_a_function_by_a_pool_that_loses_a_worker(tmp_path, monkeypatch):
    """A real SIGKILL in the middle of a chunk: the pool is made anew, and the numbers are those without it."""
    training = (foreign.decay_init, foreign.decay_step, foreign.decay_measure)
    keys = {"axes": {"eta": [0.1, 0.2, 0.3, 0.4]}, "static": {"width": [3, 4]}, "seeds": 2, "steps": 20, "quiet": True}
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    killed, pools = [], []

    def make():
        pools.append(spawned(1))
        return pools[-1]

    def kill():
        while not killed:
            for path in tmp_path.glob(f"sweep/{WORKERS}/*/*.json"):
                for pid in list(pools[-1]._processes or {}):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(path)
                return
            time.sleep(0.001)

    killer = threading.Thread(target=kill)
    killer.start()
    results = ag.sweep_function(training, out=tmp_path / "sweep", executor=make, **keys)
    killer.join()
    assert killed
    assert len(pools) == 2
    assert results.identical(ag.sweep_function(training, **keys))
    assert "was lost in the middle of a chunk" in (tmp_path / "sweep" / "log.txt").read_text()


def test_workers_that_are_forked_are_refused():
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool,
        pytest.raises(ag.MachineError, match="spawn"),
    ):
        ag.run_sweep(SPEC, executor=pool, **NARROW)


def test_what_is_no_executor_is_refused():
    with pytest.raises(ag.MachineError, match=r"executor = 3.*concurrent\.futures"):
        ag.run_sweep(SPEC, executor=3, **NARROW)


class Crew:
    """Workers as a test wants them: what a chunk's attempt comes to, and what was said of it until then."""

    def __init__(self, fate, room=3):
        self.fate, self.places, self.said, self.taken = fate, room, {}, []

    def submit(self, task):
        self.taken.append(task)
        future = Future()
        answer, word = self.fate(task, len(self.taken))
        if word is not None:
            self.said[task.attempt] = {"worker": "w", "kept": [], "said": [], "far": word}
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future

    def room(self):
        return self.places

    def words(self):
        return list(self.said.items())

    def forget(self, attempt):
        self.said.pop(attempt, None)

    def renew(self):
        return False

    def stop(self):
        self.said["stopped"] = {"worker": "", "kept": [], "said": []}


def well(task):
    lanes = tuple(lane.digest for lane in task.chunk.lanes)
    return Answer([Kept(lanes, (1,) * len(lanes), (0.5,) * len(lanes), {}, {"seconds": 0.0})])


def by(crew):
    """What a dispatch gave up, the lanes that it was handed, and what it told."""
    told, lanes = [], []
    reports = Reports(
        told.append, lambda: None, lambda kept: lanes.extend(kept.lanes), list, lambda chunk: None, lambda m: None
    )
    gone = dispatch(Job("token", {}, b"", Settings()), PLAN, crew, reports, Meter(PLAN))
    return gone, lanes, told


LOST = BrokenProcessPool("a process died")
EVERY = sorted(lane.digest for group in PLAN.groups for chunk in group.chunks for lane in chunk.lanes)
FIRST = PLAN.groups[0].chunks[0].digest


def test_a_chunk_that_kills_its_workers_is_given_up_and_the_others_are_not():
    crew = Crew(lambda task, k: (LOST if task.chunk.digest == FIRST else well(task), Far(0, 5, 40, 1.0)))
    gone, lanes, told = by(crew)
    assert [chunk.digest for chunk, _ in gone.killers] == [FIRST]
    assert sum(task.chunk.digest == FIRST for task in crew.taken) == DEATHS
    assert sorted([*lanes, *(lane.digest for lane in gone.killers[0][0].lanes)]) == EVERY
    assert any("given up" in line and FIRST in line for line in told)


def test_a_chunk_that_comes_further_each_time_is_not_given_up():
    def fate(task, k):
        return (LOST if task.chunk.digest == FIRST and k < 30 else well(task)), Far(0, k, 40, float(k))

    gone, lanes, _ = by(Crew(fate))
    assert not gone.killers
    assert sorted(lanes) == EVERY


def test_a_chunk_that_was_merely_in_the_queue_of_the_dead_is_not_counted():
    """Another chunk runs, and says so; this one has said nothing whenever its worker dies."""
    others = {"tries": 0}

    def fate(task, k):
        if task.chunk.digest == FIRST and others["tries"] < 10:
            others["tries"] += 1
            return LOST, None
        return well(task), Far()

    crew = Crew(fate, room=1)
    crew.said["another"] = {"worker": "w", "kept": [], "said": []}
    gone, lanes, _ = by(crew)
    assert others["tries"] == 10
    assert not gone.killers
    assert sorted(lanes) == EVERY


def test_a_worker_that_is_not_fit_is_named_and_the_run_ends_where_all_are():
    refused = Answer(refused="it has versions = 1, and the run 2", worker="some host")
    with pytest.raises(ag.ExecutorError, match=r"some host.*versions = 1, and the run 2"):
        by(Crew(lambda task, k: (refused, None)))
    gone, lanes, told = by(Crew(lambda task, k: (refused if k == 1 else well(task), None)))
    assert sorted(lanes) == EVERY
    assert not gone.lanes
    assert any("some host" in line and "not fit" in line for line in told)


def test_an_error_in_a_chunk_ends_the_run_and_what_others_finish_meanwhile_is_kept(monkeypatch):
    monkeypatch.setattr(dispatching, "POLL_SECONDS", 0.01)
    late = Future()

    class Slow(Crew):
        def submit(self, task):
            if len(self.taken) == 1:
                self.taken.append(task)
                late.set_running_or_notify_cancel()
                threading.Timer(0.1, lambda: late.set_result(well(task))).start()
                return late
            return super().submit(task)

    crew = Slow(lambda task, k: (Answer(error=ag.SpecError("fn", ["raises"])), None), room=2)
    told, lanes = [], []
    reports = Reports(
        told.append, lambda: None, lambda kept: lanes.extend(kept.lanes), list, lambda chunk: None, lambda m: None
    )
    with pytest.raises(ag.SpecError, match="raises"):
        dispatch(Job("token", {}, b"", Settings()), PLAN, crew, reports, Meter(PLAN))
    assert lanes == [lane.digest for lane in crew.taken[1].chunk.lanes]
    assert "stopped" in crew.said


def test_versions_and_kernels_must_agree_unless_mixing_is_allowed():
    made = {"versions": "adam-vs-gd 1, jax 1", "kernel": "avx2", "platform": "cpu"}
    assert worker.mismatch(made, made, False, {}) == ""
    other = made | {"kernel": "avx512"}
    assert "kernel = avx512, and the run avx2" in worker.mismatch(made, other, False, {})
    assert worker.mismatch(made, other, True, {}) == ""
    newer = made | {"versions": "adam-vs-gd 2, jax 1"}
    assert "adam-vs-gd 2" in worker.mismatch(made, newer, True, {})
    assert worker.mismatch(made, made | {"code": "b"}, True, {"code": "code"})


def test_an_error_travels_with_where_it_was():
    class OwnError(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    for error in (ag.SpecError("fn", ["a", "b"]), OwnError(1, 2)):
        told = errand.portable(error, "host, process 7")
        assert "host, process 7" in told.__notes__[0]
        assert str(error) in str(told)
