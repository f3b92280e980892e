"""Where values stand on an axis, and where their cells end."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from adam_vs_gd.results.axis import LINEAR, LOG, LOGIT, SYMLOG, Axis, axis_of, is_log, scale_of, written


def made(values):
    values = np.asarray(values)
    return axis_of(xr.Dataset(coords={"x": ("x", values, {"long_name": "thing", "symbol": "$x$"})}), "x")


def test_scales_are_told_apart():
    assert is_log(np.geomspace(1e-6, 1, 5))
    assert is_log(np.array([2, 5, 10, 20, 50]))
    assert not is_log(np.linspace(0.1, 0.9, 9))
    assert scale_of(np.linspace(0, 0.8, 9))[0] == LINEAR
    assert scale_of(np.array([0.0, 0.2]))[0] == LINEAR
    assert scale_of(np.array([0.0, 1e-5, 1e-4, 1e-3]))[0] == SYMLOG
    assert scale_of(np.array([-1e-4, 1e-5, 1e-4, 1e-3]))[0] == LINEAR


def test_edges_are_halfway_in_the_axis_s_own_scale():
    np.testing.assert_allclose(made([0.1, 0.2, 0.3]).edges, [0.05, 0.15, 0.25, 0.35])
    np.testing.assert_allclose(made([1.0, 10.0, 100.0]).edges, 10 ** np.array([-0.5, 0.5, 1.5, 2.5]))
    assert made([0.0, 0.1, 0.2, 0.5]).narrowest == pytest.approx(0.1 / 0.7)


def test_what_nears_one_is_spread_by_its_distance_from_it():
    axis = made([0.9, 0.99, 0.999, 0.9999])
    assert axis.scale == LOGIT
    np.testing.assert_allclose(np.diff(axis.forward(axis.values)), 1, atol=0.05)
    assert axis.names() == ["0.9", "0.99", "0.999", "0.9999"]
    assert (axis.edges > 0).all()
    assert (axis.edges < 1).all()
    assert made(np.linspace(0.1, 0.9, 9)).scale == LINEAR


def test_zero_stands_one_step_below_the_smallest_value_of_a_logarithmic_axis():
    axis = made([0.0, 1e-5, 1e-4, 1e-3])
    assert axis.scale == SYMLOG
    np.testing.assert_allclose(np.diff(axis.forward(axis.values)), 1)
    np.testing.assert_allclose(axis.edges[2:], 10 ** np.array([-4.5, -3.5, -2.5]))
    np.testing.assert_allclose(axis.edges[:2], [-0.5e-5, 0.5e-5])


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12, unique=True), st.randoms())
def test_every_value_is_inside_its_own_cell(values, random):
    values = np.sort(values)
    if len(values) > 1 and np.diff(values).min() < 1e-6:
        return
    shuffled = values.tolist()
    random.shuffle(shuffled)
    axis = made(shuffled)
    np.testing.assert_array_equal(axis.values[axis.order], values)
    assert len(axis.edges) == len(values) + 1
    assert (axis.edges[:-1] < values).all()
    assert (values < axis.edges[1:]).all()


@given(st.sampled_from([LINEAR, LOG, SYMLOG]), st.floats(1e-6, 1e6), st.floats(1e-6, 1.0), st.floats(0.1, 3))
def test_the_scale_can_be_undone(scale, value, threshold, step):
    axis = Axis("x", "", "", np.array([value]), (), scale, threshold, step)
    np.testing.assert_allclose(axis.inverse(axis.forward(value)), value, rtol=1e-9)
    if scale != LOG:
        np.testing.assert_allclose(axis.inverse(axis.forward(-value)), -value, rtol=1e-9)


@pytest.mark.parametrize("values", [["relu", "gelu", "tanh"], [1.0, 1.0, 2.0], [1.0, np.nan, 2.0], [1.0, np.inf, 2.0]])
def test_what_cannot_stand_at_its_value_stands_in_a_row(values):
    axis = made(values)
    assert axis.values.tolist() == [0, 1, 2]
    assert axis.texts == tuple(map(str, values))
    assert axis.scale == LINEAR


def test_numbers_are_written_as_they_are():
    assert written([500, 1000, 2000, 1008]) == ["500", "1000", "2000", "1008"]
    assert written([0.1, 1 / 3, 1e-5, 2e7]) == ["0.1", "0.333", "1e-05", "2e+07"]
    assert written([0.0237137, 1, 1e-5]) == ["0.0237", "1", "1e-05"]
    assert written([0.99995, 1]) == ["0.99995", "1"]
    assert written([0.12341, 0.12342]) == ["0.12341", "0.12342"], "as many digits as tell them apart"


def test_names_and_labels():
    assert made([1.0, 2.0]).label == "thing $x$"
    bare = axis_of(xr.Dataset({"v": ("x", [1.0, 2.0])}), "x")
    assert (bare.label, bare.symbol, bare.values.tolist()) == ("x", "x", [0, 1])
    coords = {"eta": (("optimizer", "eta_index"), [[1e-4, 1e-3], [0.1, 1.0]]), "optimizer": ["adam", "gd"]}
    both = xr.Dataset({"v": (("optimizer", "eta_index"), np.zeros((2, 2)))}, coords)
    own = axis_of(both.sel(optimizer="gd"), "eta_index")
    assert (own.name, own.values.tolist()) == ("eta", [0.1, 1.0])
    assert axis_of(both, "eta_index").name == "eta_index"
