"""The images that the lanes of a sweep read, and the functions that train on them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from adam_vs_gd.engine.chunk import batched
from adam_vs_gd.errors import DataError
from adam_vs_gd.problem import Way
from adam_vs_gd.problems.images.alexnet import AlexNet
from adam_vs_gd.problems.images.network import ImageData, image_problem
from adam_vs_gd.problems.images.numbers import IMAGE_SETS
from adam_vs_gd.problems.images.sets import ImageSet, load_images

if TYPE_CHECKING:
    from collections.abc import Callable

    from adam_vs_gd.problem import Batch
    from adam_vs_gd.problems.images.lane import Static


@functools.lru_cache(maxsize=2)
def images_of(source: str) -> ImageSet:
    """`load_images`, kept."""
    return load_images(source)


@functools.lru_cache(maxsize=2)
def on_images(source: str) -> Callable[[Static, Any, Way, int], Batch]:
    """The functions of networks on a set of images; the same for the same set, so that programs are compiled once."""
    images = images_of(source)

    def make(static: Static, extent: None, way: Way, block: int) -> Batch:
        data = image_data(images, static)
        network = AlexNet(IMAGE_SETS[static.images].classes, static.width)
        return batched(image_problem(static, network, lambda: data))

    return make


def image_data(images: ImageSet, static: Static) -> ImageData:
    """The images of a lane: the first n to train on; of the test set, or of the end of the training set, to test on.

    Raises:
        DataError: if there are not so many.
    """
    train, test = (images.train, images.train_labels), (images.test, images.test_labels)
    first, most = 0, len(images.train)
    if static.split == "validation":
        first = most = len(images.train) - static.test_size
        test = train
    if first < 0 or first + static.test_size > len(test[0]) or static.n > most:
        raise DataError(
            f"{images.name}: has {len(images.train)} training and {len(images.test)} test images, too few for "
            f'data.n = {static.n} and data.test_size = {static.test_size} with split = "{static.split}"'
        )
    mean, deviation = moments(train[0][: static.n])
    chosen, real = slice(first, first + static.test_size), np.dtype(static.precision)
    return ImageData(
        train[0][: static.n], train[1][: static.n], test[0][chosen], test[1][chosen],
        mean.astype(real), deviation.astype(real),
    )  # fmt: skip


def moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[c] mean and standard deviation, 1 for a constant, of the channels of [n, h, w, c] bytes; of exact counts."""
    counts = np.stack([np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])])
    shares, values = counts / counts.sum(1, keepdims=True), np.arange(256.0)
    mean = shares @ values
    deviation = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(1))
    return mean, np.where(deviation > 0, deviation, 1)
