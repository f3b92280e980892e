"""When a training is at rest: by its gradient at steps along it, in NumPy; and whether it stays there.

At a stationary point of L(W) = data loss + (λ/2)‖W‖² the gradient of the data loss is −λW. So ‖∇L‖/(λ‖W‖) is near 0 at
rest, and 1 where only the decay moves the weights: on a plateau before training has begun, or while idle weights still
shrink. It is asked at several steps in a row, because Adam hovers and crosses small values on its way. With λ = 0 there
is no rest, only a direction that the weights grow in, and the ratio is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from adam_vs_gd.problem import Rest, Verdict
from adam_vs_gd.problems.learning.status import COLLAPSED_LOSS, COLLAPSED_NORM, STALLED_CHANGE, STALLED_LOSS
from adam_vs_gd.types import RESTS_A_DECADE

AT_REST = 0.05  # ‖∇L‖/(λ‖W‖) up to which a lane is at rest …
LOOKS = 3  # … if it is so at so many steps in a row, which are 12 % apart
SINCE = 10 ** (LOOKS / RESTS_A_DECADE)  # they are all after a switch of the optimizer from so many times its step on
STUCK_LOOKS = 8  # steps in a row, over a doubling of them, at which a lane is at the origin before it is given up
STUCK_NORM = 0.5 * COLLAPSED_NORM  # of the weights that it may have there, in units of those at the start
SADDLE = 0.5  # how far below `exchange` the smallest eigenvalue of the Hessian may be at rest, in units of λ
WATCHED = ("train_error", "data_loss", "loss", "grad_norm_l2", "weight_norm")


def exchange(q: int) -> int:
    """The Hessian's eigenvalue q − 2, in units of −λ, along which filters of power q that share a pattern exchange it.

    Where λw = |ℓ'|·q·z^{q−1}·ξ/n holds for two filters, making one longer and the other shorter by as much leaves the
    outputs to first order what they are, and has curvature λ − (q−1)λ. So every stationary point where a pattern is
    shared is a saddle in that direction, in which neither outputs nor errors change; A.1's is one.
    """
    return max(0, q - 2)


def is_steady(hessian_min: Any, lam: Any, q: int) -> Any:
    """Whether nothing but exchanges leads away from a stationary point, by the smallest eigenvalue of its Hessian."""
    return hessian_min >= -(exchange(q) + SADDLE) * lam


def rest_of(weights: int, classes: int = 2, stationary: bool = True) -> Rest:
    """How trainings of networks are taken to rest.

    Args:
        weights: how many a lane has; 0 where that is not known, so that none is given up at the origin.
        classes: how many there are.
        stationary: whether they come to rest where L is stationary. With decoupled decay (AdamW) they do not: they are
            never at rest, and the ratio is NaN.
    """
    chance = math.log(classes)

    def judge(hyper: Any, watched: Mapping[str, np.ndarray], step: int) -> Verdict:
        now = {name: values[:, -1] for name, values in watched.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = watched["grad_norm_l2"] / (hyper.lam[:, None] * watched["weight_norm"])
            change = watched["loss"][:, -1] / watched["loss"][:, -2] - 1
        ratio = np.where(
            (hyper.lam > 0) & stationary, ratios[:, -LOOKS:].max(1), np.nan
        )  # NaN, too, before there are so many
        fitted = (now["train_error"] == 0) & (now["data_loss"] <= STALLED_LOSS * chance)
        rested = fitted & (ratio <= AT_REST) & (np.abs(change) < STALLED_CHANGE) & (step >= SINCE * hyper.switch)
        small = STUCK_NORM * hyper.sigma_0 * math.sqrt(weights)
        origin = (watched["data_loss"] >= COLLAPSED_LOSS * chance) & (watched["weight_norm"] < small[:, None])
        lost = origin[:, -STUCK_LOOKS:].all(1) | ~np.isfinite(now["loss"]) | ~np.isfinite(now["weight_norm"])
        told = {"rest_ratio": ratio, "objective_change": change}
        leaves = rested | (lost & (step >= hyper.switch))
        return Verdict(leaves, rested, told)

    return Rest(
        lambda state: state.fit_step, WATCHED, max(LOOKS, STUCK_LOOKS), judge, ("rest_ratio", "objective_change")
    )
