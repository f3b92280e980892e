"""The engine against an independent NumPy float64 implementation (`oracle.py`), on the same data and start."""

import jax
import numpy as np
import oracle
import pytest
import small
from small import STATUSES

import adam_vs_gd as ag
from adam_vs_gd.engine.settings import PATHS

MEASURED = (
    "train_error", "loss", "data_loss", "feature_learning", "noise_memorization", "capital_lambda", "capital_gamma",
    "grad_norm_l1", "grad_norm_l2", "weight_norm",
)  # fmt: skip
FINAL = ("test_error", "objective_change", "best_step", "best_grad_norm", "best_train_error", "best_test_error")


def compare(results, run, rtol, label):
    """Every measurement of the one lane in `results`, along the path and at the end."""
    here = results.isel(seed=0).sel(optimizer=label)
    for name in MEASURED:
        # an inner product that passes through 0 on its way is known to rounding of its usual size, not of itself
        atol = 1e-2 * rtol * max(np.abs(measured[name]).max() for measured in run.path.values())
        for i, step in enumerate(here.step.values):
            np.testing.assert_allclose(
                here[f"{name}_path"].isel(record=i), run.path[int(step)][name], rtol, atol, err_msg=f"{name} at {step}"
            )
        np.testing.assert_allclose(here[name], run.final[name], rtol, atol, err_msg=name)
    for name in FINAL:
        # a change is a difference of means that are known to rtol
        atol = rtol if name == "objective_change" else 0
        np.testing.assert_allclose(here[name], run.final[name], rtol=rtol, atol=atol, err_msg=name)
    assert bool(here.stationary) == run.final["stationary"]
    assert STATUSES[int(here.status)] == run.final["status"]
    assert np.asarray(here.test_error_path)[-1] == here.test_error


PLAIN = [(optimizer, "plain") for optimizer in small.ETA]
XLA = [*PLAIN, ("gd", "gram"), ("momentum", "gram"), ("adam", "dense")]


@pytest.mark.parametrize(
    ("optimizer", "method", "model", "precision", "steps", "rtol"),
    [
        *((*pair, "two_layer_cnn", "float32", 50, 1e-4) for pair in small.PAIRS),
        *((*pair, "two_layer_cnn", "float64", 500, 1e-9) for pair in XLA),
        *((*pair, "linear", "float64", 500, 1e-9) for pair in XLA),
        *((*pair, "linear", "float32", 50, 1e-4) for pair in small.PAIRS if pair[1] in ("sparse", "span")),
    ],
)
def test_every_measurement_of_every_optimizer(optimizer, method, model, precision, steps, rtol, monkeypatch):
    small.train_by(method, monkeypatch)
    spec = small.spec(
        seeds=[3], steps=steps, record=5, model={"name": model}, train={"lam": 1e-3, "precision": precision},
        optimizers={optimizer: {"eta": small.ETA[optimizer]}},
    )  # fmt: skip
    compare(ag.run_sweep(spec, quiet=True), small.oracle_run(spec), rtol, optimizer)


@pytest.mark.parametrize("path", PATHS)
def test_table_1_size_at_the_paper_s_configuration(path):
    data = {"n": 200, "d": 1000, "s": 100, "test_size": 1000}
    spec = small.spec(
        seeds=[1], steps=50, record=2, data=data, model={"width": 20}, train={"lam": 1e-5}, optimizers={"adam": {}}
    )
    compare(ag.run_sweep(spec, path=path, quiet=True), small.oracle_run(spec), 1e-4, "adam")


@pytest.mark.parametrize(("optimizer", "method"), XLA)
def test_best_iterate_of_a_lane_that_fits(optimizer, method, monkeypatch):
    small.train_by(method, monkeypatch)
    eta = {"gd": 0.5, "signgd": 2e-3, "adam": 2e-3, "adam_paper": 2e-3, "momentum": 0.05}[optimizer]
    spec = small.spec(
        seeds=[0], steps=500, record=5, data={"sigma_p": 0.3}, train={"precision": "float64"},
        optimizers={optimizer: {"eta": eta}},
    )  # fmt: skip
    run = small.oracle_run(spec)
    assert run.final["best_step"] > 0, "the case must reach t_fit"
    compare(ag.run_sweep(spec, quiet=True), run, 1e-9, optimizer)


