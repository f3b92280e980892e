"""What the variables of a result mean: the one table behind attributes, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Variable(NamedTuple):
    """A variable of the results.

    Attributes:
        long_name: in words.
        symbol: the paper's, in matplotlib's mathtext.
        dims: dimensions after those of the cells.
    """

    long_name: str
    symbol: str
    dims: tuple[str, ...] = ()


VARIABLES: Mapping[str, Variable] = {
    "test_error": Variable("test error", r"$P[F_y \leq F_{-y}]$"),
    "train_error": Variable("training error", r"$\frac{1}{n}\#\{i: F_{y_i} \leq F_{-y_i}\}$"),
    "loss": Variable("objective", r"$L(W)$"),
    "data_loss": Variable("data loss, without the L2 term", r"$L(W) - \frac{\lambda}{2}\|W\|_F^2$"),
    "feature_learning": Variable("feature learning", r"$\max_r \langle w_{1,r}, v\rangle$"),
    "noise_memorization": Variable("noise memorization", r"$\min_{i: y_i=1} \max_r \langle w_{1,r}, \xi_i\rangle$"),
    "capital_lambda": Variable("feature learning of a class", r"$\Lambda_j$", ("class",)),
    "capital_gamma": Variable("noise memorization of a class", r"$\Gamma_j$", ("class",)),
    "grad_norm_l1": Variable("l1 norm of the gradient", r"$\|\nabla L\|_1$"),
    "grad_norm_l2": Variable("Frobenius norm of the gradient", r"$\|\nabla L\|_F$"),
    "weight_norm": Variable("Frobenius norm of the weights", r"$\|W\|_F$"),
    "high_frequency": Variable("share of a filter's power at high frequencies", r"$P_{|f|>1/4}/P$"),
    "spectral_entropy": Variable("spectral entropy of a filter", r"$H/\ln k^2$"),
    "total_variation": Variable("total variation of a filter over its norm", r"$\mathrm{TV}(w)/\|w\|$"),
    "neighbour_correlation": Variable("correlation of a filter's neighbouring weights", r"$\rho_1$"),
    "learned_high_frequency": Variable(
        "share of power at high frequencies of what a filter has moved from its start",
        r"$P_{|f|>1/4}/P$ of $w-w_0$",
    ),
    "start_overlap": Variable("cosine between the filters and their start", r"$\cos(w, w_0)$"),
    "live_filters": Variable("filters of at least a hundredth of the largest norm", r"$m_\mathrm{live}$"),
    "filter_norm": Variable("root mean square of the filters' norms", r"$\|w_r\|$"),
    "objective_change": Variable(
        "change of the objective's mean, last 5 % of the steps against 5 % before", r"$\Delta L/L$"
    ),
    "best_test_error": Variable("test error at W*", r"$P[F_y(W^*) \leq F_{-y}(W^*)]$"),
    "best_train_error": Variable("training error at W*", r"$\frac{1}{n}\#\{i: F_{y_i}(W^*) \leq F_{-y_i}(W^*)\}$"),
    "best_grad_norm": Variable(
        "smallest gradient norm since t_fit, l1 or (for gd, momentum) Frobenius", r"$\|\nabla L(W^*)\|$"
    ),
    "best_step": Variable("step of W*, -1 if there is none", r"$t^*$"),
    "stationary": Variable("whether W* meets Theorem 4.1's bound", r"$\|\nabla L(W^*)\| \leq 1/(T\eta)$"),
    "filters": Variable("filters of the first layer", r"$w_r$", ("filter_y", "filter_x", "channel", "filter")),
    "status": Variable("what became of the lane", "status"),
}

FINAL = ("objective_change", "best_test_error", "best_train_error", "best_grad_norm", "best_step", "stationary",
         "filters", "status")  # fmt: skip
"""Variables without a trajectory."""
OF_PATCHES = ("feature_learning", "noise_memorization", "capital_lambda", "capital_gamma", "best_test_error",
              "best_train_error", "best_grad_norm", "best_step", "stationary")  # fmt: skip
OF_IMAGES = ("high_frequency", "spectral_entropy", "total_variation", "neighbour_correlation",
             "learned_high_frequency", "start_overlap", "live_filters", "filter_norm", "filters")  # fmt: skip
"""Variables that only models of two patches have, and only networks on images."""


def variables_of(on_images: bool) -> dict[str, Variable]:
    """The variables of a network on images, or of a model of two patches."""
    absent = OF_PATCHES if on_images else OF_IMAGES
    return {name: variable for name, variable in VARIABLES.items() if name not in absent}


UNITS: Mapping[str, str] = {"best_step": "step"}
DIMENSIONLESS = "1"

STATUSES = ("pending", "diverged", "collapsed", "underfit", "undertrained", "fitted")
"""`flag_meanings` of the status, its values being 0 .. 5."""

CLASSES = (-1, 1)
ERRORS = ("test_error", "train_error", "best_test_error", "best_train_error")
"""Rates in [0, 1]; collapsed lanes are left out of their means."""
