"""The keys of a spec: the one table of what each number may be, its default, and how it is written on an axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Number:
    """A number of a spec: what it may be, and how it is written on an axis.

    Attributes:
        kind: int or float.
        low: smallest value allowed, or the bound itself where `above` is set.
        high: largest value allowed, or the bound itself where `below` is set.
        default: Table 1's value; None where it depends on the optimizer, or the key may be left out.
        symbol: the paper's, in matplotlib's mathtext.
        long_name: in words.
        above: whether `low` itself is excluded.
        below: whether `high` itself is excluded.
        even: whether it must be even.
    """

    kind: type
    low: float
    high: float
    default: float | None
    symbol: str
    long_name: str
    above: bool = False
    below: bool = False
    even: bool = False

    @property
    def allowed(self) -> str:
        """The values allowed, in words."""
        what = ("an even integer" if self.even else "an integer") if self.kind is int else "a number"
        low = f"{'>' if self.above else '>='} {self.low:g}"
        high = f" and {'<' if self.below else '<='} {self.high:g}" if math.isfinite(self.high) else ""
        return f"{what} {low}{high}" if self.kind is int else f"a finite number {low}{high}"

    def holds(self, value: float) -> bool:
        """Whether a number of the right type is in range."""
        return (
            abs(value) < math.inf
            and (value > self.low if self.above else value >= self.low)
            and (value < self.high if self.below else value <= self.high)
            and not (self.even and value % 2)
        )


INT_MAX = 2**31 - 1

TOP = {"steps": Number(int, 1, INT_MAX, 10_000, "$T$", "training steps")}
DATA = {
    "n": Number(int, 2, INT_MAX, 200, "$n$", "training examples", even=True),
    "d": Number(int, 2, INT_MAX, 1000, "$d$", "dimension of a patch"),
    "s": Number(int, 1, INT_MAX, 100, "$s$", "noise coordinates per example"),
    "sigma_p": Number(float, 0, math.inf, 0.1, r"$\sigma_p$", "standard deviation of the noise", above=True),
    "alpha": Number(float, 0, 1, 0.2, r"$\alpha$", "size of the feature noise"),
    "test_size": Number(int, 2, INT_MAX, 10_000, "$N$", "test examples", even=True),
}
MODEL = {
    "width": Number(int, 1, INT_MAX, 20, "$m$", "filters per class"),
    "q": Number(int, 2, 100, 3, "$q$", "power of the activation"),
    "sigma_0": Number(float, 0, math.inf, 0.01, r"$\sigma_0$", "standard deviation of the initial weights", above=True),
}
TRAIN = {
    "lam": Number(float, 0, math.inf, 1e-5, r"$\lambda$", "weight of the L2 term"),
    "batch_size": Number(int, 1, INT_MAX, None, "$B$", "examples of a batch"),  # left out: all n
}
OPTIMIZER = {
    "eta": Number(float, 0, math.inf, None, r"$\eta$", "learning rate", above=True),
    "beta1": Number(float, 0, 1, 0.9, r"$\beta_1$", "decay of the first moment", below=True),
    "beta2": Number(float, 0, 1, 0.999, r"$\beta_2$", "decay of the second moment", below=True),
    "eps": Number(float, 0, math.inf, 1e-8, r"$\epsilon$", "term added to the root of the second moment"),
}
NUMBERS: Mapping[str, Number] = {**TOP, **DATA, **MODEL, **TRAIN, **OPTIMIZER}
"""Every number that may be an axis, in the order of the dimensions."""

KINDS: Mapping[str, Mapping[str, float]] = {
    "gd": {"eta": 0.02},
    "signgd": {"eta": 5e-5},
    "adam": {"eta": 5e-5, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "adam_paper": {"eta": 5e-5, "beta1": 0.9, "beta2": 0.999},
    "momentum": {"eta": 0.002, "beta1": 0.9},
}
"""The optimizers: the numbers each has, with Table 1's values; momentum's η is GD's times 1 − β1."""

LINEAR = frozenset({"gd", "momentum"})
"""The optimizers whose steps are linear in the gradients."""


class Sizes(NamedTuple):
    """A set of images: how many there are to train on and to test on, their classes and channels."""

    train: int
    test: int
    classes: int
    channels: int


IMAGE_SETS: Mapping[str, Sizes] = {
    "textures": Sizes(1620, 540, 10, 3),
    "cifar10": Sizes(50_000, 10_000, 10, 3),
    "fashion-mnist": Sizes(60_000, 10_000, 10, 1),
    "noise": Sizes(50_000, 10_000, 10, 3),
}
CHOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "data": {
        "supports": ("independent", "disjoint"),
        "images": tuple(IMAGE_SETS),
        "split": ("test", "validation"),
        "augment": ("crop_flip", "none"),
    },
    "model": {"name": ("two_layer_cnn", "linear", "alexnet")},
    "train": {"precision": ("float32", "float64")},
}
"""Keys that name one of several; the first is the default. What follows a colon in `images` says where they are."""

SECTIONS: Mapping[str, Mapping[str, Number]] = {"data": DATA, "model": MODEL, "train": TRAIN}


def set_of(images: str) -> str:
    """The name of a set in `images`, without where it is, or how many; empty for a model of two patches, of none."""
    return images.partition(":")[0]


IMAGE_SIDE = 32
FILTER_SIDE = 11  # of AlexNet's first layer
VALIDATION = 5  # split = "validation" holds out one in so many training images, the last ones

ON_IMAGES = frozenset({"alexnet"})
"""The models of images; the others are of two patches."""
MEANINGLESS: Mapping[str, frozenset[str]] = {
    "two_layer_cnn": frozenset({"images", "split", "augment"}),
    "linear": frozenset({"images", "split", "augment", "width", "q"}),
    "alexnet": frozenset({"d", "s", "sigma_p", "alpha", "supports", "q"}),
}
"""The keys that mean nothing to a model."""
DEFAULTS: Mapping[str, Mapping[str, float]] = {"alexnet": {"width": 64, "sigma_0": 1.0, "batch_size": 128}}
"""Defaults of a model that are not Table 1's; AlexNet's σ_0 is in units of He's. Left out, n and test_size of images
are all there are."""
DEFAULT_NAME = "sweep"
DEFAULT_SEEDS = 5
DEFAULT_RECORD, IMAGE_RECORD = 100, 10  # of images fewer: a look at all of them costs as much as an epoch
RANGE_DIGITS = 12  # significant digits of a range's values, so that 0.3 is 0.3
BEST_EVERY = 10  # W* is looked for every so many steps, and at T
