"""The numbers of the problem of images, and the sets that there are. No JAX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from adam_vs_gd.problem import Fit, Number, Section
from adam_vs_gd.problems import MODELS
from adam_vs_gd.problems.learning.numbers import INT_MAX
from adam_vs_gd.spec.plain import typed
from adam_vs_gd.spec.values import values


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
IMAGE_SIDE = 32
FILTER_SIDE = 11  # of AlexNet's first layer
VALIDATION = 5  # split = "validation" holds out one in so many training images, the last ones
COUNT_DIGITS = 9  # of noise:COUNT, at most

DATA = Section(
    {
        "n": Number(int, 2, INT_MAX, None, "$n$", "training examples", even=True),
        "test_size": Number(int, 2, INT_MAX, None, "$N$", "test examples", even=True),
    },
    {"images": tuple(IMAGE_SETS), "split": ("test", "validation"), "augment": ("crop_flip", "none")},
    placed=frozenset({"images"}),
    words={"images": "set of images", "split": "images that are tested on", "augment": "augmentation"},
)
MODEL = Section(
    {
        "width": Number(int, 1, INT_MAX, 64, "$m$", "filters per class"),
        "sigma_0": Number(
            float, 0, math.inf, 1.0, r"$\sigma_0$", "standard deviation of the initial weights", above=True
        ),  # in units of He's
    },
    {"name": tuple(MODELS)},
    words={"name": "model"},
)
MEANINGLESS = frozenset({"d", "s", "sigma_p", "alpha", "supports", "q"})
"""Keys that are known elsewhere."""
RECORD = 10  # fewer looks than at two patches: a look at all images costs as much as an epoch


def set_of(images: str) -> str:
    """The name of a set in `images`, without where it is, or how many."""
    return images.partition(":")[0]


def fit(given: Mapping[str, Any]) -> Fit:
    """Left out, n and test_size are all there are."""
    defaults = {"batch_size": 128, "n": lambda data: how_many(data)[0], "test_size": lambda data: how_many(data)[1]}
    return Fit("alexnet model", MEANINGLESS, defaults, RECORD)


def sizes_of(data: Mapping[str, Any]) -> Sizes | None:
    """How many images there are of the set that a [data] section names; None where there is no such set."""
    name, _, rest = str(data.get("images", next(iter(IMAGE_SETS)))).partition(":")
    sizes = IMAGE_SETS.get(name)
    if sizes and name == "noise" and rest.isdecimal() and len(rest) <= COUNT_DIGITS:
        return sizes._replace(train=int(rest), test=max(1, int(rest) // 5))
    return sizes


def how_many(data: Mapping[str, Any]) -> tuple[int, int]:
    """(n, test_size) of all images that a [data] section has to train on and to test on, where they are left out."""
    sizes = sizes_of(data)
    if sizes is None:
        return 0, 0
    if data.get("split") != "validation":
        return sizes.train, sizes.test
    n, tests = (max(values(data.get(key)), default=0) for key in ("n", "test_size"))
    held_out = sizes.train // VALIDATION
    return sizes.train - max(tests, held_out), min(held_out, sizes.train - n)


def check_images(data: Mapping[str, Any], mistakes: list[str]) -> None:
    """Whether there are so many images."""
    sizes, n, tests = sizes_of(data), *(max(values(data.get(key)), default=0) for key in ("n", "test_size"))
    if sizes is None:
        return
    if data.get("split") != "validation":
        for key, count, most in (("n", n, sizes.train), ("test_size", tests, sizes.test)):
            if count > most:
                mistakes.append(
                    f"data.{key} = {typed(data[key])}: must be at most {most}, all that {data['images']} has"
                )
    elif n + tests > sizes.train:
        mistakes.append(
            f"data.n + data.test_size = {n} + {tests}: must be at most {sizes.train}, the training images of "
            f'{data["images"]}; with split = "validation" some are trained on and the last are tested on'
        )
