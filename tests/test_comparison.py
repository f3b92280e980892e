"""Two sweeps side by side: what is the same is said to be, and what is not is found, where it is."""

import json
from pathlib import Path

import numpy as np
import pytest
import small
from small import STATUSES
from test_table import made

import adam_vs_gd as ag
from adam_vs_gd import cli
from adam_vs_gd.results.comparison import compare
from adam_vs_gd.results.comparison_text import describe
from adam_vs_gd.results.dataset import to_dataset

SHIPPED = Path(__file__).parent.parent / "results"
WHERE = {"optimizer": "gd", "alpha": 0.2, "seed": 1}


def swept(**keys):
    return made(data={"alpha": [0.0, 0.2, 0.4]}, **keys)


def changed(name, by, **where):
    """A sweep and the same with one number of it changed by a function."""
    first = swept()
    second = first.copy(deep=True)
    at = {"optimizer": 1, "alpha": 1, "seed": 1} | where
    second[name][at] = by(second[name][at])
    return first, second


def of(found, name):
    return next(one for one in found.variables if one.name == name)


@pytest.mark.parametrize("name", ["eta-by-alpha", "adam-at-rest", "figure1/tuning"])
def test_a_sweep_is_itself(name):
    results = ag.load_results(SHIPPED / name)
    found = compare(results, results)
    assert found.agree
    assert found.both == found.equal > 20
    assert (found.only_first, found.only_second) == (0, 0)
    assert not found.spec + found.provenance + found.statuses + found.shifts + found.not_compared
    assert not [one for one in found.variables if one.absolute or one.relative or one.one_sided]
    assert "to the last bit" in describe(found).splitlines()[-1]


def test_one_bit_is_found_and_where():
    first, second = changed("loss", lambda loss: np.nextafter(loss, np.float32(2)))
    found = compare(first, second)
    assert not found.agree
    assert (found.both, found.equal) == (12, 11)
    assert [one.name for one in found.variables if one.equal < 12] == ["loss"]
    assert of(found, "loss").absolute.where == WHERE
    one, other = (float(results.loss.sel(WHERE)) for results in (first, second))
    largest = of(found, "loss").absolute
    assert (largest.first, largest.second, largest.difference) == (one, other, other - one)
    assert of(found, "loss").relative.difference == pytest.approx((other - one) / other)


def test_a_place_along_the_training_is_named_too():
    first, second = changed("capital_gamma_path", lambda values: values + 1, record=2, **{"class": 0})
    assert of(compare(first, second), "capital_gamma_path").absolute.where == {**WHERE, "step": 20, "class": -1}


def test_differences_within_tolerances_agree_and_are_said():
    first, second = changed("loss", lambda loss: loss * np.float32(1 + 1e-5))
    assert compare(first, second, rtol=1e-4).agree
    assert not compare(first, second, rtol=1e-6).agree
    assert compare(first, second, atol=1e-4).agree
    assert "11 of 12 lanes are the same to the last bit" in describe(compare(first, second, rtol=1e-4))
    infinite = changed("loss", lambda _: np.inf)
    assert not compare(*infinite, rtol=1.0, atol=1e9).agree, "nothing is near infinity"


def test_a_number_that_one_lacks_is_a_difference_at_any_tolerance():
    found = compare(*changed("loss", lambda _: np.nan), rtol=10.0)
    assert (of(found, "loss").one_sided, of(found, "loss").absolute, found.agree) == (1, None, False)
    both = changed("loss", lambda _: np.nan)[1]
    assert compare(both, both).agree, "both have none"


def test_statuses_that_differ_are_counted():
    found = compare(*changed("status", lambda _: STATUSES.index("diverged")))
    assert [(one.first, one.second, one.lanes) for one in found.statuses] == [("fitted", "diverged", 1)]
    assert not found.agree


def test_lanes_are_joined_by_what_they_are():
    first = swept()
    turned = first.isel(alpha=[2, 0, 1], optimizer=[1, 0], seed=[1, 0])
    assert compare(first, turned).equal == 12
    found = compare(first, first.sel(alpha=[0.0, 0.4]))
    assert (found.both, found.only_first, found.equal, found.agree) == (8, 4, 8, True)


