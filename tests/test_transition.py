"""Contours, transitions and power laws of diagrams whose truth is known."""

import numpy as np
import pytest
import small
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit
from small import STATUSES

import adam_vs_gd as ag
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.results.power_law import masked_slopes
from adam_vs_gd.results.transition import FALLING, RISING, contour, first_crossing, interval, side_of

S = np.array([10, 15, 22, 33, 47, 68, 100, 150])
ALPHA = np.geomspace(0.01, 1, 25)


def diagram(kappa=-0.6, c=2.0, width=0.15, seeds=6, scatter=0.1, seed=0, alpha=ALPHA):
    """Errors that rise from 0 to .9 where α = c·s^κ·(a factor of the seed); the truth is where they are 1/2."""
    spec = small.spec(data={"alpha": alpha.tolist(), "s": S.tolist(), "d": 400}, optimizers={"adam": {}}, seeds=seeds)
    made = to_dataset(spec, [])
    shift = np.random.default_rng(seed).normal(0, scatter, seeds)
    distance = np.log(made.alpha) - np.log(c * made.s.astype(float) ** kappa) - xr.DataArray(shift, dims="seed")
    error = 0.9 * expit(distance / width) + 0 * made.test_error.fillna(0)
    made["test_error"] = error.transpose(*made.test_error.dims)
    made["status"] = made.status.copy(data=np.full(made.status.shape, STATUSES.index("fitted"), np.int8))
    return made


def truth(kappa=-0.6, c=2.0, width=0.15):
    return c * S**kappa * np.exp(width * np.log(0.5 / 0.4))


def test_the_boundary_of_a_known_diagram():
    curve = ag.boundary(diagram(scatter=0.0), x="alpha", y="s", level=0.5)
    assert curve.alpha.dims == ("optimizer", "s")
    assert curve.alpha.isel(optimizer=0).values == pytest.approx(truth(), rel=0.02)
    assert ((curve.below < truth()) & (truth() < curve.above)).all(), "the values that enclose it"
    assert ((curve.low < truth()) & (truth() < curve.high)).all()
    assert ((curve.low >= curve.below) & (curve.high <= curve.above)).all(), (
        "seeds that agree: the axis alone is unsure"
    )
    assert (curve.direction == 1).all()
    assert (curve.crossings == 1).all()


def test_scattered_seeds_widen_the_interval():
    narrow, wide = (ag.boundary(diagram(scatter=s), "alpha", "s") for s in (0.02, 0.5))
    assert (np.log(wide.high / wide.low) > 2 * np.log(narrow.high / narrow.low)).mean() > 0.9


@pytest.mark.parametrize("seeds", [3, 6])
def test_intervals_hold_the_truth(seeds):
    """95 % of them should, over experiments with other seeds; the truth being that of a mean over very many seeds."""
    far = ag.boundary(diagram(scatter=0.3, seeds=300, seed=99), "alpha", "s").alpha.isel(optimizer=0).values
    held, exponents = [], []
    for seed in range(40):
        curve = ag.boundary(diagram(scatter=0.3, seeds=seeds, seed=seed), "alpha", "s", resamples=400)
        held.append(((curve.low <= far) & (far <= curve.high)).values)
        law = ag.fit_exponent(curve)
        exponents.append(bool((law.low <= -0.6) & (law.high >= -0.6)))
    assert np.mean(held) > 0.87
    assert np.mean(exponents) > 0.87


def test_the_exponent_of_a_known_diagram():
    curve = ag.boundary(diagram(), x="alpha", y="s")
    law = ag.fit_exponent(curve)
    assert law.exponent.dims == ("optimizer",)
    assert law.exponent.item() == pytest.approx(-0.6, abs=0.03)
    assert law.low < -0.6 < law.high
    assert law.high - law.low < 0.2
    assert law.points == len(S)
    assert law.attrs["law"] == "alpha ~ s^exponent"
    product = ag.fit_exponent(curve, against=curve.s * curve.sigma_p)
    assert product.exponent == pytest.approx(law.exponent.item()), "a constant factor changes only the prefactor"
    assert product.prefactor / law.prefactor == pytest.approx(curve.sigma_p.item() ** -law.exponent.item())
    part = ag.fit_exponent(curve.sel(optimizer="adam", s=slice(20, 100)))
    assert part.points == 5
    assert part.exponent.ndim == 0


def test_points_off_a_power_law_make_its_interval_wide():
    curve = ag.boundary(diagram(), x="alpha", y="s")
    straight = ag.fit_exponent(curve)
    bent = curve.copy(deep=True)
    factor = xr.DataArray(np.where(np.arange(len(S)) % 2, 2.0, 0.5), dims="s")
    bent["alpha"], bent["resampled"] = bent.alpha * factor, bent.resampled * factor
    assert ag.fit_exponent(bent).high - ag.fit_exponent(bent).low > 5 * (straight.high - straight.low)
    assert ag.fit_exponent(bent).rms > 0.5


