"""What notebooks are executed in: a reader's surroundings, but for what would not be the same on every machine.

`adam-vs-gd` is that of the Python that builds the site, and commands run as off a terminal (`startup.py`). Where cells
write, a temporary folder of each page, is `nb_execution_in_temp`; programs that one page has compiled, the others find
in the package's own cache.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

STARTUP = Path(__file__).with_name("startup.py")
"""What IPython runs before the first cell of a page."""


def prepare(app: Sphinx) -> None:
    """Make these surroundings those of the kernels that are started from here on."""
    folder = Path(tempfile.mkdtemp(prefix="ipython-"))
    builder = os.getpid()  # processes that read pages for it end earlier
    atexit.register(lambda: os.getpid() == builder and shutil.rmtree(folder, ignore_errors=True))
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True)
    shutil.copy(STARTUP, startup)
    os.environ["IPYTHONDIR"] = str(folder)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
