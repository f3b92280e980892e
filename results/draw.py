"""Make the pictures and the numbers of this folder again from the journals in it: `python results/draw.py`.

Nothing is trained here. `adam-vs-gd sweep sweeps/NAME.toml --out results/NAME` made each journal, and adds to it what a
longer axis or more seeds ask for.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import beyond
import numpy as np
import xarray as xr
from scipy.optimize import least_squares

import adam_vs_gd as ag
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.results.axis import written
from adam_vs_gd.results.columns import columns, number
from adam_vs_gd.results.power_law import ends, moved
from adam_vs_gd.results.statistics import over_seeds
from adam_vs_gd.results.uneven import told

HERE = Path(__file__).parent
NUMBERS = HERE / "numbers.md"


def main() -> None:
    """Draw everything, and write every number that README.md quotes into numbers.md."""
    parts = [f"# Numbers\n\nWritten by `python results/draw.py`, from the journals beside it; {INTERVALS}."]
    for draw in (
        sigma_p_by_s, alpha_by_s, lam_by_alpha, lam_by_steps, eta_by_alpha, beta2_by_alpha, table1_to_rest, basin,
        adam_at_rest, gd_at_rest, surface_at_rest,
    ):  # fmt: skip
        name = draw.__name__.replace("_by_", "-by-").replace("_to_rest", "-to-rest").replace("_at_rest", "-at-rest")
        results = ag.load_results(HERE / name)
        picture = ag.plot.suitable(results)
        ag.plot.save(picture, HERE / name / f"{picture.name}.png")
        parts.append(f"## {name}\n\n{draw(results, HERE / name)}")
    for name, cuts in TO_REST.items():
        folder = HERE / f"{name}-to-rest"
        results = ag.load_results(folder)
        picture = ag.plot.suitable(results)
        ag.plot.save(picture, folder / f"{picture.name}.png")
        parts.append(f"## {folder.name}\n\n{to_rest(results, cuts)}")
    for draw in (beyond.rates, beyond.optimizers, beyond.optimizers_by_load, beyond.normalization, beyond.memory):
        folder = HERE / draw.__name__.replace("_", "-")
        parts.append(f"## {folder.name}\n\n{draw(ag.load_results(folder), folder)}")
    NUMBERS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


TO_REST: Mapping[str, Sequence[tuple[str, Mapping[str, float]]]] = {
    "lam-by-alpha": [("lam", {"alpha": alpha}) for alpha in (0.0, 0.2, 0.5)],
    "eta-by-alpha": [("eta_index", {"alpha": alpha}) for alpha in (0.2, 0.5)],
    "beta2-by-alpha": [("beta2", {"alpha": alpha}) for alpha in (0.1, 0.2, 0.5)],
    "alpha-by-s": [("alpha", {"s": 100}), ("alpha", {"s": 500}), ("s", {"alpha": 0.2})],
    "sigma_p-by-s": [("sigma_p", {"s": 100})],
}
"""{diagram that `to_rest.py` trains to rest: along which axes its numbers are told, and where}."""
TEN_THOUSAND = 10_000  # the paper's T
MOVED, NEAR = 0.02, 0.05  # what a change of an error is, and what is near 0, or within twice that of 1
LEAST = 3  # points of a law

INTERVALS = "means over seeds with 95 % intervals in brackets, k/n: k of n seeds are fitted"


def cell(results: xr.Dataset, value: str = "test_error") -> str:
    """Mean and interval of one cell, and how many of its seeds are fitted where not all are."""
    fitted, seeds = int((results.status >= 5).sum()), results.sizes["seed"]
    return number(over_seeds(results, value)) + (f" {fitted}/{seeds}" if fitted < seeds else "")


def table(results: xr.Dataset, axis: str, value: str = "test_error", **sel: float) -> str:
    """A variable along one axis, a column an optimizer, at one place of the others."""
    return along(axis, sel, {"": (results, value)}, value)


def along(axis: str, sel: Mapping[str, float], shown: Mapping[str, tuple[xr.Dataset, str]], title: str) -> str:
    """Variables along one axis at one place of the others: a column for each optimizer and each that is shown."""
    found = {head: (one.sel(sel, method="nearest") if sel else one, value) for head, (one, value) in shown.items()}
    here, key = next(iter(found.values()))[0], axis.removesuffix("_index")
    labels = [str(label) for label in here.optimizer.values]
    names = zip(*(written(values) for values in np.atleast_2d(here[key].values)), strict=True)
    rows = [[key, *(", ".join(filter(None, (label, head))) for label in labels for head in found)]]
    for k, text in enumerate(map(" / ".join, names)):
        at = {head: (one.isel({axis: k}), value) for head, (one, value) in found.items()}
        rows.append([text, *(cell(one.sel(optimizer=o), value) for o in labels for one, value in at.values())])
    where = ", ".join(f"{name} = {written([here[name]])[0]}" for name in sel)
    return f"{title} along {key}{' at ' + where if where else ''}\n\n```\n{columns(rows)}\n```"


def law(name: str, curve: xr.Dataset) -> list[str]:
    """A boundary's power law as a line of a table."""
    fit = ag.fit_exponent(curve)
    x, y = curve.attrs["x"], curve.attrs["y"]
    exponent = f"{float(fit.exponent):.3f} [{float(fit.low):.3f}, {float(fit.high):.3f}]"
    return [name, f"{x} = {float(fit.prefactor):.3g} {y}^k", exponent, str(int(fit.points)), f"{float(fit.rms):.3f}"]


