"""How long Adam's noise solution lives: whether the feature returns after t_fit, and when, and what decides it.

At t_fit Adam has memorized the noise, and a little of the feature is left: f = Λ_j. Where λ > 0 the noise solution
comes to rest with |ℓ_{y_i,i}| = λn/(q z^{q−2} sσ_p²), z = ⟨w_{y_i,r}, ξ_i⟩, because there ∇L is 0 along ξ_i (disjoint
supports; A.7 has the same without z). On the feature's coordinate the data pull with ½|ℓ|q f^{q−1}, λ pulls back with
λf. So the feature grows again if

    (f/z)^{q−2} > 2sσ_p²/n,

a threshold that does not depend on λ, and dies below it. Nothing crosses it later: noise and feature are both stable,
and what is transient is a noise solution with a feature above the threshold. Its return is by signed steps of about η,
so that the lifetime is of the order of 1/η.

What is measured: x = (Λ_j/Γ_j)^{q−2}·n/(sσ_p²) at t_fit, to be held against 2; and beside it A = αn/(sσ_p²), by which
A.1 asks for α = o(sσ_p²/n).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import markdown, metastable_picture
from adam_vs_gd.experiments.summary import Estimate
from adam_vs_gd.problems.two_patch.theory.scales import Point, recovery
from adam_vs_gd.results.statistics import LEVEL
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec

MOST, RECORD = 100_000, 200
SIZE: Mapping[str, Any] = {"n": 20, "d": 2001, "s": 100, "supports": "disjoint", "test_size": 500}
ACROSS: Mapping[str, Any] = {"sigma_p": [0.08, 0.09, 0.1, 0.115], "alpha": [0.0, 0.03]}
STUDIES: Mapping[str, Mapping[str, Any]] = {
    "alpha, sigma_p": {
        "data": {**SIZE, "sigma_p": [0.06, 0.07, 0.08, 0.09, 0.1, 0.115, 0.13, 0.17],
                 "alpha": [0.0, 0.015, 0.03, 0.06, 0.12, 0.25]},
    },
    "lam": {"data": {**SIZE, **ACROSS}, "train": {"lam": [1e-6, 1e-4, 1e-3]}},
    "eta": {"data": {**SIZE, **ACROSS}, "optimizers": {"adam": {"eta": [2.5e-5, 1e-4, 2e-4]}}, "steps": 2 * MOST},
    "n": {"data": {**SIZE, "n": [10, 40], "d": 4001, "sigma_p": [0.06, 0.07, 0.09, 0.11, 0.13], "alpha": [0.0, 0.03]}},
    "overlap": {"data": {**SIZE, **ACROSS, "d": [1001, 401, 201], "supports": "independent"}},
}  # fmt: skip
"""{what varies: keys of its sweep}; the rest is Table 1's, with 10 filters a class."""
GONE = 1e-3  # a feature that is below this at the end does not return
NUMBERS = ("eta", "n", "s", "sigma_p", "alpha", "lam")
RETURNED, KEPT, OPEN = "returned", "kept", "open"
DRAWS = 400  # of the bootstrap


def reproduce(out: Path, seeds: int = 3, quick: bool = False, quiet: bool = False) -> str:
    """Take every study to rest, and find what decides whether the feature returns, and how long it takes.

    Args:
        out: a folder of sweeps, one a study; `metastable.md`, and `metastable.png` with its numbers (a line a class of
            a lane), are written into it. What is there is kept.
        seeds: how many.
        quick: a quarter of the steps: no feature has returned by then, and little is at rest.
        quiet: no progress.
    """
    tables, digests = [], []
    for name, keys in STUDIES.items():
        results = run_sweep(study_spec(name, keys, seeds, quick=quick), out / folder_of(name), quiet=quiet)
        digests.append(results.attrs["digest"])
        tables.append(classes(results).assign(study=name))
    found = pd.concat(tables, ignore_index=True)
    text = report(found, quick=quick)
    (out / "metastable.md").write_text(text + "\n", encoding="utf-8")
    plot.save(metastable_picture.drawn(memorized(found), digest_of(digests)), out / "metastable.png")
    return text


def folder_of(name: str) -> str:
    """The folder of a study."""
    return name.replace(", ", "-")


