"""The models beside the paper's: against NumPy, and what is measured of them."""

import jax
import numpy as np
import oracle_networks as oracle
import pytest

import adam_vs_gd as ag
from adam_vs_gd.problems.two_patch import ways
from adam_vs_gd.problems.two_patch.models import activations, make_model, scaled
from adam_vs_gd.problems.two_patch.own import network
from adam_vs_gd.problems.two_patch.problem import two_patch
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.spec.cells import cells

CNN = {"width": 3, "sigma_0": 0.3}
MODELS = {
    "relu": CNN | {"q": 1, "activation": "relu"},
    "relu^4": CNN | {"q": 4},
    "smoothed": CNN | {"q": 3, "activation": "smoothed_relu", "knee": 0.2},
    "huber": CNN | {"activation": "huber", "knee": 0.1},
    "gelu": CNN | {"activation": "gelu"},
    "bias": CNN | {"q": 2, "bias": "trained"},
    "second layer": CNN | {"q": 2, "second_layer": "trained"},
    "both": CNN | {"activation": "gelu", "bias": "trained", "second_layer": "trained"},
    "three layers": CNN | {"q": 1, "activation": "relu", "name": "three_layer_cnn"},
    "linear in R^{2d}": {"name": "patchwise_linear", "sigma_0": 0.3},
}


def spec_of(model, **keys):
    tables = {
        "data": {"n": 12, "d": 30, "s": 5, "test_size": 40, "sigma_p": 0.5}, "model": model,
        "train": {"lam": 1e-3, "precision": "float64"}, "optimizers": {"adam": {"eta": 5e-3}},
    }  # fmt: skip
    return ag.SweepSpec(**({"seeds": [5], "steps": 60, "record": 2} | tables | keys))


def trained(spec):
    """(static, hyper, draws, weights at the start, training set, measurements, weights) of one lane, plainly."""
    lane = next(cells(spec))[1]
    static, hyper = lane.static, lane.hyper

    @jax.jit
    def run(key):
        problem = two_patch(static, int(hyper.s))
        draws = problem.draw(key)
        start = problem.start(hyper, draws)
        state = problem.advance(hyper, draws, start, 0, static.steps)
        measured = {**problem.measure(hyper, draws, state), **problem.test(hyper, draws, state)}
        return start.params, state.params, measured

    with ag.numerics("float64"):
        return static, hyper, *jax.device_get(run(seed_key(lane.seed)))


def sets_of(spec):
    """((x, y) of the training set, (x, y) of the test set)."""
    from small import draws_of

    _, xi, y, (tests, labels) = draws_of(ag.SweepSpec(**spec.to_dict() | {"model": {"width": 3}}))
    feature = np.eye(xi.shape[1])[0]
    return [(np.stack([labels[:, None] * feature, noise], 1), labels) for noise, labels in ((xi, y), (tests, labels))]


