"""The scales of the paper's theory: sizes and times as functions of a point's numbers.

Every formula is exact up to what the paper leaves open: a constant factor (Θ, O) and powers of log n (Θ̃, Õ, polylog).
Both are parameters here, 1 and 0 by default. All functions take floats, arrays, or DataArrays, which broadcast.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.special import gammaln

from adam_vs_gd.problems.learning import table1

LIFETIME = 1.5  # of a noise solution, in 1/η: the median of those measured (results/metastable)
SERIES = 16  # Stirling's series is exact to 1e-12 from here on

Real: TypeAlias = Any
"""A float, an array, or an xarray.DataArray."""


class Point(NamedTuple):
    """The numbers of a training, or of many: what the theory is a function of. Defaults are Table 1's, for Adam."""

    n: Real = table1.N
    d: Real = table1.D
    s: Real = table1.S
    sigma_p: Real = table1.SIGMA_P
    alpha: Real = table1.ALPHA
    width: Real = table1.WIDTH
    q: Real = table1.Q
    sigma_0: Real = table1.SIGMA_0
    lam: Real = table1.LAM
    eta: Real = table1.ETA_ADAM
    beta1: Real = table1.BETA1
    beta2: Real = table1.BETA2
    steps: Real = table1.STEPS


def polylog(n: Real, power: Real) -> Real:
    """A power of ln n, at least 1: polylog n of Definition 3.1, section 3 and A.1, whose degree is left open."""
    return np.maximum(1.0, np.log(n)) ** power if power else np.float64(1)


def rate(p: Point) -> Real:
    """η s σ_p, by which Adam and signGD memorize noise in a step (Lemma 5.2, A.3); the feature gets η at most."""
    return p.eta * p.s * p.sigma_p


def largest_lam(p: Point, constant: float = 1.0, log_power: float = 0.0) -> Real:
    """λ_0 = Θ(1/(d^{(q−1)/4} n polylog n)): past it, training is stuck at the origin (section 3)."""
    return constant / (p.d ** ((p.q - 1) / 4) * p.n * polylog(p.n, log_power))


def pattern_time(p: Point, constant: float = 1.0, log_power: float = 0.0) -> Real:
    """T_0 = Õ(1/(η s σ_p)): end of Stage I of Adam and signGD (Lemma 5.2, A.3).

    The proof has 1/(η s σ_p m), and m = polylog n; a constant of 1/m gives that.
    """
    return constant * polylog(p.n, log_power) / rate(p)


def flip_time(p: Point, constant: float = 1.0, log_power: float = 0.0) -> Real:
    """T_r = Õ(σ_0/(η s σ_p α^{1/(q−1)})): from here on the feature is unlearned (Lemma 5.3, A.4); ∞ for α = 0."""
    with np.errstate(divide="ignore"):
        return constant * polylog(p.n, log_power) * p.sigma_0 / (rate(p) * p.alpha ** (1 / (p.q - 1)))


def flip_strength(p: Point) -> Real:
    """How much faster α^{1/(q−1)}⟨w, ξ_i⟩ grows than ⟨w, jv⟩ under signGD: s σ_p √(2/π)·α^{1/(q−1)}; a flip needs > 1.

    Derived here, from E|ξ_i[k]| = σ_p √(2/π): a filter that starts at ⟨w, jv⟩ = w_0 and is active on the noise of all
    examples of its class turns after about w_0/(η(strength − 1)) steps; active on half of them, as filters are at the
    start, it is that of α/2. Where it is ≫ 1, that is Lemma 5.3's T_r; its condition on α (Lemma A.4) says ≳ 1.
    """
    return p.s * p.sigma_p * np.sqrt(2 / np.pi) * p.alpha ** (1 / (p.q - 1))


def recovery(p: Point) -> Real:
    """What Adam and signGD have left of the feature at t_fit, over what lets it return: it does where this is ≳ 1.

    Derived here, for disjoint supports and λ > 0. While filters grow by signed steps, ⟨w, jv⟩/⟨w, ξ_i⟩ goes to
    1/(s σ_p √(2/π)); and the noise solution is at rest with |ℓ_{y_i,i}| = nλ/(q z^{q−2} sσ_p²), so that a feature f
    grows beside it if (f/z)^{q−2} > 2sσ_p²/n (`adam-vs-gd reproduce metastable`). 0 where feature noise has turned the
    feature before (`flip_strength` of α/2, of a filter active on half of the noise, above 1): where that is near 1,
    within a factor of 1.7 or so, it turns in some filters and not in others, and seeds differ.
    """
    left = 1 / (p.s * p.sigma_p * np.sqrt(2 / np.pi))
    kept = flip_strength(p._replace(alpha=p.alpha / 2)) < 1
    return kept * left ** (p.q - 2) * p.n / (2 * p.s * p.sigma_p**2)


