"""The commands that hand results to other tools, and set two sweeps side by side."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from adam_vs_gd.cli.arguments import A_SWEEP, here, json_option, tolerance
from adam_vs_gd.cli.commands import DONE, FAILED
from adam_vs_gd.cli.structured import in_json
from adam_vs_gd.errors import PlotError, SpecError


def declare(known: argparse._SubParsersAction) -> None:
    """Add these commands to the grammar."""
    export = known.add_parser("export", help="the lanes of a sweep as a table for other tools: CSV, Parquet, netCDF")
    export.add_argument("folder", metavar="DIR", type=str, help=A_SWEEP)
    export.add_argument("--to", choices=("csv", "netcdf", "parquet"),
                        help="csv (default): a row a computed lane, and what computed them in a .json "
                        "beside it; parquet: the same in one file; netcdf: the whole labelled dataset")  # fmt: skip
    export.add_argument("--out", metavar="FILE", type=here,
                        help="where to write it (default: under DIR/export, replacing an older one)")  # fmt: skip
    export.add_argument("--paths", action="store_true",
                        help="write the trajectories, too, a row a lane and step, into FILE-record and "
                        "FILE-test_record")  # fmt: skip
    export.add_argument("--overwrite", action="store_true", help="replace what is at --out")
    export.set_defaults(run=run_export)

    compare = known.add_parser("compare", help="what differs between two sweeps: spec, versions, numbers")
    compare.add_argument("first", metavar="A", type=str, help=A_SWEEP)
    compare.add_argument("second", metavar="B", type=str, help="another, or the same computed elsewhere")
    compare.add_argument("--rtol", metavar="R", type=tolerance, default=0.0,
                         help="differences up to R times the larger number count as none (default: 0)")  # fmt: skip
    compare.add_argument("--atol", metavar="A", type=tolerance, default=0.0,
                         help="differences up to A count as none (default: 0, so that bits are compared)")  # fmt: skip
    json_option(compare)
    compare.set_defaults(run=run_compare)


def run_export(options: argparse.Namespace) -> int:
    """`adam-vs-gd export`."""
    from adam_vs_gd.results.uneven import unfinished
    from adam_vs_gd.store import export
    from adam_vs_gd.store.folder import Folder

    kind = format_of(options.to, options.out, {name: one.ending for name, one in export.FORMATS.items()})
    if options.paths and kind == "netcdf":
        raise SpecError("command line", ["--paths: netcdf has the trajectories anyway; leave it out"])
    export.check_library(kind)
    folder = Folder(options.folder)
    path = options.out or folder.path / "export" / export.FORMATS[kind].name
    replace = options.overwrite or options.out is None
    if not replace:
        export.refuse_existing(export.files_of(path, kind, with_paths=options.paths))
    results = folder.refresh().dataset()
    if options.paths and not {"record", "test_record"} & set(results.dims):
        raise PlotError(f"{folder}: keeps no trajectories (record = 0 in its spec); leave --paths out")
    for file in export.export(results, path, kind, with_paths=options.paths, replace=replace):
        print(f"{folder.share(file)} ({file.stat().st_size / 1e6:.2f} MB)")
    if unfinished(results):
        print("adam-vs-gd: the sweep is not finished; what is not computed yet is left out", file=sys.stderr)
    return DONE


def run_compare(options: argparse.Namespace) -> int:
    """`adam-vs-gd compare`."""
    from adam_vs_gd.results.comparison import compare
    from adam_vs_gd.results.comparison_text import describe
    from adam_vs_gd.store.folder import Folder

    folders = [Folder(name).refresh() for name in (options.first, options.second)]
    first, second = (folder.dataset() for folder in folders)
    compared = compare(first, second, options.rtol, options.atol)
    names = str(folders[0]), str(folders[1])
    print(in_json({"a": names[0], "b": names[1], **compared.to_dict()}) if options.json else describe(compared, names))
    return DONE if compared.agree else FAILED


def format_of(to: str | None, out: Path | None, endings: dict[str, str]) -> str:
    """The format that is asked for: by name, or by the ending of the file; CSV by default.

    Raises:
        SpecError: if the two are not of one format.
    """
    if out is None:
        return to or "csv"
    named = next((kind for kind, ending in endings.items() if ending == out.suffix.lower()), None)
    if named is None or to not in (None, named):
        wanted = endings[to] if to else ", ".join(endings.values())
        raise SpecError("command line", [f"--out {out}: must end in {wanted}" + (f" with --to {to}" if to else "")])
    return named
