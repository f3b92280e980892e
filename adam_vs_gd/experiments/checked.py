"""Checks of claims on trainings, as a table: which hold, how far, with which constants, and why they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from adam_vs_gd.experiments import markdown
from adam_vs_gd.problems.two_patch.theory.claims import Claim
from adam_vs_gd.problems.two_patch.theory.lemmas import Check, pooled

HELD = 0.99  # a claim that holds in a smaller share than this gets its reason printed

Found = Mapping[tuple[Claim, str, str], Sequence[Check]]
"""{(claim, optimizer, regime): its checks, one a seed}."""


def columns_of(checks: Sequence[Sequence[Check]]) -> dict[str, np.ndarray]:
    """[seeds, claims] the fields of checks, as they are kept."""
    return {name: np.array([[getattr(c, name) for c in row] for row in checks]) for name in Check._fields}


def by_claim(columns: Mapping[str, np.ndarray], claims: Sequence[Claim], optimizer: str, regime: str) -> Found:
    """The checks again, from what was kept."""
    fields = {claim: [columns[name][:, k].tolist() for name in Check._fields] for k, claim in enumerate(claims)}
    return {(claim, optimizer, regime): [Check(*v) for v in zip(*some, strict=True)] for claim, some in fields.items()}


def table(claims: Sequence[Claim], found: Found, titles: Mapping[str, str]) -> str:
    """A line a claim and optimizer, a column a regime: at which share it holds, and the worst ratio."""
    rows = [["lemma", "claim", "optimizer", *titles.values()]]
    for claim in claims:
        for optimizer in claim.of:
            cells = [summary(found[claim, optimizer, regime]) for regime in titles]
            rows.append([claim.lemma, claim.text, optimizer, *cells])
    return markdown.table(rows)


def summary(checks: Sequence[Check]) -> str:
    """The share over all seeds, and their worst ratio."""
    check = pooled(checks)
    return f"{percent(check.share)} ({check.worst:.3g})" if check.cases else "no case"


def percent(share: float) -> str:
    """A share of cases; 100 % only where it is all."""
    if share == 1:
        return "100 %"
    return f"{min(100 * share, 99.99):.2f} %" if share > 0.99 else f"{100 * share:.1f} %"


def reasons(found: Found) -> str:
    """Why claims fail, or say nothing: a line a claim that does somewhere, with the places."""
    lines = []
    for claim in dict.fromkeys(claim for claim, _, _ in found):
        places = [
            f"{optimizer} in {regime}"
            for (one, optimizer, regime), some in found.items()
            if one is claim and not pooled(some).share >= HELD
        ]
        if places:
            lines.append(f"- {claim.lemma}, {claim.text} ({', '.join(places)}): {claim.why or 'not explained'}.")
    return "\n".join(lines)
