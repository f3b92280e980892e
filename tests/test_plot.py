"""Pictures say what the Dataset holds, and nothing that it does not."""

import csv
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import small
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection, QuadMesh
from matplotlib.colors import CenteredNorm, LogNorm, to_hex, to_rgba
from matplotlib.figure import Figure
from PIL import Image
from small import STATUSES

import adam_vs_gd as ag
from adam_vs_gd.plot.style import DIVERGING, NOT_COMPUTED, ink
from adam_vs_gd.plot.suitable import suitable
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.results.statistics import difference, over_seeds
from adam_vs_gd.spec.cells import cells

NOBODY_S = ag.plot.Overlay("theory", [0.1], [2], optimizer="sgd")
TWO = {"data": {"alpha": [0.0, 0.2, 0.4], "s": [2, 8, 32]}}


def results(shape_seed=0, **keys):
    """A Dataset of a spec with made-up numbers, all fitted."""
    made = to_dataset(small.spec(**keys), [])
    rng = np.random.default_rng(shape_seed)
    for name in made.data_vars:
        made[name] = made[name].copy(data=rng.random(made[name].shape))
    made["status"] = made.status.copy(data=np.full(made.status.shape, STATUSES.index("fitted"), np.int8))
    return made


def set_status(made, status, **where):
    made["status"][where] = STATUSES.index(status)


def mesh_of(panel):
    (mesh,) = (c for c in panel.collections if isinstance(c, QuadMesh))
    return mesh


def hatched(panel):
    """{hatch: centres of the cells that have it}."""
    found = {}
    for collection in panel.collections:
        if isinstance(collection, PatchCollection) and collection.get_hatch():
            centres = [p.get_extents().get_points().mean(0).round(6).tolist() for p in collection.get_paths()]
            if centres:
                found.setdefault(collection.get_hatch()[0], []).extend(centres)
    return found


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()] if figure.legends else []


def markers(panel, marker):
    return [line for line in panel.lines if line.get_marker() == marker]


def rows_beside(picture):
    """The numbers that were written with a picture."""
    return list(csv.DictReader(picture.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))


def test_a_panel_an_optimizer_the_mean_in_every_cell_and_the_difference_of_the_two():
    made = results(**TWO)
    panels = ag.plot.phase_diagram(made, x="alpha", y="s").axes[:3]
    assert [panel.get_title() for panel in panels] == ["adam", "gd", "adam − gd"]
    means = made.test_error.mean("seed").transpose("optimizer", "s", "alpha").values
    for panel, expected in zip(panels, [*means, means[0] - means[1]], strict=True):
        np.testing.assert_allclose(mesh_of(panel).get_array(), expected)
        assert panel.get_yscale() == "log"
        assert panel.get_xscale() == "linear"
    assert [mesh_of(panel).get_clim() for panel in panels] == [(0, 1), (0, 1), (-1, 1)], "errors have one fixed range"
    assert mesh_of(panels[2]).get_cmap().name == DIVERGING
    assert "alpha" in panels[0].get_xlabel()
    assert [bool(panel.get_ylabel()) for panel in panels] == [True, False, False], "a shared axis is named once"


def test_which_optimizers_and_differences_can_be_chosen():
    three = results(**TWO, optimizers={"adam": {}, "adam-w": {"kind": "adam"}, "gd": {}})

    def titles(**keys):
        return [
            panel.get_title()
            for panel in ag.plot.phase_diagram(three, x="alpha", y="s", **keys).axes
            if panel.get_title()
        ]

    assert titles() == ["adam", "adam-w", "gd"]
    assert titles(optimizer="gd") == ["gd"]
    assert titles(optimizer=["gd", "adam-w - gd"]) == ["gd", "adam-w − gd"]
    with pytest.raises(ag.PlotError, match=r"sgd: not in these results; there are adam, adam-w, gd, and differences"):
        titles(optimizer="sgd")


def test_axes_can_be_exchanged_and_values_need_not_ascend():
    made = results(data={"alpha": [0.4, 0.0, 0.2], "s": [2, 8, 32]})
    panel = ag.plot.phase_diagram(made, x="s", y="alpha", optimizer="gd").axes[0]
    ascending = made.sel(optimizer="gd").sortby("alpha").test_error.mean("seed").transpose("alpha", "s")
    np.testing.assert_allclose(mesh_of(panel).get_array(), ascending)


