"""Times read off trajectories and their power laws; what the sweeps of `exponents` and theory-scale are."""

from pathlib import Path

import numpy as np
import pytest

import adam_vs_gd as ag
from adam_vs_gd.experiments import exponents
from adam_vs_gd.experiments.exponents import verdict
from adam_vs_gd.experiments.studies import measure, studies
from adam_vs_gd.experiments.times import reaching, scaling_law, turning
from adam_vs_gd.problems.two_patch import theory

X = np.array([1.0, 2.0, 4.0, 8.0])


def test_times_of_made_up_trajectories():
    step = np.arange(0, 60, 10)
    path = np.array([[0, 1, 2, 1, 3, 0], [0, 1, 2, 3, 4, 5], [2, 1, 3, 0, 0, 0]], float)
    np.testing.assert_equal(turning(step, path), [20, np.nan, np.nan])
    np.testing.assert_allclose(reaching(step, path, 2.5), [37.5, 25, 17.5])
    np.testing.assert_equal(reaching(step, path, 9), [np.nan] * 3)


def test_an_exact_power_law_is_found_whatever_the_seeds_prefactors():
    law = scaling_law(X, np.array([[7.0], [3.0], [40.0]]) * X**-1.5)
    np.testing.assert_allclose(law[:3], -1.5)
    assert law.seeds == 3


def test_the_interval_of_an_exponent_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    noise = np.exp(0.1 * rng.normal(size=(400, 5, len(X))))
    laws = [scaling_law(X, 7 * X**0.5 * each) for each in noise]
    assert np.mean([law.holds(0.5) for law in laws]) >= 0.93
    assert np.median([law.high - law.low for law in laws]) < 0.5


def test_no_interval_is_narrower_than_a_curve_or_the_records_allow():
    exact = np.ones((3, 1)) * X**-1.0
    curved = scaling_law(X, exact * np.exp(0.2 * np.log(X) ** 2))
    assert curved.high - curved.low > 0.1
    coarse = scaling_law(X, 100 * exact, spacing=5)
    assert 0.05 < coarse.high - coarse.low < 0.5


def test_a_seed_counts_from_three_times_on():
    times = np.array([[1.0], [2.0]]) * X**2
    times[1, 2] = np.nan
    assert scaling_law(X, times).seeds == 2
    assert scaling_law(X, times).exponent == pytest.approx(2)
    times[1, 1] = np.nan
    assert scaling_law(X, times).seeds == 1
    assert np.isnan(scaling_law(X, times[1:]).exponent)


@pytest.fixture(scope="module")
def measured():
    """The studies along η of a quick run, with signGD and GD alone: {time: measured}."""
    chosen = [study for study in studies(quick=True) if study.key == "eta"]
    alone = [study._replace(labels=study.labels[:1]) for study in chosen]
    return {study.time: measure(study, None, 2, quiet=True)[0] for study in alone}


def test_the_steps_scale_with_the_learning_rate(measured):
    """SignGD's T_r·η does not depend on η but for the length of a step, nor does GD's T_j·η."""
    for one in measured.values():
        assert one.study.predicted() == pytest.approx(-1)
        assert one.law.seeds == 2
        assert one.law.holds(-1)
        assert verdict(one) == "as the paper says"
        assert one.law.high - one.law.low < 0.2


def test_the_derived_times_have_the_right_constant(measured):
    np.testing.assert_allclose(measured["T_j"].times, measured["T_j"].derived, rtol=0.1)
    ratio = measured["T_r"].times / measured["T_r"].derived
    assert np.exp(np.log(ratio).mean()) == pytest.approx(1.04, rel=0.4)  # as over five seeds


def test_the_experiment_writes_what_it_prints(measured, monkeypatch, tmp_path):
    """`reproduce exponents`, with what has been measured."""
    monkeypatch.setattr(exponents, "studies", lambda quick: [one.study for one in measured.values()])
    known = {one.study.name: one for one in measured.values()}
    monkeypatch.setattr(exponents, "measure", lambda study, out, seeds, quiet: [known[study.name]])
    text = exponents.reproduce(tmp_path, 2, True, True)
    assert (tmp_path / "exponents.md").read_text() in text + "\n"
    assert text.count("as the paper says") == 2
    assert "NOT the whole experiment" in text
    assert (tmp_path / "exponents.png").stat().st_size > 20_000
    numbers = (tmp_path / "exponents.csv").read_text().splitlines()
    assert len(numbers) > 8


def test_exponents_are_the_papers():
    found = {study.name: study.predicted() for study in studies()}
    expected = {"sigma_0": 1, "eta": -1, "s": -1, "sigma_p": -1, "alpha": -0.5, "small-eta": -1}
    expected = {f"T_r-{key}": value for key, value in expected.items()} | {"T_j-sigma_0": -1, "T_j-eta": -1}
    assert found == pytest.approx(expected)


def test_theory_scale_meets_the_conditions_that_a_run_can_meet():
    spec = ag.load_spec(Path(__file__).parent.parent / "sweeps" / "theory-scale.toml")
    assert spec.data["d"] >= 10**6
    adam = theory.predict(spec).sel(optimizer="adam")
    for name in ("lam_0", "lam", "alpha_large", "sigma_0", "alpha_small", "flip"):
        assert adam[f"margin_{name}"] > 1, name
    assert adam.margin_eta < 1
    assert float(adam.T_0) == pytest.approx(spec.steps / 3, rel=1e-3)
