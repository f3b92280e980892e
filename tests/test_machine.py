"""Devices, memory, interruption: where lanes run changes no bit of them, and what is wanting is said."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import warnings

import jax
import numpy as np
import pytest
import small
from patience import HUNG
from small import make_plan

import adam_vs_gd as ag
from adam_vs_gd.engine import machine, placing, runner, worker
from adam_vs_gd.engine.chunk import compile_draw, program_bytes
from adam_vs_gd.engine.interruption import Interruption
from adam_vs_gd.engine.plan import Limits, Plan
from adam_vs_gd.engine.settings import PATHS
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.store.checkpoint import Checkpoints, Snapshot
from adam_vs_gd.store.folder import Folder

SPEC = """
import sys
sys.path.insert(0, {tests!r})
import small
import adam_vs_gd as ag
spec = small.spec(seeds=3, steps=70, record=7, data={{"alpha": [0.0, 0.2, 0.4, 0.5, 0.6], "s": [5, 10]}})
"""


def python(script, *arguments, environment=None, expected=0):
    """A fresh process; its stdout."""
    text = SPEC.format(tests=os.path.dirname(__file__)) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)],
        capture_output=True, text=True, timeout=HUNG, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert done.returncode == expected, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", PATHS)
def test_one_two_and_four_devices_and_any_width_give_the_same_bits(tmp_path, path):
    """30 lanes an optimizer: 30 on one device, 2 x 15, 4 x 8, and 4 x 4 under a memory limit."""
    script = """
    import jax
    devices, memory, out = int(sys.argv[1]), int(sys.argv[2]) or None, sys.argv[3]
    results = ag.run_sweep(spec, out, devices=devices, memory=memory, path=sys.argv[4], quiet=True)
    assert len(jax.devices()) == devices
    """
    found, widths = [], []
    for devices, memory in ((1, 0), (2, 0), (4, 0), (4, 500_000)):
        out = tmp_path / f"{devices}-{memory}"
        python(script, devices, memory, out, path)
        found.append(ag.load_results(out))
        about = [json.loads(str(rows["about"])) for rows in Folder(out).journal.chunks()]
        widths.append({one["width"] for one in about})
        assert {one["devices"] for one in about} == {devices}
        assert {one["platform"] for one in about} == {"cpu"}
        assert {one["path"] for one in about} == {path}
    narrow = (
        {16} if path == "reference" else {16, 32}
    )  # lanes of gradient descent in the span of their data are smaller
    assert widths == [{30}, {30}, {32}, narrow]
    for other in found[1:]:
        assert other.identical(found[0])


@pytest.mark.parametrize("path", PATHS)
def test_devices_change_no_bit_on_the_way_to_rest(tmp_path, path):
    """Lanes that leave at other times, and are packed in other widths, on one, two and four devices."""
    script = """
    from adam_vs_gd.engine import runner
    runner.WASTED_SECONDS = -1.0
    spec = small.spec(
        steps=3000, seeds=3, record=10, data={"alpha": [0.0, 0.2, 0.4]}, train={"until": "rest", "lam": [1e-3, 3e-3]},
        optimizers={"adam": {"eta": 1e-2}, "gd": {"eta": 1.0}},
    )
    ag.run_sweep(spec, sys.argv[2], devices=int(sys.argv[1]), path=sys.argv[3], quiet=True)
    """
    found = []
    for devices in (1, 2, 4):
        python(script, devices, tmp_path / str(devices), path)
        found.append(ag.load_results(tmp_path / str(devices)))
    assert len(np.unique(found[0].rest_step)) > 5
    for other in found[1:]:
        assert other.identical(found[0])


def test_devices_run_one_program_over_their_own_lanes_and_do_not_talk():
    script = """
    import re
    import jax
    from adam_vs_gd.engine import chunk, placing
    from adam_vs_gd.engine.machine import use_devices
    from adam_vs_gd.engine.plan import Limits
    from adam_vs_gd.problems.two_patch.fast import make_batch
    from adam_vs_gd.spec.cells import cells
    devices = use_devices(2)
    (group, *_) = small.make_plan((lane for _, lane in cells(spec)), Limits(2, 2**40, 2**40, 64)).groups
    with ag.numerics("float32"):
        programs = placing.programs_of(placing.batch_of(group, make_batch), group, devices)
    for name in ("start", "advance", "measure", "test", "finish"):
        program = getattr(programs, name)
        assert "num_partitions=2" in program.as_text(), name
        assert not re.findall("all-(?:reduce|gather|to-all)|reduce-scatter|collective", program.as_text()), name
        for leaf in jax.tree.leaves(program.output_shardings):
            assert isinstance(leaf, jax.sharding.NamedSharding) and leaf.spec == chunk.LANES, name
    """
    python(script)


def test_a_chunk_cut_anywhere_gives_the_same_bits():
    """Whatever the segments are, and through a snapshot in host memory at every one of them, at another width."""
    lanes = [lane for _, lane in cells(small.spec(seeds=3, steps=40, record=4, data={"alpha": [0.0, 0.3]}))]
    (group, *_) = make_plan(lanes, Limits(1, 2**40, 2**40, 16)).groups
    devices = jax.devices("cpu")
    whole, kept = {}, []

    def collect(into):
        def keep(group, chunk, rows, seconds):
            for i, lane in enumerate(chunk.lanes):
                into[lane.digest] = {name: values[i].tobytes() for name, values in rows.items()}

        return keep

    hooks = runner.Hooks(keep=collect(whole), between=lambda snapshot: kept.append(snapshot()))
    runner.run_plan(Plan((group,)), devices, lambda count: 2**40, hooks, make_batch)
    assert [snapshot.step for snapshot in kept] == [10, 20, 30]
    halves = make_plan(lanes, Limits(1, 2**40, 2**40, 4)).groups[0]
    for snapshot in kept:
        resumed = {}
        hooks = runner.Hooks(keep=collect(resumed), find=lambda chunk, snapshot=snapshot: snapshot)
        runner.run_plan(Plan((halves,)), devices, lambda count: 2**40, hooks, make_batch)
        assert resumed == whole


def test_too_many_devices_are_named_with_the_fix():
    jax.devices()
    with pytest.raises(ag.MachineError, match=r"--devices 64: this process has .*JAX_NUM_CPU_DEVICES=64"):
        ag.run_sweep(small.spec(), devices=64, quiet=True)


def test_devices_that_somebody_else_chose_are_left_alone():
    script = """
    import jax
    if len(sys.argv) > 1:
        jax.devices()  # the backend runs before the engine
    tiny = {**spec.to_dict(), "steps": 2, "record": 1, "optimizers": {"gd": {}}}
    results = ag.run_sweep(ag.SweepSpec(**tiny), quiet=True)
    print(len(jax.devices()))
    """
    assert python(script, environment={"JAX_NUM_CPU_DEVICES": "3"}).strip() == "3"
    assert python(script, "backend first").strip() == "1"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"path": "quick"}, {"devices": 0}, {"devices": 1.5}, {"memory": 0}, {"memory": "4GiB"}),
        *({"checkpoint_every": -1.0}, {"checkpoint_every": "2m"}),
    ],
)
def test_impossible_settings_are_named(wrong):
    ((key, value),) = wrong.items()
    with pytest.raises(ag.MachineError, match=f"{key} = {value!r}: must be"):
        ag.run_sweep(small.spec(), quiet=True, **wrong)


def test_a_checkpoint_of_another_platform_is_not_gone_on_with(tmp_path):
    snapshot = Snapshot(("a", "b"), 7, (np.arange(4.0).reshape(2, 2),), {"x": np.zeros((2, 0))})
    told = []
    with Checkpoints(tmp_path, 0, {"platform": "gpu"}, told.append) as checkpoints:
        checkpoints.save(snapshot, wait=True)
        (found,) = checkpoints.load()
        np.testing.assert_array_equal(found.state[0], snapshot.state[0])
        assert found.step == 7
        assert found.paths["x"].shape == (2, 0)
    with Checkpoints(tmp_path, 0, {"platform": "cpu"}, told.append) as checkpoints:
        assert list(checkpoints.load()) == []
    assert "made with {'platform': 'gpu'}" in told[-1]


def test_checkpoints_are_no_more_frequent_than_asked(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    asked = []
    checkpoints = Checkpoints(tmp_path, 120.0, {}, print)
    monkeypatch.setattr(checkpoints, "save", lambda snapshot: asked.append(clock[0]))
    for now in (10.0, 119.0, 120.0):
        clock[0] = now
        checkpoints.between(lambda: None)
    assert asked == [120.0]


def test_memory_is_a_safe_share_of_what_is_free(monkeypatch):
    (cpu,) = jax.devices("cpu")[:1]
    monkeypatch.setattr(machine, "free_bytes", lambda device: 1000)
    assert machine.limits_of(small.FAMILY, (cpu,)).each(1) == 800
    assert machine.limits_of(small.FAMILY, (cpu, cpu)).each(2) == 400, "devices of a CPU share the host's"
    assert machine.limits_of(small.FAMILY, (cpu, cpu), 600).each(2) == 300

    class Accelerator:
        platform = "gpu"

    assert machine.limits_of(small.FAMILY, (Accelerator(), Accelerator())).each(2) == 800, "an accelerator has its own"


def test_free_memory_is_that_of_the_device_or_of_the_container(monkeypatch, tmp_path):
    class Accelerator:
        def memory_stats(self):
            return {"bytes_limit": 1000, "bytes_in_use": 300}

    assert machine.free_bytes(Accelerator()) == 700
    cpu = jax.devices("cpu")[0]
    assert 2**20 < machine.free_bytes(cpu) < 2**50
    monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "CONTROL_GROUPS", tmp_path)
    assert machine.free_bytes(cpu) > 2**20, "no control groups here"

    job = tmp_path / "slurm" / "job_7"
    job.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("1:cpu:/elsewhere\n0::/slurm/job_7\n")
    for group, limit, used in ((tmp_path, "max", 9000), (tmp_path / "slurm", 8000, 3000), (job, 5000, 4900)):
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{used}\n")
    assert machine.free_bytes(cpu) == 100
    (job / "memory.stat").write_text("anon 900\ninactive_file 3900\nslab_reclaimable 50\n")
    assert machine.free_bytes(cpu) == 100 + 3950, "a cache of files is given back when it is needed"
    (tmp_path / "slurm" / "memory.max").write_text("3500\n")
    assert machine.free_bytes(cpu) == 500, "what is around the job counts too"

    (tmp_path / "cgroup").write_text("4:memory:/docker/abc\n")  # version 1, seen from inside
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("6000\n")
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text("5000\n")
    (tmp_path / "memory" / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 2000\n")
    assert machine.free_bytes(cpu) == 3000


def test_a_program_that_needs_too_much_is_made_narrower():
    """The plan's own count may be wrong: what the compiled program says decides."""
    lanes = [lane for _, lane in cells(small.spec(seeds=16, steps=4, record=2, optimizers={"adam": {}}))]
    (group,) = make_plan(lanes, Limits(1, 2**40, 2**40, 16)).groups
    batch = placing.batch_of(group, make_batch)
    with ag.numerics("float32"):
        need = placing.programs_of(batch, group, tuple(jax.devices("cpu")[:1])).bytes
    told, widths = [], []
    hooks = runner.Hooks(tell=told.append, keep=lambda group, *rest: widths.append(group.width))
    failed = runner.run_plan(Plan((group,)), jax.devices("cpu"), lambda devices: need * 3 // 4, hooks, make_batch)
    assert failed == []
    assert widths == [8, 8]
    assert any("out of memory at width 16: going on with 8" in text for text in told)


def test_draws_that_need_too_much_are_not_made():
    """Many examples and few coordinates: drawing them takes more than training on them."""
    lanes = [lane for _, lane in cells(small.spec(seeds=1, steps=4, record=2, optimizers={"gd": {}}))]
    (group,) = make_plan(lanes, Limits(1, 2**40, 2**40, 16)).groups
    batch = placing.batch_of(group, make_batch)
    with ag.numerics("float32"):
        need = program_bytes(compile_draw(batch.draw, tuple(jax.devices("cpu")[:1])))
    told = []
    hooks = runner.Hooks(tell=told.append)
    assert len(runner.run_plan(Plan((group,)), jax.devices("cpu"), lambda devices: need - 1, hooks, make_batch)) == 1
    assert "the compiled program of the draws takes" in told[-1]


def test_what_does_not_fit_on_two_devices_runs_on_one(tmp_path):
    """The devices of a CPU share its memory, and the narrowest chunk is narrower on fewer of them."""
    script = """
    results = ag.run_sweep(spec, sys.argv[2], devices=2, memory=int(sys.argv[1]), path="reference", quiet=True)
    print(int((results.status == 0).sum()))
    """
    assert python(script, 130_000, tmp_path / "out").strip() == "0"
    about = [json.loads(str(rows["about"])) for rows in Folder(tmp_path / "out").journal.chunks()]
    assert {one["devices"] for one in about} == {1}


def test_the_furthest_checkpoint_is_gone_on_with(tmp_path):
    lanes = [lane for _, lane in cells(small.spec(seeds=8, optimizers={"gd": {}}))]
    names = [lane.digest for lane in lanes]
    with Checkpoints(tmp_path, 0, {}, print) as checkpoints:
        for part, step in ((names, 100), (names[:4], 9000), (names[2:6], 500)):
            checkpoints.save(Snapshot(tuple(part), step, (np.zeros((len(part), 2)),), {}), wait=True)
        kept = [path.name for path in tmp_path.iterdir()]
        assert checkpoints.find([lane.digest for lane in lanes[:4]], kept).step == 9000
        assert checkpoints.find([lane.digest for lane in lanes[:6]], kept).step == 100


def test_a_checkpoint_of_another_layout_is_left_out():
    lanes = [lane for _, lane in cells(small.spec(seeds=4, steps=20, record=2, optimizers={"adam": {}}))]
    (group,) = make_plan(lanes, Limits(1, 2**40, 2**40, 16)).groups
    kept = []
    hooks = runner.Hooks(between=lambda snapshot: kept.append(snapshot()))
    runner.run_plan(Plan((group,)), jax.devices("cpu"), lambda devices: 2**40, hooks, make_batch)
    for state in (kept[0].state[1:], kept[0].state[::-1]):
        told = []
        other = kept[0]._replace(state=state)
        hooks = runner.Hooks(tell=told.append, find=lambda chunk, other=other: other)
        assert runner.run_plan(Plan((group,)), jax.devices("cpu"), lambda devices: 2**40, hooks, make_batch) == []
        assert not any("go on at step" in text for text in told)


def test_sigint_is_answered_in_the_background_of_a_script_too(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption(print) as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.signal == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_errors_are_not_taken_for_a_want_of_memory():
    assert runner.is_out_of_memory(jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"))
    assert runner.is_out_of_memory(MemoryError())
    assert not runner.is_out_of_memory(jax.errors.JaxRuntimeError("INTERNAL: an autotuner failed"))


@pytest.mark.parametrize(("key", "value"), [("platform", "gpu"), ("path", "reference")])
def test_a_folder_does_not_mix_platforms_or_paths_unless_told_to(tmp_path, key, value):
    spec = small.spec(steps=4, record=2, seeds=1, optimizers={"gd": {}})
    ag.run_sweep(spec, tmp_path / "sweep", quiet=True)
    folder = Folder(tmp_path / "sweep")
    (rows,) = folder.journal.chunks()
    about, lanes = json.loads(str(rows.pop("about"))), rows.pop("lane")
    folder.journal.files()[0].unlink()
    folder.journal.commit([str(lane) for lane in lanes], rows, about | {key: value})
    more = small.spec(steps=4, record=2, seeds=2, optimizers={"gd": {}})
    with pytest.raises(ag.FolderError, match=f"{key} = {value}, and this run has .*--allow-mixed"):
        ag.run_sweep(more, tmp_path / "sweep", quiet=True)
    assert len(folder.journal.files()) == 1
    results = ag.run_sweep(more, tmp_path / "sweep", quiet=True, allow_mixed=True)
    assert (results.status > 0).all()
    assert results.attrs[key].split("; ") in ([about[key], value], [value, about[key]])


def test_the_log_has_versions_devices_plan_timings_and_warnings(tmp_path, monkeypatch):
    real = worker.run_plan

    def warning(*arguments):
        warnings.warn("the sky is falling", stacklevel=1)
        return real(*arguments)

    monkeypatch.setattr(worker, "run_plan", warning)
    with pytest.warns(UserWarning, match="sky"):
        ag.run_sweep(small.spec(steps=4, record=2, seeds=1), tmp_path / "sweep", quiet=True)
    log = (tmp_path / "sweep" / "log.txt").read_text()
    for part in (
        "jax 0.",
        "'platform': 'cpu'",
        "'device': '",
        "2 lanes to train",
        "lanes in ",
        "the sky is falling",
        "done: ",
    ):
        assert part in log


def test_compiled_programs_are_kept_unless_told_not_to(tmp_path):
    script = """
    import foreign
    training = dict(axes={"eta": [0.1, 0.2]}, static={"width": 3}, steps=2)
    ag.sweep_function(foreign.decay, quiet=True, compile_cache=sys.argv[1] == "1", **training)
    """
    cache = tmp_path / "adam-vs-gd"
    python(script, 0, environment={"XDG_CACHE_HOME": str(tmp_path)})
    assert not cache.exists()
    python(script, 1, environment={"XDG_CACHE_HOME": str(tmp_path)})
    kept = {path.name for path in cache.glob("*/*")}
    assert any(name.startswith("jit_advance") for name in kept)
    python(script, 1, environment={"XDG_CACHE_HOME": str(tmp_path)})
    assert {path.name for path in cache.glob("*/*")} == kept, "a second start compiles nothing"


def test_one_lane_can_be_differentiated_in_reverse():
    def memorization_of(sigma_p):
        final = ag.train(
            0, n=4, d=12, s=3, width=2, steps=5, test_size=4, eta=0.1, optimizer="gd", sigma_p=sigma_p
        ).final
        return final["noise_memorization"]

    with jax.enable_x64(True):
        memorization, slope = jax.jit(memorization_of), jax.jit(jax.grad(memorization_of))(0.3)
        step = 1e-6
        np.testing.assert_allclose(slope, (memorization(0.3 + step) - memorization(0.3 - step)) / (2 * step), rtol=1e-4)
