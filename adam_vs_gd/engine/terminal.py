"""What a command prints, whatever stdout and stderr are: of any encoding, closed, full, or nobody's any more."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

LEGIBLE = "adam_vs_gd.legible"
"""The name by which encoders know `legible`."""
PLAIN = {
    "α": "alpha", "β": "beta", "Γ": "Gamma", "Δ": "Delta", "ε": "epsilon", "η": "eta", "Θ": "Theta", "κ": "kappa",
    "γ": "gamma", "μ": "mu", "τ": "tau", "ḡ": "mean g", "∝": "~", "∼": "~", "“": '"', "”": '"',
    "λ": "lambda", "Λ": "Lambda", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "ω": "omega", "Ω": "Omega",
    "ϱ": "rho", "Σ": "sum", "∇": "grad", "√": "sqrt", "∞": "inf", "∈": "in", "ℓ": "l", "Õ": "O~",
    "\N{COMBINING TILDE}": "~", "−": "-", "–": "-", "·": "*", "×": "x", "±": "+-", "…": "...", "←": "<-", "→": "->",
    "∨": r"\/", "≤": "<=", "≥": ">=", "≪": "<<", "≫": ">>", "≲": "<~", "≳": ">~", "≈": "~", "‖": "||",
    "⟨": "<", "⟩": ">", "₁": "_1", "₂": "_2", **{raised: f"^{k}" for k, raised in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}  # fmt: skip
"""How to say in ASCII what this package prints."""
SUPERSETS = ("ascii", "latin-1", "utf-8", "charmap")
"""Encodings, as their encoders call themselves, in which a byte of a file's name may stand between characters."""
SURROGATES = range(0xDC80, 0xDD00)  # how Python holds the bytes of a file's name that are not of its encoding
BYTE = 0xFF


def legible(error: UnicodeError) -> tuple[str | bytes, int]:
    """What to write in place of a character that an encoding lacks, and where to go on: an error handler of codecs.

    A byte of a file's name is written as it is, so that a path which is printed is the file's.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text, i = error.object, error.start
    character, before, after = text[i], text[i - 1 : i], text[i + 1 : i + 2]
    error.end = i + 1
    if word := PLAIN.get(character):
        if len(word) == 1 or not word.isalpha():
            return word, i + 1
        return " " * before.isalnum() + word + " " * (after.isalpha() and after not in PLAIN), i + 1
    if ord(character) in SURROGATES:
        byte = ord(character) & BYTE
        return bytes([byte]) if error.encoding in SUPERSETS else f"\\x{byte:02x}", i + 1
    return codecs.backslashreplace_errors(error)


codecs.register_error(LEGIBLE, legible)


class Nowhere(io.TextIOBase):
    """Where there is no stream."""

    def write(self, text: str, /) -> int:
        """It is gone."""
        return len(text)


class Lasting:
    """A stream that loses what cannot be written, and never fails.

    Args:
        stream: None or a closed one loses everything.

    Attributes:
        trouble: the first error; None as long as nothing is lost.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = Nowhere() if stream is None or stream.closed else stream
        self.trouble: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def attempt(self, act: Callable[[], object]) -> bool:
        """Whether something could be done to the stream."""
        try:
            act()
        except OSError as error:
            self.trouble = self.trouble or error
            return False
        return True

    def write(self, text: str) -> int:
        """Write it if that is possible."""
        self.attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush it if that is possible."""
        self.attempt(self.stream.flush)

    @contextlib.contextmanager
    def encoding_everything(self) -> Iterator[None]:
        """While entered, what the stream's encoding lacks is written legibly; a stream of an own kind is left alone."""
        if not isinstance(self.stream, io.TextIOWrapper):
            yield
            return
        stream, errors = self.stream, self.stream.errors
        self.attempt(lambda: stream.reconfigure(errors=LEGIBLE))
        try:
            yield
        finally:
            if not self.attempt(stream.flush) and stream in (sys.__stdout__, sys.__stderr__):
                silence(stream)  # Python flushes it once more when it ends, and would complain
            self.attempt(lambda: stream.reconfigure(errors=errors))


@contextlib.contextmanager
def lasting() -> Iterator[Lasting]:
    """While entered, nothing that is printed or cannot be is an error; gives stdout, which knows what it lost."""
    reopen()
    before = sys.stdout, sys.stderr
    out, err = Lasting(sys.stdout), Lasting(sys.stderr)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        with err.encoding_everything(), out.encoding_everything():
            yield out
    finally:
        sys.stdout, sys.stderr = before


def reopen() -> None:
    """Open what is closed of stdin, stdout and stderr on nothing, lest a file get its number, and what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one


def silence(stream: TextIO) -> None:
    """Let what a stream still holds, and all that follows, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    stream.flush()
