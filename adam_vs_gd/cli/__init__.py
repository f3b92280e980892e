"""The command line."""

from adam_vs_gd.cli.main import main

__all__ = ["main"]
