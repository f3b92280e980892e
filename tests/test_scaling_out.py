"""`--executor`: Dask's workers, submitit's jobs, recipes; and faults with real processes, of which docs/reliability.md
has many."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import faults
import pytest
import small
import worker_faults
import yaml
from patience import HUNG
from worker_faults import Driver, Outcome, finished

import adam_vs_gd as ag
from adam_vs_gd.engine import executors, machine, run
from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.errors import DiskError, MachineError
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.store.folder import WORKERS, Folder
from adam_vs_gd.store.words import Words

RECIPES = Path(__file__).parent.parent / "docs" / "recipes"
DOCUMENT = RECIPES.parent / "scaling-out.md"


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A sweep of some seconds, as one process does it."""
    return worker_faults.bench_at(tmp_path_factory.mktemp("workers"))


def test_dask_starts_a_worker_for_each_device_of_this_machine(slow):
    """The whole command, with a worker killed on the way."""
    (outcome,) = worker_faults.local_worker_killed(slow)
    assert outcome.survived, outcome


@pytest.mark.parametrize(
    "fault", [fault.__name__ for fault in worker_faults.FAULTS if fault is not worker_faults.local_worker_killed]
)
def test_survives(slow, fault):
    few = {"count": 3} if fault == "killed_workers" else {"count": 1} if fault == "driver_killed" else {}
    outcomes = getattr(worker_faults, fault)(slow, **few)
    if not outcomes:
        pytest.skip("it takes a mount namespace, which takes root")
    for outcome in outcomes:
        assert outcome.survived, outcome


