"""Vasudeva, Lee, Sharan and Soltanolkotabi, "The Rich and the Simple" (arXiv 2505.24022): which features neurons learn.

f(x) = Σ_k a_k relu(⟨w_k, x⟩) with fixed a_k = ±1, on clusters N(μ_c, σ²I) in the plane: class −1 at (−s, 0), class +1
at (1, ω) and (1, −ω), the classes as likely, σ = 1; s = (1 + ω²)^{1/2}, so that the boundary of Bayes' rule goes
through 0, as the paper assumes. With the correlation loss −E[y f(x)] neurons do not see each other, and a neuron's
population
gradient is, by Stein's identity (derived here; the paper has it as Proposition 2),

    −a Σ_c P(c) y_c (μ_c Φ(z_c) + σ φ(z_c) w/‖w‖),  z_c = ⟨w, μ_c⟩/(σ‖w‖).

Theorem 1: by GD all go to a_k·(1, 0). Theorem 2: by signGD those with a_k > 0 go to (1, ±1)/√2, the others to (−1, 0).
The paper's text was not at hand (its statements are known from notes), so that these clusters, σ and sizes are ours,
and verdicts are about the theorems only. Not in the paper: what lies between, steps g/|g|^p of each coordinate. Near
(1, 0) g_2/g_1 ≈ κ·tan θ (`slope`), so that GD (p = 0) leaves it where κ > 1, and for p > 0 a neuron rests at about
tan θ = κ^{(1−p)/p}, for κ < 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.scipy.stats import norm
from scipy import stats

from adam_vs_gd import plot
from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.summary import over
from adam_vs_gd.problems.function.sweep_function import sweep_function
from adam_vs_gd.problems.learning.optimizers import make_optimizer

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key

VERSION = 1  # of what a lane computes
SIGMA, NEURONS, TEST = 1.0, 40, 20_000
STEPS, QUICK = 20_000, 500
KINDS = ("gd", "signgd", "adam")
NEAR = 0.99  # a cosine from which on a direction is said to be reached
START, NOISE = range(2)  # what is drawn of a seed's key
OMEGAS = [0.5, 1.0, 1.5, 1.8, 2.5]
POWERS = [0.0, 0.25, 0.5, 0.75, 1.0]


def clusters(omega: Any) -> tuple[Array, Array]:
    """[3, 2] means and [3] P(c)·y_c."""
    one = jnp.ones_like(jnp.asarray(omega, jnp.result_type(float)))
    means = jnp.stack(
        [jnp.stack([-jnp.sqrt(one + omega**2), 0 * one]), jnp.stack([one, omega * one]), jnp.stack([one, -omega * one])]
    )
    return means, jnp.array([-0.5, 0.25, 0.25])


def gradient(w: Array, a: Array, omega: Any) -> Array:
    """[neurons, 2] population gradients of the correlation loss.

    Args:
        w: [neurons, 2] weights, none of them 0.
        a: [neurons] of the second layer.
        omega: ω >= 0.
    """
    means, signed = clusters(omega)
    unit = w / jnp.linalg.norm(w, axis=-1, keepdims=True)
    z = unit @ means.T / SIGMA
    pull = (signed * norm.cdf(z)) @ means + SIGMA * (signed * norm.pdf(z)).sum(-1, keepdims=True) * unit
    return -a[:, None] * pull


def trained(hyper: Mapping[str, Any], key: Key, kind: str, **numbers: Any) -> dict[str, Array]:
    """What neurons learn by an optimizer from the population gradient.

    Args:
        hyper: omega, eta; and static updates, how many.
        key: of a seed: starts, which are the same for every optimizer, and the test set.
        kind: of `make_optimizer`.
        numbers: its further ones.

    Returns:
        Over neurons the least cosine with a·(1, 0), `positive_simple` of those with a > 0 and `negative_simple` of the
        others, and with the nearer of (1, ±1)/√2 where a > 0, `rich`; `tangent`, the median of |w_2/w_1| there;
        `test_error`, and Bayes' on the same examples, `bayes`.
    """
    a = jnp.where(jnp.arange(NEURONS) % 2 == 0, 1.0, -1.0)
    w = 0.1 * jax.random.normal(jax.random.fold_in(key, START), (NEURONS, 2))
    optimizer = make_optimizer(kind, eta=hyper["eta"], **numbers)

    def step(carried: Any, _: None) -> tuple[Any, None]:
        w, state = carried
        update, state = optimizer.update(gradient(w, a, hyper["omega"]), state, w)
        return (w + update, state), None

    (w, _), _ = jax.lax.scan(step, (w, optimizer.init(w)), None, hyper["updates"])
    unit = w / jnp.linalg.norm(w, axis=-1, keepdims=True)
    first, second = a * unit[:, 0], jnp.abs(unit[:, 1])
    error, bayes = errors(w, a, hyper["omega"], jax.random.fold_in(key, NOISE))
    return {
        "test_error": error,
        "bayes": bayes,
        "positive_simple": jnp.where(a > 0, first, 1).min(),
        "negative_simple": jnp.where(a < 0, first, 1).min(),
        "rich": jnp.where(a > 0, (first + second) / 2**0.5, 1).min(),
        "tangent": jnp.median((jnp.abs(w[:, 1]) / jnp.abs(w[:, 0]))[::2]),
    }


def errors(w: Array, a: Array, omega: Any, key: Key) -> tuple[Array, Array]:
    """Shares of `TEST` examples that the network, and that Bayes' rule, get wrong."""
    means, signed = clusters(omega)
    which, noise = jax.random.split(key)
    c = jax.random.choice(which, 3, (TEST,), p=jnp.abs(signed))
    x = means[c] + SIGMA * jax.random.normal(noise, (TEST, 2))
    y = jnp.sign(signed)[c]
    f = jax.nn.relu(x @ w.T) @ a
    density = jnp.exp(-((x[:, None] - means) ** 2).sum(-1) / (2 * SIGMA**2)) @ signed
    return (jnp.sign(f) != y).mean(), (jnp.sign(density) != y).mean()


