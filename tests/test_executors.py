"""Chunks handed to somebody else's workers: the same numbers, and whatever befalls the workers."""

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

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
from adam_vs_gd.engine.task import Answer, Job, Kept, Task, pickled, shape_of
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
            for path in tmp_path.glob(f"sweep/{WORKERS}/*/[!.]*.json"):  # said, not being written
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

    def shun(self, worker):
        return False

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


def steady(crew, **keys):
    """`by` on a clock that goes on by a poll whenever nothing else happens."""
    now = [0.0]

    def wait(futures, timeout, return_when=None):
        done = {future for future in futures if future.done()}
        if not done:
            now[0] += timeout
            crew.at(now[0])
        return done, set(futures) - done

    told, lanes = [], []
    reports = Reports(
        told.append, lambda: None, lambda kept: lanes.extend(kept.lanes), list, lambda chunk: None, lambda m: None
    )
    job = Job("token", {}, b"", Settings())
    gone = dispatch(job, PLAN, crew, reports, Meter(PLAN), wait=wait, clock=lambda: now[0], **keys)
    return gone, lanes, told, now[0]


def test_a_worker_without_a_sign_of_life_is_lost_and_one_that_gives_signs_is_not():
    late, slow, forgotten = [], [], []

    class Mute(Crew):
        def submit(self, task):
            if not late:
                late.append(task)  # says something once, and never again
                self.said[task.attempt] = {"worker": "mute", "kept": [], "said": [], "beat": 1}
                return Future()
            if not slow:
                slow.append((task, future := Future()))  # takes as long, and says so
                return future
            return super().submit(task)

        def at(self, now):
            ((task, future),) = slow
            self.said[task.attempt] = {"worker": "slow", "kept": [], "said": [], "beat": now}
            if now > 200 and not future.done():
                future.set_result(well(task))

        def forget(self, attempt):
            forgotten.append(attempt)
            super().forget(attempt)

    crew = Mute(lambda task, k: (well(task), Far()))
    gone, lanes, told, ended = steady(crew, silence=60.0)
    assert sorted(lanes) == EVERY
    assert not gone.lanes
    assert late[0].attempt in forgotten, "so that it may leave it when it wakes"
    assert [line for line in told if "was lost" in line] == [
        "mute: was lost in the middle of a chunk (silent for 1 min 00 s); it is handed out again"
    ]
    assert ended > 200


def test_where_everything_breaks_at_once_the_chunk_that_did_it_is_found():
    """A process pool breaks with all that it had: the last try of each chunk is made alone."""
    alone = []

    class Pools(Crew):
        def __init__(self):
            super().__init__(None)
            self.open = {}

        def submit(self, task):
            future = Future()
            self.open[future] = task
            self.said[task.attempt] = {"worker": "w", "kept": [], "said": [], "beat": 1}
            return future

        def at(self, now):
            killer = any(task.chunk.digest == FIRST for task in self.open.values())
            alone.extend(task.chunk.digest for task in self.open.values() if len(self.open) == 1)
            for future, task in self.open.items():
                if killer:
                    future.set_exception(LOST)
                else:
                    future.set_result(well(task))
            self.open = {}

    gone, lanes, _, _ = steady(Pools())
    assert [chunk.digest for chunk, _ in gone.killers] == [FIRST]
    assert sorted([*lanes, *(lane.digest for lane in gone.killers[0][0].lanes)]) == EVERY
    assert FIRST in alone


def test_what_a_dead_worker_has_published_is_not_trained_again():
    class Partly(Crew):
        def submit(self, task):
            future = super().submit(task)
            if len(self.taken) == 1:
                done = [lane.digest for lane in task.chunk.lanes[:2]]
                kept = [[lane, 1, 0.5] for lane in done]
                part = {"lanes": done, "seconds": 1.0}
                self.said[task.attempt] |= {"kept": kept, "published": [part], "begun": ["a-checkpoint"]}
            return future

    crew = Partly(lambda task, k: (LOST if k == 1 else well(task), Far(0, 5, 40, 1.0)))
    gone, lanes, _ = by(crew)
    first, again = crew.taken[0], next(task for task in crew.taken[1:] if "a-checkpoint" in task.begun)
    assert again.chunk.lanes == first.chunk.lanes[2:]
    assert sorted(lanes) == EVERY, "what was published counts, once"
    assert not gone.lanes


