"""What became of a training."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning.loss import FITTED_LOSS

if TYPE_CHECKING:
    from adam_vs_gd.types import Array

STALLED_LOSS = 0.5  # the same for a lane whose objective has stalled, in units of chance's, ln 2 for two classes
UNDERFIT_LOSS = 0.95  # data loss below which a stalled lane has learned something, in the same units
COLLAPSED_LOSS = 0.99  # data loss above which a lane may be stuck at the origin …
COLLAPSED_NORM = 0.1  # … if its weights have shrunk below this fraction of their start
STALLED_CHANGE = 0.01  # relative change of the objective, per 5 % of the steps, below which a lane has stalled


class Status(enum.IntEnum):
    """What became of a lane. Numbers are stored (CF flag_values) and never reused."""

    PENDING = 0
    DIVERGED = 1
    COLLAPSED = 2
    UNDERFIT = 3
    UNDERTRAINED = 4
    FITTED = 5
    CONVERGED = 6


def classify(
    *,
    finite: ArrayLike,
    train_error: ArrayLike,
    data_loss: ArrayLike,
    weight_norm: ArrayLike,
    start_norm: ArrayLike,
    objective_change: ArrayLike,
    classes: int = 2,
    fit_error: float = 0.0,
    at_rest: ArrayLike = False,
) -> Array:
    """`Status` of a lane at its end, int8. Diverged goes before collapsed, converged, fitted and underfit.

    Converged is what is fitted and at rest; undertrained is what is none of them.

    Args:
        finite: whether its weights and objective are.
        train_error: of all training examples, and
        data_loss: their loss, without the λ term.
        weight_norm: ‖W_T‖, and
        start_norm: ‖W_0‖.
        objective_change: relative change of the objective at the end.
        classes: how many there are; the loss of chance is their logarithm.
        fit_error: training error up to which it counts as fitted.
        at_rest: whether it is at rest, where nothing leads away: `rest.is_steady`.
    """
    data_loss, chance = jnp.asarray(data_loss), math.log(classes)
    stalled = jnp.abs(objective_change) < STALLED_CHANGE
    collapsed = (data_loss >= COLLAPSED_LOSS * chance) & (weight_norm < COLLAPSED_NORM * jnp.asarray(start_norm))
    separated = jnp.asarray(train_error) <= fit_error
    fitted = separated & ((data_loss <= FITTED_LOSS) | ((data_loss <= STALLED_LOSS * chance) & stalled))
    underfit = (data_loss <= UNDERFIT_LOSS * chance) & ~separated & stalled
    status = jnp.full_like(collapsed, Status.UNDERTRAINED, jnp.int8)
    converged = fitted & jnp.asarray(at_rest)
    found = {
        Status.UNDERFIT: underfit, Status.FITTED: fitted, Status.CONVERGED: converged, Status.COLLAPSED: collapsed,
    }  # fmt: skip
    for name, holds in (found | {Status.DIVERGED: ~jnp.asarray(finite)}).items():  # the last one counts
        status = jnp.where(holds, jnp.int8(name), status)
    return status
