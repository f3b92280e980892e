"""What is true of every notebook of the site before its first cell: commands after `!` run as off a terminal."""

import os
import subprocess

from IPython import get_ipython


def system(command: str) -> None:
    """Run a command and print what it says, progress in plain lines."""
    done = subprocess.run(command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout, end="")


os.environ.pop("FORCE_COLOR", None)  # that ipykernel sets, for what is printed to a notebook
get_ipython().system = system
