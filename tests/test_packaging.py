"""What is published: that its declarations hold together, and that they name what is there."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
"""What a distribution of PyPI is called at conda-forge, where it is called otherwise."""


def bounds(requirements):
    """{name: what follows it} of requirements without extras and markers."""
    split = (re.fullmatch(r"([\w.-]+)\s*(\S*)", requirement).groups() for requirement in requirements)
    return dict(split)


def items(text, heading):
    """The strings of a block list under a key of YAML, indented by two more than the key."""
    block = re.search(rf"^( *){heading}:\n((?:\1  - .*\n)+)", text, re.MULTILINE)
    return [line.strip().removeprefix("- ") for line in block[2].splitlines()]


@pytest.fixture
def backend(monkeypatch):
    """The build backend, without what the machine's environment says about the kernel."""
    pytest.importorskip("setuptools")
    monkeypatch.syspath_prepend(ROOT / "packaging")
    monkeypatch.delenv("ADAM_VS_GD_NATIVE", raising=False)
    import build_backend

    return build_backend


def test_the_recipe_asks_for_what_pyproject_asks_for():
    wanted = {CONDA_NAMES.get(name, name): bound for name, bound in bounds(PROJECT["project"]["dependencies"]).items()}
    recipe = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text()
    assert bounds(items(recipe, "run")) == {"python": PROJECT["project"]["requires-python"], **wanted}
    build = bounds(PROJECT["build-system"]["requires"])
    host = bounds(items(recipe, "host"))
    assert {name: host[name] for name in build} == build
    assert host["jaxlib"] == wanted["jaxlib"]


def test_all_that_follow_jaxlib_follow_the_same_bound():
    oldest = bounds(PROJECT["project"]["dependencies"])["jaxlib"].removeprefix(">=")
    extras = [one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra]
    assert {one.partition(">=")[2] for one in extras if one.startswith("jax[")} == {oldest}
    assert f"jaxlib=={oldest}.0\n" in (ROOT / "packaging" / "oldest-jaxlib.txt").read_text()
    declared = (ROOT / "packaging" / "build_backend.py").read_text()
    assert f"\nOLDEST = ({oldest.replace('.', ', ')})\n" in declared


def test_citation_and_recipe_are_of_one_version():
    versions = {
        re.search(r'^ *version: "?(\d[^"\n]*)', (ROOT / name).read_text(), re.MULTILINE)[1]
        for name in ("CITATION.cff", "packaging/conda/recipe.yaml")
    }
    (version,) = versions
    assert PROJECT["tool"]["setuptools_scm"]["fallback_version"] == f"{version}.dev0"


def test_the_citation_names_the_paper_the_licence_and_its_authors():
    text = (ROOT / "CITATION.cff").read_text()
    for line in (
        "cff-version: 1.2.0",
        f"license: {PROJECT['project']['license']}",
        f"  - name: {PROJECT['project']['authors'][0]['name']}",
        f"    url: {PROJECT['project']['urls']['Paper']}",
    ):
        assert f"\n{line}\n" in f"\n{text}", line


def test_every_file_of_the_package_is_code_or_declared_as_data():
    tracked = ROOT / "adam_vs_gd"
    data = PROJECT["tool"]["setuptools"]["package-data"]
    declared = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    others = {
        path
        for path in tracked.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".so", ".pyd") and "__pycache__" not in path.parts
    }
    assert others == declared
    assert all(list(ROOT.joinpath(*package.split(".")).glob(p)) for package, patterns in data.items() for p in patterns)


def test_what_is_installed_has_its_data_and_no_tests():
    record = next(importlib.metadata.distributions(name="adam-vs-gd")).read_text("RECORD") or ""
    names = {line.partition(",")[0] for line in record.splitlines()}
    if "adam_vs_gd/__init__.py" not in names:
        pytest.skip("the package is used in place")
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "adam_vs_gd").rglob("*")
        if path.suffix in (".py", ".pyi", ".typed", ".html", ".css", ".js", ".cu", ".cuh", ".npz")
    }
    assert expected - names <= {"adam_vs_gd/_version.py"}
    assert not [name for name in names if name.startswith(("tests/", "results/", "native/"))]


