"""The command line as its user meets it: real processes."""

import importlib.metadata
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import HUNG

import adam_vs_gd as ag
from adam_vs_gd import experiments
from adam_vs_gd.cli import arguments, grammar

SWEEPS = Path(__file__).parent.parent / "sweeps"
SPEC = """
name = "tiny"
seeds = 2
steps = 8
record = 4
[data]
n = 4
d = 12
s = [2, 3]
alpha = [0.0, 0.3, 0.6]
test_size = 10
[model]
width = 2
[optimizers.adam]
[optimizers.gd]
"""


def run(*arguments, cwd, expected=0):
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, "-m", "adam_vs_gd", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=environment, timeout=HUNG,
    )  # fmt: skip
    assert done.returncode == expected, done.stderr
    return done


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.toml").write_text(SPEC)
    return folder, run("sweep", "tiny.toml", cwd=folder)


def test_sweep_writes_the_dataset_and_its_diagram(swept):
    folder, done = swept
    out = folder / "runs" / "tiny"
    assert (out / "figures" / "test_error-alpha-s.png").stat().st_size > 10_000
    assert (out / "dataset.zarr").is_dir()
    assert (ag.load_results(out).status > 0).all()
    assert "24 of 24 cells computed" in done.stdout
    assert "compiling" in done.stderr
    assert "24/24 lanes" in done.stderr
    log = (out / "log.txt").read_text()
    assert "jax" in log
    assert "24 lanes to train" in log


def test_sweeping_again_goes_on_where_it_stopped(swept):
    folder, _ = swept
    again = run("sweep", "tiny.toml", "--dry-run", cwd=folder)
    assert again.stdout.startswith("0 lanes to train")
    more = run("sweep", "tiny.toml", "--dry-run", "--set", "seeds=3", cwd=folder)
    assert more.stdout.startswith("12 lanes to train")


def test_dry_run_plans_and_writes_nothing(swept):
    folder, _ = swept
    plan = run("sweep", "tiny.toml", "--out", "other", "--dry-run", cwd=folder).stdout
    assert "24 lanes to train" in plan
    assert "2 groups" in plan
    assert "12 lanes in 1 chunks of 12, on " in plan
    assert "memory of each device: about" in plan
    assert not (folder / "other").exists()


def test_dry_run_can_measure(swept):
    folder, _ = swept
    text = run("sweep", "tiny.toml", "--out", "other", "--dry-run", "--measure", cwd=folder).stdout
    assert text.count("lane-steps/s, compiled in") == 2
    assert "estimated time: " in text
    assert not (folder / "other").exists()


def test_verify_finds_nothing_wrong_and_repairs_nothing(swept):
    folder, _ = swept
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs" / "tiny").rglob("*")}
    for more in ([], ["--repair"]):
        assert "0 damaged; 24 of 24 lanes are there" in run("verify", "runs/tiny", *more, cwd=folder).stdout
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs" / "tiny").rglob("*")} == before


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GiB", 2**32), ("4G", 4 * 10**9), ("500MB", 5 * 10**8), ("1.5 kib", 1536), ("2e9", 2 * 10**9), ("77b", 77)],
)
def test_sizes(text, count):
    assert arguments.bytes_of(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("1.5h", 5400), ("0", 0), ("10", 10), (".5 m", 30)]
)
def test_times(text, seconds):
    assert arguments.seconds_of(text) == seconds


def test_show_tells_means_with_intervals(swept):
    folder, _ = swept
    text = run("show", "runs/tiny", cwd=folder).stdout
    assert "24 of 24 cells computed" in text
    assert "undertrained" in text
    assert len([line for line in text.splitlines() if line.startswith("adam")]) == 1 + 6


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_plot_writes_what_its_name_says(swept, ending):
    folder, _ = swept
    file = folder / f"figure.{ending}"
    run(
        "plot",
        "runs/tiny",
        "--x",
        "s",
        "--y",
        "alpha",
        "--value",
        "loss",
        "--optimizer",
        "adam",
        "--out",
        file,
        cwd=folder,
    )
    assert file.read_bytes().startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending])


def test_plot_of_one_axis_and_of_none(swept):
    folder, _ = swept
    one = run("plot", "runs/tiny", "--sel", "s=3", cwd=folder).stdout
    assert "test_error-alpha-s=3.png" in one
    none = run("plot", "runs/tiny", "--sel", "s=3", "alpha=0.3", cwd=folder).stdout
    assert "trajectories-s=3-alpha=0.3.png" in none