def points(curve: xr.Dataset) -> str:
    """A boundary, point by point."""
    x, y = curve.attrs["x"], curve.attrs["y"]
    rows = [[y, x, "95 %"]]
    for k in range(curve.sizes[y]):
        here = curve.isel({y: k})
        rows.append(
            [f"{here[y].item():g}", f"{here[x].item():.3g}", f"[{here.low.item():.3g}, {here.high.item():.3g}]"]
        )
    return f"```\n{columns(rows)}\n```"


def sigma_p_by_s(results: xr.Dataset, folder: Path) -> str:
    """Boundaries of both optimizers with their power laws, over the diagram."""
    half = ag.boundary(results, "sigma_p", "s", 0.5, direction="rising").sel(optimizer="adam")
    back = ag.boundary(results, "sigma_p", "s", 0.5, direction="falling").sel(optimizer="adam")
    quarter = ag.boundary(results, "sigma_p", "s", 0.25, direction="rising")
    adam, gd = (quarter.sel(optimizer=label) for label in ("adam", "gd"))
    rows = [
        ["boundary", "law", "k [95 %]", "points", "rms of ln"],
        law("Adam rises through 1/2", half),
        law("Adam rises through 1/4", adam),
        law("Adam falls back through 1/2", back),
        law("GD rises through 1/4", gd),
    ]
    snr = (results.n * (gd.sigma_p * np.sqrt(gd.s)) ** -3.0).values
    s = np.geomspace(9, 550, 50)
    overlays = [
        ag.plot.Overlay("boundary, 95 %", half.sigma_p, half.s, half.low, half.high, optimizer="adam"),
        ag.plot.Overlay("boundary at 1/4, 95 %", gd.sigma_p, gd.s, gd.low, gd.high, optimizer="gd"),
        ag.plot.Overlay(
            r"$\sigma_p \propto s^{-1/2}$", float(ag.fit_exponent(gd).prefactor) * s**-0.5, s, optimizer="gd"
        ),
    ]
    figure = ag.plot.phase_diagram(results, "sigma_p", "s", optimizer=["adam", "gd"], overlays=overlays)
    ag.plot.save(figure, folder / "boundaries.png")
    curves = ag.theory.curves(results, "sigma_p", "s", ["rate", "flip", "T_0", "signal"])
    figure = ag.plot.phase_diagram(results, "sigma_p", "s", optimizer=["adam", "gd"], overlays=curves)
    ag.plot.save(figure, folder / "theory.png")
    return "\n\n".join(
        [
            f"```\n{columns(rows)}\n```",
            f"n·SNR^q along GD's boundary at 1/4, SNR = 1/(σ_p √s): {snr.min():.2f} to {snr.max():.2f}",
            f"Adam rises through 1/2:\n\n{points(half)}",
            f"GD rises through 1/4:\n\n{points(gd)}",
            table(results, "sigma_p", s=100),
        ]
    )