@pytest.mark.skipif(sys.platform == "win32", reason="there the kernel is never built")
def test_jaxlib_is_a_build_requirement_only_where_it_is_wanted_and_missing(backend, monkeypatch, tmp_path):
    compiler = tmp_path / "c++"
    compiler.touch(mode=0o755)
    empty = tmp_path / "empty"
    monkeypatch.setattr(backend.sysconfig, "get_path", lambda name: str(empty))
    monkeypatch.setattr(backend.sys, "path", [])
    monkeypatch.setenv("CXX", str(compiler))
    assert backend.with_headers(["a"]) == ["a", bound_of("jaxlib")]
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
    assert backend.with_headers(["a"]) == ["a"]
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("ADAM_VS_GD_NATIVE", "off")
    assert backend.with_headers(["a"]) == ["a"]


def bound_of(name):
    return name + bounds(PROJECT["project"]["dependencies"])[name]


@pytest.mark.parametrize(("version", "used"), [("0.10.0", True), ("0.11.3", True), ("1.0", True), ("0.9.2", False)])
def test_headers_are_of_a_jaxlib_that_is_new_enough(backend, monkeypatch, tmp_path, version, used):
    header = tmp_path / "jaxlib" / "include" / "xla" / "ffi" / "api" / "ffi.h"
    header.parent.mkdir(parents=True)
    header.touch()
    metadata = tmp_path / f"jaxlib-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: jaxlib\nVersion: {version}\n")
    monkeypatch.setattr(backend.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(backend.sys, "path", [])
    assert backend.headers() == (tmp_path / "jaxlib" / "include" if used else None)


def test_the_backend_has_every_hook_of_setuptools(backend):
    from setuptools import build_meta

    assert all(hasattr(backend, hook) for hook in build_meta.__all__)


def copied(dockerfile):
    """Arguments of COPY from the context: sources, without destination."""
    lines = re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_the_image_is_made_of_what_is_there_and_of_extras_that_exist():
    text = (ROOT / "Dockerfile").read_text()
    assert copied(text)
    assert all((ROOT / source).exists() for source in copied(text))
    extra = re.search(r"^ARG EXTRA=(\w+)$", text, re.MULTILINE)[1]
    assert extra in PROJECT["project"]["optional-dependencies"]
    assert re.search(r'^ENTRYPOINT \["(.*)"\]$', text, re.MULTILINE)[1] in PROJECT["project"]["scripts"]
    assert text.index("\nUSER ") < text.index("\nENTRYPOINT "), "it does not run as root"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an sdist has no list of what git tracks")
def test_nothing_that_git_tracks_is_kept_from_the_image():
    """Or the version in it would be that of a changed checkout."""
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for pattern in ignored:
        name = pattern.removeprefix("**/")
        matches = [path for path in tracked if Path(path).match(name) or path.startswith(f"{pattern}/")]
        assert not matches, (pattern, matches)


def test_workflows_and_documents_name_files_that_are_there():
    texts = [*(ROOT / ".github" / "workflows").glob("*.yml"), ROOT / "docs" / "releasing.md", ROOT / "pyproject.toml"]
    for text in filter(Path.exists, texts):  # an sdist has no workflows
        for name in re.findall(r"(?:packaging|\.ci|\.github)/[\w./-]+", text.read_text()):
            assert (ROOT / name.rstrip(".")).exists() or not (ROOT / name.split("/")[0]).exists(), (text.name, name)


@pytest.mark.parametrize("script", ["packaging/smoke.sh", ".ci/run"])
def test_scripts_are_executable_shell(script):
    path = ROOT / script
    if not path.exists():
        pytest.skip("an sdist has no .ci")
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)
