"""Pictures say what the Dataset holds: cells, edges, statuses, axes."""

import numpy as np
import pytest
import small
from hypothesis import given
from hypothesis import strategies as st

import adam_vs_gd as ag
from adam_vs_gd.dataset import to_dataset
from adam_vs_gd.plan import cells
from adam_vs_gd.plot import edges, is_log, suitable
from adam_vs_gd.variables import STATUSES


def results(shape_seed=0, **keys):
    """A Dataset of a spec with made-up numbers, all fitted."""
    made = to_dataset(small.spec(**keys), [])
    rng = np.random.default_rng(shape_seed)
    for name in made.data_vars:
        made[name] = made[name].copy(data=rng.random(made[name].shape))
    made["status"] = made.status.copy(data=np.full(made.status.shape, STATUSES.index("fitted"), np.int8))
    return made


TWO = {"data": {"alpha": [0.0, 0.2, 0.4], "s": [2, 8, 32]}}


def mesh_of(panel):
    return panel.collections[0]


def test_a_panel_an_optimizer_and_the_mean_in_every_cell():
    made = results(**TWO)
    figure = ag.plot.phase_diagram(made, x="alpha", y="s")
    panels = figure.axes[:2]
    assert [panel.get_title() for panel in panels] == ["adam", "gd"]
    for k, panel in enumerate(panels):
        shown = mesh_of(panel).get_array()
        np.testing.assert_allclose(shown, made.test_error.isel(optimizer=k).mean("seed").transpose("s", "alpha"))
        assert mesh_of(panel).get_clim() == (0, 1), "errors have one fixed range"
        assert "alpha" in panel.get_xlabel()
        assert panel.get_yscale() == "log"
        assert panel.get_xscale() == "linear"


def test_axes_can_be_exchanged_and_values_need_not_ascend():
    made = results(data={"alpha": [0.4, 0.0, 0.2], "s": [2, 8, 32]})
    (panel, _) = ag.plot.phase_diagram(made, x="s", y="alpha", optimizer="gd").axes
    ascending = made.sel(optimizer="gd").sortby("alpha").test_error.mean("seed").transpose("alpha", "s")
    np.testing.assert_allclose(mesh_of(panel).get_array(), ascending)


def test_what_is_not_computed_is_not_coloured():
    made = results(**TWO)
    made["status"][{"optimizer": 0, "alpha": 1, "s": 1}] = STATUSES.index("pending")
    made["status"][{"optimizer": 0, "alpha": 2, "s": 2}] = STATUSES.index("collapsed")
    made["status"][{"optimizer": 0, "alpha": 0, "s": 0}] = STATUSES.index("diverged")
    figure = ag.plot.phase_diagram(made, x="alpha", y="s")
    shown = np.ma.masked_invalid(mesh_of(figure.axes[0]).get_array()).mask
    np.testing.assert_array_equal(shown, np.eye(3, dtype=bool))
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert legend == {"not computed", "collapsed", "diverged"}
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [line.get_xydata().tolist() for line in crosses] == [[[0.0, 2.0]]]


@pytest.mark.parametrize("status", ["undertrained", "underfit", "collapsed"])
def test_cells_that_are_not_fitted_are_hatched_and_mixed_ones_counted(status):
    made = results(**TWO)
    made["status"][{"optimizer": 1, "alpha": 0, "s": 2, "seed": 0}] = STATUSES.index(status)
    figure = ag.plot.phase_diagram(made, x="alpha", y="s")
    plain, marked = figure.axes[:2]
    assert not plain.patches
    (box,) = marked.patches
    assert box.get_hatch()
    assert [text.get_text() for text in marked.texts] == ["1/2"]


def test_further_axes_become_rows_or_are_selected():
    keys = {**TWO, "train": {"lam": [0.0, 1e-3]}}
    made = results(**keys)
    figure = ag.plot.phase_diagram(made, x="alpha", y="s")
    assert len(figure.axes) == 2 * 2 + 1
    chosen = ag.plot.phase_diagram(made, x="alpha", y="s", sel={"lam": 1e-3}, optimizer="adam").axes[0]
    expected = made.sel(optimizer="adam", lam=1e-3).test_error.mean("seed").transpose("s", "alpha")
    np.testing.assert_allclose(mesh_of(chosen).get_array(), expected)