def boundary_at_rest(results: xr.Dataset, folder: Path, level: float, *laws: Callable[[xr.Dataset], str]) -> str:
    """One optimizer's boundary with its power laws beside those after 10⁴ steps, what it cost, and where.

    Args:
        results: what was refined.
        folder: of the pictures.
        level: which rising line.
        laws: what else is said of it.
    """
    (label,) = map(str, results.optimizer.values)
    before = ag.load_results(HERE / "sigma_p-by-s").sel(optimizer=[label])
    rows = [["boundary", "law", "k [95 %]", "points", "rms of ln"]]
    curves = [ag.boundary(one, "sigma_p", "s", level, direction="rising").sel(optimizer=label)
              for one in (results, before)]  # fmt: skip
    for when, curve in zip(
        (f"to {results.steps.item():,} steps", "after 10^4 steps (sigma_p-by-s)"), curves, strict=True
    ):
        for decade, sparse in (("", slice(None)), (", s up to 50", slice(0, 50)), (", s from 50", slice(50, None))):
            rows.append(law(f"{label}, {when}{decade}", curve.sel(s=sparse)))
    curve = curves[0]
    overlays = [ag.plot.Overlay("boundary, 95 %", curve.sigma_p, curve.s, curve.low, curve.high)]
    ag.plot.save(ag.plot.phase_diagram(results, "sigma_p", "s", overlays=overlays), folder / "boundary.png")
    ag.plot.save(ag.plot.spent(results, "sigma_p", "s"), folder / "lanes.png")
    cells = np.log(curve.above / curve.below)
    spent = f"lane-steps: {trained(results):.3g}; of {label} in sigma_p-by-s: {trained(before):.3g}"
    widths = (
        f"cells of {float(cells.min()):.3f} to {float(cells.max()):.3f} in ln sigma_p, intervals of "
        f"{float(np.log(curve.high / curve.low).median()):.3f} in the median"
    )
    said = [spent, scattered(results, level), widths, points(curve), *(law(curve) for law in (bent, *laws))]
    return "\n\n".join([f"```\n{columns(rows)}\n```", *told(results), *said])


def scattered(results: xr.Dataset, level: float) -> str:
    """How far apart in σ_p the seeds of a row go through a level, each by itself; those that all points have."""
    seeds = (results.status > 0).sum("seed")
    alone = [ag.boundary(results.isel(seed=[k]), "sigma_p", "s", level, direction="rising").sigma_p
             for k in range(int(seeds.where(seeds > 0).min()))]  # fmt: skip
    apart = np.log(xr.concat(alone, "seed")).std("seed", ddof=1)
    return f"standard deviation of seeds within a row, in ln sigma_p: {float(np.sqrt((apart**2).mean())):.3f}"


def bent(curve: xr.Dataset) -> str:
    """The exponent where it is not the same everywhere: ln σ_p as a parabola in ln s, and its slope along it.

    The intervals are made as those of `fit_exponent` are.
    """
    s, at = curve.s.values, np.array([curve.s.values[0], 50, curve.s.values[-1]])
    powers = np.vander(np.log(s / 50), 3)
    slope = np.stack([2 * np.log(at / 50), np.ones(3), np.zeros(3)], 1) @ np.linalg.pinv(powers)
    log_x = np.log(curve.sigma_p.values)
    again = moved(np.log(curve.resampled.values), np.log(curve.above / curve.below).values)
    rest = log_x - powers @ (np.linalg.pinv(powers) @ log_x)
    freedom = len(s) - 3
    errors = np.sqrt((rest**2).sum() / freedom * (slope**2).sum(1))
    rows = [["s", "k [95 %]"]]
    for place, estimate, resampled, error in zip(at, slope @ log_x, slope @ again, errors, strict=True):
        low, high = ends(estimate, resampled, curve.attrs["seeds"], error, freedom)
        rows.append([f"{place:g}", f"{estimate:.3f} [{low:.3f}, {high:.3f}]"])
    return f"bent, rms of ln {np.sqrt((rest**2).mean()):.3f}:\n\n```\n{columns(rows)}\n```"