def test_gpus_and_cores_are_shared_out_before_anything_is_imported():
    from adam_vs_gd.engine.dask_pool import shares

    assert shares(None, ["0", "3"], 8, {}) == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "3"}]
    two_each = shares(4, ["0", "3"], 8, {})
    assert [one["CUDA_VISIBLE_DEVICES"] for one in two_each] == ["0", "3", "0", "3"]
    assert all(float(one["XLA_PYTHON_CLIENT_MEM_FRACTION"]) == 0.375 for one in two_each), "JAX takes 75 % for one"
    own = shares(4, ["0", "3"], 8, {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.3", "CUDA_VISIBLE_DEVICES": "0,3"})
    assert own == [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in "0303"], "what somebody has set stays"
    assert shares(None, [], 3, {}) == 3 * [{"JAX_NUM_CPU_DEVICES": "1"}]
    for workers in (1, 2, 3, 5, 8):
        devices = [int(one["JAX_NUM_CPU_DEVICES"]) for one in shares(workers, [], 8, {})]
        assert sum(devices) == 8
        assert max(devices) - min(devices) <= 1


def test_gpus_are_found_without_starting_jax(monkeypatch):
    from adam_vs_gd.engine.dask_pool import gpus

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "jax_cuda12_plugin" or None)
    assert gpus({"CUDA_VISIBLE_DEVICES": "GPU-ab,2"}) == ["GPU-ab", "2"]
    assert gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert gpus({"CUDA_VISIBLE_DEVICES": "0", "JAX_PLATFORMS": "cpu"}) == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert gpus({"CUDA_VISIBLE_DEVICES": "0"}) == []


def test_what_dask_is_told_about_failures_and_stealing():
    """A death is told at once, no chunk is trained twice because a worker was idle, nobody is killed for memory."""
    from adam_vs_gd.engine import dask_pool

    words = Words(Path("nowhere") / "token")
    pool = dask_pool.local(words, 1)
    try:
        (worker,) = pool.known().values()
        assert worker["nthreads"] == 1
        assert worker["memory_limit"] == 0
        assert pool.room() == 2
        settings = pool.client.run_on_scheduler(settings_of_scheduler)
        assert settings == (0, False, 1.0)
        assert pool.client.run(own_devices) == dict.fromkeys(pool.known(), str(machine.cores()))
    finally:
        pool.close()


def settings_of_scheduler(dask_scheduler):
    stealing = dask_scheduler.extensions.get("stealing")
    running = stealing is not None and stealing._pc is not None and stealing._pc.is_running()
    return dask_scheduler.allowed_failures, running, dask_scheduler.WORKER_SATURATION


def own_devices():
    return os.environ.get("JAX_NUM_CPU_DEVICES")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("slurm", r'executor = "slurm": must be "dask", "dask:ADDRESS" or "submitit:CONFIG.toml"'),
        ("dask:", r"must be"),
        ("submitit", r"must be"),
        ("dask:nowhere.json", r"dask:nowhere\.json: there is no such file; `dask scheduler --scheduler-file"),
        ("submitit:nowhere.toml", r"submitit:nowhere\.toml: cannot be read"),
    ],
)
def test_what_names_nobody_is_refused_at_the_start(name, says, tmp_path):
    with pytest.raises(MachineError, match=says):
        ag.run_sweep(small.spec(), tmp_path / "sweep", executor=name, quiet=True)
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("workers = ", "is no TOML"),
        ("timeout_min = 3", "workers: must be how many jobs may run at once"),
        ("workers = 0", "it is 0"),
        ('workers = 2\ncluster = "local"\npartition = "gpu"', "partition"),
        ('workers = 2\ncluster = "lsf"', "lsf"),
    ],
)
def test_what_describes_no_jobs_is_refused_at_the_start(text, says, tmp_path):
    (tmp_path / "jobs.toml").write_text(text)
    with pytest.raises(MachineError, match=says):
        ag.run_sweep(small.spec(), tmp_path / "sweep", executor=f"submitit:{tmp_path / 'jobs.toml'}", quiet=True)
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(("name", "extra"), [("dask", "dask"), ("submitit:jobs.toml", "slurm")])
def test_what_is_not_installed_is_named(name, extra, monkeypatch):
    for module in ("distributed", "submitit"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in ("dask_pool", "jobs"):
        monkeypatch.delitem(sys.modules, f"adam_vs_gd.engine.{module}", raising=False)
        monkeypatch.delattr(f"adam_vs_gd.engine.{module}", raising=False)
    with pytest.raises(MachineError, match=re.escape(f"pip install 'adam-vs-gd[{extra}]'")):
        executors.named(name, Words(Path("nowhere")), None, None)


def test_nobody_at_an_address_is_told(tmp_path, monkeypatch):
    from adam_vs_gd.engine import dask_pool

    monkeypatch.setattr(dask_pool, "CONNECT_SECONDS", 1.0)
    with pytest.raises(ag.ExecutorError, match=r"dask:tcp://127\.0\.0\.1:9: no scheduler answers there"):
        ag.run_sweep(small.spec(), tmp_path / "sweep", executor="dask:tcp://127.0.0.1:9", quiet=True)
    assert not (tmp_path / "sweep").exists()


def jobs_at(path, **keys):
    found = {"workers": 2, "cluster": "local", "timeout_min": 60, **keys}
    path.write_text("\n".join(f"{key} = {typed(value)}" for key, value in found.items()))
    return f"submitit:{path}"


def typed(value):
    return f'"{value}"' if isinstance(value, str) else value


@pytest.mark.parametrize(("minutes", "case"), [(60, "preempted"), (10, "timed-out")])  # so submitit calls up to ten
@pytest.mark.parametrize("until", ["steps", "rest"])
def test_a_job_that_has_to_end_goes_on_from_its_checkpoint(slow, until, minutes, case, tmp_path):
    """What a batch system sends ahead of preemption and of the end of a job's time: the job is queued again."""
    if until == "rest":
        text = faults.TO_REST.replace("steps = 3000", "steps = 400000").replace("eta = 1e-2", "eta = 1e-4")
        text = text.replace("seeds = 3", "seeds = 1")  # a chunk for each of two jobs
        slow = faults.Bench(tmp_path, text, ["22kB" if word == "16.5kB" else word for word in faults.NARROW])
    outcome = Outcome(case, "")
    driver = Driver(slow, slow.fresh(), jobs_at(tmp_path / "jobs.toml", timeout_min=minutes))
    os.kill(driver.trains()[0], signal.SIGUSR2)
    outcome.tried += 1
    finished(slow, outcome, driver)
    assert outcome.survived, outcome
    assert "was lost" not in driver.text
    logs = "".join(path.read_text() for path in Path(f"{driver.folder}.jobs").glob("*.err"))
    assert f"this job is {case}" in logs, logs
    assert "Requeued job" in logs, logs
    assert re.search(r"(goes|go) on at step", driver.text), driver.text


def test_chunks_are_small_enough_for_all_workers_and_long_enough_for_one_driver():
    spec = small.spec(steps=10**6, seeds=64, data={"alpha": [0.0, 0.2, 0.4, 0.6]})
    lanes = [lane for _, lane in cells(spec)]

    def chunks(workers, steps=10**6, shared=True):
        limits = Limits(1, 2**40, 2**40, 32, shared=shared, workers=workers)
        mine = lanes if steps == 10**6 else [
            lane for _, lane in cells(small.spec(steps=steps, seeds=64, data={"alpha": [0.0, 0.2, 0.4, 0.6]}))
        ]  # fmt: skip
        plan = small.make_plan(mine, limits)
        assert sorted(lane.digest for g in plan.groups for c in g.chunks for lane in c.lanes) == sorted(
            {lane.digest for lane in mine}
        )
        return min(len(group.chunks) for group in plan.groups)

    alone = chunks(1)
    assert chunks(16) > 16 > alone
    assert chunks(1000, steps=10) == chunks(1, steps=10), "too short to be shared out"
    wide = Limits(1, 2**40, 2**40, 512, workers=1)
    assert len(small.make_plan(lanes, wide).groups[0].chunks) == 1
    assert 1 < chunks(16, shared=False) <= 16, "an accelerator takes as long for a few lanes as for many"


def test_chunks_that_a_network_shows_late_are_waited_for(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.journal.path.mkdir(parents=True)
    late = iter([{"a"}, {"a"}, set()])
    monkeypatch.setattr(type(folder.journal), "unseen", lambda journal, names: next(late))
    monkeypatch.setattr(run.time, "sleep", lambda seconds: None)
    run.wait_for(folder, {"a", "b"}, lambda: None)
    assert next(late, None) is None
    monkeypatch.setattr(type(folder.journal), "unseen", lambda journal, names: {"a"})
    monkeypatch.setattr(run, "STALE_SECONDS", -1.0)
    with pytest.raises(DiskError, match="1 chunks that workers have published are not seen from here"):
        run.wait_for(folder, {"a", "b"}, lambda: None)


def test_a_name_that_is_taken_does_not_say_that_a_chunk_is_there(tmp_path):
    """A network's file system may answer EEXIST for a file that is not whole."""
    results = ag.run_sweep(spec := small.spec(steps=20, record=2), tmp_path / "sweep", quiet=True)
    journal = Folder(tmp_path / "sweep").journal
    path = journal.files()[0]
    content = path.read_bytes()
    (rows,) = [rows for rows in journal.chunks() if rows["lane"].tolist()][:1]
    path.write_bytes(content[: len(content) // 2])
    lanes = rows.pop("lane").tolist()
    journal.commit(lanes, rows, {})
    assert not journal.survey().damaged
    assert len(list(journal.damaged.iterdir())) == 1
    assert ag.run_sweep(spec, tmp_path / "sweep", quiet=True).drop_attrs().identical(results.drop_attrs())


def test_two_processes_that_compile_at_once_share_a_cache_of_their_host(tmp_path):
    """JAX writes its entries in place: whoever reads one half written compiles, and nobody's numbers change."""
    script = (
        "import sys, warnings\nwarnings.simplefilter('ignore')\n"
        "import adam_vs_gd as ag, small\n"
        "print(ag.run_sweep(small.spec(steps=20, record=2), quiet=True).test_error.values.tobytes().hex())\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.path.dirname(__file__)}
    runs = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(3)
    ]
    said = {run.communicate()[0] for run in runs}
    assert len(said) == 1
    assert said != {""}
    assert [path.name for path in (tmp_path / "adam-vs-gd").iterdir()] == [machine.host()]


def test_dask_itself_may_be_given(tmp_path):
    """A client of somebody's own, whose workers are in this process: their chunks are trained one after the other."""
    from distributed import Client, LocalCluster

    spec = small.spec(steps=20, record=2, data={"alpha": [0.0, 0.2]})
    alone = ag.run_sweep(spec, quiet=True, devices=1)
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        assert ag.run_sweep(spec, tmp_path / "sweep", executor=client, quiet=True, devices=1).identical(alone)
        assert client.status == "running", "it is not ours to close"
    assert not (tmp_path / "sweep" / WORKERS).exists()


def test_ray_through_the_seam(tmp_path):
    """The recipe as it stands."""
    pytest.importorskip("ray")
    spec = 'name = "small"\nseeds = 2\nsteps = 20\n[data]\nn = 8\nd = 24\ns = 4\nalpha = [0.0, 0.2]\ntest_size = 20\n'
    (tmp_path / "spec.toml").write_text(spec + "[model]\nwidth = 2\n[optimizers.adam]\neta = 1e-3\n")
    command = [sys.executable, RECIPES / "ray_sweep.py", tmp_path / "spec.toml", tmp_path / "sweep"]
    subprocess.run(command, check=True, env={**os.environ, "JAX_PLATFORMS": "cpu"}, timeout=HUNG)
    alone = ag.run_sweep(ag.load_spec(tmp_path / "spec.toml"), quiet=True)
    assert ag.load_results(tmp_path / "sweep").identical(alone)


def test_recipes_are_what_their_readers_take_them_for():
    text = DOCUMENT.read_text()
    for path in sorted(path for path in RECIPES.iterdir() if path.is_file()):
        assert f"recipes/{path.name}" in text, path.name
        if path.suffix == ".sh":
            subprocess.run(["bash", "-n", path], check=True)
            assert "allowed" in path.read_text().lower() or "worker" in path.name
        elif path.suffix == ".toml":
            assert tomllib.loads(path.read_text())["workers"] > 0
        elif path.suffix == ".yaml":
            documents = list(yaml.safe_load_all(path.read_text()))
            assert [one["kind"] for one in documents] == ["Service", "Deployment", "Deployment", "Job"]


def test_options_of_recipes_are_known_to_dask():
    """Each option of each `dask` command in the recipes."""
    from distributed.cli import dask_scheduler, dask_worker

    known = {
        name: {option for parameter in module.main.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for name, module in (("scheduler", dask_scheduler), ("worker", dask_worker))
    }
    count = 0
    for path in RECIPES.glob("*.sh"):
        for name, options in re.findall(r"^[^#\n]*?dask (scheduler|worker)((?:[^\n]|\\\n)*)", path.read_text(), re.M):
            found = re.findall(r"(?<=\s)--[a-z-]+", options.replace("\\\n", " "))
            count += len(found)
            assert set(found) <= known[name], (path.name, set(found) - known[name])
    assert count > 20
