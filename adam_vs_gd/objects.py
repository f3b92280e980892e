"""Somebody else's objects: how they are found by name, and what tells one version of their code from another."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
import inspect
import os
import site
import sys
import sysconfig
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adam_vs_gd.errors import SpecError

DIGITS = 16  # of a digest of code
INSTALLED = tuple(
    {os.path.realpath(path) for path in (*sysconfig.get_paths().values(), *site.getsitepackages()) if path}
    - {os.path.realpath(sys.prefix)}
)
"""Where installed packages are: their code is told apart by versions, which results carry, and not by its text."""


def imported(where: str, key: str) -> Any:
    """The object that "package.module:name" names; the current folder is looked into first, as `python -m` does.

    Args:
        where: the module and the name in it.
        key: of the spec that names it, for the message.

    Raises:
        SpecError: if there is none.
    """
    module, colon, name = where.partition(":")
    if not (colon and module and name):
        raise SpecError("spec", [f'{key} = "{where}": must be "package.module:name"'])
    try:
        with current_folder_first():
            found: Any = importlib.import_module(module)
    except Exception as error:  # whatever somebody's module raises
        said = (str(error).strip().splitlines() or [""])[0]
        raise SpecError(
            "spec",
            [f'{key} = "{where}": {module} cannot be imported ({type(error).__name__}: {said}); it is looked for in '
             "the current folder and where Python finds packages"],
        ) from error  # fmt: skip
    for part in name.split("."):
        if not hasattr(found, part):
            known = ", ".join(n for n in dir(found) if not n.startswith("_"))[:200]
            raise SpecError("spec", [f'{key} = "{where}": there is no {part} in {module}; there are {known}'])
        found = getattr(found, part)
    return found


@contextlib.contextmanager
def current_folder_first() -> Iterator[None]:
    """Look for modules in the current folder before all else; afterwards behind all else, for what is imported late.

    A process started later has the same places in the same order, and must find there the packages that this one has.
    """
    here = os.getcwd()
    if "" in sys.path or here in sys.path[:1]:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)


def name_of(thing: Any) -> str:
    """How an object is named: "package.module:qualified.name"."""
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{getattr(kind, '__module__', '?')}:{kind.__qualname__}"


def code_digest(thing: Any, key: str) -> str:
    """A digest of somebody's code, and of all that it reaches: functions, classes, constants, closures.

    Comments, docstrings and layout do not count; what comes from installed packages does not either.

    Args:
        thing: a function, a class, an object of one, or a tuple of those.
        key: what to call it in a message.

    Raises:
        SpecError: if it holds something whose value cannot be told, or has no source; saying to pin a version.
    """
    told = hashlib.sha256()
    for part in parts_of(thing, key, set()):
        told.update(part.encode())
        told.update(b"\0")
    return told.hexdigest()[:DIGITS]


def named_code(where: str, thing: Any, version: str | int | None) -> str:
    """How code is named where it decides a result: its place, and its author's version or a digest of it.

    Args:
        where: "package.module:name".
        thing: the object.
        version: its author's, if there is one.
    """
    return f"{where}@{code_digest(thing, where) if version is None else version}"


def parts_of(thing: Any, key: str, seen: set[int]) -> Iterator[str]:
    """Texts that tell an object from every other."""
    if thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
        yield repr(thing)
        return
    if isinstance(thing, np.ndarray | np.generic) or (hasattr(thing, "__array__") and hasattr(thing, "dtype")):
        array = np.asarray(thing)
        yield f"{array.dtype}{array.shape}{hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"
        return
    if id(thing) in seen:
        yield "again"
        return
    seen.add(id(thing))
    if isinstance(thing, types.ModuleType):
        yield f"module {thing.__name__}"
    elif isinstance(thing, functools.partial):
        for part in (thing.func, thing.args, thing.keywords):
            yield from parts_of(part, key, seen)
    elif isinstance(thing, dict):
        for name in sorted(thing, key=repr):
            yield repr(name)
            yield from parts_of(thing[name], key, seen)
    elif isinstance(thing, list | tuple | frozenset | set):
        yield type(thing).__name__
        for item in sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing:
            yield from parts_of(item, key, seen)
    elif inspect.isroutine(thing) or inspect.isclass(thing) or hasattr(thing, "__wrapped__"):
        yield from code_of(thing, key, seen)
    elif " at 0x" not in (text := repr(thing)):
        yield from parts_of(type(thing), key, seen)
        yield text
    elif hasattr(thing, "__dict__"):
        yield from parts_of(type(thing), key, seen)
        yield from parts_of(vars(thing), key, seen)
    else:
        raise SpecError("spec", [f"{key}: uses {text}, whose value cannot be told; pin its code with version="])


def is_installed(thing: Any) -> bool:
    """Whether a function or class comes from Python itself, or from an installed package: by where its code is."""
    if inspect.isfunction(thing):
        file = thing.__code__.co_filename
        return file.startswith("<frozen") or os.path.realpath(file).startswith(INSTALLED)
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if place := getattr(module, "__file__", None):
        return os.path.realpath(place).startswith(INSTALLED)
    inside = [f for f in vars(thing).values() if inspect.isfunction(f)] if inspect.isclass(thing) else []
    return all(map(is_installed, inside)) and getattr(thing, "__module__", "") != "__main__"


def code_of(thing: Any, key: str, seen: set[int]) -> Iterator[str]:
    """Texts that tell a function or a class: its source, and all of the same kind that its source names."""
    inner = inspect.unwrap(thing) if callable(thing) else thing
    inner = getattr(inner, "__func__", inner)
    yield f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', repr(inner))}"
    if is_installed(inner) or inspect.isbuiltin(inner):
        return
    try:
        if inspect.isfunction(inner) and is_typed_in(inner.__code__.co_filename):
            raise OSError("what has been typed in has no file, and another text may go by its name")
        yield stripped(inspect.getsource(inner))
    except (OSError, TypeError, SyntaxError):  # or a lambda in the middle of something
        if not inspect.isfunction(inner):
            text = f"{key}: the source of {inner.__qualname__} cannot be read; pin its code with version="
            raise SpecError("spec", [text]) from None
        yield from instructions(inner.__code__)
    functions = [inner] if inspect.isfunction(inner) else [f for f in vars(inner).values() if inspect.isfunction(f)]
    if inspect.isclass(inner):
        for base in inner.__bases__:
            yield from parts_of(base, key, seen)
    for function in functions:
        for default in (function.__defaults__, function.__kwdefaults__):
            yield from parts_of(default, key, seen)
        for name, value in sorted(reached(function).items()):
            yield name
            yield from parts_of(value, key, seen)


def is_typed_in(file: str) -> bool:
    """Whether code comes from no file and no notebook's cell: from a prompt, `-c`, or `exec`."""
    return file.startswith("<") and not file.startswith("<ipython")


def instructions(code: types.CodeType) -> Iterator[str]:
    """Texts that tell compiled code, of one version of Python."""
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}"
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from instructions(constant)
        else:
            yield repr(constant)


def reached(function: Callable[..., Any]) -> dict[str, Any]:
    """{name: value} of the globals and the closure that a function names, in itself or in functions inside it."""
    codes, names = [function.__code__], set()
    while codes:
        code = codes.pop()
        names |= set(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    found = {name: function.__globals__[name] for name in names if name in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def stripped(source: str) -> str:
    """Source without comments, docstrings and layout."""
    tree = ast.parse(textwrap.dedent(source).strip())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)