def two_regimes(curve: xr.Dataset) -> str:
    """The law (s·σ_p)² = a² + b²·s, fitted in logarithms: 1/s where noise is sparse, 1/√s where it is dense."""
    s, sigma_p = curve.s.values.astype(float), curve.sigma_p.values

    def residuals(logs: np.ndarray) -> np.ndarray:
        a, b = np.exp(logs)
        return np.log(sigma_p) - np.log(np.hypot(a / s, b / np.sqrt(s)))

    fit = least_squares(residuals, np.log([s[0] * sigma_p[0], np.sqrt(s[-1]) * sigma_p[-1]]))
    (a, b), rms = np.exp(fit.x), np.sqrt(np.mean(fit.fun**2))
    return f"(s·σ_p)² = a² + b²·s: a = {a:.3g}, b = {b:.3g} (equal at s = {(a / b) ** 2:.3g}), rms of ln {rms:.3f}"


def adam_at_rest(results: xr.Dataset, folder: Path) -> str:
    """Where Adam begins to memorize, and a law of that over both decades."""
    return boundary_at_rest(results, folder, 0.3, two_regimes)


def gd_at_rest(results: xr.Dataset, folder: Path) -> str:
    """Where GD loses a class."""
    return boundary_at_rest(results, folder, 0.15)


def trained(results: xr.Dataset) -> float:
    """Steps that all lanes of some results were trained."""
    steps = results.steps.broadcast_like(results.status)
    if "rest_step" in results:
        steps = steps.where(results.rest_step.fillna(-1) < 0, results.rest_step)
    return float(steps.where(results.status > 0).sum())


def surface_at_rest(results: xr.Dataset, folder: Path) -> str:
    """Adam's boundary over three axes: its law, and what it cost."""
    curve = ag.boundary(results, "sigma_p", "s", 0.5, direction="rising").sel(optimizer="adam")
    rows = [["alpha", "law", "k [95 %]", "points", "rms of ln"]]
    for alpha in results.alpha.attrs["coarse"]:
        rows.append([f"{alpha:g}", *law("", curve.sel(alpha=alpha, method="nearest"))[1:]])
    return "\n\n".join([f"```\n{columns(rows)}\n```", *told(results), f"lane-steps: {trained(results):.3g}"])


def alpha_by_s(results: xr.Dataset, folder: Path) -> str:
    """Cuts through the ridge and beyond it."""
    curve = ag.boundary(results, "alpha", "s", 0.5, direction="rising").sel(optimizer="adam")
    rows = [["boundary", "law", "k [95 %]", "points", "rms of ln"], law("Adam rises through 1/2", curve)]
    cuts = [table(results, "alpha", s=s) for s in (100, 500)] + [table(results, "s", alpha=0.2)]
    return "\n\n".join([f"```\n{columns(rows)}\n```", points(curve), *cuts])


def lam_by_alpha(results: xr.Dataset, folder: Path) -> str:
    """Along λ at Table 1's α and beside it."""
    cuts = [table(results, "lam", alpha=alpha) for alpha in (0.0, 0.2, 0.5)]
    return "\n\n".join([*cuts, table(results, "lam", "data_loss", alpha=0.2)])


def eta_by_alpha(results: xr.Dataset, folder: Path) -> str:
    """Along η at Table 1's α and beside it, and how far seeds are apart."""
    here = results.test_error.sel(alpha=0.2, method="nearest")
    rows = [["eta / eta", *(f"{label}: a seed's test error" for label in results.optimizer.values)]]
    for k in range(results.sizes["eta_index"]):
        eta = " / ".join(f"{v:.3g}" for v in results.eta.isel(eta_index=k).values)
        seeds = here.isel(eta_index=k)
        ends = zip(seeds.min("seed").values, seeds.max("seed").values, strict=True)
        rows.append([eta, *(f"{low:.3f} to {high:.3f}" for low, high in ends)])
    return "\n\n".join([table(results, "eta_index", alpha=a) for a in (0.2, 0.5)] + [f"```\n{columns(rows)}\n```"])


def lam_by_steps(results: xr.Dataset, folder: Path) -> str:
    """Along λ for each length of training: error, loss, and how the objective still changes."""
    lengths = results.steps.values.tolist()
    return "\n\n".join(
        table(results, "lam", value, steps=steps)
        for value in ("test_error", "data_loss", "train_error", "objective_change")
        for steps in lengths
    )


def beta2_by_alpha(results: xr.Dataset, folder: Path) -> str:
    """Along β2 at Table 1's α and beside it."""
    return "\n\n".join(table(results, "beta2", alpha=alpha) for alpha in (0.0, 0.1, 0.2, 0.5))


