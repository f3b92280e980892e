"""The commands: call, print, and give the exit status. What a command needs is imported by it."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
from typing import TYPE_CHECKING, Any

from adam_vs_gd.cli.structured import in_json
from adam_vs_gd.engine.loading import load_jax
from adam_vs_gd.errors import PlotError, SpecError

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.engine.settings import Settings
    from adam_vs_gd.results.overlay import Overlay
    from adam_vs_gd.spec.sweep_spec import SweepSpec

DONE, FAILED = 0, 1


def run_sweep(options: argparse.Namespace) -> int:
    """`adam-vs-gd sweep`."""
    from adam_vs_gd.spec.sweep_spec import SweepSpec, load_spec, parse_override
    from adam_vs_gd.store.files import RUNS

    if options.measure and not options.dry_run:
        raise SpecError("command line", ["--measure: means something only with --dry-run; add that"])
    if options.json and not options.dry_run:
        raise SpecError("command line", ["--json: means something only with --dry-run; add that, or use show --json"])
    overrides = dict(parse_override(text) for text in options.overrides)
    spec = load_spec(options.spec, overrides)
    if options.refine is not None:
        given = spec.to_dict()
        spec = SweepSpec(**given | {"refine": given.get("refine", {}) if options.refine else None})
    out = RUNS / spec.name if options.out is None else options.out
    if not options.quiet:
        print(f"{spec.name}: loading JAX", file=sys.stderr, flush=True)

    from adam_vs_gd.store.folder import Folder

    folder = Folder(out)
    if not spec.names_code:
        if spec.refine is not None:
            from adam_vs_gd.refine.question import questions_of

            questions_of(spec)
        if not options.overwrite:
            folder.check(spec)

    load_jax(idle=options.executor is not None and not options.dry_run)
    from adam_vs_gd.engine import sweep

    settings = settings_of(options)
    if options.dry_run:
        from adam_vs_gd.engine import estimate, outline
        from adam_vs_gd.refine.forecast import outlook

        todo, limits, refinement = estimate.plan_sweep(spec, None if options.overwrite else folder, settings)
        planned = outline.outline(todo, limits)
        time = estimate.estimate(spec, todo, settings) if options.measure else None
        ahead = None if refinement is None else outlook(refinement)
        if options.json:
            parts = {"refinement": ahead, "plan": planned, "time": time}
            told = {key: part.to_dict() for key, part in parts.items() if part is not None}
            print(in_json({"name": spec.name, "folder": str(folder), **told}))
            return DONE
        if ahead is not None:
            print(ahead, "the next round:", sep="\n")
        print(*filter(None, [planned, time]), sep="\n")
        return DONE
    results = sweep.sweep(spec, out, {}, settings, overwrite=options.overwrite, executor=options.executor)

    from adam_vs_gd import plot, show
    from adam_vs_gd.results.uneven import searches, unfinished

    print(show.heading(results), show.statuses(results), sep="\n\n", end="\n\n")
    try:
        for draw in (plot.suitable, plot.spent) if searches(results) else (plot.suitable,):
            picture = draw(results)
            print(folder.share(plot.save(picture, folder.figures / f"{picture.name}.png")))
    except PlotError as error:
        print(f"no picture: {error}")
    print(folder.place(folder.zarr))
    return FAILED if unfinished(results) else DONE


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that `machine_options` names."""
    from adam_vs_gd.engine.settings import Settings

    names = [field.name for field in dataclasses.fields(Settings)]
    return Settings(**{name: getattr(options, name) for name in names if hasattr(options, name)})


def run_show(options: argparse.Namespace) -> int:
    """`adam-vs-gd show`."""
    import rich

    from adam_vs_gd import show
    from adam_vs_gd.results.overview import overview
    from adam_vs_gd.store import lock
    from adam_vs_gd.store.folder import Folder

    folder = Folder(options.folder).refresh()
    word = folder.remote.holder() if folder.remote else lock.holder(folder.path)
    if options.json:
        print(in_json({"folder": str(folder), **overview(folder.dataset()), "running": word}))
        return DONE
    width = shutil.get_terminal_size().columns
    console = rich.get_console()
    with console.capture() as captured:
        console.print(show.summary(folder.dataset(), width), soft_wrap=True, highlight=False)
    print(captured.get(), end="")
    if word:
        print(f"\n{lock.described(word)}")
    return DONE


def run_verify(options: argparse.Namespace) -> int:
    """`adam-vs-gd verify`."""
    from adam_vs_gd.store import verify
    from adam_vs_gd.store.folder import Folder

    folder = Folder(options.folder)
    found = verify.verify(folder)
    if not options.json:
        print(found)
    told: dict[str, Any] = found.to_dict()
    if options.repair:
        load_jax()
        from adam_vs_gd.engine import sweep

        before, repaired = told, sweep.repair(folder, settings_of(options)) is not None or bool(folder.remote)
        if repaired:
            found = verify.verify(folder)
            if not options.json:
                print(f"\nafter the repair:\n{found}")
        told = {**found.to_dict(), "repaired": repaired, "before": before}
    if options.json:
        print(in_json(told))
    return DONE if found.whole else FAILED


def run_plot(options: argparse.Namespace) -> int:
    """`adam-vs-gd plot`."""
    from adam_vs_gd import plot
    from adam_vs_gd.spec.sweep_spec import parse_override
    from adam_vs_gd.store.folder import Folder

    folder = Folder(options.folder).refresh()
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
    print(folder.share(plot.save(picture, options.out or folder.figures / f"{picture.name}.png")))
    return DONE


def run_report(options: argparse.Namespace) -> int:
    """`adam-vs-gd report`."""
    from adam_vs_gd import report
    from adam_vs_gd.store.folder import Folder

    folder = Folder(options.folder).refresh()
    file = report.write(folder.dataset(), options.out or folder.path / "report.html", folder.journal.survey())
    print(f"{folder.share(file)} ({file.stat().st_size / 1e6:.2f} MB)")
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

    from adam_vs_gd.problems.two_patch.theory.account import account
    from adam_vs_gd.problems.two_patch.theory.table import describe

    found = account(sweep, constants, options.log_power)
    print(in_json(found.to_dict()) if options.json else describe(found))
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
    from adam_vs_gd.store.files import RUNS

    own = {"data": options.data, "download": options.download} if options.what == "figure1" else {}
    for name in ("data", "download") if not own else ():
        if getattr(options, name):
            raise SpecError("command line", [f"--{name}: means something only with figure1; leave it out"])
    given = {name: value for name, value in own.items() if value}
    seeds = options.seeds or (2 if options.quick else 5)
    of = "" if given.get("data", "textures") == "textures" else f"-{options.data.partition(':')[0]}"
    out = options.out or RUNS / f"{options.what}{of}"
    if not own:  # figure1 looks at its images first
        out.mkdir(parents=True, exist_ok=True)
    print(experiments.EXPERIMENTS[options.what](out, seeds, options.quick, options.quiet, **given))
    return DONE
