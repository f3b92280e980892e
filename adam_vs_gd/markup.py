"""Pieces of HTML for what a notebook shows: text, all of it escaped, in the colours around it, light or dark."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


class Shown:
    """What a notebook shows as HTML, and anything else as text.

    Args:
        html: the one, complete.
        text: the other.
    """

    def __init__(self, html: str, text: str) -> None:
        self.html, self.text = html, text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Text as a table, its first column that of the rows' names."""
    cell = "text-align:left;padding:.1em .9em .1em 0;vertical-align:top"
    top = "".join(f'<th scope="col" style="{cell}">{html.escape(text)}</th>' for text in head)
    lines = []
    for name, *cells in rows:
        rest = "".join(f'<td style="{cell}">{html.escape(text)}</td>' for text in cells)
        lines.append(f'<tr style="background:none"><th scope="row" style="{cell}">{html.escape(name)}</th>{rest}</tr>')
    return (
        '<table style="border-collapse:collapse;background:none;color:inherit;font-variant-numeric:tabular-nums">'
        f'<thead><tr style="background:none">{top}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    )
