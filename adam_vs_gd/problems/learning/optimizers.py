"""The optimizers, as optax transformations whose hyperparameters may be traced.

A gradient of the data loss passes through the parts of a `Kind`: λ·W is added to it before its direction is taken (L2),
so that the moments of Adam see the gradient of the full objective, as in the paper; or to the direction (decoupled
decay, Loshchilov and Hutter 2019), so that they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning import directions, table1
from adam_vs_gd.problems.learning.schedule import factor, scale_by_rate
from adam_vs_gd.surroundings import arithmetic

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params


class Kind(NamedTuple):
    """What an optimizer is made of.

    Attributes:
        direction: numbers of a lane -> the transformation that turns a gradient into a direction, before −η scales it.
        norm: in which Theorem 4.1 bounds the gradient at W*: 1 for ‖·‖_1, 2 for ‖·‖_F.
        compensated: whether steps are added with compensation: they may be smaller than the rounding of a weight, as
            GD's ηλ·w is at Table 1's size, where float32 would lose an eighth of it.
        decoupled: whether λ·W is added to the direction, and not to the gradient.
        before: numbers -> what the gradient of the data loss goes through first; None where that is nothing.
        ascends: whether the gradient is that of weights ρ up the hill.
    """

    direction: Callable[[Any], optax.GradientTransformation]
    norm: int = 1
    compensated: bool = False
    decoupled: bool = False
    before: Callable[[Any], optax.GradientTransformation] | None = None
    ascends: bool = False


def identity(_: Any) -> optax.GradientTransformation:
    """The gradient itself."""
    return optax.identity()


def adam(at: Any) -> optax.GradientTransformation:
    """m̂/(√v̂ + ε), bias-corrected, as in PyTorch and optax."""
    return optax.scale_by_adam(at.beta1, at.beta2, at.eps)


RULES: Mapping[str, Kind] = {
    "gd": Kind(identity, norm=2, compensated=True),
    "signgd": Kind(lambda at: optax.scale_by_sign()),
    "adam": Kind(adam),
    "adam_paper": Kind(lambda at: directions.scale_by_paper_adam(at.beta1, at.beta2)),
    "momentum": Kind(lambda at: optax.trace(at.beta1), norm=2, compensated=True),
    "nesterov": Kind(lambda at: optax.trace(at.beta1, nesterov=True), norm=2, compensated=True),
    "normalized_gd": Kind(lambda at: directions.scale_by_norm(), norm=2),
    "signum": Kind(lambda at: directions.scale_by_signum(at.beta1)),
    "lion": Kind(lambda at: optax.scale_by_lion(at.beta1, at.beta2), decoupled=True),
    "rmsprop": Kind(lambda at: optax.scale_by_rms(at.beta2, at.eps, eps_in_sqrt=False)),
    "adagrad": Kind(lambda at: directions.scale_by_adagrad(at.eps)),
    "adamw": Kind(adam, decoupled=True),
    "amsgrad": Kind(lambda at: optax.scale_by_amsgrad(at.beta1, at.beta2, at.eps)),
    "adabound": Kind(
        lambda at: directions.scale_by_adabound(at.beta1, at.beta2, at.eps, at.gamma, at.eta_final / at.eta)
    ),
    "adam_clip": Kind(adam, before=lambda at: optax.clip_by_global_norm(at.clip)),
    "adam_power": Kind(lambda at: directions.scale_by_adam_power(at.beta1, at.beta2, at.eps, at.power)),
    "sam": Kind(identity, norm=2, compensated=True, ascends=True),
    "muon": Kind(lambda at: directions.scale_by_muon(at.beta1), norm=2, decoupled=True),
}
"""The optimizers; `table1.KINDS` has their numbers."""


def scheduled(at: Any) -> dict[str, Any]:
    """The numbers of a schedule among others, those that are not there at their defaults."""
    return {key: getattr(at, key, default) for key, default in table1.SCHEDULE.items()}


COMMON = ("eta", "beta1", "beta2", "eps")
"""Numbers that every lane has a place for."""


def make_kind(name: str, at: Any, lam: ArrayLike | None, steps: int = 0) -> optax.GradientTransformation:
    """An optimizer of the gradient of the data loss.

    Args:
        name: one of `RULES`.
        at: its numbers, as attributes.
        lam: λ; None leaves its term out.
        steps: T of a training whose η is scheduled; 0 of one whose η is constant.
    """
    kind = RULES[name]
    decay = optax.identity() if lam is None else optax.add_decayed_weights(lam)
    parts = [kind.direction(at), decay] if kind.decoupled else [decay, kind.direction(at)]
    before = [kind.before(at)] if kind.before else []
    rate = scale_by_rate(at.eta, scheduled(at), steps) if steps else optax.scale_by_learning_rate(at.eta)
    whole = optax.chain(*before, *parts, rate)
    return optax.GradientTransformation(*map(arithmetic(), whole))  # optax's bias correction promotes


class SwitchState(NamedTuple):
    """State of `scale_by_switch`."""

    step: Array  # t
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
    share: Callable[[Array], ArrayLike] = lambda t: 1.0,
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
        share: (t) -> f(t), which η is multiplied by.
    """
    moments, first = optax.scale_by_adam(beta1, beta2, eps), name == "adam_to_gd"

    def init(params: Params) -> SwitchState:
        return SwitchState(jnp.zeros((), jnp.int32), moments.init(params))

    def update(updates: Params, state: SwitchState, params: Params = None) -> tuple[Params, SwitchState]:
        before = state.step < switch
        by_adam = before if first else ~before
        directions, after = moments.update(updates, state.adam, params)
        rate = jnp.where(before, eta, eta_after) * share(state.step)
        steps = jax.tree.map(lambda adam, gradient: -rate * jnp.where(by_adam, adam, gradient), directions, updates)
        kept = jax.tree.map(lambda new, old: jnp.where(by_adam, new, old), after, state.adam)
        return steps, SwitchState(state.step + 1, kept)

    return optax.GradientTransformation(init, update)


