"""Optimizers against optax and closed forms; compile counts; ties; every status."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small
from hypothesis import given
from hypothesis import strategies as st
from small import make_plan

import adam_vs_gd as ag
from adam_vs_gd import types
from adam_vs_gd.engine import runner
from adam_vs_gd.engine.plan import Limits, Plan
from adam_vs_gd.problems.learning.loss import error_rate
from adam_vs_gd.problems.learning.status import Status, classify
from adam_vs_gd.problems.learning.table1 import KINDS
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.spec.cells import cells


def test_paper_adam_divides_zero_by_zero_to_zero_and_keeps_nan():
    adam = ag.make_optimizer("adam_paper", eta=1.0, beta1=0.9, beta2=0.99)
    update, _ = adam.update(jnp.array([0.0, 2.0, -3.0, jnp.nan]), adam.init(jnp.zeros(4)))
    ratio = 0.1 / np.sqrt(0.01)  # m/√v after one step, whatever the gradient's size
    np.testing.assert_allclose(update, [0.0, -ratio, ratio, np.nan], rtol=1e-5)


def test_sign_of_zero_is_zero():
    signgd = ag.make_optimizer("signgd", eta=0.5)
    update, _ = signgd.update(jnp.array([0.0, 1e-30, -7.0]), signgd.init(jnp.zeros(3)))
    np.testing.assert_array_equal(update, [0.0, -0.5, 0.5])


def test_unknown_optimizer_is_named():
    with pytest.raises(ValueError, match="'adm': must be one of gd, signgd, adam, adam_paper, momentum"):
        ag.make_optimizer("adm", eta=1)


@pytest.mark.parametrize(("optimizer", "method"), [pair for pair in small.PAIRS if pair[0] in ("gd", "adam")])
def test_numbers_seeds_and_segments_never_recompile(optimizer, method, monkeypatch):
    """Every program is traced once, whatever the lanes' numbers, their keys, and the segments of the training are."""
    traces = dict.fromkeys(("draw", "start", "advance", "measure", "test", "finish"), 0)

    def counted(name, f):
        def call(*arguments):
            traces[name] += 1
            return f(*arguments)

        return call

    def make(*key):
        batch = make_batch(*key)
        return dataclasses.replace(batch, **{name: counted(name, getattr(batch, name)) for name in traces})

    small.train_by(method, monkeypatch)
    betas = {key: [0.5, 0.7] for key in ("beta1", "beta2", "eps") if key in KINDS[optimizer]}
    swept = small.spec(
        seeds=3, steps=30, record=4, data={"alpha": [0.0, 0.3], "s": [3, 20], "sigma_p": [0.1, 1.0]},
        model={"sigma_0": [0.01, 0.1]}, train={"lam": [0.0, 0.1]},
        optimizers={optimizer: {"eta": [1e-3, 0.1], **betas}},
    )  # fmt: skip
    lanes = [lane for _, lane in cells(swept)]
    (group,) = make_plan(lanes[:: max(1, len(lanes) // 24)], Limits(1, 2**40, 0, 4)).groups
    runner.run_plan(Plan((group,)), jax.devices("cpu"), lambda devices: 2**40, runner.Hooks(), make)
    assert len(group.chunks) > 4
    assert traces == dict.fromkeys(traces, 1)


def test_train_is_vmappable_over_every_number_and_the_key():
    names = ("eta", "lam", "beta1", "beta2", "eps", "alpha", "s", "sigma_p", "sigma_0")
    values = np.array([[1e-3, 0.0, 0.9, 0.999, 1e-8, 0.1, 5, 0.3, 0.01], [1e-2, 0.1, 0.5, 0.9, 1e-3, 0.3, 9, 0.1, 0.1]])
    keys = jax.random.split(jax.random.key(3), 2)

    def one(key, numbers):
        return ag.train(key, **dict(zip(names, numbers, strict=True)), n=10, d=30, width=2, steps=20, test_size=20)

    together = jax.jit(jax.vmap(one))(keys, values)
    for i in range(2):
        alone = jax.jit(one)(keys[i], values[i])
        np.testing.assert_allclose(together.params["w"][i], alone.params["w"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("keys", "said"), [({"n": 3}, "n = 3"), ({"test_size": 7}, "test_size = 7"), ({"record": 30}, "record = 30"),
                       ({"optimizer": "adm"}, "adm"), ({"model": "mlp"}, "mlp"), ({"s": 99}, "s = 99")]
)  # fmt: skip
def test_train_refuses_what_is_impossible(keys, said):
    with pytest.raises(ValueError, match=said):
        ag.train(0, **({"n": 10, "d": 30, "s": 3, "width": 2, "steps": 20, "test_size": 20} | keys))


def test_ties_and_what_is_not_finite_are_errors():
    margin = jnp.array([0.0, 1.0, -1.0, jnp.nan, jnp.inf, 1e-30])
    assert float(error_rate(margin)) == pytest.approx(4 / 6)


def test_a_start_at_the_origin_is_all_ties():
    """σ_0 so small that σ(z) underflows: every F is 0, every example a tie, every error 1."""
    results = ag.run_sweep(
        small.spec(model={"sigma_0": 1e-30}, steps=1, record=1, seeds=1, optimizers={"gd": {}}), quiet=True
    )
    assert (results.train_error_path.isel(record=0) == 1).all()
    assert (results.test_error_path.isel(test_record=0) == 1).all()


def statuses(**keys):
    results = ag.run_sweep(small.spec(**keys), quiet=True)
    return results, results.status.values.ravel().tolist()


def assert_diverged(results, step):
    for name in ("train_error", "test_error", "best_test_error", "best_train_error", "best_grad_norm"):
        assert np.isnan(results[name]).all(), name
    assert (results.best_step == -1).all()
    assert (results.stationary == 0).all()
    late = results.step >= step
    assert np.isnan(results.train_error_path.where(late, drop=True)).all()
    assert np.isfinite(results.train_error_path.isel(record=0)).all()


def test_adam_without_eps_and_a_zero_gradient_diverges_at_once():
    # coordinates outside every support have gradient 0 when λ = 0
    results, found = statuses(
        steps=20, record=20, train={"lam": 0.0}, data={"s": 1},
        optimizers={"adam": {"eps": 0.0, "beta1": 0.0, "beta2": 0.0, "eta": 1e-3}},
    )  # fmt: skip
    assert found == [Status.DIVERGED] * 2
    assert_diverged(results, step=1)


def test_gd_with_a_huge_step_diverges_within_ten():
    results, found = statuses(
        steps=20, record=20, data={"n": 200, "d": 1000, "s": 100}, model={"width": 20}, train={"lam": 1e-5},
        optimizers={"gd": {"eta": 1e6}},
    )  # fmt: skip
    assert found == [Status.DIVERGED] * 2
    assert_diverged(results, step=10)


def test_fitted():
    results, found = statuses(seeds=[0], steps=1500, record=5, optimizers={"gd": {"eta": 0.5}})
    assert found == [Status.FITTED]
    assert (results.train_error == 0).all()
    assert (results.data_loss <= 0.1).all()
    assert (results.best_step >= 0).all()


def test_undertrained():
    results, found = statuses(optimizers={"adam": {"eta": 1e-6}})
    assert found == [Status.UNDERTRAINED] * 2
    assert (results.data_loss > 0.69).all()
    assert (results.best_step == -1).all()


def test_collapsed():
    results, found = statuses(steps=1500, record=5, train={"lam": 0.1}, optimizers={"gd": {"eta": 0.1}})
    assert found == [Status.COLLAPSED] * 2
    assert np.isfinite(results.test_error).all(), "errors of collapsed lanes stay"


def test_underfit():
    """One class is learned and the other is not, and nothing moves any more."""
    results, found = statuses(
        seeds=list(range(8)), steps=2000, record=4, data={"n": 20, "d": 60, "s": 20, "sigma_p": 0.2, "alpha": 0.5},
        model={"width": 1}, train={"lam": 1e-3}, optimizers={"gd": {"eta": 0.3}},
    )  # fmt: skip
    here = results.where(results.status == Status.UNDERFIT, drop=True)
    assert here.sizes["seed"] > 0, found
    assert (here.train_error > 0).all()
    assert (here.data_loss <= 0.95 * np.log(2)).all()
    assert (abs(here.objective_change) < 0.01).all()


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, Status.FITTED),
        ({"finite": False}, Status.DIVERGED),
        ({"data_loss": 0.3}, Status.FITTED),  # stalled above 0.1
        ({"data_loss": 0.3, "objective_change": -0.05}, Status.UNDERTRAINED),
        ({"data_loss": 0.5}, Status.UNDERTRAINED),
        ({"train_error": 0.5, "data_loss": 0.357}, Status.UNDERFIT),
        ({"train_error": 0.5, "data_loss": 0.357, "objective_change": 0.02}, Status.UNDERTRAINED),
        ({"train_error": 0.5, "data_loss": 0.69}, Status.UNDERTRAINED),
        ({"data_loss": 0.692, "weight_norm": 0.01}, Status.COLLAPSED),
        ({"data_loss": 0.692}, Status.UNDERTRAINED),
        ({"objective_change": np.nan, "data_loss": 0.3}, Status.UNDERTRAINED),
    ],
)
def test_classification_at_the_thresholds(numbers, expected):
    lane = {"finite": True, "train_error": 0.0, "data_loss": 0.05, "weight_norm": 1.0, "start_norm": 1.0,
            "objective_change": 0.001}  # fmt: skip
    assert int(classify(**(lane | numbers))) == expected


@given(steps=st.integers(1, 5000), data=st.data())
def test_record_grid(steps, data):
    record = data.draw(st.integers(0, min(steps, 300)))
    grid, coarse = types.record_steps(steps, record), types.test_steps(steps, record)
    assert grid.tolist() == [round(i * steps / record) for i in range(record + 1)] if record else grid.size == 0
    assert np.all(np.diff(grid) > 0)
    assert set(coarse) <= set(grid)
    if record:
        assert coarse[0] == 0
        assert coarse[-1] == steps
        assert len(coarse) == min(record, 10) + 1
