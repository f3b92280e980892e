"""A new spec, written from one of a few kinds: checked first, and never over a file that is there."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
import sys
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from adam_vs_gd.errors import SpecError
from adam_vs_gd.spec.keys import COMMON, NAME
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.spec.written import written

TOML = ".toml"


def write(name: str, kind: str, out: Path) -> list[Path]:
    """Write a spec, and the module that it imports, if it does.

    Args:
        name: of the sweep.
        kind: which of the files in kinds/ it is like.
        out: where the spec goes; the module goes into the current folder, where a sweep looks for it.

    Returns:
        What has been written.

    Raises:
        SpecError: if a sweep or a module cannot be called so, or a file is there; nothing is written then.
    """
    check_name(name)
    if out.suffix != TOML and not out.is_dir():
        raise refused(f"{out}: must end in {TOML}, for instance --out {out / f'{name}{TOML}'}")
    text = shipped(f"{kind}{TOML}")
    given = {"name": name} | tomllib.loads(text)
    modules: dict[Path, str] = {}
    if problem := given.get("problem"):
        source, _, function = problem["import"].partition(":")
        module = module_of(name)
        given["problem"] = problem | {"import": f"{module}:{function}"}
        modules[Path(f"{module}.py")] = shipped(f"{source}.py.txt")
    command = f"#\n#   adam-vs-gd sweep {shlex.quote(str(out))}\n"
    texts = {out: f"{heading(text)}{command}\n{written(checked(given), given)}"} | modules
    check_files(texts)
    for path, content in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(content)
    return list(texts)


def shipped(file: str) -> str:
    """The text of a file in kinds/."""
    return files("adam_vs_gd.cli").joinpath("kinds", file).read_text(encoding="utf-8")


def checked(given: Mapping[str, Any]) -> SweepSpec:
    """The spec, whose code need not be there yet."""
    here = {"problem": given["problem"] | {"code": ""}} if "problem" in given else {}
    return SweepSpec(**{**given, **here})


def heading(text: str) -> str:
    """The comment that a file begins with."""
    return "".join(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True)))


def module_of(name: str) -> str:
    """The module whose function a sweep is of.

    Raises:
        SpecError: if it cannot be imported by that name, or another one would be.
    """
    module = re.sub(r"\W", "_", name)
    if not module.isidentifier():
        raise refused(f"{name}: with --kind function it names a module too, which begins with a letter; add one")
    if module in sys.stdlib_module_names or importlib.util.find_spec(module):
        raise refused(f"{name}: with --kind function it names a module too, and Python has another {module}; choose "
                      f"another name, for instance {name}-sweep")  # fmt: skip
    return module


def check_name(name: str) -> None:
    """Whether a sweep can be called so."""
    if re.fullmatch(NAME, name) and not name.endswith(TOML):
        return
    path = Path(name)
    stem = re.sub(r"[^\w.-]", "-", path.name.removesuffix(TOML)).lstrip(".") or "mine"
    place = f" --out {shlex.quote(str(path.parent / (stem + TOML)))}" if path.parent != Path() else ""
    raise refused(f"{name or repr(name)}: must be {COMMON['name'].allowed}, and no file's; for instance\n"
                  f"    adam-vs-gd new {stem}{place}")  # fmt: skip


def check_files(paths: Mapping[Path, Any]) -> None:
    """Whether there is room for files."""
    for path in paths:
        if path.is_dir():
            raise refused(f"{path}: is a folder; name a file in it, --out {path / 'mine.toml'}")
        if path.exists() or path.is_symlink():
            raise refused(f"{path}: is there already, and nothing is written over it; choose another name"
                          + (", or another --out" if path.suffix == TOML else ""))  # fmt: skip


def refused(mistake: str) -> SpecError:
    """The error of this command."""
    return SpecError("new", [mistake])