def expect_known(name: str) -> None:
    """See that an optimizer is known.

    Raises:
        ValueError: if it is not, naming those that are.
    """
    if name not in RULES:
        raise ValueError(f"optimizer {name!r}: must be one of {', '.join([*RULES, *table1.SWITCHES])}")


class Rule(NamedTuple):
    """How a lane's weights are moved by its gradients.

    Attributes:
        transformation: numbers of the lane -> an optax transformation of the data loss's gradient, λ's term included.
        norm: in which the gradient at W* is measured: 1 for ‖·‖_1, 2 for ‖·‖_F.
        compensated: whether steps are added with compensation.
        decoupled: whether λ's term is no part of the gradient.
        ascend: (numbers, weights, their gradient) -> the weights whose gradient a step takes; None for those of its
            iterate.
    """

    transformation: Callable[[Any], optax.GradientTransformation]
    norm: int = 2
    compensated: bool = False
    decoupled: bool = False
    ascend: Callable[[Any, Params, Params], Params] | None = None

    def gradient(self, hyper: Any, params: Params, grads: Params, at: Callable[[Params], Params]) -> Params:
        """The gradient of the data loss that a step takes: its iterate's, `grads`, or other weights', by `at`."""
        return grads if self.ascend is None else at(self.ascend(hyper, params, grads))

    @property
    def stationary(self) -> bool:
        """Whether a rest is a stationary point of L: not with decoupled decay, nor by gradients of other weights."""
        return not self.decoupled and self.ascend is None


def up_the_hill(rho: ArrayLike, params: Params, grads: Params) -> Params:
    """W + ρ·g/‖g‖_F, g the gradient of the data loss (Foret et al. 2021, SAM); W where g is 0."""
    norm = optax.tree.norm(grads)
    size = jnp.where(norm > 0, rho / norm, 0)
    return jax.tree.map(lambda w, g: w + size * g, params, grads)


def rule_of(name: str, own: Sequence[str] = (), steps: int = 0) -> Rule:
    """The rule of an optimizer that the package knows.

    Args:
        name: of the optimizer.
        own: names of its numbers in `hyper.own`, those that only some optimizers have.
        steps: T, over which η follows a schedule if some of those are numbers of one.

    Raises:
        ValueError: if it knows none of that name.
    """
    over = steps * any(key in table1.SCHEDULE for key in own)

    def at(hyper: Any, keys: Iterable[str]) -> Any:
        numbers = dict(zip(own, hyper.own, strict=True)) if own else {}
        return SimpleNamespace(**numbers, **{key: getattr(hyper, key) for key in keys})

    if name in table1.SWITCHES:
        switch = lambda hyper: make_switch(name, at(hyper, table1.SWITCHES[name]), hyper.lam, over)  # noqa: E731
        return Rule(switch, norm=2, compensated=True)
    expect_known(name)
    kind = RULES[name]

    def transformation(hyper: Any) -> optax.GradientTransformation:
        return make_kind(name, at(hyper, COMMON), hyper.lam, over)

    def ascend(hyper: Any, params: Params, grads: Params) -> Params:
        return up_the_hill(at(hyper, ()).rho, params, grads)

    return Rule(transformation, kind.norm, kind.compensated, kind.decoupled, ascend if kind.ascends else None)


