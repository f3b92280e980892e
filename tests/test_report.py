"""A page holds what the Dataset says: its numbers to the bit, its words escaped, its size small."""

import base64
import gzip
import json
import re

import made
import numpy as np
import pytest
import small
import xarray as xr
from small import STATUSES

import adam_vs_gd as ag
from adam_vs_gd import cli
from adam_vs_gd.report import page, payload, write
from adam_vs_gd.report.blob import rounded
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.results.statistics import difference, over_seeds
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.journal import Survey

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028'\""


def element(text, name):
    """The text of a page's data element."""
    return re.search(rf'<script type="[^"]*" id="{name}">([^<]*)</script>', text)[1]


def unpacked(text, name):
    """The header of a page, and the arrays of one of its blobs."""
    header = json.loads(element(text, "header"))
    content = gzip.decompress(base64.b64decode(element(text, name)))
    arrays = {}
    for key, (first, count, kind) in header[name].items():
        size = int(kind[1])
        planes = np.frombuffer(content, np.uint8, count * size, first).reshape(size, count)
        arrays[key] = planes.T.copy().view(f"<{kind}").ravel()
    return header, arrays


def test_final_numbers_are_the_package_s_own_statistics():
    results = made.three()
    header, arrays = unpacked(page(results), "finals")
    assert [one["label"] for one in header["series"]] == ["adam", "gd", "adam − gd"]
    np.testing.assert_array_equal(arrays["status"], results.status.values.ravel())
    for name in ("test_error", "loss", "best_step"):
        np.testing.assert_array_equal(arrays[name], results[name].values.ravel())
        expected = [
            *(over_seeds(results, name).isel(optimizer=k) for k in (0, 1)),
            difference(results, name, "adam", "gd"),
        ]
        for k, summary in enumerate(expected):
            for field in ("mean", "low", "high", "seeds"):
                np.testing.assert_array_equal(arrays[f"{name}/{k}/{field}"], summary[field].values.astype("f4").ravel())
    one = over_seeds(results, "capital_lambda").sel({"class": -1, "optimizer": "gd"})
    np.testing.assert_array_equal(arrays["capital_lambda:-1/1/mean"], one["mean"].values.astype("f4").ravel())


def test_trajectories_and_their_means_are_there_to_twelve_bits():
    results = made.three()
    header, arrays = unpacked(page(results), "paths")
    assert header["trajectories"]["steps"] == [results.step.values.tolist()]
    assert header["trajectories"]["test_steps"] == [results.test_step.values.tolist()]
    for name in header["trajectories"]["variables"]:
        path = results[f"{name}_path"]
        np.testing.assert_allclose(arrays[name], path.values.ravel(), rtol=2**-12)
        mean = over_seeds(results, f"{name}_path")["mean"].transpose("optimizer", "s", "alpha", "lam", path.dims[-1])
        np.testing.assert_allclose(arrays[f"{name}/mean"], mean.values.ravel(), rtol=2**-12)


def test_rounding_keeps_what_is_no_number():
    values = np.array([np.nan, np.inf, -np.inf, 0, 1 / 3, -1e-30, 3.4028235e38], np.float32)
    found = rounded(values, 11)
    assert np.isnan(found[0])
    np.testing.assert_array_equal(found[1:4], values[1:4])
    np.testing.assert_allclose(found[4:6], values[4:6], rtol=2**-12)
    assert not (found.view(np.uint32)[1:] & 0xFFF).any()


def test_long_trajectories_are_thinned_and_the_page_says_so(monkeypatch):
    monkeypatch.setattr(payload, "PATH_NUMBERS", 1000)
    results = made.results(data={"alpha": [0.0, 0.2]}, steps=60, record=60)
    header, arrays = unpacked(page(results), "paths")
    about = header["trajectories"]
    assert (about["kept"], about["recorded"]) == (13, 61)
    assert about["steps"][0][0] == 0
    assert about["steps"][0][-1] == 60
    at = results.loss_path.sel(record=np.isin(results.step, about["steps"][0]))
    np.testing.assert_allclose(arrays["loss"], at.values.ravel(), rtol=2**-12)


