"""What the theory says of every point of a sweep: its margins, times, and the phase it predicts."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import xarray as xr

from adam_vs_gd.errors import TheoryError
from adam_vs_gd.problems import MODELS, family_of_results
from adam_vs_gd.problems.two_patch.family import NUMBERS
from adam_vs_gd.problems.two_patch.sections import DEFINITION, MODEL, OPTIONAL
from adam_vs_gd.problems.two_patch.theory.conditions import CONDITIONS, SIGNED, WITHIN
from adam_vs_gd.problems.two_patch.theory.scales import (
    Point,
    disjoint_bound,
    disjoint_probability,
    feature_time,
    flip_time,
    gd_signal,
    largest_lam,
    noise_lifetime,
    overlap,
    pattern_time,
    rate,
    recovery,
    snr,
)
from adam_vs_gd.results.dataset import coordinates
from adam_vs_gd.results.selection import OWN, is_real
from adam_vs_gd.spec.sweep_spec import SweepSpec

PHASES = ("undetermined", "feature learned", "noise memorized", "stuck")
"""What is predicted, its codes being 0 .. 3."""
UNDETERMINED, FEATURE, NOISE, STUCK = range(len(PHASES))

OTHERS = {"sampler": DEFINITION} | {key: MODEL.choices[key][0] for key in OPTIONAL}
"""Words of data and of models, and which of them the theory is about."""
OF_THEORY = ("gd", "signgd", "adam", "adam_paper")
"""The optimizers that the paper's statements are about; none of them is on heavy-ball momentum."""

SCALES: Mapping[str, tuple[Any, str, str, tuple[str, ...]]] = {
    "lam_0": (largest_lam, r"$\lambda_0$", "largest feasible weight of the L2 term", ()),
    "overlap": (overlap, r"$ns/d$", "supports that a coordinate is in, about", ()),
    "snr": (snr, r"$\mathrm{SNR}$", "signal to noise ratio", ()),
    "gd_signal": (gd_signal, r"$n\,\mathrm{SNR}^q$", "GD's signal", ("gd",)),
    "T_0": (pattern_time, "$T_0$", "end of Stage I of Adam and signGD", SIGNED),
    "T_r": (flip_time, "$T_r$", "step from which the feature is unlearned", SIGNED),
    "recovery": (recovery, "$R$", "what is left of the feature at t_fit, over what lets it return", SIGNED),
    "T_j": (feature_time, "$T_j$", "step at which GD has learned the feature", ("gd",)),
}
"""{variable: (function of a point, symbol, long name, kinds of optimizers)}."""
WITH_CONSTANTS = {"lam_0", "T_0", "T_r", "T_j"}


