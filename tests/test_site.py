"""The site, built as CI builds it: no warning, every link leads somewhere, and nothing is fetched to look at it."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import adam_vs_gd as ag

ROOT = Path(__file__).parent.parent
FETCHED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
}
"""Elements whose address a browser fetches by itself. Of <link> only these kinds:"""
RELS = {"stylesheet", "preload", "icon", "shortcut", "prefetch", "modulepreload", "manifest", "preconnect"}
ADDRESS = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|import\s*\(?\s*["']https?://|fetch\(\s*["']https?://""")
IN_CSS = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])\s*(?:https?:)?//")


class Page(HTMLParser):
    """What of a page matters here: what it links to and fetches, what can be linked to, its styles and scripts."""

    def __init__(self, text):
        super().__init__()
        self.links, self.fetched, self.ids, self.inline = [], [], set(), []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in FETCHED and (address := found.get(FETCHED[tag])):
            if tag != "link" or RELS & set((found.get("rel") or "").split()):
                self.fetched.append(address)
            self.links += [address] if tag == "img" else []
        if style := found.get("style"):
            self.inline.append(("style", style))
        self.inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside:
            self.inline.append((self.inside, data))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the site: as CI has built it, or built here."""
    if built := os.environ.get("SITE"):
        return Path(built)
    pytest.importorskip("myst_nb", reason="what builds the site is not installed: pip install '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", str(out)],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": "default"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    return out


@pytest.fixture(scope="session")
def pages(site):
    """{path in the site: page}."""
    found = {p.relative_to(site).as_posix(): p.read_text(encoding="utf-8") for p in sorted(site.rglob("*.html"))}
    return {path: Page(text) for path, text in found.items() if not path.startswith(("_static/", "_downloads/"))}


def test_there_are_the_pages(pages):
    assert {"index.html", "gallery.html", "reference/api.html", "repository/results/README.html"} <= {*pages}


def test_every_link_leads_somewhere_in_the_site(site, pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            target, _, fragment = unquote(link).partition("#")
            there = Path(os.path.normpath(Path(path).parent / target)).as_posix() if target else path
            if not (site / there).exists() or (fragment and there in pages and fragment not in pages[there].ids):
                broken.append((path, link))
    assert not broken


def test_nothing_is_fetched_to_look_at_a_page(site, pages):
    away = [(path, one) for path, page in pages.items() for one in page.fetched if re.match(r"(?:https?:)?//", one)]
    away += [(path, text[:80]) for path, page in pages.items() for kind, text in page.inline
             if (IN_CSS if kind == "style" else ADDRESS).search(text)]  # fmt: skip
    styles = {p.relative_to(site).as_posix(): p.read_text(encoding="utf-8") for p in site.rglob("*.css")}
    away += [(path, "url") for path, text in styles.items() if IN_CSS.search(text)]
    assert not away


def test_what_fetches_is_noticed():
    page = Page(
        '<script src="https://a.org/x.js"></script><link rel="stylesheet" href="//b.org/x.css"><a href="x">x</a>'
        '<style>p { background: url(https://c.org/x.png) }</style><link rel="canonical" href="https://d.org">'
    )
    assert page.fetched == ["https://a.org/x.js", "//b.org/x.css"]
    assert [bool(IN_CSS.search(text)) for _, text in page.inline] == [True]
    assert ADDRESS.search('const s = document.createElement("script"); s.src = "https://a.org/x.js"')


def test_every_public_name_has_its_place(pages):
    ids = pages["reference/api.html"].ids
    assert {f"adam_vs_gd.{name}" for name in ag.__all__ if name not in ("plot", "report", "theory")} <= ids
    for module, own in (("plot", ag.plot), ("report", ag.report)):
        assert {f"adam_vs_gd.{module}.{name}" for name in own.__all__} <= ids


def test_other_projects_are_linked_to_without_a_network(pages):
    links = pages["reference/api.html"].links
    for start in ("https://docs.xarray.dev", "https://optax.readthedocs.io", "https://docs.jax.dev"):
        assert any(link.startswith(start) for link in links), start


def test_formulas_are_drawn_by_the_browser(site):
    assert "<math" in (site / "reference" / "spec.html").read_text(encoding="utf-8")


def test_a_page_in_a_browser_asks_for_nothing(site, pages):
    """What scripts do when they run."""
    from test_report_browser import ARGUMENTS, BROWSERS, playwright

    if not (found := next(filter(None, map(shutil.which, BROWSERS)), None)):
        pytest.skip(f"no browser ({', '.join(BROWSERS)}) in PATH: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        page, asked = browser.new_page(viewport={"width": 390, "height": 844}), []
        page.on("request", lambda request: asked.append(request.url))
        for path in ("index.html", "gallery.html", "reference/spec.html", "reference/api.html"):
            page.goto((site / path).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than a phone"
        browser.close()
    assert asked
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
