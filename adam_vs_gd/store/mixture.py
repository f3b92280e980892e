"""What all chunks of a folder have in common. No JAX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adam_vs_gd.errors import FolderError

NONE = "none"
UNMIXED = ("platform", "path", "kernel", "settings")
"""Chunks that differ in one of these round differently."""


def refuse_mixture(
    folder: Path,
    there: Iterable[Mapping[str, Any]],
    here: Mapping[str, Any],
    allowed: bool,
    never: Mapping[str, str] = {},
) -> None:
    """See that the chunks of a folder round alike, and read the same.

    Args:
        folder: of the sweep, for messages.
        there: what each of its chunks was computed with.
        here: what this run computes with.
        allowed: whether what rounds differently may be mixed.
        never: {key of what is never mixed: what it is the SHA-256 of}.

    Raises:
        FolderError: if they would not.
    """
    about = list(there)
    for key in (*UNMIXED, *never):
        mine = str(here.get(key, NONE))
        others = {str(one.get(key, NONE)) for one in about if key in one or key == "settings"} - {mine}
        if not others:
            continue
        found = ", ".join(sorted(others))
        if key in never:
            raise FolderError(
                f"{folder}: holds chunks computed on other {never[key]} (SHA-256 {found}; here it is {mine}); "
                "use those, or choose another folder with --out"
            )
        if not allowed:
            alike = f"{how_to_be(key, found)}, " if len(others) == 1 and key != "platform" else ""
            raise FolderError(
                f"{folder}: holds chunks computed with {key} = {found}, and this run has {key} = {mine}, so "
                f"their roundings differ; {alike}choose another folder with --out, or say --allow-mixed"
            )


def how_to_be(key: str, value: str) -> str:
    """How to compute as the chunks that are there were computed."""
    if key == "path":
        return f"say --path {value}"
    if key == "kernel":
        value, _, products = value.partition(", ")
        if products:
            return f"say --products {products}"
        if value.startswith("sm_"):
            return f"use GPUs of the architecture {value}"
        return "set ADAM_VS_GD_NATIVE=off" if value == "XLA" else f"set ADAM_VS_GD_SIMD={value} where there is that"
    return "set the environment as it was"
