"""The paper's scalings along d: `python results/theory_scale.py` runs what is missing, and draws and writes all of it.

Each point is sweeps/theory-scale.toml with n and d in place of its own and s = √d/n², σ_p² = c/s, α = k σ_p,
σ_0 = d^(−1/4), λ = λ_0/10, and an η that makes T_0 = 1/(η s σ_p) a third of the training. What the paper leaves open is
c and k.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

import adam_vs_gd as ag
from adam_vs_gd.experiments import markdown
from adam_vs_gd.plot.style import CHANCE, COLOURS, DASHES, PAGE, styled
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.problems.two_patch import theory
from adam_vs_gd.results.columns import number
from adam_vs_gd.results.statistics import over_seeds
from adam_vs_gd.spec.cells import digest_of

HERE = Path(__file__).parent
OUT = HERE / "theory-scale"
RUNS = HERE.parent / "runs" / "theory-scale"  # about 2 MB, and not kept here
SPEC = HERE.parent / "sweeps" / "theory-scale.toml"
SEEDS = {2**14: 20, 2**16: 20, 2**18: 10, 2**20: 8}
LEARNED = 1.0  # Λ_j from which a class counts as learned; it ends above 1.9 or below 0.8
MARGINS = ("lam", "alpha_large", "sigma_0", "alpha_small", "eta", "flip")


class Choice(NamedTuple):
    """What the paper leaves open: σ_p² = c/s and α = k σ_p."""

    c: float
    k: float

    @property
    def words(self) -> str:
        """It, for people."""
        return f"σ_p² = {self.c:g}/s, α = {'' if self.k == 1 else f'{self.k:g} '}σ_p"


FIRST, SECOND = Choice(0.5, 1.0), Choice(0.25, 4.0)


class Place(NamedTuple):
    """One point of the sweep."""

    choice: Choice
    n: int
    d: int

    @property
    def folder(self) -> Path:
        """Where its lanes are."""
        return RUNS / f"c{self.choice.c:g}-n{self.n}-d{self.d}"


PLACES = [
    Place(choice, n, d)
    for d in SEEDS
    for choice in (FIRST, SECOND)
    for n in (2, 4)
    if choice == FIRST or d < max(SEEDS)
]


def spec(place: Place) -> ag.SweepSpec:
    """The sweep of one place; the second choice does without Adam, which takes five times as long as signGD."""
    n, d, (c, k) = place.n, place.d, place.choice
    s = round(math.sqrt(d) / n**2)
    sigma_p = math.sqrt(c / s)
    given = ag.load_spec(SPEC)
    eta = 3 / (given.steps * s * sigma_p)
    point = theory.Point(n=n, d=d)
    overrides: dict[str, Any] = {
        "name": place.folder.name, "seeds": SEEDS[d], "data.n": n, "data.d": d, "data.s": s, "data.sigma_p": sigma_p,
        "data.alpha": k * sigma_p, "model.sigma_0": d**-0.25, "train.lam": 0.1 * float(theory.largest_lam(point)),
    }  # fmt: skip
    overrides |= {f"optimizers.{label}.eta": eta for label in ("adam", "signgd")}
    found = ag.load_spec(SPEC, overrides).to_dict()
    if place.choice != FIRST:
        del found["optimizers"]["adam"]
    return ag.SweepSpec(**found)


def main() -> None:
    """Run, write and draw."""
    found = {place: ag.run_sweep(spec(place), place.folder) for place in PLACES}
    found = {place: found[place] for place in sorted(found, key=lambda at: (at.choice != FIRST, at.n, at.d))}
    parts = [HEAD]
    for choice in (FIRST, SECOND):
        here = {place: results for place, results in found.items() if place.choice == choice}
        parts.append(f"## {choice.words}\n\n{errors(here)}\n\n{unlearned(here)}\n\n{margins(here)}")
    (OUT / "theory-scale.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n\n".join(parts))
    print(ag.plot.save(drawn(found), OUT / "theory-scale.png"))


HEAD = """# The paper's scalings along d

