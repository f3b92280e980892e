"""`dataset.zarr`: a copy of a sweep's Dataset for other tools."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adam_vs_gd.store.files import staging

if TYPE_CHECKING:
    import xarray as xr

COMPRESSION = 3
ZARR_CHUNK_BYTES = 2**24


def write(path: Path, dataset: xr.Dataset) -> None:
    """Write a Dataset as Zarr 3 with checksums in every chunk, in place of an older one."""
    from zarr.codecs import ZstdCodec

    compressors = [ZstdCodec(level=COMPRESSION, checksum=True)]
    encoding = {
        name: {"compressors": compressors, "chunks": zarr_chunks(variable.shape, variable.dtype.itemsize)}
        for name, variable in dataset.variables.items()
    }
    new = staging(path)
    dataset.to_zarr(new, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
    while True:
        old = staging(path)
        with contextlib.suppress(FileNotFoundError):
            path.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        try:
            new.rename(path)
            return
        except OSError as error:  # another process has just put its own there
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def says(path: Path, dataset: xr.Dataset) -> str:
    """What the file is beside a Dataset: "whole", "missing", "damaged" (unreadable), or "different"."""
    if not path.exists():
        return "missing"

    import xarray as xr

    try:
        with xr.open_zarr(path, consolidated=False, mask_and_scale=False) as stored:
            same = stored.coords.keys() == dataset.coords.keys() and stored.keys() == dataset.keys()
            # one after another, so that no second Dataset is held
            same = same and all(
                stored.variables[name].compute().equals(variable) for name, variable in dataset.variables.items()
            )
    except Exception:  # damaged data can fail in any way
        return "damaged"
    return "whole" if same else "different"


def zarr_chunks(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Chunks of whole trailing axes, the leading ones cut until a chunk is at most `ZARR_CHUNK_BYTES`."""
    chunks = list(shape)
    for axis in range(len(chunks)):
        rest = int(np.prod(chunks[axis + 1 :], dtype=np.int64)) * itemsize
        chunks[axis] = max(1, min(chunks[axis], ZARR_CHUNK_BYTES // rest))
        if chunks[axis] > 1 or rest * chunks[axis] <= ZARR_CHUNK_BYTES:
            break
    return tuple(chunks)