def gd(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by gradient descent."""
    return trained(hyper, key, "gd")


def signgd(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by signGD."""
    return trained(hyper, key, "signgd")


def adam(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by Adam at its usual β1 and β2."""
    return trained(hyper, key, "adam", beta1=0.9, beta2=0.999, eps=1e-12)


def power(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by g/|g|^p."""
    return trained(hyper, key, "adam_power", beta1=0.0, beta2=0.0, eps=1e-12, power=hyper["power"])


def slope(omega: float) -> float:
    """κ: g_2/(g_1·tan θ) of a neuron with a > 0 near (1, 0), the gradient to first order in θ."""
    s = np.sqrt(1 + omega**2)
    near, far = stats.norm.pdf(1 / SIGMA), stats.norm.pdf(s / SIGMA)
    spread = SIGMA * (near - far)
    first = stats.norm.cdf(1 / SIGMA) + s * stats.norm.cdf(-s / SIGMA) + spread
    return float((omega**2 * near / SIGMA + spread) / first)


def foretold(omega: float, p: float) -> float:
    """Tan θ at which neurons with a > 0 should rest, to first order, for κ < 1."""
    return 0.0 if p == 0 else slope(omega) ** ((1 - p) / p)


def reproduce(out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False) -> str:
    """Train neurons by population gradients, and see which features they learn.

    Args:
        out: a folder of sweeps; `vasudeva2025.md`, and `vasudeva2025.png` with its numbers, are written into it.
        seeds: how many starts and test sets.
        quick: a fortieth of the steps: directions have not settled.
        quiet: no progress.
    """
    static = {"updates": QUICK if quick else STEPS}
    run = lambda fn, axes: sweep_function(  # noqa: E731
        fn, axes, {"eta": 0.01}, static, seeds, out / fn.__name__, version=VERSION, precision="float64", quiet=quiet
    )
    found = {fn.__name__: run(fn, {"omega": OMEGAS[:2]}) for fn in (gd, signgd, adam)}
    between = run(power, {"omega": OMEGAS, "power": POWERS})
    text = report(found, between, quick=quick)
    (out / "vasudeva2025.md").write_text(text + "\n", encoding="utf-8")
    shown = between.assign(excess=(between.test_error - between.bayes).assign_attrs(long_name="excess test error"))
    plot.save(plot.phase_diagram(shown, x="omega", y="power", value="excess"), out / "vasudeva2025.png")
    return text


def told(values: xr.DataArray) -> str:
    """Mean and interval over seeds."""
    one = over(values)
    return f"{float(one['mean']):.4f} [{float(one.low):.4f}, {float(one.high):.4f}]"


def report(found: Mapping[str, xr.Dataset], between: xr.Dataset, *, quick: bool) -> str:
    """The tables, and what they say."""
    at = lambda kind, name: float(found[kind][name].min())  # noqa: E731
    said = lambda *held: "reproduced" if all(held) else "reproduced in part" if any(held) else "not reproduced"  # noqa: E731
    simple = [at("gd", name) for name in ("positive_simple", "negative_simple")]
    rich = [at("signgd", name) for name in ("rich", "negative_simple")]
    by_adam = [at("adam", name) for name in ("rich", "negative_simple")]
    gaps = [over(found["gd"].test_error - found[kind].test_error) for kind in ("signgd", "adam")]
    claims = [
        ["claim", "theirs", "ours", "verdict"],
        ["GD: every neuron", "a_k·(1, 0) (Theorem 1)", f"least cosine {simple[0]:.4f} (a > 0), {simple[1]:.4f} (a < 0)",
         said(*(value >= NEAR for value in simple))],
        ["signGD: neurons", "(1, ±1)/√2 for a > 0, (−1, 0) for a < 0 (Theorem 2)",
         f"least cosine {rich[0]:.4f}, {rich[1]:.4f}", said(*(value >= NEAR for value in rich))],
        ["Adam, β = (0.9, 0.999)", "richer than GD",
         f"least cosine with Theorem 2's {by_adam[0]:.4f}, {by_adam[1]:.4f}",
         said(*(value >= NEAR for value in by_adam))],
        ["test error: GD's less that of signGD, and of Adam", "GD's is higher, for its clusters (Theorem 3)",
         "; ".join(f"ω = {w:g}: " + ", ".join(
             f"{float(g['mean'].sel(omega=w)):.4f} [{float(g.low.sel(omega=w)):.4f}, {float(g.high.sel(omega=w)):.4f}]"
             for g in gaps) for w in OMEGAS[:2]), said(*(bool(low > 0) for g in gaps for low in g.low))],
    ]  # fmt: skip
    rows = [["ω", "κ", *(f"p = {p:g}" for p in POWERS)]]
    for omega in OMEGAS:
        cells = [
            f"{told(between.tangent.sel(omega=omega, power=p))}"
            + (f", foretold {foretold(omega, p):.3f}" if slope(omega) < 1 else "")
            for p in POWERS
        ]
        rows.append([f"{omega:g}", f"{slope(omega):.3f}", *cells])
    errors_ = [["ω", "GD", "signGD", "Adam", "Bayes"]]
    for omega in OMEGAS[:2]:
        each = [told(found[kind].test_error.sel(omega=omega)) for kind in KINDS]
        errors_.append([f"{omega:g}", *each, told(found["gd"].bayes.sel(omega=omega))])
    return "\n\n".join([
        "# Vasudeva et al. 2025: The Rich and the Simple (arXiv 2505.24022)",
        *(["**NOT the reproduction: a fortieth of the steps (--quick).**"] if quick else []),
        markdown.table(claims),
        f"{between.sizes['seed']} seeds, 95 % intervals; population gradients of the correlation loss in closed form "
        f"(derived here), {NEURONS} neurons, η = 0.01, clusters (−(1 + ω²)^(1/2), 0) and (1, ±ω), σ = {SIGMA:g}, "
        "ω = 0.5 and 1 unless said. The paper's text was not at hand: its clusters, its logistic-loss "
        "trainings on samples and its figures "
        "were not checked; verdicts are about the theorems.",
        "## Test errors", markdown.table(errors_),
        "## What lies between (not in the paper)",
        "Steps g/|g|^p: median |w_2/w_1| of neurons with a > 0; foretold κ^{(1−p)/p}, to first order, where κ < 1. "
        "GD's simple direction is stable only where κ < 1, that is for clusters that are not too far apart.",
        markdown.table(rows),
    ])  # fmt: skip
