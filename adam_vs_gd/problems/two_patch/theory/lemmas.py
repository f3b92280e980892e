"""The paper's lemmas, and what is ours beside them, checked on what a training did.

Each check takes a `Trajectory`, its `Filters`, or `State`s, and gives the share of steps, filters or coordinates at
which the claim holds with constant 1 (or within a factor, for a Θ), and its worst case as a ratio of the two sides: the
constant with which it would hold throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adam_vs_gd.problems.two_patch.theory.observed import Filters, State, Trajectory

ROUNDING = 1e-3  # relative; what differences of recorded numbers may lack
WITHIN = 4.0  # a Θ holds within this factor; the paper leaves constants open


class Check(NamedTuple):
    """How far a claim holds.

    Attributes:
        share: of the cases, in [0, 1]; NaN where there is no case.
        worst: the ratio measured/claimed that is worst; above 1 (or far from 1, for a Θ) it is a violation.
        cases: how many there are.
        badness: of the worst; larger is worse.
    """

    share: float
    worst: float
    cases: int
    badness: float = -np.inf


def pooled(checks: Sequence[Check]) -> Check:
    """Checks of one claim on several trainings, as one."""
    some = [check for check in checks if check.cases]
    if not some:
        return Check(np.nan, np.nan, 0)
    cases = [check.cases for check in some]
    share = float(np.average([check.share for check in some], weights=cases))
    worst = max(some, key=lambda check: check.badness)
    return Check(share, worst.worst, sum(cases), worst.badness)


def at_most(ratio: np.ndarray, within: float = 1.0) -> Check:
    """Of measured/claimed where the claim is an upper bound, up to a factor."""
    return judged(ratio, ratio <= within * (1 + ROUNDING), ratio)


def at_least(ratio: np.ndarray, within: float = 1.0) -> Check:
    """Of measured/claimed where the claim is a lower bound, up to a factor."""
    return judged(ratio, ratio >= (1 - ROUNDING) / within, -ratio)


def of_order(ratio: np.ndarray, within: float = WITHIN) -> Check:
    """Of measured/claimed where the claim is a Θ: it holds within a factor."""
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(ratio > 0, np.abs(np.log(ratio)), 1e9 - ratio)
    return judged(ratio, (ratio <= within) & (ratio >= 1 / within), far)


def judged(ratio: np.ndarray, holds: np.ndarray, badness: np.ndarray) -> Check:
    """A check from its cases."""
    if not ratio.size:
        return Check(np.nan, np.nan, 0)
    badness = np.where(np.isnan(ratio), np.inf, badness)
    at = int(np.argmax(badness))
    return Check(float(holds.mean()), float(ratio.ravel()[at]), ratio.size, float(badness.ravel()[at]))


def disjoint_supports(state: State) -> Check:
    """Lemma 5.1, A.1: no coordinate is in two supports; the worst is in so many."""
    held = state.supports.sum(0)
    return at_most(held[held > 0])


def bounded_ratio(states: Sequence[State], bound: float) -> Check:
    """Lemma A.2: |m/√v| ≤ `bound`, for instance `scales.adam_bound`, at every coordinate."""
    return at_most(np.concatenate([np.abs(state.direction).ravel() for state in states]) / bound)


def sign_agreement(states: Sequence[State], where: str, threshold: float, lam_eta: float = 0.0) -> Check:
    """Lemma A.2: m/√v = sgn(∇L)·Θ(1) at coordinates whose gradient is not tiny.

    Args:
        states: at which it is looked at.
        where: the class of coordinates, see `State.coordinates`.
        threshold: below which a gradient is tiny: η outside of supports; in B_i it is multiplied by |ℓ_{y_i,i}| (of the
            largest of them where supports overlap), and is η s σ_p/n.
        lam_eta: λη, which is added to it in supports.
    """
    ratios = []
    for state in states:
        chosen = state.coordinates(where)
        tiny = np.full(state.xi.shape[1], threshold)
        if where == "support":
            tiny = threshold * (state.supports * state.residual[:, None]).max(0) + lam_eta
        gradient = state.gradient[..., chosen]
        counts = ~(np.abs(gradient) <= tiny[chosen])  # what is not finite counts
        ratios.append((np.sign(gradient) * state.direction[..., chosen])[counts])
    return of_order(np.concatenate(ratios) if ratios else np.zeros(0))


def feature_growth(seen: Filters, eta: float, until: int) -> Check:
    """Lemma 5.2, A.3: ⟨w_{j,r}, j·v⟩ grows by η at most in a step t < T_0."""
    return at_most(np.diff(seen.feature[: until + 1], axis=0) / eta)


def noise_growth(seen: Filters, rate: float, until: int, of: str = "all") -> Check:
    """Lemma 5.2, A.3: ⟨w_{y_i,r}, ξ_i⟩ grows by Θ(η s σ_p) in a step t < T_0.

    Args:
        seen: the training.
        rate: η s σ_p.
        until: T_0.
        of: "all" filters, as the lemma has it; "active" ones with ⟨w_{y_i,r}, ξ_i⟩ > 0, on which alone ξ_i has a
            gradient; or the "largest" product over the filters of each example.
    """
    noise = seen.noise[: until + 1].astype(float)
    if of == "largest":
        return of_order(np.diff(noise.max(-1), axis=0) / rate)
    steps = np.diff(noise, axis=0) / rate
    return of_order(steps[noise[:-1] > 0] if of == "active" else steps)


def woken(seen: Filters, at: int) -> Check:
    """Ours, beside 5.2: where ⟨w_{y_i,r}, ξ_i⟩ < 0 at the start, it is Ω(1) at T_0 all the same; within a factor."""
    return at_least(seen.noise[at : at + 1, seen.noise[0] < 0].astype(float), WITHIN)


def turning(seen: Filters, formula: float, until: int) -> Check:
    """Lemma 5.3, A.4: every filter's ⟨w_{j,r}, j·v⟩ has turned around by T_r, and T_r ≤ T_0; within a factor.

    Args:
        seen: the training.
        formula: σ_0/(η s σ_p α^{1/(q−1)}).
        until: T_0; a filter that has not turned by then counts as one that never does.
    """
    turns = seen.turns(until)
    return at_most(np.where(turns < len(seen.feature), turns / formula, np.inf), WITHIN)


def flipping(seen: Filters, eta: float, start: int, until: int) -> Check:
    """Lemma 5.3, A.4: ⟨w_{j,r}, j·v⟩ falls by Θ(η) in every step of [T_r, T_0], for every filter."""
    return of_order(-np.diff(seen.feature[start : until + 1], axis=0) / eta)


def flipped(seen: Filters, s_sigma_p: float, at: int) -> Check:
    """Lemma 5.3, A.4: w_{j,r}[1] = −sgn(j)·Ω(1/(sσ_p)) at T_0, for every filter; within a factor."""
    return at_least(-seen.feature[at] * s_sigma_p, WITHIN)


def pattern(state: State, s_sigma_p: float, eta: float) -> Check:
    """Lemma 5.3, A.4: in B_i, y_i = j, w_{j,r}[k] is sgn(ξ_i[k])·Ω(1/(sσ_p)) or ±O(η) at T_0; shares of coordinates.

    Within a factor; the worst is w·sgn(ξ)·sσ_p where it is neither.
    """
    found = []
    for j, filters in zip((-1, 1), state.weights, strict=True):
        for i in np.flatnonzero(state.y == j):
            own = state.supports[i]
            signed = filters[:, own] * np.sign(state.xi[i, own])
            found.append(np.where(np.abs(filters[:, own]) <= WITHIN * eta, 1.0, signed * s_sigma_p))
    return at_least(np.concatenate(found, axis=None), WITHIN)


def unlearned(state: State, eta: float) -> Check:
    """Lemma 5.3, A.4: |w_{j,r}[k]| = O(η) at T_0 outside of the supports of class j's examples, within a factor."""
    found = []
    for j, filters in zip((-1, 1), state.weights, strict=True):
        elsewhere = ~state.supports[state.y == j].any(0) & ~state.coordinates("feature")
        found.append(np.abs(filters[:, elsewhere]).ravel())
    return at_most(np.concatenate(found) / eta, WITHIN)


