"""The command line: parse, call, print. JAX and the rest are imported by the command that needs them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adam_vs_gd.cli.arguments import bytes_of, positive, seconds_of
from adam_vs_gd.engine import terminal
from adam_vs_gd.errors import (
    DamageError,
    DataError,
    DiskError,
    FolderError,
    Interrupted,
    MachineError,
    PlotError,
    SpecError,
    TheoryError,
)

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.engine.settings import Settings
    from adam_vs_gd.results.overlay import Overlay
    from adam_vs_gd.spec.sweep_spec import SweepSpec

DONE, FAILED, BAD_INPUT = 0, 1, 2
SIGNALLED = 128  # and the number of the signal
FILES_ONLY = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
"""What matplotlib is told: the command line draws files, whatever a notebook or a user's style asks for on a screen."""
EXPERIMENTS = ("table1", "figure1", "figure2", "theorem41", "theorem42", "closeness", "lemmas", "exponents")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status. Without `arguments` it is the process's own, and so is the process."""
    if arguments is None:
        os.environ.update(FILES_ONLY)
    with terminal.lasting() as stdout:
        status = carry_out(one_value_each(sys.argv[1:] if arguments is None else arguments))
        stdout.flush()
        if isinstance(stdout.trouble, BrokenPipeError):  # whoever read our output has read enough
            return status or SIGNALLED + signal.SIGPIPE
        if stdout.trouble:
            print(
                f"adam-vs-gd: what it prints is lost ({stdout.trouble.strerror}); what it computed is kept",
                file=sys.stderr,
            )
            return status or FAILED
        return status


