"""What the theory says of a sweep, as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adam_vs_gd.problems.two_patch.theory.account import SCALES, Account, ConditionRow, PointRow
from adam_vs_gd.results.columns import columns, told


def describe(found: Account) -> str:
    """What the theory says of a sweep, as text."""
    named = ", ".join(f"{name} = {value:g}" for name, value in found.constants.items())
    given = f"constants {named}, the others 1" if named else "all constants 1"
    logs = f"polylog(n) = max(1, ln n)^{found.log_power:g}" if found.log_power else "logarithms left out"
    count = "1 point" if found.places == 1 else f"{found.places} points"
    parts = [
        f"{found.name}: the paper's conditions at {count}, with {given} and {logs}\n"
        "(the paper leaves both open). A margin is how far a condition holds: 1 or more where it does.",
        table_of_conditions(found.conditions),
        "\n".join(f"! {text}" for text in found.warnings),
        table_of_boundaries(found),
        table(found.points),
        "T_0: Adam and signGD have learned their pattern; T_r: they begin to unlearn the feature; T_j: GD has learned\n"
        "it; in steps, up to constants. P: that all supports are disjoint. Lifetime: steps from t_fit until the\n"
        "feature returns where noise was memorized, inf where it does not (ours). Not met: names of the first table.",
    ]
    return "\n\n".join(part for part in parts if part)


def table_of_conditions(rows: Sequence[ConditionRow]) -> str:
    """A line a condition: its source and formula, the margins over all points, and where it holds."""
    head = ["condition", "source", "", "margin", "holds", "in words"]
    margins = [" to ".join(dict.fromkeys(f"{end:.2g}" for end in (row.low, row.high))) for row in rows]
    return columns([head, *([row.name, row.source, row.formula, margin, row.holds, row.words]
                            for row, margin in zip(rows, margins, strict=True))])  # fmt: skip


def table_of_boundaries(found: Account) -> str:
    """A line a value of the second axis: where margins pass through 1 along the first."""
    if not found.along:
        return ""
    if not found.boundaries:
        return f"no margin passes through 1 along {found.along}"
    names = [f"{axis} = {value}" for axis, values in found.across.items() for value in values] or [""]
    rows = [[f"{found.along} at which a margin is 1", *found.boundaries]]
    for i, name in enumerate(names):
        at = [", ".join(f"{value:.3g}" for value in each[i]) or "-" for each in found.boundaries.values()]
        rows.append([name, *at])
    return columns(rows)


def table(rows: Sequence[PointRow]) -> str:
    """A line a point and optimizer."""
    first = rows[0]
    error = [] if first.measured is None else ["test error"]
    lines = [["optimizer", *first.at, *SCALES.values(), "predicted", "lifetime", *error, "not met"]]
    for row in rows:
        at = [f"{value:.4g}" for value in row.at.values()]
        measured = [] if row.measured is None else [told(*row.measured)]
        scales = [short(value) for value in row.scales.values()]
        lines.append([row.optimizer, *at, *scales, row.phase, short(row.lifetime), *measured, ", ".join(row.not_met)])
    return columns(lines)


def short(value: float) -> str:
    """A number to three digits; nothing where it means nothing."""
    return "" if np.isnan(value) else f"{value:.3g}" if abs(value) < 1e4 or np.isinf(value) else f"{value:.2e}"