def test_a_fixed_number_is_the_same_as_a_value_of_an_axis():
    grid = swept()
    line = made(data={"alpha": 0.2})
    found = compare(grid, line)
    assert (found.both, found.only_first, found.only_second) == (4, 8, 0)
    assert {one.key: (one.first, one.second) for one in found.spec} == {"data.alpha": ([0.0, 0.2, 0.4], 0.2)}
    assert not found.agree, "its numbers are others"


def test_an_optimizer_more_keeps_the_lanes_of_the_others():
    both, alone = made(), made(optimizers={"gd": {"eta": 0.1}})
    found = compare(both, alone)
    assert (found.both, found.only_first, found.only_second) == (2, 2, 0)


def test_a_number_that_has_values_in_only_one_tells_lanes_apart():
    one = made(optimizers={"adam": {"beta2": [0.9, 0.99]}, "gd": {}})
    other = made(optimizers={"gd": {}})
    found = compare(one, other)
    assert (found.both, found.only_first, found.only_second) == (2, 4, 0)


def test_the_mean_difference_is_paired_and_over_seeds():
    first = swept(seeds=4)
    second = first.copy(deep=True)
    second["loss"][{"optimizer": 0}] += np.array([0.1, 0.1, 0.1, 0.3], np.float32)
    (shift,) = [one for one in compare(first, second).shifts if one.optimizer == "adam"]
    assert (shift.name, shift.seeds) == ("loss", 4)
    assert shift.mean == pytest.approx(0.15, abs=1e-6)
    half = 3.182446 * np.std([0.1, 0.1, 0.1, 0.3], ddof=1) / 2  # Student's t of three degrees of freedom
    assert (shift.low, shift.high) == pytest.approx((0.15 - half, 0.15 + half), abs=1e-5)
    assert [one.mean for one in compare(first, second).shifts if one.optimizer == "gd"] == [0]


def test_what_computed_them_is_told_and_does_not_count():
    first = swept().assign_attrs(versions="jax 0.10.2, numpy 2.4.6", kernel="avx512")
    second = first.assign_attrs(versions="jax 0.11.0, numpy 2.4.6", kernel="avx2")
    found = compare(first, second)
    assert found.agree
    assert {one.key: (one.first, one.second) for one in found.provenance} == {
        "versions": ("jax 0.10.2", "jax 0.11.0"), "kernel": ("avx512", "avx2"),
    }  # fmt: skip


def test_a_trajectory_at_other_steps_is_not_compared_and_said():
    first, second = swept(), swept(record=3)
    found = compare(first, second)
    assert "loss_path" in found.not_compared
    assert "loss" not in found.not_compared
    assert "loss_path" in describe(found)


def test_nothing_computed_is_no_agreement():
    blank = to_dataset(small.spec(), [])
    assert not compare(blank, blank).agree
    assert describe(compare(blank, blank)).endswith("no lane is in both: nothing was compared")


def test_the_command(capsys):
    alike = ["compare", str(SHIPPED / "alpha-by-s"), str(SHIPPED / "sigma_p-by-s")]
    assert cli.main(alike) == 0
    assert "110 in both, 1760 only in A, 2882 only in B" in capsys.readouterr().out
    assert cli.main([*alike, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["agree"], found["both"], found["equal"]) == (True, 110, 110)
    assert {one["key"] for one in found["spec"]} == {"seeds", "data.sigma_p", "data.alpha"}
    assert all(one["absolute"] is None for one in found["variables"])


def test_sweeps_without_a_lane_in_common_are_status_1(capsys):
    assert cli.main(["compare", str(SHIPPED / "lam-by-steps"), str(SHIPPED / "optimizers"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["both"] == 0


@pytest.mark.parametrize("wrong", ["-1", "nan", "inf", "much"])
def test_a_tolerance_is_a_finite_number(wrong, capsys):
    assert cli.main(["compare", "a", "b", f"--rtol={wrong}"]) == 2
    assert "must be a finite number >= 0" in capsys.readouterr().err
