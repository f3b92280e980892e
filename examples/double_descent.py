"""Double descent of ridge regression beside its closed form: the engine on a function that knows no paper of ours.

n = 100 examples of d = ratio·n independent normal features, y = <w, x> + noise, |w| = 1; ŵ minimizes
|y − Xŵ|²/n + λ|ŵ|². The test error is exact, |ŵ − w|² + σ². For n, d → ∞ at a fixed ratio it is known: T. Hastie,
A. Montanari, S. Rosset, R. J. Tibshirani, Annals of Statistics 50, 2022, p. 949 (isotropic features).

    python examples/double_descent.py [--out runs/double-descent] [--quick]

runs the sweep, or goes on with it; prints how far the means are from the closed form; and draws both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import adam_vs_gd as ag

RATIOS = [round(float(r), 3) for r in np.geomspace(0.1, 4.0, 25)]
LAMBDAS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
NOISE = 0.5  # σ
SEEDS = 40


def ridge(hyper, key):
    """Test error and norm of ridge regression on n examples.

    Args:
        hyper: `ratio` d/n and `lam` λ > 0, `noise` σ; static `n` and `most`, the largest ratio.
        key: of the features, the weights and the noise.
    """
    n, features = hyper["n"], int(hyper["most"] * hyper["n"])
    of_x, of_w, of_y = jax.random.split(key, 3)
    used = jnp.arange(features) < jnp.round(hyper["ratio"] * n)  # the first d features; the others are 0
    x = jax.random.normal(of_x, (n, features)) * used
    w = jax.random.normal(of_w, (features,)) * used
    w = w / jnp.linalg.norm(w)
    y = x @ w + hyper["noise"] * jax.random.normal(of_y, (n,))
    gram = x @ x.T + n * hyper["lam"] * jnp.eye(n)
    found = x.T @ jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(gram), y)
    return {"test_error": jnp.sum((found - w) ** 2) + hyper["noise"] ** 2, "norm": jnp.linalg.norm(found)}


def closed_form(ratio, lam, noise):
    """The test error for n, d → ∞: bias λ²·m'(−λ), variance σ²·γ·(m(−λ) − λ·m'(−λ)), and σ².

    m is the Stieltjes transform of the Marchenko-Pastur law of ratio γ.
    """
    b = 1 - ratio + lam
    root = np.sqrt(b**2 + 4 * ratio * lam)
    m = (root - b) / (2 * ratio * lam)
    slope = m / lam - ((b + 2 * ratio) / root - 1) / (2 * ratio * lam)  # m'(z) at z = −λ, which is −dm(−λ)/dλ
    return lam**2 * slope + noise**2 * ratio * (m - lam * slope) + noise**2


def sweep(out, quick=False):
    """The sweep, or what is missing of it."""
    axes = {"ratio": RATIOS[::4] if quick else RATIOS, "lam": LAMBDAS[::2] if quick else LAMBDAS}
    static = {"n": 40 if quick else 100, "most": 4}
    return ag.sweep_function(ridge, axes, {"noise": NOISE}, static, seeds=10 if quick else SEEDS, out=out)


def deviations(results):
    """[ratio, lam] (mean − closed form)/standard error of the mean."""
    errors = results.test_error
    known = closed_form(results.ratio, results.lam, results.noise)
    return (errors.mean("seed") - known) / (errors.std("seed", ddof=1) / np.sqrt(results.sizes["seed"]))


@mpl.rc_context({"font.size": 7})
def draw(results, path):
    """Means with their 95 % intervals beside the closed form, and all of it as a diagram."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    ratios = np.geomspace(float(results.ratio.min()), float(results.ratio.max()), 400)
    for k, lam in enumerate(results.lam.values[:: max(1, results.sizes["lam"] // 3)]):
        numbers = ag.plot.curves(results, "test_error", sel={"lam": lam}).numbers
        mean, low, high = (np.array([row[key] for row in numbers]) for key in ("mean", "low", "high"))
        left.errorbar(results.ratio, mean, [mean - low, high - mean], fmt="o", ms=2.5, lw=0.8, color=f"C{k}")
        left.plot(ratios, closed_form(ratios, lam, NOISE), color=f"C{k}", lw=1, label=f"λ = {lam:g}")
    left.set(xscale="log", yscale="log", xlabel="ratio d/n", ylabel="test error", yticks=[0.3, 0.5, 1, 2, 4])
    left.yaxis.set_major_formatter("{x:g}")
    left.minorticks_off()
    left.legend(title="lines: closed form", fontsize=7, title_fontsize=7)
    ag.plot.phase_diagram(results, "ratio", "lam", "test_error", ax=right)
    return ag.plot.save(figure, path)


def main():
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/double-descent"))
    parser.add_argument("--quick", action="store_true", help="fewer points and seeds: a try")
    options = parser.parse_args()
    results = sweep(options.out, options.quick)
    off = deviations(results)
    peak = results.test_error.mean("seed").sel(lam=results.lam[0]).idxmax("ratio").item()
    print(f"{results.test_error.size} lanes; deviation from the closed form in standard errors: root mean square "
          f"{float(np.sqrt((off**2).mean())):.2f}, largest {float(abs(off).max()):.1f}")  # fmt: skip
    print(f"at λ = {results.lam.values[0]:g} the test error is largest at a ratio of {peak:g}")
    print(draw(results, options.out / "figures" / "double-descent.png"))


if __name__ == "__main__":
    main()
