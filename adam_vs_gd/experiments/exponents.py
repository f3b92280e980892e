"""Times of the theory against measured ones: T_r (Lemma 5.3, A.4) of Adam and signGD, T_j (Lemma A.8) of GD.

T_r is the first step from which Λ = max_{j,r} ⟨w_{j,r}, j·v⟩ falls, T_j the first at which it is 1/m. Both are measured
along one number after the other (see `studies`) and fitted as power laws. Beside their exponents stand the paper's, and
those of times derived with their constants over the same values.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adam_vs_gd import plot
from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.loglog import drawn
from adam_vs_gd.experiments.studies import Measured, measure, studies
from adam_vs_gd.experiments.times import enough, scaling_law
from adam_vs_gd.results.statistics import student

LONG = 20  # memories of an optimizer that are long against one of them
ROUNDING = 1e-6  # of an exponent


def reproduce(out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False) -> str:
    """Measure every time along every number and set the exponents beside the paper's.

    Args:
        out: folder of the sweeps, one each; `exponents.md` and `exponents.png` are written into it.
        seeds: how many.
        quick: a smaller problem and fewer optimizers: a try.
        quiet: no progress.
    """
    found = [one for study in studies(quick) for one in measure(study, out / study.name, seeds, quiet)]
    text = table(found) + ("\n\nNOT the whole experiment: a smaller problem (--quick)." if quick else "")
    (out / "exponents.md").write_text(text + "\n", encoding="utf-8")
    return f"{text}\n\n{plot.save(drawn(found), out / 'exponents.png')}"


def table(found: Sequence[Measured]) -> str:
    """A line a time, number and optimizer, in Markdown."""
    head = ["time", "optimizer", "against", "exponent [95 %]", "paper", "derived", "seeds", "steps"]
    rows = [[*head, "measured / derived", ""]]
    for one in found:
        ratios = student(np.ma.log(enough(one.times / one.derived)).mean(-1).filled(np.nan))
        known = one.times[np.isfinite(one.times)]
        rows.append([
            one.study.time, one.label, one.study.name.partition("-")[2],
            f"{one.law.exponent:.3f} [{one.law.low:.3f}, {one.law.high:.3f}]", f"{one.study.predicted():.3g}",
            f"{derived_exponent(one):.3f}", f"{one.law.seeds} of {len(one.times)}",
            f"{known.min():.0f} to {known.max():.0f}" if known.size else "never",
            "{:.2f} [{:.2f}, {:.2f}]".format(*np.exp([ratios.mean, ratios.low, ratios.high])), verdict(one),
        ])  # fmt: skip
    return f"{markdown.table(rows)}\n\n{NOTE}"


NOTE = """Exponents are means of the slopes of seeds with at least three times; steps are the shortest and the longest.
Derived: T_r = a/(η(κ − 1)), κ = sσ_p √(2/π) (α/2)^(1/(q−1)), and T_j = 4 (a^(2−q) − m^(q−2))/(q(q−2)η), a being Λ at
step 0; the paper's are their limits κ ≫ 1 and a ≪ 1/m. adam_short is Adam with β2 = 0.9. Disjoint supports."""


def derived_exponent(one: Measured) -> float:
    """The exponent of the derived times over the same values and seeds."""
    return scaling_law(np.array(one.study.values), np.where(np.isfinite(one.times), one.derived, np.nan)).exponent


def verdict(one: Measured) -> str:
    """Whether the paper's exponent is in the interval, and if not, what explains it."""
    derived, paper = derived_exponent(one), one.study.predicted()
    if not one.law.seeds:
        return "too few times"
    if one.law.high - one.law.low > abs(paper):
        return "undecided: seeds scatter"
    if one.law.holds(paper):
        if abs(derived - paper) < ROUNDING:
            return "as the paper says"
        return f"as the paper says, {'and' if one.law.holds(derived) else 'but not'} as derived"
    reasons = []
    if one.law.holds(derived):
        reasons.append("as derived")
    elif abs(one.law.exponent - derived) + ROUNDING < abs(one.law.exponent - paper):
        reasons.append("nearer to the derived one")
    memory = memory_of(one)
    if memory * LONG > np.nanmin(one.times):
        reasons.append(f"{one.study.time} is not long against the {memory:.0f} steps that Adam remembers")
    return "; ".join(["differs", *reasons])


def memory_of(one: Measured) -> float:
    """Steps that an optimizer's second moment remembers, 1/(1 − β2); 0 of one without."""
    beta2 = one.study.spec(1).optimizers[one.label].get("beta2")
    return 0.0 if beta2 is None else 1 / (1 - beta2)