def carry_out(arguments: Sequence[str]) -> int:
    """Parse and run a command, and say what went wrong; returns the exit status."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as said:  # help, or what is wrong with the arguments
        return int(said.code or DONE)
    signal.signal(signal.SIGTERM, terminated)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"adam-vs-gd: {message}", file=sys.stderr)
            return options.run(options)
    except (SpecError, FolderError, MachineError, PlotError, TheoryError, DataError) as error:
        print(f"adam-vs-gd: {error}", file=sys.stderr)
        return BAD_INPUT
    except (DamageError, DiskError) as error:
        print(f"adam-vs-gd: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"adam-vs-gd: {where}{error.strerror or error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt as error:
        again = " without --overwrite" if getattr(options, "overwrite", False) else ""
        print(
            f"adam-vs-gd: interrupted; what is finished is kept, and the same command{again} goes on from there",
            file=sys.stderr,
        )
        return SIGNALLED + (error.signal if isinstance(error, Interrupted) else signal.SIGINT)


def load_jax() -> None:
    """Import JAX, which reads its environment variables then.

    Raises:
        MachineError: if it cannot, with what it says.
    """
    try:
        import jax  # noqa: F401
    except Exception as error:  # whatever it raises at a value that it does not know, or without its other half
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MachineError(
            f"JAX cannot be loaded: {said}; mend its environment variables, or install it again"
        ) from None


def one_value_each(arguments: Sequence[str]) -> list[str]:
    """`--set a=1 b=2 FILE` as `--set a=1 --set b=2 FILE`: values end where no = is, so that a file may follow them."""
    spread: list[str] = []
    repeated = None
    for argument in arguments:
        if argument in ("--set", "--sel", "--constant"):
            repeated, first = argument, True
        elif repeated and "=" in argument and not argument.startswith("-"):
            spread += [] if first else [repeated]
            first = False
        else:
            repeated = None
        spread.append(argument)
    return spread


def terminated(number: int, frame: object) -> None:
    """What SIGTERM does while nothing runs that has to be brought to an end first."""
    raise Interrupted(number)


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="adam-vs-gd",
        description="Sweeps of Adam against gradient descent, and the phase diagrams of their test error.",
        epilog="Exit status: 0 done; 1 something could not be computed or printed, or is damaged; 2 bad input, nothing "
        "started; 130 or 143 interrupted, and resumable.",
    )
    commands = top.add_subparsers(required=True, metavar="command")

    sweep = commands.add_parser("sweep", help="run or resume a sweep, and draw its phase diagrams")
    sweep.add_argument("spec", metavar="SPEC.toml", type=Path, help="what to sweep; see sweeps/ for examples")
    sweep.add_argument(
        "--out", metavar="DIR", type=Path, help="folder of the results (default: runs/<name of the spec>)"
    )
    sweep.add_argument("--set", metavar="KEY=VALUE", dest="overrides", action="append", default=[],
                       help="override a key of the spec, for instance data.alpha=0.3; several may follow")  # fmt: skip
    machine_options(sweep)
    sweep.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    sweep.add_argument("--measure", action="store_true",
                       help="with --dry-run: run a second of each group, and estimate the time of all")  # fmt: skip
    sweep.add_argument("--overwrite", action="store_true", help="move a folder that is there aside, and start afresh")
    sweep.set_defaults(run=run_sweep)

    show = commands.add_parser("show", help="what a sweep is, how far it has come, and its means with intervals")
    show.add_argument("folder", metavar="DIR", type=Path, help="folder of a sweep, running or finished")
    show.set_defaults(run=run_show)

    verify = commands.add_parser("verify", help="check every committed chunk, and say which is damaged")
    verify.add_argument("folder", metavar="DIR", type=Path, help="folder of a sweep, running or finished")
    verify.add_argument("--repair", action="store_true",
                        help="set damaged chunks aside, compute their lanes again, rewrite dataset.zarr")  # fmt: skip
    machine_options(verify)
    verify.set_defaults(run=run_verify)

    plot = commands.add_parser("plot", help="draw a phase diagram (or curves, or trajectories) from a sweep")
    plot.add_argument("folder", metavar="DIR", type=Path, help="folder of a sweep, running or finished")
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
    plot.add_argument("--out", metavar="FILE", type=Path,
                      help=".png, .pdf or .svg (default: under DIR/figures); the numbers "
                      "shown are written beside it as .csv")  # fmt: skip
    plot.set_defaults(run=run_plot)

    report = commands.add_parser("report", help="one interactive HTML page of a sweep, which needs no network")
    report.add_argument("folder", metavar="DIR", type=Path, help="folder of a sweep, running or finished")
    report.add_argument("--out", metavar="FILE.html", type=Path, help="where to write it (default: DIR/report.html)")
    report.set_defaults(run=run_report)

    theory = commands.add_parser("theory", help="which of the paper's conditions each point meets, "
                                 "and what they predict")  # fmt: skip
    theory.add_argument("sweep", metavar="SPEC.toml", type=Path,
                        help="a sweep, nothing is trained; or the folder of one, whose test errors then stand beside "
                        "the predicted phases")  # fmt: skip
    theory.add_argument("--set", metavar="KEY=VALUE", dest="overrides", action="append", default=[],
                        help="override a key of the spec, as for sweep")  # fmt: skip
    theory.add_argument("--constant", metavar="NAME=VALUE", action="append", default=[],
                        help="what the paper leaves open: a factor of a condition's larger side, or of T_0, T_r, T_j "
                        "(default: 1)")  # fmt: skip
    theory.add_argument("--log-power", metavar="K", type=float, default=0.0,
                        help="polylog(n) is max(1, ln n)^K (default: 0)")  # fmt: skip
    theory.set_defaults(run=run_theory)

    bench = commands.add_parser("bench", help="speed beside what a user would pick instead, and this machine's limit")
    bench.add_argument("--quick", action="store_true", help="a fifth of the steps, once: a try")
    bench.add_argument("--out", metavar="FILE.json", type=Path, help="write the figures there as well")
    bench.set_defaults(run=run_bench)

    reproduce = commands.add_parser(
        "reproduce", help="compute one of the paper's results and set it beside the paper's"
    )
    reproduce.add_argument("what", choices=EXPERIMENTS, help="which result")
    reproduce.add_argument("--out", metavar="DIR", type=Path, help="folder of the results "
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
    reproduce.set_defaults(run=run_reproduce)
    return top


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


def run_sweep(options: argparse.Namespace) -> int:
    """`adam-vs-gd sweep`."""
    from adam_vs_gd.spec.sweep_spec import load_spec, parse_override

    if options.measure and not options.dry_run:
        raise SpecError("command line", ["--measure: means something only with --dry-run; add that"])
    overrides = dict(parse_override(text) for text in options.overrides)
    spec = load_spec(options.spec, overrides)
    out = options.out or Path("runs") / spec.name
    if not options.quiet:
        print(f"{spec.name}: loading JAX", file=sys.stderr, flush=True)

    from adam_vs_gd.store.folder import Folder

    folder = Folder(out)
    if not (options.overwrite or spec.names_code):
        folder.check(spec)

    load_jax()
    from adam_vs_gd.engine import plan, sweep

    settings = settings_of(options)
    if options.dry_run:
        todo, limits = sweep.plan_sweep(spec, None if options.overwrite else folder, settings)
        print(plan.describe(todo, limits))
        if options.measure:
            print(sweep.estimate(spec, todo, settings))
        return DONE
    results = sweep.sweep(spec, out, {}, settings, overwrite=options.overwrite)

    from adam_vs_gd import plot, show

    print(show.heading(results), show.statuses(results), sep="\n\n", end="\n\n")
    try:
        picture = plot.suitable(results)
        print(plot.save(picture, folder.figures / f"{picture.name}.png"))
    except PlotError as error:
        print(f"no picture: {error}")
    print(folder.zarr)
    return FAILED if (results.status == 0).any() else DONE


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that `machine_options` names."""
    from adam_vs_gd.engine.settings import Settings

    return Settings(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)})


