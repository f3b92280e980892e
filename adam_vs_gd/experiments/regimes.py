"""The configurations that the theory is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adam_vs_gd.spec.sweep_spec import SweepSpec

REGIMES: Mapping[str, Mapping[str, Any]] = {
    "table1": {},
    "disjoint": {"data": {"n": 20, "d": 2000, "s": 50, "supports": "disjoint"}, "model": {"width": 10}},
    "theory": {
        "data": {"n": 10, "d": 5000, "s": 400, "sigma_p": 0.05, "alpha": 0.05, "supports": "disjoint"},
        "model": {"width": 10},
    },
}
"""What each changes of Table 1's configuration: its supports overlap; those of "disjoint" do not; and "theory" meets
every condition of A.1 but that on η, and of Definition 3.1's scalings those of σ_p and α."""

TITLES: Mapping[str, str] = {
    "table1": "Table 1 (n·s = 20·d)",
    "disjoint": "disjoint supports",
    "theory": "theory regime (disjoint supports, A.1 but for η)",
}


ETA: Mapping[str, float] = {"theory": 5e-6}
"""The learning rate of Adam and its kin, where it is not Table 1's: so small that Stage I is longer than the 1000 steps
that Adam's second moment remembers."""


STEPS: Mapping[str, int] = {"theory": 20_000}
"""T, where it is not Table 1's."""


MOST: Mapping[str, int] = {"theory": 1_000_000}
"""Of a training to rest, where it is not 10⁵: the theory regime's η is a tenth of the others'."""


def most_steps(regime: str, *, quick: bool) -> int:
    """What a training to rest may take; a quarter of it to be quick."""
    return MOST.get(regime, 100_000) // (4 if quick else 1)


def regime_steps(regime: str, *, quick: bool) -> int:
    """T in a regime; a quarter of it to be quick."""
    return STEPS.get(regime, 10_000) // (4 if quick else 1)


def regime_spec(regime: str, name: str, seeds: int, kinds: Sequence[str], steps: int, **keys: Any) -> SweepSpec:
    """The spec of some optimizers in a regime, with further keys of a spec."""
    eta = {"eta": ETA[regime]} if regime in ETA else {}
    optimizers = {kind: {} if kind == "gd" else eta for kind in kinds}
    return SweepSpec(name=name, seeds=seeds, steps=steps, optimizers=optimizers, **{**REGIMES[regime], **keys})
