"""Sweeps that are refined: the same lanes whoever trains them, shared with grids, shown as they are, or refused."""

import concurrent.futures
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import foreign
import made
import numpy as np
import pytest
import small
import xarray as xr
from matplotlib.collections import PathCollection, QuadMesh
from patience import wait_until

import adam_vs_gd as ag
from adam_vs_gd import cli, report, show
from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.engine.rounds import plan_of
from adam_vs_gd.refine.question import questions_of
from adam_vs_gd.refine.refinement import Refinement
from adam_vs_gd.results.axis import axis_of
from adam_vs_gd.results.uneven import owners, refinement, there, told
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.store.folder import Folder

HERE = Path(__file__).parent
AXES = {"x": [0.1, 0.316227766017, 1.0, 3.16227766017, 10.0], "y": [0.1, 0.316227766017, 1.0, 3.16227766017, 10.0]}
LAW = {"c": 1.5, "k": -0.7, "wobble": 0.0, "noise": 0.02}
REFINE = {"value": "value", "level": 0.5, "depth": 3}


def jump(out=None, refine=REFINE, axes=AXES, seeds=2, **fixed):
    return ag.sweep_function(foreign.jump, axes, fixed=LAW | fixed, seeds=seeds, out=out, refine=refine, quiet=True)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A boundary y = 1.5·x^-.7 that is found, and its folder."""
    out = tmp_path_factory.mktemp("refined") / "jump"
    return jump(out), out


def digests(out):
    return Folder(out).journal.survey().done


def test_the_boundary_is_where_it_is_and_its_interval_says_how_well_that_is_known(found):
    results, _ = found
    curve = ag.boundary(results, "y", "x", 0.5).isel(optimizer=0)
    here = np.isfinite(curve.y)
    truth = 1.5 * curve.x[here] ** -0.7
    assert here.sum() > 20
    assert (curve.low[here] <= truth).all()
    assert (truth <= curve.high[here]).all()
    finest = np.log10(AXES["y"][1] / AXES["y"][0]) / 8
    widths = np.log10(curve.high / curve.low)[here]
    assert widths.min() >= finest * 0.999
    assert np.median(widths) < finest * 1.01, "one cell of the finest"
    law = ag.fit_exponent(curve)
    assert law.low < -0.7 < law.high
    grid = ag.fit_exponent(ag.boundary(jump(refine=None), "y", "x", 0.5).isel(optimizer=0))
    assert law.high - law.low < (grid.high - grid.low) / 3
    about = refinement(results)
    assert about["missing"] == 0
    assert about["searches"][0]["points"] < about["searches"][0]["grid"] / 3


def test_results_are_on_the_union_of_values_and_pending_where_nothing_was_trained(found):
    results, out = found
    assert set(AXES["x"]) <= set(results.x.values)
    assert (np.diff(results.x) > 0).all()
    assert (np.diff(results.y) > 0).all()
    lanes = int((results.status > 0).sum())
    assert lanes == len(digests(out)) == refinement(results)["lanes"]
    assert lanes < results.status.size / 2
    assert (results.value.isnull() == (results.status == 0)).all()
    assert results.x.attrs["coarse"] == AXES["x"]
    for name in ("x", "y"):
        assert axis_of(results, name).scale == "log", "whatever lies between"
    xr.testing.assert_identical(ag.load_results(out), results)
    assert cli.main(["verify", str(out)]) == 0
    sides = results.side.where(there(results))
    truth = xr.where(results.y > 1.5 * results.x**-0.7, 1, -1)
    assert ((sides == truth) | sides.isnull()).all()


def test_lanes_of_a_grid_are_used_and_a_refined_folder_is_gridded_later(tmp_path, found):
    out = tmp_path / "jump"
    jump(out, refine=None, seeds=3)
    coarse = digests(out)
    files = set(Folder(out).journal.files())
    results = jump(out)
    assert files <= set(Folder(out).journal.files())
    assert coarse < digests(out)
    new = digests(out) - coarse
    assert new == digests(found[1]) - coarse, "what is asked for does not depend on what else is there"
    assert (results.status.sel(x=AXES["x"], y=AXES["y"], seed=0) > 0).all()
    jump(out, refine=REFINE | {"depth": 2})
    assert digests(out) == coarse | new, "a shallower search is a part of it"
    every = {key: {"geomspace": [0.1, 10.0, 33]} for key in AXES}
    grid = jump(out, refine=None, axes=every)
    assert (grid.status == 2).all()
    assert new | coarse < digests(out)
    assert len(digests(out)) == len(new | coarse) + 33 * 33 * 2 - len(
        {lane.digest for _, lane in cells(ag.SweepSpec(**Folder(out).spec().to_dict()))} & (new | coarse)
    )
    again = jump(out)
    both = there(results) & there(again)
    np.testing.assert_array_equal(again.value.where(both.isel(optimizer=0, missing_dims="ignore")),
                                  results.value.where(both.isel(optimizer=0, missing_dims="ignore")))  # fmt: skip
    assert refinement(again) == refinement(results)


def test_it_is_the_same_in_memory_on_one_device_and_on_other_processes(found):
    results, _ = found
    xr.testing.assert_equal(jump().drop_attrs(), results.drop_attrs())
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = ag.sweep_function(foreign.jump, AXES, fixed=LAW, seeds=2, refine=REFINE, quiet=True, executor=pool)
    xr.testing.assert_equal(there.drop_attrs(), results.drop_attrs())
    assert refinement(there) == refinement(results)


SCRIPT = """
import sys
import foreign
from test_refine_sweep import jump, REFINE
jump(sys.argv[1], refine=REFINE | {"depth": 5}, noise=0.3)
"""


def test_killed_and_gone_on_with_it_ends_as_if_it_had_not_been(tmp_path):
    whole = jump(tmp_path / "whole", refine=REFINE | {"depth": 5}, noise=0.3)
    out, kills = tmp_path / "killed", 0
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
    while kills < 3:
        before = len(list((out / "journal").glob("*.npz")))
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(out)], env=environment)
        if wait_until(
            lambda before=before: len(list((out / "journal").glob("*.npz"))) > before + 2,
            lambda process=process: process.poll() is not None,
        ):
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        assert (ag.load_results(out).status > 0).any(), "it can be read at any moment"
        if process.returncode == 0:
            break
    assert kills
    results = jump(out, refine=REFINE | {"depth": 5}, noise=0.3)
    assert digests(out) == digests(tmp_path / "whole")
    xr.testing.assert_equal(results, whole)


def test_damage_is_repaired_to_the_same_lanes(tmp_path, capsys):
    out = tmp_path / "jump"
    whole = jump(out)
    files = Folder(out).journal.files()
    for file in (files[0], files[-1]):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert cli.main(["verify", str(out)]) == 1
    assert cli.main(["verify", str(out), "--repair"]) == 0, capsys.readouterr()
    xr.testing.assert_equal(ag.load_results(out), whole)


def test_programs_are_few_whatever_a_round_has():
    spec = small.spec(data={"alpha": [0.0, 0.3, 0.6], "s": [2, 4, 8, 16]}, seeds=2, refine={"of": "adam", "depth": 3})
    one = Refinement(spec)
    limits = Limits(2, 2**33, 2**22, 64, shared=True)
    shapes, rng = set(), np.random.default_rng(0)
    for _ in range(30):
        search = one.searches[0]
        if not search.asks:
            break
        lanes = one.wanted()
        plan = plan_of(spec.family, one, lanes, limits)
        assert plan.lanes == len(lanes)
        shapes |= {(group.width, group.devices, group.seed_slots, group.extent) for group in plan.groups}
        for lane in lanes:
            one.known[lane.digest] = 5, float(np.clip(lane.hyper.alpha + 0.1 * rng.standard_normal(), 0, 1))
        one.go_on()
    assert search.rounds > 4
    assert len(shapes) <= 5, "a power of two each"


def test_each_optimizer_has_its_own_boundary_and_a_difference_trains_both():
    spec = {"data": {"alpha": [0.0, 0.3, 0.6], "s": [2, 4, 8]}, "seeds": 2}
    _, (adam, gd) = questions_of(small.spec(**spec, refine={}))
    assert (adam.labels, gd.labels, adam.level) == (("adam",), ("gd",), 0.5)
    _, (both,) = questions_of(small.spec(**spec, refine={"of": "adam - gd", "level": 0.2, "max_lanes": 50}))
    assert both.labels == ("adam", "gd")
    assert both.most == 50
    one = Refinement(small.spec(**spec, refine={"of": "adam - gd", "level": 0.2}))
    seen = {(lane.static.optimizer, lane.hyper.alpha, lane.hyper.s, lane.seed) for lane in one.wanted()}
    assert len(seen) == 2 * 9 * 2, "lanes of one seed at one point are a pair"


def test_a_sweep_of_networks_is_refined_from_the_command_line(tmp_path, capsys):
    spec = tmp_path / "tiny.toml"
    spec.write_text(
        textwrap.dedent("""
        seeds = 2
        steps = 60
        record = 0
        [data]
        n = 10
        d = 40
        s = [2, 8, 24]
        sigma_p = 0.3
        alpha = [0.0, 0.3, 0.6]
        test_size = 200
        [model]
        width = 2
        [optimizers.adam]
        eta = 0.02
        [optimizers.gd]
        eta = 0.5
    """)
    )
    out = str(tmp_path / "out")
    words = ["sweep", str(spec), "--out", out, "--refine", "--set", "refine.depth=1", "--set", 'refine.of="adam"']
    assert cli.main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "at most 200 lanes" in said, "5 x 5 points, 8 seeds"
    assert "the next round:\n18 lanes to train" in said
    assert not Path(out).exists()
    assert cli.main(words) == 0
    said = capsys.readouterr()
    assert "round 1 of about" in said.err
    assert "looked test_error = 0.5 of adam" in said.out
    assert cli.main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "at its end after" in said
    assert "the next round:\n0 lanes to train" in said
    results = ag.load_results(out)
    assert {"test_error-alpha-s.png", "lanes-alpha-s.png"} <= {file.name for file in (Path(out) / "figures").iterdir()}
    assert (results.status.sel(optimizer="gd") == 0).all()
    for command in ("show", "plot", "report", "verify"):
        assert cli.main([command, out]) == 0, command
    done = digests(out)
    assert cli.main([*words[:5], "--no-refine"]) == 0
    assert len(digests(out) - done) == 9 * 2, "gd's; those of adam are there"


BAD = [
    ({"level": 1.5, "value": "test_error"}, {}, r"refine\.level = 1\.5: must be between 0 and 1"),
    ({"level": -1.5, "of": "adam - gd"}, {}, r"refine\.level = -1\.5: must be between -1 and 1"),
    ({"level": 0.5, "value": "status"}, {}, r"refine\.level = 0\.5: a status has no level"),
    ({"value": "loss"}, {}, r"refine\.level: is missing; say which level of loss"),
    ({"value": "lost"}, {}, r"refine\.value = lost: did you mean loss\?"),
    ({"value": "capital_lambda"}, {}, r"refine\.value = capital_lambda: has a value for each class"),
    ({"of": "adm"}, {}, r"refine\.of = adm: did you mean adam\?"),
    ({"of": "adam - gd", "value": "status"}, {}, "statuses have no difference"),
    ({"tolerance": 1e-9}, {}, r"refine\.tolerance = 1e-09: is below what float32 resolves of data\.alpha"),
    ({"tolerance": 1e-9, "depth": 2}, {}, r"refine\.tolerance = 1e-09: is below what float32 resolves of data\.alpha"),
    ({"depth": 24}, {}, r"refine\.depth = 24: is below what float32 resolves"),
    ({"tolerance": {"sigma": 0.1}}, {}, r"refine\.tolerance\.sigma = 0\.1: no swept axis"),
    ({"tolerance": 10.0}, {}, "no cell is halved"),
    ({"max_lanes": 10}, {}, r"refine\.max_lanes = 10: the coarse grid alone \(.*3 x 3 points, 2 seeds\) takes 36"),
    ({"max_seeds": 1}, {}, r"refine\.max_seeds = 1: must be at least the 2 seeds"),
    ({"levle": 0.5}, {}, r"refine\.levle = 0\.5: unknown key; did you mean level\?"),
    ({"depth": 2.5}, {}, r"refine\.depth = 2\.5: must be an integer"),
    ({"tolerance": -1}, {}, r"refine\.tolerance = -1: must be a finite number > 0"),
    ({}, {"seeds": [3, 7]}, r"seeds = \[3, 7\]: a list of seeds cannot grow"),
    ({}, {"data": {"alpha": [0.0, 0.5], "s": [4]}}, r"data\.s = \[4\]: one value on an axis"),
    ({}, {"data": {"alpha": [0.0, 0.5], "s": 4}}, r"needs two or three swept axes, and there are 1 \(alpha\)"),
    ({}, {"optimizers": {"adam": {"eta": [1e-3, 1e-2]}, "gd": {"eta": [0.1, 0.2]}}, "data": {"alpha": [0.0, 0.5]}},
     r"optimizers\.\*\.eta: each optimizer has its own values"),
]  # fmt: skip


@pytest.mark.parametrize(("refine", "keys", "words"), BAD, ids=[words[:40] for *_, words in BAD])
def test_what_makes_no_sense_is_refused_before_anything_is_computed(tmp_path, refine, keys, words):
    given = {"seeds": 2, "data": {"alpha": [0.0, 0.3, 0.6], "s": [2, 4, 8]}} | keys
    with pytest.raises(ag.SpecError, match=words):
        ag.run_sweep(small.spec(**given, refine=refine), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_functions_are_refused_what_they_cannot_have(tmp_path):
    with pytest.raises(ag.SpecError, match="n: is compiled in"):
        ag.sweep_function(foreign.noisy, {"a": [0.0, 1.0]}, {"b": 1.0, "c": 0.0}, {"n": [2, 4]}, refine=True)
    with pytest.raises(ag.SpecError, match=r"refine\.of = a: nothing is compared"):
        jump(refine=REFINE | {"of": "a"})
    with pytest.raises(ag.SpecError, match=r"could take [0-9]+ GiB"):
        jump(refine=REFINE | {"depth": 16})
    with pytest.raises(ag.SpecError, match="refine = 7: must be a table"):
        jump(refine=7)


def test_everything_on_one_side_is_said_and_how_to_widen(tmp_path, capsys):
    with pytest.warns(UserWarning, match="value: every point is below the level"):
        results = jump(refine=REFINE | {"level": 5.0})
    (words, _) = told(results)
    assert "every point is below the level (means from 0.0147 to 0.915)" in words
    assert "widen the axes, or choose a level in between" in words
    assert refinement(results)["searches"][0]["end"] == "one side"


def test_a_diagram_without_values_says_where_to_look():
    with pytest.warns(UserWarning, match="no point has a value"):
        results = ag.sweep_function(foreign.blows_up, {"a": [2.0, 4.0], "b": [1.0, 2.0]}, seeds=1, quiet=True,
                                refine={"value": "value", "level": 1.0, "depth": 2})  # fmt: skip
    assert "no point has a value there" in told(results)[0]


def test_where_lanes_begin_to_diverge_is_found():
    axes = {"re": list(np.linspace(-2, 0.5, 11)), "im": list(np.linspace(0, 1.2, 7))}
    results = ag.sweep_function(foreign.escapes, axes, seeds=1, quiet=True, refine={"depth": 3, "max_seeds": 1})
    about = refinement(results)["searches"][0]
    assert (about["value"], about["kinds"]) == ("status", ["diverged", "done"])
    assert about["points"] < about["grid"] / 2
    inside = results.status.isel(seed=0).sel(re=0.0, im=0.0)
    assert inside == 2
    assert results.status.isel(seed=0).sel(re=0.5, im=1.2) == 1
    assert "side" not in results, "a status has none"


def test_every_place_shows_the_nearest_point():
    rng = np.random.default_rng(0)
    values = {"a": [0.0, 0.5, 1.0, 1.5, 2.0, 3.0], "b": [1.0, 2.0, 4.0, 10.0, 100.0]}
    axes = [axis_of(xr.Dataset(coords=values), name) for name in values]
    coarse = [[0.0, 1.0, 2.0, 3.0], [1.0, 10.0, 100.0]]
    known = rng.random((6, 5)) < 0.4
    found = owners(axes, coarse, known)
    at = np.stack(np.meshgrid([0, 0.5, 1, 1.5, 2, 3], np.log10([1.0, 2.0, 4.0, 10.0, 100.0]), indexing="ij"), -1)
    flat = at.reshape(-1, 2)
    for index, owner in enumerate(found.ravel()):
        assert known.ravel()[owner]
        distance = np.abs(flat[owner] - flat[index]).max()
        assert distance == pytest.approx(np.abs(flat[known.ravel()] - flat[index]).max(1).min())
        if known.ravel()[index]:
            assert owner == index


def test_pictures_invent_nothing(found):
    results, _ = found
    picture = ag.plot.phase_diagram(results, "y", "x")
    (mesh,) = (one for one in picture.axes[0].collections if isinstance(one, QuadMesh))
    drawn = np.asarray(mesh.get_array()).reshape(results.sizes["x"], results.sizes["y"])
    means = results.value.mean("seed")
    own = there(results.expand_dims(optimizer=["a"])).isel(optimizer=0).transpose("x", "y").values
    np.testing.assert_allclose(drawn[own], means.transpose("x", "y").values[own], rtol=1e-6)
    known = means.values[np.isfinite(means.values)].astype(float)
    assert np.isin(np.round(drawn.astype(float), 4), np.round(known, 4)).all()
    assert len(picture.numbers) == own.sum(), "only points are told"
    texts = [text.get_text() for legend in picture.legends for text in legend.get_texts()]
    assert any("0.5, where resolved" in text for text in texts)
    assert [0.5, 0.5] in [list(line.get_ydata()) for line in picture.axes[-1].lines], "the bar has it too"
    spent = ag.plot.spent(results, "y", "x")
    (dots,) = (one for one in spent.axes[0].collections if isinstance(one, PathCollection))
    assert len(dots.get_offsets()) == own.sum() == len(spent.numbers)
    assert sum(row["seeds"] for row in spent.numbers) == refinement(results)["lanes"]
    with pytest.raises(ag.PlotError, match="these results are of a grid"):
        ag.plot.spent(made.results())


def test_texts_and_the_page_tell_points_and_not_places(found):
    results, _ = found
    text = str(show.summary(results))
    assert "looked value = 0.5" in text
    points = refinement(results)["searches"][0]["points"]
    assert sum(line.startswith("jump ") for line in text.splitlines()) == points + 1, "and its statuses"
    page = report.page(results)
    assert '"uneven":true' in page
    assert "Refined" in page


def test_three_axes_are_shown_at_the_coarse_values_of_the_third():
    axes = {"x": [0.1, 1.0, 10.0], "y": [0.1, 1.0, 10.0], "k": [-1.0, 0.0, 1.0]}
    law = {key: value for key, value in LAW.items() if key != "k"}
    results = ag.sweep_function(foreign.jump, axes, fixed=law, seeds=2, refine=REFINE | {"depth": 2}, quiet=True)
    assert results.sizes["k"] > 3
    picture = ag.plot.phase_diagram(results, "x", "y")
    assert len([place for place in picture.axes if place.get_title()]) == 3
    curve = ag.boundary(results, "y", "x", 0.5).isel(optimizer=0)
    here = np.isfinite(curve.y)
    truth = 1.5 * curve.x**curve.k
    assert (here & (curve.low <= truth * 1.0001) & (truth <= curve.high * 1.0001)).sum() == here.sum() > 20


def test_the_budget_leaves_an_unfinished_search_that_goes_on_later(tmp_path):
    out = tmp_path / "jump"
    with pytest.warns(UserWarning, match="max_lanes was reached"):
        part = jump(out, refine=REFINE | {"max_lanes": 80})
    about = refinement(part)
    assert about["lanes"] <= 80
    assert about["searches"][0]["end"] == "budget"
    assert "max_lanes was reached" in told(part)[0]
    before = digests(out)
    jump(out)
    assert before < digests(out)


def test_the_spec_of_the_results_asks_the_same_again(found):
    results, out = found
    spec = Folder(out).spec()
    assert spec.refine == {"value": "value", "level": 0.5, "depth": 3}
    assert json.loads(results.attrs["refinement"])["axes"]["x"]["depth"] == 3
    assert ag.SweepSpec(**spec.to_dict()) == spec
