"""What is measured of every training, whatever is trained. No JAX."""

from adam_vs_gd.problem import RECORD, TEST_RECORD, Followed, Variable

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
