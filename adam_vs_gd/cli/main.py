"""The command line: parse, call, print. JAX and the rest are imported by the command that needs them."""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Sequence

from adam_vs_gd.cli import grammar
from adam_vs_gd.cli.commands import DONE, FAILED
from adam_vs_gd.engine import terminal
from adam_vs_gd.errors import (
    DamageError,
    DataError,
    DiskError,
    ExecutorError,
    FolderError,
    Interrupted,
    MachineError,
    PlotError,
    SpecError,
    TheoryError,
)

BAD_INPUT = 2
SIGNALLED = 128  # and the number of the signal
FILES_ONLY = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
"""What matplotlib is told: the command line draws files, whatever a notebook or a user's style asks for on a screen."""
OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Python looks for garbage after so many new objects, not 700: importing and tracing make many, and hardly garbage."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status. Without `arguments` it is the process's own, and so is the process."""
    if arguments is None:
        os.environ.update(FILES_ONLY)
        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
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
    parser = grammar.parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return BAD_INPUT
    try:
        options = parser.parse_args(arguments)
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
    except (DamageError, DiskError, ExecutorError) as error:
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
