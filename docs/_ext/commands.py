"""The reference of the command line, from its parser."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping

from _ext.markdown import linked, named, table
from adam_vs_gd.cli.grammar import parser


def markdown() -> str:
    """The page below its introduction."""
    top = parser()
    return "\n".join([f"{top.epilog}\n", *(of_command(*item) for item in subcommands(top).items())])


def subcommands(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """{its name: the parser} of every command."""
    (action,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return dict(action.choices)


def helps(top: argparse.ArgumentParser) -> Mapping[str, str]:
    """{command: what `--help` says of it in a line}."""
    (action,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return {choice.dest: str(choice.help) for choice in action._choices_actions}


def of_command(name: str, command: argparse.ArgumentParser) -> str:
    """A command: what it does, how it is typed, and each of its arguments."""
    usage = " ".join(command.format_usage().removeprefix("usage: ").split())
    rows = list(arguments(name, command))
    return f"## `{name}`\n\n{text(helps(parser())[name]).capitalize()}.\n\n```text\n{wrapped(usage)}\n```\n\n" + table(
        ("argument", "meaning"), rows
    )


def arguments(name: str, command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """A row for each argument but --help."""
    for action in command._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        what = action.metavar or (action.dest if not action.option_strings else action.dest.upper())
        takes = f" {what}" if action.nargs != 0 and action.option_strings else ""
        typed = [f"{option}{takes}" for option in action.option_strings] or [str(what)]
        cells = [named(one, f"{name}.{one.split()[0].lstrip('-')}") for one in typed]
        allowed = f" One of {', '.join(f'`{one}`' for one in action.choices)}." if action.choices else ""
        yield ", ".join(cells), text(str(action.help)).rstrip(".") + "." + allowed


def text(help_: str) -> str:
    """A help text in Markdown: options are code, other characters what they are."""
    plain = "".join(f"\\{c}" if c in "<>*_[]`|" else c for c in help_.replace("%%", "%"))
    return linked(re.sub(r"(?<!\S)--[a-z-]+", r"`\g<0>`", plain))


def wrapped(usage: str, width: int = 88) -> str:
    """A usage in lines, each option whole."""
    lines = [""]
    for piece in pieces(usage):
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > width:
            lines.append("   ")
        lines[-1] += f" {piece}" if lines[-1] else piece
    return "\n".join(lines)


def pieces(usage: str) -> list[str]:
    """The words of a usage, what stands in brackets together."""
    found, depth = [""], 0
    for word in usage.split(" "):
        found[-1] += f" {word}" if found[-1] else word
        depth += word.count("[") - word.count("]")
        if not depth:
            found.append("")
    return [piece for piece in found if piece]
