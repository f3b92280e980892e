"""Results as files for other tools: CSV, Parquet, netCDF."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from adam_vs_gd.errors import DiskError, FolderError, MachineError
from adam_vs_gd.results.table import COLUMNS, LEFT_OUT, lanes, paths
from adam_vs_gd.store.files import publish

GRIDS: tuple[Literal["record", "test_record"], ...] = ("record", "test_record")
OF_A_TABLE = (COLUMNS, LEFT_OUT)
COMPRESSION = {"zlib": True, "complevel": 3, "shuffle": True}


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        name: of the file, where none is asked for; its ending is that of all such files.
        packages: what writes it beside pandas and xarray, if anything does; and
        extra: the extra of this package that installs those.
    """

    name: str
    packages: tuple[str, ...] = ()
    extra: str = ""

    @property
    def ending(self) -> str:
        """How the names of such files end."""
        return Path(self.name).suffix


FORMATS = {
    "csv": Format("lanes.csv"),
    "netcdf": Format("results.nc", ("h5netcdf", "h5py"), "netcdf"),
    "parquet": Format("lanes.parquet", ("pyarrow",), "parquet"),
}


def check_library(kind: str) -> None:
    """Whether what writes a format is installed.

    Raises:
        MachineError: if it is not, saying how to install it.
    """
    wanted = FORMATS[kind]
    if missing := [name for name in wanted.packages if importlib.util.find_spec(name) is None]:
        raise MachineError(
            f"{kind}: needs {' and '.join(missing)}, which this Python does not have; "
            f"pip install 'adam-vs-gd[{wanted.extra}]'"
        )


def files_of(path: Path, kind: str, *, with_paths: bool) -> list[Path]:
    """The files that an export writes: the one that is named, and those beside it.

    Args:
        path: of the table of lanes, or of the netCDF.
        kind: one of `FORMATS`.
        with_paths: whether trajectories have tables of their own.
    """
    grids = [path.with_name(f"{path.stem}-{grid}{path.suffix}") for grid in GRIDS] if with_paths else []
    return [path, *grids, *([path.with_suffix(".json")] if kind == "csv" else [])]


def refuse_existing(files: Sequence[Path]) -> None:
    """See that nothing is where files are to be.

    Raises:
        FolderError: naming what is there.
    """
    if found := [str(file) for file in files if file.exists()]:
        raise FolderError(f"{', '.join(found)}: there already; choose another name with --out, or say --overwrite")


def export(results: xr.Dataset, path: Path, kind: str, *, with_paths: bool, replace: bool) -> list[Path]:
    """Write results for other tools, every file complete or not at all.

    CSV and Parquet have the table `results.table.lanes`, numbers in as many digits as give the same bits again. What
    computed them, the spec, and what the columns are stand in a .json beside a CSV, and in the schema's metadata of
    a Parquet file (pandas reads them as `attrs`). netCDF has the whole Dataset, its trajectories and attributes.

    Args:
        results: the Dataset of a sweep, running or finished.
        path: of the table of lanes, or of the netCDF.
        kind: one of `FORMATS`.
        with_paths: write the tables of the trajectories beside that of the lanes too, those that there are.
        replace: files that are there; else they are kept.

    Returns:
        The files that were written.

    Raises:
        FolderError: if a file has appeared there in the meantime.
        DiskError: if they cannot be written.
    """
    if kind == "netcdf":
        files = {path: to_netcdf(results)}
    else:
        tables = tables_of(results, path, kind, with_paths=with_paths)
        files = {file: to_parquet(table) if kind == "parquet" else to_csv(table) for file, table in tables.items()}
        if kind == "csv":
            files[path.with_suffix(".json")] = sidecar(tables)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            if not publish(file, content, replace=replace):
                refuse_existing([file])
    except OSError as error:
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}") from None
    return list(files)


def tables_of(results: xr.Dataset, path: Path, kind: str, *, with_paths: bool) -> dict[Path, pd.DataFrame]:
    """{file: the table in it}: that of the lanes, and those of the trajectories that there are."""
    tables = {path: lanes(results)}
    if with_paths:
        for file, grid in zip(files_of(path, kind, with_paths=True)[1:], GRIDS, strict=False):
            if grid in results.dims:
                tables[file] = paths(results, grid)
    return tables


def to_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV; floats in the fewest digits that give the same bits in their own precision."""
    return table.to_csv(index=False, lineterminator="\n").encode()


def to_parquet(table: pd.DataFrame) -> bytes:
    """A table as Parquet."""
    return table.to_parquet(engine="pyarrow", index=False)


def to_netcdf(results: xr.Dataset) -> bytes:
    """A Dataset as netCDF 4, compressed."""
    encoding = {
        name: COMPRESSION for name, variable in results.variables.items()
        if variable.ndim and np.issubdtype(variable.dtype, np.number)
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        results.to_netcdf(file := Path(folder) / FORMATS["netcdf"].name, engine="h5netcdf", encoding=encoding)
        return file.read_bytes()


def sidecar(tables: Mapping[Path, pd.DataFrame]) -> bytes:
    """What computed tables, the spec, and of each file what its columns are and what it leaves out, as JSON."""
    about = [table.attrs for table in tables.values()]
    common = {key: value for key, value in about[0].items() if key not in OF_A_TABLE}
    files = {file.name: {key: table.attrs[key] for key in OF_A_TABLE} for file, table in tables.items()}
    return (json.dumps({**common, "files": files}, indent=2, default=str) + "\n").encode()
