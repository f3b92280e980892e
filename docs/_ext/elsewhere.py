"""What of the repository stands outside of docs/: pages are copied in at a build, and links to files lead somewhere.

Pages are written for readers of the repository, so that their links are relative to where they stand. In the site a
link to a page is one to the page; to any other file it is one to the repository's address, or to a copy of the file
where no address is known. A folder has its README, or its address, or is named without a link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
COPIES = "repository"
"""The folder of docs/ that pages of the repository are copied to; git does not know it."""
PATTERNS = ("CHANGELOG.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "results/*.md", "results/*/*.md")
START = {"README.md": "index.md"}
"""What the site says in words of its own, and where."""
LINK = re.compile(
    r"(?P<code>^ *(?P<fence>```+|~~~+).*?^ *(?P=fence)|`[^`\n]+`)"
    r"|(?P<text>!?\[(?:[^\[\]]|\[[^\[\]]*\])*\])\((?P<target>[^()\s]+)\)",
    re.DOTALL | re.MULTILINE,
)


def repository_url(urls: Mapping[str, str]) -> str:
    """The repository's address among those of pyproject.toml; "" where there is none."""
    known = {name.lower(): url for name, url in urls.items()}
    return next((known[name].rstrip("/") for name in ("repository", "source", "source code") if name in known), "")


def pages() -> list[str]:
    """Paths, from the repository's root, of pages outside of docs/."""
    found = {path.relative_to(ROOT).as_posix() for pattern in PATTERNS for path in ROOT.glob(pattern)}
    return sorted(found)


def copy_pages(app: Sphinx) -> None:
    """Bring the copies up to date; one that has not changed is left alone, so that it is not read again."""
    folder = Path(app.srcdir) / COPIES
    wanted = {folder / page: titled((ROOT / page).read_text(encoding="utf-8"), Path(page).stem) for page in pages()}
    for path in set(folder.rglob("*.md")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def titled(text: str, title: str) -> str:
    """A page with a title, which tables that a command wrote have not: their file's name."""
    return text if text.startswith("# ") else f"# {title}\n\n{text}"


def rewrite_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead the links of a page somewhere within the site."""
    if app.env.doc2path(docname).suffix == ".md":
        source[0] = rewritten(source[0], f"{docname}.md", app.config.repository_url)


def rewritten(text: str, page: str, url: str) -> str:
    """The text of a page with its links as they have to be in the site.

    Args:
        text: in Markdown.
        page: its path in docs/.
        url: the repository's address, or "".
    """
    origin = page.removeprefix(f"{COPIES}/") if page.startswith(f"{COPIES}/") else f"docs/{page}"

    def replaced(match: re.Match[str]) -> str:
        words, target = match["text"], match["target"]
        if match["code"] or re.match(r"#|[a-z]+:", target):
            return match[0]
        path, hash_, fragment = target.partition("#")
        path = os.path.normpath(PurePosixPath(origin).parent / path)
        if (ROOT / path).is_dir() and (ROOT / path / "README.md").exists():
            path += "/README.md"
        if (here := place_of(path)) is not None:
            return f"{words}({os.path.relpath(here, PurePosixPath(page).parent)}{hash_}{fragment})"
        if words.startswith("!") or ((ROOT / path).is_file() and not (url and not path.endswith(".html"))):
            return f"{words}({os.path.relpath(ROOT / path, (ROOT / 'docs' / page).parent)})"
        if (ROOT / path).exists():
            return f"{words}({url}/blob/HEAD/{path}{hash_}{fragment})" if url else words[1:-1]
        return match[0]  # leads nowhere: MyST says so

    return LINK.sub(replaced, text)


def place_of(path: str) -> str | None:
    """Where in docs/ the page is that stands at a path of the repository; None if that is no page."""
    if path in START:
        return START[path]
    if path.startswith("docs/") and path.endswith(".md"):
        return path.removeprefix("docs/")
    return f"{COPIES}/{path}" if path in pages() else None
