"""Data beyond Definition 3.1: each sampler against NumPy, what its numbers mean, and trainings on it."""

import functools
import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import oracle_networks as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adam_vs_gd as ag
from adam_vs_gd.problems.two_patch import samplers, sections
from adam_vs_gd.problems.two_patch.data import balanced_labels
from adam_vs_gd.problems.two_patch.problem import drawn_by, two_patch
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.spec.cells import cells

DATA = {"n": 20, "d": 40, "test_size": 60}
OF = {
    "features": {"s": 6, "features": 3, "patches": 3, "feature_size": 1.5, "balance": 0.3, "label_noise": 0.2,
                 "pure_noise": 0.2, "alpha": 0.3},
    "mixture": {"feature_size": 1.5, "balance": 0.3, "label_noise": 0.2},
    "separable": {"margin": 0.2, "balance": 0.3},
}  # fmt: skip
WORDS = [
    (name, dict(zip(declared.words, words, strict=True)))
    for name, declared in sections.SAMPLERS.items()
    for words in itertools.product(
        *(
            [word for word in sections.DATA.choices[key] if word != "rotated" or name == "features"]
            for key in declared.words
        )
    )
]


def spec_of(sampler, *, data=None, **keys):
    """A small spec of a sampler's data."""
    tables = {
        "data": DATA | {"sampler": sampler} | OF[sampler] | (data or {}),
        "model": {"width": 3, "sigma_0": 0.1, "q": 2},
        "train": {"lam": 1e-3, "precision": "float64"},
        "optimizers": {"adam": {"eta": 5e-3}},
    }
    return ag.SweepSpec(**({"seeds": [5], "steps": 60, "record": 2} | tables | keys))


@functools.cache
def made(spec):
    """(static, hyper, draws, training set, test set) of the first lane of a spec."""
    lane = next(cells(spec))[1]
    static, hyper = lane.static, lane.hyper
    with ag.numerics(static.precision):
        draws = jax.jit(two_patch(static, max(1, int(hyper.s))).draw)(seed_key(lane.seed))
        make = samplers.SAMPLERS[static.sampler].make
        train = make(draws.train, draws.shared, 0, static, hyper, False)
        test = make(draws.test, draws.shared, 0, static, hyper, True)
        return static, hyper, *jax.device_get((draws, train, test))


def by_hand(static, hyper, drawn, shared, clean):
    """(x, y) of a set, an example after the other."""
    at, d = dict(zip(static.own, hyper.own, strict=True)), static.d
    xs, ys, turn = [], [], {1.0: 0, -1.0: 0}
    for i in range(len(drawn.wrong)):
        true = 1.0 if np.floor((i + 1) * at["balance"] + 0.75) > np.floor(i * at["balance"] + 0.75) else -1.0
        y = -true if not clean and "label_noise" in at and drawn.wrong[i] < at["label_noise"] else true
        if static.sampler == "features":
            v = shared.features[turn[true] % len(shared.features)]
            turn[true] += 1
            v = v * 0 if not clean and drawn.bare[i] < at["pure_noise"] else v
            patches = [at["feature_size"] * true * v]
            for p in range(static.option("patches") - 1):
                patch = np.zeros(d)
                for k in range(int(hyper.s)):
                    patch[drawn.noise.coordinate[i, p, k]] = hyper.sigma_p * drawn.noise.unit[i, p, k]
                patches.append(patch - (hyper.alpha * true * v if p == 0 else 0))
            if static.option("position") == "random":
                where = int(drawn.place[i] * len(patches))
                patches = patches[len(patches) - where :] + patches[: len(patches) - where]
            if shared.rotation is not None:
                patches = [patch @ shared.rotation for patch in patches]
        else:
            v, noise = shared.features[0], hyper.sigma_p * drawn.unit[i]
            if static.sampler == "mixture":
                patches = [at["feature_size"] * true * v + noise]
            else:
                across = noise - (noise @ v) * v
                patches = [across + true * (abs(noise @ v) + at["margin"]) * v]
        xs.append(patches)
        ys.append(y)
    return np.array(xs), np.array(ys)