def make_switch(name: str, at: Any, lam: ArrayLike, steps: int = 0) -> optax.GradientTransformation:
    """`scale_by_switch` with the numbers of a lane, as attributes, behind the λ term."""
    numbers = {key: getattr(at, key) for key in table1.SWITCHES[name]}
    if steps:
        numbers["share"] = lambda t: factor(scheduled(at), t, steps)
    whole = optax.chain(optax.add_decayed_weights(lam), scale_by_switch(name, **numbers))
    return optax.GradientTransformation(*map(arithmetic(), whole))


def make_optimizer(
    name: str,
    *,
    eta: ArrayLike,
    lam: ArrayLike | None = None,
    beta1: ArrayLike | None = None,
    beta2: ArrayLike | None = None,
    eps: ArrayLike | None = None,
    steps: int = 0,
    **numbers: ArrayLike,
) -> optax.GradientTransformation:
    """An optax optimizer by its name in a spec; every number may be a tracer.

    Args:
        name: "gd", "signgd" (sgn(0) = 0), "adam" (bias-corrected, as PyTorch and optax), "adam_paper", "momentum"
            (heavy ball: u ← β1·u + g, W ← W − η·u, as torch.optim.SGD), or another of `table1.KINDS`, or of
            `table1.SWITCHES`. Not "sam", whose step needs the gradient of other weights.
        eta: learning rate η > 0.
        lam: weight λ of the L2 term, added to the gradient before the moments ("adamw", "lion" and "muon": to the
            direction); None leaves it out.
        beta1: β1 in [0, 1), by default the optimizer's; means nothing to those that have none, as
        beta2: β2 in [0, 1), and
        eps: ε >= 0 do. "adam" with ε = 0 makes 0/0 of a gradient of 0.
        steps: T, which a schedule is over; needed with its numbers only.
        numbers: others of the optimizer's and of a schedule, `table1.KINDS` and `table1.SCHEDULE`; those left out
            are at their defaults.

    Returns:
        A `GradientTransformation` of pytrees of weights; its state has their shapes.

    Raises:
        ValueError: if there is no optimizer of that name, or it has no such number.
    """
    known = numbers_of(name, numbers, beta1=beta1, beta2=beta2, eps=eps)
    if name in RULES and RULES[name].ascends:
        raise ValueError(f"optimizer {name!r}: takes the gradient at other weights; use ag.train, or a sweep")
    over = any(key in table1.SCHEDULE for key in numbers)
    if over and not steps:
        raise ValueError("steps: must be given with a schedule, which is over so many steps")
    at = SimpleNamespace(eta=eta, **known)
    if name in table1.SWITCHES:
        return make_switch(name, at, 0.0 if lam is None else lam, steps * over)
    return make_kind(name, at, lam, steps * over)


def numbers_of(name: str, given: Mapping[str, ArrayLike], **moments: ArrayLike | None) -> dict[str, Any]:
    """The numbers of an optimizer beside η, and of a schedule: those that are given, the others at their defaults.

    Args:
        name: of the optimizer.
        given: {name: number} that it must have.
        moments: others, which may mean nothing to it, or be None.

    Raises:
        ValueError: if there is no optimizer of that name, or it has no such number.
    """
    if name not in table1.SWITCHES:
        expect_known(name)
    of_kind = {**table1.KINDS, **table1.SWITCHES}[name]
    known: dict[str, Any] = {key: value for key, value in of_kind.items() if key != "eta"}
    known |= table1.SCHEDULE
    for key in given:
        if key not in known:
            raise ValueError(f"optimizer {name!r}: has no {key}; it has {', '.join(['eta', *known])}")
    return {**known, **{key: value for key, value in moments.items() if value is not None and key in known}, **given}
