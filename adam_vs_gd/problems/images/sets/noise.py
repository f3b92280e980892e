"""Images and labels of noise, of CIFAR-10's size: for timing."""

from __future__ import annotations

import numpy as np

from adam_vs_gd.errors import DataError
from adam_vs_gd.problems.images.sets.image_set import ImageSet

MOST = 50_000
SHAPE = (32, 32, 3)
CLASSES = 10


def make_noise(count: int = MOST) -> ImageSet:
    """Uniform bytes and labels, the same everywhere and always; `count` images are the first of more.

    Args:
        count: training images, 1 to 50,000; there is a fifth as many test images, and one at least.

    Raises:
        DataError: if there would be none, or more.
    """
    if not 1 <= count <= MOST:
        raise DataError(f"noise:{count}: must be 1 to {MOST:,} training images")
    tests = max(1, count // 5)
    about = f"noise: {count:,} training and {tests:,} test images of uniform bytes, with random labels; for timing only"
    return ImageSet(
        "noise", images(0, count), labels(1, count), images(2, tests), labels(3, tests),
        tuple(map(str, range(CLASSES))), about,
    )  # fmt: skip


def raw(stream: int, count: int) -> np.ndarray:
    """[count] uint64 of a numbered stream. NumPy promises that these stay as they are, unlike Generator's numbers."""
    return np.random.PCG64(stream).random_raw(count)


def images(stream: int, count: int) -> np.ndarray:
    """[count, 32, 32, 3] uint8."""
    return raw(stream, count * int(np.prod(SHAPE)) // 8).astype("<u8").view(np.uint8).reshape(count, *SHAPE)


def labels(stream: int, count: int) -> np.ndarray:
    """[count] int32 of 0 to 9."""
    return (raw(stream, count) % CLASSES).astype(np.int32)