def predict(
    sweep: SweepSpec | xr.Dataset,
    constants: Mapping[str, float] | None = None,
    log_power: float = 0.0,
    within: float = WITHIN,
) -> xr.Dataset:
    """What the paper says of every point of a sweep: A.1, Definition 3.1, λ_0, Lemmas 5.1 to 5.8, Cao et al. (2022).

    It leaves constants and the degrees of its logarithms open, so that all numbers here are scales. With other
    constants, boundaries move; what a margin or a time is proportional to does not.

    Args:
        sweep: a spec, or the Dataset of its results (or any with the same coordinates; what it lacks is Table 1's).
        constants: {name of a condition, or T_0, T_r, T_j: the constant that the paper leaves open}; 1 by default.
        log_power: the degree of polylog n; 0 by default, which leaves logarithms out.
        within: the factor within which a Θ is said to hold.

    Returns:
        A Dataset along the sweep's axes, and `optimizer` where it matters: a margin for each of `CONDITIONS` under
        `margin_<name>` (>= 1 where it holds), the scales λ_0, T_0, T_r, T_j, n·s/d, SNR, n·SNR^q, the probability
        that all supports are disjoint (`disjoint`) with the paper's bound of it (`disjoint_bound`), `phase`, an
        integer with CF's flag_values and flag_meanings, and beside it `lifetime`: where Adam or signGD memorizes the
        noise, the steps from t_fit until the feature returns, ∞ where it does not; `recovery` (≥ 1 where it does) says
        which. Both are ours (`scales.recovery`). What is not about an optimizer is NaN for it.

    Raises:
        TheoryError: if the model is not the CNN, an optimizer is of a kind that the paper is not about, steps are taken
            on batches, or a constant has no such name.
    """
    coords, kinds, disjoint = facts(sweep)
    constants = {} if constants is None else constants
    check_constants(constants, [*CONDITIONS, *sorted(WITH_CONSTANTS - CONDITIONS.keys())])
    if not is_real(log_power) or not np.isfinite(log_power):
        raise TheoryError(f"log_power = {log_power}: must be a finite number")
    if not is_real(within) or not 1 <= within < np.inf:
        raise TheoryError(f"within = {within}: must be a finite number >= 1")
    point = point_of(coords)
    kind = xr.DataArray(list(kinds.values()), {"optimizer": list(kinds)}, "optimizer")

    def only(values: Any, of: tuple[str, ...]) -> xr.DataArray:
        found = xr.DataArray(values).astype(float).reset_coords(drop=True).drop_attrs()
        return found.where(kind.isin(of)) if of else found

    found: dict[str, xr.DataArray] = {}
    for name, condition in CONDITIONS.items():
        margin = condition.margin(point, constants.get(name, 1.0), log_power, within)
        found[f"margin_{name}"] = only(margin, condition.of).assign_attrs(
            long_name=f"margin of {condition.formula}", source=condition.source, words=condition.words
        )
    for name, (scale, symbol, long_name, of) in SCALES.items():
        open_ends = (constants.get(name, 1.0), log_power) if name in WITH_CONSTANTS else ()
        found[name] = only(scale(point, *open_ends), of).assign_attrs(long_name=long_name, symbol=symbol)
    for name, probability in (("disjoint", disjoint_probability), ("disjoint_bound", disjoint_bound)):
        certain = xr.ones_like(found["overlap"])
        found[name] = certain if disjoint else only(probability(point), ())
        found[name].attrs = {"long_name": "probability that all supports are disjoint", "symbol": "$P$"}
    found["disjoint_bound"].attrs["long_name"] = "the paper's lower bound of it (A.1)"
    phase = phases(point, kind, found)
    found["phase"] = phase.assign_attrs(
        long_name="predicted phase", flag_values=np.arange(len(PHASES), dtype=np.int8),
        flag_meanings=" ".join(text.replace(" ", "_") for text in PHASES),
    )  # fmt: skip
    by_noise = stage_one_ends(point, found) & (rate(point) >= point.eta) & (found["margin_lam_0"] >= 1)
    found["lifetime"] = (
        only(noise_lifetime(point), SIGNED)
        .where(by_noise)
        .assign_attrs(long_name="lifetime of the noise solution, from t_fit until the feature returns", units="steps")
    )
    order = [dim for coord in coords.values() for dim in coord.dims]
    found = {name: values.transpose(*dict.fromkeys(order), missing_dims="ignore") for name, values in found.items()}
    return xr.Dataset(found, coords, {"log_power": log_power, "within": within, "constants": str(constants)})


def check_constants(constants: Any, known: Collection[str]) -> None:
    """See that constants have names that are known, and are positive numbers.

    Raises:
        TheoryError: if not.
    """
    if not isinstance(constants, Mapping):
        raise TheoryError(f"constants = {constants!r}: must be a mapping, for instance {{'lam_0': 9}}")
    for name, value in constants.items():
        if name not in known:
            raise TheoryError(f"constant {name}: there is none of that name; there are {', '.join(known)}")
        if not is_real(value) or not 0 < value < np.inf:
            raise TheoryError(f"constant {name} = {value}: must be a finite number > 0")


def phases(p: Point, kind: xr.DataArray, found: Mapping[str, xr.DataArray]) -> xr.DataArray:
    """The phase that the mechanisms of section 5 predict, int8; the rest is undetermined.

    - stuck: λ > λ_0.
    - Adam, adam_paper, signGD, where supports are disjoint with probability 1/2 or more, and T ≥ T_0: noise memorized
      where λ does not matter (A.1) and the flip happens (Lemma A.4's α, and T_r ≤ T_0); feature learned where the
      feature's rate η exceeds the noise's η s σ_p. Where supports overlap, the paper says nothing.
    - GD, T ≥ T_j: feature learned where n·SNR^q ≥ 1.
    - GD where n·SNR^q < 1: noise memorized (Cao et al. 2022).

    The other conditions of A.1 keep the pattern and make the proof go through; η's is met by no training that ends.
    They are not asked for here, and `margin_<name>` tells.
    """
    with np.errstate(invalid="ignore"):
        stuck = found["margin_lam_0"] < 1
        long_enough = stage_one_ends(p, found)
        flips = (found["margin_flip"] >= 1) & (found["T_r"] <= found["T_0"]) & (found["margin_lam"] >= 1)
        memorized = long_enough & flips & (rate(p) >= p.eta)
        learned = long_enough & (rate(p) < p.eta)
        strong = found["margin_signal"] >= 1
        reached = p.steps >= found["T_j"]
    signed, gd = kind.isin(SIGNED), kind == "gd"
    codes = xr.where(signed & memorized | gd & ~strong, NOISE, UNDETERMINED)
    codes = xr.where(signed & learned | gd & strong & reached, FEATURE, codes)
    return xr.where(stuck, STUCK, codes).astype(np.int8)


