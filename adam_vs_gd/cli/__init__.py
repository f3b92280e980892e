"""The command line."""

from adam_vs_gd.cli.main import BAD_INPUT, DONE, FAILED, main

__all__ = ["BAD_INPUT", "DONE", "FAILED", "main"]