def study_spec(name: str, keys: Mapping[str, Any], seeds: int, *, quick: bool) -> SweepSpec:
    """The sweep of a study."""
    whole = {"steps": MOST, "train": {}, "optimizers": {"adam": {}}, **keys}
    steps = whole.pop("steps") // (4 if quick else 1)
    train = {**whole.pop("train"), "until": "rest"}
    return SweepSpec(
        name=folder_of(name), seeds=seeds, steps=steps, record=RECORD, model={"width": 10}, train=train, **whole
    )


def classes(results: xr.Dataset) -> pd.DataFrame:
    """A line for each class of each fitted lane: what is left of its feature at t_fit, and what becomes of it.

    `lifetime` is the number of steps from t_fit to the first record at which Λ_j ≥ Γ_j, the feature outweighing the
    noise; ∞ where there is none.
    """
    late = results.step > results.fit_step
    back = late & (results.capital_lambda_path >= results.capital_gamma_path)
    returned = back.any("record")
    lifetime = (results.step[back.argmax("record")] - results.fit_step).where(returned, np.inf)
    gone = results.capital_lambda < GONE
    scale = results.s * results.sigma_p**2 / results.n
    ratio = results.capital_lambda_at_fit / results.capital_gamma_at_fit
    left = np.sign(ratio) * np.abs(ratio) ** (results.q - 2)
    found = xr.Dataset({
        "f": results.capital_lambda_at_fit, "g": results.capital_gamma_at_fit, "end": results.capital_lambda,
        "x": left / scale, "A": results.alpha / scale, "fit_step": results.fit_step,
        "rest_step": results.rest_step, "test_error": results.test_error, "lifetime": lifetime,
        "fate": xr.where(returned, RETURNED, xr.where(gone, KEPT, OPEN)), "load": results.n * results.s / results.d,
    })  # fmt: skip
    frame = found.to_dataframe().reset_index()  # a number of the sweep is a coordinate, and becomes a column
    return frame[frame.fit_step >= 0][["optimizer", "seed", "class", *found.data_vars, *NUMBERS]]


def memorized(found: pd.DataFrame) -> pd.DataFrame:
    """The classes whose noise outweighs the feature at t_fit."""
    return found[found.f < found.g]