@pytest.mark.parametrize("kappa", [-0.03, -0.1, -0.5])
def test_an_exponent_knows_how_coarse_the_axis_is(kappa):
    """Errors that jump from 0 to 1 between two of nine values: only the cell of each point is known."""
    held = []
    for seed in range(40):
        alpha = np.geomspace(0.02, 1, 9)
        c = np.exp(np.random.default_rng(seed).uniform(np.log(0.1), np.log(0.2))) / S.mean() ** kappa
        sharp = diagram(kappa, c, width=1e-6, scatter=0, alpha=alpha)
        law = ag.fit_exponent(ag.boundary(sharp, "alpha", "s", resamples=300))
        held.append(bool((law.low <= kappa) & (law.high >= kappa)))
    assert np.mean(held) > 0.87


def test_axes_may_be_exchanged_and_further_axes_stay():
    made = diagram()
    swapped = ag.boundary(made, x="s", y="alpha")
    assert swapped.s.dims == ("optimizer", "alpha")
    assert (swapped.direction.where(swapped.direction != 0) == 1).sum() > 5, "more noise, more error"
    assert ag.fit_exponent(swapped).exponent.item() == pytest.approx(1 / -0.6, abs=0.15)
    several = xr.concat([made, made.assign(test_error=made.test_error * 0)], "lam").assign_coords(lam=[0.0, 0.1])
    curve = ag.boundary(several.transpose("optimizer", "lam", ...), "alpha", "s")
    assert curve.alpha.dims == ("optimizer", "lam", "s")
    np.testing.assert_allclose(curve.alpha.sel(lam=0.0), ag.boundary(made, "alpha", "s").alpha)
    nothing = curve.sel(lam=0.1)
    assert np.isnan(nothing.alpha).all()
    assert (nothing.direction == 0).all()
    assert np.isnan(ag.fit_exponent(curve).exponent.sel(lam=0.1)).all()


def test_values_need_not_ascend():
    shuffled = np.random.default_rng(3).permutation(ALPHA)
    there, here = (ag.boundary(diagram(alpha=a), "alpha", "s") for a in (ALPHA, shuffled))
    np.testing.assert_allclose(here.alpha, there.alpha)


def test_directions_and_how_often_a_row_crosses():
    made = diagram(scatter=0)
    hump = made.alpha.where(made.alpha < 0.3, 0.0)
    made["test_error"] = made.test_error * (hump > 0)
    both = ag.boundary(made, "alpha", "s").isel(s=-1)
    assert both.crossings == 2
    assert both.direction == 1
    falling = ag.boundary(made, "alpha", "s", direction="falling").isel(s=-1)
    assert falling.direction == -1
    assert falling.below < 0.3 <= falling.above
    assert np.isnan(ag.boundary(made, "alpha", "s", level=0.95).alpha).all()


def test_a_transition_between_cells_that_are_not_resolved_says_so():
    assert ag.boundary(diagram(scatter=0.01), "alpha", "s").resolved.sum() > len(S) / 2
    noise = diagram(seeds=8)
    noise["test_error"] = noise.test_error * 0 + 0.5 + np.random.default_rng(0).normal(0, 0.1, noise.test_error.shape)
    assert ag.boundary(noise, "alpha", "s").resolved.sum() <= 1


def test_a_transition_in_a_gap_of_some_resamples_is_not_off_the_axis():
    made = diagram(scatter=0, seeds=8)
    made["status"][{"alpha": 13, "seed": slice(1, None)}] = STATUSES.index("pending")
    curve = ag.boundary(made, "alpha", "s")
    assert not np.isinf(curve.high.where(curve.direction != 0)).any()


def test_lanes_that_do_not_count_do_not_count():
    made = diagram(scatter=0)
    clean = ag.boundary(made, "alpha", "s")
    for status in ("collapsed", "diverged", "pending"):
        spoilt = made.copy(deep=True)
        spoilt["status"][{"seed": 0}] = STATUSES.index(status)
        spoilt["test_error"][{"seed": 0}] = 0.5
        np.testing.assert_allclose(ag.boundary(spoilt, "alpha", "s").alpha, clean.alpha)
    gone = made.copy(deep=True)
    gone["status"][{"alpha": slice(5, 20)}] = STATUSES.index("collapsed")
    assert np.isnan(ag.boundary(gone, "alpha", "s").alpha.sel(s=slice(15, None))).all(), (
        "nothing is said of what lies between"
    )


def test_a_transition_that_may_lie_off_the_axis_has_an_open_interval():
    made = diagram(scatter=0.8, seeds=4).isel(alpha=slice(0, 17))
    curve = ag.boundary(made, "alpha", "s").isel(optimizer=0)
    known = curve.where(curve.direction != 0, drop=True)
    assert np.isinf(known.high).any()
    assert (known.low < known.alpha).all()


