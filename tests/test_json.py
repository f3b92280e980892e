"""What scripts read: one JSON object on stdout, whose numbers are those of the text and of the results."""

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import adam_vs_gd as ag
from adam_vs_gd import cli, show
from adam_vs_gd.cli.structured import in_json
from adam_vs_gd.results import overview
from adam_vs_gd.results.selection import complete
from adam_vs_gd.results.statistics import over_seeds

SHIPPED = Path(__file__).parent.parent / "results"


@pytest.fixture
def found(capsys):
    """What a command prints, read as JSON; the exit status beside it."""

    def run(*arguments):
        status = cli.main([*map(str, arguments), "--json"])
        out = capsys.readouterr().out
        return json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON")), status

    return run


@pytest.fixture
def folder(tmp_path):
    """A small shipped sweep."""
    return Path(shutil.copytree(SHIPPED / "lam-by-steps", tmp_path / "sweep"))


def test_what_is_no_number_is_null():
    given = {"a": math.nan, "b": [np.inf, 1.5, np.float32(0.5)], "c": {"d": np.array([[1, 2]])}, "e": "α", "f": None}
    text = in_json(given)
    assert json.loads(text) == {"a": None, "b": [None, 1.5, 0.5], "c": {"d": [[1, 2]]}, "e": "α", "f": None}
    assert text.isascii()


@pytest.mark.parametrize("name", ["eta-by-alpha", "adam-at-rest"])
def test_show(name, found):
    told, status = found("show", SHIPPED / name)
    results = ag.load_results(SHIPPED / name)
    assert status == 0
    assert told["computed"] == int((results.status != 0).sum())
    assert sum(sum(counts.values()) for counts in told["statuses"].values()) == told["computed"]
    assert told["axes"] == dict(results.status.sizes)
    assert told["running"] is None
    assert (told["refinement"] is None) == (name == "eta-by-alpha")
    assert len(told["points"]) == int((results.status != 0).any("seed").sum())


def test_means_of_show_are_those_of_the_statistics(found):
    told, _ = found("show", SHIPPED / "sigma_p-by-s")
    expected = over_seeds(ag.load_results(SHIPPED / "sigma_p-by-s"), "test_error")
    for point in told["points"][::17]:
        here = expected.sel(optimizer=point["optimizer"], **point["at"])
        assert point["seeds"] == int(here.seeds)
        for end in ("mean", "low", "high"):
            assert point["means"]["test_error"][end] == pytest.approx(float(here[end]), rel=1e-15)


def test_show_tells_people_and_scripts_the_same():
    results = ag.load_results(SHIPPED / "eta-by-alpha")
    lines = show.table(complete(results)).splitlines()[1:-1]
    points = overview.points(complete(results))
    assert len(lines) == len(points)
    for line, point in zip(lines, points, strict=True):
        optimizer, alpha, eta, seeds, error, *_ = line.split()
        assert (optimizer, int(seeds)) == (point.optimizer, point.seeds)
        assert (float(alpha), float(eta)) == pytest.approx((point.at["alpha"], point.at["eta"]), rel=1e-3)
        mean = point.means["test_error"][0]
        assert math.isnan(mean) if error == "-" else float(error) == pytest.approx(mean, rel=6e-3)


def test_a_lane_that_is_not_computed_is_never_a_number(folder, found):
    """Of a seed that is asked for and not there nothing is counted; of a point without any there is null, and no 0."""
    text = (folder / "spec.toml").read_text()
    (folder / "spec.toml").write_text(re.sub(r"(lam = \[\n)", r"\1    0.123,\n", text))
    told, _ = found("show", folder)
    absent = [point for point in told["points"] if point["at"]["lam"] == 0.123]
    assert absent
    for point in absent:
        assert point["seeds"] == 0
        assert set(point["exceptions"]) == {"pending"}
        assert all(value is None for ends in point["means"].values() for value in ends.values())


def test_verify(folder, found):
    told, status = found("verify", folder)
    assert (told["whole"], told["lost"], told["damaged"], status) == (True, 0, [], 0)
    assert told["lanes"] == told["asked"] == len(ag.lanes(ag.load_results(folder)))
    chunk = max(folder.glob("journal/*"), key=lambda path: path.stat().st_size)
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    told, status = found("verify", folder)
    assert (told["whole"], len(told["damaged"]), status) == (False, 1, 1)
    assert chunk.name.partition(".")[0] in told["damaged"][0]["place"]
    assert told["lanes"] < told["asked"]
    assert told["copy"] is None


def test_theory_of_a_spec_and_of_results(found):
    told, status = found("theory", SHIPPED / "eta-by-alpha" / "spec.toml")
    assert status == 0
    assert told["places"] == 90
    assert len(told["points"]) == 2 * told["places"]
    assert all(point["measured"] is None for point in told["points"])
    predicted = ag.theory.predict(ag.load_spec(SHIPPED / "eta-by-alpha" / "spec.toml"))
    margins = {one["name"]: (one["low"], one["high"]) for one in told["conditions"]}
    assert margins["eta"] == (float(predicted.margin_eta.min()), float(predicted.margin_eta.max()))
    measured, _ = found("theory", SHIPPED / "eta-by-alpha")
    assert [point["phase"] for point in measured["points"]] == [point["phase"] for point in told["points"]]
    errors = over_seeds(ag.load_results(SHIPPED / "eta-by-alpha"), "test_error")["mean"].values.ravel()
    for point, error in zip(measured["points"], errors, strict=True):
        assert point["measured"][0] == (None if math.isnan(error) else pytest.approx(error))


def test_dry_run(tmp_path, found):
    (spec := tmp_path / "grid.toml").write_text(
        'seeds = 3\nsteps = 50\n[data]\nn = 10\nd = 30\ns = [4, 8]\nalpha = [0.0, 0.5]\ntest_size = 10\n'
        "[model]\nwidth = 2\n[optimizers.gd]\n"
    )  # fmt: skip
    told, status = found("sweep", spec, "--dry-run", "--out", tmp_path / "out", "--memory", "1GiB", "--quiet")
    assert status == 0
    plan = told["plan"]
    assert plan["lanes"] == sum(group["lanes"] for group in plan["groups"]) == 12
    assert plan["lane_steps"] == 12 * 50
    assert all(group["fits"] and group["bytes"] <= group["memory"] for group in plan["groups"])
    assert not (tmp_path / "out").exists()
    refined, _ = found("sweep", spec, "--dry-run", "--refine", "--out", tmp_path / "out", "--memory", "1GiB", "--quiet")
    (search,) = refined["refinement"]["searches"]
    assert search["cells"] == {"s": 1, "alpha": 1}
    assert refined["plan"]["lanes"] <= search["lanes"] <= search["most"] <= search["grid"] * 10


def test_json_of_a_sweep_is_for_dry_runs(tmp_path, capsys):
    (tmp_path / "spec.toml").write_text("")
    assert cli.main(["sweep", str(tmp_path / "spec.toml"), "--json"]) == 2
    said = capsys.readouterr()
    assert "--json: means something only with --dry-run" in said.err
    assert said.out == ""


def test_what_goes_wrong_leaves_stdout_empty(capsys):
    for command in (["show", "nowhere"], ["verify", "nowhere"], ["theory", "nowhere.toml"], ["compare", "a", "b"]):
        assert cli.main([*command, "--json"]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("adam-vs-gd: ")
