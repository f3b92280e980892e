"""What makes a shell complete the command line: the grammar in the shell's own language, by shtab."""

from __future__ import annotations

import argparse

import shtab

from adam_vs_gd.cli import grammar

PLACES = {"FILE": shtab.FILE, "SPEC": shtab.FILE, "DIR": shtab.DIRECTORY}
"""What the metavar of an argument that names a place begins with, and what is offered there."""


def script(shell: str) -> str:
    """The script for a shell, "bash", "zsh" or "tcsh", to be read by it."""
    parser = grammar.parser()
    mark(parser)
    return shtab.complete(parser, shell)


def mark(parser: argparse.ArgumentParser) -> None:
    """Say of every argument that names a file or a folder, in commands too, that it does."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                mark(command)
        elif offered := PLACES.get(str(action.metavar).partition(".")[0]):
            vars(action)["complete"] = offered  # where shtab looks