Written by `python results/theory_scale.py`: mean test errors over seeds with 95 % intervals in brackets, k/n: k of n
seeds are fitted. s = √d/n², σ_0 = d^(−1/4), λ = λ_0/10, m = 5, T = 12,000 = 3 T_0. A margin is how far a condition
holds, with constants 1 and no logarithms: 1 or more where it does."""


def errors(found: dict[Place, xr.Dataset]) -> str:
    """Test errors, a row a place."""
    labels = [str(label) for label in next(iter(found.values())).optimizer.values]
    rows = [["n", "log2 d", "s", "seeds", *labels]]
    for place, results in found.items():
        cells = []
        for label in labels:
            here = results.sel(optimizer=label)
            fitted, seeds = int((here.status == CODES["fitted"]).sum()), results.sizes["seed"]
            cells.append(number(over_seeds(results, "test_error").sel(optimizer=label)) + f" {fitted}/{seeds}")
        rows.append([str(place.n), f"{math.log2(place.d):.0f}", f"{results.s.item()}", str(seeds), *cells])
    return markdown.table(rows)


def unlearned(found: dict[Place, xr.Dataset]) -> str:
    """Which classes GD has not learned: those whose filters began badly."""
    gd = [results.sel(optimizer="gd") for results in found.values()]
    start = np.concatenate([(one.capital_lambda_path.isel(record=0) / one.sigma_0).values.ravel() for one in gd])
    bad = np.concatenate([one.capital_lambda.values.ravel() for one in gd]) < LEARNED
    return (
        f"GD has not learned the feature (Λ_j < {LEARNED:g} at T) in {bad.sum()} of {bad.size} classes. There Λ_j "
        f"began at {start[bad].min():.2f} to {start[bad].max():.2f} times σ_0, in the others at "
        f"{start[~bad].mean():.2f} on average."
    )


def margins(found: dict[Place, xr.Dataset]) -> str:
    """Every condition of A.1 and Lemma A.4's, a row a place."""
    formulas = [f"{theory.CONDITIONS[name].formula} ({theory.CONDITIONS[name].source})" for name in MARGINS]
    rows = [["n", "log2 d", *formulas, "P[disjoint]", "λ_0/λ", "n·SNR^q"]]
    for place, results in found.items():
        predicted = theory.predict(results).sel(optimizer="signgd")
        cells = [float(predicted[f"margin_{name}"]) for name in MARGINS]
        signal = float(theory.predict(results).sel(optimizer="gd").gd_signal)
        cells += [float(predicted.disjoint), float(predicted.margin_lam_0), signal]
        rows.append([str(place.n), f"{math.log2(place.d):.0f}", *(f"{value:.2g}" for value in cells)])
    return markdown.table(rows)


def drawn(found: dict[Place, xr.Dataset]) -> ag.plot.Picture:
    """Error against d: a panel a choice and n, a curve an optimizer."""
    panels = list(dict.fromkeys((place.choice, place.n) for place in found))
    labels = [str(label) for label in next(iter(found.values())).optimizer.values]
    numbers = []
    with styled():
        digest = digest_of(results.attrs["digest"] for results in found.values())
        figure = ag.plot.Picture("theory-scale", digest, numbers, figsize=(PAGE, 2.3), layout="constrained")
        places = figure.subplots(1, len(panels), sharey=True)
        for axes, (choice, n) in zip(places, panels, strict=True):
            for k, label in enumerate(labels):
                shown = [at for at in found if (at.choice, at.n) == (choice, n) and label in found[at].optimizer]
                if not shown:
                    continue
                sums = [over_seeds(found[at], "test_error").sel(optimizer=label) for at in shown]
                mean, low, high = (np.array([float(one[name]) for one in sums]) for name in ("mean", "low", "high"))
                d = np.array([at.d for at in shown]) * 1.06 ** (k - 1)  # side by side
                axes.errorbar(
                    d, mean, [mean - low, high - mean], color=COLOURS[k], linestyle=DASHES[k], marker="osD"[k],
                    markersize=3.5, capsize=2, elinewidth=0.8, label=label if axes is places[0] else None,
                )  # fmt: skip
                for at, *values in zip(shown, mean, low, high, strict=True):
                    row = {"c": choice.c, "k": choice.k, "n": n, "d": at.d, "optimizer": label}
                    numbers.append(row | dict(zip(("mean", "low", "high"), map(float, values), strict=True)))
            axes.axhline(CHANCE, color="0.5", linewidth=0.8, linestyle=":", zorder=0)
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted(SEEDS))
            factor = "" if choice.k == 1 else f"{choice.k:g}\\,"
            axes.set_title(f"$n = {n}$, $\\sigma_p^2 = {choice.c:g}/s$, $\\alpha = {factor}\\sigma_p$")
            axes.set_xlabel("$d$")
        places[0].set_ylabel("test error")
        places[0].set_ylim(-0.03, 1.03)
        figure.legend(loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


if __name__ == "__main__":
    main()
