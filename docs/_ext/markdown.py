"""Pieces of Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; pipes in its cells are text."""
    lines = [head, ["---"] * len(head), *([re.sub(r"(?<!\\)\|", r"\|", cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def code(value: Any) -> str:
    """A value as one types it."""
    if isinstance(value, float):
        return f"`{value:g}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def codes(values: Iterable[Any]) -> str:
    """Several of them."""
    return ", ".join(map(code, values))


def named(name: str, anchor: str = "") -> str:
    """A name that can be linked to."""
    return f"[`{name}`]{{#{re.sub(r'[^A-Za-z0-9_-]', '-', anchor or name)}}}"


def linked(words: str) -> str:
    """Words of the package with the pages that they name as links, from a page of reference/."""
    return re.sub(r"\bdocs/([\w-]+)\.md", r"[\1](../\1.md)", words)


def math(symbol: str) -> str:
    """A symbol in matplotlib's mathtext, which is TeX; bars by name, because a pipe ends a table's cell."""
    if not symbol.startswith("$") and "$" not in symbol:
        return symbol
    return symbol.replace(r"\|", r"\Vert ").replace("|", r"\vert ").replace("#", r"\#").replace(r"\\#", r"\#")


def arguments_of(documented: Any) -> dict[str, str]:
    """{name: what its Google-style docstring says} of each argument."""
    text = inspect.getdoc(documented) or ""
    (part,) = re.findall(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", part, re.DOTALL | re.MULTILINE)
    return {name: linked(" ".join(words.split())) for name, words in entries}
