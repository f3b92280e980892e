"""What of a lane is somebody else's: an optimizer, a model, a sampler of data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from adam_vs_gd.problems.learning.optimizers import Rule, rule_of
from adam_vs_gd.problems.two_patch.models import make_model

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.lane import Static


def rule_for(static: Static) -> Rule:
    """How an optimizer of the package moves the weights of lanes."""
    return rule_of(static.optimizer, static.own, static.steps)


def network(static: Static) -> Any:
    """A model of the package, its initial weights those of σ_0 = 1."""
    return make_model(static.model, static.width, static.q, options=dict(static.options))


class Own(NamedTuple):
    """Somebody else's parts, by the names of their code; empty where there are none.

    Attributes:
        rules: {code of an optimizer: (static) -> its rule}.
        model: (static) -> the model; None for the package's.
        sampler: (key, n, static, numbers) -> `data.Patches`; None for Definition 3.1's.
    """

    rules: tuple[tuple[str, Callable[[Static], Rule]], ...] = ()
    model: Callable[[Static], Any] | None = None
    sampler: Callable[..., Any] | None = None

    def rule(self, static: Static) -> Rule:
        """How a lane's weights are moved."""
        code = static.foreign.get("optimizer")
        return rule_for(static) if code is None else dict(self.rules)[code](static)

    def network(self, static: Static) -> Any:
        """A lane's model, its initial weights those of σ_0 = 1."""
        return self.model(static) if self.model else network(static)


BUILT_IN = Own()
