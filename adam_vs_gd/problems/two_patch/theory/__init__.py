"""The paper's theory beside the measurement: conditions, times, predicted phases, lemmas. NumPy only."""

from adam_vs_gd.problems.two_patch.theory.conditions import CONDITIONS, Condition
from adam_vs_gd.problems.two_patch.theory.curves import CURVES, curves
from adam_vs_gd.problems.two_patch.theory.prediction import PHASES, predict
from adam_vs_gd.problems.two_patch.theory.scales import (
    Point,
    adam_bound,
    disjoint_bound,
    disjoint_probability,
    feature_time,
    flip_strength,
    flip_time,
    gd_signal,
    largest_lam,
    noise_lifetime,
    overlap,
    pattern_time,
    polylog,
    rate,
    recovery,
    snr,
)

__all__ = [
    "CONDITIONS",
    "CURVES",
    "PHASES",
    "Condition",
    "Point",
    "adam_bound",
    "curves",
    "disjoint_bound",
    "disjoint_probability",
    "feature_time",
    "flip_strength",
    "flip_time",
    "gd_signal",
    "largest_lam",
    "noise_lifetime",
    "overlap",
    "pattern_time",
    "polylog",
    "predict",
    "rate",
    "recovery",
    "snr",
]
