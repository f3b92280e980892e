"""Kou et al.'s heatmaps: trainings in coefficients against a network in d dimensions, and what is said of numbers."""

import functools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from adam_vs_gd.experiments.papers import kou2023, kou2023_tables
from adam_vs_gd.experiments.papers import kou2023_agreement as agreement
from adam_vs_gd.experiments.papers import kou2023_training as training

N, M = training.N, training.WIDTH


COORDINATES = 430  # of every set here, so that each function is compiled once
train = jax.jit(training.train)


@jax.jit
def wrong_of(keys, network, mu):
    return jax.vmap(lambda key: training.wrong(key, network, mu))(keys)


@functools.partial(jax.jit, static_argnums=3)
def lane(d, mu, key, coordinates):
    return training.lane({"d": d, "mu": mu, "patch": 1.0, "bias": 1.0, "coordinates": coordinates}, key)


def made_up(d, bias=1.0):
    """A training set and a start with nothing beyond d, and labels that are not y."""
    rng = np.random.default_rng(d)
    there, y = np.arange(COORDINATES) < d, rng.choice([-1.0, 1.0], N)
    label = np.where(np.arange(N) % 7 == 3, -y, y)
    w, b = (rng.uniform(-1, 1, size) / np.sqrt(d) for size in ((2 * M, COORDINATES), 2 * M))
    arrays = y, label, rng.normal(size=(N, COORDINATES)) * there, w * there, b * bias
    y, label, noise, w, b = (jnp.asarray(a, jnp.float32) for a in arrays)
    return training.Examples(y, label, noise), training.Network(w, b)


def outputs(w, b, x, patch):
    """[examples, 2] outputs of the classes −1 and +1 of [examples, 2, d] patches."""
    active = np.maximum(np.einsum("rd,ipd->irp", w, x) + b[:, None], 0)
    return patch * active.sum(-1).reshape(len(x), 2, M).sum(-1)


def log_softmax(out):
    out = out - out.max(1, keepdims=True)
    return out - np.log(np.exp(out).sum(1, keepdims=True))


def in_all_dimensions(examples, network, mu, patch, bias):
    """Gradient descent on the cross entropy in float64, every weight by itself."""
    y, label, noise = (np.asarray(a, np.float64) for a in examples)
    w, b = (np.asarray(a, np.float64) for a in network)
    x = np.stack([np.zeros_like(noise), noise], 1)
    x[:, 0, 0] = mu * y
    target = np.stack([label < 0, label > 0], 1)
    for _ in range(100):
        slope = (np.exp(log_softmax(outputs(w, b, x, patch))) - target) / len(x)
        on = patch * np.repeat(slope, M, 1)[:, :, None] * (np.einsum("rd,ipd->irp", w, x) + b[:, None] > 0)
        w, b = w - 0.1 * np.einsum("irp,ipd->rd", on, x), b - bias * 0.1 * on.sum((0, 2))
    return w, b, -(log_softmax(outputs(w, b, x, patch)) * target).sum(1).mean()


@pytest.mark.parametrize(
    ("d", "mu", "patch", "bias"),
    [(100, 0.0, 1.0, 1.0), (100, 5.0, 0.5, 1.0), (150, 2.0, 1.0, 1.0), (400, 9.9, 1.0, 0.0)],
)
def test_coefficients_train_the_network_of_d_dimensions(d, mu, patch, bias):
    examples, network = made_up(d, bias)
    found, loss = train(network, examples, mu, patch, bias)
    w, b, slow = in_all_dimensions(examples, network, mu, patch, bias)
    np.testing.assert_allclose(found.w, w, atol=2e-4 * np.abs(w).max())
    np.testing.assert_allclose(found.b, b, atol=2e-4 * np.abs(b).max() if bias else 0)
    assert float(loss) == pytest.approx(slow, rel=2e-3)
    assert not np.asarray(found.w)[:, d:].any()


def test_coordinates_beyond_d_change_nothing():
    one, other = (lane(120.0, 2.5, jax.random.key(0), size) for size in (120, 300))
    assert int(one["wrong"]) == int(other["wrong"])
    assert float(one["loss"]) == pytest.approx(float(other["loss"]), rel=1e-4)


