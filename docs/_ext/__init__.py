"""What the site is built with beside Sphinx: pages made of the package's own tables, and links into the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry; what makes text for it can be had without it."""
    from _ext import docstrings, elsewhere, generated, mathml, names, notebooks

    app.add_config_value("repository_url", "", "env")
    app.connect("builder-inited", elsewhere.copy_pages)
    app.connect("builder-inited", notebooks.prepare)
    app.connect("source-read", elsewhere.rewrite_page)
    app.connect("autodoc-process-docstring", docstrings.escape, priority=400)
    app.connect("autodoc-skip-member", docstrings.skip)
    app.connect("missing-reference", names.resolve)
    app.add_directive("generated", generated.Generated)
    app.add_html_math_renderer("mathml", (mathml.visit_inline, None), (mathml.visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