def noise_kept(seen: Filters, since: int) -> Check:
    """Lemma 5.4, A.5: max_r ⟨w_{y_i,r}, ξ_i⟩ = Θ(1) for t ≥ T_0, every example."""
    return of_order(seen.noise[since:].max(-1).astype(float))


def reach_kept(seen: Filters, since: int) -> Check:
    """Lemma A.5: Σ_{k∈B_i} |w[k]|·|ξ_i[k]| = Θ(1) for t ≥ T_0, every example's strongest filter."""
    return of_order(seen.reach[since:].astype(float))


def feature_kept(seen: Filters, since: int, low: float, high: float, within: float = 1.0) -> Check:
    """Lemma 5.4, A.5: ⟨w_{j,r}, j·v⟩ ∈ [−low, high] for t ≥ T_0, every filter.

    Args:
        seen: the training.
        since: T_0.
        low: nα/(sσ_p²), or what stands for o(1).
        high: η/λ (A.5), or η (5.4).
        within: a factor, for an O.
    """
    feature = seen.feature[since:]
    return at_most(np.where(feature < 0, -feature / low, feature / high), within)


def descent_signed(seen: Trajectory, eta: float, d: int) -> Check:
    """Lemma 5.5, A.6: L(t+1) − L(t) ≤ −η‖∇L‖_1 + Cη²d, every step; the worst is the C that makes it hold."""
    return at_most((np.diff(seen.objective) + eta * seen.grad_l1[:-1]) / (eta**2 * d))


