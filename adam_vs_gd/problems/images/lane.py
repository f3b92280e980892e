"""A lane of the problem of images: its numbers and its shapes. No JAX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from adam_vs_gd.problems.learning.numbers import NUMERICS

if TYPE_CHECKING:
    from adam_vs_gd.types import Scalar


class Hyper(NamedTuple):
    """Numbers that may differ from lane to lane without recompiling: scalars of one lane, or [L] arrays of a chunk."""

    sigma_0: Scalar  # σ_0 > 0, initial weights in units of He's
    lam: Scalar  # λ >= 0, weight of the L2 term
    eta: Scalar  # η > 0, learning rate
    beta1: Scalar = 0.0  # β1 in [0, 1)
    beta2: Scalar = 0.0  # β2 in [0, 1)
    eps: Scalar = 0.0  # ε >= 0, outside the root
    own: tuple[Scalar, ...] = ()  # numbers that only some optimizers have, in the order of `Static.own`


@dataclass(frozen=True)
class Static:
    """What decides the shape of a lane's arrays or the program that trains it: lanes that agree here run together."""

    optimizer: str = "adam"
    steps: int = 10_000  # T
    n: int = 1620
    width: int = 64  # filters of the first layer
    test_size: int = 540
    batch_size: int = 128
    images: str = "textures"  # name of a set of images
    split: str = "test"  # or "validation", what of it the test error is of
    augment: str = "crop_flip"  # or "none", what is done to an image of a batch
    model: str = "alexnet"
    precision: str = "float32"
    own: tuple[str, ...] = ()  # names of the numbers that only some optimizers have

    def identity(self, hyper: Hyper) -> list[Any]:
        """All that determines a lane's result beside its seed and record, as its first lanes were named."""
        of_patches = {"alpha": 0.0, "s": 0, "sigma_p": 0.0}
        named = {
            "optimizer": self.optimizer, "model": self.model, "supports": "", "precision": self.precision,
            "steps": self.steps, "n": self.n, "d": 1, "width": self.width, "q": 1, "test_size": self.test_size,
            "batch_size": self.batch_size, "images": self.images, "split": self.split, "augment": self.augment,
        }  # fmt: skip
        numbers = {key: value for key, value in hyper._asdict().items() if key != "own"}
        if self.own:
            named["own"], numbers["own"] = self.own, hyper.own
        return [NUMERICS.get(self.optimizer, 1), named, of_patches | numbers]
