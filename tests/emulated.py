"""The GPU's kernels on this machine's CPU: the same source, compiled by g++ against tests/emulation/machine.cuh.

What launches them on a GPU is stood in for by an FFI target of the same name, so that all of `fast/cuda` runs as it is.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import jax
import pytest

from adam_vs_gd.problems.two_patch.fast.cuda import launching, nvrtc, programs

HERE = Path(__file__).parent / "emulation"
NATIVE = HERE.parent.parent / "native"
FLAGS = ["-std=c++17", "-O1", "-shared", "-fPIC", "-w"]


def folder():
    """Where they are kept, for this run of the tests."""
    path = Path(os.environ.get("XDG_CACHE_HOME", tempfile.gettempdir())) / "emulated"
    path.mkdir(parents=True, exist_ok=True)
    return path


def built(source, *flags):
    """A library of a source of this folder; kept, as others' processes use it too."""
    headers = [*sorted(HERE.iterdir()), *sorted(NATIVE.glob("*.h"))]
    texts = [path.read_text() for path in headers] + sorted(nvrtc.sources().items())
    name = hashlib.sha256(repr([source, flags, texts]).encode()).hexdigest()[:24]
    path = folder() / f"{name}.so"
    if not path.exists():
        mine = path.with_suffix(f".{os.getpid()}")
        done = subprocess.run(["g++", *FLAGS, *flags, HERE / source, "-o", mine], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:4000]
        os.replace(mine, path)
    return ctypes.CDLL(str(path))


def need_sources():
    """Skip what compiles, where there is no compiler, or nothing to compile."""
    if not shutil.which("g++") or not NATIVE.is_dir():
        pytest.skip("there is no g++ here, or no source of the native code")


@functools.cache
def launcher():
    """The target that stands in for the GPU's."""
    need_sources()
    library = built("launcher.cc", f"-I{jax.ffi.include_dir()}", f"-I{NATIVE}")
    jax.ffi.register_ffi_target(launching.TARGET, jax.ffi.pycapsule(library.emulated), platform="cpu")
    library.add_program.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    return library


def kernels(static, geometry):
    """What `launching.kernels` is on a GPU."""
    macros = launching.macros_of(geometry, static)
    flags = [f"-D{name}={value}" for name, value in macros.items()]
    library = built("program.cc", f"-I{nvrtc.HERE}", *flags)
    name = hashlib.sha256(repr(flags).encode()).hexdigest()[:24]
    run = ctypes.cast(library.run_kernel, ctypes.c_void_p)
    launcher().add_program(name.encode(), run)
    return launching.Kernels(name, geometry)


def in_order(order):
    """Let threads run in another order: 0 as they stand, 1 the other way round, others at random."""
    launcher().set_order(order)


@pytest.fixture
def emulated(monkeypatch):
    """The programs of `fast/cuda` run here."""
    launcher()
    monkeypatch.setattr(programs, "kernels", kernels)
    yield
    in_order(0)
