"""Theorem 4.2 in tables and sentences; what is shown is what `theorem42.compared` returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.summary import over
from adam_vs_gd.results.columns import number
from adam_vs_gd.results.statistics import difference, over_seeds

PAIRS = {
    "distance": "distance",
    "bound": "bound",
    "hovering": "Adam's hovering, estimate",
    "best_distance": "distance at W*",
    "best_bound": "bound at W*",
}
PLACE = ("precision", "η (Adam, GD)", "T", "λ")
EXPLANATION = """\
Distances and bounds are relative to ‖w_G‖. The theorem's bounds on the gradients are ‖∇L(w_A)‖₁ ≤ 1/(Tη) and
‖∇L(w_G)‖₂² ≤ 1/(Tη). W* is the iterate of smallest gradient norm since the data were fitted (training error 0, data
loss ≤ 0.1); there is none where λ keeps the loss above that, or where Adam has not fitted them yet. Adam does not come
to rest but hovers at the edge of stability, by our estimate at a distance of about √d·max(0, η/38 − ε/λ).

At Table 1's η and T Adam has not converged, and the bound on the distance is several times the distance: a comparison
there proves nothing. Both gradients are within the theorem's bounds all the same: these are weak unless Tη is much
larger than 1/λ. With λ = 0 nothing brings Adam to GD's solution; its error stays until the gradients come near
ε = 1e-8, where Adam's steps are no longer normalized."""


def places(results: xr.Dataset) -> Iterator[tuple[dict[str, float], list[str]]]:
    """Every (steps, lam), and the cells of a table that say where it is."""
    etas = ", ".join(f"{eta:g}" for eta in results.eta.values)
    for steps in results.steps.values.tolist():
        for lam in results.lam.values.tolist():
            yield {"steps": steps, "lam": lam}, [results.attrs["precision"], etas, f"{steps}", f"{lam:g}"]


def distances(parts: Sequence[xr.Dataset]) -> str:
    """A line a λ: how far apart the solutions are, and how far they may be."""
    rows = [[*PLACE, *PAIRS.values(), "bounds hold"]]
    for results in parts:
        pairs = [over(results[name]) for name in PAIRS]
        for at, place in places(results):
            held = share(holds(results.sel(at))) if at["lam"] > 0 else "-"
            rows.append([*place, *(number(pair.sel(at)) for pair in pairs), held])
    return markdown.table(rows)


def errors(parts: Sequence[xr.Dataset]) -> str:
    """A line a λ: errors, and the theorem's bounds on the gradients."""
    rows = [[*PLACE, "test error, Adam", "test error, GD", "Adam − GD", "training error (Adam, GD)",
             "data loss (Adam, GD)", "‖∇L(w_A)‖₁", "‖∇L(w_G)‖₂²", "both ≤ 1/(Tη)"]]  # fmt: skip
    for results in parts:
        tested, apart = over_seeds(results, "test_error"), difference(results, "test_error", "adam", "gd")
        adam, gd = (results.sel(optimizer=label) for label in ("adam", "gd"))
        gradients = over(adam.grad_norm_l1), over(gd.grad_norm_l2**2)
        for at, place in places(results):
            trained, losses = (
                ", ".join(f"{value:.3g}" for value in results[name].sel(at).mean("seed").values)
                for name in ("train_error", "data_loss")
            )
            rows.append([
                *place, *(number(tested.sel(at).sel(optimizer=label)) for label in ("adam", "gd")),
                number(apart.sel(at)), trained, losses, *(number(gradient.sel(at)) for gradient in gradients),
                share(results.small_gradients.sel(at)),
            ])  # fmt: skip
    return markdown.table(rows)


def along_steps(results: xr.Dataset) -> str:
    """A line a λ and T."""
    pairs = [over(results[name]) for name in ("distance", "bound")]
    tested = over_seeds(results, "test_error")
    rows = [["λ", "T", "distance", "bound", "test error, Adam", "test error, GD"]]
    for at, (*_, steps, lam) in sorted(places(results), key=lambda place: (-place[0]["lam"], place[0]["steps"])):
        found = [number(tested.sel(at).sel(optimizer=label)) for label in ("adam", "gd")]
        rows.append([lam, steps, *(number(pair.sel(at)) for pair in pairs), *found])
    return markdown.table(rows)


def verdict(parts: Sequence[xr.Dataset]) -> str:
    """What the theorem and its certificate say, in how many pairs it is so, and where it is not."""
    claims = {
        "the bound on the distance holds (λ > 0)": [holds(part.sel(lam=part.lam > 0)) for part in parts],
        "both training errors are 0": [(part.train_error == 0).all("optimizer") for part in parts],
        "both gradients are within the theorem's bounds": [part.small_gradients for part in parts],
    }
    lines = [f"- {claim}: {share(*found)}{exceptions(found)}" for claim, found in claims.items()]
    return "\n".join(["Of all pairs of solutions, at every T:", "", *lines, "", EXPLANATION])


def holds(results: xr.Dataset) -> xr.DataArray:
    """Whether the distance is within its bound: of the last iterates, and of W* where both have one."""
    return (results.distance <= results.bound) & ~(results.best_distance > results.best_bound)


def share(*true: xr.DataArray) -> str:
    """How many of them."""
    return f"{sum(int(some.sum()) for some in true)} of {sum(some.size for some in true)}"


def exceptions(parts: Sequence[xr.DataArray]) -> str:
    """The places where something is not true."""
    wrong = [
        f"λ = {part.lam.values[j]:g}, T = {part.steps.values[i]}"
        for part in parts
        for i, j in np.argwhere(~part.transpose("steps", "lam", "seed").values.all(-1))
    ]
    return f" (not at {'; '.join(wrong)})" if wrong else ""
