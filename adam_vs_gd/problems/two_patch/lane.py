"""A lane of the two-patch problem: its numbers, its shapes, and what it carries from step to step. No JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.learning.numbers import NUMERICS
from adam_vs_gd.types import STEPS

if TYPE_CHECKING:
    from adam_vs_gd.problems.learning.steps import Windows
    from adam_vs_gd.types import Array, Params, Scalar


class Hyper(NamedTuple):
    """Numbers that may differ from lane to lane without recompiling: scalars of one lane, or [L] arrays of a chunk.

    Numbers that the lane's optimizer does not have (β1 for GD) are 0 and never read. New ones are added at the end,
    with a default that means what was done before.
    """

    alpha: Scalar  # α, size of the feature noise, in [0, 1]
    s: Scalar  # s, noise coordinates of an example, an integer in 1 .. min(R, d-1)
    sigma_p: Scalar  # σ_p > 0, standard deviation of a noise coordinate
    sigma_0: Scalar  # σ_0 > 0, standard deviation of an initial weight
    lam: Scalar  # λ >= 0, weight of the L2 term
    eta: Scalar  # η > 0, learning rate
    beta1: Scalar = 0.0  # β1 in [0, 1)
    beta2: Scalar = 0.0  # β2 in [0, 1)
    eps: Scalar = 0.0  # ε >= 0, outside the root
    own: tuple[Scalar, ...] = ()  # numbers that only some optimizers or data have, in the order of `Static.own`
    eta_after: Scalar = 0.0  # η' > 0, learning rate after the switch
    switch: Scalar = 0  # t_s, the step from which on the optimizer is another, an integer


NAMED = ("alpha", "s", "sigma_p", "sigma_0", "lam", "eta", "beta1", "beta2", "eps")
"""Numbers that every digest counts; later ones count off their default. Nothing is ever added here."""


@dataclass(frozen=True)
class Static:
    """What decides the shape of a lane's arrays or the program that trains it: lanes that agree here run together."""

    optimizer: str = "adam"
    model: str = "two_layer_cnn"
    supports: str = "independent"
    precision: str = "float32"
    steps: int = table1.STEPS  # T
    n: int = table1.N
    d: int = table1.D
    width: int = table1.WIDTH  # m; 1 for the linear model
    q: int = table1.Q  # 1 for the linear model
    test_size: int = table1.TEST_SIZE
    batch_size: int = 0  # B, examples of a step; 0 for all n
    code: tuple[tuple[str, str], ...] = ()  # (what is somebody else's, how its code is named): optimizer, model, data
    own: tuple[str, ...] = ()  # names of the numbers that only some optimizers or data have, and
    options: tuple[tuple[str, Any], ...] = ()  # what else is compiled in
    until: str = STEPS  # or REST: trained until it is at rest, `steps` at most
    sampler: str = ""  # of the data, one of `sections.SAMPLERS`; "" for Definition 3.1's

    @property
    def named(self) -> dict[str, Any]:
        """{field: value} that a lane's digest is made of.

        All fields that there were at first, and of those added since the ones that are not at their default: so lanes
        that were trained before a field was added keep their names. New fields are added at the end.
        """
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name in AT_FIRST or getattr(self, f.name) != f.default
        }

    def identity(self, hyper: Hyper) -> list[Any]:
        """All that determines a lane's result beside its seed and record."""
        return [NUMERICS.get(self.optimizer, 1), self.named, named_numbers(hyper)]

    def option(self, name: str, default: Any = None) -> Any:
        """What is compiled in under a name."""
        return dict(self.options).get(name, default)

    @property
    def foreign(self) -> Mapping[str, str]:
        """{what is somebody else's: how its code is named}."""
        return dict(self.code)


AT_FIRST = frozenset(
    {"optimizer", "model", "supports", "precision", "steps", "n", "d", "width", "q", "test_size"}
)  # fields of `Static` that every digest counts: nothing is ever added here


def named_numbers(hyper: Hyper) -> dict[str, Any]:
    """{name: number} that a lane's digest is made of; see `NAMED`."""
    default = hyper._field_defaults
    return {name: value for name, value in hyper._asdict().items() if name in NAMED or value != default[name]}


class Best(NamedTuple):
    """W* of Theorem 4.1 so far: the iterate of smallest gradient norm since t_fit.

    "Since t_fit" is this project's. The paper's (A.7) is the argmin over all iterates, which at these sizes is next to
    the start: the origin is a critical point.
    """

    params: Params
    grad_norm: Array  # in the optimizer's own norm; inf while there is no candidate
    step: Array  # -1 while there is no candidate


class TrainState(NamedTuple):
    """What a lane carries from step to step."""

    params: Params
    opt_state: Any
    best: Best
    fit_step: Array  # t_fit, int32; -1 while it has not been reached
    windows: Windows
    rest: Params = ()  # what rounding has kept from the weights so far, where steps are added with compensation
    order: Any = ()  # [n] the examples in this epoch's order, where steps are taken on batches