def test_grey_is_not_computed_and_white_is_not_counted():
    made = results(**TWO)
    set_status(made, "pending", optimizer=0, alpha=1, s=1)
    set_status(made, "collapsed", optimizer=0, alpha=2, s=2)
    set_status(made, "diverged", optimizer=0, alpha=0, s=0)
    figure = ag.plot.phase_diagram(made, x="alpha", y="s", optimizer="adam")
    panel = figure.axes[0]
    np.testing.assert_array_equal(np.ma.masked_invalid(mesh_of(panel).get_array()).mask, np.eye(3, dtype=bool))
    assert panel.get_facecolor() == to_rgba(NOT_COMPUTED)
    plain = [c for c in panel.collections if isinstance(c, PatchCollection) and not c.get_hatch()]
    faces = {to_hex(c.get_facecolor()[0]): len(c.get_paths()) for c in plain}
    assert faces == {"#ffffff": 2, "#bfbfbf": 1}, "what was computed is not grey"
    assert legend_of(figure) == ["not computed", "collapsed", "diverged"]
    (crosses,) = markers(panel, "x")
    assert crosses.get_xydata().tolist() == [[0.0, 2.0]]
    assert list(hatched(panel)) == ["o"]


@pytest.mark.parametrize(("status", "hatch"), [("undertrained", "/"), ("underfit", "\\"), ("collapsed", "o")])
def test_cells_that_are_not_fitted_are_hatched_and_mixed_ones_counted(status, hatch):
    made = results(data={"alpha": [0.0, 0.2, 0.4], "n": [10, 20, 30]}, seeds=3)
    set_status(made, status, optimizer=1, alpha=2, n=0, seed=0)
    figure = ag.plot.phase_diagram(made, x="alpha", y="n")
    plain, marked, both = figure.axes[:3]
    assert hatched(plain) == {}
    for panel in (marked, both):
        assert hatched(panel) == {hatch: [[0.4, pytest.approx(5 + 10 / 6)]]}, "a third of a cell that is 5 to 15"
        assert [text.get_text() for text in panel.texts] == ["2/3"]
    assert legend_of(figure)[:3] == [status, "part of a cell: of its seeds", "k/n: k of n seeds fitted"]


def test_a_cell_that_is_computed_in_part_is_counted():
    made = results(**TWO, seeds=4)
    set_status(made, "pending", optimizer=0, alpha=0, s=0, seed=slice(1, None))
    figure = ag.plot.phase_diagram(made, x="alpha", y="s", optimizer="adam")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1/4"]
    assert mesh_of(figure.axes[0]).get_array()[0, 0] == pytest.approx(
        made.test_error.isel(optimizer=0, alpha=0, s=0, seed=0)
    )
    assert "1 to 4 seeds" in figure.axes[1].get_ylabel()


def test_what_a_cell_lacks_is_as_large_as_its_share():
    """Of four seeds one is undertrained, one underfit, one pending: quarters of the cell, the pending one on top."""
    made = results(data={"alpha": [0.0, 0.2], "n": [10, 20, 30]}, seeds=4, optimizers={"adam": {}})
    for seed, status in enumerate(("undertrained", "underfit", "pending")):
        set_status(made, status, alpha=0, n=1, seed=seed)
    panel = ag.plot.phase_diagram(made, x="alpha", y="n").axes[0]
    assert hatched(panel) == {"/": [[0.0, 16.25]], "\\": [[0.0, 18.75]]}
    (grey,) = [c for c in panel.collections if isinstance(c, PatchCollection) and not c.get_hatch() and c.get_paths()]
    assert grey.get_paths()[0].get_extents().get_points()[:, 1].tolist() == [22.5, 25.0]


def test_letters_hide_neither_dots_nor_crosses():
    made = results(**TWO, seeds=6)
    made["test_error"] = made.test_error * 0.01 + xr.DataArray([0.8, 0.1], dims="optimizer")
    set_status(made, "undertrained", optimizer=0, seed=0)
    set_status(made, "diverged", optimizer=0, seed=1, alpha=0)
    figure = ag.plot.phase_diagram(made, x="alpha", y="s", optimizer=["adam", "adam - gd"])
    FigureCanvasAgg(figure).draw()
    for panel in figure.axes[:2]:
        boxes = [text.get_window_extent() for text in panel.texts]
        assert len(boxes) == 9
        marks = [line for line in panel.lines if line.get_marker() in "ox"]
        places = np.concatenate([line.get_transform().transform(line.get_xydata()) for line in marks])
        assert len(places) >= 3
        assert not [(x, y) for x, y in places for box in boxes if box.contains(x, y)]