def test_scales_of_colours():
    results = made.three()
    results["loss"] = results.loss.copy(data=np.full(results.loss.shape, 0.25, np.float32))
    header, _ = unpacked(page(results), "finals")
    scales = {one["name"]: one["scales"] for one in header["variables"]}
    assert scales["test_error"] == [
        {"map": "viridis", "kind": "error", "low": 0, "high": 1, "chance": 0.5},
        {"map": "viridis", "kind": "error", "low": 0, "high": 1, "chance": 0.5},
        {"map": "RdBu_r", "kind": "linear", "low": -1, "high": 1},
    ]
    assert scales["grad_norm_l1"][0]["kind"] == "log"
    assert scales["loss"][0]["low"] == 0.25
    assert scales["loss"][0]["high"] > 0.25, "a range, though all are the same"
    crossing = scales["noise_memorization"][0]
    assert crossing["map"] == "RdBu_r"
    assert crossing["low"] == -crossing["high"]
    assert scales["weight_norm"][0] == scales["weight_norm"][1], "one range for the whole variable"


def test_axes_of_each_optimizer_s_own_values():
    optimizers = {"adam": {"eta": [1e-2, 1e-3, 1e-4]}, "gd": {"eta": [0.01, 0.1, 1.0]}, "signgd": {"eta": 0.002}}
    header, _ = unpacked(page(made.results(data={"alpha": [0.0, 0.5]}, optimizers=optimizers)), "finals")
    adam, _, signgd, pair = (header["series"][k]["axes"]["eta_index"] for k in range(4))
    assert (adam["label"], adam["scale"], adam["order"]) == ("learning rate η", "log", [2, 1, 0])
    assert adam["ticks"] == ["0.0001", "0.001", "0.01"]
    np.testing.assert_allclose(10 ** np.array(adam["at"]), [1e-4, 1e-3, 1e-2])
    np.testing.assert_allclose(10 ** np.array(adam["edges"])[1:-1], np.sqrt([1e-7, 1e-5]))
    assert (pair["name"], pair["texts"][1]) == ("eta_index", "adam 0.001, gd 0.1")
    assert signgd["texts"][1] == "0.002, number 1"


def test_one_axis_none_one_optimizer_one_seed_and_no_trajectories():
    for keys in ({"data": {"s": [2, 3]}}, {}, {"optimizers": {"gd": {}}}, {"record": 0}, {"seeds": 1}):
        header, _ = unpacked(page(made.results(**keys)), "finals")
        assert (header["trajectories"] is None) == ("record" in keys)
    nothing = to_dataset(small.spec(), [])
    assert "0 of 4 lanes computed" in page(nothing)


def test_results_of_other_people():
    """A Dataset that this package did not compute: two axes, one variable, names for values, no seeds, no spec."""
    values = xr.DataArray(
        np.arange(6.0).reshape(2, 3), dims=("kind", "a"), coords={"kind": ["x", "y"], "a": [1, 10, 100]}
    )
    text = page(xr.Dataset({"loss": values}))
    header, arrays = unpacked(text, "finals")
    np.testing.assert_array_equal(arrays["loss/0/mean"], values.values.ravel())
    axes = header["series"][0]["axes"]
    assert axes["kind"]["texts"] == ["x", "y"]
    assert axes["a"]["scale"] == "log"
    assert "6 of 6 lanes computed" in text
    assert "carry no spec" in text


