"""What the lemmas' checks are of, seen in a training by `watch`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from adam_vs_gd.problems.learning.loss import objective_grad
from adam_vs_gd.problems.two_patch import training
from adam_vs_gd.problems.two_patch.data import balanced_labels, make_dataset
from adam_vs_gd.problems.two_patch.own import network, rule_for
from adam_vs_gd.problems.two_patch.theory.claims import Observed
from adam_vs_gd.problems.two_patch.theory.observed import Filters, State, Trajectory
from adam_vs_gd.problems.two_patch.theory.scales import Point
from adam_vs_gd.types import test_steps

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static, TrainState
    from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws
    from adam_vs_gd.spec.cells import Lane
    from adam_vs_gd.types import Array, Rows


def observed(lane: Lane, rows: Rows) -> Observed:
    """What has been seen of a lane, of which every step was recorded."""
    known = {"beta1": np.nan, "beta2": np.nan, **vars(lane.static), **lane.hyper._asdict()}
    point = Point(**{key: known[key] for key in Point._fields})
    names = ("loss", "grad_norm_l1", "grad_norm_l2", "capital_lambda", "capital_gamma")
    seen = Trajectory(*(rows[f"{name}_path"].astype(float) for name in names))
    if "margin_path" not in rows:
        return Observed(point, seen)
    margin = rows["margin_path"].astype(float)
    penalty = lane.hyper.lam / 2 * rows["weight_norm_path"].astype(float) ** 2
    seen = seen._replace(objective=np.logaddexp(0, -margin).mean(-1) + penalty)  # float32 is too coarse for L's steps
    return Observed(point, seen, filters(rows), states(rows), test_steps(lane.static.steps, lane.record).tolist())


def filters(rows: Rows) -> Filters:
    """What `often` has seen of a lane."""
    feature, noise, reach, margin = (rows[f"{name}_path"] for name in ("feature", "noise", "reach", "margin"))
    return Filters(feature, noise, reach, residual=1 / (1 + np.exp(margin.astype(float))))


def noise_products(static: Static, hyper: Hyper, draws: TwoPatchDraws, w: Array) -> tuple[Array, Array, Array]:
    """([2, m, n] ⟨w_{j,r}, ξ_i⟩, [n, R] ξ_i and [n, R, 2, m] w_{j,r} by rank): only the supports are touched."""
    noise = jnp.where(jnp.arange(draws.train.unit.shape[1]) < hyper.s, hyper.sigma_p * draws.train.unit, 0)
    touched = w.reshape(-1, static.d).T[draws.train.coordinate].reshape(*noise.shape, 2, static.width)
    products = jnp.einsum("ik,ikjr->jri", noise, touched, precision=jax.lax.Precision.HIGHEST)
    return products - hyper.alpha * balanced_labels(static.n) * w[..., :1], noise, touched


def often(static: Static, hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> Mapping[str, Array]:
    """What `Filters` are made of."""
    model, labels = network(static), balanced_labels(static.n)
    w, example, own = model.filters(state.params), jnp.arange(static.n), (labels > 0).astype(int)
    products, noise, touched = noise_products(static, hyper, draws, w)
    margin = labels * model.readout(w[..., :1] * labels, products)
    mine = products[own, :, example]
    strongest = jnp.take_along_axis(touched[example, :, own], mine.argmax(1)[:, None, None], 2)[..., 0]
    return {
        "feature": w[..., 0] * jnp.array([-1.0, 1.0])[:, None],
        "noise": mine,
        "reach": jnp.abs(strongest * noise).sum(1),
        "margin": margin,
    }


def across(static: Static, hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> Mapping[str, Array]:
    """[2] the largest ⟨w_{j,r}, ξ_i⟩ over filters and the examples of the other class: what A.10 is about."""
    w = network(static).filters(state.params)
    products, *_ = noise_products(static, hyper, draws, w)
    others = balanced_labels(static.n) == jnp.array([[1.0], [-1.0]])
    return {"across": jnp.where(others, products.max(1), -jnp.inf).max(1)}


def rarely(static: Static, hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> Mapping[str, Array]:
    """What a `State` is made of."""
    model = network(static)
    data = make_dataset(draws.train, balanced_labels(static.n), static.d, hyper.s, hyper.sigma_p, hyper.alpha)
    info = training.step_info(model, state.params, data)
    optimizer = rule_for(static).transformation(hyper)
    updates, _ = optimizer.update(info.grads, state.opt_state, state.params)
    return {
        "xi": data.noise,
        "weights": state.params["w"],
        "gradient": objective_grad(info.grads, state.params, hyper.lam)["w"],
        "direction": -updates["w"] / hyper.eta,
        "doubt": jax.nn.sigmoid(-info.margin),
    }


SEEN = ("xi", "weights", "gradient", "direction", "doubt")
"""What `rarely` sees."""


def states(rows: Rows) -> list[State]:
    """The states of a lane on the `test_record` grid."""
    seen = [rows[f"{name}_path"] for name in SEEN]
    return [state_of(dict(zip(SEEN, values, strict=True))) for values in zip(*seen, strict=True)]


def state_of(rows: Rows) -> State:
    """One state, of what `rarely` has seen of it."""
    xi, *rest = (rows[name] for name in SEEN)
    return State(xi, np.asarray(balanced_labels(len(xi))), *rest)
