"""The command line."""

from adam_vs_gd.cli.commands import DONE, FAILED
from adam_vs_gd.cli.main import BAD_INPUT, SIGNALLED, main

__all__ = ["BAD_INPUT", "DONE", "FAILED", "SIGNALLED", "main"]