def stage_one_ends(p: Point, found: Mapping[str, xr.DataArray]) -> Any:
    """Whether supports are disjoint, and T ≥ T_0."""
    return (p.steps >= found["T_0"]) & (found["disjoint"] >= 0.5)


def facts(sweep: SweepSpec | xr.Dataset) -> tuple[Mapping[str, xr.DataArray], Mapping[str, str], bool]:
    """(coordinates, {label: kind of optimizer}, whether supports are disjoint by construction) of a sweep."""
    family = family_of_results(sweep) if isinstance(sweep, xr.Dataset) else getattr(sweep, "family", None)
    if family is not None and family.name not in MODELS.values():
        raise TheoryError(
            f"these are results of {family.name}; the paper's theory is about its own problem of two patches"
        )
    if isinstance(sweep, SweepSpec):
        held, spec = xr.Dataset(coords=coordinates(sweep)), sweep
        held.attrs = {"model": spec.model["name"], "supports": spec.data.get("supports", "")}
        held.attrs |= {key: table[key] for table in (spec.data, spec.model) for key in OTHERS if key in table}
        named = {label: str(table["kind"]) for label, table in spec.optimizers.items()}
    elif isinstance(sweep, xr.Dataset):
        held = sweep
        try:
            tables = tomllib.loads(held.attrs.get("spec", "")).get("optimizers", {})
        except tomllib.TOMLDecodeError as error:
            raise TheoryError(f"the attribute spec of these results is not TOML: {error}") from None
        named = {label: table.get("kind", label) for label, table in tables.items()}
    else:
        raise TheoryError(f"{sweep!r}: must be a SweepSpec (load_spec) or the Dataset of a sweep (load_results)")
    if (model := held.attrs.get("model", "two_layer_cnn")) != "two_layer_cnn":
        convex = (
            "; of a convex model Theorem 4.2 says that with λ > 0 all optimizers that converge find one solution "
            "(adam-vs-gd reproduce theorem42)"
        )
        about = f"model = {model}: section 5 and appendix A are about two_layer_cnn"
        raise TheoryError(about + (convex if model == "linear" else ""))
    for key, usual in OTHERS.items():
        if (found := held.attrs.get(key, usual)) != usual:
            raise TheoryError(f"{key} = {found}: section 5 and appendix A are about {usual}")
    if "optimizer" not in held.coords:
        raise TheoryError("these results have no optimizer; expand_dims(optimizer=['adam']) says whose they are")
    if not held.optimizer.dims:
        held = held.drop_vars(held.data_vars).expand_dims("optimizer")
    labels = [str(label) for label in held.optimizer.values]
    kinds = {label: named.get(label, label) for label in labels}
    for label, kind in kinds.items():
        if kind not in OF_THEORY:
            raise TheoryError(f"optimizer = {label}: must be one of {', '.join(OF_THEORY)}, which the theory is about")
    if "batch_size" in held.coords and (held.batch_size < held.coords.get("n", np.inf)).any():
        least = int(held.batch_size.min())
        raise TheoryError(
            f"batch_size = {least}: section 5 and appendix A are about steps on all n examples; leave batch_size out"
        )
    kept = {
        str(name): coord.reset_coords(drop=True)
        for name, coord in held.coords.items()
        if (name in NUMBERS or name in held.dims) and name not in ("seed", *OWN)
    }
    return kept, kinds, held.attrs.get("supports") == "disjoint"


def point_of(coords: Mapping[str, xr.DataArray] | xr.Dataset) -> Point:
    """A point for each combination of coordinates; what is not among them is Table 1's."""
    return Point(**{key: coords[key] for key in Point._fields if key in coords})
