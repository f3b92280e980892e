"""What is imported before a command answers: everything else waits until it is needed."""

import subprocess
import sys

import pytest
import small
from patience import HUNG

import adam_vs_gd as ag

HEAVY = {
    "jax", "jaxlib", "flax", "optax", "orbax", "numpy", "pandas", "xarray", "zarr", "scipy", "scipy.stats", "scipy.spatial",
    "matplotlib", "PIL", "contourpy", "rich", "dask", "distributed", "submitit", "fsspec", "IPython", "skimage",
}  # fmt: skip
COMMAND = "from adam_vs_gd.cli import main; assert main({arguments}) == 0"
TO_FIRST_STEP = (
    "import os\nfrom adam_vs_gd.cli import main\nfrom adam_vs_gd.engine.progress import Lines\n"
    "def update(self, meter):\n    tell()\n    os._exit(0)\n"
    "Lines.update = update\nmain(['sweep', 'tiny.toml', '--out', 'run'])"
)
SPEC = """
seeds = 1
steps = 40
record = 2
data = {{ n = 8, d = 24, s = 4, test_size = 20 }}
model = {{ width = 2 }}
optimizers = {{ gd = {{}} }}
"""


def loaded(script, folder):
    """Which of the heavy modules a process has imported when it calls `tell`, or ends."""
    tell = (
        f"import sys\ndef tell():\n    sys.stderr.write('told:' + ' '.join({HEAVY!r} & sys.modules.keys()) + '\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{tell}{script}\ntell()"], cwd=folder, capture_output=True, text=True, timeout=HUNG
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("told:")[2].split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a spec, and a sweep that is done."""
    there = tmp_path_factory.mktemp("startup")
    (there / "tiny.toml").write_text(SPEC.format())
    ag.run_sweep(small.spec(seeds=2, steps=20, data={"alpha": [0.0, 0.1]}), there / "done", quiet=True)
    return there


def test_the_package_is_imported_without_anything(folder):
    assert loaded("import adam_vs_gd", folder) == set()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--help"], set()),
        (["show", "done"], {"numpy", "pandas", "xarray", "scipy", "rich"}),
        (["verify", "done"], {"numpy", "pandas", "xarray", "zarr"}),
        (["plot", "done"], {"numpy", "pandas", "xarray", "scipy", "matplotlib", "PIL", "contourpy"}),
    ],
)
def test_a_command_imports_what_it_needs(folder, arguments, wanted):
    assert loaded(COMMAND.format(arguments=arguments), folder) == wanted


def test_until_its_first_step_a_sweep_imports_what_it_trains_with(folder):
    assert loaded(TO_FIRST_STEP, folder) == {"jax", "jaxlib", "flax", "optax", "numpy", "rich"}
    # rich comes with flax
