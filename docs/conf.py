"""The site: `python -m sphinx -W --keep-going -b html docs build/site`. It needs no network."""

import sys
import tomllib
from importlib import metadata
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]  # the package as it stands here, and `_ext`

import _ext.elsewhere  # noqa: E402
import _ext.inventories  # noqa: E402

ABOUT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = ABOUT["name"]
author = f"the authors of {project}"
copyright = author
try:
    release = metadata.version(project)
except metadata.PackageNotFoundError:  # read from a checkout that is not installed
    release = ""

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "_ext",
]
exclude_patterns = ["_*", "recipes", "runs", "jupyter_execute"]

repository_url = _ext.elsewhere.repository_url(ABOUT.get("urls", {}))
"""Where the sources can be read; "" where that is not known, and files of the repository are handed out as copies."""

html_theme = "sphinx_book_theme"
html_title = project
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "use_download_button": False,
    "use_fullscreen_button": False,
    **({"repository_url": repository_url, "use_repository_button": True} if repository_url else {}),
}
html_math_renderer = "mathml"  # of the browser: neither scripts nor fonts

smartquotes_action = "D"  # dashes; quotes are code more often than speech

myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_ipywidgets_js = {}  # would be fetched from a content delivery network

default_role = "py:obj"  # `name` in a docstring: a link where there is such a name, code where there is none
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "npt.ArrayLike": "ArrayLike"}
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

intersphinx_mapping = _ext.inventories.mapping(DOCS / "_build" / "inventories")
intersphinx_timeout = 5
intersphinx_disabled_reftypes = ["std:*"]

copybutton_exclude = ".linenos, .gp, .go"