def test_a_chunk_that_nobody_ever_begins_is_given_up_in_the_end():
    def fate(task, k):
        return (LOST, None) if task.chunk.digest == FIRST else (well(task), Far())

    crew = Crew(fate)
    crew.said["another"] = {"worker": "w", "kept": [], "said": []}
    gone, lanes, told = by(crew)
    assert [chunk.digest for chunk, _ in gone.killers] == [FIRST]
    assert len(lanes) == len(EVERY) - 4
    assert any("before anybody had begun it" in line for line in told)


def test_a_try_that_somebody_has_begun_before_is_a_death_and_not_trained_again(tmp_path):
    """An executor that tries again by itself must not hide how often workers die in a chunk."""
    words = Words(tmp_path / "token")
    words.make()
    words.say("attempt", {"worker": "who has died", "host": "elsewhere", "pid": 1})
    chunk = PLAN.groups[0].chunks[0]
    job = Job("token", SPEC.to_dict(), pickled({}), Settings(devices=1, compile_cache=False), words=words.path)
    task = Task(job, "attempt", shape_of(PLAN.groups[0]), chunk)
    assert errand.work(*errand.parcel(task)).lost
    assert dict(words.heard())["attempt"]["worker"] == "who has died"
    crew = Crew(lambda task, k: (Answer(lost=True) if task.chunk.digest == FIRST else well(task), Far(0, 1, 40, 1.0)))
    gone, _, _ = by(crew)
    assert [chunk.digest for chunk, _ in gone.killers] == [FIRST]


def test_a_chunk_that_has_to_stop_when_it_is_done_is_done(tmp_path):
    """A signal between the last lane and the end leaves nothing to be handed out again."""
    group = PLAN.groups[0]
    job = Job("another token", SPEC.to_dict(), pickled({}), Settings(devices=1, compile_cache=False))
    task = Task(job, "attempt", shape_of(group), group.chunks[0])
    bench, _ = errand.bench_of(job)
    done = []

    class Late:
        def kept(self, kept):
            done.extend(kept.lanes)

        def check(self):
            if done:
                raise worker.StoppedError

        def __getattr__(self, name):
            return lambda *_: None

    answer = worker.carry_out(bench, task, Late())
    assert not answer.stopped
    assert len(done) == len(group.chunks[0].lanes)


def test_a_worker_of_another_version_refuses_before_it_unpacks_anything(monkeypatch):
    monkeypatch.setattr(errand, "PAUSE_SECONDS", 0.0)
    answer = errand.work("0.0", b"what only another version could unpack")
    assert "it has adam-vs-gd" in answer.refused
    assert answer.refused.endswith("and the run 0.0")
    said = errand.look("0.0", b"")
    assert isinstance(said.error, ag.ExecutorError)
    assert str(said.error).endswith("and the run 0.0; start workers with the same")


def test_half_of_the_lanes_here_and_half_there(alone, tmp_path):
    """Some chunks by this process, the others by two workers, and whatever is left by this process again."""
    less = small.spec(steps=40, record=2, seeds=1, optimizers={"adam": {}, "gd": {}}, data={"alpha": [0.0, 0.4, 0.6]})
    ag.run_sweep(less, tmp_path / "sweep", **NARROW)
    with spawned(2) as pool:
        results = ag.run_sweep(SPEC, tmp_path / "sweep", executor=pool, **NARROW)
    assert results.identical(alone)
    text = (tmp_path / "sweep" / "log.txt").read_text()
    assert "6 of 16 lanes are there, 10 to train" in text


def test_two_threads_of_one_process_train_one_after_the_other(alone):
    with ThreadPoolExecutor(2) as pool:
        assert ag.run_sweep(SPEC, executor=pool, **NARROW).identical(alone)


def test_words_of_a_run_whose_driver_is_gone(tmp_path):
    """Who is dead is not waited for; who lives is told to stop, and finds that its run is over."""
    ag.run_sweep(SPEC, tmp_path / "sweep", **NARROW)
    words = Words(tmp_path / "sweep" / WORKERS / "token")
    words.make()
    dead = multiprocessing.get_context("spawn").Process(target=int)
    dead.start()
    dead.join()
    words.say("attempt", {"worker": "w", "host": socket.gethostname(), "pid": dead.pid, "beat": 3})
    assert words.has("attempt")
    assert words.alive() == {}
    job = Job("token", {}, b"", Settings(), folder=tmp_path / "sweep", words=words.path)
    post = errand.Posted(Task(job, "mine", {}, PLAN.groups[0].chunks[0]), "w")
    post.say()
    assert words.alive().keys() == {"mine"}
    post.check()
    words.forget("mine")
    with pytest.raises(worker.StoppedError):
        post.check()
    post = errand.Posted(Task(job, "another", {}, PLAN.groups[0].chunks[0]), "w")
    ag.run_sweep(SPEC, tmp_path / "sweep", **NARROW)  # takes over
    assert not words.path.exists()
    with pytest.raises(worker.StoppedError):
        post.check()
    (tmp_path / "sweep").rename(tmp_path / "gone")
    post.check()  # the folder is gone from here, which says nothing of the run