@pytest.mark.parametrize(("sampler", "words"), WORDS, ids=str)
def test_examples_are_those_made_by_hand(sampler, words):
    static, hyper, draws, train, test = made(spec_of(sampler, data=words))
    for drawn, found, clean in ((draws.train, train, False), (draws.test, test, True)):
        x, y = by_hand(static, hyper, drawn, draws.shared, clean)
        np.testing.assert_allclose(found.x, x, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(found.y, y)


@given(
    share=st.sampled_from([0.1, 1 / 6, 0.25, 0.3, 0.5, 0.75, 0.9]), features=st.integers(1, 5), first=st.integers(0, 60)
)
def test_every_feature_has_its_share_of_every_class(share, features, first):
    i = first + np.arange(240)
    y = np.asarray(samplers.labels(240, first, share))
    turn = np.asarray(samplers.of_class(i, y, share)) % features
    for label in (-1, 1):
        counts = np.bincount(turn[y == label], minlength=features)
        assert np.ptp(counts) <= 1


def test_every_key_belongs_to_a_sampler_that_there_is():
    assert sections.SAMPLERS.keys() == samplers.SAMPLERS.keys() == OF.keys()
    for name, declared in sections.SAMPLERS.items():
        assert set(OF[name]) - {"s", "alpha"} == declared.keys - set(declared.words)
        static = made(spec_of(name))[0]
        assert static.own == declared.numbers
        assert {key for key, _ in static.options} == {*declared.words, *declared.sizes}


@given(balance=st.floats(0.01, 0.99), n=st.integers(1, 300))
def test_classes_are_as_unbalanced_as_they_are_said_to_be(balance, n):
    y = np.asarray(samplers.labels(n, 0, balance))
    assert abs((y > 0).sum() - balance * n) <= 1
    np.testing.assert_array_equal(samplers.labels(n, 0, 0.5), balanced_labels(n))
    np.testing.assert_array_equal(samplers.labels(3, 5, balance), samplers.labels(8, 0, balance)[5:])


def test_wrong_labels_and_missing_features_are_those_of_smaller_shares_and_more():
    def of(key, share):
        data = {"n": 400, "label_noise": 0, "pure_noise": 0, key: share}
        _, _, _, train, test = made(spec_of("features", data=data))
        true = np.asarray(samplers.labels(400, 0, 0.3))
        return (train.y != true) if key == "label_noise" else (train.x[:, 0] == 0).all(1), test

    for key in ("label_noise", "pure_noise"):
        (few, test), (many, same) = of(key, 0.1), of(key, 0.3)
        assert (few <= many).all()
        assert abs(few.mean() - 0.1) < 4 * np.sqrt(0.09 / 400)
        assert abs(many.mean() - 0.3) < 4 * np.sqrt(0.21 / 400)
        jax.tree.map(np.testing.assert_array_equal, test, same)  # neither is in the test set


@pytest.mark.parametrize("sampler", OF)
def test_more_examples_do_not_change_the_first(sampler):
    _, _, _, few, tests = made(spec_of(sampler, data={"n": 10}))
    _, _, _, many, _ = made(spec_of(sampler, data={"n": 20}))
    np.testing.assert_array_equal(many.x[:10], few.x)
    static, hyper, draws, _, whole = made(spec_of(sampler))
    with ag.numerics("float64"):
        block = jax.tree.map(lambda a: a[15:40], draws.test)
        part = samplers.SAMPLERS[sampler].make(block, draws.shared, 15, static, hyper, True)
    np.testing.assert_allclose(part.x, whole.x[15:40], rtol=1e-14)
    np.testing.assert_array_equal(part.y, whole.y[15:40])
    np.testing.assert_array_equal(tests.x, whole.x)


def test_features_are_orthonormal_and_noise_is_off_their_axes():
    for direction in ("axis", "random"):
        _, _, draws, train, _ = made(spec_of("features", data={"direction": direction}))
        v = draws.shared.features
        np.testing.assert_allclose(v @ v.T, np.eye(3), atol=1e-14)
        assert (np.count_nonzero(train.noise[:, 1], axis=-1) == 6).all()
        assert not train.noise[:, 1, :3].any()


def test_rotated_data_are_the_others_rotated():
    _, _, plain, straight, _ = made(spec_of("features"))
    _, _, draws, turned, _ = made(spec_of("features", data={"direction": "rotated"}))
    q = draws.shared.rotation
    np.testing.assert_allclose(q @ q.T, np.eye(40), atol=1e-13)
    np.testing.assert_allclose(turned.x, straight.x @ q, atol=1e-13)
    assert np.abs(turned.x).min() > 0 or (turned.x == 0).mean() < 0.1, "dense"
    assert plain.shared.rotation is None


def test_rotations_are_drawn_uniformly():
    """Of Haar's measure on O(d): E tr Q = 0, E (tr Q)² = 1, E (tr Q)⁴ = 3, and every entry has variance 1/d."""
    d, many = 5, 4000
    q = np.asarray(jax.jit(jax.vmap(lambda key: samplers.rotation(key, d)))(jax.random.split(jax.random.key(0), many)))
    trace = np.trace(q, axis1=1, axis2=2)
    assert abs(trace.mean()) < 4 / np.sqrt(many)
    assert abs((trace**2).mean() - 1) < 4 * np.sqrt(2 / many)
    assert abs((trace**4).mean() - 3) < 4 * np.sqrt(96 / many)
    np.testing.assert_allclose((q**2).mean(0), 1 / d, atol=5 * np.sqrt(2 / many) / d)
    np.testing.assert_allclose(q.mean(0), 0, atol=4.5 / np.sqrt(many * d))


def test_separable_data_have_their_margin():
    _, _, draws, train, test = made(spec_of("separable", data={"direction": "random", "n": 200}))
    v = draws.shared.features[0]
    for found in (train, test):
        distance = found.y * (found.x[:, 0] @ v)
        assert distance.min() >= 0.2
        assert distance.min() < 0.25


def test_a_mixture_is_two_gaussians():
    _, _, draws, _, test = made(spec_of("mixture", data={"direction": "random", "test_size": 4000, "sigma_p": 0.5}))
    centred = test.x[:, 0] - 1.5 * test.y[:, None] * draws.shared.features[0]
    np.testing.assert_allclose(centred.mean(0), 0, atol=5 * 0.5 / np.sqrt(4000))
    np.testing.assert_allclose(centred.T @ centred / 4000, 0.25 * np.eye(40), atol=5 * 0.25 * np.sqrt(2 / 4000))


def test_lanes_that_draw_alike_share_their_draws():
    lanes = [one for _, one in cells(spec_of("features", data={"label_noise": [0.0, 0.1], "alpha": [0.1, 0.2]},
                                             optimizers={"adam": {}, "gd": {}}))]  # fmt: skip
    assert len({drawn_by(one.static) for one in lanes}) == 1
    problems = {two_patch(static, 6).draw for static in {one.static for one in lanes}}
    assert len(problems) == 1


@pytest.mark.parametrize(("sampler", "words"), [WORDS[0], WORDS[5], ("mixture", {}), ("separable", {})], ids=str)
@pytest.mark.parametrize("optimizer", ["adam", "gd"])
def test_trainings_are_the_oracle_s(sampler, words, optimizer):
    spec = spec_of(sampler, data=words, optimizers={optimizer: {"eta": 5e-3 if optimizer == "adam" else 0.3}})
    static, hyper, draws, train, test = made(spec)
    results = ag.run_sweep(spec, quiet=True).isel(seed=0, optimizer=0)
    f = oracle.activation("relu", 2, 1.0)
    at = {"eta": hyper.eta, "lam": hyper.lam, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    start = {"w": hyper.sigma_0 * draws.weights["w"]}
    w = oracle.train("two_layer_cnn", start, train.x, train.y, f, optimizer, static.steps, at)
    loss, margins, gradient = oracle.loss_and_gradient("two_layer_cnn", w, train.x, train.y, f)
    np.testing.assert_allclose(results.data_loss, loss, rtol=1e-9)
    np.testing.assert_allclose(results.grad_norm_l1, np.abs(gradient["w"] + hyper.lam * w["w"]).sum(), rtol=1e-8)
    assert float(results.train_error) == pytest.approx((margins <= 0).mean())
    _, tested, _ = oracle.loss_and_gradient("two_layer_cnn", w, test.x, test.y, f)
    assert float(results.test_error) == pytest.approx((tested <= 0).mean())
    if sections.SAMPLERS[sampler].featured:
        along = np.einsum("rd,kd->rk", w["w"][1], draws.shared.features @ (np.eye(40) if draws.shared.rotation is None
                          else draws.shared.rotation))  # fmt: skip
        np.testing.assert_allclose(results.feature_learning, along.max(0).min(), rtol=1e-9)
        memory = np.einsum("rd,nqd->rqn", w["w"][1], train.noise).max((0, 1))
        np.testing.assert_allclose(results.noise_memorization, memory[train.y > 0].min(), rtol=1e-8)
    else:
        assert "feature_learning" not in results


def test_batches_take_examples_of_any_data():
    full, small = (spec_of("features", train={"batch_size": size, "precision": "float64"}) for size in (20, 4))
    one, other = (ag.run_sweep(spec, quiet=True).isel(seed=0, optimizer=0) for spec in (full, small))
    assert one.data_loss != other.data_loss
    assert np.isfinite(other.data_loss)
    train = made(spec_of("features"))[3]
    with ag.numerics("float64"):
        part = samplers.Featured(*map(jnp.asarray, train)).take(jnp.array([3, 0]))
    np.testing.assert_array_equal(part.x, train.x[[3, 0]])
    np.testing.assert_array_equal(part.features, train.features)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"features": 3},
            r'features = 3: means nothing to the data of Definition 3.1, to sampler = "features" it does',
        ),
        (
            {"sampler": "mixture", "s": 3},
            r"s = 3: means nothing to the two_layer_cnn model and the sampler mixture",
        ),
        ({"sampler": "mixtures"}, r'data\.sampler = "mixtures": did you mean mixture'),
        (
            {"sampler": "features", "balance": 0.01, "n": 20},
            r"data\.balance = 0.01: must leave an example of each class",
        ),
        ({"sampler": "features", "balance": 1.0}, r"data\.balance = 1.0: must be a finite number > 0 and < 1"),
        ({"sampler": "mixture", "direction": "rotated"}, r'data\.direction = "rotated": must be "axis" or "random"'),
        ({"sampler": "features", "features": 40, "d": 40, "s": 2}, r"data\.features = 40"),
    ],
)
def test_what_makes_no_sense_is_refused(keys, said):
    with pytest.raises(ag.SpecError, match=said):
        ag.SweepSpec(data=keys, optimizers={"adam": {}})


def test_specs_say_the_sampler_and_the_theory_is_not_about_it():
    spec = spec_of("features", data={"label_noise": [0.0, 0.1]})
    assert ag.SweepSpec(**spec.to_dict()) == spec
    results = ag.run_sweep(replace(spec, steps=2, record=1), quiet=True)
    assert results.attrs["sampler"] == "features"
    assert results.attrs["direction"] == "axis"
    assert results.label_noise.values.tolist() == [0.0, 0.1]
    with pytest.raises(ag.TheoryError, match="sampler = features"):
        ag.theory.predict(spec)
