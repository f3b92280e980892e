"""The table of claims: what each lemma says, and one of ours, of which optimizers, and the check of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from adam_vs_gd.problems.two_patch.theory import lemmas, scales
from adam_vs_gd.problems.two_patch.theory.conditions import SIGNED
from adam_vs_gd.problems.two_patch.theory.lemmas import WITHIN, Check
from adam_vs_gd.problems.two_patch.theory.observed import Filters, State, Trajectory
from adam_vs_gd.problems.two_patch.theory.scales import Point

ADAMS = ("adam", "adam_paper")
GD = ("gd",)
NEARLY = 1.1  # an equality holds within this factor
TINY = 1e-300  # λ = 0 bounds nothing
UNSEEN = Filters(*(np.zeros((0, 0, 0)) for _ in Filters._fields))


class Observed(NamedTuple):
    """A training, and what it was a training of.

    Attributes:
        point: its numbers, floats.
        seen: every step of it.
        filters: the same, filter by filter; not needed of GD.
        states: some of its iterates; not needed of GD.
        steps: at which.
        across: [T + 1, 2] the largest ⟨w_{j,r}, ξ_i⟩ over the examples of the other class; needed of GD alone.
    """

    point: Point
    seen: Trajectory
    filters: Filters = UNSEEN
    states: Sequence[State] = ()
    steps: Sequence[int] = ()
    across: np.ndarray = UNSEEN.residual

    @property
    def last(self) -> int:
        """T."""
        return len(self.seen.objective) - 1

    @property
    def t_0(self) -> int:
        """The end of Stage I of Adam and signGD; T + 1 if it lasts longer."""
        return self.filters.end_of_stage_one()

    @property
    def t_r(self) -> int:
        """When the last of the filters that turn around in Stage I has."""
        turns = self.filters.turns(self.t_0)
        return int(turns[turns <= self.last].max(initial=0))

    @property
    def t_j(self) -> np.ndarray:
        """[2] when GD has learned the feature of each class; T + 1 if it has not."""
        return self.seen.learned_at(self.point.width)

    @property
    def after(self) -> State:
        """The first state at T_0 or later."""
        return self.states[min(int(np.searchsorted(self.steps, self.t_0)), len(self.states) - 1)]

    @property
    def rest(self) -> State:
        """The last state, of a training that has come to rest."""
        return self.states[-1]

    @property
    def noise_loss(self) -> float:
        """nλ/(sσ_p²): what |ℓ_{y_i,i}| is at rest, where the noise is memorized (A.16, A.7)."""
        return float(self.point.n * self.point.lam / (self.point.s * self.point.sigma_p**2))

    @property
    def turned(self) -> float:
        """nα/(sσ_p²): how far w[1] has turned against the feature at rest (A.5, A.7)."""
        return float(self.point.n * self.point.alpha / (self.point.s * self.point.sigma_p**2))

    @property
    def s_sigma_p(self) -> float:
        """s·σ_p."""
        return float(self.point.s * self.point.sigma_p)

    @property
    def rate(self) -> float:
        """η s σ_p."""
        return float(scales.rate(self.point))


class Claim(NamedTuple):
    """A lemma's claim and how it is checked.

    Attributes:
        lemma: where the paper has it.
        text: what it claims.
        of: the optimizers it is about.
        check: of a training.
        why: what makes it fail where it does.
    """

    lemma: str
    text: str
    of: tuple[str, ...]
    check: Callable[[Observed], Check]
    why: str = ""


def adam_bounded(o: Observed) -> Check:
    """Lemma A.2's first claim, with the bound that its proof gives."""
    return lemmas.bounded_ratio(o.states, float(scales.adam_bound(o.point.beta1, o.point.beta2)))


def signs(where: str) -> Callable[[Observed], Check]:
    """Lemma A.2's other claims, of one class of coordinates."""

    def check(o: Observed) -> Check:
        if where == "support":
            return lemmas.sign_agreement(o.states, where, o.rate / o.point.n, o.point.lam * o.point.eta)
        return lemmas.sign_agreement(o.states, where, o.point.eta)

    return check


def noise(of: str) -> Callable[[Observed], Check]:
    """Lemma 5.2's claim of the noise."""
    return lambda o: lemmas.noise_growth(o.filters, o.rate, o.t_0, of)


def feature_between(
    low: Callable[[Point], float], high: Callable[[Point], float], within: float = 1.0
) -> Callable[[Observed], Check]:
    """Lemma 5.4's, or A.5's, claim of the feature."""
    return lambda o: lemmas.feature_kept(o.filters, o.t_0, low(o.point), high(o.point), within)


def at_t_0(check: Callable[[Observed], Check]) -> Callable[[Observed], Check]:
    """A claim about T_0: no case where the training ends before it."""
    return lambda o: check(o) if o.t_0 <= o.last else Check(np.nan, np.nan, 0)


def time_is(measured: Callable[[Observed], int], formula: Callable[[Point], float]) -> Callable[[Observed], Check]:
    """A time against its formula."""
    return lambda o: lemmas.time_of(measured(o), float(formula(o.point)), o.last)