def test_cells_and_seeds_draw_noise_of_their_own():
    lanes = [(100.0, 0.0, 0), (100.0, 1e-6, 0), (101.0, 0.0, 0), (100.0, 0.0, 1)]
    losses = [float(lane(d, mu, jax.random.key(seed), 120)["loss"]) for d, mu, seed in lanes]
    assert np.diff(np.sort(losses)).min() > 1e-5  # of about 3e-3; with one noise the first two would be the same


def test_root_of_a_covariance_singular_or_not():
    rng = np.random.default_rng(0)
    for rank in (3, 8):
        factor = rng.normal(size=(8, rank)).astype(np.float32)
        found = np.asarray(training.root(jnp.asarray(factor @ factor.T)))
        np.testing.assert_allclose(found @ found.T, factor @ factor.T, atol=3e-5)
        assert not np.triu(found, 1).any()


@pytest.mark.parametrize("mu", [0.0, 1.5, 4.0])
def test_products_of_noise_are_tested_as_noise_in_d_dimensions_is(mu):
    d, times = 100, 40
    network, _ = train(*made_up(d)[::-1], mu, 1.0, 1.0)
    keys = jax.random.split(jax.random.key(1), times)
    fast = np.asarray(wrong_of(keys, network, mu)).sum()
    rng, total = np.random.default_rng(0), times * training.TEST_SIZE
    y, flips = rng.choice([-1, 1], total), rng.random(total) < 0.1
    x = np.zeros((total, 2, d))
    x[:, 0, 0], x[:, 1] = mu * y, rng.standard_normal((total, d))
    w, b = np.asarray(network.w, float)[:, :d], np.asarray(network.b, float)
    out = np.concatenate([outputs(w, b, part, 1.0) for part in np.array_split(x, 8)])
    slow = (np.where(out[:, 1] > out[:, 0], 1, -1) != np.where(flips, -y, y)).sum()
    rate = (fast + slow) / (2 * total)
    assert abs(int(fast) - int(slow)) / total < 3.5 * np.sqrt(2 * rate * (1 - rate) / total)
    assert (rate > 0.45) if mu == 0 else (rate < 0.45)


def test_what_is_drawn():
    d, cells = 100, 200
    there = jnp.arange(d) < d
    keys = jax.random.split(jax.random.key(0), cells)
    examples = jax.jit(jax.vmap(lambda key: training.draw_examples(key, there)))(keys)
    networks = jax.jit(jax.vmap(lambda key: training.draw_network(key, there, 1.0)))(keys)
    flipped = np.asarray(examples.y != examples.label).mean()
    assert flipped == pytest.approx(0.1, abs=3.5 * np.sqrt(0.09 / (cells * N)))
    assert float(examples.y.mean()) == pytest.approx(0, abs=3.5 / np.sqrt(cells * N))
    assert float(examples.noise.var()) == pytest.approx(1, abs=0.01)
    for a in networks:
        assert float(jnp.abs(a).max()) <= 0.1
        assert float(a.var()) == pytest.approx(1 / (3 * d), rel=0.05)


def test_the_published_tables():
    table = kou2023.published()
    assert table.test_error.shape == (100, 100)
    assert table.d.values[[0, -1]].tolist() == [100, 1090]
    assert table.mu.values[[0, 1, -1]].tolist() == [0, 0.1, 9.9]
    assert table.test_error.values[0, :3].tolist() == [0.4978, 0.5017, 0.4952]
    assert table.loss.values[0, 1] == pytest.approx(5.008e-3, rel=1e-3)


def made(rng, deviation, count, shift=0.0):
    """[rows, columns] means of so many, and their standard deviations, of errors that fall along μ."""
    true = np.linspace(0.5, 0.1, 60) + np.zeros((60, 1))
    draws = true + shift + deviation * rng.normal(size=(count, 60, 60))
    return draws.mean(0), draws.std(0, ddof=1)


