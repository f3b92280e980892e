"""What may be typed."""

from __future__ import annotations

import argparse

from adam_vs_gd.cli import commands, tables, writing
from adam_vs_gd.cli.arguments import A_SWEEP, Parser, bytes_of, here, json_option, positive, seconds_of

EXPERIMENTS = (
    "table1", "figure1", "figure2", "theorem41", "theorem42", "closeness", "lemmas", "exponents", "rest",
    "metastable", "cao2022", "kou2023", "chen2023", "tang2025", "vasudeva2025", "baek2025",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = Parser(
        prog="adam-vs-gd",
        description="Sweeps of Adam against gradient descent, and the phase diagrams of their test error.",
        epilog="Exit status: 0 done; 1 something could not be computed or printed, or is damaged; 2 bad input, nothing "
        "started; 130 or 143 interrupted, and resumable.",
    )
    top.add_argument("--version", action=Version, nargs=0, help="print the version of the package")
    known = top.add_subparsers(required=True, metavar="command")
    writing.declare(known)

    sweep = known.add_parser("sweep", help="run or resume a sweep, and draw its phase diagrams")
    sweep.add_argument("spec", metavar="SPEC.toml", type=here, help="what to sweep; see sweeps/ for examples")
    sweep.add_argument(
        "--out",
        metavar="DIR",
        type=str,
        help="folder of the results (default: runs/<name of the spec>), or s3://bucket/prefix",
    )
    sweep.add_argument("--set", metavar="KEY=VALUE", dest="overrides", action="append", default=[],
                       help="override a key of the spec, for instance data.alpha=0.3; several may follow")  # fmt: skip
    sweep.add_argument("--refine", action=argparse.BooleanOptionalAction,
                       help="halve the cells where the test error crosses 1/2, or what [refine] of the spec says, and "
                       "leave the others; --no-refine fills the grid, whatever the spec says; see "
                       "docs/refining.md")  # fmt: skip
    machine_options(sweep)
    sweep.add_argument("--executor", metavar="WHERE",
                       help="train on many: dask (one process for each device of this machine), dask:ADDRESS or "
                       "dask:SCHEDULER.json (a cluster that is there), submitit:CONFIG.toml (jobs of Slurm); see "
                       "docs/scaling-out.md")  # fmt: skip
    sweep.add_argument("--silence", metavar="TIME", type=seconds_of, default=300.0,
                       help="with --executor: time without a sign of life after which a worker counts as lost "
                       "(default: 5m)")  # fmt: skip
    sweep.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    sweep.add_argument("--measure", action="store_true",
                       help="with --dry-run: run a second of each group, and estimate the time of all")  # fmt: skip
    sweep.add_argument("--json", action="store_true", help="with --dry-run: one JSON object; see docs/scripting.md")
    sweep.add_argument("--overwrite", action="store_true", help="move a folder that is there aside, and start afresh")
    sweep.set_defaults(run=commands.run_sweep)

    show = known.add_parser("show", help="what a sweep is, how far it has come, and its means with intervals")
    show.add_argument("folder", metavar="DIR", type=str, help=A_SWEEP)
    json_option(show)
    show.set_defaults(run=commands.run_show)

    verify = known.add_parser("verify", help="check every committed chunk, and say which is damaged")
    verify.add_argument("folder", metavar="DIR", type=str, help=A_SWEEP)
    verify.add_argument("--repair", action="store_true",
                        help="set damaged chunks aside, compute their lanes again, rewrite dataset.zarr")  # fmt: skip
    json_option(verify)
    machine_options(verify)
    verify.set_defaults(run=commands.run_verify)

    plot = known.add_parser("plot", help="draw a phase diagram (or curves, or trajectories) from a sweep")
    plot.add_argument("folder", metavar="DIR", type=str, help=A_SWEEP)
    plot.add_argument("--x", metavar="AXIS", help="horizontal axis, for instance alpha")
    plot.add_argument("--y", metavar="AXIS", help="vertical axis, for instance s")
    plot.add_argument("--value", metavar="VARIABLE", help="what to draw (default: test_error)")
    plot.add_argument("--optimizer", metavar="LABEL", action="append",
                      help="only this optimizer, or a difference such as 'adam - gd'; may be repeated")  # fmt: skip
    plot.add_argument("--sel", metavar="AXIS=VALUE", action="append", default=[],
                      help="fix another axis, for instance eta=5e-5; several may follow")  # fmt: skip
    plot.add_argument("--theory", metavar="CURVE", action="append", default=[],
                      help="draw where a condition of the paper begins to hold: signal (n·SNR^q = 1, of gd), flip, "
                      "disjoint, or another that `theory` names; may be repeated")  # fmt: skip
    plot.add_argument("--out", metavar="FILE", type=here,
                      help=".png, .pdf or .svg (default: under DIR/figures); the numbers "
                      "shown are written beside it as .csv")  # fmt: skip
    plot.set_defaults(run=commands.run_plot)

    report = known.add_parser("report", help="one interactive HTML page of a sweep, which needs no network")
    report.add_argument("folder", metavar="DIR", type=str, help=A_SWEEP)
    report.add_argument("--out", metavar="FILE.html", type=here, help="where to write it (default: DIR/report.html)")
    report.set_defaults(run=commands.run_report)

    theory = known.add_parser("theory", help="which of the paper's conditions each point meets, "
                                 "and what they predict")  # fmt: skip
    theory.add_argument("sweep", metavar="SPEC.toml", type=here,
                        help="a sweep, nothing is trained; or the folder of one, whose test errors then stand beside "
                        "the predicted phases")  # fmt: skip
    theory.add_argument("--set", metavar="KEY=VALUE", dest="overrides", action="append", default=[],
                        help="override a key of the spec, as for sweep")  # fmt: skip
    theory.add_argument("--constant", metavar="NAME=VALUE", action="append", default=[],
                        help="what the paper leaves open: a factor of a condition's larger side, or of T_0, T_r, T_j "
                        "(default: 1)")  # fmt: skip
    theory.add_argument("--log-power", metavar="K", type=float, default=0.0,
                        help="polylog(n) is max(1, ln n)^K (default: 0)")  # fmt: skip
    json_option(theory)
    theory.set_defaults(run=commands.run_theory)

    bench = known.add_parser("bench", help="speed beside what a user would pick instead, and this machine's limit")
    bench.add_argument("--quick", action="store_true", help="a fifth of the steps, once: a try")
    bench.add_argument("--out", metavar="FILE.json", type=here, help="write the figures there as well")
    bench.set_defaults(run=commands.run_bench)

    reproduce = known.add_parser("reproduce", help="compute one of the paper's results, or another paper's, and set it "
                                 "beside theirs")  # fmt: skip
    reproduce.add_argument("what", choices=EXPERIMENTS, help="which result")
    reproduce.add_argument("--out", metavar="DIR", type=here, help="folder of the results "
                           "(default: runs/<what>, of other images runs/<what>-<images>)")  # fmt: skip
    reproduce.add_argument("--seeds", metavar="N", type=positive, help="how many seeds (default: 5; 2 with --quick)")
    reproduce.add_argument("--quick", action="store_true", help="a smaller, faster version: a try, not a reproduction")
    reproduce.add_argument("--data", metavar="IMAGES",
                           help="what figure1 trains on: textures (default), crops of photographs that come with "
                           "scikit-image and scikit-learn; cifar10:PATH, its binary version; fashion-mnist:PATH; or "
                           "noise, for timing")  # fmt: skip
    reproduce.add_argument("--download", action="store_true",
                           help="with --data cifar10:PATH: fetch it into PATH, over https and checked, if it is not "
                           "there (without this nothing is ever downloaded)")  # fmt: skip
    reproduce.add_argument("--quiet", action="store_true", help="no progress on stderr")
    reproduce.set_defaults(run=commands.run_reproduce)
    tables.declare(known)
    return top


class Version(argparse.Action):
    """`--version`, which is looked up only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and end."""
        from importlib.metadata import version

        print(parser.prog, version("adam-vs-gd"))
        parser.exit()


def machine_options(command: argparse.ArgumentParser) -> None:
    """Options of the commands that train: where, and how carefully."""
    command.add_argument("--devices", metavar="N", type=positive,
                         help="spread lanes over so many devices (default: all; on a CPU one per core)")  # fmt: skip
    command.add_argument("--memory", metavar="SIZE", type=bytes_of,
                         help="memory of a chunk, for instance 4GiB: of each device, on a CPU of all together "
                              "(default: a safe share of what is free)")  # fmt: skip
    command.add_argument("--path", choices=("fast", "reference"), default="fast",
                         help="fast: exact reformulations, chosen lane by lane (default); "
                              "reference: the plain step")  # fmt: skip
    command.add_argument("--products", choices=("float32", "tf32x3", "bf16x3"), default="float32",
                         help="on an accelerator, matrix products of XLA's steps: in float32 (default), or as three "
                              "products of parts on tensor cores, which round otherwise")  # fmt: skip
    command.add_argument("--checkpoint-every", metavar="TIME", type=seconds_of, default=120.0,
                         help="time between checkpoints within a chunk: 90s, 2m, 1h (default: 2m)")  # fmt: skip
    command.add_argument(
        "--allow-mixed",
        action="store_true",
        help="mix chunks that round differently: of other platforms, paths, instruction sets or flags of XLA",
    )
    command.add_argument("--wait", action="store_true", help="wait while another process runs in the folder")
    command.add_argument("--no-compile-cache", dest="compile_cache", action="store_false",
                         help="keep no compiled programs in the user's cache folder")  # fmt: skip
    command.add_argument("--quiet", action="store_true", help="no progress on stderr")
