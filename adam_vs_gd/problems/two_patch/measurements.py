"""Measurements: pure functions of (model, parameters, data), §4 of the system's description and §5 of the paper."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.two_patch.data import Dataset
from adam_vs_gd.surroundings import arithmetic

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.models import Model
    from adam_vs_gd.types import Array, Params

FITTED_LOSS = 0.1  # data loss at which train error 0 counts as fitted, and t_fit is reached
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


class Products(NamedTuple):
    """Inner products of the filters with the two patches of each example, [J, m, n] each."""

    feature: Array
    noise: Array


def products(model: Model, params: Params, data: Dataset) -> Products:
    """⟨w, y·v⟩ and ⟨w, ξ_i⟩; the feature patch y·e_1 is one coordinate and needs no matrix product."""
    w = model.filters(params)
    return Products(w[..., :1] * data.y, data.project(w))


def margins(model: Model, params: Params, data: Dataset) -> Array:
    """[n] F_y − F_{−y} (y·logit for the linear model); an example is an error where this is not above 0."""
    return data.y * model.readout(*products(model, params, data))


def data_loss(model: Model, params: Params, data: Dataset) -> tuple[Array, Array]:
    """Mean of −log softmax(F)_y = log(1 + exp(F_{−y} − F_y)), without the λ term; and the margins [n]."""
    margin = margins(model, params, data)
    return jax.nn.softplus(-margin).mean(), margin


def is_correct(margin: Array) -> Array:
    """Whether F_y > F_{−y}; ties are errors, and so is an output that is not finite."""
    return (margin > 0) & jnp.isfinite(margin)


def error_rate(margin: Array) -> Array:
    """Fraction of examples that are errors."""
    return (~is_correct(margin)).sum() / margin.size


def objective(loss: Array, params: Params, lam: ArrayLike) -> Array:
    """L(W) = data loss + (λ/2)‖W‖_F²."""
    return loss + 0.5 * lam * optax.tree.norm(params, squared=True)


def objective_grad(grads: Params, params: Params, lam: ArrayLike) -> Params:
    """∇L(W) from the gradient of the data loss."""
    return optax.tree.add_scale(grads, lam, params)


def is_finite(loss: Array, params: Params) -> Array:
    """Whether the loss and all weights are finite; otherwise the lane has diverged."""
    return jnp.isfinite(loss) & jax.tree.reduce(lambda ok, w: ok & jnp.isfinite(w).all(), params, jnp.array(True))


@arithmetic()
def measure(model: Model, params: Params, data: Dataset, lam: ArrayLike = 0.0) -> dict[str, Array]:
    """Everything but the test error, at one iterate.

    Args:
        model: a flax module of this package.
        params: its parameters.
        data: n training examples.
        lam: λ.

    Returns:
        Scalars `train_error`, `loss` (with λ), `data_loss` (without), `feature_learning` max_r ⟨w_{1,r}, v⟩,
        `noise_memorization` min_{i: y_i=1} max_r ⟨w_{1,r}, ξ_i⟩ (Figure 2), `grad_norm_l1` ‖∇L‖_1, `grad_norm_l2`
        ‖∇L‖_F, `weight_norm` ‖W‖_F; and for the classes −1, +1 `capital_lambda` [2] Λ_j = max_r ⟨w_{j,r}, j·v⟩ and
        `capital_gamma` [2] Γ_j = max_{i: y_i=j} max_r ⟨w_{j,r}, ξ_i⟩. The error is NaN where the lane has diverged.
    """
    (loss, margin), grads = jax.value_and_grad(lambda p: data_loss(model, p, data), has_aux=True)(params)
    grads = objective_grad(grads, params, lam)
    full_loss = objective(loss, params, lam)
    classes = jnp.array([-1.0, 1.0], data.y.dtype)
    feature = model.by_class(model.filters(params)[..., 0])  # [2, m] ⟨w_{j,r}, v⟩
    memory = model.by_class(products(model, params, data).noise).max(1)  # [2, n] max_r ⟨w_{j,r}, ξ_i⟩
    return {
        "train_error": jnp.where(is_finite(full_loss, params), error_rate(margin), jnp.nan),
        "loss": full_loss,
        "data_loss": loss,
        "feature_learning": feature[1].max(),
        "noise_memorization": jnp.where(data.y > 0, memory[1], jnp.inf).min(),
        "capital_lambda": (feature * classes[:, None]).max(1),
        "capital_gamma": jnp.where(data.y == classes[:, None], memory, -jnp.inf).max(1),
        "grad_norm_l1": optax.tree.norm(grads, ord=1),
        "grad_norm_l2": optax.tree.norm(grads),
        "weight_norm": optax.tree.norm(params),
    }


def test_error(model: Model, params: Params, y: Array, examples: Callable[[Array, int], Dataset], block: int) -> Array:
    """Error rate on N examples, made a block at a time; NaN where the weights are not finite.

    Args:
        model: a flax module of this package.
        params: its parameters.
        y: [N] labels.
        examples: (first, count) -> the data of examples first .. first+count-1; first is traced.
        block: examples that exist at once, at most.
    """
    size, block = len(y), min(block, len(y))
    firsts = jnp.arange(0, size, block)

    def right(first: Array) -> Array:
        start = jnp.minimum(first, size - block)  # the last block begins earlier, and counts only what is new in it
        new = start + jnp.arange(block) >= first
        return (is_correct(margins(model, params, examples(start, block))) & new).sum()

    count = right(firsts[0]) if len(firsts) == 1 else jax.lax.map(right, firsts).sum()
    return jnp.where(is_finite(jnp.array(0.0), params), (size - count) / size, jnp.nan)


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
) -> Array:
    """`Status` of a lane at T, int8. Diverged goes before collapsed, fitted and underfit; undertrained is the rest.

    Args:
        finite: whether its weights and objective are.
        train_error: of all training examples, and
        data_loss: their loss, without the λ term.
        weight_norm: ‖W_T‖, and
        start_norm: ‖W_0‖.
        objective_change: relative change of the objective at the end.
        classes: how many there are; the loss of chance is their logarithm.
        fit_error: training error up to which it counts as fitted.
    """
    data_loss, chance = jnp.asarray(data_loss), math.log(classes)
    stalled = jnp.abs(objective_change) < STALLED_CHANGE
    collapsed = (data_loss >= COLLAPSED_LOSS * chance) & (weight_norm < COLLAPSED_NORM * jnp.asarray(start_norm))
    separated = jnp.asarray(train_error) <= fit_error
    fitted = separated & ((data_loss <= FITTED_LOSS) | ((data_loss <= STALLED_LOSS * chance) & stalled))
    underfit = (data_loss <= UNDERFIT_LOSS * chance) & ~separated & stalled
    status = jnp.full_like(collapsed, Status.UNDERTRAINED, jnp.int8)
    found = {Status.UNDERFIT: underfit, Status.FITTED: fitted, Status.COLLAPSED: collapsed}
    for name, holds in (found | {Status.DIVERGED: ~jnp.asarray(finite)}).items():  # the last one counts
        status = jnp.where(holds, jnp.int8(name), status)
    return status
