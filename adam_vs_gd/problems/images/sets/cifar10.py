"""CIFAR-10 (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009), its binary version.

The MD5 of the archive is the one on its page, https://www.cs.toronto.edu/~kriz/cifar.html. Those of the single files
are not on it: several projects that fetch the data publish the same six (pytorch-cpp in its CMake files, dldataset in
Go). So an archive is held against the author's sum, and a folder against theirs.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from adam_vs_gd.errors import DataError
from adam_vs_gd.problems.images.sets.download import fetch
from adam_vs_gd.problems.images.sets.image_set import ImageSet
from adam_vs_gd.problems.images.sets.published import Published, check, md5_of, read, unzip

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE, FOLDER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
TRAIN, TEST = tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"
FILES: Mapping[str, Published] = {
    ARCHIVE: Published(170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"),
    "data_batch_1.bin": Published(30_730_000, "5dd7e06a14cb22eb9f671a540d1b7c25"),
    "data_batch_2.bin": Published(30_730_000, "5ea93a67294ea407fff1d09f752e9692"),
    "data_batch_3.bin": Published(30_730_000, "942cd6a4bcdd0dd3c604fbe906cb4421"),
    "data_batch_4.bin": Published(30_730_000, "ae636b3ba5c66a11e91e8cb52e771fcb"),
    "data_batch_5.bin": Published(30_730_000, "53f37980c15c3d472c316c40844f3f0d"),
    "test_batch.bin": Published(30_730_000, "803d5f7f4d78ea53de84dbe85f74fb6d"),
}
PICKLED = Published(170_498_071, "c58f30108f718f92721af3b95e74349a")
PICKLED_NAMES = ("cifar-10-python.tar.gz", "cifar-10-batches-py", "data_batch_1")

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE, CHANNELS = 32, 3
RECORD = 1 + CHANNELS * SIDE * SIDE
SLACK = 1 << 20
"""Bytes of the unpacked archive beside the six files: headers, padding, two small files."""

WANTED = f"give {ARCHIVE} or the folder {FOLDER}, from {URL}; --download fetches it"
AGAIN = f"delete it or move it away, and fetch it again from {URL}, or with --download"


def load_cifar10(
    path: Path, download: bool = False, files: Mapping[str, Published] = FILES, url: str = URL
) -> ImageSet:
    """Read CIFAR-10.

    The archive is never unpacked to disk, and needs about 0.7 GB of memory for a moment.

    Args:
        path: the archive, the folder of its files, or a folder that holds either (then the archive is read).
        download: fetch the archive to `path` (if that ends in .tar.gz), or into the folder `path`, if neither is there.
        files: what is known of the archive and of each file.
        url: where to fetch it.

    Returns:
        50,000 and 10,000 images [32, 32, 3], in the order of the files.

    Raises:
        DataError: if it is not there, is the pickled version, is damaged or incomplete, or cannot be fetched.
    """
    found = locate(path)
    if found is None and download:
        found = path if path.name.endswith(".tar.gz") else path / ARCHIVE
        fetch(url, found, files[ARCHIVE])
    if found is None or (found.is_file() and found.name in PICKLED_NAMES):
        raise not_found(path)
    if found.is_file():
        contents = from_archive(found, files)
        checked = f"the MD5 is that of {URL}"
    else:
        contents = from_folder(found, files)
        checked = "the MD5 of each file is that of the published archive's"
    train, train_labels = images_of(found, [contents[name] for name in TRAIN])
    test, test_labels = images_of(found, [contents[TEST]])
    about = f"CIFAR-10 (Krizhevsky 2009): {len(train):,} training and {len(test):,} test images from {found}; {checked}"
    return ImageSet("cifar10", train, train_labels, test, test_labels, CLASSES, about)


def locate(path: Path) -> Path | None:
    """The archive, or the folder of the .bin files, that `path` is or holds."""
    if path.is_file():
        return path
    if (path / ARCHIVE).is_file():
        return path / ARCHIVE
    folders = (path / FOLDER, path)
    return next((folder for folder in folders if any((folder / name).exists() for name in (*TRAIN, TEST))), None)


def not_found(path: Path) -> DataError:
    """Says that the binary version is not there, and whether the pickled one is."""
    names = [name for name in PICKLED_NAMES if path.name == name or (path / name).exists()]
    if names:
        return pickled(path, names[0])
    found = "holds no CIFAR-10" if path.is_dir() else "is there, but is no file" if path.exists() else "is not there"
    return DataError(f"{path}: {found}; {WANTED}")


def pickled(path: Path, name: str) -> DataError:
    """Says that pickles are not read."""
    return DataError(
        f"{path}: has CIFAR-10's pickled version ({name}), and to read a pickle is to run what it says; "
        f"give the binary version, {ARCHIVE} from {URL}; --download fetches it"
    )


def from_folder(folder: Path, files: Mapping[str, Published]) -> dict[str, bytes]:
    """The six files of a folder, each of the known size and MD5."""
    contents = {}
    for name in (*TRAIN, TEST):
        contents[name] = read(folder / name, files[name].size, WANTED)
        check(folder / name, contents[name], files[name], AGAIN)
    return contents


def from_archive(path: Path, files: Mapping[str, Published]) -> dict[str, bytes]:
    """The six files of an archive whose size and MD5 are known; other members are passed over."""
    content = read(path, max(files[ARCHIVE].size, PICKLED.size), AGAIN)
    if len(content) == PICKLED.size and md5_of(content) == PICKLED.md5:
        raise pickled(path, PICKLED_NAMES[0])
    check(path, content, files[ARCHIVE], AGAIN)
    wanted = {f"{FOLDER}/{name}": name for name in (*TRAIN, TEST)}
    unpacked = unzip(path, content, sum(files[name].size for name in wanted.values()) + SLACK, AGAIN)
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r|") as archive:  # a stream: it can go forward only
            for member in archive:
                if (name := wanted.get(member.name)) is None:
                    continue
                file = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if file is None or member.size != files[name].size or name in contents:
                    raise DataError(
                        f"{path}: {member.name} is there twice, no plain file, or of {member.size:,} bytes "
                        f"instead of {files[name].size:,}; {AGAIN}"
                    )
                contents[name] = file.read(member.size)
    except DataError:
        raise
    except Exception as error:  # whatever a tar reader trips over in bytes that are no tar
        raise DataError(f"{path}: is no tar archive, or a damaged one ({error}); {AGAIN}") from error
    missing = [name for name in wanted.values() if len(contents.get(name, b"")) != files[name].size]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)} in {FOLDER}; {AGAIN}")
    return contents


def images_of(path: Path, contents: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 32, 32, 3] and labels [n] of files of records: a label, then planes of red, green and blue by rows."""
    records = np.frombuffer(b"".join(contents), np.uint8).reshape(-1, RECORD)
    labels = records[:, 0].astype(np.int32)
    if labels.max() >= len(CLASSES):
        raise DataError(f"{path}: has the label {labels.max()} instead of 0 to {len(CLASSES) - 1}; {AGAIN}")
    counts, each = np.bincount(labels, minlength=len(CLASSES)), len(labels) // len(CLASSES)
    if (counts != each).any():
        raise DataError(f"{path}: has {counts.min():,} to {counts.max():,} images a class instead of {each:,}; {AGAIN}")
    planes = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