def test_hatches_can_be_seen_on_every_colour():
    dark, light = ([to_rgba(name) for name in names] for names in (("black", "#440154"), ("#fde725", "white")))
    assert not ink(np.array(dark)).any()
    assert ink(np.array(light)).all()


def test_dots_are_where_the_interval_of_a_difference_excludes_zero():
    made = results(**TWO, seeds=5)
    wins = xr.zeros_like(made.test_error.isel(optimizer=0, seed=0, drop=True))
    wins[{"alpha": 0}], wins[{"alpha": 1}] = 0.8, -0.8
    made["test_error"] = made.test_error * 0.05 + 0.1
    made["test_error"][{"optimizer": 0}] += wins.clip(0)
    made["test_error"][{"optimizer": 1}] += (-wins).clip(0)
    figure = ag.plot.phase_diagram(made, x="alpha", y="s", optimizer="adam - gd")
    dots = {line.get_markerfacecolor(): sorted(line.get_xydata().tolist()) for line in markers(figure.axes[0], "o")}
    interval = difference(made, "test_error", "adam", "gd")
    assert dots == {
        face: sorted([a, s] for a in (0.0, 0.2, 0.4) for s in (2.0, 8.0, 32.0) if there.sel(alpha=a, s=s))
        for face, there in (("black", interval.low > 0), ("white", interval.high < 0))
    }
    assert len(dots["black"]) == len(dots["white"]) == 3
    assert legend_of(figure) == ["adam higher (95 %)", "gd higher (95 %)"]


def test_dots_stand_in_their_cells_where_values_do_not_ascend():
    made = results(data={"alpha": [0.4, 0.0, 0.2], "s": [2, 8, 32]}, seeds=5)
    made["test_error"] = made.test_error * 0.01 + 0.1
    made["test_error"][{"optimizer": 0, "alpha": 0}] += 0.8
    panel = ag.plot.phase_diagram(made, x="alpha", y="s", optimizer="adam - gd").axes[0]
    assert {x for line in markers(panel, "o") if line.get_markerfacecolor() == "black" for x in line.get_xdata()} == {
        0.4
    }


def ramp(scatter):
    """Errors that rise along alpha, with seeds that scatter."""
    made = results(data={"alpha": np.linspace(0, 0.9, 10).tolist(), "s": [2, 8, 32]}, optimizers={"adam": {}}, seeds=4)
    noise = np.random.default_rng(0).normal(0, 1, made.test_error.shape)
    error = made.alpha * 1.1 + scatter * xr.DataArray(noise, dims=made.test_error.dims)
    made["test_error"] = error.clip(0, 1).transpose(*made.test_error.dims)
    return made


def test_the_contour_is_drawn_only_where_it_is_resolved():
    figure = ag.plot.phase_diagram(ramp(0.001), x="alpha", y="s")
    (line,) = [line for line in figure.axes[0].lines if line.get_marker() == "None"]
    np.testing.assert_allclose(line.get_xdata(), 0.5 / 1.1, atol=0.005)
    assert sorted(line.get_ydata()) == pytest.approx([2, 8, 32])
    assert legend_of(figure) == ["error 0.5, where resolved"]
    noisy = ag.plot.phase_diagram(ramp(0.5), x="alpha", y="s")
    assert not noisy.axes[0].lines
    assert not ag.plot.phase_diagram(ramp(0.001), x="alpha", y="s", value="loss").axes[0].lines, (
        "only errors have a chance level"
    )


