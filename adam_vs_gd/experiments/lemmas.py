"""The paper's lemmas on real trajectories: which hold at these sizes, how far, and with which constants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adam_vs_gd.experiments import checked, resting, waking
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.observing import observed, often, rarely
from adam_vs_gd.experiments.regimes import REGIMES, TITLES, regime_spec, regime_steps
from adam_vs_gd.experiments.watch import watch
from adam_vs_gd.problems.two_patch.theory.claims import CLAIMS, GD, Claim
from adam_vs_gd.problems.two_patch.theory.conditions import CONDITIONS, SIGNED
from adam_vs_gd.problems.two_patch.theory.lemmas import WITHIN, Check
from adam_vs_gd.problems.two_patch.theory.observed import LOGIT
from adam_vs_gd.problems.two_patch.theory.prediction import point_of, predict
from adam_vs_gd.problems.two_patch.theory.scales import flip_strength

if TYPE_CHECKING:
    from adam_vs_gd.spec.sweep_spec import SweepSpec

VERSION = 2  # of the checks


def reproduce(out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False) -> str:
    """Train all optimizers in all regimes, and check every lemma.

    Args:
        out: folder; `lemmas.md` is written into it. What has been checked of an optimizer in a regime is kept there,
            and not trained again.
        seeds: how many.
        quick: a quarter of the steps: Stage I, not always to its end, and little of what follows.
        quiet: no progress.
    """
    found: dict[tuple[Claim, str, str], Sequence[Check]] = {}
    for regime in REGIMES:
        for optimizer in (*SIGNED, *GD):
            claims = [claim for claim in CLAIMS if optimizer in claim.of]
            spec = lemma_spec(regime, optimizer, seeds, quick=quick)
            checks = kept(out, spec, VERSION, lambda spec=spec, claims=claims: judged(spec, claims, quiet))  # type: ignore[misc]
            found |= checked.by_claim(checks, claims, optimizer, regime)
    failures = f"Where a claim fails, or has no case:\n\n{checked.reasons(found)}"
    sections = [one.section(out, seeds, quick=quick, quiet=quiet) for one in (resting, waking)]
    text = "\n\n".join([checked.table(CLAIMS, found, TITLES), legend(seeds, quick=quick), failures, *sections])
    (out / "lemmas.md").write_text(text + "\n", encoding="utf-8")
    return text


def lemma_spec(regime: str, optimizer: str, seeds: int, *, quick: bool) -> SweepSpec:
    """A regime's trainings by one optimizer; GD's have Table 1's length, and float64: L changes by less than 1e-8."""
    gd = optimizer == "gd"
    steps, train = regime_steps("table1" if gd else regime, quick=quick), {"precision": "float64" if gd else "float32"}
    return regime_spec(regime, f"{regime}-{optimizer}", seeds, [optimizer], steps, record=steps, train=train)


def judged(spec: SweepSpec, claims: Sequence[Claim], quiet: bool) -> dict[str, np.ndarray]:
    """[seeds, claims] the fields of the checks of an optimizer's claims."""
    looks = () if "gd" in spec.optimizers else (often, rarely)
    trainings = [observed(lane, rows) for _, lane, rows in watch(spec, *looks, quiet=quiet)]
    return checked.columns_of([[claim.check(training) for claim in claims] for training in trainings])


def legend(seeds: int, *, quick: bool) -> str:
    """What the table's numbers mean."""
    return (
        f"{seeds} seeds, looked at in every step; A.1, A.2 and the coordinates at T_0 in eleven states, evenly spaced "
        "(at T_0: the first of them from T_0 on). A cell is the share of steps, filters or coordinates at which the "
        f"claim holds, with constant 1 for inequalities and within a factor of {WITHIN:g} for Θ, O and Ω of sizes; "
        "in parentheses the worst ratio of what was measured to what is claimed: with that constant it holds "
        "throughout (below 0: the wrong sign). T_0 is measured as the step at which mean 1 − logit_{y_i} falls "
        f"below {LOGIT:g}, T_j as that at which Λ_j reaches 1/m.\n\n{premises()}"
        + ("\n\nNOT the whole training: fewer steps (--quick)." if quick else "")
    )


def premises() -> str:
    """Which of the paper's conditions each regime lacks."""
    lines = []
    for regime, title in TITLES.items():
        predicted = predict(regime_spec(regime, regime, 1, [*SIGNED, *GD], regime_steps(regime, quick=False)))
        missed = [c.formula for name, c in CONDITIONS.items() if float(predicted[f"margin_{name}"].min()) < 1]
        strength = float(flip_strength(point_of(predicted)))
        lines.append(f"- {title}: sσ_p√(2/π)·α^{{1/(q−1)}} = {strength:.3g}; conditions not met: {', '.join(missed)}")
    return "\n".join(lines)