def descent_gd(seen: Trajectory, eta: float) -> Check:
    """Lemma 5.8, A.13: L(t+1) − L(t) ≤ −(η/2)‖∇L‖_F², every step."""
    return at_least(-np.diff(seen.objective) / (eta / 2 * seen.grad_l2[:-1] ** 2))


def noise_small(seen: Trajectory, sigma_0: float, start: int, until: int) -> Check:
    """Lemma 5.6, A.8 (up to T_0) and 5.7, A.12 (after): Γ_j = O(σ_0) for start ≤ t ≤ until, both classes."""
    return at_most(seen.memorized[start : until + 1] / sigma_0, WITHIN)


def feature_stays(seen: Trajectory, width: float, lam: float) -> Check:
    """Lemma 5.7, A.12: Λ_j = Θ̃(1) for t ≥ T_j, both classes: between 1/m and ln(1/λ), as the proof of A.11 has it."""
    reached = [(j, at) for j, at in enumerate(seen.learned_at(width)) if at < len(seen.learned)]
    learned = np.concatenate([seen.learned[at:, j] for j, at in reached] or [np.zeros(0)])
    with np.errstate(divide="ignore"):
        return at_most(np.maximum(learned / -np.log(np.float64(lam)), 1 / (width * learned)))


def balanced_residual(state: State, lam: float, q: int) -> np.ndarray:
    """[n] nλ/(q z^{q−2} ‖ξ_i‖²), z = max_r ⟨w_{y_i,r}, ξ_i⟩: the |ℓ_{y_i,i}| at which ∇L is 0 along ξ_i. Ours."""
    z, energy = np.maximum(state.noise.max(-1), 0), ((state.xi * state.supports) ** 2).sum(-1)
    with np.errstate(divide="ignore"):
        return len(state.y) * lam / (q * z ** (q - 2) * energy)


def feature_at_rest(state: State, scale: float) -> Check:
    """Lemma A.7: w_{j,r*}[1]·j ≤ −Θ(scale), r* the strongest filter of each example; within a factor."""
    return at_least(-state.y * state.strongest[:, 0] / scale, WITHIN)


def weights_at_rest(state: State, sigma_p: float) -> Check:
    """Lemma 5.4: Σ_{k∈B_i} |w_{y_i,r*}[k]| = Θ(1/σ_p), r* the strongest filter of each example."""
    return of_order((np.abs(state.strongest) * state.supports).sum(-1) * sigma_p)


def noise_behind(seen: Trajectory, width: float) -> Check:
    """Lemma A.9 of x = Λ_j and y = Γ_j: y ≤ 2x(0) until Λ_j reaches 1/m, both classes of GD."""
    ratio = seen.memorized / np.maximum(2 * seen.learned[0], np.finfo(float).tiny)
    return at_most(np.concatenate([ratio[: at + 1, j] for j, at in enumerate(seen.learned_at(width))]))


def learning_time(seen: Trajectory, width: float, eta: float, q: int) -> Check:
    """Lemma A.9: T_j η = Θ(Λ_j(0)^{2−q}), the time from what a class begins with; no case where it is never learned."""
    steps = seen.learned_at(width)
    known = (steps < len(seen.learned)) & (seen.learned[0] > 0)
    return of_order((steps * eta * seen.learned[0] ** (q - 2.0))[known])


def crossed(seen: Trajectory, across: np.ndarray, width: float, scale: float) -> Check:
    """Lemma A.10: max_r ⟨w_{−y_i,r}, ξ_i⟩ ≤ Θ(α) until T_{−y_i}, within a factor.

    Args:
        seen: the training.
        across: [T + 1, 2] the largest ⟨w_{j,r}, ξ_i⟩ over the examples of the other class.
        width: m.
        scale: α.
    """
    until = seen.learned_at(width)
    with np.errstate(divide="ignore", invalid="ignore"):
        return at_most(np.concatenate([across[: at + 1, j] / scale for j, at in enumerate(until)]), WITHIN)


def time_of(step: int, formula: float, last: int) -> Check:
    """T_0 (Lemma 5.2, A.3) or T_j (5.6, A.8) against its formula; no case where it is beyond the last step."""
    return of_order(np.array([step / formula] if step <= last else []))
