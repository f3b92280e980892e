"""The README's examples run as they stand, one after the other, as a reader would."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURES = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
THEORY = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
YOURS = (ROOT / "docs" / "your-own.md").read_text(encoding="utf-8")
NOTEBOOKS = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
NAMED = (ROOT / "docs" / "optimizers-data-models.md").read_text(encoding="utf-8")
MARKED = re.compile(r"<!-- example: (\w+) -->\n```python\n(.*?)```", re.DOTALL)
EXAMPLES = dict(MARKED.findall(README))
OF_YOURS = dict(MARKED.findall(YOURS))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("name", ["launch", "plot", "boundary", "function", "reuse", "theory"])
def test_example(name, elsewhere, monkeypatch, capsys):
    monkeypatch.chdir(ROOT if name in ("boundary", "theory") else elsewhere)
    exec(compile(EXAMPLES[name], f"README.md:{name}", "exec"), {})
    assert capsys.readouterr().out
    if name == "plot":
        assert (elsewhere / "runs" / "small" / "diagram.pdf").stat().st_size > 5000
        assert (elsewhere / "runs" / "small" / "diagram.csv").exists()


@pytest.mark.parametrize("name", OF_YOURS)
def test_example_of_your_own(name, elsewhere, monkeypatch, capsys):
    monkeypatch.chdir(elsewhere)
    exec(compile(OF_YOURS[name], f"your-own.md:{name}", "exec"), {})
    assert capsys.readouterr().out


def test_cells_of_a_notebook(elsewhere, monkeypatch):
    monkeypatch.chdir(elsewhere)
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


def test_specs_of_your_own_are_valid(tmp_path, monkeypatch):
    import adam_vs_gd as ag

    (tmp_path / "mine.py").write_text("def walk(hyper, key): return {}")
    monkeypatch.syspath_prepend(tmp_path)
    texts = re.findall(r"```toml\n(.*?)```", YOURS, re.DOTALL)
    assert len(texts) == 2
    for text in texts:
        (tmp_path / "spec.toml").write_text(text)
        assert ag.load_spec(tmp_path / "spec.toml").seeds


def test_examples_of_the_documentation():
    import adam_vs_gd as ag

    results = ag.load_results(ROOT / "results" / "sigma_p-by-s")
    known = {"ag": ag, "results": results, "curve": ag.boundary(results, x="sigma_p", y="s")}
    for text, count in ((PICTURES, 2), (THEORY, 2)):
        examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert len(examples) == count
        for example in examples:
            exec(compile(example, text[:20], "exec"), known)


def test_every_condition_is_in_the_documentation():
    from adam_vs_gd.problems.two_patch.theory import CONDITIONS, CURVES

    for name in [*CONDITIONS, *CURVES]:
        assert f"`{name}`" in THEORY, name


def test_specs_in_the_readme_are_valid(tmp_path):
    import adam_vs_gd as ag

    names = []
    for text in re.findall(r"```toml\n(.*?)```", README, re.DOTALL):
        (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
        names.append(ag.load_spec(tmp_path / "spec.toml").name)
    assert names == ["alpha-by-s", "rotated"]


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


def test_links_lead_somewhere():
    for folder, text in ((ROOT, README), (ROOT / "docs", YOURS), (ROOT / "docs", NAMED)):
        for target in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (folder / target).exists(), target
