"""Specs written for people: completed by `spec`, begun by `new`; and a shell that completes the command line."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import HUNG

import adam_vs_gd as ag
from adam_vs_gd import cli
from adam_vs_gd.cli import new, writing
from adam_vs_gd.engine import terminal
from adam_vs_gd.problems import KNOWN, family_named
from adam_vs_gd.problems.learning.table1 import KINDS, SCHEDULE
from adam_vs_gd.spec.symbols import without_tex
from adam_vs_gd.spec.written import COLUMN, WIDTH, written

SWEEPS = sorted((Path(__file__).parent.parent / "sweeps").glob("*.toml"))
FAMILIES = [family for name in KNOWN if (family := family_named(name)).sections]


def read_back(text):
    return ag.SweepSpec(**tomllib.loads(text))


def uncommented(text):
    """What is commented out with a value, put into force."""
    return "\n".join(
        line[1:]
        if line[:1] == "#" and line[1:2] != " " and not line.partition("#")[2].partition("  #")[0].strip().endswith("=")
        else line
        for line in text.splitlines()
    )


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        (r"$\sigma_p$", "σ_p"), (r"$\|\mu\|$", "‖μ‖"), (r"$\eta_\infty$", "η_∞"), (r"$\varrho$", "ϱ"),
        (r"$p_\xi$", "p_ξ"), (r"$\eta'$", "η'"), ("$m$", "m"), ("", ""), ("alpha", "alpha"), (r"$\beta_1$", "β_1"),
        (r"$\Lambda_1$", "Lambda_1"),
    ],
)  # fmt: skip
def test_mathtext_as_plain_text(symbol, text):
    assert without_tex(symbol) == text


def test_every_symbol_of_a_number_is_plain_and_has_a_form_in_ascii():
    numbers = [
        number for family in FAMILIES for section in family.sections.values() for number in section.numbers.values()
    ]
    numbers += [number for family in FAMILIES for number in family.variants.numbers.values()]
    texts = {without_tex(number.symbol) for number in numbers}
    assert not [text for text in texts if "\\" in text or "$" in text or len(text) > 4]
    assert not {c for text in texts for c in text if not c.isascii()} - set(terminal.PLAIN)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_spec_written_is_read_back(path):
    spec = ag.load_spec(path)
    text = written(spec)
    assert read_back(text) == spec
    assert max(map(len, text.splitlines())) <= WIDTH
    comments = [line for line in text.splitlines() if "  # " in line]
    assert len(comments) > 10
    assert all(line[COLUMN : COLUMN + 2] == "# " for line in comments)


LABELS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(str.strip)
FLOATS = st.floats(1e-30, 1e30)
AXES = st.one_of(FLOATS, st.lists(st.floats(2**-10, 2**10, width=32), min_size=1, max_size=30, unique=True))


@given(
    optimizers=st.dictionaries(LABELS, st.sampled_from(sorted(KINDS)), min_size=1, max_size=4),
    eta=FLOATS,
    lam=AXES,
    steps=st.one_of(st.integers(1, 2**31 - 1), st.lists(st.integers(1, 10**6), min_size=1, max_size=20, unique=True)),
    seeds=st.one_of(st.integers(1, 9), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True)),
    data=st.sampled_from(
        [{}, {"sampler": "features", "patches": [2, 3]}, {"sampler": "mixture"}, {"supports": "independent"}]
    ),
    model=st.sampled_from([{}, {"name": "linear"}, {"activation": "huber", "knee": 0.5}, {"bias": "trained"}]),
    refine=st.sampled_from([None, {}, {"level": 0.1, "of": ["x", "y"]}, {"tolerance": {"lam": 1e-3, "a b": 1}}]),
)
def test_any_spec_written_is_read_back(optimizers, eta, lam, steps, seeds, data, model, refine):
    variants = {label: {"kind": kind, "eta": eta} for label, kind in optimizers.items()}
    spec = ag.SweepSpec(
        seeds=seeds, steps=steps, record=0, data=data, model=model, train={"lam": lam, "precision": "float64"},
        optimizers=variants, refine=refine,
    )  # fmt: skip
    assert read_back(written(spec)) == spec


def test_a_function_of_somebody_is_written_and_read_back(tmp_path, monkeypatch):
    (tmp_path / "somebodys.py").write_text("def walk(hyper, key): return {}")
    monkeypatch.chdir(tmp_path)
    spec = ag.SweepSpec(
        problem={"import": "somebodys:walk", "dims": {"path": ["quarter"]}}, axes={"drift": [0.0, 0.5]}, static={"n": 4}
    )
    text = written(spec)
    assert read_back(text) == spec
    assert 'dims = { path = ["quarter"] }' in text


def test_a_key_is_followed_by_its_symbol_words_range_and_default():
    text = written(ag.SweepSpec(data={"sigma_p": 0.25}, optimizers={"adam": {}}))
    (line,) = [line for line in text.splitlines() if line.startswith("sigma_p")]
    assert (
        line
        == "sigma_p = 0.25                    # σ_p, standard deviation of the noise: a finite number > 0; default 0.1"
    )
    assert "2.14748e+09" not in text
    (choice,) = [line for line in text.splitlines() if line.startswith("supports")]
    assert 'supports of the noise: "independent" or "disjoint"; default "independent"' in choice
    assert "default 5e-05" in text.partition("[optimizers.adam]")[2].partition("eta = ")[2].splitlines()[0]


def test_what_might_be_given_stands_there_commented_out():
    plain, sampled = (
        written(ag.SweepSpec(data=data, optimizers={"adam": {}, "gd": {}})) for data in ({}, {"sampler": "features"})
    )
    assert '#sampler = "two_patch"' in plain
    assert "balance" not in plain
    assert "balance = 0.5" in sampled
    assert "images" not in plain
    assert "#batch_size =" in plain
    assert plain.count("#warmup = 0") == 1, "once, and not for every optimizer"


@pytest.mark.parametrize("kind", writing.KINDS)
def test_all_that_is_commented_out_may_be_put_into_force(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    new.write(f"forced_{kind}", kind, Path("spec.toml"))
    text = Path("spec.toml").read_text(encoding="utf-8")
    put = tomllib.loads(uncommented(text))
    assert ag.SweepSpec(**put)
    if kind != "function":
        label = next(iter(put["optimizers"]))
        assert put["optimizers"][label].keys() >= SCHEDULE.keys()
        assert sum(map(len, (put[name] for name in ("data", "model", "train")))) > sum(
            map(len, (tomllib.loads(text).get(name, {}) for name in ("data", "model", "train")))
        )


def test_kinds_are_the_files_that_ship():
    shipped = {path.stem for path in (Path(cli.__file__).parent / "kinds").glob("*.toml")}
    assert shipped == set(writing.KINDS)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", writing.KINDS)
def test_new_writes_a_spec_that_loads_and_says_what_comes_next(kind, here, capsys):
    name = f"begun_{kind}"
    assert cli.main(["new", name, "--kind", kind]) == cli.DONE
    *files, last = capsys.readouterr().out.splitlines()
    assert files == [f"{name}.toml", *([f"{name}.py"] if kind == "function" else [])]
    assert last == f"next: adam-vs-gd sweep {name}.toml"
    text = Path(f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"\n#   adam-vs-gd sweep {name}.toml\n" in text
    spec = ag.load_spec(f"{name}.toml")
    assert spec.name == name
    shipped = tomllib.loads((Path(cli.__file__).parent / "kinds" / f"{kind}.toml").read_text(encoding="utf-8"))
    shipped.get("problem", {}).pop("import", None)
    live = tomllib.loads(text)
    live.get("problem", {}).pop("import", None)
    assert live == shipped | {"name": name}, "what is in force is what ships, as it was typed"


def test_new_writes_where_it_is_told_to(here, capsys):
    assert cli.main(["new", "mine", "--out", "my sweeps/first.toml"]) == cli.DONE
    assert capsys.readouterr().out.splitlines()[-1] == "next: adam-vs-gd sweep 'my sweeps/first.toml'"
    assert ag.load_spec("my sweeps/first.toml").name == "mine"


MISTAKES = {
    "a path": (["sweeps/mine"], ["sweeps/mine: must be letters, digits", "adam-vs-gd new mine --out sweeps/mine.toml"]),
    "a folder that might be": (["mine/"], ["mine/: must be", "adam-vs-gd new mine\n"]),
    "a file": (["mine.toml"], ["mine.toml: must be", "adam-vs-gd new mine"]),
    "spaces": (["my sweep"], ["my sweep: must be", "adam-vs-gd new my-sweep"]),
    "nothing": ([""], ["'': must be", "adam-vs-gd new mine"]),
    "a file that is there": (["taken"], ["taken.toml: is there already", "choose another name"]),
    "a module that is there": (["occupied", "--kind", "function"], ["occupied.py: is there already", "another name"]),
    "a folder": (["mine", "--out", "folder"], ["folder: is a folder", "--out folder/mine.toml"]),
    "a module of Python's": (["random", "--kind", "function"], ["Python has another random", "random-sweep"]),
    "an installed module": (["jax", "--kind", "function"], ["Python has another jax"]),
    "no module": (["3d", "--kind", "function"], ["3d: with --kind function", "begins with a letter"]),
    "an unknown kind": (["mine", "--kind", "diagramm"], ["invalid choice: 'diagramm'", "diagram"]),
    "no name": ([], ["the following arguments are required: NAME"]),
    "a folder that is not there": (["mine", "--out", "sweeps"], ["sweeps: must end in .toml", "sweeps/mine.toml"]),
    "an object store": (["mine", "--out", "s3://bucket/mine.toml"], ["not in an object store"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_new_refuses_and_says_what_to_do(name, here, capsys):
    (here / "taken.toml").write_text("mine = true")
    (here / "occupied.py").write_text("mine = True")
    (here / "folder").mkdir()
    before = sorted(here.rglob("*"))
    arguments, said = MISTAKES[name]
    assert cli.main(["new", *arguments]) == cli.BAD_INPUT
    error = capsys.readouterr().err
    for text in said:
        assert text in error
    assert sorted(here.rglob("*")) == before
    assert (here / "taken.toml").read_text() == "mine = true"


def test_spec_prints_it_completed_with_what_is_set(here, capsys):
    (here / "small.toml").write_text("[optimizers.gd]\n")
    assert cli.main(["spec", "small.toml", "--set", "seeds=2", "data.alpha=[0.1, 0.2]"]) == cli.DONE
    text = capsys.readouterr().out
    assert read_back(text) == ag.load_spec("small.toml", {"seeds": 2, "data.alpha": [0.1, 0.2]})
    (here / "again.toml").write_text(text, encoding="utf-8")
    assert cli.main(["spec", "again.toml"]) == cli.DONE
    assert capsys.readouterr().out == text, "what is completed is complete"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.toml"], "nowhere.toml: 1 mistake"),
        (["swept"], "swept: 1 mistake\n  is a folder; its spec is swept/spec.toml"),
        (["bad"], "did you mean bad.toml?"),
        (["bad.toml"], "did you mean alpha?"),
        (["bad.toml", "--set", "seeds"], "--set"),
    ],
)
def test_spec_says_what_is_wrong_with_it(arguments, said, here, capsys):
    (here / "swept").mkdir()
    (here / "swept" / "spec.toml").write_text("")
    (here / "bad.toml").write_text("[data]\nalhpa = 0.3\n[optimizers.gd]\n")
    assert cli.main(["spec", *arguments]) == cli.BAD_INPUT
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["new", "mine"],
        ["new", "walk", "--kind", "function"],
        ["spec", str(SWEEPS[0])],
        ["schema"],
        ["completion", "bash"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_writing_loads_nothing_heavy(arguments, here):
    script = (
        "import sys; from adam_vs_gd import cli; status = cli.main(sys.argv[1:])\n"
        "heavy = {'jax', 'jaxlib', 'xarray', 'pandas', 'scipy', 'matplotlib', 'zarr', 'optax'} & set(sys.modules)\n"
        "sys.exit(status or ', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=HUNG)
    assert (done.returncode, done.stderr) == (0, "")


SHOWN = {
    "diagram": ("test_error", "adam", 0.0, 0.5), "function": ("magnitude", None, -5.0, 5.0),
    "rest": ("test_error", "adam", 0.0, 0.5), "optimizers": ("test_error", "adam", 0.05, 0.4),
    "refine": ("test_error", "adam", 0.0, 0.25), "table1": ("test_error", "adam", 0.9, 0.8),
    "images": ("test_error", "adam", 0.7, 0.0),
}  # fmt: skip
"""{kind: (what its picture shows, of whom, at most so much somewhere, at least so much elsewhere)}."""


@pytest.mark.parametrize("kind", SHOWN)
def test_a_new_sweep_runs_to_a_picture_that_shows_something(kind, here):
    name = f"run_{kind}"
    new.write(name, kind, Path(f"{name}.toml"))
    done = subprocess.run(
        [sys.executable, "-m", "adam_vs_gd", "sweep", f"{name}.toml", "--quiet"], capture_output=True, text=True
    )
    assert done.returncode == cli.DONE, done.stderr
    assert list((here / "runs" / name / "figures").glob("*.png"))
    results = ag.load_results(here / "runs" / name)
    variable, label, low, high = SHOWN[kind]
    means = results[variable].mean("seed")
    means = means.sel(optimizer=label) if label else means
    assert means.min() <= low
    assert means.max() >= high


COMPLETED = {
    "": {"sweep", "show", "new", "spec", "schema", "completion"},
    "new --kind re": {"refine"},
    "new mine --k": {"--kind"},
    "sweep sub": {"sub/"},
    "sweep other.t": {"other.toml"},
    "show ru": {"runs/"},
    "spec other.toml --s": {"--set"},
    "reproduce table": {"table1"},
    "completion z": {"zsh"},
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_bash_completes_what_is_typed(typed, here, capsys):
    for folder in ("runs", "sub"):
        (here / folder).mkdir()
    (here / "other.toml").write_text("")
    assert cli.main(["completion", "bash"]) == cli.DONE
    (here / "completion.bash").write_text(capsys.readouterr().out, encoding="utf-8")
    script = (
        "source ./completion.bash; read -ra COMP_WORDS <<< \"adam-vs-gd $1\"; [[ $1 ]] || COMP_WORDS+=('')\n"
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE="adam-vs-gd $1"; COMP_POINT=${#COMP_LINE}\n'
        "found=$(complete -p adam-vs-gd); [[ $found =~ -F\\ ([^ ]+) ]]; ${BASH_REMATCH[1]} adam-vs-gd\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", typed], capture_output=True, text=True, timeout=HUNG, check=True
    )
    offered = {line.strip() for line in done.stdout.splitlines()}
    assert {word.rstrip("/") for word in COMPLETED[typed]} <= {word.rstrip("/") for word in offered}
    if typed:
        assert all(word.startswith(typed.split()[-1]) for word in offered if word)


@pytest.mark.parametrize(("shell", "says"), [("zsh", "#compdef adam-vs-gd"), ("tcsh", "complete adam-vs-gd")])
def test_other_shells_have_their_own_script(shell, says, capsys):
    assert cli.main(["completion", shell]) == cli.DONE
    text = capsys.readouterr().out
    assert says in text
    assert "reproduce" in text
