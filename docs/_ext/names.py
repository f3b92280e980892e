"""Names in signatures and docstrings: public ones by where they are public, others by their whole module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sphinx.ext.intersphinx import missing_reference

import adam_vs_gd as ag

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

SHORT = {"ag": "adam_vs_gd", "np": "numpy", "jnp": "jax.numpy", "xr": "xarray"}
"""Names that modules are imported under."""
ELSEWHERE = ("jax", "optax", "xarray")
"""Packages whose classes are documented as the package's own, wherever they are defined."""


def whole_name(name: str) -> str:
    """A name as it is documented: `xr.Dataset` is xarray.Dataset, and what is public is adam_vs_gd's."""
    head, dot, rest = name.partition(".")
    name = SHORT.get(head, head) + dot + rest
    head, last = name.partition(".")[0], name.rpartition(".")[2]
    public = last in ag.__all__ if head == "adam_vs_gd" else head in ELSEWHERE and last[:1].isupper()
    return f"{head}.{last}" if public else name


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement) -> Any:
    """The link that a name is, where it is not documented as it is written."""
    if node.get("refdomain") != "py" or (name := whole_name(node["reftarget"])) == node["reftarget"]:
        return None
    node["reftarget"] = name
    python = env.domains["py"]
    found = python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], name, node, content)
    return found or missing_reference(app, env, node, content)
