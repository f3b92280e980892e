"""A published file, fetched over https."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from adam_vs_gd.errors import DataError
from adam_vs_gd.problems.images.sets.published import Published, check
from adam_vs_gd.store.files import publish

TIMEOUT = 60.0
"""Seconds without an answer, or without another byte."""
BLOCK = 1 << 20


class OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and to nothing else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request that follows a redirect."""
        if not newurl.lower().startswith("https://"):
            raise DataError(f"{req.full_url}: redirects to {newurl}, which is not https, and is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, path: Path, known: Published) -> None:
    """Put a published file in its place, whole and checked, or not at all.

    Args:
        url: of https.
        path: where it goes; nothing may be there. Folders are made.
        known: its size and MD5; no more than its size is read.

    Raises:
        DataError: if it cannot be fetched or written, is not what is known, or `path` is taken.
    """
    if path.exists():
        raise DataError(f"{path}: is there, and is never overwritten; delete it or move it away first")
    unwritable = f"give a path that can be written, or fetch {url} by hand"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be made ({error.strerror or error}); {unwritable}") from error
    if not os.access(path.parent, os.W_OK):
        raise DataError(f"{path.parent}: cannot be written to; {unwritable}")
    content = download(url, known.size)
    check(Path(path.name), content, known, f"{url} gave it, and nothing was written; try again later")
    try:
        publish(path, content, replace=False)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); {unwritable}") from error


def download(url: str, most: int) -> bytes:
    """At most `most` + 1 bytes of an address of https; proxies and trusted certificates as the environment says.

    Raises:
        DataError: if there is no answer, or another than the file.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        OnlyHttps(),
    ):
        opener.add_handler(handler)
    content = bytearray()
    try:
        with opener.open(url, timeout=TIMEOUT) as answer:
            while len(content) <= most and (block := answer.read(min(BLOCK, most + 1 - len(content)))):
                content += block
    except (OSError, http.client.HTTPException) as error:  # URLError, ssl.SSLError and timeouts are OSErrors
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{url}: cannot be fetched ({reason}) after {len(content):,} bytes; try again, or fetch it by hand "
            "and give its path"
        ) from error
    return bytes(content)
