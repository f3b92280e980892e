"""setuptools as build backend, which asks for jaxlib only where the native kernel can be built and has no headers yet.

The kernel includes three headers of XLA's FFI, and jaxlib ships them. As a fixed build requirement it would be unpacked
with NumPy and SciPy (500 MB on disk) into an environment that is thrown away. An sdist needs none of it, a machine
without compiler neither, and where jaxlib is installed already its headers are read in place.
"""

import importlib.metadata
import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  the hooks that stay as they are

OLDEST = (0, 10)
"""The first release of jaxlib whose headers will do; a test holds it to pyproject.toml."""
SWITCH = "ADAM_VS_GD_NATIVE"
"""The environment variable that switches the kernel off when a sweep runs does so when a wheel is built."""


def compiler() -> str | None:
    """The C++ compiler that setuptools would call, if it is there and knows GCC's extensions."""
    if os.environ.get(SWITCH) in ("0", "off") or sys.platform == "win32":
        return None
    command = os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++"
    return shutil.which(shlex.split(command)[0])


def headers() -> Path | None:
    """The folder of XLA's headers: of the build environment's jaxlib, or of the environment that is installed into."""
    for folder in dict.fromkeys([*sys.path, sysconfig.get_path("platlib")]):
        include = Path(folder, "jaxlib", "include")
        if (include / "xla" / "ffi" / "api" / "ffi.h").is_file():
            found = next(iter(importlib.metadata.distributions(name="jaxlib", path=[folder])), None)
            if found and tuple(int(part) for part in found.version.split(".")[:2]) >= OLDEST:
                return include
    return None


def with_headers(requires: list[str]) -> list[str]:
    """Build requirements, and jaxlib if it takes that to build the kernel."""
    wanted = compiler() and not headers()
    return [*requires, f"jaxlib>={'.'.join(map(str, OLDEST))}"] if wanted else requires


def get_requires_for_build_wheel(config_settings=None) -> list[str]:
    """What `pip install .` installs before it builds."""
    return with_headers(build_meta.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings=None) -> list[str]:
    """What `pip install --editable .` installs before it builds."""
    return with_headers(build_meta.get_requires_for_build_editable(config_settings))
