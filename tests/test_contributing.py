"""What is written for those who carry on: links and names in it hold, decisions are a page each, results stay small."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
INDEX = ROOT / "docs" / "decisions" / "index.md"
GUIDE = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())  # on one line, as it is read
PAGES = [
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "SECURITY.md")),
    *DECISIONS, INDEX, *sorted((ROOT / "docs" / "releases").glob("*.md")),
]  # fmt: skip
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
NO_TESTS = {"test_error", "test_size", "test_record", "test_step"}  # variables, and what goes with them
PLACEHOLDER = re.compile(r"NAME|URL|PATH")


def test_every_file_that_the_guide_names_is_there():
    named = {word for word in re.findall(r"`([\w./-]+)`", GUIDE) if "/" in word and not PLACEHOLDER.search(word)}
    assert len(named) > 50
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


def test_every_table_and_function_that_the_guide_names_is_in_its_file():
    """`RULES` of `a/file.py`, or several of them."""
    one = r"`([A-Za-z_]\w*)`"
    found = re.findall(rf"({one}(?:(?:,| and|, and| or) {one})*) (?:of|in) `([\w./-]+\.\w+)`", GUIDE)
    pairs = [(name, file) for names, *_, file in found for name in re.findall(one, names) if "/" in file]
    pairs = [pair for pair in pairs if not PLACEHOLDER.search("".join(pair))]
    assert len(pairs) > 30
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for _, file in pairs}
    missing = [
        f"{name} in {file}"
        for name, file in pairs
        if not re.search(rf"^(def |class )?{name}\b" if file.endswith(".py") else rf"\b{name}\b", texts[file], re.M)
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tests_that_a_page_names_are_there(page):
    tests = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*.py")}
    text = page.read_text(encoding="utf-8")
    assert {f"{name}.py" for name in re.findall(r"\b(test_\w+)\.py", text)} <= tests.keys()
    for name in set(re.findall(r"`(test_\w+)`", text)) - NO_TESTS:
        assert any(f"def {name}(" in source for source in tests.values()), name


@pytest.mark.parametrize("page", [*PAGES, *FORMS], ids=lambda page: page.stem)
def test_commands_that_a_page_names_are_known(page):
    from adam_vs_gd.cli.grammar import parser

    (commands,) = (action.choices for action in parser()._actions if isinstance(action.choices, dict))
    named = re.findall(r"`adam-vs-gd ([a-z]+)", page.read_text(encoding="utf-8"))
    assert set(named) <= commands.keys()


def test_decisions_are_numbered_and_in_the_index():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (\S+) \|$", INDEX.read_text(encoding="utf-8"), re.MULTILINE)
    assert [file for _, file, *_ in rows] == [path.name for path in DECISIONS]
    for path, (number, _, title, date) in zip(DECISIONS, rows, strict=True):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}: {title}\n"), path.name
        assert f"\nAccepted {date}" in text, path.name


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_a_page(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    assert [line for line in lines if line.startswith("## ")] == [
        "## Context", "## Decision", "## Alternatives", "## Consequences"
    ]  # fmt: skip


def git(*arguments):
    """What git says, or a skip where there is no whole history, as in an sdist."""
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not in a clone")
    return done.stdout


def test_commits_that_decisions_name_are_there():
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("a shallow clone")
    history = {commit[:7] for commit in git("rev-list", "HEAD").split()}
    named = {name for path in DECISIONS for name in re.findall(r"\b[0-9a-f]{7}\b", path.read_text(encoding="utf-8"))}
    assert len(named) > 40
    assert named <= history, sorted(named - history)


def test_results_are_small():
    """CONTRIBUTING.md: 40 MB in all, and no file over 1 MB."""
    sizes = {name: (ROOT / name).stat().st_size for name in git("ls-files", "-z", "results").split("\0") if name}
    assert max(sizes.values()) <= 1_000_000, max(sizes, key=sizes.get)
    assert sum(sizes.values()) <= 40_000_000


def test_every_version_has_its_date_and_its_notes():
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heads[0] == "Unreleased"
    for head in heads[1:]:
        version, date = re.fullmatch(r"(\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)", head).groups()
        notes = (ROOT / "docs" / "releases" / f"{version}.md").read_text(encoding="utf-8")
        assert notes.startswith(f"# {version}\n")
        assert date in notes


def test_hooks_use_the_tools_of_the_dev_extra():
    yaml = pytest.importorskip("yaml")
    hooks = [
        hook
        for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
        for hook in repository["hooks"]
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dev = {re.match(r"[\w-]+", wanted)[0] for wanted in project["optional-dependencies"]["dev"]}
    assert {hook["entry"].split()[0] for hook in hooks if hook["language"] == "system"} == {"ruff", "mypy"} <= dev
    assert "pre-commit" in dev


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_forms_are_as_the_tracker_wants_them(form):
    yaml = pytest.importorskip("yaml")
    whole = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= whole.keys()
    asked = [item for item in whole["body"] if item["type"] != "markdown"]
    assert asked
    assert all(item["attributes"]["label"] for item in asked)
    ids = [item["id"] for item in asked]
    assert len(set(ids)) == len(ids)
