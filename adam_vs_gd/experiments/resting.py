"""The point that a training comes to, beside what the paper says of it: A.16, A.7 and 5.4; and GD's way, A.9 and A.10.

The other checks of `lemmas` are of trainings of fixed length, which hardly ever end at rest. Here signed optimizers are
trained until they are at rest, and looked at there; GD is looked at until it has learned the feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adam_vs_gd.experiments import checked
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.observing import across, observed, rarely, state_of
from adam_vs_gd.experiments.regimes import REGIMES, TITLES, most_steps, regime_spec, regime_steps
from adam_vs_gd.experiments.watch import watch
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.problems.two_patch.theory.claims import AT_REST, BEFORE_LEARNING, GD, Claim
from adam_vs_gd.problems.two_patch.theory.conditions import SIGNED
from adam_vs_gd.problems.two_patch.theory.lemmas import Check

if TYPE_CHECKING:
    from adam_vs_gd.spec.sweep_spec import SweepSpec

VERSION = 2  # of the checks
HEADING = "## At rest, and before GD has learned the feature"
LEGEND = """\
Signed optimizers are trained until they are at rest (docs/rest.md), and looked at there; lanes that do not come to it
within {most} steps are no case. r* is the filter with the largest ⟨w_{{y_i,r}}, ξ_i⟩
of an example. GD is looked at in every step until Λ_j reaches 1/m. Cells are as above."""


def section(out: Path, seeds: int, *, quick: bool, quiet: bool) -> str:
    """A line a claim and optimizer, a column a regime, with its legend.

    Args:
        out: folder of the experiment; what was checked is kept there.
        seeds: how many.
        quick: a quarter of the steps.
        quiet: no progress.
    """
    found: dict[tuple[Claim, str, str], Sequence[Check]] = {}
    for regime in REGIMES:
        for optimizer in (*SIGNED, *GD):
            claims = BEFORE_LEARNING if optimizer in GD else AT_REST
            spec = resting_spec(regime, optimizer, seeds, quick=quick)
            checks = kept(out, spec, VERSION, lambda spec=spec, claims=claims: judged(spec, claims, quiet))  # type: ignore[misc]
            found |= checked.by_claim(checks, claims, optimizer, regime)
    most = " or ".join(f"{steps:,}" for steps in dict.fromkeys(most_steps(r, quick=quick) for r in REGIMES))
    failures = checked.reasons(found)
    return "\n\n".join(
        [HEADING, checked.table((*AT_REST, *BEFORE_LEARNING), found, TITLES), LEGEND.format(most=most), failures]
    )


def resting_spec(regime: str, optimizer: str, seeds: int, *, quick: bool) -> SweepSpec:
    """A regime's trainings by one optimizer: to rest, or GD's of Table 1's length."""
    name = f"{regime}-{optimizer}-at-rest"
    if optimizer in GD:
        steps = regime_steps("table1", quick=quick)
        return regime_spec(regime, name, seeds, [optimizer], steps, record=steps)
    most = most_steps(regime, quick=quick)
    return regime_spec(regime, name, seeds, [optimizer], most, record=25, train={"until": "rest"})


def judged(spec: SweepSpec, claims: Sequence[Claim], quiet: bool) -> dict[str, np.ndarray]:
    """[seeds, claims] the fields of the checks; of a lane that is not at rest there is no case."""
    gd = not set(spec.optimizers).isdisjoint(GD)
    looks = {"often": across} if gd else {"last": rarely}
    checks = []
    for _, lane, rows in watch(spec, **looks, quiet=quiet):
        training = observed(lane, rows)
        if gd:
            training = training._replace(across=rows["across_path"].astype(float))
        elif rows["status"] == CODES["converged"]:
            training = training._replace(states=[state_of(rows)], steps=[int(rows["rest_step"])])
        cases = gd or training.states
        checks.append([claim.check(training) if cases else Check(np.nan, np.nan, 0) for claim in claims])
    return checked.columns_of(checks)
