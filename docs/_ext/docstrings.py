"""Docstrings are plain text with `code` in backticks, and sections as Google writes them: nothing else is markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TOKEN = re.compile(r"`(?P<code>[^`]+)`|\bdocs/(?P<page>[\w-]+)\.md|[|*\\]|(?<=\w)_(?=\W|$)")


def escaped(line: str) -> str:
    """A line in reStructuredText: names in backticks are links if they can be, the rest is as it is."""

    def replaced(match: re.Match[str]) -> str:
        if code := match["code"]:
            return match[0] if re.fullmatch(r"[\w.]+", code) else f"``{code}``"
        if page := match["page"]:
            return f":doc:`/{page}`"
        return f"\\{match[0]}"

    return TOKEN.sub(replaced, line)


def escape(app: Sphinx, what: str, name: str, of: Any, options: Any, lines: list[str]) -> None:
    """Sphinx's `autodoc-process-docstring`, ahead of napoleon."""
    if "adam_vs_gd" in (getattr(of, "__module__", None) or getattr(of, "__name__", None) or ""):
        lines[:] = [escaped(line) for line in lines]


def skip(app: Sphinx, what: str, name: str, of: Any, skipped: bool, options: Any) -> bool | None:
    """Sphinx's `autodoc-skip-member`: fields of a NamedTuple, of which Python only says that they are fields."""
    return True if type(of).__name__ == "_tuplegetter" else None
