"""Benign and harmful overfitting of a two-layer CNN: Cao, Chen, Belkin and Gu, arXiv 2202.06526 (NeurIPS 2022).

Patches y·μ and ξ ~ N(0, σ_p²(I − μμᵀ/‖μ‖²)), F_j = (1/m) Σ_r [σ(⟨w_{j,r}, yμ⟩) + σ(⟨w_{j,r}, ξ⟩)], σ = relu^q with
q > 2, logistic loss, full-batch GD from N(0, σ_0²). With SNR = ‖μ‖/(σ_p√d), Theorem 4.3 has a test loss near 0 where
n·SNR^q is large, Theorem 4.4 one that is not small where it is small. So the transition is where n·SNR^q is a constant:

    SNR ∝ n^{−1/q}.

In this package's problem: ‖μ‖ = 1 along the first coordinate, α = 0 and s = d − 1 are their data, but that labels are
balanced. F_j has no 1/m, which `absorbed` takes into the weights.

Which constant, by our own estimate for m filters and n examples. While outputs are small, the largest product a of
class j with its feature, and b_i with each ξ_i of the class, grow by
da = ηq‖μ‖²a^{q−1}·(1/n)Σ_i|ℓ_i| and db_i = ηq‖ξ_i‖²b_i^{q−1}·|ℓ_i|/n a step (noise patches taken for orthogonal). Hence
db_i/b_i^{q−1} summed to b_i = ∞ is b_{i,0}^{2−q}/(q − 2): an example can be memorized with a finite Σ_t η|ℓ_i|, and if
all of a class are, the feature has grown without bound before that if

    SNR^q · g^{q−2} · Σ_i h_i^{2−q} > 1,      a_0 = σ_0‖μ‖·g,  b_{i,0} = σ_0σ_p√d·h_i,

g and h_i maxima of m standard normals, the sum over the n/2 examples of the class; nothing is fitted. Neither η nor σ_0
matters. A class whose feature is not learned errs on half of its test examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import markdown, summary
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.papers import cao2022_picture
from adam_vs_gd.experiments.papers.cao2022_estimate import middle
from adam_vs_gd.problems.learning.loss import FITTED_LOSS
from adam_vs_gd.results.power_law import fit_exponent
from adam_vs_gd.results.statistics import over_seeds, wilson
from adam_vs_gd.results.transition import boundary
from adam_vs_gd.spec.cells import cells, digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec

N = (10, 16, 26, 40, 64, 100)
D, WIDTH, TEST_SIZE = 4001, 20, 500
LEVEL = 0.25  # of the mean test error, halfway between 0 and chance


class Power(NamedTuple):
    """What is chosen for a power of the activation.

    Attributes:
        sigma_0: of this package's weights.
        snr: the largest and the smallest SNR.
        steps: so many that all is fitted.
    """

    sigma_0: float
    snr: tuple[float, float]
    steps: int


VERSION = 1  # of what is measured
DIMS = ("optimizer", "n", "sigma_p", "seed")
FINAL = ("status", "test_error", "train_error", "data_loss")
ETA = 0.3  # of this package's weights
# σ_0 as small as time allowed: in a first try at σ_0 = 0.01 (q = 3, η = 0.1, six seeds) n·SNR³ at the transition was
# about 1.2 at n = 10 to 1.7 at n = 160, below the estimate, whose feature has to outgrow its start by far.
POWERS: Mapping[int, Power] = {3: Power(0.001, (0.9, 0.15), 6000), 4: Power(0.015, (1.0, 0.25), 8000)}
POINTS = 16  # values of the SNR
NARROW, NARROW_N, NARROW_SNR = 3, (40, 100), (0.5, 0.22, 8)  # a power, and its n and SNR where d varies
NARROW_D = (1001, 16001)


def reproduce(out: Path, seeds: int = 10, quick: bool = False, quiet: bool = False) -> str:
    """Train over n and SNR for two powers, and set the exponent of the transition beside the theorems'.

    Args:
        out: folder; `cao2022.md`, and `cao2022.png` with its numbers, are written into it. What has been measured of a
            power is kept there, and not measured again.
        seeds: how many.
        quick: the three smallest n, fewer seeds and a smaller d: a try.
        quiet: no progress.
    """
    found = {}
    for q in POWERS:
        spec = spec_of(q, min(seeds, 4) if quick else seeds, quick=quick)
        found[q] = measured(out, spec, quiet)
    edges = {q: transition(results) for q, results in found.items()}
    text = report(found, edges)
    if not quick:
        at = {d: transition(measured(out, narrow_spec(d, seeds), quiet)) for d in NARROW_D}
        text += f"\n\n{overlap({**at, D: edges[NARROW]})}"
    if quick:
        text += "\n\nNOT the reproduction: the three smallest n, few seeds, a smaller d (--quick)."
    (out / "cao2022.md").write_text(text + "\n", encoding="utf-8")
    plot.save(cao2022_picture.drawn(found, edges, LEVEL), out / "cao2022.png")
    return f"{text}\n\n{out / 'cao2022.png'}"


def absorbed(eta: float, sigma_0: float, m: int, q: int) -> tuple[float, float]:
    """η and σ_0 of this package's weights w = w'/m^{1/q} that train their network, which has a factor 1/m.

    relu^q is homogeneous: relu^q(⟨w, x⟩) = relu^q(⟨w', x⟩)/m, hence L(w) = L'(w') and ∇_{w'}L' = m^{−1/q}∇_w L; the
    step w' − η'∇_{w'}L' is w − η'm^{−2/q}∇_w L.

    Args:
        eta: η', > 0.
        sigma_0: σ_0', > 0.
        m: filters of a class.
        q: power of the activation.

    Returns:
        η = η'/m^{2/q} and σ_0 = σ_0'/m^{1/q}.
    """
    return eta / m ** (2 / q), sigma_0 / m ** (1 / q)


def theirs(eta: float, sigma_0: float, m: int, q: int) -> tuple[float, float]:
    """η' and σ_0' of their network, the inverse of `absorbed`."""
    return eta * m ** (2 / q), sigma_0 * m ** (1 / q)


def spec_of(q: int, seeds: int, *, quick: bool) -> SweepSpec:
    """The sweep of a power: n × σ_p, GD without decay."""
    power, n, d = POWERS[q], N[:3] if quick else N, 1001 if quick else D
    snr = np.geomspace(*power.snr, 8 if quick else POINTS)
    data = {"n": n, "d": d, "s": d - 1, "sigma_p": 1 / (snr * np.sqrt(d)), "alpha": 0.0, "test_size": TEST_SIZE}
    return SweepSpec(
        name=f"cao2022-q{q}", seeds=seeds, steps=power.steps, record=0, data=data,
        model={"width": WIDTH, "q": q, "sigma_0": power.sigma_0}, train={"lam": 0.0}, optimizers={"gd": {"eta": ETA}},
    )  # fmt: skip


def measured(out: Path, spec: SweepSpec, quiet: bool) -> xr.Dataset:
    """A power's errors and losses, labelled; no test error of what is not fitted.

    Returns:
        Along (optimizer, n, sigma_p, seed) `FINAL`, and `good`, whether a training is fitted; `snr` along sigma_p.
    """

    def final() -> dict[str, np.ndarray]:
        found = run_sweep(spec, None, quiet=quiet)
        return {name: found[name].transpose(*DIMS).values for name in FINAL}

    found = kept(out, spec, VERSION, final)
    data, (gd,) = spec.data, spec.optimizers.values()
    sigma_p = np.array(data["sigma_p"])
    coords = {
        "optimizer": list(spec.optimizers), "n": ("n", list(data["n"])), "sigma_p": ("sigma_p", sigma_p),
        "seed": list(spec.seeds), "snr": ("sigma_p", 1 / (sigma_p * np.sqrt(data["d"]))),
        "d": data["d"], "test_size": data["test_size"], "width": spec.model["width"], "q": spec.model["q"],
        "sigma_0": spec.model["sigma_0"], "eta": gd["eta"], "steps": spec.steps,
    }  # fmt: skip
    digest = digest_of(lane.digest for _, lane in cells(spec))
    results = xr.Dataset({name: (DIMS, values) for name, values in found.items()}, coords, {"digest": digest})
    good = (results.train_error == 0) & (results.data_loss <= FITTED_LOSS)
    return results.assign(test_error=results.test_error.where(good), good=good)


def narrow_spec(d: int, seeds: int) -> SweepSpec:
    """A power's sweep around its transition, at another d: its noise patches overlap more, or less."""
    whole = spec_of(NARROW, seeds, quick=False)
    sigma_p = 1 / (np.geomspace(*NARROW_SNR) * np.sqrt(d))
    data = {**whole.data, "n": NARROW_N, "d": d, "s": d - 1, "sigma_p": sigma_p}
    return replace(whole, name=f"{whole.name}-d{d}", data=data)


class Transition(NamedTuple):
    """Where a power's mean test error falls through `LEVEL`.

    Attributes:
        n: [k].
        snr: [k] and
        low, high: [k] its 95 % interval.
        exponent: κ of SNR ∝ n^{−κ}, and its interval.
        foretold: [k] the SNR of the estimate.
        foretold_exponent: κ of these.
    """

    n: np.ndarray
    snr: np.ndarray
    low: np.ndarray
    high: np.ndarray
    exponent: tuple[float, float, float]
    foretold: np.ndarray
    foretold_exponent: float


def transition(results: xr.Dataset) -> Transition:
    """The measured transition of one power, and the estimate's."""
    edge = boundary(results, x="sigma_p", y="n", level=LEVEL, value="test_error", direction="rising").sel(
        optimizer="gd"
    )
    law = fit_exponent(edge)  # σ_p = c·n^κ at fixed d is SNR ∝ n^{−κ}
    snr = lambda sigma_p: 1 / (sigma_p.values * np.sqrt(float(results.d)))  # noqa: E731
    n, q = results.n.values, int(results.q)
    foretold = np.array([middle(int(k), q, int(results.width), LEVEL) for k in n])
    slope = -float(np.polyfit(np.log(n), np.log(foretold), 1)[0])
    interval = float(law.exponent), float(law.low), float(law.high)
    return Transition(n, snr(edge.sigma_p), snr(edge.high), snr(edge.low), interval, foretold, slope)


def verdict(measured: Mapping[int, Transition]) -> str:
    """Whether each interval holds 1/q, and no 1/q of another power."""
    right, told = [], []
    for q, one in measured.items():
        _, low, high = one.exponent
        holds = low <= 1 / q <= high
        apart = [k for k in measured if k != q and not low <= 1 / k <= high]
        right.append(holds and len(apart) == len(measured) - 1)
        not_others = f", and not 1/{', 1/'.join(map(str, apart))}" if apart else ", but others' too"
        told.append(f"q = {q}: the interval {'holds' if holds else 'does NOT hold'} 1/{q} = {1 / q:.3f}{not_others}")
    return f"Exponent 1/q of the transition: {summary.verdict(*right)}. " + "; ".join(told) + "."


def report(found: Mapping[int, xr.Dataset], measured: Mapping[int, Transition]) -> str:
    """The exponents, the constant by n, how much is fitted, and how far the theorems' conditions are met."""
    head = ["q", "κ of SNR ∝ n^{−κ}: theorems", "measured [95 %]", "our estimate for these n and m"]
    laws = [head] + [
        [
            str(q),
            f"1/{q} = {1 / q:.3f}",
            "{:.3f} [{:.3f}, {:.3f}]".format(*one.exponent),
            f"{one.foretold_exponent:.3f}",
        ]
        for q, one in measured.items()
    ]
    rows = [["q", "n", "n·SNR^q where the error is 1/4 [95 %]", "our estimate", "test error at the largest SNR",
             "at the smallest"]]  # fmt: skip
    for q, one in measured.items():
        errors = over_seeds(found[q], "test_error").sel(optimizer="gd").sortby("sigma_p")
        for k, n in enumerate(one.n):
            at = [f"{n * ends[k] ** q:.2f}" for ends in (one.snr, one.low, one.high, one.foretold)]
            ends = [errors.sel(n=n).isel(sigma_p=i) for i in (0, -1)]
            shown = ["{:.3f} [{:.3f}, {:.3f}]".format(*(e[f].item() for f in ("mean", "low", "high"))) for e in ends]
            rows.append([str(q), str(n), f"{at[0]} [{at[1]}, {at[2]}]", at[3], *shown])
    return "\n\n".join([
        verdict(measured), markdown.table(laws), markdown.table(rows), collapse(measured),
        *(setting(q, results) for q, results in found.items()),
    ])  # fmt: skip


def collapse(measured: Mapping[int, Transition]) -> str:
    """How far the constants of all n are apart, against how far they would be with another power's exponent."""
    told = []
    for q, one in measured.items():
        spread = {k: np.ptp(np.log(one.n * one.snr**k)) for k in measured}
        others = ", ".join(f"e^{spread[k]:.2f} of n·SNR^{k}" for k in measured if k != q)
        told.append(
            f"q = {q}: the largest n·SNR^{q} at the transition is e^{spread[q]:.2f} times the smallest ({others})"
        )
    return "Collapse over n. " + "; ".join(told) + "."


def overlap(at: Mapping[int, Transition]) -> str:
    """A power's constant at several d: how far it goes to the estimate's, of noise patches that are orthogonal.

    Args:
        at: {d: its transition}.
    """
    rows = [["d", *(f"n = {n}" for n in NARROW_N), *(f"n/d at n = {n}" for n in NARROW_N)]]
    apart: list[float] = []
    for d in sorted(at):
        one, told = at[d], []
        for n in NARROW_N:
            (k,) = np.flatnonzero(one.n == n)
            value, low, high = (n * ends[k] ** NARROW for ends in (one.snr, one.low, one.high))
            told.append(f"{value:.2f} [{low:.2f}, {high:.2f}]")
        apart.append(float(abs(np.log(one.snr[k] / one.foretold[k]))) * NARROW)
        rows.append([str(d), *told, *(f"{n / d:.4f}" for n in NARROW_N)])
    estimate = ", ".join(f"{n * middle(n, NARROW, WIDTH, LEVEL) ** NARROW:.2f} at n = {n}" for n in NARROW_N)
    trend = "nears it as d grows" if all(np.diff(apart) < 0) else "does NOT near it steadily as d grows"
    return (
        f"n·SNR^{NARROW} at the transition by d, at equal SNR; the estimate, of noise patches that are orthogonal, is "
        f"{estimate}, whatever d is. At n = {NARROW_N[-1]} the measured constant {trend}: e^{apart[0]:.2f} to "
        f"e^{apart[-1]:.2f} away.\n\n{markdown.table(rows)}"
    )


def setting(q: int, results: xr.Dataset) -> str:
    """The numbers of a power's sweep in the paper's terms, what is fitted, and which conditions it is far from."""
    good, d, m = results.good, int(results.d), int(results.width)
    share, (low, high) = float(good.mean()), wilson(float(good.mean()), good.size)
    eta, start = theirs(float(results.eta), float(results.sigma_0), m, q)
    n = int(results.n.max())
    most = float(results.data_loss.where(good).max())
    return (
        f"q = {q}: d = {d}, m = {m}, η' = {eta:.3g} and σ_0' = {start:.3g} of their network with 1/m (η = "
        f"{float(results.eta):g}, σ_0 = {float(results.sigma_0):g} of ours), {int(results.steps)} steps; "
        f"{good.size} trainings, {100 * share:.2f} % [{100 * low:.2f}, {100 * high:.2f}] of which are fitted "
        f"(training error 0, loss ≤ {FITTED_LOSS:g}; largest loss of these {most:.3g}); others do not count. The "
        "theorems ask for d ≥ Ω̃(n⁴) and for more of m (Condition 4.2 as we remember it, the text was not at hand; "
        f"constants and logarithms open): d/n⁴ = {d / n**4:.1g} at n = {n}, {d / int(results.n.min()) ** 4:.1g} at the "
        f"smallest n; d/n² = {d / n**2:.2g} at n = {n}."
    )
