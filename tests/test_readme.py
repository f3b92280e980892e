"""The examples of README and docs run as they stand, page by page, as a reader would in a clone."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
README, NOTEBOOKS = PAGES["README.md"], PAGES["docs/notebooks.md"]
THEORY, NAMED = PAGES["docs/theory.md"], PAGES["docs/optimizers-data-models.md"]
MARKED = re.compile(r"<!-- example: (\w+) -->\n```python\n(.*?)```", re.DOTALL)
WRITTEN = re.compile(r"```\{code-cell\} ipython3\n%%writefile (\S+)\n(.*?)```", re.DOTALL)
EXAMPLES = {
    (page, name): code for page, text in PAGES.items() if text is not NOTEBOOKS for name, code in MARKED.findall(text)
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A folder as a clone is to a reader: results that are shipped, and place for runs."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "results").symlink_to(ROOT / "results")
    return folder


@pytest.mark.parametrize(("page", "name"), EXAMPLES)
def test_example(page, name, clone, monkeypatch, capsys):
    monkeypatch.chdir(clone)
    exec(compile(EXAMPLES[page, name], f"{page}:{name}", "exec"), {})
    assert capsys.readouterr().out
    if name in ("plot", "boundary"):
        picture = clone / "runs" / ("small/diagram.pdf" if name == "plot" else "sigma_p-by-s.pdf")
        assert picture.stat().st_size > 5000
        assert picture.with_suffix(".csv").exists()


def test_no_example_is_lost():
    assert set(EXAMPLES) == {
        ("README.md", "boundary"), ("README.md", "function"), ("docs/how-to/gpu.md", "gpu"),
        ("docs/launching.md", "launch"), ("docs/pictures.md", "plot"), ("docs/pieces.md", "reuse"),
        ("docs/scripting.md", "compare"), ("docs/scripting.md", "tables"),
        ("docs/theory.md", "theory"), ("docs/your-own.md", "function"), ("docs/your-own.md", "training"),
        ("docs/your-own.md", "optimizer"),
    }  # fmt: skip


def test_cells_of_a_notebook(clone, monkeypatch):
    monkeypatch.chdir(clone)
    known, shown = {}, []
    for _, text in MARKED.findall(NOTEBOOKS):
        *lines, last = ast.parse(text).body
        is_shown = isinstance(last, ast.Expr)
        exec(compile(ast.Module(lines if is_shown else [*lines, last], []), "notebooks.md", "exec"), known)
        if is_shown:
            shown.append(eval(compile(ast.Expression(last.value), "notebooks.md", "eval"), known)._repr_html_())
    spec, page = shown
    assert "36 lanes" in spec
    assert page.startswith("<iframe")


def test_every_condition_is_in_the_documentation():
    from adam_vs_gd.problems.two_patch.theory import CONDITIONS, CURVES

    for name in [*CONDITIONS, *CURVES]:
        assert f"`{name}`" in THEORY, name


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if "%%writefile" in text])
def test_specs_that_a_notebook_writes_are_valid(page, tmp_path, monkeypatch):
    import adam_vs_gd as ag

    monkeypatch.syspath_prepend(tmp_path)
    written = WRITTEN.findall(PAGES[page])
    assert len(written) == PAGES[page].count("%%writefile")
    for name, text in written:
        (tmp_path / name).write_text(text, encoding="utf-8")
    specs = [name for name, _ in written if name.endswith(".toml")]
    assert specs
    for name in specs:
        assert ag.load_spec(tmp_path / name).name == Path(name).stem


def test_whatever_a_spec_may_name_is_in_the_documentation():
    from adam_vs_gd.problems import MODELS
    from adam_vs_gd.problems.learning.numbers import ALL_NUMBERS, SWITCHING
    from adam_vs_gd.problems.learning.table1 import KINDS
    from adam_vs_gd.problems.two_patch.sections import DATA, MODEL, SAMPLERS

    words = [word for section in (DATA, MODEL) for key in section.choices for word in section.choices[key]]
    names = [*SWITCHING.kinds, *ALL_NUMBERS, *MODELS, *SAMPLERS, *words, *DATA.numbers, *MODEL.numbers]
    for name in names:
        assert re.search(rf"[`\"]{name}[`\" ]", NAMED), name
    for kind, numbers in KINDS.items():
        (line,) = (line for line in NAMED.splitlines() if line.startswith(f"| `{kind}` "))
        (eta,) = re.findall(r"η (\.?\d[\de.-]*)", line)
        assert float(eta) == numbers["eta"], kind


def test_the_two_commands_are_there():
    commands = re.findall(r"^python -m pip install.*$", README, re.MULTILINE)
    assert commands == [
        "python -m pip install . && adam-vs-gd sweep sweeps/quickstart.toml",
        "python -m pip install '.[test]' && python -m pytest",
    ]