BAD = {
    "no such file": (["sweep", "nowhere.toml"], ["nowhere.toml", "cannot be read"]),
    "unknown key by --set": (["sweep", "tiny.toml", "--set", "data.alhpa=0.1"], ["data.alhpa", "did you mean alpha?"]),
    "--set without a value": (["sweep", "tiny.toml", "--set", "data.alpha"], ["must be key=value"]),
    "a folder of something else": (["sweep", "tiny.toml", "--out", "notes"], ["notes", "not a sweep", "--out"]),
    "another sweep's folder": (["sweep", "tiny.toml", "--out", "runs/tiny", "--set", "data.n=6"],
                               ["data.n: 4 there, 6 here", "--out", "--overwrite"]),
    "nothing at all": ([], ["write a commented spec to begin with", "run or resume a sweep"]),
    "unknown command": (["swep"], ["invalid choice: 'swep'", "did you mean sweep?"]),
    "a command like none": (["frobnicate"], ["invalid choice: 'frobnicate'", "'sweep'"]),
    "unknown option": (["sweep", "tiny.toml", "--dryrun"],
                       ["usage: adam-vs-gd sweep", "unrecognized arguments: --dryrun; did you mean --dry-run?"]),
    "unknown kind": (["new", "mine", "--kind", "diagramm"], ["invalid choice: 'diagramm'", "did you mean diagram?"]),
    "unknown shell": (["completion", "fish"], ["invalid choice: 'fish'", "'zsh'"]),
    "no such path": (["sweep", "tiny.toml", "--path", "slow"], ["--path", "reference"]),
    "no devices": (["sweep", "tiny.toml", "--devices", "0"], ["--devices", "an integer >= 1"]),
    "no size": (["sweep", "tiny.toml", "--memory", "3 parsecs"], ["--memory", "4GiB"]),
    "a size beyond all": (["sweep", "tiny.toml", "--memory", "1e999"], ["--memory", "4GiB"]),
    "more devices than any": (["sweep", "tiny.toml", "--devices", "99999999999"], ["--devices 99999999999", "at most"]),
    "a kind that is no name": (["sweep", "tiny.toml", "--set", "optimizers.adam.kind=[1]"], ["optimizers.adam.kind"]),
    "an integer with an exponent": (["sweep", "tiny.toml", "--set", "steps=1e3"], ["steps = 1000.0", "exponent"]),
    "a name too long": (["sweep", "tiny.toml", "--out", "a" * 300], ["aaa: File name too long"]),
    "a file to show": (["show", "tiny.toml"], ["tiny.toml: is a file", "did you mean runs/tiny?"]),
    "--sel without a value": (["plot", "runs/tiny", "--sel", "alpha"], ["--sel", "alpha: must be key=value"]),
    "no time": (["sweep", "tiny.toml", "--checkpoint-every", "soon"], ["--checkpoint-every", "90s, 2m or 1h"]),
    "--measure alone": (["sweep", "tiny.toml", "--measure"], ["--measure", "--dry-run"]),
    "verify of nothing": (["verify", "nowhere"], ["nowhere", "holds no sweep"]),
    "show of nothing": (["show", "nowhere"], ["nowhere", "holds no sweep"]),
    "report of all": (["report", "runs"], ["runs: holds no sweep", "did you mean runs/tiny?"]),
    "show of a name": (["show", "tiny"], ["tiny: holds no sweep", "did you mean runs/tiny?"]),
    "plot of an unknown axis": (["plot", "runs/tiny", "--x", "beta2"], ["beta2", "s, alpha"]),
    "plot of an unknown value": (["plot", "runs/tiny", "--value", "tset_error"], ["tset_error", "test_error"]),
    "plot at an unknown value": (["plot", "runs/tiny", "--sel", "alpha=0.31"], ["alpha = 0.31", "0.0, 0.3, 0.6"]),
    "plot of an unknown optimizer": (["plot", "runs/tiny", "--optimizer", "sgd"], ["sgd", "adam, gd"]),
    "a picture of an unknown kind": (["plot", "runs/tiny", "--out", "figure.gif"], ["figure.gif", ".svg"]),
    "reproduce nothing": (["reproduce", "table2"], ["invalid choice: 'table2'"]),
    "no seeds": (["reproduce", "table1", "--seeds", "0"], ["--seeds", "an integer >= 1"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", BAD)
def test_bad_input_ends_with_2_and_writes_nothing(swept, mistake):
    folder, _ = swept
    (folder / "notes").mkdir(exist_ok=True)
    (folder / "notes" / "thesis.tex").touch()
    before = sorted(folder.rglob("*"))
    arguments, said = BAD[mistake]
    done = run(*arguments, cwd=folder, expected=2)
    for part in said:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["--help"], ["sweep", "--help"], ["swep"]])
def test_help_and_command_line_errors_are_instant_and_need_no_jax(arguments, tmp_path):
    script = (
        "import sys\nfrom adam_vs_gd.cli import main\n"
        f"try: main({arguments})\nexcept SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'xarray', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=HUNG)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 5  # about 0.05 s on an idle machine


def test_version_is_that_of_the_distribution(tmp_path):
    assert run("--version", cwd=tmp_path).stdout == f"adam-vs-gd {importlib.metadata.version('adam-vs-gd')}\n"


def test_every_result_that_may_be_named_can_be_reproduced():
    assert tuple(experiments.EXPERIMENTS) == grammar.EXPERIMENTS


def test_values_may_stand_before_the_file(swept):
    folder, _ = swept
    done = run("sweep", "--set", "seeds=1", "steps=4", "tiny.toml", "--dry-run", "--out", "elsewhere", cwd=folder)
    assert done.stdout.startswith("12 lanes to train, 48 lane-steps")


def test_whoever_reads_only_a_part_of_what_is_said(swept):
    folder, _ = swept
    command = f"{sys.executable} -m adam_vs_gd show runs/tiny | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=folder, timeout=HUNG)
    assert done.stderr == ""
    assert done.returncode in (0, 128 + 13)


def test_a_damaged_chunk_ends_with_1_and_names_it(swept, tmp_path):
    folder, _ = swept
    import shutil

    shutil.copytree(folder / "runs" / "tiny", tmp_path / "copy")
    chunk = next((tmp_path / "copy" / "journal").iterdir())
    chunk.write_bytes(chunk.read_bytes()[:-100])
    assert chunk.name in run("show", "copy", cwd=tmp_path, expected=1).stderr


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_sweeps_are_valid_and_say_what_to_look_for(path):
    spec = ag.load_spec(path)
    assert spec.name == path.stem
    assert "Look for" in path.read_text()
