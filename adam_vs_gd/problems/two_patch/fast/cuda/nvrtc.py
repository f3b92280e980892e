"""The kernels, compiled: CUDA C++ that ships as source, by NVRTC, which `jax[cuda12]` and `jax[cuda13]` bring."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adam_vs_gd.store.files import publish, sealed, unsealed

HERE = Path(__file__).parent
SOURCE = HERE / "kernels.cu"
OPTIONS = ("--std=c++17", "--ftz=true", "--extra-device-vectorization", "--ptxas-options=-v")


class CompilerError(RuntimeError):
    """NVRTC is not there, or refuses the kernels."""


class Resources(NamedTuple):
    """What the compiler says that a kernel takes of a thread.

    Attributes:
        registers: of 4 bytes.
        spilled: bytes that did not find room in them.
    """

    registers: int
    spilled: int


class Program(NamedTuple):
    """Compiled kernels.

    Attributes:
        name: a digest of all that they were compiled from.
        binary: a cubin.
    """

    name: str
    binary: bytes


def sources() -> dict[str, str]:
    """{name: text} of the kernels' files."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.cu*"))}


def program(architecture: str, macros: Mapping[str, Any], cache: str | None) -> Program:
    """The kernels of some shapes, from where compiled ones are kept if they have been compiled before.

    Args:
        architecture: "sm_90".
        macros: {SHAPE_…: number}.
        cache: the folder of JAX's compiled programs, beside which they are kept; if it is one, and not a bucket.

    Raises:
        CompilerError: if there is no NVRTC, or it refuses.
    """
    nvrtc = compiler()
    parts = [*sources().items(), architecture, sorted(macros.items()), OPTIONS, nvrtc.version]
    name = hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
    path = Path(cache) / "cuda" / f"{name}.npz" if cache and "://" not in cache else None
    with contextlib.suppress(OSError):
        if path and (kept := unsealed(path.read_bytes())):
            return Program(name, kept["cubin"].tobytes())
    binary, _ = nvrtc.compile(architecture, macros)
    with contextlib.suppress(OSError):  # a full disk, or a folder that is not ours: compiled again next time
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            publish(path, sealed({"cubin": np.frombuffer(binary, np.uint8)}), replace=True)
    return Program(name, binary)


class Compiler:
    """An NVRTC.

    Raises:
        OSError: if there is none at that path.
    """

    def __init__(self, path: str) -> None:
        self.library = ctypes.CDLL(path)
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    @property
    def version(self) -> str:
        """As people write it."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.expect(self.library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
        return f"{major.value}.{minor.value}"

    def compile(self, architecture: str, macros: Mapping[str, Any]) -> tuple[bytes, dict[str, Resources]]:
        """The kernels of some shapes, and what the compiler says that each takes.

        Raises:
            CompilerError: if it refuses them.
        """
        headers = {name: text for name, text in sources().items() if name != SOURCE.name}
        defined = [f"-D{key}={value}" for key, value in macros.items()]
        options = [f"--gpu-architecture={architecture}", *OPTIONS, *defined]
        handle, call = ctypes.c_void_p(), self.library
        source = SOURCE.read_bytes(), SOURCE.name.encode(), len(headers), array(headers.values()), array(headers)
        self.expect(call.nvrtcCreateProgram(ctypes.byref(handle), *source))
        try:
            refused = call.nvrtcCompileProgram(handle, len(options), array(options))
            log = self.text(call.nvrtcGetProgramLogSize, call.nvrtcGetProgramLog, handle).decode(errors="replace")
            if refused:
                raise CompilerError(f"NVRTC {self.version} refuses the kernels for {architecture}:\n{log}")
            binary = self.text(call.nvrtcGetCUBINSize, call.nvrtcGetCUBIN, handle)
        finally:
            call.nvrtcDestroyProgram(ctypes.byref(handle))
        return binary, dict(resources_in(log))

    def text(self, size: Any, get: Any, handle: ctypes.c_void_p) -> bytes:
        """One of a program's outputs."""
        length = ctypes.c_size_t()
        self.expect(size(handle, ctypes.byref(length)))
        data = ctypes.create_string_buffer(length.value)
        self.expect(get(handle, data))
        return data.raw

    def expect(self, code: int) -> None:
        """See that a call went well.

        Raises:
            CompilerError: if not.
        """
        if code:
            raise CompilerError(f"NVRTC says {self.library.nvrtcGetErrorString(code).decode()}")


def array(texts: Collection[str]) -> Any:
    """Texts as C takes them."""
    return (ctypes.c_char_p * len(texts))(*(text.encode() for text in texts))


def resources_in(log: str) -> Iterator[tuple[str, Resources]]:
    """(Kernel, what it takes) from what the compiler says."""
    for part in re.split(r"Compiling entry function", log)[1:]:
        name = re.match(r" '(\w+)'", part)
        registers = re.search(r"Used (\d+) registers", part)
        stores, loads = (re.search(rf"(\d+) bytes spill {what}", part) for what in ("stores", "loads"))
        if name and registers and stores and loads:
            yield name[1], Resources(int(registers[1]), int(stores[1]) + int(loads[1]))


@functools.cache
def compiler() -> Compiler:
    """The NVRTC of the wheels that JAX's extras bring, or the system's.

    Raises:
        CompilerError: if there is none.
    """
    for path in candidates():
        with contextlib.suppress(OSError):
            return Compiler(path)
    raise CompilerError("there is no NVRTC; install 'adam-vs-gd[cuda13]' or 'adam-vs-gd[cuda]', which bring it")


def candidates() -> list[str]:
    """Where NVRTC may be: of the CUDA that JAX uses first, then of the newest. Drivers do not take newer binaries."""
    spec = importlib.util.find_spec("nvidia")
    roots = spec.submodule_search_locations if spec else None
    found = [str(path) for root in roots or () for path in Path(root).glob("*/lib/libnvrtc.so.1[0-9]")]
    found = sorted(found, reverse=True, key=lambda path: path[-2:]) + [f"libnvrtc.so.{major}" for major in (13, 12)]
    return sorted(found, key=lambda path: importlib.util.find_spec(f"jax_cuda{path[-2:]}_plugin") is None)