@pytest.mark.parametrize("name", MODELS)
def test_trainings_are_the_oracle_s(name):
    spec = spec_of(MODELS[name])
    static, hyper, start, w, measured = trained(spec)
    (x, y), test = sets_of(spec)
    table = MODELS[name]
    f = oracle.activation(table.get("activation", "relu"), table.get("q", 1), table.get("knee", 1.0))
    at = {"eta": hyper.eta, "lam": hyper.lam, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    mine = oracle.train(static.model, start, x, y, f, "adam", static.steps, at)
    for key, value in mine.items():
        np.testing.assert_allclose(w[key], value, rtol=1e-8, atol=1e-10, err_msg=key)
    loss, margins, gradient = oracle.loss_and_gradient(static.model, mine, x, y, f)
    assert loss < 0.6, "it must have learned something"
    np.testing.assert_allclose(measured["data_loss"], loss, rtol=1e-9)
    squares = sum(((gradient[key] + hyper.lam * mine[key]) ** 2).sum() for key in mine)
    np.testing.assert_allclose(measured["grad_norm_l2"], np.sqrt(squares), rtol=1e-7)
    np.testing.assert_allclose(measured["weight_norm"], np.sqrt(sum((v**2).sum() for v in mine.values())), rtol=1e-9)
    assert float(measured["train_error"]) == pytest.approx((margins <= 0).mean())
    _, tested, _ = oracle.loss_and_gradient(static.model, mine, *test, f)
    assert float(measured["test_error"]) == pytest.approx((tested <= 0).mean())
    if static.model == "patchwise_linear":
        assert "feature_learning" not in measured
    else:
        assert float(measured["feature_learning"]) == pytest.approx(mine["w"][1, :, 0].max())


@pytest.mark.parametrize(("q", "knee"), [(1, 0.5), (2, 0.5), (3, 2.0)])
def test_smoothed_activations_are_powers_below_and_lines_above(q, knee):
    z = np.linspace(-1, 3, 101)
    with ag.numerics("float64"):
        found = np.asarray(activations.smoothed(z, q, knee))
        slope = np.asarray(jax.vmap(jax.grad(lambda z: activations.smoothed(z, q, knee)))(z))
    np.testing.assert_allclose(found, oracle.activation("smoothed_relu", q, knee)[0](z), atol=1e-12)
    np.testing.assert_allclose(slope[z > knee], 1, atol=1e-12)
    assert (found[z <= 0] == 0).all()
    assert np.abs(np.diff(found)).max() < 0.05, "no step"


def test_only_filters_are_scaled_by_sigma_0():
    model = make_model("two_layer_cnn", 3, 2, options={"bias": "trained", "second_layer": "trained"})
    params = model.init(jax.random.key(0), np.zeros((2, 10), np.float32))["params"]
    half = scaled(model, params, 0.5)
    np.testing.assert_array_equal(half["w"], 0.5 * params["w"])
    np.testing.assert_array_equal(half["a"], np.ones((2, 3)))
    np.testing.assert_array_equal(half["b"], np.zeros((2, 3)))


@pytest.mark.parametrize(("optimizer", "way"), [("gd", "gram"), ("adam", "dense")])
def test_other_activations_are_known_to_xla_s_fast_ways_and_not_to_the_kernels(optimizer, way):
    keys = {"train": {"lam": 1e-3}, "optimizers": {optimizer: {"eta": 5e-3 if optimizer == "adam" else 0.1}}}
    spec = spec_of(MODELS["gelu"], **keys)
    plain = ag.run_sweep(spec, quiet=True, path="reference")
    fast = ag.run_sweep(spec, quiet=True)
    np.testing.assert_allclose(fast.data_loss, plain.data_loss, rtol=1e-4)
    lane = next(cells(spec))[1]
    chosen = spec.family.way(lane.static, lane.hyper, ways.Machine("fast", "cpu", 1, True))
    assert chosen.name in (way, "products")
    assert network(lane.static).form == "gelu"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"activation": "gelu", "q": 3}, r"model\.q = 3: means nothing to the two_layer_cnn model with gelu"),
        ({"q": 1}, r'model\.q = 1: must be an integer >= 2, .*; say activation = "relu" for a power of 1'),
        ({"activation": "relu", "knee": 1}, r"model\.knee = 1: means nothing"),
        ({"activation": "swish"}, r'model\.activation = "swish".*allowed: relu, smoothed_relu, huber, gelu'),
        (
            {"name": "three_layer_cnn", "bias": "trained"},
            r'model\.bias = "trained": means nothing to the three_layer_cnn',
        ),
        ({"name": "linear", "activation": "gelu"}, r'model\.activation = "gelu": means nothing to the linear model'),
    ],
)
def test_what_means_nothing_to_a_model_is_refused(model, said):
    with pytest.raises(ag.SpecError, match=said):
        spec_of(model)


def test_a_usual_word_is_as_if_it_were_left_out():
    """The same lanes have the same names."""
    usual = {"activation": "relu", "bias": "none", "second_layer": "fixed"}
    one, other = (next(cells(spec_of(CNN | words)))[1] for words in ({}, usual))
    assert one.digest == other.digest


def test_what_is_measured_says_so():
    results = ag.run_sweep(spec_of(MODELS["linear in R^{2d}"], steps=2, record=1), quiet=True)
    assert "feature_learning" not in results
    assert results.attrs["model"] == "patchwise_linear"
    results = ag.run_sweep(spec_of(MODELS["both"], steps=2, record=1), quiet=True)
    assert "feature_learning" in results
    assert results.attrs["bias"] == "trained"
    with pytest.raises(ag.TheoryError, match="activation = gelu"):
        ag.theory.predict(results)
