"""The benchmark of an accelerator, tried on a CPU: its files at any moment, its page, its parts."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from patience import HUNG, wait_until

from adam_vs_gd.problem import Kernel

ROOT = Path(__file__).parent.parent
RECORDS, PAGES = "[!.]*-quick.json", "[!.]*-quick.md"  # a name that begins with a dot is of a file being written
COMMAND = [sys.executable, str(ROOT / "benchmarks" / "accelerator.py")]
ENVIRONMENT = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONUTF8": "1"}


@pytest.fixture(scope="module", autouse=True)
def _benchmarks_can_be_imported():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(JSON, page, what it printed) of a whole quick run."""
    out = tmp_path_factory.mktemp("devices")
    command = [*COMMAND, "--quick", "--minutes", "5", "--out", str(out)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=HUNG)
    assert done.returncode == 0, done.stderr
    (record,), (page,) = out.glob(RECORDS), out.glob(PAGES)
    assert len(list(out.iterdir())) == 2
    assert str(out) not in record.read_text("utf-8") + page.read_text("utf-8")  # both are committed
    return read(record), page.read_text("utf-8"), done.stdout


def read(path):
    """A record, of strict JSON."""

    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


def test_help_answers_without_jax():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND[1:], "--help"], capture_output=True, text=True, check=True
    )
    assert "--minutes" in done.stdout
    assert "jax" not in done.stderr


