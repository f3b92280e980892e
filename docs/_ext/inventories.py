"""Other projects' documentation, to link to; a build without a network has what stands in `NAMES`.

Sphinx asks each address for its whole inventory first. Where that cannot be had, it takes the file that is written
here, with the few names that signatures of this package have, so that the same links are there.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

PROJECTS: Mapping[str, str] = {
    "python": "https://docs.python.org/3/",
    "jax": "https://docs.jax.dev/en/latest/",
    "optax": "https://optax.readthedocs.io/en/latest/",
    "flax": "https://flax-linen.readthedocs.io/en/latest/",
    "xarray": "https://docs.xarray.dev/en/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
}
NAMES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "python": {
        "collections.abc.Callable": ("class", "library/collections.abc.html#$"),
        "collections.abc.Hashable": ("class", "library/collections.abc.html#$"),
        "collections.abc.Iterable": ("class", "library/collections.abc.html#$"),
        "collections.abc.Mapping": ("class", "library/collections.abc.html#$"),
        "collections.abc.Sequence": ("class", "library/collections.abc.html#$"),
        "concurrent.futures.Executor": ("class", "library/concurrent.futures.html#$"),
        "pathlib.Path": ("class", "library/pathlib.html#$"),
        "typing.Any": ("data", "library/typing.html#$"),
    },
    "jax": {
        "jax.Array": ("class", "_autosummary/$.html#$"),
        "jax.random.key": ("function", "_autosummary/$.html#$"),
    },
    "optax": {"optax.GradientTransformation": ("class", "api/transformations.html#$")},
    "flax": {"flax.linen.Module": ("class", "api_reference/flax.linen/module.html#$")},
    "xarray": {"xarray.DataArray": ("class", "generated/$.html#$"), "xarray.Dataset": ("class", "generated/$.html#$")},
    "numpy": {"numpy.ndarray": ("class", "reference/generated/$.html#$")},
    "matplotlib": {
        "matplotlib.axes.Axes": ("class", "api/_as_gen/$.html#$"),
        "matplotlib.figure.Figure": ("class", "api/figure_api.html#$"),
    },
}
"""{project: {name: its role, and its place behind the project's address, where $ stands for the name}}."""


def inventory(project: str) -> bytes:
    """The names of a project in the format of Sphinx's objects.inv, version 2."""
    lines = [f"{name} py:{role} 1 {place.replace('$', name)} -\n" for name, (role, place) in NAMES[project].items()]
    head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
    return f"{head}# The remainder of this file is compressed using zlib.\n".encode() + zlib.compress(
        "".join(lines).encode()
    )


def mapping(folder: Path) -> dict[str, tuple[str, tuple[None, str]]]:
    """Write an inventory for each project, and say where else its own is: Sphinx's `intersphinx_mapping`."""
    folder.mkdir(parents=True, exist_ok=True)
    for project in PROJECTS:
        (folder / f"{project}.inv").write_bytes(inventory(project))
    return {project: (url, (None, str(folder / f"{project}.inv"))) for project, url in PROJECTS.items()}
