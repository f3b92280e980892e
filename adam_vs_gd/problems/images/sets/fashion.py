"""Fashion-MNIST (Xiao, Rasul and Vollgraf, arXiv:1708.07747, 2017).

What is checked is the MD5 of each file's unpacked content, because Debian's package dataset-fashion-mnist holds the
same files with another gzip header (its build drops their names and times). Put the names and times back, and all four
have the MD5 in the README of https://github.com/zalandoresearch/fashion-mnist: so the four sums below are those of the
original, and other projects publish the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from adam_vs_gd.errors import DataError
from adam_vs_gd.problems.images.sets.image_set import ImageSet
from adam_vs_gd.problems.images.sets.published import Published, check, read, unzip

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
FILES: Mapping[str, Published] = {
    "train-images-idx3-ubyte": Published(47_040_016, "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    "train-labels-idx1-ubyte": Published(60_008, "9018921c3c673c538a1fc5bad174d6f9"),
    "t10k-images-idx3-ubyte": Published(7_840_016, "8181f5470baa50b63fa0f6fddb340f0a"),
    "t10k-labels-idx1-ubyte": Published(10_008, "15d484375f8d13e6eb1aabb0c3f46965"),
}
"""The content of each file, unpacked."""
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SIDE, PADDED = 28, 32
SLACK = 1 << 16
"""Bytes by which a gzip file may exceed what it packs."""
UNSIGNED_BYTES = 0x08
"""The type in an idx file's header."""
FIX = (
    "Debian's package dataset-fashion-mnist puts the four files in /usr/share/datasets/fashion-mnist: give that folder"
)


def load_fashion_mnist(path: Path, files: Mapping[str, Published] = FILES) -> ImageSet:
    """Read Fashion-MNIST.

    Args:
        path: the folder of the four idx files, each with the ending .gz or unpacked.
        files: what is known of the content of each.

    Returns:
        60,000 and 10,000 images [32, 32, 1]: the 28x28 in the middle of zeros.

    Raises:
        DataError: if a file is missing, damaged, or another.
    """
    if not path.is_dir():
        found = "is there, but is no folder" if path.exists() else "is not there"
        raise DataError(f"{path}: {found}; {FIX}")
    train, train_labels = read_half(path, *TRAIN, files)
    test, test_labels = read_half(path, *TEST, files)
    about = (
        f"Fashion-MNIST (Xiao et al. 2017): {len(train):,} training and {len(test):,} test images from {path}, "
        "28x28 padded to 32x32; the MD5 of each file's content is the published one"
    )
    return ImageSet("fashion-mnist", train, train_labels, test, test_labels, CLASSES, about)


def read_half(folder: Path, images: str, labels: str, files: Mapping[str, Published]) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 32, 32, 1] and labels [n] int32."""
    pictures, classes = read_idx(folder, images, 3, files[images]), read_idx(folder, labels, 1, files[labels])
    if pictures.shape[1:] != (SIDE, SIDE) or len(pictures) != len(classes):
        raise DataError(
            f"{folder}: {images} has the shape {pictures.shape} and {labels} {classes.shape}, "
            f"instead of [n, {SIDE}, {SIDE}] and [n]; {FIX}"
        )
    if classes.size and classes.max() >= len(CLASSES):
        raise DataError(f"{folder / labels}: has the label {classes.max()}, instead of 0 to {len(CLASSES) - 1}; {FIX}")
    margin = (PADDED - SIDE) // 2
    padded = np.pad(pictures, ((0, 0), (margin, margin), (margin, margin)))
    return padded[..., np.newaxis], classes.astype(np.int32)


def read_idx(folder: Path, name: str, dimensions: int, known: Published) -> np.ndarray:
    """The array of an idx file: two zeros, the type, the number of dimensions, each in four bytes, the values."""
    path = folder / f"{name}.gz"
    if path.exists():
        content = unzip(path, read(path, known.size + SLACK, FIX), known.size, FIX)
    else:
        path = folder / name
        if not path.exists():
            raise DataError(f"{folder}: has neither {name}.gz nor {name}; {FIX}")
        content = read(path, known.size, FIX)
    magic = bytes((0, 0, UNSIGNED_BYTES, dimensions))
    if content[:4] != magic:
        raise DataError(f"{path}: begins with {content[:4].hex() or 'nothing'} instead of {magic.hex()}; {FIX}")
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    if len(content) < start or len(content) - start != int(np.prod(shape, dtype=object)):
        raise DataError(f"{path}: has {len(content):,} bytes, which are not those of the shape {shape}; {FIX}")
    check(path, content, known, FIX)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
