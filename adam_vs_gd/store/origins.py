"""What the chunks of a journal were computed with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.types import Rows

PROVENANCE = ("platform", "device", "path", "kernel", "versions", "python", "commit")
"""What a chunk was computed with, as far as it is told in the Dataset's attributes; beside what its family adds."""
OF_A_CHUNK = ("width", "devices", "seconds")
"""What differs from chunk to chunk, and is not told there."""


class Origins:
    """What chunks were computed with, each different one once, in the order of the chunks' names."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}

    def add(self, rows: Rows) -> Mapping[str, Any]:
        """Count a chunk in, and give all that it says of itself."""
        about = json.loads(str(rows["about"]))
        text = json.dumps({key: value for key, value in about.items() if key not in OF_A_CHUNK})
        name = digest_of(rows["lane"].tolist())
        self.first[text] = min(name, self.first.get(text, name))
        return about

    def all(self) -> list[dict[str, Any]]:
        """What they were computed with."""
        return [json.loads(text) for text in sorted(self.first, key=self.first.__getitem__)]


def combined(about: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What chunks were computed with, as attributes: every different value, in order."""
    found: dict[str, dict[str, None]] = {}
    for one in about:
        for key in (*PROVENANCE, *(key for key in one if key not in PROVENANCE and key not in OF_A_CHUNK)):
            found.setdefault(key, {})[str(one.get(key, "unknown"))] = None
    return {key: "; ".join(values) for key, values in found.items()}
