"""Sets of small images, as NumPy arrays; no JAX."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from adam_vs_gd.errors import DataError
from adam_vs_gd.problems.images.sets.cifar10 import load_cifar10
from adam_vs_gd.problems.images.sets.fashion import load_fashion_mnist
from adam_vs_gd.problems.images.sets.image_set import ImageSet
from adam_vs_gd.problems.images.sets.noise import make_noise
from adam_vs_gd.problems.images.sets.textures import load_textures

__all__ = ["ImageSet", "load_images"]

FORMS = {
    "textures": "textures",
    "cifar10": "cifar10:PATH",
    "fashion-mnist": "fashion-mnist:PATH",
    "noise": "noise or noise:COUNT",
}
HOW = {
    "cifar10": "cifar10:PATH names cifar-10-binary.tar.gz, the folder cifar-10-batches-bin, or a folder that holds "
    "either; with --download the archive is fetched into PATH",
    "fashion-mnist": "fashion-mnist:PATH names the folder of its four idx files, "
    "for instance /usr/share/datasets/fashion-mnist of Debian's package dataset-fashion-mnist",
}


def load_images(source: str, download: bool = False) -> ImageSet:
    """Read a set of images.

    Args:
        source: textures, cifar10:PATH, fashion-mnist:PATH, noise or noise:COUNT.
        download: fetch CIFAR-10 into PATH if it is not there.

    Raises:
        DataError: if there is no such set, or it is missing, damaged, or another than it should be.
    """
    name, colon, rest = source.partition(":")
    if name not in FORMS:
        near = difflib.get_close_matches(name.lower(), FORMS, 1, 0.5)
        hint = f"did you mean {FORMS[near[0]]}? " if near else ""
        raise DataError(f"{source}: no such images; {hint}there are {', '.join(FORMS.values())}")
    if download and name != "cifar10":
        raise DataError(f"{source}: is never downloaded; --download is for cifar10:PATH, leave it out")
    if name in HOW and not rest:
        raise DataError(f"{source}: where is it? {HOW[name]}")
    if name == "textures" and colon:
        raise DataError(f"{source}: textures are found without a path; give textures alone")
    if name == "noise" and colon and not (rest.isascii() and rest.isdecimal() and len(rest) < 10):
        raise DataError(f"{source}: {rest!r} is no number of training images; give for instance noise:5000")
    path = Path(os.path.expanduser(rest))  # no shell expands a ~ behind a colon
    try:
        match name:
            case "cifar10":
                return load_cifar10(path, download)
            case "fashion-mnist":
                return load_fashion_mnist(path)
            case "noise":
                return make_noise(*([int(rest)] if colon else []))
            case _:
                return load_textures()
    except OSError as error:  # what cannot even be looked at
        reason = error.strerror or error
        raise DataError(f"{error.filename or path}: cannot be read ({reason}); check its permissions") from error
