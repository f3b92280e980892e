"""A lane is its own: bitwise the same whatever runs beside it. And the exact symmetries of the problem."""

import jax
import numpy as np
import pytest
import small
from hypothesis import given, settings
from hypothesis import strategies as st
from small import SHARING, lane, rows

import adam_vs_gd as ag
from adam_vs_gd.problems.learning.optimizers import make_optimizer
from adam_vs_gd.problems.two_patch import measurements
from adam_vs_gd.problems.two_patch.data import Dataset
from adam_vs_gd.problems.two_patch.models import make_model
from adam_vs_gd.problems.two_patch.training import make_train_step

OPTIMIZERS = tuple(small.ETA)


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


numbers = st.fixed_dictionaries(
    {
        "alpha": st.floats(0, 1, width=32),
        "s": st.sampled_from([5, 5, 1, 20]),  # often mine, so that lanes share their noise
        "sigma_p": st.sampled_from([0.1, 0.5, 2.0]),
        "lam": st.sampled_from([0.0, 1e-3, 0.1]),
        "eta": st.sampled_from([1e-3, 1e-2, 0.3]),
        "eps": st.sampled_from([1e-8, 1e-12]),
        "seed": st.sampled_from([1, 1, 0, 3]),
    }
)


@pytest.mark.parametrize(("optimizer", "method"), [pair for pair in small.PAIRS if pair[0] in ("adam", "gd")])
@settings(max_examples=8)
@given(others=st.lists(numbers, min_size=3, max_size=3), place=st.integers(0, 3))
def test_other_lanes_and_the_place_among_them_change_nothing(optimizer, method, others, place):
    mine, keys = lane(optimizer, seed=1), {"width": 4, "seed_slots": 4, "ranks": 20}
    chunk = [lane(optimizer, **numbers) for numbers in others]
    chunk.insert(place, mine)
    assert_same(rows(chunk, method, **keys)[mine], rows([mine], method, **keys)[mine])


@pytest.mark.parametrize(("optimizer", "method"), [pair for pair in small.PAIRS if pair[1] not in SHARING])
def test_permuting_lanes_permutes_results(optimizer, method):
    lanes = [lane(optimizer, seed=k % 3, alpha=0.1 * k) for k in range(8)]
    straight, turned = rows(lanes, method), rows(lanes[::-1], method)
    for one in lanes:
        assert_same(straight[one], turned[one])


@pytest.mark.parametrize(("optimizer", "method"), [("adam", "plain"), ("adam", "sparse"), ("gd", "span")])
def test_width_seeds_beside_and_ranks_change_nothing(optimizer, method):
    lanes = [lane(optimizer, seed=k % 5, alpha=0.03 * k, s=1 + k % 9) for k in range(18)]
    lanes.append(lane(optimizer, s=18))
    reference = rows(lanes, method, width=4)
    for width, ranks in ((5, 20), (19, 29)):
        other = rows(lanes, method, width=width, ranks=ranks)
        for one in lanes:
            assert_same(reference[one], other[one])


def test_extending_a_sweep_changes_no_lane():
    keys = {"optimizers": {"adam": {"eta": 1e-3}}}
    few = ag.run_sweep(small.spec(**keys, data={"s": [4, 10], "alpha": [0.1, 0.3]}), quiet=True)
    more = ag.run_sweep(small.spec(**keys, seeds=3, data={"s": [4, 10, 40], "alpha": [0.0, 0.1, 0.3, 0.9]}), quiet=True)
    shared = more.sel(s=few.s, alpha=few.alpha, seed=few.seed)
    for name in few.data_vars:
        np.testing.assert_array_equal(few[name], shared[name], err_msg=name)


@pytest.mark.parametrize(("optimizer", "method"), [pair for pair in small.PAIRS if pair[0] in ("adam", "gd")])
def test_a_nan_lane_leaves_its_neighbours_alone(optimizer, method):
    """Also where they stand in one block, or side by side in one register."""
    keys = {"block": 4 if method in SHARING else 1, "width": 4, "seed_slots": 4, "ranks": 20}
    sickness = {"eta": 1e6} if optimizer == "gd" else {"eps": 0.0, "beta1": 0.0, "beta2": 0.0, "lam": 0.0}
    healthy = [lane(optimizer, seed=1, alpha=0.1 * k) for k in range(3)]
    sick = lane(optimizer, seed=1, **sickness)
    with_it, without = rows([*healthy, sick], method, **keys), rows([*healthy, healthy[0]], method, **keys)
    for one in healthy:
        assert_same(with_it[one], without[one])
        assert np.isfinite(with_it[one]["loss"])
    assert with_it[sick]["status"] == ag.Status.DIVERGED


