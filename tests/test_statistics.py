"""Means and intervals against scipy and closed forms."""

import numpy as np
import pytest
import small
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from small import STATUSES

import adam_vs_gd as ag
from adam_vs_gd.results.quantiles import normal_quantile, normal_tail, student_quantile
from adam_vs_gd.results.statistics import (
    census,
    difference,
    difference_interval,
    error_interval,
    over_seeds,
    student,
    wilson,
)


def test_student_is_scipy_s():
    values = np.random.default_rng(0).standard_normal((3, 7))
    found = student(values)
    low, high = stats.t.interval(0.95, 6, values.mean(1), stats.sem(values, axis=1))
    np.testing.assert_allclose(found.low, low)
    np.testing.assert_allclose(found.high, high)


@pytest.mark.parametrize("probability", [0.5, 0.75, 0.95, 0.975, 0.995, 1 - 0.05 / 14])
def test_quantiles_are_scipy_stats_to_the_bit(probability):
    freedom = np.arange(1, 2000)
    np.testing.assert_array_equal(student_quantile(probability, freedom), stats.t.ppf(probability, freedom))
    assert normal_quantile(probability) == stats.norm.ppf(probability)
    x = np.linspace(-8, 8, 1001)
    np.testing.assert_array_equal(normal_tail(x), stats.norm.sf(x))


def test_missing_seeds_are_left_out():
    with_missing = student([1.0, np.nan, 3.0, 5.0])
    without = student([1.0, 3.0, 5.0])
    np.testing.assert_allclose(with_missing, without)
    nothing = student([np.nan, np.nan])
    assert nothing.seeds == 0
    assert np.isnan([nothing.mean, nothing.low, nothing.high]).all()


def test_one_seed_knows_nothing_of_the_others():
    one = student([0.3])
    assert (one.mean, one.low, one.high) == (0.3, -np.inf, np.inf)


@given(successes=st.integers(0, 50), trials=st.integers(50, 500))
def test_wilson_is_scipy_s(successes, trials):
    low, high = wilson(successes / trials, trials)
    theirs = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose([max(low, 0), high], [theirs.low, theirs.high], atol=1e-12)


def test_seeds_that_all_say_zero_have_a_width():
    found = error_interval(np.zeros(5), 10_000)
    assert found.low == 0
    assert 0 < found.high < 1e-4
    np.testing.assert_allclose(found.high, wilson(0, 50_000)[1])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.integers(2, 1000))
def test_an_error_interval_holds_both_and_stays_in_range(errors, examples):
    found, plain = error_interval(errors, examples), student(errors)
    low, high = wilson(plain.mean, examples * len(errors))
    tiny = 1e-9
    assert 0 <= found.low <= max(0, min(plain.low, low)) + tiny
    assert 1 >= found.high >= min(1, max(plain.high, high)) - tiny


def test_collapsed_diverged_and_pending_lanes_do_not_count():
    results = ag.run_sweep(small.spec(seeds=6, steps=4, record=2, optimizers={"gd": {}}), quiet=True)
    status = [
        STATUSES.index(name) for name in ("fitted", "collapsed", "diverged", "pending", "undertrained", "underfit")
    ]
    results["status"] = results.status.copy(data=np.array([status], np.int8))
    kept = results.test_error.isel(seed=[0, 4, 5]).mean("seed")
    np.testing.assert_allclose(over_seeds(results, "test_error")["mean"], kept)
    assert over_seeds(results, "test_error")["seeds"] == 3
    assert over_seeds(results, "loss")["seeds"] == 4, "only errors of collapsed lanes are noise"
    assert over_seeds(results, "loss_path")["mean"].dims == ("optimizer", "record")


@pytest.mark.parametrize("name", ["train_error", "test_error"])
def test_pooled_examples_are_those_behind_the_rate(name):
    results = ag.run_sweep(small.spec(seeds=2, steps=4, record=2, optimizers={"gd": {}}), quiet=True)
    results[name] = results[name] * 0
    examples = {"train_error": 20, "test_error": 100}[name]
    np.testing.assert_allclose(over_seeds(results, name)["high"], wilson(0, 2 * examples)[1], rtol=1e-6)


def test_seeds_of_a_difference_are_paired():
    first, second = np.random.default_rng(1).random((2, 3, 6))
    found = difference_interval(first, second, np.inf)
    theirs = stats.ttest_rel(first, second, axis=1).confidence_interval(0.95)
    np.testing.assert_allclose(found.mean, (first - second).mean(1))
    np.testing.assert_allclose([found.low, found.high], [np.maximum(theirs.low, -1), np.minimum(theirs.high, 1)])
    assert found.seeds.tolist() == [6, 6, 6]


@pytest.mark.parametrize(
    ("one", "two", "n", "low", "high"),
    [(9, 3, 10, 0.1705, 0.8090), (6, 2, 7, 0.0582, 0.8062), (10, 0, 10, 0.6075, 1.0)],
)
def test_a_difference_of_seeds_that_agree_has_newcombe_s_width(one, two, n, low, high):
    """The intervals of method 10 in Newcombe's Table II, from two seeds with half of the examples each."""
    found = difference_interval([one / n] * 2, [two / n] * 2, n / 2)
    np.testing.assert_allclose([found.low, found.high], [low, high], atol=1e-4)
    other = difference_interval([two / n] * 2, [one / n] * 2, n / 2)
    np.testing.assert_allclose([other.low, other.high], [-high, -low], atol=1e-4)


def test_a_seed_counts_in_a_difference_where_it_counts_for_both():
    results = ag.run_sweep(small.spec(seeds=5, steps=4, record=2), quiet=True)
    status = np.full((2, 5), STATUSES.index("fitted"), np.int8)
    status[0, 0], status[1, 1] = STATUSES.index("collapsed"), STATUSES.index("diverged")
    results["status"] = results.status.copy(data=status)
    results["test_error"] = results.test_error.copy(data=np.random.default_rng(0).random((2, 5)).astype("f4"))
    found = difference(results, "test_error", "adam", "gd")
    expected = results.test_error.sel(optimizer="adam") - results.test_error.sel(optimizer="gd")
    np.testing.assert_allclose(found["mean"], expected[2:].mean(), rtol=1e-6)
    assert found.seeds == 3
    assert difference(results, "loss", "adam", "gd").seeds == 4, "the objective of a collapsed lane means something"
    assert difference(results, "loss_path", "adam", "gd")["mean"].dims == ("record",)
    assert census(results) == [
        ["optimizer", "diverged", "collapsed", "fitted"],
        ["adam", "0", "1", "4"],
        ["gd", "1", "0", "4"],
    ]
