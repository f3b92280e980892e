"""What is measured of a training on two patches: section 4 of the system's description and 5 of the paper. No JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from adam_vs_gd import types
from adam_vs_gd.problem import RECORD, Dim, Variable
from adam_vs_gd.problems import MODELS
from adam_vs_gd.problems.learning.variables import ERRORS, NORMS, OBJECTIVE_CHANGE, REST, at_fit_and_rest
from adam_vs_gd.problems.two_patch.sections import SAMPLERS, WITH_FILTERS, sampler_of

if TYPE_CHECKING:
    from adam_vs_gd.spec.sweep_spec import SweepSpec

CLASSES = (-1, 1)
DIMS = {"class": Dim(2, CLASSES, "class", "$j$")}

PATCH_WISE: Mapping[str, Variable] = {
    "feature_learning": Variable("feature learning", r"$\max_r \langle w_{1,r}, v\rangle$", grid=RECORD),
    "noise_memorization": Variable(
        "noise memorization", r"$\min_{i: y_i=1} \max_r \langle w_{1,r}, \xi_i\rangle$", grid=RECORD
    ),
    "capital_lambda": Variable("feature learning of a class", r"$\Lambda_j$", ("class",), RECORD),
    "capital_gamma": Variable("noise memorization of a class", r"$\Gamma_j$", ("class",), RECORD),
}
"""Variables of models with filters, whose inner products with patches they are."""
BEST: Mapping[str, Variable] = {
    "best_test_error": Variable("test error at W*", r"$P[F_y(W^*) \leq F_{-y}(W^*)]$", rate="test_size"),
    "best_train_error": Variable(
        "training error at W*", r"$\frac{1}{n}\#\{i: F_{y_i}(W^*) \leq F_{-y_i}(W^*)\}$", rate="n"
    ),
    "best_grad_norm": Variable(
        "smallest gradient norm since t_fit, l1 or (for gd, momentum) Frobenius", r"$\|\nabla L(W^*)\|$"
    ),
    "best_step": Variable("step of W*, -1 if there is none", r"$t^*$", units="step", none=-1),
    "stationary": Variable("whether W* meets Theorem 4.1's bound", r"$\|\nabla L(W^*)\| \leq 1/(T\eta)$"),
}


def is_patch_wise(spec: SweepSpec) -> bool:
    """Whether the model has filters, and the data a feature and noise apart from it."""
    if "import" in spec.data or spec.model.get("filters") is False:
        return False
    declared = SAMPLERS.get(sampler_of(spec.data))
    ours = spec.model["name"] in MODELS
    return (declared is None or declared.featured) and (not ours or spec.model["name"] in WITH_FILTERS)


def variables(spec: SweepSpec | None) -> dict[str, Variable]:
    """Those of a sweep; the patch-wise ones only where the model has filters, and the data a feature and noise."""
    without = spec is not None and not is_patch_wise(spec)
    measured = {**ERRORS, **({} if without else PATCH_WISE), **NORMS}
    to_rest = {**REST, **at_fit_and_rest(measured)} if spec is None or spec.train["until"] == types.REST else {}
    return {**measured, "objective_change": OBJECTIVE_CHANGE, **BEST, **to_rest}