# Symmetries, on a training written with the public pieces: data and start are transformed, results compared.

SIZES = {"n": 12, "d": 24, "m": 3}


def trained(optimizer, model, w, xi, y, steps=25):
    """Measurements and weights after some steps in float64."""
    with ag.numerics("float64"):
        flax_model, data = make_model(model, SIZES["m"], 3), Dataset(jax.numpy.asarray(xi), jax.numpy.asarray(y))
        transformation = make_optimizer(optimizer, eta=0.01, lam=1e-3)
        step = make_train_step(flax_model, transformation)

        def body(carry, _):
            params, state, _ = step(*carry, data)
            return (params, state), None

        params = {"w": jax.numpy.asarray(w)}
        (params, _), _ = jax.jit(lambda p: jax.lax.scan(body, (p, transformation.init(p)), length=steps))(params)
        measured = measurements.measure(flax_model, params, data, 1e-3)
        return {name: np.asarray(value) for name, value in measured.items()}, np.asarray(params["w"])


def problem(seed, model):
    rng = np.random.default_rng(seed)
    n, d, m = SIZES.values()
    y = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    xi = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.4)
    xi[:, 0] = -0.2 * y
    return rng.standard_normal((d,) if model == "linear" else (2, m, d)) * 0.3, xi, y


def close(a, b):
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-8, atol=1e-11, err_msg=name)


MODELS = pytest.mark.parametrize("model", ["two_layer_cnn", "linear"])
EVERY = pytest.mark.parametrize("optimizer", OPTIMIZERS)


@MODELS
@EVERY
def test_permuting_noise_coordinates_changes_nothing(optimizer, model):
    w, xi, y = problem(0, model)
    turn = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(SIZES["d"] - 1)])
    plain, w_plain = trained(optimizer, model, w, xi, y)
    turned, w_turned = trained(optimizer, model, w[..., turn], xi[:, turn], y)
    close(plain, turned)
    np.testing.assert_allclose(w_plain[..., turn], w_turned, rtol=1e-8, atol=1e-11)


@MODELS
@EVERY
def test_flipping_signs_of_noise_coordinates_changes_nothing(optimizer, model):
    w, xi, y = problem(0, model)
    sign = np.concatenate([[1], np.random.default_rng(2).choice([-1.0, 1.0], SIZES["d"] - 1)])
    close(trained(optimizer, model, w, xi, y)[0], trained(optimizer, model, w * sign, xi * sign, y)[0])


@MODELS
@EVERY
def test_permuting_examples_and_filters_changes_nothing(optimizer, model):
    w, xi, y = problem(0, model)
    rng = np.random.default_rng(3)
    order = rng.permutation(SIZES["n"])
    filters = w if model == "linear" else w[:, rng.permutation(SIZES["m"])]
    close(trained(optimizer, model, w, xi, y)[0], trained(optimizer, model, filters, xi[order], y[order])[0])


@MODELS
@EVERY
def test_exchanging_the_classes_mirrors_the_results(optimizer, model):
    """y -> −y, j -> −j and the sign of the first coordinate: the same training, seen by the other class."""
    w, xi, y = problem(0, model)
    first = np.ones(SIZES["d"])
    first[0] = -1
    mirrored_w = -w * first if model == "linear" else w[::-1] * first
    plain, _ = trained(optimizer, model, w, xi, y)
    mirror, _ = trained(optimizer, model, mirrored_w, xi * first, -y)
    for name in ("train_error", "loss", "data_loss", "grad_norm_l1", "grad_norm_l2", "weight_norm"):
        np.testing.assert_allclose(plain[name], mirror[name], rtol=1e-8, err_msg=name)
    for name in ("capital_lambda", "capital_gamma"):
        np.testing.assert_allclose(plain[name], mirror[name][::-1], rtol=1e-8, atol=1e-11, err_msg=name)
