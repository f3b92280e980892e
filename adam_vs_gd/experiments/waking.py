"""Filters that memorize an example on which they have no gradient at first: how many, against α and λ.

Where ⟨w_{y_i,r}, ξ_i⟩ < 0, σ' is 0. With disjoint supports only −αy_i·w[1] and the decay of w still move it. Signed
steps make either fast: they unlearn the feature by η a step (Lemma 5.3), and let w decay by η a step, however
small λ is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adam_vs_gd.experiments import markdown, observing
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.regimes import REGIMES, regime_spec
from adam_vs_gd.experiments.watch import watch
from adam_vs_gd.problems.two_patch.theory.conditions import SIGNED
from adam_vs_gd.problems.two_patch.theory.lemmas import WITHIN, pooled, woken
from adam_vs_gd.problems.two_patch.theory.observed import Filters
from adam_vs_gd.spec.sweep_spec import SweepSpec

VERSION = 1  # of what is measured
ALPHAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
LAMBDAS = (0.0, 1e-5)
STEPS = 4000  # T_0 is 3000 at most
SPACING = 10  # steps between looks
HEADING = "## Filters that start with ⟨w, ξ_i⟩ < 0"
LEGEND = f"""\
Disjoint supports. A cell is the share of the pairs (example, filter of its class) with ⟨w_{{y_i,r}}, ξ_i⟩ < 0 at the
start that have memorized at T_0: ⟨w_{{y_i,r}}, ξ_i⟩ ≥ 1/{WITHIN:g}; in parentheses when it passes 0, in units of T_0,
the median of those that do. Looked at every {SPACING} steps."""


def section(out: Path, seeds: int, *, quick: bool, quiet: bool) -> str:
    """The shares and times in a table, with its legend.

    Args:
        out: folder of the experiment; what was measured is kept there.
        seeds: how many.
        quick: the first and the last α alone.
        quiet: no progress.
    """
    spec = waking_spec(seeds, ALPHAS[:: len(ALPHAS) - 1] if quick else ALPHAS)
    found = kept(out, spec, VERSION, lambda: measure(spec, quiet))
    return f"{HEADING}\n\n{table(spec, found)}\n\n{LEGEND}"


def waking_spec(seeds: int, alphas: Sequence[float]) -> SweepSpec:
    """The regime of disjoint supports along α and λ, to T_0."""
    regime = {**REGIMES["disjoint"]["data"], "alpha": list(alphas)}
    keys = {"data": regime, "train": {"lam": list(LAMBDAS)}, "record": STEPS // SPACING}
    return regime_spec("disjoint", "waking", seeds, SIGNED, STEPS, **keys)


def measure(spec: SweepSpec, quiet: bool) -> dict[str, np.ndarray]:
    """[optimizer, alpha, lam] the `share` that has memorized, and the median `time` at which it woke; NaN for none."""
    trainings: dict[tuple[int, ...], list[Filters]] = {}
    for (*place, _), _, rows in watch(spec, observing.often, quiet=quiet):
        trainings.setdefault(tuple(place), []).append(observing.filters(rows))
    shape = tuple(1 + np.max(list(trainings), axis=0))
    found = {"share": np.full(shape, np.nan), "time": np.full(shape, np.nan)}
    for where, together in trainings.items():
        seen = [one for one in together if one.end_of_stage_one() < len(one.noise)]
        if not seen:
            continue
        found["share"][where] = pooled([woken(one, one.end_of_stage_one()) for one in seen]).share
        times = np.concatenate([waking_times(one) for one in seen])
        found["time"][where] = np.median(times) if times.size else np.nan
    return found


def waking_times(seen: Filters) -> np.ndarray:
    """When the ⟨w_{y_i,r}, ξ_i⟩ that start below 0 pass it, in units of T_0; without those that have not by T_0."""
    end = seen.end_of_stage_one()
    awake = seen.noise[: end + 1, seen.noise[0] < 0] > 0
    return awake.argmax(0)[awake.any(0)] / end


def table(spec: SweepSpec, found: dict[str, np.ndarray]) -> str:
    """A line an optimizer and λ, a column an α."""
    rows = [["optimizer", "λ", *(f"α = {alpha:g}" for alpha in spec.data["alpha"])]]
    for j, lam in enumerate(spec.train["lam"]):
        for i, optimizer in enumerate(spec.optimizers):
            pairs = zip(found["share"][i, :, j], found["time"][i, :, j], strict=True)
            cells = [cell(share, time) for share, time in pairs]
            rows.append([optimizer, f"{lam:g}", *cells])
    return markdown.table(rows)


def cell(share: float, time: float) -> str:
    """A share, and when; "-" where no training has come to T_0."""
    return "-" if np.isnan(share) else f"{100 * share:.1f} %" + (f" ({time:.2f})" if time > 0 else "")
