"""What all chunks of a folder have in common. No JAX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adam_vs_gd.errors import FolderError

UNMIXED = ("platform", "path", "image_digest")
"""Chunks that differ in one of these are not of one experiment: their roundings differ, or their images."""


def refuse_mixture(folder: Path, there: Iterable[Mapping[str, Any]], here: Mapping[str, Any], allowed: bool) -> None:
    """See that the chunks of a folder come from one platform, one path and one set of images.

    Args:
        folder: it.
        there: what each of its chunks was computed with.
        here: what this run computes with.
        allowed: whether platforms and paths may be mixed; images never.

    Raises:
        FolderError: if they would not.
    """
    about = list(there)
    for key in UNMIXED:
        others = ", ".join(sorted({str(one[key]) for one in about if key in one} - {here.get(key)}))
        if not others:
            continue
        if key == "image_digest":
            raise FolderError(
                f"{folder}: holds chunks computed on other images (SHA-256 {others}; here it is {here.get(key)}); "
                "use those, or choose another folder with --out"
            )
        if not allowed:
            same = f"say --path {others}, " if key == "path" and ", " not in others else ""
            raise FolderError(
                f"{folder}: holds chunks computed with {key} = {others}, and this run has {key} = {here[key]}, so "
                f"their roundings differ; {same}choose another folder with --out, or say --allow-mixed"
            )
