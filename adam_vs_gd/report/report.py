"""Dataset -> one HTML page, which asks nothing of a network: scripts, styles and numbers are in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import xarray as xr

from adam_vs_gd.errors import DiskError, PlotError
from adam_vs_gd.markup import Shown
from adam_vs_gd.report import facts
from adam_vs_gd.report.payload import payload
from adam_vs_gd.results.selection import complete
from adam_vs_gd.store.files import publish
from adam_vs_gd.store.journal import Survey

SCRIPTS = ("data", "scale", "look", "axes", "heatmap", "curves", "trajectories", "words", "controls", "main")
"""The parts of the page's one script, in their order."""
ENDINGS = (".html", ".htm")


def page(results: xr.Dataset, survey: Survey | None = None) -> str:
    """A sweep as one HTML page.

    Args:
        results: the Dataset of a sweep, or another with variables of the same names.
        survey: what its journal holds, for the timings; None where there is no journal.

    Returns:
        The page: UTF-8 text that needs no other file.
    """
    results = complete(results)
    known = payload(results)
    style = part("page.css")
    script = "".join(part(f"{name}.js") for name in SCRIPTS)
    return Template(part("page.html")).substitute(
        title=html.escape(facts.title(results)),
        style=style, style_hash=digest(style), script=script, script_hash=digest(script),
        progress=html.escape(facts.progress(results)), intervals=html.escape(facts.meaning_of_intervals(results)),
        summary=facts.summary(results), statuses=facts.statuses(results), machine=facts.machine(results, survey),
        spec=facts.code(str(results.attrs.get("spec", facts.UNTOLD)), "Spec"),
        reproduction=facts.reproduction(results),
        header=escaped_json(known.header), finals=known.finals.text(), paths=known.paths.text(),
    )  # fmt: skip


def write(results: xr.Dataset, path: Path, survey: Survey | None = None) -> Path:
    """Write a sweep's page, complete or not at all.

    Args:
        results: the Dataset of a sweep.
        path: the file.
        survey: what the sweep's journal holds; None where there is no journal.

    Raises:
        PlotError: if the file's name does not end in .html.
        DiskError: if it cannot be written.
    """
    if path.suffix.lower() not in ENDINGS:
        raise PlotError(f"{path}: a page's name must end in .html")
    content = page(results, survey).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(path, content, replace=True)
    except OSError as error:
        raise DiskError(f"{path}: this page cannot be written: {error.strerror or error}") from None
    return path


def show(results: xr.Dataset, height: int = 800, survey: Survey | None = None) -> Shown:
    """A sweep's page, for a notebook: what a cell shows whose last line this is.

    The page stands in the output itself, in a frame that can reach neither the notebook nor a network.

    Args:
        results: the Dataset of a sweep, or another with variables of the same names.
        height: of the frame, in pixels.
        survey: what the sweep's journal holds, for the timings; None where there is no journal.
    """
    source, title = html.escape(page(results, survey)), html.escape(facts.title(results))
    frame = (
        f'<iframe srcdoc="{source}" title="{title}" sandbox="allow-scripts" '
        f'style="width:100%;height:{height:d}px;border:0"></iframe>'
    )
    return Shown(frame, f"the page of {facts.title(results)}, which a notebook shows; `write` makes a file of it")


def part(name: str) -> str:
    """A part of the page."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """What a browser compares an inline script or style with, before it trusts it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def escaped_json(value: Any) -> str:
    """JSON that cannot end the element it stands in, whatever the strings in it are."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