def test_one_seed_says_nothing_of_the_others():
    curve = ag.boundary(diagram(seeds=1), "alpha", "s")
    assert np.isinf(curve.high).all()
    assert (curve.low == 0).all(), "minus infinity on a logarithmic axis"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"x": "beta1"}, "beta1: not a swept axis; there are s, alpha"),
        ({"level": 1.5}, "level = 1.5: must be between 0 and 1"),
        ({"value": "loss_path"}, "loss_path: has a value for each step"),
        ({"direction": "up"}, "direction = 'up': must be 'rising' or 'falling'"),
    ],
)
def test_boundaries_that_cannot_be_given(keys, said):
    with pytest.raises(ag.PlotError, match=said):
        ag.boundary(diagram(seeds=2), **keys)


def test_a_power_law_needs_positive_numbers():
    curve = ag.boundary(diagram(seeds=2), "alpha", "s", resamples=10)
    with pytest.raises(ag.PlotError, match="must be positive for a power law"):
        ag.fit_exponent(curve, against=curve.s - 10)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12), st.sampled_from([RISING, FALLING]))
def test_the_first_crossing_is_the_first(row, way):
    row = np.array(row)
    left, share, beyond = first_crossing(row, 0.5, way)
    signed = way * (row - 0.5)
    expected = [i for i in range(len(row) - 1) if signed[i] < 0 <= signed[i + 1]]
    if expected:
        assert left == expected[0]
        assert row[left] + share * (row[left + 1] - row[left]) == pytest.approx(0.5)
    else:
        assert left == -1
        assert np.isinf(beyond)
        assert (beyond < 0) == (signed[0] >= 0)


def test_the_interval_of_many_seeds_is_the_bootstrap_s_percentiles():
    values = np.random.default_rng(0).standard_normal(100_000)
    np.testing.assert_allclose(interval(0.0, values, 10_000), np.quantile(values, [0.025, 0.975]), atol=0.02)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_of_the_mean_of_few_seeds_holds_student_s(seeds):
    values = np.random.default_rng(1).standard_normal(seeds)
    weights = np.random.default_rng(2).multinomial(seeds, np.full(seeds, 1 / seeds), size=20_000) / seeds
    low, high = stats.t.interval(0.95, seeds - 1, values.mean(), stats.sem(values))
    found = interval(values.mean(), weights @ values, seeds)
    slack = 0.02 * (high - low)
    assert found[0] <= low + slack
    assert found[1] >= high - slack
    assert found[1] - found[0] < 1.2 * (high - low)


def test_slopes_of_resamples_are_numpy_s():
    rng = np.random.default_rng(0)
    x, y = rng.random(6), rng.random((6, 4))
    y[2, 1] = np.nan
    y[:4, 3] = np.nan
    found = masked_slopes(x, y)
    np.testing.assert_allclose(found[0], np.polyfit(x, y[:, 0], 1)[0])
    keep = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(found[1], np.polyfit(x[keep], y[keep, 1], 1)[0])
    assert np.isnan(found[3])


def ramp(scatter):
    """A field that rises from 0 to 1 along the columns, and its sides of 1/2, with intervals so wide."""
    mean = np.broadcast_to(np.linspace(0.05, 0.95, 10), (6, 10)).copy()
    return mean, side_of(mean - scatter, mean + scatter, 0.5)


def test_a_contour_is_drawn_where_it_is_resolved():
    (line,) = contour(*ramp(0.02), 0.5)
    np.testing.assert_allclose(line[:, 0], 4.5)
    assert sorted(line[:, 1]) == pytest.approx(range(6))


@given(st.integers(0, 10**6))
def test_a_contour_stays_between_the_cells(seed):
    mean = np.random.default_rng(seed).random((4, 5))
    for line in contour(mean, side_of(mean, mean, 0.5), 0.5):
        between = np.abs(line - np.round(line)) > 1e-9
        assert (between.sum(1) == 1).all(), "on a grid line, and not at a cell"
        assert (line >= 0).all()
        assert (line <= [4, 3]).all()


def test_no_contour_through_cells_whose_interval_holds_the_level():
    assert contour(*ramp(0.1), 0.5) == []


def test_no_contour_through_noise_or_cells_without_a_mean():
    mean, side = ramp(0.02)
    noisy = np.random.default_rng(0).random(mean.shape)
    assert contour(noisy, side_of(noisy - 0.6, noisy + 0.6, 0.5), 0.5) == []
    mean[2, 4] = np.nan
    side[2, 4] = 0
    rows = np.sort(np.concatenate([line[:, 1] for line in contour(mean, side, 0.5)]))
    np.testing.assert_allclose(rows, [0, 1, 3, 4, 5])
    assert len(contour(mean, side, 0.5)) == 2
    assert contour(mean[:1], side[:1], 0.5) == []
