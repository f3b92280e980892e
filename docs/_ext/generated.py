"""The directive `generated NOUN`: Markdown that a module of this folder makes of the package's own tables."""

from __future__ import annotations

import importlib

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from _ext import elsewhere


class Generated(SphinxDirective):
    """What `markdown()` of the module gives, in place of the directive."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes of the text."""
        module = importlib.import_module(f"_ext.{self.arguments[0]}")
        self.env.note_reread()  # code may have changed where the page has not
        page = f"{self.env.current_document.docname}.md"
        text = elsewhere.rewritten(module.markdown(), page, self.config.repository_url)
        return self.parse_text_to_nodes(text, allow_section_headings=True)
