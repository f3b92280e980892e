"""What is imported before a command answers: everything else waits until it is needed."""

import subprocess
import sys

import pytest
import small
from patience import HUNG

import adam_vs_gd as ag

HEAVY = {
    "jax", "jaxlib", "flax", "optax", "orbax", "numpy", "pandas", "xarray", "zarr", "scipy", "scipy.stats",
    "scipy.spatial", "matplotlib", "PIL", "contourpy", "rich", "IPython",
}  # fmt: skip
TELL = f"""import sys
def tell():
    sys.stderr.write("told:" + " ".join({HEAVY!r} & sys.modules.keys()) + "\\n")
"""
COMMAND = "from adam_vs_gd.cli import main; assert main({arguments}) == 0"
TO_FIRST_STEP = """import os
from adam_vs_gd.cli import main
from adam_vs_gd.engine.progress import Lines
def update(self, meter):
    tell()
    os._exit(0)
Lines.update = update
main(["sweep", "tiny.toml", "--out", "run"])
"""
SPEC = """
seeds = 1
steps = 40
record = 2
data = { n = 8, d = 24, s = 4, test_size = 20 }
model = { width = 2 }
optimizers = { gd = {} }
"""


def loaded(script, folder):
    """Which of the heavy modules a process has imported when it calls `tell`, or ends."""
    command = [sys.executable, "-c", f"{TELL}{script}\ntell()"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HUNG)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("told:")[2].split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a spec, and a sweep that is done."""
    there = tmp_path_factory.mktemp("startup")
    (there / "tiny.toml").write_text(SPEC)
    ag.run_sweep(small.spec(seeds=2, steps=20, data={"alpha": [0.0, 0.1]}), there / "done", quiet=True)
    return there


@pytest.mark.parametrize("script", ["import adam_vs_gd", COMMAND.format(arguments=["--help"])])
def test_the_package_and_its_help_import_nothing(folder, script):
    assert loaded(script, folder) == set()


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (["show", "done"], {"jax", "scipy.stats", "scipy.spatial", "matplotlib", "zarr", "orbax"}),
        (["verify", "done"], {"jax", "scipy.stats", "scipy.spatial", "matplotlib", "orbax"}),
        (["plot", "done"], {"jax", "scipy.stats", "scipy.spatial", "zarr", "orbax"}),
    ],
)
def test_what_looks_at_results_imports_neither_jax_nor_what_others_need(folder, arguments, without):
    found = loaded(COMMAND.format(arguments=arguments), folder)
    assert "xarray" in found, "the modules are looked at when it is done"
    assert not found & without


def test_until_its_first_step_a_sweep_imports_what_it_trains_with(folder):
    """Of which rich comes with flax."""
    assert loaded(TO_FIRST_STEP, folder) == {"jax", "jaxlib", "flax", "optax", "numpy", "rich"}


def test_garbage_is_collected_less_often_in_the_command_lines_own_process_only(folder):
    script = (
        "import gc, sys; from adam_vs_gd.cli import main; before = gc.get_threshold()\n"
        "assert main(['--help']) == 0 and gc.get_threshold() == before\n"
        "sys.argv[1:] = ['--help']\n"
        "assert main() == 0 and gc.get_threshold() > before"
    )
    loaded(script, folder)