def test_curves_of_a_theory_can_be_laid_over():
    theory = ag.plot.Overlay("theory", [0.1, 0.2, 0.3], [2, 8, 32])
    curve = ag.boundary(ramp(0.05), "alpha", "s").isel(optimizer=0)
    measured = ag.plot.Overlay("measured", curve.alpha, curve.s, curve.low, curve.high, optimizer="adam")
    figure = ag.plot.phase_diagram(results(**TWO), x="alpha", y="s", overlays=[theory, measured])
    adam, gd = figure.axes[:2]
    assert [line.get_xdata().tolist() for line in gd.lines if line.get_marker() == "None"] == [[0.1, 0.2, 0.3]]
    assert len([line for line in adam.lines if line.get_marker() == "None"]) == 2
    assert {"theory", "measured"} <= set(legend_of(figure))
    assert adam.get_xlim() == ag.plot.phase_diagram(results(**TWO), x="alpha", y="s").axes[0].get_xlim()


def test_curves_of_one_label_look_alike():
    """Boundaries of two optimizers are one entry of the legend, which is right for both."""
    of = {name: ag.plot.Overlay("boundary", [0.1, 0.2, 0.3], [2, 8, 32], optimizer=name) for name in ("adam", "gd")}
    overlays = [of["adam"], ag.plot.Overlay("theory", [0.1, 0.3], [2, 32], optimizer="gd"), of["gd"]]
    figure = ag.plot.phase_diagram(results(**TWO), x="alpha", y="s", overlays=overlays)
    adam, gd = (
        [(line.get_color(), line.get_linestyle()) for line in place.lines if line.get_marker() == "None"]
        for place in figure.axes[:2]
    )
    assert len(adam) == 1
    assert len(set(gd)) == 2
    assert adam[0] == gd[1]
    assert legend_of(figure).count("boundary") == 1


def test_further_axes_become_rows_or_are_selected():
    keys = {**TWO, "train": {"lam": [0.0, 1e-3]}}
    made = results(**keys)
    figure = ag.plot.phase_diagram(made, x="alpha", y="s")
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    assert titles == [f"{name}, $\\lambda$ = {lam}" for lam in ("0", "0.001") for name in ("adam", "gd", "adam − gd")]
    expected = made.isel(optimizer=0, lam=1).test_error.mean("seed").transpose("s", "alpha")
    np.testing.assert_allclose(mesh_of(figure.axes[3]).get_array(), expected)
    chosen = ag.plot.phase_diagram(made, x="alpha", y="s", sel={"lam": 1e-3}, optimizer="adam").axes[0]
    np.testing.assert_allclose(mesh_of(chosen).get_array(), expected)


def test_numbers_of_further_axes_are_told_apart_in_the_file(tmp_path):
    made = results(**TWO, train={"lam": [0.00123456, 0.00123457]})
    rows = rows_beside(ag.plot.save(ag.plot.phase_diagram(made, "alpha", "s", optimizer="gd"), tmp_path / "a.png"))
    assert {row["lam"] for row in rows} == {"0.00123456", "0.00123457"}


def test_what_was_fixed_is_said_and_has_a_file_of_its_own(tmp_path):
    made = results(**TWO, train={"lam": [0.0, 1e-3]})
    picture = ag.plot.phase_diagram(made, "alpha", "s", "capital_gamma", "gd", sel={"lam": 1e-3, "class": 1})
    assert picture.axes[0].get_title().replace("\n", " ") == "gd, $\\lambda$ = 0.001, $j$ = 1"
    assert picture.name == "capital_gamma-alpha-s-lam=0.001-class=1-gd"
    rows = rows_beside(ag.plot.save(picture, tmp_path / "a.png"))
    assert {(row["lam"], row["class"]) for row in rows} == {("0.001", "1")}
    assert "0.001" in ag.plot.curves(made, sel={"s": 8, "lam": 1e-3}).axes[0].get_ylabel()


def test_somebody_s_dollars_are_not_mathematics(tmp_path):
    labels = {"a$b": {"kind": "adam"}, "50% $\\frac": {"kind": "gd"}}
    made = results(**TWO, optimizers=labels, seeds=4)
    made["test_error"][{"optimizer": 0}] = 1.0
    for figure in (ag.plot.phase_diagram(made, "alpha", "s"), ag.plot.curves(made, sel={"s": 8})):
        ag.plot.save(figure, tmp_path / "a.png")
    ag.plot.save(ag.plot.trajectories(made, sel={"s": 8, "alpha": 0.0}), tmp_path / "a.png")


