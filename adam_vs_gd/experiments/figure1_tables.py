"""The tables of Figure 1: errors, norms and noisiness at the tuned λ and at every λ, and what Adam has over SGD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.summary import over
from adam_vs_gd.problems.images.filters import of_white_noise
from adam_vs_gd.problems.images.numbers import FILTER_SIDE
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.results.columns import number
from adam_vs_gd.results.statistics import counted, difference_interval, examples, labelled, over_seeds
from adam_vs_gd.results.words import is_rate

NAMES: Mapping[str, str] = {"adam": "Adam", "sgd": "SGD", "sgd_momentum": "SGD with momentum"}
NOISIER: Mapping[str, int] = {
    "high_frequency": 1, "spectral_entropy": 1, "total_variation": 1, "neighbour_correlation": -1,
}  # fmt: skip
"""The measures, and whether a larger or a smaller value is a noisier filter."""
SIZES = ("train_error", "test_error", "weight_norm", "filter_norm", "live_filters")
WHENCE = ("learned_high_frequency", "start_overlap")
SHOWN = (*SIZES, *NOISIER, *WHENCE)
OTHERS = ("sgd", "sgd_momentum")


def report(
    tuned: xr.Dataset, errors: xr.DataArray, final: xr.Dataset, best: Mapping[str, float], epochs: int, about: str
) -> str:
    """All tables, and a line a claim.

    Args:
        tuned: the sweep of the tuning.
        errors: (optimizer, lam, eta_index) its errors on held-out images, with `eta`.
        final: (optimizer, lam, seed) the trainings at the chosen η.
        best: the chosen λ of each optimizer.
        epochs: of each training.
        about: which images.
    """
    return "\n\n".join([
        f"Images: {about}. Trained on {final['n'].item()} of them ({tuned['n'].item()} in the tuning), "
        f"tested on {final.test_size.item()}.",
        "## At the tuned η and λ", headline(final, best, epochs),
        "## Adam less SGD", differences(final, best), verdict(final, best),
        "## At every λ", every_lambda(final), "## Tuning: errors on held-out images", tuning(tuned, errors, best),
        f"Means over {final.sizes['seed']} seeds, 95 % intervals over seeds in brackets; one seed in the tuning. "
        f"Measures of the {FILTER_SIDE}×{FILTER_SIDE} filters of the first layer as "
        "`adam_vs_gd.problems.images.filters` defines them. "
        "Errors of the training images are without crops and flips.",
    ])  # fmt: skip


def at_best(final: xr.Dataset, label: str, best: Mapping[str, float]) -> xr.Dataset:
    """One optimizer's trainings at its λ."""
    return final.sel(optimizer=[label]).sel(lam=best[label])


def headline(final: xr.Dataset, best: Mapping[str, float], epochs: int) -> str:
    """A line an optimizer at its tuned λ, one of the start, and one of white noise."""
    rows = [["", "η", "λ", "epochs", *words(final, SHOWN)]]
    for label, name in NAMES.items():
        here = at_best(final, label, best)
        values = [number(over_seeds(here, key).isel(optimizer=0)) for key in SHOWN]
        rows.append([name, f"{here.eta.item():g}", f"{best[label]:g}", str(epochs), *values])
    place = {"optimizer": 0, "lam": 0, "record": 0, "test_record": 0}
    first = [number(over_seeds(final, f"{key}_path").isel(place, missing_dims="ignore")) for key in SHOWN]
    rows.append(["at the start", "-", "-", "0", *first])
    white = of_white_noise(FILTER_SIDE, final.sizes["channel"])
    rows.append(["white noise", "-", "-", "-", *(f"{white[key]:.3g}" if key in white else "-" for key in SHOWN)])
    return markdown.table(rows)


def words(final: xr.Dataset, names: Sequence[str]) -> list[str]:
    """Variables as heads of columns."""
    return [name.replace("_", " ") for name in names if name in final]


def differences(final: xr.Dataset, best: Mapping[str, float]) -> str:
    """Of each measure, how much more Adam has than SGD of either kind, pairs of a seed, at the tuned λ and at each."""
    rows = [["Adam less", "λ", *words(final, ("test_error", *NOISIER, *WHENCE))]]
    for other in OTHERS:
        for place, (one, two) in pairs(final, best, other):
            values = [number(apart(one, two, key)) for key in ("test_error", *NOISIER, *WHENCE)]
            rows.append([NAMES[other], place, *values])
    return markdown.table(rows)


