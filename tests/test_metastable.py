"""Whether a noise solution stays: what is read off trainings, and what follows from it, of made-up ones."""

import numpy as np
import pandas as pd
import pytest
import small
import xarray as xr

from adam_vs_gd.experiments import metastable
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.cells import axes

KEPT, OPEN, RETURNED = metastable.KEPT, metastable.OPEN, metastable.RETURNED


def lane_of_two_classes():
    """One lane that fits at step 4: the feature of class −1 returns at step 40, that of +1 is gone by the end."""
    spec = small.spec(steps=100, record=10, seeds=1, optimizers={"adam": {"eta": 1e-3}}, train={"until": "rest"})
    results = to_dataset(spec, [])
    step = results.step.values
    path, end = xr.zeros_like(results.capital_lambda_path, float), xr.zeros_like(results.capital_lambda, float)
    learned = np.stack([np.where(step >= 35, 2.0, 0.1), np.full(len(step), 1e-9)], -1)
    of_class = lambda *values: end + xr.DataArray(list(values), dims="class")  # noqa: E731
    return results.assign(
        capital_lambda_path=path + xr.DataArray(learned, dims=("record", "class")),
        capital_gamma_path=path + 1,
        capital_lambda_at_fit=of_class(0.1, -0.2),
        capital_gamma_at_fit=of_class(0.8, 0.8),
        capital_lambda=of_class(2.0, 1e-9),
        fit_step=xr.full_like(results.fit_step, 4),
    )


def test_what_becomes_of_a_class():
    results = lane_of_two_classes()
    found = metastable.classes(results)
    scale = 10 * float(results.sigma_p) ** 2 / 20
    assert found["class"].tolist() == [-1, 1]
    assert found.fate.tolist() == [RETURNED, KEPT]
    first = results.step.values[results.step.values >= 35][0]
    assert found.lifetime.tolist() == [first - 4, np.inf]
    assert found.x.tolist() == pytest.approx([0.1 / 0.8 / scale, -0.2 / 0.8 / scale])
    assert found.A.tolist() == pytest.approx([float(results.alpha) / scale] * 2)
    assert metastable.classes(results.assign(fit_step=results.fit_step * 0 - 1)).empty


def made(x, fates, **columns):
    """Classes with these x and fates."""
    usual = {"study": "s", "seed": np.arange(len(x)) % 3, "eta": 1e-4, "lam": 1e-5, "lifetime": 1.0}
    return pd.DataFrame({"x": x, "fate": fates, **usual, **columns})


def test_the_threshold_parts_what_returned_from_what_is_kept():
    clean = made([0.5, 1.0, 4.0, 8.0, 3.0, -9.0], [KEPT, KEPT, RETURNED, RETURNED, OPEN, KEPT])
    assert metastable.threshold(clean) == pytest.approx(2)  # the middle of 1 to 4 in logarithms
    mixed = made([1, 2, 3, 4, 5, 6], [KEPT, RETURNED, KEPT, KEPT, RETURNED, RETURNED])
    assert metastable.threshold(mixed) == pytest.approx(20**0.5)
    tied = made([1, 2, 3, 4, 5, 6], [KEPT, RETURNED, RETURNED, KEPT, KEPT, RETURNED])  # two cuts with two mistakes
    cut = metastable.threshold(tied)
    assert ((tied.fate == RETURNED) != (tied.x > cut)).sum() == 2
    assert np.isnan(metastable.threshold(made([1.0, 2.0], [KEPT, KEPT])))


def test_what_decides():
    found = made([1, 2, 3, 4], [KEPT, KEPT, RETURNED, RETURNED], A=[1, 3, 2, 2])
    assert metastable.separation(found, "x") == 1
    assert metastable.separation(found, "A") == 0.5
    assert metastable.separation(found.assign(x=-found.x), "x") == 0


def test_exponents_of_a_made_up_law():
    rng = np.random.default_rng(0)
    eta, lam, x = np.exp(rng.normal(size=(3, 30)))
    found = made(x, [RETURNED] * 30, eta=eta, lam=lam, lifetime=2 / eta * lam**0.1 * x**-0.5)
    assert metastable.exponents(found) == pytest.approx([-1, 0.1, -0.5])
    assert np.isnan(metastable.exponents(made(x, [KEPT] * 30))).all()
    value, low, high = metastable.resampled(found, metastable.exponents)[0]
    assert low <= value <= high


def test_every_study_is_a_sweep_of_what_it_says():
    for name, keys in metastable.STUDIES.items():
        spec = metastable.study_spec(name, keys, 2, quick=True)
        assert spec.train["until"] == "rest"
        swept = {"d"} if name == "overlap" else set(name.split(", "))
        assert swept <= {axis.removesuffix("_index") for axis, _ in axes(spec)}