@pytest.mark.parametrize("value", ["objective_change", "best_grad_norm"])
@pytest.mark.parametrize("optimizer", [None, "adam", ["adam", "gd", "adam - gd", "gd - adam"]])
def test_nothing_is_cut_off(value, optimizer):
    made = results(**TWO, seeds=4, train={"lam": [0.0, 1e-3]})
    set_status(made, "undertrained", optimizer=0, alpha=0, seed=1)
    set_status(made, "diverged", optimizer=0, alpha=1, seed=1)
    figures = [ag.plot.phase_diagram(made, "alpha", "s", value, optimizer, sel={"lam": 0.0})]
    figures += [ag.plot.curves(made, value, optimizer, sel={"s": 8, "lam": 0.0})]
    for figure in figures:
        FigureCanvasAgg(figure).draw()
        page = figure.bbox
        ticks = [tick for panel in figure.axes for side in (panel.xaxis, panel.yaxis) for tick in side.get_ticklabels()]
        for text in set(figure.findobj(mpl.text.Text)) - set(ticks):
            box = text.get_window_extent()
            if text.get_text() and text.get_visible():
                assert page.x0 - 2 < box.x0, text
                assert box.x1 < page.x1 + 2, text
                assert page.y0 - 2 < box.y0, text
                assert box.y1 < page.y1 + 2, text