def table1_to_rest(results: xr.Dataset, folder: Path) -> str:
    """Along λ at t_fit, after the paper's 10⁴ steps, and at rest: error, and what the solution is."""
    values = ("fit_step", "rest_step", "test_error_at_fit", "test_error_at_rest", "loss_at_rest", "loss",
              "feature_learning_at_rest", "noise_memorization_at_rest", "rest_ratio")  # fmt: skip
    early = f"After 10⁴ steps: {table(snapshot(results, TEN_THOUSAND), 'lam')}"
    parts = [early, *(table(results, "lam", value) for value in values)]
    curvature = results.assign(hessian_min=results.hessian_min / results.lam)
    rested = ", ".join(
        f"{label} {int((results.rest_step.sel(optimizer=label) >= 0).sum())}" for label in results.optimizer.values
    )
    return "\n\n".join(
        [f"Lanes at rest: {rested}. hessian_min is in units of λ.", *parts,
         table(curvature, "lam", "hessian_min")]
    )  # fmt: skip


def basin(results: xr.Dataset, folder: Path) -> str:
    """Each λ along the switch: test error, where it rests, and what the solution is."""
    curvature = results.assign(hessian_min=results.hessian_min / results.lam.where(results.lam > 0))
    values = ("test_error", "rest_step", "rest_ratio", "loss", "feature_learning", "noise_memorization")
    return "\n\n".join(
        table(source, "switch", value, lam=lam)
        for lam in results.lam.values.tolist()
        for source, value in (*((results, value) for value in values), (curvature, "hessian_min"))
    )


def snapshot(results: xr.Dataset, steps: int) -> xr.Dataset:
    """Results with the test error after so many steps for that at the end; at rest it stays what it was."""
    at = int(np.flatnonzero(results.test_step.values == steps).item())
    return results.assign(test_error=results.test_error_path.isel(test_record=at).fillna(results.test_error))


def to_rest(results: xr.Dataset, cuts: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """How many lanes are at rest, with which errors, how many moved after 10⁴ steps; boundaries and cuts at times."""
    early = snapshot(results, TEN_THOUSAND)
    moved = np.abs(results.test_error - early.test_error) > MOVED
    rows = [
        ["optimizer", "lanes", "fitted", "of these moved after 10⁴ steps", "at rest", "with error 0", "1", "between"]
    ]
    for label in results.optimizer.values:
        here = results.sel(optimizer=label)
        fitted, still = here.status >= CODES["fitted"], here.status == CODES["converged"]
        low, high = here.test_error < NEAR, here.test_error > 1 - 2 * NEAR
        counts = (fitted, fitted & moved.sel(optimizer=label), still, still & low, still & high, still & ~low & ~high)
        rows.append([str(label), str(here.status.size), *(str(int(count.sum())) for count in counts)])
    parts = [
        f"```\n{columns(rows)}\n```",
        f"Moved: by more than {MOVED:g}. Error 0: below {NEAR:g}; 1: above {1 - 2 * NEAR:g}.",
    ]
    if "s" in results.dims:
        x = next(str(dim) for dim in results.status.dims if dim in ("alpha", "sigma_p"))
        rows = [["boundary", "law", "k [95 %]", "points", "rms of ln"]]
        for label, level in (("adam", 0.5), ("adam", 0.25), ("gd", 0.25)):
            for when, found in (("after 10⁴ steps", early), ("at the end", results)):
                curve = ag.boundary(found, x, "s", level, direction="rising").sel(optimizer=label)
                if int(curve[x].notnull().sum()) >= LEAST:
                    rows.append(law(f"{label} rises through {level:g} {when}", curve))
        parts.append(f"```\n{columns(rows)}\n```")
    return "\n\n".join([*parts, *(at_three_times(results, early, axis, **sel) for axis, sel in cuts)])


def at_three_times(results: xr.Dataset, early: xr.Dataset, axis: str, **sel: float) -> str:
    """Test errors along one axis at one place of the others: at t_fit, after 10⁴ steps, and at rest or after 10⁵."""
    shown = {"t_fit": (results, "test_error_at_fit"), "10⁴": (early, "test_error"), "end": (results, "test_error")}
    return along(axis, sel, shown, "test_error at t_fit, after 10⁴ steps, and at rest or after 10⁵")


if __name__ == "__main__":
    main()