def test_tables_drawn_alike_agree_and_others_do_not():
    rng = np.random.default_rng(0)
    theirs, _ = made(rng, 0.05, 10)
    same = agreement.agreement(theirs, *made(rng, 0.05, 5), 10, 5)
    assert same.within == pytest.approx(same.expected, abs=0.02)
    assert same.bias.holds(0)
    assert same.ratio.holds(1)
    assert same.probability > 0.01
    assert kou2023_tables.of_errors(same) == kou2023_tables.of_losses(same) == kou2023_tables.REPRODUCED
    slight = agreement.agreement(theirs, *made(rng, 0.05, 5, 0.004), 10, 5)
    assert kou2023_tables.of_errors(slight) == kou2023_tables.IN_PART
    assert slight.bias.value == pytest.approx(0.004, abs=0.002)
    other = agreement.agreement(theirs, *made(rng, 0.05, 5, 0.03), 10, 5)
    assert kou2023_tables.of_errors(other) == kou2023_tables.NOT
    assert other.within < 0.9
    assert other.probability < 1e-6
    turned = theirs[::-1].copy()  # in place of a bias, a difference here and its opposite there
    turned[:30] += 0.02
    turned[30:] -= 0.02
    found = agreement.agreement(theirs, turned, np.full((60, 60), 0.05), 10, 5)
    assert found.bias.holds(0)
    assert found.probability < 1e-6
    assert kou2023_tables.of_errors(found) == kou2023_tables.IN_PART


def test_the_line_of_a_level_is_a_made_up_power_law():
    rng = np.random.default_rng(0)
    d, mu = np.arange(100.0, 1100, 10), np.arange(100) / 10
    error = 0.2 - 0.1 * (mu - 1.2 * d[:, None] ** 0.2) + 0.01 * rng.normal(size=(100, 100))
    line = agreement.level_line(xr.DataArray(error, coords={"d": d, "mu": mu}, dims=("d", "mu")))
    assert line.exponent.holds(0.2)
    assert line.exponent.high - line.exponent.low < 0.03
    assert line.prefactor * 500**line.exponent.value == pytest.approx(1.2 * 500**0.2, rel=0.01)
    assert line.given_rms > line.rms


def test_the_median_is_enclosed():
    found = agreement.median(np.arange(101.0))
    assert found.value == 50
    assert (found.low, found.high) == (40, 60)  # P(Binomial(101, 1/2) < 41) < 2.5 %


def summaries():
    """A small map, published and here, which agree but for noise."""
    rng = np.random.default_rng(0)
    d, mu = np.arange(100.0, 600, 50), np.arange(0, 10, 0.5)
    error = np.clip(0.5 - 0.3 * mu / (1.2 * d[:, None] ** 0.25), 0.1, 0.5)
    tables = [np.stack([error, 1e-3 + 0 * error]) * (1 + 0.02 * rng.normal(size=(2, *error.shape))) for _ in range(2)]
    theirs, ours = (
        xr.Dataset({"test_error": (("d", "mu"), t[0]), "loss": (("d", "mu"), t[1])}, {"d": d, "mu": mu}) for t in tables
    )
    spread = {"test_error_deviation": 0.06 * theirs.test_error, "loss_deviation": 0.06 * theirs.loss}
    return theirs, ours.assign(spread).assign_attrs(seeds=10)


def test_what_is_said_of_the_numbers():
    theirs, ours = summaries()
    text = kou2023_tables.compared(theirs, ours)
    assert text.count("reproduced") >= 5
    assert "not reproduced" not in text
    assert f"{theirs.test_error.mean().item():.4f}" in text
    worse = ours.assign(test_error=ours.test_error + 0.05)
    assert "not reproduced" in kou2023_tables.compared(theirs, worse)
    rows = kou2023_tables.settings(theirs, {"this": ours, "that": worse.assign_coords(d=worse.d - 90)}).splitlines()
    assert [row.split("|")[-2].strip() for row in rows[-2:]] == ["reproduced", "not reproduced"]
    assert "holds 1/4" in kou2023_tables.beyond(ours, ours)
    flat = xr.where(ours.test_error.mu < 3, 0.3, 0.1) + 0 * ours.test_error
    assert "excludes 1/4" in kou2023_tables.beyond(ours, ours.assign(test_error=flat))
    assert "NOT the reproduction" in kou2023_tables.notes(ours, quick=True)
    assert "2,000 trainings" in kou2023_tables.notes(ours, quick=False)


def test_a_summary_is_of_its_trainings_and_is_kept(tmp_path):
    spec = kou2023.trainings("few", [100, 120], [0.0, 4.0], 3)
    found = kou2023.summary(tmp_path, spec, quiet=True)
    shutil.rmtree(tmp_path / "few")
    again = kou2023.summary(tmp_path, spec, quiet=True)
    xr.testing.assert_identical(found, again)
    assert found.test_error.values[:, 0] == pytest.approx(0.5, abs=0.05)
    assert (found.test_error.values[:, 1] < 0.3).all()
    assert found.attrs["seeds"] == 3
