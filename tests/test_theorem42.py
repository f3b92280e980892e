"""Theorem 4.2: one minimum for both optimizers, certified by strong convexity."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd.experiments import theorem42, theorem42_general
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.experiments.watch import watch, weights

LAM = 2e-2


def spec(**keys):
    """n = 20, d = 60, s = 10: both optimizers converge with λ, but not without."""
    wanted = {
        "seeds": 2, "steps": [5000], "record": 0, "model": {"name": "linear"}, "train": {"lam": [LAM, 0.0]},
        "optimizers": {"adam": {"eta": 3e-3}, "gd": {"eta": 1.0}},
    }  # fmt: skip
    return small.spec(**(wanted | keys))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("theorem42")


@pytest.fixture(scope="module")
def results(folder):
    return theorem42.compared(folder, spec(), quiet=True)


def minimum(xi, y, lam):
    """The regularized logistic regression's, by Newton's method in float64."""
    x = xi.copy()
    x[:, 0] += y
    return newton(x, y, lam)


def newton(x, y, lam):
    """The minimum of the regularized logistic loss of examples x, in float64."""
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(y * (x @ w)))
        gradient = -(x.T @ (y * p)) / len(y) + lam * w
        hessian = x.T @ ((p * (1 - p))[:, None] * x) / len(y) + lam * np.eye(len(w))
        w = w - np.linalg.solve(hessian, gradient)
    assert np.linalg.norm(gradient) < 1e-14
    return w


def test_gd_finds_the_minimum():
    one = spec(seeds=1, steps=2000, train={"lam": LAM}, optimizers={"gd": {"eta": 1.0}})
    ((_, _, gd),) = watch(one, last=weights)
    _, xi, y, _ = small.draws_of(one)
    np.testing.assert_allclose(gd["weights"], minimum(xi, y, LAM), atol=2e-6)


def test_the_bound_certifies_the_distance_where_there_is_one(results):
    regularized, free = results.sel(lam=LAM), results.sel(lam=0)
    for which in ("", "best_"):
        assert (regularized[f"{which}distance"] <= regularized[f"{which}bound"]).all()
        assert (regularized[f"{which}distance"] < 2e-3).all()
        assert np.isnan(free[f"{which}bound"]).all()
        assert (free[f"{which}distance"] > 0.1).all()
    assert (results.train_error == 0).all()


def test_gradients_are_held_against_one_over_t_eta(results, monkeypatch, tmp_path):
    """T = 5000: 1/(Tη) is 1/15 for Adam's ℓ1 norm, 1/5000 for GD's squared ℓ2 norm."""
    assert results.small_gradients.all()
    arrays = {name: results[name].values.copy() for name in results if name not in ("hovering", "small_gradients")}
    arrays["grad_norm_l1"][0, 0, 0, 0] = 1.01 / 15
    arrays["grad_norm_l2"][1, 0, 1, 1] = np.sqrt(1.01 / 5000)
    monkeypatch.setattr(theorem42, "measure", lambda *_: arrays)
    small_ones = theorem42.compared(tmp_path, spec(), quiet=True).small_gradients
    np.testing.assert_array_equal(small_ones.values, [[[False, True], [True, False]]])


def test_what_is_printed_is_written_with_a_picture(results, folder, monkeypatch):
    monkeypatch.setattr(theorem42, "specs", lambda *_: [spec(), spec(), general(steps=[20])])
    monkeypatch.setattr(theorem42, "watch", lambda *_, **__: pytest.fail("what is kept is trained again"))
    text = theorem42.reproduce(folder, 2, True, True)
    assert text.startswith((folder / "theorem42.md").read_text().strip())
    assert "the bound on the distance holds (λ > 0): 4 of 4" in text
    assert "--quick" in text
    first = (folder / "theorem42.csv").read_text().splitlines()[1].partition(",")[0]
    assert re.fullmatch("[0-9a-f]{32}", first)  # the sweep's digest
    table = np.genfromtxt(folder / "theorem42.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert set(table["variable"]) == {"distance", "bound", "Adam", "GD"}
    assert (folder / "theorem42.png").exists()
    assert (folder / "theorem42.pdf").exists()


def test_what_is_kept_is_read_only_if_it_is_whole_and_of_the_same_lanes(tmp_path):
    first = kept(tmp_path, spec(), 1, lambda: {"a": np.arange(3)})
    again = kept(tmp_path, spec(), 1, lambda: pytest.fail("measured again"))
    np.testing.assert_array_equal(again["a"], first["a"])
    for other, version in ((spec(seeds=3), 1), (spec(train={"lam": [0.1]}), 1), (spec(), 2)):
        assert kept(tmp_path, other, version, lambda: {"a": np.arange(5)})["a"].size == 5
    for file in (tmp_path / "measured").iterdir():
        file.write_bytes(file.read_bytes()[:-40])
    assert kept(tmp_path, spec(), 1, lambda: {"a": np.arange(7)})["a"].size == 7


def general(**keys):
    """n = 20, d = 60, s = 10, w in R^{120}."""
    train = {"lam": [LAM, 0.0]}
    return spec(**{"name": "general", "seeds": 2, "steps": [2000], "train": train} | keys)


def test_with_patches_one_behind_the_other_both_find_newtons_minimum(tmp_path):
    one = general()
    train, _, start = theorem42_general.sets(one, 0)
    x, y = np.asarray(train.x, float), np.asarray(train.y, float)
    best = newton(x, y, LAM)
    for name, eta in (("adam", 3e-3), ("gd", 1.0)):
        with ag.numerics("float32"):
            found = np.asarray(theorem42_general.solution(name, eta, jnp.float32(LAM), 2000, start, train), float)
        assert np.linalg.norm(found - best) < 2e-2 * np.linalg.norm(best)
    found = theorem42_general.measure(one)
    assert found["distance"].shape == (2, 2)
    assert found["test_error"].shape == (2, 2, 2)
    assert (found["distance"][0] <= found["bound"][0]).all()
    assert (found["distance"][1] > 10 * found["distance"][0]).all()
    text = theorem42_general.section(tmp_path, one)
    assert text.startswith(theorem42_general.HEADING)
    assert f"| 2000 | {LAM:g} | " in text


def test_the_patches_come_in_random_order_and_are_those_of_the_sweep():
    one = general()
    train, test, _ = theorem42_general.sets(one, 0)
    _, xi, y, _ = small.draws_of(spec(), 0)
    first, second = np.split(np.asarray(train.x), 2, axis=1)
    np.testing.assert_allclose(first + second, xi + np.eye(xi.shape[1])[0] * y[:, None], atol=1e-6)
    feature_first = (np.abs(second).sum(1) - np.abs(second[:, 0]) > 0).mean()
    assert 0.1 < feature_first < 0.9
    swapped = theorem42_general.in_random_order(ag.seed_key(1), ag.sample_dataset(ag.seed_key(0), n=20, d=60, s=10))
    assert not np.array_equal(swapped.x, train.x)
    assert len(test.y) == one.data["test_size"]
