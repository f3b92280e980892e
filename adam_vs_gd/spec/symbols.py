r"""Symbols as plain text: matplotlib's mathtext, `$\sigma_p$`, as σ_p."""

from __future__ import annotations

import re
from collections.abc import Mapping

LETTERS: Mapping[str, str] = {
    "alpha": "α", "beta": "β", "gamma": "γ", "epsilon": "ε", "eta": "η", "lambda": "λ", "mu": "μ", "xi": "ξ",
    "rho": "ρ", "varrho": "ϱ", "sigma": "σ", "infty": "∞",
}  # fmt: skip
"""What is one character without TeX; other commands stand as their name."""
COMMAND = re.compile(r"\\([A-Za-z]+|\|)")


def without_tex(symbol: str) -> str:
    r"""Mathtext as one reads it: `$\|\mu\|$` as ‖μ‖, `$\eta_\infty$` as η_∞."""
    return COMMAND.sub(lambda found: "‖" if found[1] == "|" else LETTERS.get(found[1], found[1]), symbol.strip("$"))
