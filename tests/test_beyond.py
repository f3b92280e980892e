"""What is drawn of the maps of optimizers, and the defaults that come from them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp

import adam_vs_gd as ag
from adam_vs_gd.problems.learning.table1 import KINDS

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("beyond", ROOT / "results" / "beyond.py")
beyond = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(beyond)
POINT = {"n": 20, "sigma_p": 0.3, "alpha": 0.2, "q": 3, "width": 10, "sigma_0": 0.01}


def test_default_rates_are_the_smallest_that_fit():
    results = ag.load_results(ROOT / "results" / "rates")
    labels = set(map(str, results.optimizer.values))
    assert labels == set(KINDS)
    for label in labels - {"adabound"}:
        found = beyond.smallest_that_fits(results, label)
        assert np.log(KINDS[label]["eta"] / found) == pytest.approx(0, abs=0.03), label
    assert beyond.smallest_that_fits(results, "adabound") == results.eta.sel(optimizer="adabound").min()
    assert KINDS["adabound"]["eta"] == KINDS["adam"]["eta"]


def test_a_rate_that_fits_by_chance_alone_is_not_the_smallest():
    status = [[[4, 4], [5, 5], [4, 5], [5, 5], [5, 6]]]
    eta = np.geomspace(1, 16, 5)
    made = xr.Dataset(
        {"status": (("optimizer", "eta_index", "seed"), status)},
        {"optimizer": ["adam"], "eta": (("optimizer", "eta_index"), eta[None])},
    )
    assert beyond.smallest_that_fits(made, "adam") == pytest.approx(8)
    assert np.isnan(beyond.smallest_that_fits(made.assign(status=made.status * 0), "adam"))


@pytest.mark.parametrize("e", [0.0, 0.4, 1.0, 1.6, 2.0])
def test_growth_by_a_power_of_itself(e):
    time = beyond.elapsed(0.01, 0.7, e)
    solved = solve_ivp(lambda _, x: x**e, (0, time), [0.01], rtol=1e-10, atol=1e-14).y[0, -1]
    assert solved == pytest.approx(0.7, rel=1e-6)
    assert beyond.reached(0.01, time, e) == pytest.approx(0.7, rel=1e-9)
    assert beyond.reached(0.01, 1e9, e) == 1


def test_the_derived_boundary_is_where_noise_is_fitted_as_the_feature_is_lost():
    point = xr.Dataset(coords=POINT)
    at_one = beyond.derived(point, 1.0)
    # signs: Γ grows by sσ_p√(2/π) where Λ grows by 1, both from the strongest of ten filters
    strength, start = at_one * 0.3 * np.sqrt(2 / np.pi), 0.01 * 1.5
    left = 1 / strength
    assert left + start == pytest.approx(max(2 * at_one * 0.09 / 20, 0.1**0.5), abs=0.02)
    along = [beyond.derived(point, p) for p in np.linspace(0, 1, 11)]
    assert np.all(np.diff(along) < 0), "the more it is normalized, the sparser the noise that it memorizes"
    assert np.isnan(beyond.derived(xr.Dataset(coords=POINT | {"sigma_p": 100.0}), 1.0))