def test_odd_results_of_other_people():
    """Trajectories without final values or steps, classes of their own, words, and a number for all lanes together."""
    rng = np.random.default_rng(0)
    theirs = xr.Dataset(
        {
            "test_error": (("alpha", "seed"), rng.random((3, 2))),
            "feature_learning_path": (("alpha", "seed", "record"), rng.random((3, 2, 5))),
            "spread": (("alpha", "seed", "class"), rng.random((3, 2, 3))),
            "author": ("alpha", ["a", "b", "c"]),
            "everywhere": ((), 1.0),
            "apart": ("k", [1.0, 2.0]),
        },
        {"alpha": [0.0, 0.1, 0.2], "class": [0, 1, 2]},
    )
    header, _ = unpacked(page(theirs), "finals")
    names = [variable["name"] for variable in header["variables"]]
    assert names == ["test_error", "spread:0", "spread:1", "spread:2", "everywhere"]
    assert header["trajectories"]["variables"] == {"feature_learning": "feature learning"}
    assert header["trajectories"]["steps"] == [[0, 1, 2, 3, 4]]
    other = theirs.drop_vars("feature_learning_path").assign(mine_path=("record", rng.random(5)))
    assert unpacked(page(other), "finals")[0]["trajectories"] is None


def test_words_are_escaped():
    results = made.results(optimizers={HOSTILE: {"kind": "adam"}, "gd": {}})
    results.attrs |= {"title": HOSTILE, "spec": HOSTILE, "commit": HOSTILE, "device": HOSTILE}
    text = page(results)
    assert "<img" not in text
    assert text.count("</script>") == 4
    assert json.loads(element(text, "header"))["optimizers"][0] == HOSTILE


def test_what_made_it_and_how_to_make_it_again():
    results = made.results()
    assert "Computing time</dt><dd>not told" in page(results)
    results.attrs |= {"commit": "0123abc-dirty", "path": "reference", "digest": "d1d2"}
    survey = Survey(frozenset("abc"), [{}], [], [70.0, None])
    text = page(results, survey)
    assert "1 min 10 s for 3 lanes in 2 chunks, without compiling" in text
    assert "; not told by 1 of the chunks" in text
    assert "git checkout 0123abc\n" in text
    assert "had changes that this commit does not hold" in text
    assert "adam-vs-gd sweep spec.toml --out runs/again --path reference" in text
    assert "d1d2" in text
    assert "learning rate η" in text


def test_a_page_is_small_and_the_same_every_time():
    results = made.results()
    text = page(results)
    assert text == page(results)
    data = sum(len(element(text, name)) for name in ("finals", "paths"))
    assert len(text.encode()) - data < 200_000


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(ag.PlotError, match=r"must end in \.html"):
        write(made.results(), tmp_path / "page.png")
    (tmp_path / "file").touch()
    with pytest.raises(ag.DiskError, match="this page cannot be written"):
        write(made.results(), tmp_path / "file" / "page.html")


def test_the_command_writes_the_page_of_a_folder(tmp_path, capsys):
    data = {"n": 4, "d": 12, "s": [2, 3], "test_size": 4}
    spec = small.spec(seeds=1, steps=4, record=2, data=data, optimizers={"gd": {}})
    results = ag.run_sweep(spec, out=tmp_path / "sweep", quiet=True)
    assert cli.main(["report", str(tmp_path / "sweep")]) == 0
    assert re.fullmatch(r".*/sweep/report\.html \(0\.\d\d MB\)\n", capsys.readouterr().out)
    text = (tmp_path / "sweep" / "report.html").read_text()
    header, arrays = unpacked(text, "finals")
    np.testing.assert_array_equal(arrays["loss"], results.loss.values.ravel())
    assert re.search(r"Computing time</dt><dd>[\d.]+ s for 2 lanes in \d chunk", text)
    assert header["statuses"] == list(STATUSES)
    assert Folder(tmp_path / "sweep").journal.survey().damaged == []
    assert cli.main(["report", str(tmp_path)]) == cli.BAD_INPUT
    assert cli.main(["report", str(tmp_path / "sweep"), "--out", str(tmp_path / "x.pdf")]) == cli.BAD_INPUT