def test_curves_of_many_optimizers_can_be_told_apart():
    made = results(data={"alpha": [0.0, 0.2]}, optimizers={f"adam{k}": {"kind": "adam"} for k in range(9)})
    figure = ag.plot.curves(made)
    lines = [line for line in figure.axes[0].lines if line.get_linestyle() not in ("None", ":")]
    assert len({(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in lines}) == 9


def test_no_mean_of_what_is_no_number():
    made = results(**TWO)
    with pytest.raises(ag.PlotError, match="status: has no mean"):
        ag.plot.phase_diagram(made, "alpha", "s", "status")
    made["best_step"][{"seed": 0}] = -1
    shown = mesh_of(ag.plot.phase_diagram(made, "alpha", "s", "best_step").axes[0]).get_array()
    np.testing.assert_allclose(shown, made.best_step.isel(seed=1, optimizer=0).transpose("s", "alpha"))


def test_axes_of_each_optimizer_s_own_values():
    optimizers = {"adam": {"eta": [1e-4, 1e-3, 1e-2]}, "gd": {"eta": [0.01, 0.1, 1.0]}}
    made = results(data={"alpha": [0.0, 0.5]}, optimizers=optimizers)
    picture = suitable(made)
    assert picture.name == "test_error-alpha-eta_index"
    for panel, values in zip(picture.axes[:2], ([1e-4, 1e-2], [0.01, 1.0]), strict=True):
        assert panel.get_yscale() == "log"
        low, high = panel.get_ylim()
        assert low < values[0] < values[1] < high
        assert low * 10 > values[0]
        assert panel.get_ylabel()
    assert picture.axes[2].get_yscale() == "linear", "two rates have no axis in common but their order"
    assert {row["eta"] for row in picture.numbers if row["optimizer"] == "gd"} == {0.01, 0.1, 1.0}
    assert {row["eta_index"] for row in picture.numbers if row["optimizer"] == "adam - gd"} == {0, 1, 2}


def test_zero_has_a_place_on_a_logarithmic_axis():
    made = results(data={"alpha": [0.0, 0.5]}, train={"lam": [0.0, 1e-5, 1e-4, 1e-3]})
    panel = ag.plot.phase_diagram(made, x="alpha", y="lam").axes[0]
    FigureCanvasAgg(panel.figure).draw()
    heights = panel.transData.transform([(0, value) for value in (0, 1e-5, 1e-4, 1e-3)])[:, 1]
    np.testing.assert_allclose(np.diff(heights), np.diff(heights)[0])
    assert [text.get_text() for text in panel.get_yticklabels()] == ["0", "$10^{-5}$", "$10^{-4}$", "0.001"]


def test_the_colours_of_other_variables_suit_their_values():
    made = results(**TWO)
    made["loss"] = 10.0 ** (made.loss * 8 - 6)
    made["feature_learning"] = made.feature_learning - 0.5
    assert isinstance(mesh_of(ag.plot.phase_diagram(made, "alpha", "s", "loss").axes[0]).norm, LogNorm)
    signed = mesh_of(ag.plot.phase_diagram(made, "alpha", "s", "feature_learning").axes[0])
    assert isinstance(signed.norm, CenteredNorm)
    assert signed.get_cmap().name == DIVERGING
    made["weight_norm"] = made.weight_norm * np.nan
    ag.plot.phase_diagram(made, "alpha", "s", "weight_norm")


def test_variables_of_a_class_and_moments_of_a_trajectory_can_be_drawn():
    made = results(**TWO)
    figure = ag.plot.phase_diagram(made, "alpha", "s", "capital_lambda", sel={"class": -1})
    expected = made.capital_lambda.sel({"class": -1, "optimizer": "gd"}).mean("seed").transpose("s", "alpha")
    np.testing.assert_allclose(mesh_of(figure.axes[1]).get_array(), expected)
    early = ag.plot.phase_diagram(made, "alpha", "s", "test_error_path", sel={"test_step": 60})
    expected = made.test_error_path.isel(test_record=-1, optimizer=0).mean("seed").transpose("s", "alpha")
    np.testing.assert_allclose(mesh_of(early.axes[0]).get_array(), expected)
    assert mesh_of(early.axes[0]).get_clim() == (0, 1)


def test_what_suits_the_axes_at_hand():
    assert suitable(results(**TWO)).name == "test_error-alpha-s"
    assert suitable(results(data={"alpha": [0.0, 0.2]})).name == "test_error-alpha"
    assert suitable(results()).name == "trajectories"


def test_curves_and_trajectories_draw_the_means_and_their_bands():
    made = results(data={"alpha": [0.0, 0.2, 0.4]}, seeds=3)
    set_status(made, "undertrained", optimizer=0, alpha=1, seed=2)
    panel = ag.plot.curves(made, "loss").axes[0]
    np.testing.assert_allclose(panel.lines[0].get_ydata(), made.loss.sel(optimizer="adam").mean("seed"))
    summary = over_seeds(made, "loss").isel(optimizer=0)
    band = panel.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([band.min(), band.max()], [summary.low.min(), summary.high.max()])
    (open_,) = [line for line in panel.lines[:2] if line.get_markerfacecolor() == "white"]
    assert open_.get_xdata().tolist() == [0.2], "not all of its lanes are fitted"
    difference_ = ag.plot.curves(made, optimizer="adam - gd").axes[0].lines[0]
    np.testing.assert_allclose(difference_.get_ydata(), -made.test_error.diff("optimizer").mean("seed").squeeze())
    figure = ag.plot.trajectories(made, sel={"alpha": 0.2})
    assert [panel.get_title() for panel in figure.axes] == [f"{name}, $\\alpha$ = 0.2" for name in ("adam", "gd")]
    for line, name in zip(figure.axes[1].lines, ("feature_learning", "noise_memorization"), strict=False):
        expected = made[f"{name}_path"].sel(optimizer="gd", alpha=0.2).mean("seed")
        np.testing.assert_allclose(line.get_ydata(), expected)


def test_pictures_can_be_drawn_into_somebody_s_own_figure():
    made = results(**TWO)
    figure = Figure(figsize=(9, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert ag.plot.phase_diagram(made, "alpha", "s", optimizer="adam", ax=left) is figure
    np.testing.assert_allclose(
        mesh_of(left).get_array(), made.test_error.isel(optimizer=0).mean("seed").transpose("s", "alpha")
    )
    assert ag.plot.curves(made, sel={"s": 8}, ax=right) is figure
    assert right.lines
    pair = Figure().subplots(1, 2)
    assert ag.plot.trajectories(made, sel={"s": 8, "alpha": 0.0}, ax=pair) is pair[0].figure
    three = Figure().subplots(1, 3)
    ag.plot.phase_diagram(made, "alpha", "s", ax=three)
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in three), "whose layout it is, is not known"
    with pytest.raises(ag.PlotError, match=r"3 panels for 1 Axes \(ax=\): give an Axes for each"):
        ag.plot.phase_diagram(made, "alpha", "s", ax=left)


def test_pictures_change_no_style_and_show_nothing():
    before = dict(mpl.rcParams)
    made = results(**TWO)
    ag.plot.phase_diagram(made, "alpha", "s")
    ag.plot.trajectories(made, sel={"s": 8, "alpha": 0.0})
    assert dict(mpl.rcParams) == before
    script = "import sys, adam_vs_gd as ag; ag.plot.phase_diagram; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_numbers_lie_beside_the_picture(tmp_path):
    made = results(**TWO)
    set_status(made, "pending", optimizer=0, alpha=1, s=1)
    set_status(made, "underfit", optimizer=1, alpha=1, s=1, seed=0)
    for name in ("a.png", "b.pdf", "c.svg"):
        path = ag.plot.save(ag.plot.phase_diagram(made, "alpha", "s"), tmp_path / "new" / name)
        rows = rows_beside(path)
        assert len(rows) == 3 * 9
        assert {row["sweep"] for row in rows} == {made.attrs["digest"]}
        assert made.attrs["digest"].encode() in path.read_bytes(), "the picture itself says whose it is"
        again = ag.plot.save(ag.plot.phase_diagram(made, "alpha", "s"), tmp_path / name)
        assert again.read_bytes() == path.read_bytes(), "the same figure gives the same file"
    found = over_seeds(made, "test_error")
    for row in rows:
        if "-" in row["optimizer"]:
            continue
        here = found.sel(optimizer=row["optimizer"], alpha=float(row["alpha"]), s=int(row["s"]))
        assert row["seeds"] == str(here.seeds.item())
        if here.seeds == 0:
            assert row["mean"] == row["low"] == row["high"] == ""
            assert row["pending"] == "2"
        else:
            assert float(row["mean"]) == pytest.approx(here["mean"].item())
            assert float(row["low"]) == pytest.approx(here.low.item())
    assert [row["underfit"] for row in rows if row["optimizer"] == "gd"].count("1") == 1
    curve = ag.plot.save(ag.plot.curves(made, sel={"s": 8}), tmp_path / "curve.png")
    assert len(rows_beside(curve)) == 2 * 3


def test_a_picture_replaces_nothing_but_pictures(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ag.PlotError, match=r"mine\.csv: would hold the picture's numbers, but holds something else"):
        ag.plot.save(ag.plot.phase_diagram(results(**TWO)), tmp_path / "mine.png")
    assert not (tmp_path / "mine.png").exists()
    with pytest.raises(ag.PlotError, match=r"must end in \.png, \.pdf or \.svg"):
        ag.plot.save(ag.plot.phase_diagram(results(**TWO)), tmp_path / "mine.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(ag.DiskError, match="cannot be written"):
        ag.plot.save(ag.plot.phase_diagram(results(**TWO)), tmp_path / "file" / "a.png")
    assert ag.plot.save(Figure(), tmp_path / "plain.png").exists(), "of somebody's own figure, only the picture"


def foreign():
    """Somebody else's sweep: no statuses, no attributes, one optimizer without a name."""
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "test_error": (("width", "activation", "seed"), rng.random((4, 3, 5))),
            "score": (("width", "activation"), rng.random((4, 3))),
        },
        {"width": [8, 16, 32, 64], "activation": ["relu", "gelu", "tanh"]},
    )


def test_other_people_s_sweeps_can_be_drawn(tmp_path):
    theirs = foreign()
    theirs["test_error"][0, 0] = np.nan
    before = theirs.copy(deep=True)
    figure = ag.plot.phase_diagram(theirs, x="width", y="activation")
    panel = figure.axes[0]
    np.testing.assert_allclose(
        mesh_of(panel).get_array(), theirs.test_error.mean("seed").transpose("activation", "width")
    )
    assert panel.get_xscale() == "log"
    assert [text.get_text() for text in panel.get_yticklabels()] == ["relu", "gelu", "tanh"]
    assert legend_of(figure)[0] == "not computed"
    assert "test error (mean of 5 seeds)" in figure.axes[1].get_ylabel()
    mine = ag.plot.phase_diagram(theirs, x="width", y="activation", value="score")
    assert "score" in mine.axes[1].get_ylabel()
    ag.plot.save(figure, tmp_path / "theirs.svg")
    rows = rows_beside(tmp_path / "theirs.svg")
    assert {row["activation"] for row in rows} == {"relu", "gelu", "tanh"}
    line = ag.plot.curves(theirs.sel(activation="gelu", drop=True)).axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), theirs.test_error.sel(activation="gelu").mean("seed"))
    chosen = ag.plot.curves(theirs, sel={"activation": "gelu"}).axes[0].lines[0]
    np.testing.assert_allclose(chosen.get_ydata(), line.get_ydata())
    odd = theirs.assign(name=("width", list("abcd")), other=(("width", "k"), np.zeros((4, 2))), best_test_error=np.nan)
    np.testing.assert_allclose(
        mesh_of(ag.plot.phase_diagram(odd, x="width", y="activation").axes[0]).get_array(), mesh_of(panel).get_array()
    )
    assert ag.boundary(theirs, x="width", y="activation").width.dims == ("optimizer", "activation")
    xr.testing.assert_identical(theirs, before)
    with pytest.raises(ag.PlotError, match="no variable of a cell"):
        ag.plot.curves(xr.Dataset({"loss_path": ("record", [1.0, 2.0])}))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda made: ag.plot.phase_diagram(made, x="beta1"), "beta1: not a swept axis; there are s, alpha"),
        (lambda made: ag.plot.phase_diagram(made, x="s", y="s"), "both s"),
        (lambda made: ag.plot.phase_diagram(made, sel={"s": 3}), "s = 3: not a value of this axis; there are 2, 8, 32"),
        (lambda made: ag.plot.phase_diagram(made, sel={"s": 2}), "needs two swept axes"),
        (
            lambda made: ag.plot.phase_diagram(made, value="loss_path"),
            "loss_path: has a value for each step; fix it",
        ),
        (lambda made: ag.plot.phase_diagram(made, value="los"), "los: no such variable; there are test_error, "),
        (lambda made: ag.plot.phase_diagram(made, optimizer=[]), "name at least one; there are adam, gd"),
        (
            lambda made: ag.plot.phase_diagram(made, overlays=[ag.plot.Overlay("t", [0], [2], optimizer="x")]),
            "x: not in",
        ),
        (lambda made: ag.plot.curves(made), "curves need one axis, not 2"),
        (lambda made: ag.plot.trajectories(made), "fix s, alpha"),
    ],
)
def test_pictures_that_cannot_be_given(call, said):
    with pytest.raises(ag.PlotError, match=said):
        call(results(**TWO))


