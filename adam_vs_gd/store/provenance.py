"""What computed a result: versions and commit."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGES = ("adam-vs-gd", "jax", "jaxlib", "flax", "optax", "numpy", "xarray")


def provenance() -> dict[str, str]:
    """Versions of the packages that matter and the commit of this one, for a result's attributes."""
    found = [f"{name} {version(name)}" for name in PACKAGES]
    return {"versions": ", ".join(found), "python": platform.python_version(), "commit": commit()}


def version(name: str = PACKAGES[0]) -> str:
    """The version of a package; of this one what stands beside the code, which metadata of another may lie before."""
    try:
        if name == PACKAGES[0]:
            from adam_vs_gd import _version

            return str(_version.version)
    except ImportError:
        pass
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def processor() -> str:
    """The name of this machine's CPU, as well as the system tells it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def commit() -> str:
    """The commit of this code: asked of git in a checkout, else what the build wrote down, else "unknown".

    A checkout with changes ends in `-dirty`.
    """
    here = Path(__file__).parent.parent
    if (here.parent / ".git").exists():
        try:
            asked = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
            return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return "unknown"
    _, plus, local = version().partition("+g")
    return local.replace(".d", "-dirty.") if plus else "unknown"