def test_axes_of_each_optimizer_s_own_values():
    optimizers = {"adam": {"eta": [1e-4, 1e-3, 1e-2]}, "gd": {"eta": [0.01, 0.1, 1.0]}}
    made = results(data={"alpha": [0.0, 0.5]}, optimizers=optimizers)
    name, figure = suitable(made)
    assert name == "test_error-alpha-eta_index"
    for panel, values in zip(figure.axes[:2], ([1e-4, 1e-2], [0.01, 1.0]), strict=True):
        assert panel.get_yscale() == "log"
        low, high = panel.get_ylim()
        assert low < values[0] < values[1] < high
        assert low * 10 > values[0]


def test_what_suits_the_axes_at_hand():
    assert suitable(results(**TWO))[0] == "test_error-alpha-s"
    assert suitable(results(data={"alpha": [0.0, 0.2]}))[0] == "test_error-alpha"
    assert suitable(results())[0] == "trajectories"


def test_curves_and_trajectories_draw_the_means():
    made = results(data={"alpha": [0.0, 0.2, 0.4]}, seeds=3)
    line = ag.plot.curves(made, "loss").axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), made.loss.sel(optimizer="adam").mean("seed"))
    figure = ag.plot.trajectories(made, sel={"alpha": 0.2})
    assert [panel.get_title() for panel in figure.axes] == ["adam", "gd"]
    for line, name in zip(figure.axes[1].lines, ("feature_learning", "noise_memorization"), strict=False):
        expected = made[f"{name}_path"].sel(optimizer="gd", alpha=0.2).mean("seed")
        np.testing.assert_allclose(line.get_ydata(), expected)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda made: ag.plot.phase_diagram(made, x="beta1"), "beta1: not a swept axis; there are s, alpha"),
        (lambda made: ag.plot.phase_diagram(made, x="s", y="s"), "both s"),
        (lambda made: ag.plot.phase_diagram(made, sel={"s": 3}), "s = 3: not a value of this axis; there are 2, 8, 32"),
        (lambda made: ag.plot.phase_diagram(made, sel={"s": 2}), "needs two swept axes"),
        (lambda made: ag.plot.phase_diagram(made, value="loss_path"), "loss_path: not a variable"),
        (lambda made: ag.plot.curves(made), "curves need one axis, not 2"),
        (lambda made: ag.plot.trajectories(made), "fix s, alpha"),
    ],
)
def test_pictures_that_cannot_be_given(call, said):
    with pytest.raises(ag.PlotError, match=said):
        call(results(**TWO))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12, unique=True))
def test_every_value_is_inside_its_own_cell(values):
    values = np.sort(values)
    if len(values) > 1 and np.diff(values).min() < 1e-6:
        return
    around = edges(values)
    assert len(around) == len(values) + 1
    assert (around[:-1] < values).all()
    assert (values < around[1:]).all()


def test_scales_are_told_apart():
    assert is_log(np.geomspace(1e-6, 1, 5))
    assert is_log(np.array([2, 5, 10, 20, 50]))
    assert not is_log(np.linspace(0.1, 0.9, 9))
    assert not is_log(np.array([0.0, 1e-5, 1e-3]))
    np.testing.assert_allclose(edges(np.array([1.0, 10.0, 100.0])), 10 ** np.array([-0.5, 0.5, 1.5, 2.5]))


def test_results_of_a_real_sweep_can_be_drawn():
    spec = small.spec(seeds=1, steps=4, record=2, **{"data": {"n": 4, "d": 12, "s": [2, 3], "alpha": [0.0, 0.1],
                                                              "test_size": 4}})  # fmt: skip
    assert len(list(cells(spec))) == 8
    ag.plot.phase_diagram(ag.run_sweep(spec, quiet=True))
