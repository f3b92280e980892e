"""One lane: a step, and a segment of steps. Nothing here is jitted or vmapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning.batches import batch_at, order_at
from adam_vs_gd.problems.learning.loss import FITTED_LOSS, is_correct, objective_grad
from adam_vs_gd.problems.learning.steps import Seldom, Windows, apply, no_rest, observe, only_if, repeated, seldom_at
from adam_vs_gd.problems.two_patch import measurements
from adam_vs_gd.problems.two_patch.data import Dataset
from adam_vs_gd.problems.two_patch.lane import Best, Hyper, TrainState
from adam_vs_gd.problems.two_patch.ways import BEST_EVERY
from adam_vs_gd.surroundings import arithmetic

if TYPE_CHECKING:
    from adam_vs_gd.problems.learning.batches import Batches
    from adam_vs_gd.problems.learning.optimizers import Rule
    from adam_vs_gd.problems.two_patch.models import Model
    from adam_vs_gd.types import Array, Params


class StepInfo(NamedTuple):
    """What a step knows of the iterate it started from."""

    data_loss: Array  # scalar, without the λ term
    margin: Array  # [n] F_y − F_{−y}
    grads: Params  # gradient of the data loss


def step_info(model: Model, params: Params, data: Dataset) -> StepInfo:
    """Loss, margins and gradient at an iterate."""
    loss_and_margin = jax.value_and_grad(lambda p: measurements.data_loss(model, p, data), has_aux=True)
    (loss, margin), grads = loss_and_margin(params)
    return StepInfo(loss, margin, grads)


def make_train_step(
    model: Model, optimizer: optax.GradientTransformation
) -> Callable[[Params, Any, Dataset], tuple[Params, Any, StepInfo]]:
    """A step on all of `data` (params, opt_state, data) -> (params, opt_state, info), jittable and vmappable.

    For a step on a batch hand it `data.take(index)`, the examples with the numbers [B] of the batch; `info` is then of
    the batch.

    Args:
        model: a flax module of this package.
        optimizer: an optax transformation of the data loss's gradient; `make_optimizer(..., lam=λ)` adds the λ term.

    Returns:
        The step. Its `info` has what was found before it: loss, gradients, and the outputs of the n examples.
    """

    @arithmetic()
    def train_step(params: Params, opt_state: Any, data: Dataset) -> tuple[Params, Any, StepInfo]:
        info = step_info(model, params, data)
        updates, opt_state = optimizer.update(info.grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, info

    return train_step


def start(rule: Rule, hyper: Hyper, params: Params, order: Any = ()) -> TrainState:
    """The state at step 0, at the initial weights; `batches.no_order` for steps on batches."""
    zero = jnp.zeros((), jnp.result_type(float))
    best = Best(jax.tree.map(jnp.zeros_like, params), zero + jnp.inf, jnp.array(-1, jnp.int32))
    opt_state = rule.transformation(hyper).init(params)
    rest = no_rest(rule, params)
    return TrainState(params, opt_state, best, jnp.array(-1, jnp.int32), Windows(zero, zero, zero), rest, order)


def consider(rule: Rule, hyper: Hyper, best: Best, params: Params, grads: Params, t: Array, fit_step: Array) -> Best:
    """W* after the iterate of step t: it replaces an earlier one only by a smaller gradient norm, and since t_fit."""
    norm = optax.tree.norm(objective_grad(grads, params, hyper.lam), ord=rule.norm)
    better = (fit_step >= 0) & (norm < best.grad_norm)
    return jax.tree.map(lambda new, old: jnp.where(better, new, old), Best(params, norm, t.astype(jnp.int32)), best)


def fit_since(fit_step: Array, info: StepInfo, t: Array) -> Array:
    """t_fit after the iterate of step t, from t_fit before it; -1 while it has not been reached."""
    return jnp.where((fit_step < 0) & is_fit(info), t.astype(jnp.int32), fit_step)


def is_fit(info: StepInfo) -> Array:
    """The condition whose first step is t_fit: train error 0 and data loss <= `FITTED_LOSS`."""
    return is_correct(info.margin).all() & (info.data_loss <= FITTED_LOSS)


def segment(
    model: Model,
    rule: Rule,
    steps: int,
    hyper: Hyper,
    data: Dataset,
    state: TrainState,
    start: ArrayLike,
    stop: ArrayLike,
    length: int | None = None,
    batches: Batches | None = None,
    in_rounds: bool = False,
) -> TrainState:
    """Steps start .. stop-1 of a training of `steps` steps.

    On batches, t_fit and W* are still those of the whole training set, which is therefore looked at every tenth step
    (so that t_fit is such a step); the objective's windows take the batches' loss, an unbiased estimate.

    Args:
        model: a flax module of this package.
        rule: of its optimizer.
        steps: T.
        hyper: the lane's numbers.
        data: its training set.
        state: its state at step `start`.
        start: first step; traced, and shared by all lanes, so that what is done at some steps only stays a branch.
        stop: step to stop before; traced and shared.
        length: static, at least stop - start: the loop is then a `lax.scan`, which can be differentiated in reverse,
            and skips what is beyond `stop`. None for one that ends there.
        batches: how the batches of the steps are drawn; None for steps on all of `data`.
        in_rounds: as of `repeated`.
    """
    transformation = rule.transformation(hyper)

    def look(state: TrainState, info: StepInfo, t: Array, now: bool | Array) -> tuple[Best, Array]:
        """W* and t_fit, after the iterate of step t."""
        if batches is None:
            fit_step = fit_since(state.fit_step, info, t)
            found = lambda best: consider(rule, hyper, best, state.params, info.grads, t, fit_step)  # noqa: E731
            return only_if(now, found, state.best), fit_step

        def at_all(kept: tuple[Best, Array]) -> tuple[Best, Array]:
            best, fit_step = kept
            whole = step_info(model, state.params, data)
            fit_step = fit_since(fit_step, whole, t)
            return consider(rule, hyper, best, state.params, whole.grads, t, fit_step), fit_step

        return only_if(now, at_all, (state.best, state.fit_step))

    def step(state: TrainState, t: Array, seldom: Seldom) -> TrainState:
        order = state.order if batches is None else order_at(batches, state.order, t)
        seen = data if batches is None else data.take(batch_at(order, t, batches.size))
        info = step_info(model, state.params, seen)
        grads = rule.gradient(hyper, state.params, info.grads, lambda w: step_info(model, w, seen).grads)
        updates, opt_state = transformation.update(grads, state.opt_state, state.params)
        params, rest = apply(rule, state.params, state.rest, updates)
        best, fit_step = look(state, info, t, seldom.look)
        windows = observe(state.windows, info.data_loss, state.params, hyper.lam, t, steps, seldom.observe)
        return TrainState(params, opt_state, best, fit_step, windows, rest, order)

    if length is None:
        return repeated(step, steps, BEST_EVERY, start, stop, state, in_rounds)

    def step_or_skip(state: TrainState, t: Any) -> tuple[TrainState, None]:
        return only_if(t < stop, lambda state: step(state, t, seldom_at(t, steps, BEST_EVERY)), state), None

    return jax.lax.scan(step_or_skip, state, start + jnp.arange(length))[0]
