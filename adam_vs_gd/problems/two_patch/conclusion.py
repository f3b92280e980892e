"""The end of a lane on two patches: W*, what became of it, and whether it is at rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax.numpy as jnp

from adam_vs_gd.problems.learning import status
from adam_vs_gd.problems.learning.loss import FITTED_LOSS
from adam_vs_gd.problems.learning.rest import is_steady, rest_of
from adam_vs_gd.problems.learning.steps import Windows, objective_change
from adam_vs_gd.problems.two_patch import ways
from adam_vs_gd.problems.two_patch.own import BUILT_IN, Own
from adam_vs_gd.problems.two_patch.ways import filters
from adam_vs_gd.types import REST

if TYPE_CHECKING:
    from adam_vs_gd.problem import Rest
    from adam_vs_gd.problems.learning.optimizers import Rule
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static
    from adam_vs_gd.types import Array


def rest_from(static: Static, own: Own = BUILT_IN) -> Rest | None:
    """How lanes are taken to rest, if they are."""
    if static.until != REST:
        return None
    known = not own.model and ways.by_products(static)
    return rest_of(filters(static) * static.d if known else 0, stationary=own.rule(static).stationary)


def power_of(static: Static) -> int:
    """The power of a lane's activation; 1 where it is none."""
    return static.q if static.option("activation", "relu") == "relu" else 1


def last_candidate(
    static: Static, rule: Rule, fit_step: Array, best_norm: Array, best_step: Array, measured: Mapping[str, Array]
) -> tuple[Array, Array, Array]:
    """Whether the last iterate is W*, and W*'s gradient norm and step, from what has been measured at it."""
    fitted = (fit_step >= 0) | ((measured["train_error"] == 0) & (measured["data_loss"] <= FITTED_LOSS))
    norm = measured[f"grad_norm_l{rule.norm}"]
    better = fitted & (norm < best_norm)
    return better, jnp.where(better, norm, best_norm), jnp.where(better, last_step(static, measured), best_step)


def last_step(static: Static, measured: Mapping[str, Array]) -> Array | int:
    """The step at which a lane ends: T, or when it has come to rest."""
    return measured["step"] if static.until == REST else static.steps


def conclude(
    static: Static,
    rule: Rule,
    hyper: Hyper,
    measured: Mapping[str, Array],
    windows: Windows,
    start_norm: Array,
    best_norm: Array,
    best_step: Array,
    best_train_error: Array,
    best_test_error: Array,
    closing: Mapping[str, Array],
) -> dict[str, Array]:
    """The final values of a lane, or of lanes alike.

    Args:
        static: what they share, and
        rule: how their weights are moved.
        hyper: their numbers.
        measured: what was measured at its end.
        windows: of the objective.
        start_norm: ‖W_0‖_F.
        best_norm: of the gradient at W*.
        best_step: of W*; −1 where there is none.
        best_train_error: at W*.
        best_test_error: at W*.
        closing: what `measurements.at_end` gave of lanes that are taken to rest; nothing of others.
    """
    finite = jnp.isfinite(measured["loss"]) & jnp.isfinite(measured["weight_norm"])
    found = (best_step >= 0) & finite
    norm = jnp.where(found, best_norm, jnp.nan)
    change, steps = objective_change(windows, static.steps), last_step(static, measured)
    if static.until == REST:  # before T the windows are not full
        change = jnp.where(steps < static.steps, measured["objective_change"], change)
    steady = measured["rested"] & is_steady(closing["hessian_min"], hyper.lam, power_of(static)) if closing else False
    bound = 1 / (steps * hyper.eta)
    return {
        **{name: value for name, value in measured.items() if name not in ("step", "rested")},
        **closing,
        "objective_change": change,
        "best_test_error": jnp.where(found, best_test_error, jnp.nan),
        "best_train_error": jnp.where(found, best_train_error, jnp.nan),
        "best_grad_norm": norm,
        "best_step": jnp.where(found, best_step, -1),
        "stationary": (found & (norm**rule.norm <= bound)).astype(jnp.int8),
        "status": status.classify(
            finite=finite,
            train_error=measured["train_error"],
            data_loss=measured["data_loss"],
            weight_norm=measured["weight_norm"],
            start_norm=start_norm,
            objective_change=change,
            at_rest=steady,
        ),
    }
