"""What a command found as JSON, for scripts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def in_json(found: Mapping[str, Any]) -> str:
    """One JSON object, in ASCII; NaN and infinities are null."""
    return json.dumps(plainly(found), allow_nan=False, indent=2)


def plainly(value: Any) -> Any:
    """A value of mappings, sequences, numbers and text as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): plainly(inner) for key, inner in value.items()}
    if hasattr(value, "tolist"):  # of NumPy
        return plainly(value.tolist())
    if isinstance(value, list | tuple):
        return [plainly(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
