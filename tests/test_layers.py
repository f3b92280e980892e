"""The import graph: what must not import JAX, touch files, or print."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import adam_vs_gd as ag

PACKAGE = Path(__file__).parent.parent / "adam_vs_gd"
NO_JAX = (
    "errors",
    "keys",
    "methods",
    "types",
    "problem",
    "spec",
    "plan",
    "axis",
    "panels",
    "plot",
    "report",
    "images",
    "checks",
    "overlay",
    "selection",
    "show",
    "transition",
    "store",
    "theory",
    "theory.claims",
    "theory.table",
    "dataset",
    "lock",
    "verify",
    "interruption",
    "statistics",
    "variables",
    "progress",
    "provenance",
)
KERNELS = (
    "types", "problem", "batches", "data", "models/two_layer_cnn", "models/linear", "optimizers", "measurements",
    "training", "two_patch", "chunk", "methods", "plan", "theory/scales", "theory/conditions", "theory/prediction",
    "theory/curves", "theory/observed", "theory/lemmas", "theory/claims", "theory/table", "fast/__init__",
    "fast/sparse", "fast/span", "fast/dense", "fast/gram",
)  # fmt: skip


@pytest.mark.parametrize("module", [*NO_JAX, "cli"])
def test_modules_that_never_import_jax(module):
    name = f"adam_vs_gd.{module}"
    script = f"import sys, {name}; sys.exit('jax' in sys.modules or 'jaxlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PACKAGE.parent)


@pytest.mark.parametrize("module", KERNELS)
def test_kernels_touch_no_files_and_print_nothing(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "print", "input"}
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"os", "pathlib", "shutil", "time", "datetime", "sys"}


def test_jit_is_called_in_one_place():
    users = {path.stem for path in PACKAGE.rglob("*.py") if "jax.jit" in path.read_text()}
    assert users == {"chunk", "plain_jax"}, "plain_jax is what a user would write"


def test_importing_the_package_starts_no_backend():
    script = (
        "import adam_vs_gd as ag\nfor name in ag.__all__: getattr(ag, name)\n"
        "from jax._src import xla_bridge\nassert not xla_bridge._backends, xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PACKAGE.parent)


def test_every_public_name_exists_and_has_a_docstring():
    for name in ag.__all__:
        assert getattr(ag, name).__doc__, name


def test_no_public_name_is_hidden_by_a_module():
    """`import adam_vs_gd.train` would replace the function `ag.train`."""
    modules = {path.stem for path in PACKAGE.iterdir()}
    assert set(ag.__all__) & modules == {"plot", "report", "theory"}
