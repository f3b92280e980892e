"""What is measured of every training, whatever is trained. No JAX."""

from collections.abc import Mapping

from adam_vs_gd.problem import RECORD, TEST_RECORD, Followed, Variable
from adam_vs_gd.types import AT_FIT, AT_REST, FIT_STEP, REST_STEP

TEST_ERROR = Variable("test error", r"$P[F_y \leq F_{-y}]$", grid=TEST_RECORD, rate="test_size")
TRAIN_ERROR = Variable("training error", r"$\frac{1}{n}\#\{i: F_{y_i} \leq F_{-y_i}\}$", grid=RECORD, rate="n")
LOSS = Variable("objective", r"$L(W)$", grid=RECORD)
DATA_LOSS = Variable("data loss, without the L2 term", r"$L(W) - \frac{\lambda}{2}\|W\|_F^2$", grid=RECORD)
GRAD_NORM_L1 = Variable("l1 norm of the gradient", r"$\|\nabla L\|_1$", grid=RECORD)
GRAD_NORM_L2 = Variable("Frobenius norm of the gradient", r"$\|\nabla L\|_F$", grid=RECORD)
WEIGHT_NORM = Variable("Frobenius norm of the weights", r"$\|W\|_F$", grid=RECORD)
OBJECTIVE_CHANGE = Variable("change of the objective's mean, last 5 % of the steps against 5 % before", r"$\Delta L/L$")

FOLLOWED = (Followed("Loss", ("loss", "data_loss"), log=True), Followed("Errors", ("train_error", "test_error")))
"""Trajectories that a page shows of every training."""
ERRORS = {"test_error": TEST_ERROR, "train_error": TRAIN_ERROR, "loss": LOSS, "data_loss": DATA_LOSS}
NORMS = {"grad_norm_l1": GRAD_NORM_L1, "grad_norm_l2": GRAD_NORM_L2, "weight_norm": WEIGHT_NORM}

REST: Mapping[str, Variable] = {
    FIT_STEP: Variable("first step with training error 0 and data loss <= 0.1, -1 if there is none",
                       r"$t_{\mathrm{fit}}$", units="step", none=-1),
    REST_STEP: Variable("step at which the training came to rest, -1 if it did not", r"$t_{\mathrm{rest}}$",
                        units="step", none=-1),
    "rest_ratio": Variable("gradient against decay, most of the last three looks: 0 at rest, 1 where the decay alone "
                           "moves the weights", r"$\|\nabla L\|_F/(\lambda\|W\|_F)$"),
    "hessian_min": Variable("smallest eigenvalue of the Hessian, below 0 at a saddle", r"$\mu_{\min}(\nabla^2 L)$"),
    "alignment": Variable("cosine of the weights and the negative gradient of the data loss",
                          r"$\cos(W, -\nabla(L - \frac{\lambda}{2}\|W\|_F^2))$"),
}  # fmt: skip
"""Variables of trainings that are taken to rest, beside those of `at_fit_and_rest`."""


def at_fit_and_rest(measured: Mapping[str, Variable]) -> dict[str, Variable]:
    """What is measured, measured at t_fit, and at rest; NaN where a lane does not come to it."""
    words = ((AT_FIT, " at t_fit", r"t_{\mathrm{fit}}"), (AT_REST, " at rest", r"t_{\mathrm{rest}}"))
    return {
        name + end: variable._replace(
            long_name=variable.long_name + where, grid="", symbol=rf"{variable.symbol}$\,({at})$"
        )
        for end, where, at in words
        for name, variable in measured.items()
    }
