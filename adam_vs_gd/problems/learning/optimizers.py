"""The optimizers, as optax transformations whose hyperparameters may be traced.

Given λ, each adds λ·W to the gradient of the data loss before anything else (L2, not decoupled), so the moments of Adam
see the gradient of the full objective, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning import table1
from adam_vs_gd.surroundings import arithmetic

if TYPE_CHECKING:
    from adam_vs_gd.types import Params


class PaperAdamState(NamedTuple):
    """Moments of `scale_by_paper_adam`."""

    mu: Params  # m
    nu: Params  # v


def scale_by_paper_adam(beta1: ArrayLike, beta2: ArrayLike) -> optax.GradientTransformation:
    """m/√v of equations (3.1)–(3.3): no bias correction, no ε, and 0/0 := 0.

    It deviates from the paper's indices in using the updated moments m^(t+1), v^(t+1): the paper's would divide 0 by 0
    at t = 0. Where v is 0 the update is 0, also when that comes from g² vanishing in rounding (|g| < 1e-22 in float32).

    Args:
        beta1: β1 in [0, 1).
        beta2: β2 in [0, 1).
    """

    def init(params: Params) -> PaperAdamState:
        return PaperAdamState(optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(updates: Params, state: PaperAdamState, params: Params = None) -> tuple[Params, PaperAdamState]:
        del params
        mu = optax.tree.update_moment(updates, state.mu, beta1, 1)
        nu = optax.tree.update_moment_per_elem_norm(updates, state.nu, beta2, 2)

        return jax.tree.map(lambda m, v: jnp.where(v == 0, 0, m / jnp.sqrt(v)), mu, nu), PaperAdamState(mu, nu)

    return optax.GradientTransformation(init, update)


DIRECTIONS: Mapping[str, Callable[[ArrayLike, ArrayLike, ArrayLike], optax.GradientTransformation]] = {
    "gd": lambda beta1, beta2, eps: optax.identity(),
    "signgd": lambda beta1, beta2, eps: optax.scale_by_sign(),
    "adam": lambda beta1, beta2, eps: optax.scale_by_adam(beta1, beta2, eps),
    "adam_paper": lambda beta1, beta2, eps: scale_by_paper_adam(beta1, beta2),
    "momentum": lambda beta1, beta2, eps: optax.trace(beta1),
}
"""name -> (β1, β2, ε) -> the transformation that turns a gradient into a direction, before −η scales it."""

GRADIENT_NORM: Mapping[str, int] = {"gd": 2, "signgd": 1, "adam": 1, "adam_paper": 1, "momentum": 2}
"""The norm in which Theorem 4.1 bounds the gradient at W*: 1 for ‖·‖_1, 2 for ‖·‖_F; momentum's is GD's."""


COMPENSATED = frozenset({"gd", "momentum"})
"""Optimizers whose steps are added with compensation: they may be smaller than the rounding of a weight, as GD's ηλ·w
is at Table 1's size, where float32 would lose an eighth of it."""


class SwitchState(NamedTuple):
    """State of `scale_by_switch`."""

    step: jax.Array  # t
    adam: Any  # Adam's moments, of the steps that it has taken


def scale_by_switch(
    name: str,
    *,
    eta: ArrayLike,
    eta_after: ArrayLike,
    switch: ArrayLike,
    beta1: ArrayLike = table1.BETA1,
    beta2: ArrayLike = table1.BETA2,
    eps: ArrayLike = table1.EPS,
) -> optax.GradientTransformation:
    """Steps of one optimizer before step `switch`, and of another from it on, as in SWATS (Keskar and Socher, 2017).

    Adam begins with moments of 0 where it begins, and its bias correction counts its own steps.

    Args:
        name: "adam_to_gd" or "gd_to_adam".
        eta: η > 0 before the switch, and
        eta_after: after it.
        switch: t_s >= 0.
        beta1: β1 in [0, 1), of Adam.
        beta2: β2 in [0, 1), of Adam.
        eps: ε >= 0, of Adam.
    """
    moments, first = optax.scale_by_adam(beta1, beta2, eps), name == "adam_to_gd"

    def init(params: Params) -> SwitchState:
        return SwitchState(jnp.zeros((), jnp.int32), moments.init(params))

    def update(updates: Params, state: SwitchState, params: Params = None) -> tuple[Params, SwitchState]:
        before = state.step < switch
        by_adam = before if first else ~before
        directions, after = moments.update(updates, state.adam, params)
        rate = jnp.where(before, eta, eta_after)
        steps = jax.tree.map(lambda adam, gradient: -rate * jnp.where(by_adam, adam, gradient), directions, updates)
        kept = jax.tree.map(lambda new, old: jnp.where(by_adam, new, old), after, state.adam)
        return steps, SwitchState(state.step + 1, kept)

    return optax.GradientTransformation(init, update)