def run_show(options: argparse.Namespace) -> int:
    """`adam-vs-gd show`."""
    import rich

    from adam_vs_gd import show
    from adam_vs_gd.store import lock
    from adam_vs_gd.store.folder import load_results

    width = shutil.get_terminal_size().columns
    console = rich.get_console()
    with console.capture() as captured:
        console.print(show.summary(load_results(options.folder), width), soft_wrap=True, highlight=False)
    print(captured.get(), end="")
    if word := lock.holder(options.folder):
        print(f"\n{lock.described(word)}")
    return DONE


def run_verify(options: argparse.Namespace) -> int:
    """`adam-vs-gd verify`."""
    from adam_vs_gd.store import verify
    from adam_vs_gd.store.folder import Folder

    folder = Folder(options.folder)
    report, whole = verify.verify(folder)
    print(report)
    if not options.repair:
        return DONE if whole else FAILED

    load_jax()
    from adam_vs_gd.engine import sweep

    if sweep.repair(folder, settings_of(options)) is not None:
        report, whole = verify.verify(folder)
        print(f"\nafter the repair:\n{report}")
    return DONE if whole else FAILED


def run_plot(options: argparse.Namespace) -> int:
    """`adam-vs-gd plot`."""
    from adam_vs_gd import plot
    from adam_vs_gd.spec.sweep_spec import parse_override
    from adam_vs_gd.store.folder import Folder

    folder = Folder(options.folder)
    results = folder.dataset()
    sel = dict(parse_override(text, "--sel", "eta=5e-5") for text in options.sel)
    overlays: list[Overlay] = []
    if options.theory:
        from adam_vs_gd.problems.two_patch import theory

        for name in options.theory:
            found = theory.curves(results, options.x, options.y, name, sel)
            overlays += found
            if not found:
                print(f"adam-vs-gd: {name}: does not pass through this diagram", file=sys.stderr)
    picture = plot.suitable(results, options.x, options.y, options.value, options.optimizer, sel, overlays)
    print(plot.save(picture, options.out or folder.figures / f"{picture.name}.png"))
    return DONE


def run_report(options: argparse.Namespace) -> int:
    """`adam-vs-gd report`."""
    from adam_vs_gd import report
    from adam_vs_gd.store.folder import Folder

    folder = Folder(options.folder)
    file = report.write(folder.dataset(), options.out or folder.path / "report.html", folder.journal.survey())
    print(f"{file} ({file.stat().st_size / 1e6:.2f} MB)")
    return DONE


def run_theory(options: argparse.Namespace) -> int:
    """`adam-vs-gd theory`."""
    from adam_vs_gd.spec.sweep_spec import load_spec, parse_override

    constants = dict(parse_override(text, "--constant", "lam_0=10") for text in options.constant)
    overrides = dict(parse_override(text) for text in options.overrides)
    if options.sweep.is_dir():
        if overrides:
            raise SpecError(
                "--set", [f"{options.sweep}: is a folder of results, whose spec stays as it is; name a spec"]
            )
        from adam_vs_gd.store.folder import load_results

        sweep: SweepSpec | xr.Dataset = load_results(options.sweep)
    else:
        sweep = load_spec(options.sweep, overrides)

    from adam_vs_gd.problems.two_patch.theory import table

    print(table.describe(sweep, constants, options.log_power))
    return DONE


def run_bench(options: argparse.Namespace) -> int:
    """`adam-vs-gd bench`."""
    load_jax()
    from adam_vs_gd.bench import bench

    print(bench.run(options.out, quick=options.quick, say=lambda text: print(text, file=sys.stderr, flush=True)))
    return DONE


def run_reproduce(options: argparse.Namespace) -> int:
    """`adam-vs-gd reproduce`."""
    load_jax()
    from adam_vs_gd import experiments

    own = {"data": options.data, "download": options.download} if options.what == "figure1" else {}
    for name in ("data", "download") if not own else ():
        if getattr(options, name):
            raise SpecError("command line", [f"--{name}: means something only with figure1; leave it out"])
    given = {name: value for name, value in own.items() if value}
    seeds = options.seeds or (2 if options.quick else 5)
    of = "" if given.get("data", "textures") == "textures" else f"-{options.data.partition(':')[0]}"
    out = options.out or Path("runs") / f"{options.what}{of}"
    if not own:  # figure1 looks at its images first
        out.mkdir(parents=True, exist_ok=True)
    print(experiments.EXPERIMENTS[options.what](out, seeds, options.quick, options.quiet, **given))
    return DONE
