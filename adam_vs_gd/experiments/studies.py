"""What is measured for `exponents`: sweeps along one number after the other, and the times in them.

Beside the measured times stand times derived with their constants. In Stage I, with logits of 1/2, signGD lets ⟨w, jv⟩
grow from a by η a step and ⟨w, ξ_i⟩ by η s σ_p √(2/π) where it is positive, which it is for half of the examples of
class j. The gradient of the feature vanishes where a + ηt = (α/2)^{1/(q−1)} η s σ_p √(2/π) t, so that

    T_r = a/(η (κ − 1)),  κ = s σ_p √(2/π) (α/2)^{1/(q−1)}, `flip_strength` at α/2.

GD lets it grow by (η q/4)·⟨w, jv⟩^{q−1} a step, so that T_j = 4 (a^{2−q} − m^{q−2})/(q (q−2) η). a is the lane's Λ at
step 0, the largest of 2m normals times σ_0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments.times import Law, reaching, scaling_law, turning
from adam_vs_gd.problems.two_patch.theory import Point, feature_time, flip_strength, flip_time
from adam_vs_gd.spec.sweep_spec import SweepSpec

EPS = 1e-12  # Lemma A.2 is about gradients that are not tiny; those of the noise begin at 1e-8 here
OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    "signgd": {}, "adam": {"eps": EPS}, "adam_short": {"kind": "adam", "beta2": 0.9, "eps": EPS}, "gd": {},
}  # fmt: skip
"""adam_short forgets within ten steps, and still has β2 ≥ β1²."""
FACTORS = (0.5, 0.8, 1.25, 2.0)
SIGNED = ("signgd", "adam", "adam_short")


class Study(NamedTuple):
    """A time along one number.

    Attributes:
        name: of its folder.
        key: the number.
        values: of it.
        point: the others.
        labels: of `OPTIMIZERS`.
        record: records of a trajectory.
    """

    name: str
    key: str
    values: tuple[float, ...]
    point: Point
    labels: tuple[str, ...]
    record: int

    @property
    def time(self) -> str:
        """T_r or T_j."""
        return "T_j" if self.labels == ("gd",) else "T_r"

    def along(self) -> Point:
        """The points, [values]."""
        return self.point._replace(**{self.key: np.array(self.values)})

    def predicted(self) -> float:
        """The paper's exponent."""
        scale = (feature_time if self.time == "T_j" else flip_time)(self.along())
        return scaling_law(np.array(self.values), np.atleast_2d(scale)).exponent

    def spec(self, seeds: int) -> SweepSpec:
        """The sweep."""
        numbers: dict[str, Any] = self.point._asdict() | {self.key: list(self.values)}
        numbers["d"] = int(self.point.n * np.max(self.along().s)) + 1
        own = {label: {"eta": numbers["eta"], **OPTIMIZERS[label]} for label in self.labels}
        data = {key: numbers[key] for key in ("n", "d", "s", "sigma_p", "alpha")}
        model = {key: numbers[key] for key in ("width", "q", "sigma_0")}
        return SweepSpec(
            name=self.name, seeds=seeds, steps=numbers["steps"], record=self.record,
            data=data | {"supports": "disjoint", "test_size": 100},
            model=model, train={"lam": numbers["lam"]}, optimizers=own,
        )  # fmt: skip


def studies(quick: bool = False) -> list[Study]:
    """What is measured.

    All are where κ ≫ 1 and α ≪ σ_p√s ≲ 1. With a larger α, noise patches are inactive from the start, because
    ⟨w, ξ_i⟩ has −α⟨w, jv⟩ in it.
    """
    usual = Point(n=10, s=4000, sigma_p=0.01, alpha=0.08, width=3, sigma_0=0.01, lam=1e-8, eta=1e-5, steps=1500)
    small = usual._replace(s=1000, sigma_p=0.02, eta=5e-5, steps=600)
    slow = small._replace(eta=8e-7, steps=40_000)
    gd = small._replace(s=400, sigma_p=0.03, sigma_0=0.005, eta=0.2, steps=6000)  # σ_p√s is all that GD sees of them
    signed, labels, record = (small, SIGNED[:2], 300) if quick else (usual, SIGNED, 500)

    def study(name: str, key: str, point: Point, labels: tuple[str, ...], record: int) -> Study:
        values = [factor * getattr(point, key) for factor in FACTORS]
        rounded = tuple(int(value) if key == "s" else float(f"{value:.6g}") for value in values)
        return Study(name, key, rounded, point, labels, record)

    return [
        *(study(f"T_r-{key}", key, signed, labels, record) for key in ("sigma_0", "eta", "s", "sigma_p", "alpha")),
        *([] if quick else [study("T_r-small-eta", "eta", slow, ("adam",), 1000)]),
        *(study(f"T_j-{key}", key, gd, ("gd",), 1000) for key in ("sigma_0", "eta")),
    ]


class Measured(NamedTuple):
    """One optimizer's times in a study.

    Attributes:
        study: the sweep along one number that is measured.
        label: the optimizer's.
        times: [seeds, values]; NaN where Λ does not turn, or reach 1/m, before the end.
        derived: [seeds, values] those of the module's formulas.
        law: the power law of the times.
        digest: the sweep's.
    """

    study: Study
    label: str
    times: np.ndarray
    derived: np.ndarray
    law: Law
    digest: str


def measure(study: Study, out: Path | None, seeds: int, quiet: bool = False) -> list[Measured]:
    """Run, or go on with, the sweep of a study, and read its times."""
    results = run_sweep(study.spec(seeds), out, quiet=quiet)
    step, spacing = results.step.values, float(np.diff(results.step.values).max())
    highest = results.capital_lambda_path.max("class")
    measured = []
    for label in study.labels:
        path = highest.sel(optimizer=label).transpose("seed", study.key, "record").values
        if study.time == "T_j":
            times, derived = reaching(step, path, 1 / study.point.width), reached(path[..., 0], study.along())
        else:
            times, derived = turning(step, path), turned(path[..., 0], study.along())
        law = scaling_law(np.array(study.values), times, spacing)
        measured.append(Measured(study, label, times, derived, law, results.attrs.get("digest", "")))
    return measured


def turned(start: np.ndarray, p: Point) -> np.ndarray:
    """T_r of the module's formula; NaN where κ ≤ 1."""
    kappa = flip_strength(p._replace(alpha=p.alpha / 2))
    return np.where(kappa > 1, start / (p.eta * (kappa - 1)), np.nan)


def reached(start: np.ndarray, p: Point) -> np.ndarray:
    """T_j of the module's formula."""
    return 4 * (start ** (2.0 - p.q) - p.width ** (p.q - 2.0)) / (p.q * (p.q - 2) * p.eta)
