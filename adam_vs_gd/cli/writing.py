"""The commands that write a spec, or what helps an editor or a shell to write one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from adam_vs_gd.cli.arguments import here
from adam_vs_gd.cli.commands import DONE

KINDS: Mapping[str, str] = {
    "diagram": "a phase diagram of Adam and GD (default)",
    "rest": "one whose trainings go on until they are at rest",
    "refine": "a boundary that is found instead of gridded",
    "optimizers": "several optimizers beside each other",
    "images": "a network on images",
    "function": "a function of your own, and a file with one",
    "table1": "the paper's Table 1, without axes",
}
"""{kind of a new spec: what it sweeps}; each is a file in kinds/."""
SHELLS = ("bash", "zsh", "tcsh")


def declare(known: argparse._SubParsersAction) -> None:
    """Add these commands to the grammar."""
    new = known.add_parser("new", help="write a commented spec to begin with")
    new.add_argument("name", metavar="NAME", help="of the sweep; the spec becomes NAME.toml")
    new.add_argument("--kind", choices=tuple(KINDS), default="diagram",
                     help="; ".join(f"{kind}: {what}" for kind, what in KINDS.items()))  # fmt: skip
    new.add_argument("--out", metavar="FILE.toml", type=here, help="where to write the spec (default: NAME.toml)")
    new.set_defaults(run=run_new)

    spec = known.add_parser("spec", help="print a spec completed: every key, its value, symbol, range and default")
    spec.add_argument("spec", metavar="SPEC.toml", type=here, help="the spec")
    spec.add_argument("--set", metavar="KEY=VALUE", dest="overrides", action="append", default=[],
                      help="override a key of it, as for sweep")  # fmt: skip
    spec.set_defaults(run=run_spec)

    schema = known.add_parser("schema", help="print a JSON schema of specs, for editors; see docs/spec-files.md")
    schema.set_defaults(run=run_schema)

    completion = known.add_parser("completion", help="print what makes a shell complete this command line")
    completion.add_argument("shell", choices=SHELLS, help="which shell; docs/spec-files.md says where it goes")
    completion.set_defaults(run=run_completion)


def run_new(options: argparse.Namespace) -> int:
    """`adam-vs-gd new`."""
    import shlex

    from adam_vs_gd.cli import new

    out = options.out or Path(f"{options.name}.toml")
    for path in new.write(options.name, options.kind, out):
        print(path)
    print(f"next: adam-vs-gd sweep {shlex.quote(str(out))}")
    return DONE


def run_spec(options: argparse.Namespace) -> int:
    """`adam-vs-gd spec`."""
    from adam_vs_gd.spec.sweep_spec import load_spec, parse_override
    from adam_vs_gd.spec.written import written

    overrides = dict(parse_override(text) for text in options.overrides)
    print(written(load_spec(options.spec, overrides)), end="")
    return DONE


def run_schema(options: argparse.Namespace) -> int:
    """`adam-vs-gd schema`."""
    from adam_vs_gd.spec.schema import text

    print(text(), end="")
    return DONE


def run_completion(options: argparse.Namespace) -> int:
    """`adam-vs-gd completion`."""
    from adam_vs_gd.cli import completion

    print(completion.script(options.shell))
    return DONE
