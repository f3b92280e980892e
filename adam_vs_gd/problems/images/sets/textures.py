"""Crops of photographs that scikit-image and scikit-learn ship: a class a photograph, nothing to download.

Where they are from, as told by scikit-image's data functions and scikit-learn's README of its images:
astronaut, hubble: NASA, public domain. brick, gravel: CC0Textures, CC0. grass: linolafett, CC0. coffee: Rachel
Michetti, CC0. ihc (stained tissue): Center for Microscopy and Molecular Imaging, no known restrictions. motorcycle: the
Middlebury 2014 stereo benchmark (Scharstein et al., GCPR 2014), no licence told. china: danielbuechele, CC BY 2.0.
flower: vultilion, CC BY 2.0 (the README's text names danielbuechele, its link vultilion).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np

from adam_vs_gd.errors import DataError
from adam_vs_gd.problems.images.sets.image_set import ImageSet

SKIMAGE, SKLEARN = ("skimage", "data"), ("sklearn", "datasets", "images")
SOURCES = {
    "astronaut": (*SKIMAGE, "astronaut.png"),
    "brick": (*SKIMAGE, "brick.png"),
    "china": (*SKLEARN, "china.jpg"),
    "coffee": (*SKIMAGE, "coffee.png"),
    "flower": (*SKLEARN, "flower.jpg"),
    "grass": (*SKIMAGE, "grass.png"),
    "gravel": (*SKIMAGE, "gravel.png"),
    "hubble": (*SKIMAGE, "hubble_deep_field.jpg"),
    "ihc": (*SKIMAGE, "ihc.png"),
    "motorcycle": (*SKIMAGE, "motorcycle_left.png"),
}
"""Class -> package, folders and file."""
SIDE = 32
GOLDEN = (5**0.5 - 1) / 2
FIX = "pip install --force-reinstall scikit-image scikit-learn"


def load_textures() -> ImageSet:
    """Cut the photographs along a grid into crops of 32x32, a quarter of them for the test.

    Cell (i, j) of the grid is a test crop where i + 2j is divisible by 4. Each class has as many crops as the smallest
    has (coffee, 12x18 cells: 162 to train on and 54 to test on, so 1,620 and 540 in all), spread evenly over the
    photograph. The classes take turns, so that the first k are balanced. Brick, grass and gravel are grey: the
    same in each channel. A decoder may round a JPEG (china, flower, hubble) by one, which `digest` tells.

    A random forest of 200 trees on the pixels finds 80% of the test crops' classes, logistic regression 49%.

    Raises:
        DataError: if scikit-image or scikit-learn is not installed, or lacks a file.
    """
    crops = [crops_of(photograph(*source)) for source in SOURCES.values()]
    train, train_labels = take_turns([train for train, _ in crops])
    test, test_labels = take_turns([test for _, test in crops])
    versions = " and ".join(f"{name} {importlib.metadata.version(name)}" for name in ("scikit-image", "scikit-learn"))
    about = (
        f"textures: {len(train):,} training and {len(test):,} test crops of {SIDE}x{SIDE}, disjoint, "
        f"from {len(SOURCES)} photographs shipped with {versions}"
    )
    return ImageSet("textures", train, train_labels, test, test_labels, tuple(SOURCES), about)


def photograph(package: str, *parts: str) -> np.ndarray:
    """[h, w, 3] uint8 of an image file within a package, which is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise DataError(f"textures: needs photographs of {package}, which is missing; pip install 'adam-vs-gd[images]'")
    path = Path(found.origin).parent.joinpath(*parts)
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise DataError(f"{path}: {reason}, though {package} is installed and ships it; {FIX}") from error


def crops_of(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Disjoint crops [n, 32, 32, 3] and [N, 32, 32, 3] of an image [h, w, 3], to train on and to test on."""
    i, j = image.shape[0] // SIDE, image.shape[1] // SIDE
    cells = image[: i * SIDE, : j * SIDE].reshape(i, SIDE, j, SIDE, 3).swapaxes(1, 2)
    testing = (np.arange(i)[:, np.newaxis] + 2 * np.arange(j)) % 4 == 0
    return cells[~testing], cells[testing]


def take_turns(classes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, ...] in which a first of each class is followed by a second of each, and labels [n] int32.

    Those of a class come in the order of the multiples of the golden ratio, modulo 1: however many one takes, they are
    spread evenly over the photograph.
    """
    count = min(map(len, classes))
    if count == 0:
        raise DataError(f"textures: a photograph is smaller than a crop; {FIX}")
    order = np.argsort(np.arange(1, count + 1) * GOLDEN % 1)
    chosen = np.stack([images[order * len(images) // count] for images in classes], axis=1)
    return chosen.reshape(-1, *chosen.shape[2:]), np.tile(np.arange(len(classes), dtype=np.int32), count)
