"""The command line: parse, call, print. JAX and the rest are imported by the command that needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from adam_vs_gd.errors import DamageError, FolderError, PlotError, SpecError

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
EXPERIMENTS = ("table1", "figure2")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except (SpecError, FolderError, PlotError) as error:
        print(f"adam-vs-gd: {error}", file=sys.stderr)
        return BAD_INPUT
    except DamageError as error:
        print(f"adam-vs-gd: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(
            "adam-vs-gd: interrupted; what is finished is kept, and the same command goes on from there",
            file=sys.stderr,
        )
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="adam-vs-gd",
        description="Sweeps of Adam against gradient descent, and the phase diagrams of their test error.",
        epilog="Exit status: 0 done; 1 something could not be computed, or is damaged; 2 bad input, nothing started; "
        "130 or 143 interrupted, and resumable.",
    )
    commands = top.add_subparsers(required=True, metavar="command")

    sweep = commands.add_parser("sweep", help="run or resume a sweep, and draw its phase diagrams")
    sweep.add_argument("spec", metavar="SPEC.toml", type=Path, help="what to sweep; see sweeps/ for examples")
    sweep.add_argument(
        "--out", metavar="DIR", type=Path, help="folder of the results (default: runs/<name of the spec>)"
    )
    sweep.add_argument("--set", metavar="KEY=VALUE", dest="overrides", action="append", default=[], nargs="+",
                       help="override a key of the spec, for instance data.alpha=0.3; may be repeated")  # fmt: skip
    sweep.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    sweep.add_argument("--overwrite", action="store_true", help="move a folder that is there aside, and start afresh")
    sweep.add_argument("--quiet", action="store_true", help="no progress on stderr")
    sweep.set_defaults(run=run_sweep)

    show = commands.add_parser("show", help="what a sweep is, how far it has come, and its means with intervals")
    show.add_argument("folder", metavar="DIR", type=Path, help="folder of a sweep, running or finished")
    show.set_defaults(run=run_show)

    plot = commands.add_parser("plot", help="draw a phase diagram (or curves, or trajectories) from a sweep")
    plot.add_argument("folder", metavar="DIR", type=Path, help="folder of a sweep, running or finished")
    plot.add_argument("--x", metavar="AXIS", help="horizontal axis, for instance alpha")
    plot.add_argument("--y", metavar="AXIS", help="vertical axis, for instance s")
    plot.add_argument("--value", metavar="VARIABLE", help="what to draw (default: test_error)")
    plot.add_argument("--optimizer", metavar="LABEL", action="append", help="only this optimizer; may be repeated")
    plot.add_argument("--sel", metavar="AXIS=VALUE", action="append", default=[], nargs="+",
                      help="fix another axis, for instance eta=5e-5; may be repeated")  # fmt: skip
    plot.add_argument("--out", metavar="FILE", type=Path, help=".png, .pdf or .svg (default: under DIR/figures)")
    plot.set_defaults(run=run_plot)

    reproduce = commands.add_parser(
        "reproduce", help="compute one of the paper's results and set it beside the paper's"
    )
    reproduce.add_argument("what", choices=EXPERIMENTS, help="which result")
    reproduce.add_argument("--out", metavar="DIR", type=Path, help="folder of the results (default: runs/<what>)")
    reproduce.add_argument("--seeds", metavar="N", type=positive, help="how many seeds (default: 5; 2 with --quick)")
    reproduce.add_argument("--quick", action="store_true", help="a smaller, faster version: a try, not a reproduction")
    reproduce.add_argument("--quiet", action="store_true", help="no progress on stderr")
    reproduce.set_defaults(run=run_reproduce)
    return top


def positive(text: str) -> int:
    """An integer >= 1 for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be an integer >= 1")
    return int(text)


def run_sweep(options: argparse.Namespace) -> int:
    """`adam-vs-gd sweep`."""
    from adam_vs_gd.spec import load_spec, parse_override

    overrides = dict(parse_override(text) for texts in options.overrides for text in texts)
    spec = load_spec(options.spec, overrides)
    out = options.out or Path("runs") / spec.name
    if not options.quiet:
        print(f"{spec.name}: loading JAX", file=sys.stderr, flush=True)

    from adam_vs_gd.store import Folder

    folder = Folder(out)
    if not options.overwrite:
        folder.check(spec)

    from adam_vs_gd import engine, plan, plot, show

    if options.dry_run:
        print(plan.describe(engine.plan_sweep(spec, None if options.overwrite else folder)))
        return DONE
    results = engine.run_sweep(spec, out, overwrite=options.overwrite, quiet=options.quiet)
    print(show.heading(results), show.statuses(results), sep="\n\n", end="\n\n")
    try:
        name, figure = plot.suitable(results)
        print(plot.save(figure, folder.figures / f"{name}.png"))
    except PlotError as error:
        print(f"no picture: {error}")
    print(folder.zarr)
    return DONE


def run_show(options: argparse.Namespace) -> int:
    """`adam-vs-gd show`."""
    from adam_vs_gd import show
    from adam_vs_gd.store import load_results

    print(show.summary(load_results(options.folder)))
    return DONE


def run_plot(options: argparse.Namespace) -> int:
    """`adam-vs-gd plot`."""
    from adam_vs_gd import plot
    from adam_vs_gd.spec import parse_override
    from adam_vs_gd.store import Folder

    folder = Folder(options.folder)
    results = folder.dataset()
    sel = dict(parse_override(text) for texts in options.sel for text in texts)
    name, figure = plot.suitable(results, options.x, options.y, options.value, options.optimizer, sel)
    print(plot.save(figure, options.out or folder.figures / f"{name}.png"))
    return DONE


def run_reproduce(options: argparse.Namespace) -> int:
    """`adam-vs-gd reproduce`."""
    from adam_vs_gd import experiments

    seeds = options.seeds or (2 if options.quick else 5)
    out = options.out or Path("runs") / options.what
    print(experiments.EXPERIMENTS[options.what](out, seeds, options.quick, options.quiet))
    return DONE


if __name__ == "__main__":
    sys.exit(main())
