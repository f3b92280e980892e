"""The paper's conditions as margins: numbers >= 1 where a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from adam_vs_gd.problems.two_patch.theory.scales import Point, Real, largest_lam, polylog, snr

WITHIN = 2.0  # a Θ holds within this factor of its scale; the paper leaves the constants open
SIGNED = ("adam", "adam_paper", "signgd")
"""The optimizers that section 5.1 is about."""


class Condition(NamedTuple):
    """One condition: `large` must exceed `small`, or for a Θ the two must agree.

    Attributes:
        source: where the paper has it.
        formula: as the paper writes it.
        words: what it is for.
        large: of a point.
        small: of a point.
        theta: whether it is a Θ.
        log_power: of polylog n on the side of `large`, in units of the one that is asked for.
        of: kinds of optimizers that it is about; none for the data and the model.
    """

    source: str
    formula: str
    words: str
    large: Callable[[Point], Real]
    small: Callable[[Point], Real]
    theta: bool = False
    log_power: float = -1.0
    of: tuple[str, ...] = ()

    def margin(self, p: Point, constant: float = 1.0, log_power: float = 0.0, within: float = WITHIN) -> Real:
        """How far the condition holds at points: >= 1 where it does.

        For o, ω, O and ≤ it is constant·large/small, with a power of polylog n on the side that makes it harder to
        meet; for a Θ it is `within` over the factor by which the two sides are apart.

        Args:
            p: the points.
            constant: what the paper leaves open, a factor of `large`.
            log_power: the degree of polylog n, which it leaves open too.
            within: the factor of a Θ.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = constant * self.large(p) * polylog(p.n, self.log_power * log_power) / self.small(p)
            return within / np.maximum(ratio, 1 / ratio) if self.theta else ratio


CONDITIONS: Mapping[str, Condition] = {
    "power": Condition(
        "section 3", "q ≥ 3", "the activation is flat enough at 0", lambda p: p.q, lambda p: 3.0, log_power=0
    ),
    "s_scale": Condition(
        "Definition 3.1", "s = Θ(√d/n²)", "the noise is sparse",
        lambda p: np.sqrt(p.d) / p.n**2, lambda p: p.s, theta=True, log_power=0,
    ),
    "sigma_p_scale": Condition(
        "Definition 3.1", "σ_p² = Θ(1/(s·polylog n))", "noise and feature are about as long",
        lambda p: 1 / p.s, lambda p: p.sigma_p**2, theta=True,
    ),
    "alpha_scale": Condition(
        "Definition 3.1", "α = Θ(σ_p·polylog n)", "feature noise is about as large as a noise coordinate",
        lambda p: p.sigma_p, lambda p: p.alpha, theta=True, log_power=1,
    ),
    "sigma_0_scale": Condition(
        "section 3", "σ_0 = Θ(d^{−1/4})", "the start is of the right size",
        lambda p: p.d**-0.25, lambda p: p.sigma_0, theta=True, log_power=0,
    ),
    "supports": Condition(
        "Lemma A.1", "s ≤ √d/(2n²)", "supports are disjoint with probability 1 − 1/n²",
        lambda p: np.sqrt(p.d) / (2 * p.n**2), lambda p: p.s, log_power=0,
    ),
    "lam_0": Condition(
        "section 3", "λ < λ_0 = Θ(1/(d^{(q−1)/4} n polylog n))", "training is not stuck at the origin",
        largest_lam, lambda p: p.lam,
    ),
    "lam": Condition(
        "A.1", "λ = o(σ_0^{q−2} σ_p/n)", "the L2 term does not matter while the pattern is learned",
        lambda p: p.sigma_0 ** (p.q - 2.0) * p.sigma_p / p.n, lambda p: p.lam,
    ),
    "alpha_large": Condition(
        "A.1", "α = ω((sσ_p)^{1−q} σ_0^{q−1})", "feature noise is large enough to flip the feature",
        lambda p: p.alpha, lambda p: (p.s * p.sigma_p) ** (1.0 - p.q) * p.sigma_0 ** (p.q - 1.0), of=SIGNED,
    ),
    "flip": Condition(
        "Lemma A.4", "α ≥ Θ̃((sσ_p)^{1−q} ∨ σ_0^{q−1})", "the same, as the lemma on the flip needs it",
        lambda p: p.alpha,
        lambda p: np.maximum((p.s * p.sigma_p) ** (1.0 - p.q), p.sigma_0 ** (p.q - 1.0)), of=SIGNED,
    ),
    "sigma_0": Condition(
        "A.1", "σ_0 = o(1/(sσ_p))", "the start is small against what is learned",
        lambda p: 1 / (p.s * p.sigma_p), lambda p: p.sigma_0,
    ),
    "alpha_small": Condition(
        "A.1", "α = o(sσ_p²/n)", "feature noise is small against the noise an example is told by",
        lambda p: p.s * p.sigma_p**2 / p.n, lambda p: p.alpha,
    ),
    "eta": Condition(
        "A.1", "η = o(λσ_0^q σ_p^q)", "steps are small even against the L2 term",
        lambda p: p.lam * p.sigma_0**p.q * p.sigma_p**p.q, lambda p: p.eta,
    ),
    "betas": Condition(
        "Lemma A.2", "β2 ≥ β1²", "Adam's ratio m/√v is bounded",
        lambda p: p.beta2, lambda p: p.beta1**2, log_power=0, of=("adam", "adam_paper"),
    ),
    "eta_pattern": Condition(
        "Lemma 5.4", "η = O(1/(sσ_p))", "a step memorizes less than an example",
        lambda p: 1 / (p.s * p.sigma_p), lambda p: p.eta, of=SIGNED,
    ),
    "eta_descent": Condition(
        "Lemma 5.5", "η = O(d^{−1/2})", "the objective falls at every step but for η²d",
        lambda p: p.d**-0.5, lambda p: p.eta, of=SIGNED,
    ),
    "eta_gd": Condition(
        "Lemma 5.7", "η ≤ O(σ_0)", "GD's pattern is kept", lambda p: p.sigma_0, lambda p: p.eta, of=("gd",)
    ),
    "signal": Condition(
        "Cao et al. 2022", "n·SNR^q ≳ 1", "GD learns the feature before the noise",
        lambda p: p.n * snr(p) ** p.q, lambda p: 1.0, of=("gd",),
    ),
}  # fmt: skip
"""Every condition by its name. The paper claims that those of A.1 follow from the scalings of Definition 3.1 and
section 3, for d polynomial in n of a high enough degree; together they need d ≫ n⁸."""