def test_sigterm_in_a_process_that_trains_leaves_a_checkpoint(tmp_path):
    """The main thread of a pool's process: the chunk is left, and the process ends, before anything kills it."""
    script = (
        "import signal, sys, threading, time\n"
        "from adam_vs_gd.engine import errand\n"
        "errand.heed()\n"
        "with errand.AT_WORK:\n"
        "    print('at work', flush=True)\n"
        "    assert errand.STOPPING.wait(60)\n"
        "    time.sleep(0.5)\n"
        "    print('left', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "left\n"
        assert process.wait(20) == 128 + signal.SIGTERM


def test_a_word_that_was_ended_is_no_silence():
    """A job that was put into the queue again, properly, may wait there for days; what it had published is known."""
    future, task = Future(), []

    class Queued(Crew):
        def submit(self, handed):
            if task:
                return super().submit(handed)
            task.append(handed)
            lanes = [lane.digest for lane in handed.chunk.lanes[:1]]
            self.said[handed.attempt] = {
                "worker": "first", "said": [], "beat": 4, "kept": [[lanes[0], 1, 0.5]],
                "published": [{"lanes": lanes, "seconds": 1.0}],
            }  # fmt: skip
            return future

        def at(self, now):
            if 10 < now < 1000:
                self.said.pop(task[0].attempt, None)
            elif now < 1010:
                self.said[task[0].attempt] = {"worker": "second", "said": [], "kept": [], "beat": 1}
            elif not future.done():
                future.set_exception(LOST)

    crew = Queued(lambda task, k: (well(task), Far()))
    gone, lanes, told, ended = steady(crew, silence=60.0)
    assert ended > 1000
    assert not any("silent" in line for line in told)
    assert sorted(lanes) == EVERY
    assert not gone.lanes


def test_a_worker_that_dies_while_it_is_asked_is_not_the_end(alone):
    """The first question is put again, to whoever is there by then."""
    made = []

    class Dying(ThreadPoolExecutor):
        def submit(self, call, *arguments):
            if len(made) < 3:
                future = Future()
                future.set_exception(LOST)
                return future
            return super().submit(call, *arguments)

    def make():
        made.append(1)
        return Dying(1)

    assert ag.run_sweep(SPEC, executor=make, **NARROW).identical(alone)
    assert len(made) == 3
    del made[:]
    made.append(-100)
    with pytest.raises(ag.ExecutorError, match=r"no worker could say what it computes with .*a process died"):
        ag.run_sweep(SPEC, executor=Dying(1), **NARROW)


def test_a_batch_system_that_fails_for_a_while(monkeypatch):
    from adam_vs_gd.engine import jobs

    monkeypatch.setattr(jobs, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(jobs, "TEND_SECONDS", 0.05)
    fails = [OSError(5, "sbatch: error: Slurm controller not responding")] * 2

    class Job:
        def __init__(self):
            self.looks = [OSError(116, "Stale file handle"), True]

        def done(self):
            found = self.looks.pop(0) if len(self.looks) > 1 else True
            if isinstance(found, OSError):
                raise found
            return found

        def exception(self):
            return None

        def result(self):
            return 3

    class Queue:
        batch = contextlib.nullcontext

        def submit(self, errand, *arguments):
            if fails:
                raise fails.pop()
            return Job()

    queue = jobs.Jobs(Queue(), 2)
    pool = jobs.JobPool(queue, Words(Path("nowhere")), together=False)
    assert queue.submit(len, "abc").result(20) == 3
    with pytest.warns(UserWarning, match="trying again for 30 min: .*Slurm controller"):
        pool.room()
    assert pool.room() == 2
    fails.extend([RuntimeError("no such partition")] * 1000)
    monkeypatch.setattr(jobs, "PATIENCE", 0.2)
    with pytest.raises(ag.ExecutorError, match="no such partition"):
        queue.submit(len, "abc").result(20)
    with pytest.raises(RuntimeError, match="no such partition"):
        queue.submit(len, "abc")
    queue.shutdown()
