"""Every code block of every page is run, or held against what would run it; output says that it is `text`."""

import json
import re
import shlex
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

import adam_vs_gd as ag
from adam_vs_gd.cli.grammar import parser
from adam_vs_gd.cli.main import main

ROOT = Path(__file__).parent.parent
TOP = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "results/README.md",
)  # fmt: skip
BUILT = ("docs/repository/", "docs/_build/")
FENCE = re.compile(
    r"(?P<mark><!-- example: \w+ -->\n)?"
    r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
COMMANDS = ("", "sh", "bash", "console")
"""Fences of what is typed in a shell, one command a line."""
OUTPUT = "text"
CODE_AS_DIRECTIVE = ("{code}", "{code-block}", "{sourcecode}")
"""Directives that show code which nobody runs."""
PROGRAMS = frozenset({
    "adam-vs-gd", "python", "pip", "git", "cd", "bash", "docker", "pre-commit", "pytest", "ruff", "mypy", "twine",
    "source", "sleep", "tmux", "jq", "sbatch", "qsub", "kubectl", "conda", "conda-build", "cibuildwheel",
})  # fmt: skip
KEYWORDS = frozenset({"if", "then", "while", "until", "do", "done", "fi"})
"""What a shell has between commands."""
REDIRECTED = re.compile(r"\d?>>?$")
SHIPPED = re.compile(r"(sweeps|examples|benchmarks|tests|docs|results|packaging)/[\w./-]+$")
MINE = 'def walk(hyper, key): return {"end": hyper["drift"]}'
"""The module of a reader's own that specs name."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    info: str
    body: str
    marked: bool  # as an example, which test_readme.py runs

    def __str__(self):
        return f"{self.page}:{self.line}"


def pages():
    """{path from the root: text} of every page that somebody wrote."""
    paths = [ROOT / name for name in TOP if (ROOT / name).exists()] + sorted((ROOT / "docs").rglob("*.md"))
    names = {path.relative_to(ROOT).as_posix(): path for path in paths}
    return {name: path.read_text(encoding="utf-8") for name, path in names.items() if not name.startswith(BUILT)}


def blocks_of(page, text):
    """The blocks of a page."""
    for match in FENCE.finditer(text):
        info = match["info"].split()[0] if match["info"].split() else ""
        body = re.sub(rf"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
        yield Block(page, text[: match.start("fence")].count("\n") + 1, info, body, bool(match["mark"]))


PAGES = pages()
BLOCKS = [block for page, text in PAGES.items() for block in blocks_of(page, text)]
TYPED = [block for block in BLOCKS if block.info in COMMANDS]


def simple_commands(text):
    """The commands of a block as lists of words, those that are joined by && or | apart, without redirections."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        words = [[]]
        for word in lexer:
            if set(word) <= set("&|;"):
                words.append([])
            else:
                words[-1].append(word)
        for command in words:
            while command and (command[0] in {"$"} | KEYWORDS or re.match(r"\w+=", command[0])):
                command = command[1:]
            into = next((at for at, word in enumerate(command) if REDIRECTED.match(word)), len(command))
            if command[:into]:
                yield command[:into]


def paths_in(command):
    """What of a command is to be there before it: paths of the repository, but for what it writes."""
    written = {at + 1 for at, word in enumerate(command) if word in ("--out", "-o")}
    return [word for at, word in enumerate(command) if SHIPPED.match(word) and at not in written]


def mistakes_in(command):
    """What is wrong with a command, as far as that can be told without running it."""
    program, *arguments = command
    if program not in PROGRAMS:
        yield f"{program}: not a program that a reader has; is it output? Then the fence is ```text"
    yield from (f"{path}: not there" for path in paths_in(command) if not (ROOT / path).exists())
    if program == "python" and arguments and not arguments[0].startswith("-") and not (ROOT / arguments[0]).exists():
        yield f"{arguments[0]}: not there"
    if program == "adam-vs-gd":
        try:
            parser().parse_args(arguments)
        except SystemExit as end:
            if end.code:
                yield f"{shlex.join(command)}: the command line does not take it"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A folder as a clone is to a reader, with a module of the reader's own, and place for runs."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("results", "sweeps", "examples"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "mine.py").write_text(MINE)
    return folder


def test_there_are_blocks_of_each_kind():
    assert {"python", "toml", *COMMANDS[:2]} <= {block.info for block in BLOCKS}
    assert len(PAGES) > 15


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_tried(page):
    tried = ("python", "toml", "json", OUTPUT, *COMMANDS)
    assert not [
        f"{block}: ```{block.info}"
        for block in blocks_of(page, PAGES[page])
        if block.info in CODE_AS_DIRECTIVE or not (block.info in tried or block.info.startswith("{"))
    ]
    for block in blocks_of(page, PAGES[page]):
        assert block.info != "json" or json.loads(block.body)


@pytest.mark.parametrize("block", TYPED, ids=str)
def test_commands_are_commands(block):
    commands = list(simple_commands(block.body))
    assert commands
    assert not [mistake for command in commands for mistake in mistakes_in(command)]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.info == "toml"], ids=str)
def test_specs_are_specs(block, clone, monkeypatch):
    monkeypatch.chdir(clone)
    monkeypatch.syspath_prepend(clone)
    (clone / "spec.toml").write_text(block.body, encoding="utf-8")
    assert ag.load_spec(clone / "spec.toml").seeds


@pytest.mark.parametrize(
    "page", sorted({block.page for block in BLOCKS if block.info == "python" and not block.marked})
)
def test_python_of_a_page_runs_from_top_to_bottom(page, clone, monkeypatch):
    monkeypatch.chdir(clone)
    known = {}
    for block in blocks_of(page, PAGES[page]):
        if block.info == "python" and not block.marked:
            exec(compile("\n" * block.line + block.body, page, "exec"), known)


def away(command):
    """Whether a command asks for other machines, or only for a plan already."""
    return {"--executor", "--dry-run"} & {*command} or any(word.startswith("s3:") for word in command)


def cheap(command):
    """A command that reads what is shipped, as it is; or a sweep's plan."""
    if command[0] != "adam-vs-gd" or not paths_in(command):
        return None
    if command[1] in ("show", "theory"):
        return command[1:]
    return [*command[1:], "--dry-run"] if command[1] == "sweep" and not away(command) else None


OURS = [line for block in TYPED for line in block.body.splitlines() if line.startswith("adam-vs-gd ")]
CHEAP = {shlex.join(words): words for line in OURS for one in simple_commands(line) if (words := cheap(one))}


@pytest.mark.parametrize("words", CHEAP.values(), ids=CHEAP)
def test_cheap_commands_run(words, clone, monkeypatch):
    monkeypatch.chdir(clone)
    with redirect_stdout(StringIO()) as said:
        assert main(words) == 0
    assert said.getvalue()
