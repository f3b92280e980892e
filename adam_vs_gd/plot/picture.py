"""A figure that knows the numbers it shows, and how both are written."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adam_vs_gd.errors import DiskError, PlotError
from adam_vs_gd.results.selection import FIXED
from adam_vs_gd.store.files import publish

DPI = 300
FILES: Any = {"pdf.fonttype": 42, "svg.hashsalt": "adam-vs-gd"}  # fonts as journals want them; the same file every time
SUFFIXES = (".png", ".pdf", ".svg")
DIGEST = "sweep"  # the first column of the numbers


class Picture(Figure):
    """A matplotlib Figure, and what it shows.

    Attributes:
        name: a short one, for a file.
        digest: that of the sweep, or "" where its Dataset has none.
        numbers: the numbers shown, a row a cell or point.
    """

    def __init__(self, name: str, digest: str, numbers: Sequence[Mapping[str, Any]], **keys: Any) -> None:
        super().__init__(**keys)
        self.name, self.digest, self.numbers = name, digest, numbers


def picture_name(parts: Sequence[str], results: xr.Dataset, optimizer: str | Sequence[str] | None) -> str:
    """A name for a picture's file: what it shows, what was fixed for it, and which optimizers were asked for."""
    asked = [] if optimizer is None else [optimizer] if isinstance(optimizer, str) else list(optimizer)
    words = [*parts, *(f"{key}={value}" for key, value in results.attrs.get(FIXED, {}).items()), *asked]
    return "-".join(re.sub(r"[^\w.=+-]+", "_", word) for word in words)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as its file's ending says, complete or not at all, and the numbers of a `Picture` beside it.

    The numbers are a CSV file of the same name, with the sweep's digest in its first column, which the picture's own
    metadata holds too. The same figure gives the same files, byte for byte.

    Args:
        figure: what a function of `adam_vs_gd.plot` returned; of any other Figure only the picture is written.
        path: a name ending in .png, .pdf or .svg.

    Returns:
        The picture's path.

    Raises:
        PlotError: if the ending is another, or a file that is none of ours has the name of the numbers.
        DiskError: if they cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise PlotError(f"{path}: a picture's name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    numbers = path.with_suffix(".csv")
    digest = figure.digest if isinstance(figure, Picture) else ""
    try:
        if isinstance(figure, Picture) and numbers.exists() and not is_ours(numbers):
            raise PlotError(
                f"{numbers}: would hold the picture's numbers, but holds something else; choose another name"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(path, drawn(figure, path.suffix[1:].lower(), digest), replace=True)
        if isinstance(figure, Picture):
            publish(numbers, table(figure), replace=True)
    except OSError as error:
        raise DiskError(f"{path}: this picture cannot be written: {error.strerror or error}") from None
    return path


def drawn(figure: Figure, kind: str, digest: str) -> bytes:
    """A figure as a file of a kind, with the sweep's digest in the file's metadata and no date."""
    said = f"sweep {digest}" if digest else None
    metadata: Mapping[str, dict[str, Any]] = {
        "png": {"Description": said} if said else {},
        "pdf": {"Subject": said, "CreationDate": None},
        "svg": {"Description": said, "Date": None},
    }
    content = io.BytesIO()
    fonts = logging.getLogger("fontTools")  # which remarks on the dates in matplotlib's own fonts
    level = fonts.level
    fonts.setLevel(logging.ERROR)
    try:
        with mpl.rc_context(FILES):
            figure.savefig(content, format=kind, dpi=DPI, metadata=metadata[kind])
    finally:
        fonts.setLevel(level)
    return opaque(content.getvalue()) if kind == "png" else content.getvalue()


def opaque(png: bytes) -> bytes:
    """A PNG without its alpha channel where nothing is transparent: an eighth smaller, and the same picture."""
    image = Image.open(io.BytesIO(png))
    if image.mode != "RGBA" or image.getchannel("A").getextrema() != (255, 255):
        return png
    said, content = PngInfo(), io.BytesIO()
    for key, text in image.info.items():
        if isinstance(text, str):
            said.add_text(str(key), text)
    image.convert("RGB").save(content, "png", pnginfo=said, dpi=image.info["dpi"], optimize=True)
    return content.getvalue()


def table(picture: Picture) -> bytes:
    """The numbers of a picture as CSV; what is not a number stays empty."""
    text = io.StringIO()
    columns = dict.fromkeys(key for row in picture.numbers for key in row)
    writer = csv.DictWriter(text, [DIGEST, *columns], lineterminator="\n")
    writer.writeheader()
    for row in picture.numbers:
        shown = {key: f"{value:.9g}" if isinstance(value, float) else value for key, value in row.items()}
        writer.writerow({DIGEST: picture.digest} | {key: "" if v == "nan" else v for key, v in shown.items()})
    return text.getvalue().encode()


def is_ours(path: Path) -> bool:
    """Whether a file holds the numbers of a picture."""
    with path.open("rb") as file:
        return file.readline().startswith(f"{DIGEST},".encode())
