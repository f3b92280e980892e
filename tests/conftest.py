import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if any((Path(path) / "adam_vs_gd").is_dir() and Path(path).resolve() != ROOT for path in sys.path):
    # test what is installed, which has the native kernel, and not the sources that `python -m pytest` puts ahead of it
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT]
    os.environ["PYTHONSAFEPATH"] = "1"

import jax
import pytest
from hypothesis import settings
from long import is_long

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("steady")


@pytest.fixture(autouse=True, scope="session")
def _on_cpu():
    """Tests assert bitwise equalities that hold on a CPU, and must not fight over a GPU."""
    with jax.default_device(jax.devices("cpu")[0]):
        yield


@pytest.fixture(autouse=True, scope="session")
def _compiled_programs_are_not_the_user_s(tmp_path_factory):
    """Tests neither use nor fill the user's cache of compiled programs; all their processes share one of their own.

    It lasts for one run, or for more where `TESTS_CACHE` names a folder: JAX names a program by all that it is made of.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["XDG_CACHE_HOME"] = os.environ.get("TESTS_CACHE") or str(shared / "cache")
    from adam_vs_gd.engine.machine import keep_compiled

    keep_compiled()  # as a sweep does, for what is compiled before the first, or without one


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """The small sweep that faults are tried on, in processes of its own."""
    import faults

    return faults.Bench(tmp_path_factory.mktemp("faults"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what is long, before pytest leaves it out."""
    for item in items:
        if is_long(item.nodeid, item.fixturenames):
            item.add_marker("long")