@pytest.mark.parametrize(("optimizer", "eta", "batch_size"), [("adam", 2e-3, 6), ("momentum", 0.05, 5)])
def test_every_measurement_on_batches(optimizer, eta, batch_size):
    spec = small.spec(
        seeds=[0], steps=500, record=5, data={"sigma_p": 0.3}, train={"precision": "float64", "batch_size": batch_size},
        optimizers={optimizer: {"eta": eta}},
    )  # fmt: skip
    run = small.oracle_run(spec)
    assert run.final["best_step"] > 0, "the case must reach t_fit"
    compare(ag.run_sweep(spec, quiet=True), run, 1e-9, optimizer)


def test_best_iterate_may_come_before_the_end():
    spec = small.spec(
        seeds=[0], steps=500, record=5, data={"sigma_p": 0.3}, train={"precision": "float64"},
        optimizers={"signgd": {"eta": 2e-2}},
    )  # fmt: skip
    run = small.oracle_run(spec)
    assert 0 < run.final["best_step"] < 500, "signGD's gradient norm rattles, so its smallest is not the last"
    compare(ag.run_sweep(spec, quiet=True), run, 1e-9, "signgd")


@pytest.mark.parametrize("model", ["two_layer_cnn", "linear"])
def test_gradient_agrees_with_finite_differences(model):
    from adam_vs_gd.problems.two_patch import measurements
    from adam_vs_gd.problems.two_patch.data import Dataset
    from adam_vs_gd.problems.two_patch.models import make_model

    w0, xi, y, _ = small.draws_of(small.spec(model={"name": model}, train={"precision": "float64"}))
    w0, lam, h = 30 * w0, 0.1, 1e-6
    with ag.numerics("float64"):
        flax_model = make_model(model, 4, 3)

        @jax.jit
        def objective(w):
            loss, _ = measurements.data_loss(flax_model, {"w": w}, Dataset(xi, y))
            return measurements.objective(loss, {"w": w}, lam)

        gradient = np.asarray(jax.jit(jax.grad(objective))(w0))
        rng = np.random.default_rng(0)
        for _ in range(20):
            at = tuple(rng.integers(0, size) for size in w0.shape)
            step = np.zeros_like(w0)
            step[at] = h
            difference = (float(objective(w0 + step)) - float(objective(w0 - step))) / (2 * h)
            np.testing.assert_allclose(gradient[at], difference, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(gradient, oracle.gradient(model, w0, xi, y, 3, lam), rtol=1e-10, atol=1e-13)


def test_dense_model_call_is_the_structured_one():
    """`model.apply` on both patches, feature patch included, gives the margins that training uses."""
    w0, xi, y, _ = small.draws_of(small.spec())
    x = np.stack([y[:, None] * np.eye(60)[0], xi], axis=1)
    cnn = np.asarray(ag.TwoLayerCNN(width=4, q=3).apply({"params": {"w": 20 * w0}}, x))
    np.testing.assert_allclose(
        np.where(y > 0, 1, -1) * (cnn[:, 1] - cnn[:, 0]),
        oracle.margins("two_layer_cnn", 20 * w0, xi, y, 3), rtol=2e-5, atol=1e-7,
    )  # fmt: skip
    w = w0[0, 0]
    np.testing.assert_allclose(
        y * np.asarray(ag.Linear().apply({"params": {"w": w}}, x)), oracle.margins("linear", w, xi, y, 3),
        rtol=2e-5, atol=1e-7,
    )  # fmt: skip


def test_initial_weights_have_the_asked_for_scale():
    for model, shape in ((ag.TwoLayerCNN(width=50, sigma_0=0.02), (2, 50, 400)), (ag.Linear(sigma_0=0.02), (400,))):
        w = model.init(jax.random.key(0), np.zeros((3, 2, 400), np.float32))["params"]["w"]
        assert w.shape == shape
        assert abs(float(w.std()) / 0.02 - 1) < 5 / np.sqrt(2 * w.size)


def test_train_is_the_lane_of_a_sweep():
    spec = small.spec(seeds=[4], record=6)
    results = ag.run_sweep(spec, quiet=True).sel(optimizer="adam", seed=4)
    keys = {"n": 20, "d": 60, "s": 10, "width": 4, "steps": 60, "test_size": 100, "record": 6}
    training = jax.jit(lambda seed: ag.train(seed, optimizer="adam", eta=1e-3, **keys))(4)
    for name, value in training.final.items():
        atol = 1e-6 if name == "objective_change" else 0  # a difference of means that are known to rounding
        np.testing.assert_allclose(results[name], value, rtol=1e-4, atol=atol, err_msg=name)
    np.testing.assert_allclose(results.feature_learning_path, training.path["feature_learning"], rtol=1e-4)
