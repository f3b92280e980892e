"""How an optimizer's next step compares with signGD's: a `Look`, by class of coordinate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp

from adam_vs_gd.problems.learning.loss import objective_grad
from adam_vs_gd.problems.two_patch.data import NoiseRanks, balanced_labels
from adam_vs_gd.problems.two_patch.own import network, rule_for
from adam_vs_gd.problems.two_patch.training import step_info

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static, TrainState
    from adam_vs_gd.problems.two_patch.problem import TwoPatchDraws
    from adam_vs_gd.types import Array

CLASSES = ("feature", "support", "outside")
"""Coordinate 0; those that carry the noise of some training example; the rest, which have no gradient but λ·w."""

NOTHING = 1e-30
"""A gradient of a weight that has decayed to nothing: of smaller ones moments are rounded to 0, sooner or later."""


class SparseNoise(NamedTuple):
    """What of `data.Dataset` a gradient needs, without an array of n·d.

    Attributes:
        noise: the first s ranks of the noise, [n, s] coordinates and values.
        on_feature: [n] the noise on coordinate 0, −α·y.
        y: [n] labels.
    """

    noise: NoiseRanks
    on_feature: Array
    y: Array

    def project(self, w: Array) -> Array:
        """[J, m, n] inner products ⟨w, ξ_i⟩ of filters [J, m, d]."""
        return (w[..., self.noise.coordinate] * self.noise.unit).sum(-1) + w[..., :1] * self.on_feature


def class_of(hyper: Hyper, draws: TwoPatchDraws, d: int) -> Array:
    """[3, d] which coordinates each of `CLASSES` has."""
    inside = jnp.arange(draws.train.coordinate.shape[-1]) < hyper.s
    support = jnp.zeros(d, bool).at[draws.train.coordinate].max(inside)
    feature = jnp.arange(d) == 0
    return jnp.stack([feature, support, ~(feature | support)])


def agreement(static: Static, hyper: Hyper, draws: TwoPatchDraws, state: TrainState) -> Mapping[str, Array]:
    """The step that is about to be made, beside −η·sgn(∇L) of the same iterate, in each of `CLASSES`.

    Returns:
        `sign_agreement` [3], the share of weights whose update has the sign of −∇L, or whose ∇L is `NOTHING`; and
        `step_size` [3], the mean size of an update in units of η: 1 and 1 for signGD (but where a gradient is 0). NaN
        for an empty class.
    """
    model, y = network(static), balanced_labels(static.n)
    inside = jnp.arange(draws.train.unit.shape[-1]) < hyper.s
    values = jnp.where(inside, hyper.sigma_p * draws.train.unit, 0)
    data = SparseNoise(NoiseRanks(draws.train.coordinate, values), jnp.asarray(-hyper.alpha) * y, y)
    grads = step_info(model, state.params, data).grads  # type: ignore[arg-type]
    updates, _ = rule_for(static).transformation(hyper).update(grads, state.opt_state, state.params)
    gradient = objective_grad(grads, state.params, hyper.lam)
    same = (jnp.sign(updates["w"]) == -jnp.sign(gradient["w"])) | (jnp.abs(gradient["w"]) < NOTHING)
    classes = class_of(hyper, draws, static.d)

    def in_classes(values: Array) -> Array:
        return (classes * values.reshape(-1, static.d).mean(0)).sum(-1) / classes.sum(-1)

    return {"sign_agreement": in_classes(same), "step_size": in_classes(jnp.abs(updates["w"]) / hyper.eta)}
