"""The JSON schema of specs: what ships is what is generated, takes every spec that there is, and refuses bad ones."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from test_spec import MISTAKES

import adam_vs_gd as ag
from adam_vs_gd import cli
from adam_vs_gd.cli import new, writing
from adam_vs_gd.problems.learning.table1 import KINDS, SWITCHES
from adam_vs_gd.spec.schema import schema, text
from adam_vs_gd.spec.written import written

ROOT = Path(__file__).parent.parent
SWEEPS = sorted((ROOT / "sweeps").glob("*.toml"))
VALIDATOR = jsonschema.Draft7Validator(schema())
ADAM = "[optimizers.adam]\n"
DEPENDENT = {
    # what only a check of one key beside others finds, or the text of a file
    "s > d-1", "s > d-1 at one point", "repeated value", "eta lists of different lengths",
    "disjoint supports that do not fit", "batch_size > n", "batch_size > n at one point", "width of a linear model",
    "q below 2", "record above steps", "range between integers", "float for an integer", "NaN", "1e400",
    "not TOML", "a list without an end", "text without quotes",
}  # fmt: skip


def mistakes(text):
    """{where: what is said} of what a schema finds in a spec."""
    return {error.json_path: error.message for error in VALIDATOR.iter_errors(tomllib.loads(text))}


def test_the_schema_is_one_and_small():
    jsonschema.Draft7Validator.check_schema(schema())
    assert len(text().encode()) < 80_000
    assert json.loads(text()) == schema()


def test_what_ships_is_what_is_generated(capsys):
    assert cli.main(["schema"]) == cli.DONE
    printed = capsys.readouterr().out
    assert (ROOT / "sweeps" / "schema.json").read_text(encoding="utf-8") == printed, (
        "adam-vs-gd schema > sweeps/schema.json"
    )


def test_editors_find_the_schema_of_the_sweeps():
    (rule,) = tomllib.loads((ROOT / ".taplo.toml").read_text(encoding="utf-8"))["rule"]
    assert (ROOT / rule["schema"]["path"]).is_file()
    assert set(SWEEPS) == {path for pattern in rule["include"] for path in ROOT.glob(pattern)}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_is_valid_as_typed_and_completed(path):
    assert mistakes(path.read_text(encoding="utf-8")) == {}
    assert mistakes(written(ag.load_spec(path))) == {}


@pytest.mark.parametrize("kind", writing.KINDS)
def test_every_new_spec_is_valid(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new.write(f"valid_{kind}", kind, Path("spec.toml"))
    assert mistakes(Path("spec.toml").read_text(encoding="utf-8")) == {}


@pytest.mark.parametrize("kind", [*KINDS, *SWITCHES])
def test_every_optimizer_is_valid_by_its_label_and_by_its_kind(kind):
    assert mistakes(f"[optimizers.{kind}]\neta = 0.1\nwarmup = 3\n") == {}
    assert mistakes(f'[optimizers.mine]\nkind = "{kind}"\neta = [0.1, 0.2]\n') == {}
    assert mistakes(f'[optimizers.mine]\nkind = "{kind}"\nbeta7 = 1\n').keys() == {"$.optimizers.mine"}


VALID = {
    "a range": "[data]\nalpha = { linspace = [0, 1, 3] }\n" + ADAM,
    "seeds": "seeds = [3, 4]\n" + ADAM,
    "a place of images": '[model]\nname = "alexnet"\n[data]\nimages = "cifar10:/there"\n' + ADAM,
    "a label of another kind": '[optimizers.gd]\nkind = "adam"\nbeta1 = 0.5\n',
    "an optimizer of somebody's": '[optimizers.mine]\nimport = "pkg:factory"\nanything = true\n',
    "adam, of somebody's": '[optimizers.adam]\nimport = "pkg:factory"\nanything = true\n',
    "a model of somebody's": '[model]\nimport = "pkg:module"\ndepth = 3\nname = "own"\n' + ADAM,
    "data of somebody's": '[data]\nimport = "pkg:sample"\nfeatures = 0.5\n' + ADAM,
    "a function": '[problem]\nimport = "pkg:f"\n[axes]\na = [1, 2]\nb = { geomspace = [1, 9, 3] }\n[static]\nn = 4\n',
    "a family": '[problem]\nimport = "pkg:FAMILY"\n[train]\nanything = 1\n[optimizers.mine]\nstrength = 1\n',
    "refined": "refine = true\n" + ADAM,
    "refined, of a difference": '[refine]\nof = ["adam - gd"]\ntolerance = { s = 0.1 }\n' + ADAM + "[optimizers.gd]\n",
}


@pytest.mark.parametrize("name", VALID)
def test_what_may_be_typed_is_valid(name):
    assert mistakes(VALID[name]) == {}


@pytest.mark.parametrize("name", sorted(MISTAKES.keys() - DEPENDENT))
def test_what_is_refused_whatever_stands_beside_it_is_not_valid(name):
    assert mistakes(MISTAKES[name][0])


REFUSED = {
    "unknown key": ("[data]\nalhpa = 0.3\n" + ADAM, "$.data", "'alhpa' was unexpected"),
    "text": ('[data]\nalpha = "0.3"\n' + ADAM, "$.data.alpha", "is not of type 'number'"),
    "one of a list": ("[data]\nalpha = [0.1, 1.5]\n" + ADAM, "$.data.alpha[1]", "1.5 is greater than the maximum of 1"),
    "odd": ("[data]\nn = 3\n" + ADAM, "$.data.n", "3 is not a multiple of 2"),
    "a range of two": ("[data]\nalpha = { linspace = [0, 1] }\n" + ADAM, "$.data.alpha.linspace", "too short"),
    "no kind": ("[optimizers.adma]\n", "$.optimizers.adma", "'kind' is a required property"),
    "another's number": ("[optimizers.gd]\nbeta1 = 0.5\n", "$.optimizers.gd", "'beta1' was unexpected"),
    "no images": ('[data]\nimages = "cifar"\n' + ADAM, "$.data.images", "does not match"),
    "a number of [refine]": ("[refine]\ndepth = [1, 2]\n" + ADAM, "$.refine.depth", "is not of type 'integer'"),
    "no optimizers": ("steps = 3\n", "$", "'optimizers' is a required property"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_found_where_it_is(name):
    text, where, said = REFUSED[name]
    assert said in mistakes(text)[where]


def test_an_editor_is_told_symbol_words_range_and_default():
    sigma_p = schema()["definitions"]["data"]["properties"]["sigma_p"]
    assert sigma_p["title"] == "σ_p, standard deviation of the noise"
    assert sigma_p["description"] == "a finite number > 0; default 0.1"
    assert sigma_p["default"] == 0.1
    sigma_0 = schema()["definitions"]["model"]["properties"]["sigma_0"]["description"]
    assert "images: a finite number > 0; default 1.0" in sigma_0, "where families differ, both are told"