def noise_lifetime(p: Point) -> Real:
    """Steps from t_fit until the feature returns and the noise solution is left, 1.5/η; ∞ where it stays.

    Measured at q = 3, Adam: 1.0/η to 3.3/η for η of 2.5e-5 to 2e-4 and λ of 1e-6 to 1e-4, and from .2/η on at 1e-3; it
    goes as η^−.73 rather (results/metastable). NaN for λ = 0, where nothing comes to rest.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.divide(LIFETIME / p.eta, np.multiply(recovery(p) >= 1, 1.0))
        return returns * np.divide(p.lam, p.lam)


def feature_time(p: Point, constant: float = 1.0, log_power: float = 0.0) -> Real:
    """T_j = Θ̃(σ_0^{2−q}/η): GD's Λ_j reaches Θ(1/m) (Lemma A.8; Lemma 5.6 leaves out η)."""
    return constant * polylog(p.n, log_power) * p.sigma_0 ** (2.0 - p.q) / p.eta


def snr(p: Point) -> Real:
    """SNR = ‖v‖/(σ_p √s), signal against noise in the l2 norm, which GD goes by (Cao et al. 2022)."""
    return 1 / (p.sigma_p * np.sqrt(p.s))


def gd_signal(p: Point) -> Real:
    """n·SNR^q: GD learns the feature where it is ≳ 1, and memorizes where it is below (Cao et al. 2022)."""
    return p.n * snr(p) ** p.q


def overlap(p: Point) -> Real:
    """n·s/d: how many supports a coordinate is in, about; where they overlap, Lemma 5.1 does not apply."""
    return p.n * p.s / p.d


def disjoint_probability(p: Point) -> Real:
    """P[no two of n independent supports of s of d−1 coordinates meet] = Π_{i<n} C(d−1−is, s)/C(d−1, s), exactly.

    It is 0 where n·s > d−1. (Lemma 5.1, A.1.)
    """
    total = p.d - 1.0
    possible = p.n * p.s <= total
    log = log_falling(total, np.minimum(p.n * p.s, total)) - p.n * log_falling(total, np.minimum(p.s, total))
    return np.exp(np.minimum(log, 0)) * possible  # the product of (d−1−is)!/(d−1−is−s)! telescopes


def log_falling(total: Real, count: Real) -> Real:
    """The logarithm of N!/((N−k)! N^k), by Stirling's series, because the difference of two ln N! loses its digits.

    Args:
        total: N >= 1.
        count: k, 0 .. N.
    """
    left = total - count

    def rest(z: Real) -> Real:
        return 1 / (12 * z) - 1 / (360 * z**3) + 1 / (1260 * z**5)

    exact = gammaln(total + 1) - gammaln(left + 1) - count * np.log(total)
    some = np.maximum(left, 1.0)
    lost = some - total  # added as one number, for the others are large
    series = -(some + 0.5) * np.log1p(lost / total) + lost + (rest(total) - rest(some))
    return exact * (left < SERIES) + series * (left >= SERIES)


def disjoint_bound(p: Point) -> Real:
    """The union bound of Lemma A.1's proof: P[disjoint] ≥ 1 − n s (1 − (1 − s/(d−1))^n), or 0 where that says less.

    (A.1) has the exponent n where a support meets n − 1 others: it stays a bound.
    """
    share = np.minimum(p.s / (p.d - 1.0), 1.0)
    with np.errstate(divide="ignore"):
        meets = -np.expm1(p.n * np.log1p(-share))
    return np.maximum(0.0, 1 - p.n * p.s * meets)


def adam_bound(beta1: Real, beta2: Real) -> Real:
    """The largest |m/√v| that gradients can give: (1−β1)/√((1−β2)(1−β1²/β2)); ∞ unless β2 > β1².

    The Cauchy-Schwarz argument of Lemma A.2 with its sum evaluated; it is attained. The lemma allows β2 = β1², for
    which the bound grows with the number of steps. Floats or arrays.
    """
    beta1, beta2 = np.asarray(beta1, float), np.asarray(beta2, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = (1 - beta1) / np.sqrt((1 - beta2) * (1 - beta1**2 / beta2))
    bound = np.where(beta1 == 0, 1 / np.sqrt(1 - beta2), bound)
    return np.where((beta2 > beta1**2) | ((beta1 == 0) & (beta2 >= 0)), bound, np.inf)[()]