def test_too_many_panels_are_refused_before_they_are_drawn():
    made = results(**TWO, train={"lam": [float(i) for i in range(9)]})
    with pytest.raises(ag.PlotError, match="27 panels for lam: fix some of these axes"):
        ag.plot.phase_diagram(made, "alpha", "s")


def test_results_of_a_real_sweep_can_be_drawn():
    spec = small.spec(seeds=1, steps=4, record=2, **{"data": {"n": 4, "d": 12, "s": [2, 3], "alpha": [0.0, 0.1],
                                                              "test_size": 4}})  # fmt: skip
    assert len(list(cells(spec))) == 8
    ag.plot.phase_diagram(ag.run_sweep(spec, quiet=True))


@pytest.mark.parametrize(("count", "across"), [(5, 5), (7, 4), (15, 5)])
def test_many_optimizers_stand_in_rows_of_about_the_same_length(count, across):
    labels = [f"rule{k}" for k in range(count)]
    made = results(**TWO, optimizers={label: {"kind": "adam"} for label in labels})
    panels = ag.plot.phase_diagram(made, "alpha", "s").axes[:count]
    assert [panel.get_title() for panel in panels] == labels
    places = [panel.get_position() for panel in panels]
    assert len({round(place.y0, 3) for place in places}) == -(-count // across)
    assert [round(place.x0, 3) for place in places[across:]] == [round(p.x0, 3) for p in places[: count - across]]
    assert [bool(panel.get_ylabel()) for panel in panels] == [k % across == 0 for k in range(count)]
    assert [bool(panel.get_xlabel()) for panel in panels] == [k + across >= count for k in range(count)]


@pytest.mark.parametrize("face", ["white", "none"])
def test_a_png_has_an_alpha_channel_only_where_something_is_transparent(face, tmp_path):
    figure = Figure(figsize=(1, 1), facecolor=face)
    figure.add_subplot().plot([0, 1])
    with Image.open(ag.plot.save(figure, tmp_path / "a.png")) as written:
        canvas = FigureCanvasAgg(figure)
        figure.set_dpi(300)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())
        np.testing.assert_array_equal(np.asarray(written), pixels[..., : 4 if face == "none" else 3])
        assert written.info["dpi"] == pytest.approx((300, 300), abs=0.01)