def expect_known(name: str) -> None:
    """See that an optimizer is known.

    Raises:
        ValueError: if it is not, naming those that are.
    """
    if name not in DIRECTIONS:
        raise ValueError(f"optimizer {name!r}: must be one of {', '.join(DIRECTIONS)}")


class Rule(NamedTuple):
    """How a lane's weights are moved by its gradients.

    Attributes:
        transformation: numbers of the lane -> an optax transformation of the data loss's gradient, λ's term included.
        norm: in which the gradient at W* is measured: 1 for ‖·‖_1, 2 for ‖·‖_F.
        compensated: whether steps are added with compensation.
    """

    transformation: Callable[[Any], optax.GradientTransformation]
    norm: int = 2
    compensated: bool = False


def rule_of(name: str) -> Rule:
    """The rule of an optimizer that the package knows.

    Raises:
        ValueError: if it knows none of that name.
    """
    if name in table1.SWITCHES:
        return Rule(lambda hyper: make_switch(name, hyper), norm=2, compensated=True)
    expect_known(name)

    def transformation(hyper: Any) -> optax.GradientTransformation:
        numbers = {key: getattr(hyper, key) for key in ("eta", "lam", "beta1", "beta2", "eps")}
        return make_optimizer(name, **numbers)

    return Rule(transformation, GRADIENT_NORM[name], name in COMPENSATED)


def make_switch(name: str, hyper: Any) -> optax.GradientTransformation:
    """`scale_by_switch` with the numbers of a lane, behind the λ term."""
    numbers = {key: getattr(hyper, key) for key in table1.SWITCHES[name]}
    whole = optax.chain(optax.add_decayed_weights(hyper.lam), scale_by_switch(name, **numbers))
    return optax.GradientTransformation(*map(arithmetic(), whole))


def make_optimizer(
    name: str,
    *,
    eta: ArrayLike,
    lam: ArrayLike | None = None,
    beta1: ArrayLike = table1.BETA1,
    beta2: ArrayLike = table1.BETA2,
    eps: ArrayLike = table1.EPS,
) -> optax.GradientTransformation:
    """An optax optimizer by its name in a spec; every number may be a tracer.

    Args:
        name: "gd", "signgd" (sgn(0) = 0), "adam" (bias-corrected, as PyTorch and optax), "adam_paper" or
            "momentum" (heavy ball: u ← β1·u + g, W ← W − η·u, as torch.optim.SGD).
        eta: learning rate η > 0.
        lam: weight λ of the L2 term, added to the gradient before the moments; None leaves it out.
        beta1: β1 in [0, 1), of the Adams and of momentum.
        beta2: β2 in [0, 1), of the Adams.
        eps: ε >= 0, of "adam". With ε = 0 a zero gradient gives 0/0.

    Raises:
        ValueError: if there is no optimizer of that name.
    """
    expect_known(name)
    whole = optax.chain(
        optax.identity() if lam is None else optax.add_decayed_weights(lam),
        DIRECTIONS[name](beta1, beta2, eps),
        optax.scale_by_learning_rate(eta),
    )
    return optax.GradientTransformation(*map(arithmetic(), whole))  # optax's bias correction promotes
