"""The gallery, from gallery.toml: every picture that is shipped, with the commands that made it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]


def sections() -> list[dict[str, Any]]:
    """Its sections: a title, and pictures with `file`, `caption`, `commands` and `see`."""
    return tomllib.loads((DOCS / "gallery.toml").read_text(encoding="utf-8"))["section"]


def markdown() -> str:
    """The page below its introduction."""
    return "\n".join(
        f"## {section['title']}\n\n:::::{{grid}} 1 1 2 2\n:gutter: 3\n\n"
        + "\n".join(map(card, section["picture"]))
        + ":::::\n"
        for section in sections()
    )


def card(picture: dict[str, Any]) -> str:
    """A picture, larger when it is clicked, what it is, where more is said, and how it was made."""
    file, caption, commands = picture["file"], picture["caption"], "\n".join(picture["commands"])
    return (
        f"::::{{grid-item-card}}\n\n```{{image}} ../{file}\n:alt: {caption}\n:width: 100%\n:loading: lazy\n```\n\n"
        f"{caption} ([more](../{picture['see']})).\n\n```text\n{commands}\n```\n\n::::\n\n"
    )