def pairs(
    final: xr.Dataset, best: Mapping[str, float], other: str
) -> Iterator[tuple[str, tuple[xr.Dataset, xr.Dataset]]]:
    """(λ in words, (Adam's trainings, the other's)) at each optimizer's tuned λ, and at every λ.

    At the tuned λ they stand as they are at the end, and as each was when it first came to the training error that
    both come to, as far as looks were taken along the training.
    """
    adam, rest = (final.sel(optimizer=label, drop=True) for label in ("adam", other))
    one, two = (each.sel(lam=best[label], drop=True) for each, label in ((adam, "adam"), (rest, other)))
    place = f"tuned: {best['adam']:g}, {best[other]:g}"
    yield place, (one, two)
    level = max(float(counted(each, "train_error").mean()) for each in (one, two))
    looks = [int(np.argmax(counted(each, "train_error_path").mean("seed").values <= level)) for each in (one, two)]
    steps = " and ".join(str(final.step.values[look]) for look in looks)
    yield (
        f"{place}, when first at training error ≤ {level:.3f} (steps {steps})",
        (at_look(one, looks[0]), at_look(two, looks[1])),
    )
    for lam in final.lam.values:
        yield f"{lam:g}", (adam.sel(lam=lam, drop=True), rest.sel(lam=lam, drop=True))


def at_look(trained: xr.Dataset, look: int) -> xr.Dataset:
    """Trainings as they were at one of the looks along them."""
    names = ("train_error", "test_error", *NOISIER, *WHENCE)
    place = {"record": look, "test_record": look}  # the same steps, as there are few
    return trained.assign({name: trained[f"{name}_path"].isel(place, missing_dims="ignore") for name in names})


def apart(one: xr.Dataset, two: xr.Dataset, key: str) -> xr.Dataset:
    """How much more of a variable the trainings of one have than those of another, pairs of a seed."""
    first, second = counted(one, key), counted(two, key)
    if not is_rate(one, key):
        return over(first - second)
    return labelled(difference_interval(first.values, second.values, examples(one, key, first)), first)


def verdict(final: xr.Dataset, best: Mapping[str, float]) -> str:
    """What the intervals say: where Adam's filters are noisier, beside how well either fits the training images."""
    lines = []
    for other in OTHERS:
        for place, (one, two) in pairs(final, best, other):
            signs = [sign(apart(one, two, key)) * way for key, way in NOISIER.items()]
            found = "noisier" if min(signs) > 0 else "smoother" if max(signs) < 0 else "undecided"
            errors = [float(counted(each, "train_error").mean()) for each in (one, two)]
            lines.append(
                f"- against {NAMES[other]}, λ = {place}: {found} ({signs.count(1)} of {len(signs)} measures noisier, "
                f"{signs.count(-1)} smoother), at training errors {errors[0]:.3f} and {errors[1]:.3f}"
            )
    worst = max(float(over_seeds(at_best(final, label, best), "train_error")["mean"].max()) for label in NAMES)
    lines.append(f"- at the tuned η and λ all train to an accuracy of at least {1 - worst:.3f}, means over seeds")
    return "\n".join(["Adam's filters; an interval that excludes 0 decides:", "", *lines])


def sign(interval: xr.Dataset) -> int:
    """Of a difference: 0 where its interval has both signs, or there is none."""
    return int(interval.low.item() > 0) - int(interval.high.item() < 0)


def every_lambda(final: xr.Dataset) -> str:
    """A line an optimizer and λ."""
    rows = [["", "λ", "η", *words(final, SHOWN), "not fitted"]]
    for label, name in NAMES.items():
        for lam in final.lam.values:
            here = final.sel(optimizer=[label]).sel(lam=lam)
            values = [number(over_seeds(here, key).isel(optimizer=0)) for key in SHOWN]
            codes = here.status.values.ravel().astype(int)
            odd = [f"{(codes == k).sum()} {word}" for word, k in CODES.items() if word != "fitted" and k in codes]
            rows.append([name, f"{lam:g}", f"{here.eta.item():g}", *values, ", ".join(odd)])
    return markdown.table(rows)


def tuning(tuned: xr.Dataset, errors: xr.DataArray, best: Mapping[str, float]) -> str:
    """Held-out errors: a line an optimizer and λ, a column an η; the chosen η in bold, the chosen λ too."""
    rows = [["", "λ", *(f"η {k + 1}" for k in range(errors.sizes["eta_index"]))]]
    edges = []
    for label, name in NAMES.items():
        for lam in errors.lam.values:
            here = errors.sel(optimizer=label, lam=lam)
            codes = tuned.status.sel(optimizer=label, lam=lam).isel(seed=0).transpose("eta_index").values.astype(int)
            least = int(here.fillna(np.inf).values.argmin())
            told = [f"{error:.3f}" if np.isfinite(error) else list(CODES)[code]
                    for error, code in zip(here.values, codes, strict=True)]  # fmt: skip
            cells = [f"{eta:g}: {text}" for eta, text in zip(here.eta.values, told, strict=True)]
            cells[least] = f"**{cells[least]}**"
            rows.append([name, f"**{lam:g}**" if lam == best[label] else f"{lam:g}", *cells])
            if least in (0, here.size - 1):
                edges.append(f"η = {here.eta.values[least]:g} of {name} at λ = {lam:g}")
    edges += [f"λ = {lam:g} of {NAMES[label]}" for label, lam in best.items() if lam == errors.lam.values[-1]]
    said = f"Chosen at an edge of what was tried: {'; '.join(edges)}." if edges else "No choice is at an edge."
    return f"{markdown.table(rows)}\n\n{said}"
