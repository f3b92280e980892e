"""The paper's results, and other papers' (by author and year), each computed, printed and written beside theirs.

Each module has `reproduce(out, seeds, quick, quiet) -> text`, and writes what it draws into `out`; figure1's also takes
data and download.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from adam_vs_gd.experiments import (
    closeness,
    exponents,
    figure1,
    figure2,
    lemmas,
    metastable,
    rest,
    table1,
    theorem41,
    theorem42,
)
from adam_vs_gd.experiments.papers import baek2025, cao2022, chen2023, kou2023, tang2025, vasudeva2025

Reproduce: TypeAlias = Callable[..., str]

EXPERIMENTS: dict[str, Reproduce] = {
    "table1": table1.reproduce,
    "figure1": figure1.reproduce,
    "figure2": figure2.reproduce,
    "theorem41": theorem41.reproduce,
    "theorem42": theorem42.reproduce,
    "closeness": closeness.reproduce,
    "lemmas": lemmas.reproduce,
    "exponents": exponents.reproduce,
    "rest": rest.reproduce,
    "metastable": metastable.reproduce,
    "cao2022": cao2022.reproduce,
    "kou2023": kou2023.reproduce,
    "chen2023": chen2023.reproduce,
    "tang2025": tang2025.reproduce,
    "vasudeva2025": vasudeva2025.reproduce,
    "baek2025": baek2025.reproduce,
}
