"""The kernels, compiled: CUDA C++ that ships as source, by NVRTC, which `jax[cuda12]` and `jax[cuda13]` bring."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

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
        resources: {kernel: what it takes}; empty if they come from the cache.
    """

    name: str
    binary: bytes
    resources: Mapping[str, Resources] = {}


def sources() -> dict[str, str]:
    """{name: text} of the kernels' files."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.cu*"))}


def digest(architecture: str, macros: Mapping[str, Any]) -> str:
    """A name for kernels: of their source, how they are compiled, and by which NVRTC."""
    parts = [*sources().items(), architecture, sorted(macros.items()), OPTIONS, *version()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def program(architecture: str, macros: Mapping[str, Any], folder: Path | None = None) -> Program:
    """The kernels of some shapes, from a cache of the user's if they have been compiled before.

    Args:
        architecture: "sm_90".
        macros: {SHAPE_…: number}.
        folder: of the cache; the user's by default.

    Raises:
        CompilerError: if there is no NVRTC, or it refuses.
    """
    name = digest(architecture, macros)
    folder = folder or Path(platformdirs.user_cache_dir("adam-vs-gd", appauthor=False)) / "cuda"
    path = folder / f"{name}.cubin"
    try:
        return Program(name, checked(path.read_bytes()))
    except (OSError, ValueError):
        made = compiled(architecture, macros)
    try:  # a name of its own, then the one: others may do the same now, on another machine too
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=name, delete=False) as file:
            file.write(hashlib.sha256(made.binary).digest() + made.binary)
        os.replace(file.name, path)
    except OSError:  # a full disk, or a folder that is not ours: compiled again next time
        pass
    return made


def checked(data: bytes) -> bytes:
    """What a file of the cache holds.

    Raises:
        ValueError: if it is damaged.
    """
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        raise ValueError("damaged")
    return data[32:]


def compiled(architecture: str, macros: Mapping[str, Any]) -> Program:
    """The same, compiled now.

    Raises:
        CompilerError: if there is no NVRTC, or it refuses.
    """
    nvrtc = library()
    headers = {name: text for name, text in sources().items() if name != SOURCE.name}
    options = [f"--gpu-architecture={architecture}", *OPTIONS, *(f"-D{name}={value}" for name, value in macros.items())]
    handle = ctypes.c_void_p()
    texts = (ctypes.c_char_p * len(headers))(*(text.encode() for text in headers.values()))
    names = (ctypes.c_char_p * len(headers))(*(name.encode() for name in headers))
    source = SOURCE.read_bytes()
    expect(nvrtc.nvrtcCreateProgram(ctypes.byref(handle), source, SOURCE.name.encode(), len(headers), texts, names))
    try:
        done = nvrtc.nvrtcCompileProgram(handle, len(options), (ctypes.c_char_p * len(options))(*map(str.encode, options)))
        log = text_of(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, handle).decode(errors="replace").rstrip("\0")
        if done:
            raise CompilerError(f"NVRTC {version_text()} refuses the kernels for {architecture}:\n{log}")
        binary = text_of(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, handle)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(handle))
    return Program(digest(architecture, macros), binary, dict(resources_in(log)))


def resources_in(log: str) -> Iterator[tuple[str, Resources]]:
    """(Kernel, what it takes) from what the compiler says."""
    for part in re.split(r"Compiling entry function", log)[1:]:
        name = re.match(r" '(\w+)'", part)
        registers = re.search(r"Used (\d+) registers", part)
        stores, loads = (re.search(rf"(\d+) bytes spill {what}", part) for what in ("stores", "loads"))
        if name and registers and stores and loads:
            yield name[1], Resources(int(registers[1]), int(stores[1]) + int(loads[1]))


def text_of(size: Any, get: Any, handle: ctypes.c_void_p) -> bytes:
    """One of NVRTC's outputs."""
    length = ctypes.c_size_t()
    expect(size(handle, ctypes.byref(length)))
    data = ctypes.create_string_buffer(length.value)
    expect(get(handle, data))
    return data.raw


def expect(code: int) -> None:
    """See that a call went well.

    Raises:
        CompilerError: if not.
    """
    if code:
        raise CompilerError(f"NVRTC says {library().nvrtcGetErrorString(code).decode()}")


@functools.cache
def library() -> Any:
    """NVRTC, from the wheels that JAX's extras bring, or the system's.

    Raises:
        CompilerError: if it is not there.
    """
    for path in candidates():
        try:
            found = ctypes.CDLL(path)
        except OSError:
            continue
        found.nvrtcGetErrorString.restype = ctypes.c_char_p
        return found
    raise CompilerError("there is no NVRTC; install 'adam-vs-gd[cuda13]' or 'adam-vs-gd[cuda]', which bring it")


def candidates() -> Iterator[str]:
    """Where NVRTC may be: that of the newest CUDA first."""
    spec = importlib.util.find_spec("nvidia")
    for root in map(Path, spec.submodule_search_locations or () if spec else ()):
        yield from sorted(map(str, root.glob("*/lib/libnvrtc.so.1[0-9]")), reverse=True)
    yield from ("libnvrtc.so.13", "libnvrtc.so.12")


def version() -> tuple[int, int]:
    """NVRTC's."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    expect(library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


def version_text() -> str:
    """The same, for people."""
    return ".".join(map(str, version()))
