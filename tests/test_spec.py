"""The grammar of a spec, and what is said about every mistake in one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adam_vs_gd as ag
from adam_vs_gd.problems.two_patch.family import NUMBERS
from adam_vs_gd.spec.cells import axes, cells
from adam_vs_gd.spec.sweep_spec import parse_override

ADAM = "[optimizers.adam]\n"

MISTAKES = {
    # toml -> what the message must contain: the key, the value, what is allowed
    "unknown key, near miss": ("[data]\nalhpa = 0.3\n" + ADAM, ["data.alhpa = 0.3", "did you mean alpha?", "sigma_p"]),
    "unknown top-level key": ("step = 10\n" + ADAM, ["step = 10", "did you mean steps?"]),
    "key in the wrong place": ("alpha = 0.3\n" + ADAM, ["alpha = 0.3", "belongs under [data]"]),
    "unknown table": ("[optimiser.adam]\n" + ADAM, ["optimiser = ", "did you mean optimizers?"]),
    "text for a number": ('[data]\nalpha = "0.3"\n' + ADAM, ['data.alpha = "0.3"', "a finite number >= 0 and <= 1"]),
    "boolean for a number": ("[data]\nsigma_p = true\n" + ADAM, ["data.sigma_p = true", "a finite number > 0"]),
    "float for an integer": ("[data]\ns = 10.5\n" + ADAM, ["data.s = 10.5", "an integer >= 1"]),
    "s > d-1": ("[data]\nd = 50\ns = 50\n" + ADAM, ["data.s = 50", "1 .. d-1 = 49"]),
    "s > d-1 at one point": ("[data]\nd = [50, 500]\ns = [10, 100]\n" + ADAM, ["data.s = 100", "data.d = 50"]),
    "s = 0": ("[data]\ns = 0\n" + ADAM, ["data.s = 0", "an integer >= 1"]),
    "n odd": ("[data]\nn = 201\n" + ADAM, ["data.n = 201", "an even integer >= 2"]),
    "test_size odd": ("[data]\ntest_size = 999\n" + ADAM, ["data.test_size = 999", "an even integer"]),
    "alpha above 1": ("[data]\nalpha = 1.5\n" + ADAM, ["data.alpha = 1.5", "<= 1"]),
    "alpha below 0": ("[data]\nalpha = [0.1, -0.1]\n" + ADAM, ["data.alpha = [0.1, -0.1]", "-0.1 must be", ">= 0"]),
    "sigma_p = 0": ("[data]\nsigma_p = 0.0\n" + ADAM, ["data.sigma_p = 0.0", "> 0"]),
    "NaN": ("[train]\nlam = nan\n" + ADAM, ["train.lam = nan", "a finite number >= 0"]),
    "1e400": ("[model]\nsigma_0 = 1e400\n" + ADAM, ["model.sigma_0 = inf", "a finite number > 0"]),
    "negative eta": (ADAM + "eta = -1e-3\n", ["optimizers.adam.eta = -0.001", "> 0"]),
    "negative lam": ("[train]\nlam = -1e-5\n" + ADAM, ["train.lam = -1e-05", ">= 0"]),
    "beta1 = 1": (ADAM + "beta1 = 1.0\n", ["optimizers.adam.beta1 = 1.0", ">= 0 and < 1"]),
    "empty list": ("[data]\nalpha = []\n" + ADAM, ["data.alpha = []", "at least one value"]),
    "list in a list": ("[data]\nalpha = [[0.1]]\n" + ADAM, ["data.alpha = [[0.1]]", "a finite number"]),
    "repeated value": ("[data]\nalpha = [0.1, 0.2, 0.1]\n" + ADAM, ["data.alpha", "0.1 appears twice"]),
    "unknown optimizer": ("[optimizers.adma]\n", ["optimizers.adma", "did you mean adam?", "signgd"]),
    "unknown kind": ('[optimizers.mine]\nkind = "sdg"\n', ["optimizers.mine.kind", '"sdg"', "gd, signgd, adam"]),
    "no optimizer": ("steps = 10\n", ["optimizers = {}", "[optimizers.adam]"]),
    "key of another optimizer": ("[optimizers.gd]\nbeta1 = 0.9\n", ["optimizers.gd.beta1", "means nothing to gd"]),
    "eta lists of different lengths": (
        ADAM + "eta = [1e-5, 1e-4]\n[optimizers.gd]\neta = [0.1, 0.2, 0.3]\n",
        ["optimizers.*.eta", "2 values for adam", "3 values for gd", "equal lengths"],
    ),
    "disjoint supports that do not fit": (
        '[data]\nn = 20\nd = 1000\ns = 50\nsupports = "disjoint"\n' + ADAM,
        ['data.supports = "disjoint"', "20·50 = 1000", "d-1 = 999"],
    ),
    "unknown supports": ('[data]\nsupports = "overlapping"\n' + ADAM, ["data.supports", "independent, disjoint"]),
    "unknown model": ('[model]\nname = "mlp"\n' + ADAM, ['model.name = "mlp"', "two_layer_cnn, linear"]),
    "batch_size = 0": ("[train]\nbatch_size = 0\n" + ADAM, ["train.batch_size = 0", "an integer >= 1"]),
    "batch_size > n": ("[train]\nbatch_size = 201\n" + ADAM, ["train.batch_size = 201", "1 .. n = 200", "full batch"]),
    "batch_size > n at one point": ("[data]\nn = [20, 40]\n[train]\nbatch_size = [10, 30]\n" + ADAM,
                                    ["train.batch_size = 30", "n = 20 at data.n = 20"]),
    "width of a linear model": ('[model]\nname = "linear"\nwidth = 5\n' + ADAM, ["model.width = 5", "means nothing"]),
    "q below 2": ("[model]\nq = 1\n" + ADAM, ["model.q = 1", ">= 2"]),
    "unknown precision": ('[train]\nprecision = "bfloat16"\n' + ADAM, ["train.precision", "float32, float64"]),
    "record above steps": ("steps = 50\nrecord = 100\n" + ADAM, ["record = 100", "0 .. steps = 50"]),
    "negative record": ("record = -1\n" + ADAM, ["record = -1"]),
    "steps = 0": ("steps = 0\n" + ADAM, ["steps = 0", "an integer >= 1"]),
    "no seeds": ("seeds = 0\n" + ADAM, ["seeds = 0", "a count >= 1"]),
    "repeated seed": ("seeds = [1, 1]\n" + ADAM, ["seeds = [1, 1]", "different seeds"]),
    "negative seed": ("seeds = [-1, 1]\n" + ADAM, ["seeds = [-1, 1]", "0 .. 4294967295"]),
    "unknown range": ("[data]\nalpha = { arange = [0, 1, 3] }\n" + ADAM, ["data.alpha", "linspace", "geomspace"]),
    "range of two": ("[data]\nalpha = { linspace = [0, 1] }\n" + ADAM, ["data.alpha", "[first, last, count]"]),
    "geomspace from 0": ("[data]\nalpha = { geomspace = [0, 1, 3] }\n" + ADAM, ["data.alpha", "must be > 0"]),
    "range between integers": ("[data]\ns = { linspace = [1, 10, 4] }\nd = 50\nn = 4\n" + ADAM.replace("adam", "gd")
                               + "[model]\nwidth = { linspace = [1, 2, 3] }\n", ["model.width", "list the integers"]),
    "name that is no folder": ('name = "a/b"\n' + ADAM, ['name = "a/b"', "fit for a folder"]),
    "a table that is none": ("data = 3\n" + ADAM, ["data = 3", "must be a table"]),
    "not TOML": ("seeds = 3\nsteps = = 3\n", ["is not TOML", "at line 2", ": steps = = 3"]),
    "text without quotes": ("name = mine\n" + ADAM, ["is not TOML", "at line 1", ": name = mine"]),
    "a list without an end": ("[data]\ns = [1, 2\n", ["is not TOML"]),
    "an optimizer by its name alone": ('optimizers = "adam"\n', ['optimizers = "adam"', "must be a table", "adam"]),
}  # fmt: skip


def load(tmp_path, text, **overrides):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return ag.load_spec(path, overrides)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(tmp_path, mistake):
    text, said = MISTAKES[mistake]
    with pytest.raises(ag.SpecError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert "1 mistake\n" in message, message
    for part in said:
        assert part in message, message


def test_a_file_may_begin_with_the_mark_of_utf_8(tmp_path):
    (tmp_path / "spec.toml").write_text(ADAM, encoding="utf-8-sig")
    assert ag.load_spec(tmp_path / "spec.toml").labels == ("adam",)


def test_a_file_in_another_encoding_is_told_how_to_save_it(tmp_path):
    (tmp_path / "spec.toml").write_text(ADAM, encoding="utf-16")
    with pytest.raises(ag.SpecError, match="save it as text in UTF-8"):
        ag.load_spec(tmp_path / "spec.toml")


def test_all_mistakes_are_reported_at_once(tmp_path):
    with pytest.raises(ag.SpecError) as caught:
        load(
            tmp_path, "seeds = 0\nsteps = -1\n[data]\nn = 3\nalpah = 1\n[train]\nlam = -1\n[optimizers.adam]\neta = 0\n"
        )
    assert len(caught.value.mistakes) == 6
    assert "6 mistakes" in str(caught.value)


def test_missing_file():
    with pytest.raises(ag.SpecError, match=r"nowhere\.toml: 1 mistake\n  cannot be read: No such file"):
        ag.load_spec("nowhere.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("data.alpha=0.3", 0.3), ("data.alpha = [0.1, 0.2]", [0.1, 0.2]), ("data.supports=disjoint", "disjoint"),
     ("data.s={ geomspace = [1, 100, 3] }", {"geomspace": [1, 100, 3]})],
)  # fmt: skip
def test_overrides_are_toml_or_a_word(text, expected):
    assert parse_override(text)[1] == expected


@pytest.mark.parametrize("text", ["data.alpha", "=3", "data.alpha=", "data.alpha=[1"])
def test_bad_overrides(text):
    with pytest.raises(ag.SpecError, match="--set"):
        parse_override(text)


def test_override_through_a_value(tmp_path):
    with pytest.raises(ag.SpecError, match="steps is not a table"):
        load(tmp_path, "steps = 3\n" + ADAM, **{"steps.x": 3})


def test_what_is_left_out_is_table_1():
    spec = ag.SweepSpec(optimizers={"adam": {}, "gd": {}, "signgd": {}, "adam_paper": {}})
    expected = {"steps": 10_000, "n": 200, "d": 1000, "s": 100, "sigma_p": 0.1, "alpha": 0.2, "test_size": 10_000,
                "width": 20, "q": 3, "sigma_0": 0.01, "lam": 1e-5}  # fmt: skip
    assert {key: spec.number(key) for key in expected} == expected
    eta = {"adam": 5e-5, "gd": 0.02, "signgd": 5e-5, "adam_paper": 5e-5}
    assert {label: spec.number("eta", label) for label in spec.optimizers} == eta
    assert spec.number("beta1", "adam") == 0.9
    assert spec.number("beta1", "gd") is None
    assert spec.record == 100
    assert ag.SweepSpec(steps=30, optimizers={"gd": {}}).record == 30


def test_ranges_have_the_values_one_would_write():
    spec = ag.SweepSpec(
        data={"alpha": {"linspace": [0, 0.9, 10]}, "s": {"geomspace": [1, 100, 3]}},
        train={"lam": {"geomspace": [1e-6, 1e-3, 4]}}, optimizers={"gd": {}},
    )  # fmt: skip
    assert spec.data["alpha"] == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert spec.data["s"] == (1, 10, 100)
    assert spec.train["lam"] == (1e-6, 1e-5, 1e-4, 1e-3)


def test_a_checked_spec_is_its_own_spec():
    spec = ag.SweepSpec(seeds=[3, 1], data={"alpha": [0.1]}, optimizers={"a": {"kind": "adam", "eta": [1e-3, 1e-4]}})
    assert ag.SweepSpec(**spec.to_dict()) == spec


def dimensions(**optimizers):
    spec = ag.SweepSpec(seeds=1, steps=2, optimizers=optimizers)
    return dict(axes(spec)), [lane for _, lane in cells(spec)]


def test_same_list_everywhere_is_the_key_itself():
    dims, lanes = dimensions(adam={"beta2": [0.99, 0.999]}, gd={})
    assert dims == {"beta2": (0.99, 0.999)}
    assert [lane.hyper.beta2 for lane in lanes] == [0.99, 0.999, 0.0, 0.0]
    assert lanes[2].digest == lanes[3].digest, "gd has no β2: one lane fills both cells"


def test_a_default_beside_a_list_is_a_scalar():
    dims, lanes = dimensions(adam={"beta2": [0.99, 0.999]}, gd={}, adam_paper={})
    assert dims == {"beta2_index": None}
    assert [lane.hyper.beta2 for lane in lanes] == [0.99, 0.999, 0, 0, 0.999, 0.999]


def test_ranges_are_expanded_before_lists_are_compared():
    dims, _ = dimensions(adam={"eta": [0.1, 0.2]}, gd={"eta": {"linspace": [0.1, 0.2, 2]}})
    assert dims == {"eta": (0.1, 0.2)}


@given(st.data())
def test_lanes_are_optimizers_times_axes_times_seeds(data):
    swept = data.draw(st.lists(st.sampled_from(["alpha", "s", "n", "lam", "width", "steps"]), unique=True))
    pool = {"alpha": [0.0, 0.5, 1.0], "s": [1, 5], "n": [2, 4, 6], "lam": [0.0, 1.0], "width": [1, 2], "steps": [5, 9]}
    section = {"alpha": "data", "s": "data", "n": "data", "lam": "train", "width": "model"}
    tables = {"data": {}, "train": {}, "model": {}}
    top = {"steps": 9}
    for key in swept:
        (tables[section[key]] if key in section else top)[key] = pool[key]
    spec = ag.SweepSpec(seeds=2, **top, **tables, optimizers={"adam": {}, "gd": {}})
    found = list(cells(spec))
    assert len(found) == 4 * np.prod([len(pool[key]) for key in swept], dtype=int)
    assert len({lane.digest for _, lane in found}) == len(found)
    assert [name for name, _ in axes(spec)] == [key for key in NUMBERS if key in swept]
    assert len({position for position, _ in found}) == len(found)
