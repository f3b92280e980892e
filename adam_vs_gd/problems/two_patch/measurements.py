"""Measurements: pure functions of (model, parameters, data), §4 of the system's description and §5 of the paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning.curvature import smallest_eigenvalue
from adam_vs_gd.problems.learning.loss import error_rate, is_correct, is_finite, objective, objective_grad
from adam_vs_gd.problems.two_patch.data import Dataset, Patches
from adam_vs_gd.problems.two_patch.samplers import Featured
from adam_vs_gd.surroundings import arithmetic

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.models import Model
    from adam_vs_gd.types import Array, Params


class Products(NamedTuple):
    """Inner products of the filters with the two patches of each example, [J, m, n] each."""

    feature: Array
    noise: Array


def products(model: Model, params: Params, data: Dataset) -> Products:
    """⟨w, y·v⟩ and ⟨w, ξ_i⟩; the feature patch y·e_1 is one coordinate and needs no matrix product."""
    w = model.filters(params)
    return Products(w[..., :1] * data.y, data.project(w))


def margins(model: Any, params: Params, data: Any) -> Array:
    """[n] F_y − F_{−y} (y·logit for the linear model); an example is an error where this is not above 0."""
    return data.y * log_odds(model, params, data)


def log_odds(model: Any, params: Params, data: Dataset | Patches) -> Array:
    """[n] F_{+1} − F_{−1}: of the products of filters with patches, where a model has filters, or of the patches."""
    if not hasattr(model, "readout"):
        return model.log_odds(params, data.x)
    if isinstance(data, (Patches, Featured)):
        return model.readout(*data.products(model.filters(params)))
    return model.readout(*products(model, params, data))


def data_loss(model: Model, params: Params, data: Dataset) -> tuple[Array, Array]:
    """Mean of −log softmax(F)_y = log(1 + exp(F_{−y} − F_y)), without the λ term; and the margins [n]."""
    margin = margins(model, params, data)
    return jax.nn.softplus(-margin).mean(), margin


@arithmetic()
def measure(model: Model, params: Params, data: Dataset, lam: ArrayLike = 0.0) -> dict[str, Array]:
    """Everything but the test error, at one iterate.

    Args:
        model: a flax module of this package.
        params: its parameters.
        data: n training examples.
        lam: λ >= 0, a scalar; may be traced.

    Returns:
        Scalars `train_error`, `loss` (with λ), `data_loss` (without), `feature_learning` max_r ⟨w_{1,r}, v⟩,
        `noise_memorization` min_{i: y_i=1} max_r ⟨w_{1,r}, ξ_i⟩ (Figure 2), `grad_norm_l1` ‖∇L‖_1, `grad_norm_l2`
        ‖∇L‖_F, `weight_norm` ‖W‖_F; and for the classes −1, +1 `capital_lambda` [2] Λ_j = max_r ⟨w_{j,r}, j·v⟩ and
        `capital_gamma` [2] Γ_j = max_{i: y_i=j} max_r ⟨w_{j,r}, ξ_i⟩. The error is NaN where the lane has diverged.
    """
    (loss, margin), grads = jax.value_and_grad(lambda p: data_loss(model, p, data), has_aux=True)(params)
    grads = objective_grad(grads, params, lam)
    full_loss = objective(loss, params, lam)
    error = jnp.where(is_finite(full_loss, params), error_rate(margin), jnp.nan)
    patch_wise = patch_wise_of(model, params, data) if has_filters(model, data) else {}
    return {
        "train_error": error,
        "loss": full_loss,
        "data_loss": loss,
        **patch_wise,
        "grad_norm_l1": optax.tree.norm(grads, ord=1),
        "grad_norm_l2": optax.tree.norm(grads),
        "weight_norm": optax.tree.norm(params),
    }


def at_end(model: Model, params: Params, data: Dataset, lam: ArrayLike) -> dict[str, Array]:
    """What tells a minimum from a saddle, and a direction from a wandering.

    Args:
        model: a flax module of this package, or somebody else's.
        params: its parameters.
        data: n training examples.
        lam: λ.

    Returns:
        `hessian_min`, the smallest eigenvalue of ∇²L, at most λ; and `alignment`, the cosine between W and the negative
        gradient of the data loss: 1 at a stationary point with λ > 0, and where the direction of W is one of the
        margin's (K. Lyu and J. Li, ICLR 2020).
    """
    if hasattr(model, "readout") and not isinstance(data, (Patches, Featured)):
        patches, back = jax.vjp(lambda p: products(model, p, data), params)  # linear in the parameters
        gradient = jax.grad(lambda patches: jax.nn.softplus(-data.y * model.readout(*patches)).mean())
        grads = back(gradient(patches))[0]

        def product(v: Params) -> Params:
            return back(jax.jvp(gradient, (patches,), (products(model, v, data),))[1])[0]
    else:
        whole = jax.grad(lambda p: data_loss(model, p, data)[0])
        grads = whole(params)

        def product(v: Params) -> Params:
            return jax.jvp(whole, (params,), (v,))[1]

    tiny = jnp.finfo(jnp.result_type(float)).tiny
    norms = jnp.maximum(optax.tree.norm(grads) * optax.tree.norm(params), tiny)
    cosine = -optax.tree.vdot(grads, params) / norms
    finite = is_finite(optax.tree.norm(grads), params)
    least = smallest_eigenvalue(product, params) + lam
    return {"hessian_min": jnp.where(finite, least, jnp.nan), "alignment": jnp.where(finite, cosine, jnp.nan)}


def has_filters(model: Any, data: Any) -> bool:
    """Whether inner products of filters with the feature and the noise mean something."""
    apart = data.features is not None if isinstance(data, Featured) else not isinstance(data, Patches)
    return hasattr(model, "filters") and apart


def patch_wise_of(model: Any, params: Params, data: Any) -> dict[str, Array]:
    """What filters have learned of the feature and of the noise; see `measure`.

    Of several features it is the least learned one that counts, of several noise patches the one that is known best.
    """
    by_class = getattr(model, "by_class", lambda z: z if len(z) == 2 else jnp.concatenate([-z, z]))
    classes = jnp.array([-1.0, 1.0], data.y.dtype)
    w = model.filters(params)
    if isinstance(data, Featured):
        exact = jax.lax.Precision.HIGHEST
        along = by_class(jnp.einsum("jmd,kd->jmk", w, data.features, precision=exact))  # [2, m, K] ⟨w_{j,r}, v_k⟩
        memory = by_class(jnp.einsum("jmd,nqd->jmqn", w, data.noise, precision=exact)).max((1, 2))
        learned, toward = along[1].max(0).min(), (along * classes[:, None, None]).max(1).min(1)
    else:
        along = by_class(w[..., 0])  # [2, m] ⟨w_{j,r}, v⟩
        memory = by_class(products(model, params, data).noise).max(1)  # [2, n] max_r ⟨w_{j,r}, ξ_i⟩
        learned, toward = along[1].max(), (along * classes[:, None]).max(1)
    return {
        "feature_learning": learned,
        "noise_memorization": jnp.where(data.y > 0, memory[1], jnp.inf).min(),
        "capital_lambda": toward,
        "capital_gamma": jnp.where(data.y == classes[:, None], memory, -jnp.inf).max(1),
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