def threshold(found: pd.DataFrame) -> float:
    """The x that parts what has returned from what is kept with fewest mistakes: the middle, in ln x, of a gap."""
    known = found[(found.x > 0) & (found.fate != OPEN)].sort_values("x")
    back = (known.fate == RETURNED).to_numpy()
    if back.all() or not back.any():
        return np.nan
    below = np.concatenate([[0], np.cumsum(back)])  # returned, but below the cut
    above = (~back).sum() - np.concatenate([[0], np.cumsum(~back)])
    best = np.flatnonzero(below + above == (below + above).min())
    cut, logs = best[len(best) // 2], np.log(known.x.to_numpy())
    return float(np.exp(np.mean([logs[max(0, cut - 1)], logs[min(len(logs) - 1, cut)]])))


def separation(found: pd.DataFrame, by: str) -> float:
    """P[a class that returned has more of it than one that is kept], ties counted half: 1/2 by chance."""
    known = found[found.fate != OPEN]
    returned, kept = (known[by][known.fate == fate].to_numpy() for fate in (RETURNED, KEPT))
    if not len(returned) or not len(kept):
        return np.nan
    return float(stats.mannwhitneyu(returned, kept).statistic / len(returned) / len(kept))


def exponents(found: pd.DataFrame) -> np.ndarray:
    """Of η, λ and x in the lifetime of what has returned, by least squares in logarithms."""
    known = found[(found.fate == RETURNED) & (found.x > 0)]
    logs = np.log(known[["eta", "lam", "x"]].to_numpy())
    if len(known) < 2 * logs.shape[1] or not np.ptp(logs, axis=0).all():
        return np.full(logs.shape[1], np.nan)
    design = np.column_stack([np.ones(len(logs)), logs])
    return np.linalg.lstsq(design, np.log(known.lifetime.to_numpy()), rcond=None)[0][1:]


def resampled(found: pd.DataFrame, statistic: Any) -> list[Estimate]:
    """A statistic's numbers with their intervals: pairs of study and seed are drawn again, as lanes share noise."""
    groups = [group for _, group in found.groupby(["study", "seed"])]
    generator = np.random.default_rng(0)
    draws = [
        np.atleast_1d(statistic(pd.concat([groups[i] for i in generator.integers(len(groups), size=len(groups))])))
        for _ in range(DRAWS)
    ]
    ends = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [Estimate(*map(float, triple)) for triple in zip(np.atleast_1d(statistic(found)), *ends, strict=True)]


def parted(found: pd.DataFrame) -> str:
    """The threshold, with which classes are on the wrong side of it, and how far fates overlap."""
    (cut,) = resampled(found, threshold)
    known = found[found.fate != OPEN]
    wrong = int(((known.fate == RETURNED) != (known.x > cut.value)).sum())
    least, most = known.x[known.fate == RETURNED].min(), known.x[known.fate == KEPT].max()
    return (
        f"where x > {cut} ({wrong} of {len(known)} classes are on the wrong side; none below {least:.3g} returned, all "
        f"above {most:.3g} did)"
    )


def foretold(found: pd.DataFrame) -> str:
    """Of how many classes with disjoint supports the fate is the one that `recovery` predicts."""
    known = found[(found.fate != OPEN) & (found.study != "overlap")]
    numbers = {key: known[key].to_numpy() for key in ("n", "s", "sigma_p", "alpha")}
    right = (recovery(Point(**numbers, q=3)) >= 1) == (known.fate == RETURNED)
    return f"right of {int(right.sum())} of {len(known)}"


def report(found: pd.DataFrame, *, quick: bool) -> str:
    """The table by study, and what follows from all."""
    here = memorized(found)
    rows = [["what varies", "memorized at t_fit", "returned", "kept", "open", "largest x kept", "smallest x returned",
             "lifetime·η"]]  # fmt: skip
    for name, part in [*here.groupby("study", sort=False), ("all", here)]:
        counts = [int((part.fate == fate).sum()) for fate in (RETURNED, KEPT, OPEN)]
        returned = part[part.fate == RETURNED]
        scaled = (returned.lifetime * returned.eta).quantile([0.5, 0.0, 1.0]).tolist()
        life = f"{scaled[0]:.2f} ({scaled[1]:.2f} to {scaled[2]:.2f})" if len(returned) else "-"
        ends = [f"{part.x[part.fate == KEPT].max():.3g}", f"{returned.x.min():.3g}"]
        rows.append([str(name), str(len(part)), *map(str, counts), *ends, life])
    if quick or not ((here.fate == RETURNED).any() and (here.fate == KEPT).any()):
        return markdown.table(rows) + "\n\nNOT the whole training: a quarter of the steps (--quick)."
    turned, mild = here[here.f < 0], here[here.f > 0]
    by_x, by_a = (resampled(here, lambda part, by=by: separation(part, by))[0] for by in ("x", "A"))
    law = resampled(here, exponents)
    lines = [
        markdown.table(rows),
        "A line a class of a fitted lane that has Λ_j < Γ_j at t_fit. x = (Λ_j/Γ_j)^{q−2}·n/(sσ_p²) there, "
        f"A = αn/(sσ_p²). Returned: Λ_j ≥ Γ_j later on; kept: Λ_j < {GONE:g} at the end; open: neither within T.",
        "- Derived for α = 0 is that the feature returns where x > 2. Measured: "
        f"at α = 0 {parted(mild[mild.alpha == 0])}; at α > 0, where the noise that a filter has memorized pulls its "
        f"feature down, {parted(mild[mild.alpha > 0])}. Of {len(turned)} whose feature has turned (x < 0), "
        f"{int((turned.fate == RETURNED).sum())} returned.",
        f"- What decides: the probability that a class which returned has more of it than one which is kept is {by_x} "
        f"for x, {by_a} for A.",
        f"- Lifetime of what returned: η^{law[0]}, λ^{law[1]}, x^{law[2]}.",
        f"- From the numbers alone, before any training (`theory.recovery` ≥ 1, disjoint supports): {foretold(here)}.",
        "Estimates (95 %) are over resampled pairs of a study and a seed: over what was varied rather than over noise, "
        "of which the studies share some.",
    ]
    return "\n\n".join(lines)
