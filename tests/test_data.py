"""The sampler against Definition 3.1 and Lemma A.1."""

import functools

import jax
import numpy as np
import pytest
import small
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import adam_vs_gd as ag
from adam_vs_gd.engine.chunk import SeedDraws
from adam_vs_gd.problems.two_patch.data import after_swaps, draw_noise, random_order
from adam_vs_gd.problems.two_patch.problem import two_patch
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.spec.cells import cells


def sample(key, **keys):
    """A data set drawn by one program, and not by one for each operation in it."""
    return jax.jit(lambda key: ag.sample_dataset(key, **keys))(key)


def dataset(key=0, **keys):
    data = sample(jax.random.key(key), **keys)
    return np.asarray(data.noise), np.asarray(data.y)


@pytest.mark.parametrize("supports", ["independent", "disjoint"])
def test_supports_and_feature_noise(supports):
    n, d, s, alpha = 30, 400, 13, 0.37
    xi, y = dataset(n=n, d=d, s=s, sigma_p=0.5, alpha=alpha, supports=supports)
    assert xi.shape == (n, d)
    np.testing.assert_array_equal(xi[:, 0], -np.float32(alpha) * y)
    support = xi[:, 1:] != 0
    assert (support.sum(1) == s).all()
    assert sorted(y) == [-1] * (n // 2) + [1] * (n // 2)
    if supports == "disjoint":
        assert support.sum(0).max() == 1
    else:
        assert support.sum(0).max() > 1


def test_alpha_zero_leaves_no_feature_noise():
    xi, _ = dataset(n=4, d=20, s=3, alpha=0.0)
    np.testing.assert_array_equal(xi[:, 0], 0)


@pytest.mark.parametrize("supports", ["independent", "disjoint"])
def test_coordinates_are_uniform(supports):
    d, s, n = 41, 4, 10
    keys = jax.random.split(jax.random.key(5), 800)
    coordinates = np.asarray(jax.jit(jax.vmap(lambda k: draw_noise(k, n, d, s, supports).coordinate))(keys))
    assert coordinates.min() == 1
    assert coordinates.max() == d - 1
    counts = np.bincount(coordinates.ravel(), minlength=d)[1:]
    if supports == "disjoint":  # here every data set uses every coordinate once
        np.testing.assert_array_equal(counts, 800)
    for rank in range(s):  # each rank of an example on its own
        counts = np.bincount(coordinates[:, 3, rank], minlength=d)[1:]
        assert stats.chisquare(counts).pvalue > 1e-4


def test_pairs_of_ranks_are_uniform():
    """Drawing without replacement: all ordered pairs of different coordinates are equally likely."""
    size, draws = 5, 20_000
    keys = jax.random.split(jax.random.key(1), draws)
    order = np.asarray(jax.jit(jax.vmap(lambda k: random_order(k, size + 1, 2)))(keys)) - 1
    counts = np.zeros((size, size))
    np.add.at(counts, (order[:, 0], order[:, 1]), 1)
    assert (np.diag(counts) == 0).all()
    assert stats.chisquare(counts[~np.eye(size, dtype=bool)]).pvalue > 1e-4


@functools.cache
def order_of(d):
    """A key -> the order of all d - 1 coordinates."""
    return jax.jit(lambda key: random_order(key, d, d - 1))


@given(d=st.sampled_from([2, 3, 4, 33, 60]), seed=st.integers(0, 2**32 - 1))
def test_random_order_is_a_permutation(d, seed):
    order = np.asarray(order_of(d)(seed_key(seed)))
    assert sorted(order) == list(range(1, d))


def fisher_yates(swap_with, size):
    """The shuffle as it is told: an array, and swap after swap."""
    places = np.arange(size)
    for k, place in enumerate(swap_with):
        places[[k, place]] = places[[place, k]]
    return places[: len(swap_with)]


RANKS = st.sampled_from([1, 2, 13, 60])  # few, because each is compiled


@given(ranks=RANKS, beyond=st.integers(0, 100) | st.integers(0, 1_000_000), seed=st.integers(0, 2**32 - 1))
def test_random_order_is_a_fisher_yates_shuffle(ranks, beyond, seed):
    """The same integers from the same key, for good: results on disk depend on them."""
    key, k, size = seed_key(seed), np.arange(ranks), ranks + beyond
    swap_with = k + np.asarray(jax.random.randint(key, (ranks,), 0, size - k))
    np.testing.assert_array_equal(random_order(key, size + 1, ranks), 1 + fisher_yates(swap_with, size))


@pytest.mark.parametrize("size", [301, 10_000_000])  # the larger does not pack its pairs in an int32
@pytest.mark.parametrize(
    "swap_with",
    {
        "each with the next": lambda k: k + 1,  # the longest way back
        "each with itself": lambda k: k,
        "all with the last": lambda k: 0 * k + 300,
        "few places": lambda k: np.maximum(k, 100 * (1 + k % 3)),
        "any": lambda k: np.random.default_rng(0).integers(k, 301),
    }.items(),
    ids=lambda case: case[0],
)
def test_swaps_of_any_kind(swap_with, size):
    swaps = swap_with[1](np.arange(300))
    np.testing.assert_array_equal(after_swaps(swaps, size), fisher_yates(swaps, size))


@given(ranks=RANKS, d=st.integers(61, 1000), seed=st.integers(0, 2**32 - 1))
def test_more_ranks_keep_the_first(ranks, d, seed):
    key = seed_key(seed)
    np.testing.assert_array_equal(random_order(key, d, ranks), random_order(key, d, 60)[:ranks])


def test_memory_of_a_draw_does_not_grow_with_d():
    def drawn(d):
        return jax.jit(lambda key: draw_noise(key, 200, d, 50)).lower(seed_key(0)).compile().memory_analysis()

    assert drawn(1_000_000).temp_size_in_bytes == drawn(1000).temp_size_in_bytes


def test_noise_moments():
    sigma = 0.3
    xi, _ = dataset(key=2, n=400, d=500, s=100, sigma_p=sigma)
    values = xi[:, 1:][xi[:, 1:] != 0] / sigma
    error = 1 / np.sqrt(values.size)
    assert abs(values.mean()) < 5 * error
    assert abs((values**2).mean() - 1) < 5 * np.sqrt(2) * error
    assert abs((values**4).mean() - 3) < 5 * np.sqrt(96) * error


@pytest.mark.parametrize("supports", ["independent", "disjoint"])
def test_larger_s_contains_the_smaller(supports):
    keys = {"n": 6, "d": 100, "alpha": 0.1, "supports": supports}
    small, _ = dataset(s=5, **keys)
    large, _ = dataset(s=16, **keys)
    np.testing.assert_array_equal(large[small != 0], small[small != 0])


def test_ranks_beyond_s_change_nothing():
    key = jax.random.key(7)
    few, many = (sample(key, n=6, d=50, s=5, ranks=ranks) for ranks in (5, 49))
    np.testing.assert_array_equal(few.noise, many.noise)


@pytest.mark.parametrize("s", [3, 5, 8])
def test_more_examples_keep_the_first(s):
    few, _ = dataset(n=6, d=50, s=s)
    many, _ = dataset(n=1400, d=50, s=s)
    np.testing.assert_array_equal(few, many[:6])


def test_sampling_is_vmappable_over_everything_traced():
    batch = jax.vmap(lambda key, s, a: ag.sample_dataset(key, n=4, d=30, s=s, sigma_p=0.5, alpha=a, ranks=20))
    keys, s, alpha = jax.random.split(jax.random.key(0), 3), np.array([3, 10, 20]), np.array([0.0, 0.5, 1.0])
    together = jax.jit(batch)(keys, s, alpha)
    for i in range(3):
        alone = sample(keys[i], n=4, d=30, s=int(s[i]), sigma_p=0.5, alpha=alpha[i])
        np.testing.assert_array_equal(together.noise[i], alone.noise)


def test_draws_of_one_process_are_in_the_precision_that_is_set():
    _, lane = next(iter(cells(small.spec())))
    draw = two_patch(lane.static, 10).draw
    seed_draws, devices = SeedDraws(), tuple(jax.devices()[:1])
    found = {}
    for precision in ("float32", "float64", "float32"):
        with ag.numerics(precision):
            drawn = seed_draws.stack(draw, [3], devices).train.unit[0]
            want = jax.jit(draw)(seed_key(3)).train.unit
        assert drawn.dtype == precision
        np.testing.assert_allclose(drawn, want, rtol=np.finfo(precision).eps * 8)
        np.testing.assert_array_equal(drawn, found.setdefault(precision, drawn))


def test_x_holds_both_patches():
    data = sample(jax.random.key(0), n=4, d=6, s=2)
    x = np.asarray(data.x)
    assert x.shape == (4, 2, 6)
    np.testing.assert_array_equal(x[:, 0], np.asarray(data.y)[:, None] * np.eye(6)[0])
    np.testing.assert_array_equal(x[:, 1], data.noise)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"n": 5}, "n = 5: must be even"),
        ({"n": 4, "d": 10, "s": 10}, "s = 10: must be in 1 .. 9"),
        ({"n": 4, "d": 10, "s": 0}, "s = 0: must be in 1 .. 9"),
        ({"n": 4, "d": 10, "s": 3, "supports": "disjoint"}, "s = 3: must be in 1 .. 2"),
        ({"n": 4, "d": 10, "s": 3, "supports": "joint"}, 'must be "independent" or "disjoint"'),
    ],
)
def test_impossible_data_sets_are_refused(keys, said):
    with pytest.raises(ValueError, match=said):
        dataset(**keys)
