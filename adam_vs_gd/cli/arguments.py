"""Values of the command line, for argparse, and what several commands have."""

from __future__ import annotations

import argparse
import difflib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

A_SWEEP = "folder of a sweep, running or finished, or its s3://bucket/prefix"


class Parser(argparse.ArgumentParser):
    """A parser, of a command too, that names what is near to a word that it does not know."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but no word may be left: what a command does not know is said with the command's usage."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(
                f"unrecognized arguments: {' '.join(unknown)}{near(unknown[0], list(self._option_string_actions))}"
            )
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += near(value, list(action.choices or ()))
            raise


def near(word: str, known: Sequence[str]) -> str:
    """What to say after an unknown word, if a known one is like it."""
    found = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {found[0]}?" if found else ""


def bytes_of(text: str) -> int:
    """A size such as 4GiB, 500MB or 1e9 for argparse."""
    found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)\s*(?:([kmgt])(i?)b?|b)?", text.strip(), re.IGNORECASE)
    try:
        number, unit, binary = float(found[1]), (found[2] or "").lower(), found[3]  # type: ignore[index]
        count = int(number * (1024 if binary else 1000) ** (" kmgt".index(unit) if unit else 0))
    except (TypeError, ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a size, for instance 4GiB, 500MB or 2e9") from None
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be at least one byte")
    return count


def seconds_of(text: str) -> float:
    """A time such as 90s, 2m or 1h for argparse; a bare number is seconds."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*(s|m|min|h)?", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a time, for instance 90s, 2m or 1h")
    return float(found[1]) * {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}[found[2]]


def positive(text: str) -> int:
    """An integer >= 1 for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be an integer >= 1")
    return int(text)


def tolerance(text: str) -> float:
    """A finite number >= 0 for argparse."""
    try:
        if 0 <= (number := float(text)) < math.inf:
            return number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: must be a finite number >= 0, for instance 1e-6")


def here(text: str) -> Path:
    """A file or folder of this machine, and no address, for argparse."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://|s3a?:/", text):
        raise argparse.ArgumentTypeError(f"{text}: must be a file or folder of this machine, not in an object store")
    return Path(text)


def json_option(command: argparse.ArgumentParser) -> None:
    """The option of the commands that scripts read."""
    command.add_argument("--json", action="store_true", help="one JSON object instead of text; see docs/scripting.md")
