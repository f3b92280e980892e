"""A set of small images with their classes."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

import numpy as np


class ImageSet(NamedTuple):
    """Images to train on and images to test on.

    Attributes:
        name: cifar10, fashion-mnist, textures or noise.
        train: [n, h, w, c] uint8.
        train_labels: [n] int32, indices into `classes`.
        test: [N, h, w, c] uint8.
        test_labels: [N] int32.
        classes: what each label means.
        about: one sentence: which data, from where, how many.
    """

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    about: str

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the name, the classes, and every array with its shape; not of where they were found."""
        digest = hashlib.sha256(json.dumps([self.name, self.classes]).encode())
        for array in (self.train, self.train_labels, self.test, self.test_labels):
            stored = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{array.dtype.name} {array.shape} ".encode())
            digest.update(stored.data)
        return digest.hexdigest()