ASLEEP = (
    "filters that start with ⟨w, ξ_i⟩ < 0, half of them, have no gradient on ξ_i until something else wakes them: "
    "−αy_i·w[1], which rises as the feature is unlearned (so α = λ = 0 wakes none), or the decay of w"
)
MEMORY = "√v remembers 1/(1−β2) steps, the proof polylog(1/η) of them: where gradients fall, m/√v falls too"
OVERLAP = "where supports overlap, a coordinate's gradient is a sum over examples of either class"
WARM = "adam_paper has no bias correction: its first steps are (1−β1)/√(1−β2) times η, and larger, and T_0 is shorter"
DECAY = "where no example pulls it out, a weight falls by η a step at most, and takes |w_0|/η steps to O(η)"
STUCK = (
    "a filter flips if it is active on the noise and αΣσ'(⟨w, ξ_i⟩) overtakes σ'(⟨w, jv⟩) while that still grows, "
    "which takes sσ_p√(2/π)·α^{1/(q−1)} well above 1"
)
SIZES = (
    "the largest of n·m/2 normal starts is √(2 ln(nm/2)) times their size, which Õ hides; where n·SNR^q is not large, "
    "a little is memorized as well"
)

CLAIMS = (
    Claim("5.1, A.1", "supports are disjoint", ("signgd",), lambda o: lemmas.disjoint_supports(o.states[0]), OVERLAP),
    Claim("A.2", "|m/√v| is bounded by (1−β1)/√((1−β2)(1−β1²/β2))", ADAMS, adam_bounded),
    Claim("A.2", "m/√v = sgn(∇L)·Θ(1), feature", ADAMS, signs("feature"), MEMORY),
    Claim("A.2", "m/√v = sgn(∇L)·Θ(1), in a support", ADAMS, signs("support"), MEMORY),
    Claim("A.2", "m/√v = sgn(∇L)·Θ(1), outside", ADAMS, signs("outside"), "λ|w| is below η, where it says nothing"),
    Claim("5.2, A.3", "T_0 = Θ(1/(ηsσ_p))", SIGNED, time_is(lambda o: o.t_0, scales.pattern_time), WARM),
    Claim("5.2, A.3", "⟨w_{j,r}, jv⟩ grows by η at most", SIGNED,
          lambda o: lemmas.feature_growth(o.filters, o.point.eta, o.t_0),
          "A.3 says Θ(η) for Adam: the worst is its constant"),
    Claim("5.2, A.3", "⟨w_{y_i,r}, ξ_i⟩ grows by Θ(ηsσ_p), all r", SIGNED, noise("all"),
          f"{ASLEEP}; {OVERLAP}"),
    Claim("5.2, A.3", "the same, where ⟨w_{y_i,r}, ξ_i⟩ > 0", SIGNED, noise("active"),
          f"{OVERLAP}; {WARM}"),
    Claim("5.2, A.3", "the same of max_r ⟨w_{y_i,r}, ξ_i⟩", SIGNED, noise("largest"),
          f"{OVERLAP}; {WARM}"),
    Claim("ours, beside 5.2", "⟨w_{y_i,r}, ξ_i⟩ = Ω(1) at T_0, where it starts below 0", SIGNED,
          lambda o: lemmas.woken(o.filters, o.t_0), f"{ASLEEP}; {OVERLAP}"),
    Claim("5.3, A.4", "each ⟨w_{j,r}, jv⟩ turns by T_r = O(σ_0/(ηsσ_p α^{1/(q−1)})) < T_0", SIGNED,
          lambda o: lemmas.turning(o.filters, float(scales.flip_time(o.point)), o.t_0), STUCK),
    Claim("5.3, A.4", "⟨w_{j,r}, jv⟩ falls by Θ(η) from T_r to T_0", SIGNED,
          lambda o: lemmas.flipping(o.filters, o.point.eta, o.t_r, o.t_0), STUCK),
    Claim("5.3, A.4", "⟨w_{j,r}, jv⟩ ≤ −Ω(1/(sσ_p)) at T_0", SIGNED,
          at_t_0(lambda o: lemmas.flipped(o.filters, o.s_sigma_p, o.t_0)), STUCK),
    Claim("5.3, A.4", "in B_i: sgn(ξ_i)·Ω(1/(sσ_p)) or O(η), at T_0", SIGNED,
          at_t_0(lambda o: lemmas.pattern(o.after, o.s_sigma_p, o.point.eta)), f"{OVERLAP}; elsewhere, {DECAY}"),
    Claim("5.3, A.4", "elsewhere: O(η), at T_0", SIGNED,
          at_t_0(lambda o: lemmas.unlearned(o.after, o.point.eta)), DECAY),
    Claim("5.4, A.5", "max_r ⟨w_{y_i,r}, ξ_i⟩ = Θ(1) from T_0 on", SIGNED,
          lambda o: lemmas.noise_kept(o.filters, o.t_0)),
    Claim("A.5", "Σ|w||ξ_i| = Θ(1) from T_0 on", SIGNED, lambda o: lemmas.reach_kept(o.filters, o.t_0)),
    Claim("A.5", "−O(nα/(sσ_p²)) ≤ ⟨w_{j,r}, jv⟩ ≤ O(η/λ) from T_0 on", SIGNED,
          feature_between(lambda p: p.n * p.alpha / (p.s * p.sigma_p**2),
                          lambda p: p.eta / max(p.lam, TINY), WITHIN)),
    Claim("5.4", "⟨w_{j,r}, jv⟩ ≤ η from T_0 on", SIGNED, feature_between(lambda p: np.inf, lambda p: p.eta), STUCK),
    Claim("5.5, A.6", "ΔL ≤ −η‖∇L‖_1 + O(η²d)", SIGNED,
          lambda o: lemmas.descent_signed(o.seen, o.point.eta, o.point.d),
          "m/√v is below 1 where gradients have fallen (A.2), and the proof of A.6 has −Θ(η)‖∇L‖_1; the worst is C"),
    Claim("A.8", "T_j = Θ(σ_0^{2−q}/η)", GD, time_is(lambda o: int(o.t_j.max()), scales.feature_time)),
    Claim("5.6, A.8", "Γ_j = O(σ_0) until T_0 = max T_j", GD,
          lambda o: lemmas.noise_small(o.seen, o.point.sigma_0, 0, int(o.t_j.max())), SIZES),
    Claim("5.7, A.12", "1/m ≤ Λ_j ≤ ln(1/λ), which is Θ̃(1), from T_j on", GD,
          lambda o: lemmas.feature_stays(o.seen, o.point.width, o.point.lam)),
    Claim("5.7, A.12", "Γ_j = O(σ_0) from min T_j on", GD,
          lambda o: lemmas.noise_small(o.seen, o.point.sigma_0, int(o.t_j.min()), o.last + 1), SIZES),
    Claim("5.8, A.13", "ΔL ≤ −(η/2)‖∇L‖_F²", GD, lambda o: lemmas.descent_gd(o.seen, o.point.eta)),
)  # fmt: skip