def test_an_accelerator_that_is_asked_for_and_not_there_is_not_replaced_by_the_cpu(tmp_path):
    environment = ENVIRONMENT | {"JAX_PLATFORMS": "tpu"}
    done = subprocess.run(
        [*COMMAND, "--quick", "--out", str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "JAX_PLATFORMS=tpu" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_whole_run_measures_everything_but_what_a_cpu_lacks(finished):
    record, page, printed = finished
    steps = record["steps"]
    missing = {name for name, step in steps.items() if "not measured" in step}
    assert missing == {"numerics adam TF32_TF32_F32_X3"}
    assert "not supported by dot_general on CPU" in steps["numerics adam TF32_TF32_F32_X3"]["not measured"]
    assert {step["section"] for step in steps.values()} == {
        "table1", "beside", "bench", "products", "numerics", "profile", "whole",
    }  # fmt: skip
    assert "there is no accelerator" in printed
    assert record["run"]["id"] in page
    assert f"{len(steps) - 1} of {len(steps)} steps measured" in printed
    for name in missing:
        assert f"| {name} | " in page.partition("## Not measured")[2]
    reading = page.split("\n\n")[1].splitlines()
    assert len(reading) == 3
    assert not any("not measured" in line for line in reading)


def test_figures_are_numbers_that_can_be(finished):
    steps = finished[0]["steps"]
    for step in steps.values():
        for key in ("lane_steps_per_second", "compilation", "planned", "planned_lane", "compiled", "wall_microseconds"):
            assert step.get(key, 1) > 0, (key, step)
        for row in step.get("seeds", {}).values():
            assert all(math.isfinite(value) for value in row.values())
            assert 0 <= row["test_error"] <= 1
            assert 0 <= row["train_error"] <= 1
    for name, step in steps.items():
        if name.startswith("profile"):
            shares = [row["share"] for row in step["kernels"]]
            assert shares == sorted(shares, reverse=True)
            assert 0 < sum(shares) <= 1 + 1e-9
            assert all(row["calls"] > 0 for row in step["kernels"])


def test_a_cpu_agrees_with_itself_to_the_bit_and_with_float64(finished):
    steps = finished[0]["steps"]
    for optimizer in ("adam", "gd"):
        assert set(steps[f"table1 {optimizer}, 2 seeds, on the CPU"]["differences"].values()) == {0}
    found = steps["numerics adam default"]
    assert found["products"] > 0
    assert max(found["differences"].values()) < 1e-5
    assert found["against"].startswith("float64 on ")
    assert 0 < steps["products"]["precisions"]["default"]["error"] < 1e-6


def test_a_run_that_is_killed_leaves_whole_files_of_what_it_measured(tmp_path):
    old = tmp_path / "other-device.json"
    old.write_text("{}")
    command = [*COMMAND, "--quick", "--minutes", "5", "--out", str(tmp_path)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = set()

    def has_measured():
        for path in tmp_path.glob(RECORDS):  # whatever moment it is, it can be read
            seen.add(sum("not measured" not in step for step in read(path)["steps"].values()))
        return len(seen) > 1

    try:
        assert wait_until(has_measured, lambda: process.poll() is not None)
    finally:
        process.send_signal(signal.SIGKILL)
        status = process.wait()
    assert status == -signal.SIGKILL
    record = read(next(tmp_path.glob(RECORDS)))
    page = next(tmp_path.glob(PAGES)).read_text("utf-8")
    steps = record["steps"]
    assert "not measured" not in steps["table1 adam, 2 seeds"]
    assert steps["profile gd gram 8"]["not measured"].startswith("the run was cut off")
    assert "| profile gd gram 8 | the run was cut off" in page
    assert record["run"]["id"] in page
    assert old.read_text() == "{}"


@pytest.fixture
def parts():
    """Its modules."""
    return SimpleNamespace(
        **{name: import_module(f"accelerator.{name}") for name in ("figures", "kernels", "page", "run", "work")}
    )


def machine(parts, seconds=100.0, cpu=None):
    here = tuple(jax.devices("cpu")[:1])
    return parts.work.Machine(here, here if cpu is None else cpu, time.monotonic() + seconds)


def record_of(parts, path, steps):
    about = {"id": "a", "device": "TPU v9", "platform": "tpu", "size": "tiny", "full": False}
    return parts.run.Record(path, about, time.monotonic(), steps)


def test_what_does_not_fit_or_fails_is_named_and_the_rest_goes_on(parts, tmp_path):
    def fails(found):
        raise RuntimeError("RESOURCE_EXHAUSTED:\nout of memory | really")

    def measured(found):
        return {
            "optimizer": "gd", "method": "gram", "lanes": 4, "devices": 1, "lane_steps_per_second": 1e6,
            "compilation": math.nan, "planned_lane": 1, "planned": 4, "compiled": 5000, "compiled_steps": 3,
            "peak": 2**20, "peak_is_its_own": False,
        }  # fmt: skip

    step = parts.run.Step
    steps = [step("bench", "wide", fails), step("beside", "slow", measured), step("bench", "narrow", measured)]
    record = record_of(parts, tmp_path / "tpu-v9", steps)
    parts.run.measure(machine(parts, seconds=15), parts.work.FULL, steps, record)
    found = read(tmp_path / "tpu-v9.json")["steps"]
    assert found["wide"]["not measured"] == "RuntimeError: RESOURCE_EXHAUSTED: out of memory | really"
    assert re.fullmatch(r"takes about 20 s, and 1[45] s were left", found["slow"]["not measured"])
    assert found["narrow"]["compilation"] == "nan"
    page = (tmp_path / "tpu-v9.md").read_text("utf-8")
    assert r"out of memory \| really" in page
    assert "| gd | gram | 4 | 1,000,000 | 4 | nan |" in page
    assert "| gd | gram | 4 | 1 | 1 B | 4 B | 4.88 KiB | 3 B | at most 1 MiB |" in page


def test_figures_outlive_a_page_that_cannot_be_made(parts, tmp_path):
    step = parts.run.Step("bench", "odd", dict)
    record_of(parts, tmp_path / "tpu-v9", [step]).put(step, {"optimizer": "gd"})
    assert read(tmp_path / "tpu-v9.json")["steps"]["odd"] == {"section": "bench", "optimizer": "gd"}
    assert (tmp_path / "tpu-v9.md").read_text().startswith("This page could not be made: KeyError")


def test_a_budget_that_ends_in_the_middle_of_a_step_ends_the_process_and_says_so(parts, tmp_path, monkeypatch):
    ended = []
    monkeypatch.setattr(parts.run.os, "_exit", ended.append)
    steps = [parts.run.Step("bench", name, lambda found: {}) for name in ("first", "second")]
    record = record_of(parts, tmp_path / "tpu-v9", steps)
    record.running = "first"
    watch = threading.Timer(0, record.end)
    watch.start()
    watch.join()
    assert ended == [0]
    found = read(tmp_path / "tpu-v9.json")["steps"]
    assert found["first"]["not measured"] == "the budget ended in the middle of it"
    assert found["second"]["not measured"] == "the budget ended before it"


def test_a_run_that_measured_nothing_leaves_the_files_of_an_earlier_one(parts, tmp_path):
    (tmp_path / "tpu-v9.json").write_text("earlier")
    record = record_of(parts, tmp_path / "tpu-v9", [parts.run.Step("bench", "first", dict)])
    record.write()
    assert (tmp_path / "tpu-v9.json").read_text() == "earlier"


@pytest.mark.parametrize("simd", ["", "sm_90"])
def test_an_accelerator_is_given_its_own_methods_and_the_most_telling_first(parts, simd, monkeypatch):
    monkeypatch.setitem(vars(parts.run.FAMILY), "kernel", lambda platform: Kernel(simd))
    own = {"adam": ["cuda"], "gd": ["cuda_span"]} if simd else {"adam": [], "gd": []}
    names = [step.name for step in parts.run.steps_of(machine(parts, cpu=()), parts.work.FULL)]
    assert len(names) == len(set(names))
    methods = {"adam": [*own["adam"], "dense", "plain"], "gd": [*own["gd"], "gram", "dense", "plain"]}
    first = [f"bench {optimizer} {names[0]} 256" for optimizer, names in methods.items()]
    assert names[:4] == ["table1 adam, 2 seeds", "table1 gd, 2 seeds", *first]
    assert {f"bench {o} {m} {lanes}" for lanes in (16, 32, 64, 128, 256, 512)
            for o, ms in methods.items() for m in ms} == {
        name for name in names if name.startswith("bench")
    }  # fmt: skip
    sweeps = [name for name in names if "500 trainings" in name]
    by_xla = ["500 trainings of adam, by XLA", "500 trainings of gd, by XLA"]
    assert sweeps == ["500 trainings of adam", "500 trainings of gd"] * bool(simd) + by_xla
    assert {"numerics gd TF32_TF32_F32_X3", "profile gd gram 256", "table1 gd, 5 seeds"} <= set(names)


def test_every_product_is_traced_at_the_precision_that_is_asked_for(parts):
    def loss(w, x):
        return jnp.einsum("nd,md->mn", x, w, precision=jax.lax.Precision.HIGHEST).sum()

    def steps(w, x):
        return jax.lax.fori_loop(0, 3, lambda _, w: w - jax.vmap(jax.grad(loss))(w, x), w)

    w, x = jnp.ones((2, 3, 4)), jnp.ones((2, 5, 4))
    usual, traced = str(jax.make_jaxpr(steps)(w, x)), []
    with parts.figures.products_at("BF16_BF16_F32_X3", traced):
        found = str(jax.make_jaxpr(lambda w, x: steps(w, x))(w, x))
    assert traced
    assert usual.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == found.count("precision=BF16_BF16_F32_X3")
    assert "HIGHEST" in usual
    assert "HIGHEST" not in found
    assert "bind" not in vars(jax.lax.dot_general_p)


def test_devices_become_names_of_files(parts):
    assert parts.work.slug("NVIDIA H100 80GB HBM3") == "nvidia-h100-80gb-hbm3"
    assert parts.work.slug("Intel(R) Xeon(R) Processor, 2 cores") == "intel-xeon-processor"
    assert parts.work.slug("TPU v5 lite") == "tpu-v5-lite"


def named(kind, pid, name, tid=None):
    return {"ph": "M", "name": kind, "pid": pid, "args": {"name": name}} | ({} if tid is None else {"tid": tid})


def ran(pid, tid, name, start, duration, **args):
    return {"ph": "X", "pid": pid, "tid": tid, "name": name, "ts": start, "dur": duration, "args": args}


def test_kernels_of_a_gpu_are_those_on_its_streams(parts):
    events = [
        named("process_name", 1, "/device:GPU:0"), named("thread_name", 1, "Stream #7(Compute)", 7),
        named("thread_name", 1, "XLA Ops", 8), named("process_name", 2, "/host:CPU"),
        {"ph": "M", "name": "process_sort_index", "pid": 1, "args": {"sort_index": 1}},
        ran(1, 7, "gemm", 0, 30), ran(1, 7, "gemm", 40, 30), ran(1, 7, "fusion", 70, 20),
        ran(1, 8, "dot.1", 0, 30), ran(2, 1, "launch", 0, 500, hlo_op="dot.1"), {},
    ]  # fmt: skip
    rows = parts.kernels.kernels_of(events)
    assert [(row["name"], row["calls"], row["microseconds"]) for row in rows] == [("gemm", 2, 60), ("fusion", 1, 20)]
    assert rows[0]["share"] == 0.75


def test_a_loop_counts_only_what_its_body_leaves_it(parts):
    events = [
        ran(2, 1, "while", 0, 100, hlo_op="while"), ran(2, 1, "dot", 10, 40, hlo_op="dot"),
        ran(2, 1, "dot", 50, 40, hlo_op="dot"), ran(2, 1, "python", 0, 900),
    ]  # fmt: skip
    assert [(row["name"], row["microseconds"]) for row in parts.kernels.kernels_of(events)] == [
        ("dot", 80),
        ("while", 20),
    ]
    with pytest.raises(ValueError, match="names no kernel"):
        parts.kernels.kernels_of([ran(2, 1, "python", 0, 900)])