RETURN = "where the feature has returned, it fits the examples, and leaves a smaller |ℓ*|"
RETURNED = "where the feature has returned, no filter is against it"
CONSTANT = "the constant is 1/(q z^{q−2}), z = ⟨w_{y_i,r*}, ξ_i⟩: about 1/7 at rest, more than the factor of a Θ here"

AT_REST = (
    Claim("A.16", "|ℓ_{y_i,i}| ≤ O(nλ/(sσ_p²))", SIGNED,
          lambda o: lemmas.at_most(o.rest.residual / o.noise_loss, WITHIN), OVERLAP),
    Claim("A.7", "|ℓ*_{y_i,i}| = Θ(nλ/(sσ_p²))", SIGNED,
          lambda o: lemmas.of_order(o.rest.residual / o.noise_loss), f"{CONSTANT}; {RETURN}"),
    Claim("ours, beside A.7", "|ℓ*_{y_i,i}| = nλ/(q z^{q−2} ‖ξ_i‖²), z = max_r ⟨w*_{y_i,r}, ξ_i⟩", SIGNED,
          lambda o: lemmas.of_order(
              o.rest.residual / lemmas.balanced_residual(o.rest, o.point.lam, o.point.q), NEARLY),
          f"{RETURN}; {OVERLAP}"),
    Claim("A.7", "w*_{j,r*}[1]·j ≤ −Θ(nα/(sσ_p²))", SIGNED,
          lambda o: lemmas.feature_at_rest(o.rest, o.turned),
          f"{RETURNED}; the proof has the lesser of α^{{1/(q−1)}} and nα/(sσ_p²), which is the first here"),
    Claim("A.7, its proof", "w*_{j,r*}[1]·j ≤ −Θ(min(α^{1/(q−1)}, nα/(sσ_p²)))", SIGNED,
          lambda o: lemmas.feature_at_rest(o.rest, min(o.point.alpha ** (1 / (o.point.q - 1)), o.turned)),
          f"{RETURNED}; {OVERLAP}"),
    Claim("5.4", "Σ_{k∈B_i} |w*_{y_i,r*}[k]| = Θ(1/σ_p)", SIGNED,
          lambda o: lemmas.weights_at_rest(o.rest, o.point.sigma_p), f"{RETURN}; {OVERLAP}"),
)  # fmt: skip
"""What is said of the point that signed optimizers come to, `Observed.rest`."""

BEFORE_LEARNING = (
    Claim("A.9", "T_j η = Θ(Λ_j(0)^{2−q})", GD,
          lambda o: lemmas.learning_time(o.seen, o.point.width, o.point.eta, o.point.q)),
    Claim("A.9", "Γ_j ≤ 2Λ_j(0) until T_j", GD, lambda o: lemmas.noise_behind(o.seen, o.point.width),
          f"it supposes Γ_j(0) ≤ Λ_j(0); {SIZES}"),
    Claim("A.10", "⟨w_{−y_i,r}, ξ_i⟩ ≤ Θ(α) until T_{−y_i}", GD,
          lambda o: lemmas.crossed(o.seen, o.across, o.point.width, o.point.alpha)),
)  # fmt: skip
"""What is said of GD until it has learned the feature, beside `CLAIMS`."""
