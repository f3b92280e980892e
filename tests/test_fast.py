"""Every way to train a lane against the plain one: other orders of the same sums, so equal to rounding."""

import functools
from dataclasses import replace

import jax
import numpy as np
import pytest
import small
from small import SHARING, lane, rows

import adam_vs_gd as ag
from adam_vs_gd.engine.packing import BLOCK
from adam_vs_gd.problems.learning.steps import opening, repeated
from adam_vs_gd.problems.two_patch import ways
from adam_vs_gd.problems.two_patch.fast.dense import looked_at
from adam_vs_gd.problems.two_patch.ways import BEST_EVERY, way_on

RTOL = {"gd": 1e-4, "signgd": 1e-3, "adam": 1e-4, "adam_paper": 1e-4, "momentum": 1e-4}
CHANGE = 0.02  # of the rtol: a relative change is a difference of numbers near 1
START = {"sigma_0": 0.1, "sigma_p": 1.0, "test_size": 100, "steps": 300}
FAST = [pair for pair in small.PAIRS if pair[1] != "plain"]


def assert_agree(found, plain, rtol):
    """Every measurement; what passes through 0 is known to rounding of its largest on the way."""
    assert found.keys() == plain.keys()
    elsewhere = found["best_step"] != plain["best_step"]  # two iterates whose gradients are as small
    for name, want in plain.items():
        if elsewhere and name in ("best_step", "best_test_error"):
            continue
        path = np.abs(plain.get(f"{name.replace('best_grad_norm', 'grad_norm_l1')}_path", want).astype(float))
        usual = np.max(path[np.isfinite(path)], initial=0)
        atol = CHANGE * rtol if name == "objective_change" else 1e-2 * rtol * usual
        np.testing.assert_allclose(found[name], want, rtol, atol, err_msg=name)


def compare(lanes, method, **keys):
    """Lanes trained by a method and plainly; what the method gave."""
    block = BLOCK if method in SHARING else 1
    found, plain = rows(lanes, method, block=block, **keys), rows(lanes, "plain", **keys)
    for one in lanes:
        assert_agree(found[one], plain[one], RTOL[one.static.optimizer])
    return found


def mixed(optimizer, s, lams, count=7, **keys):
    """An odd number of lanes: two seeds, several s and λ, α and η of each its own."""
    eta = {"gd": 0.05, "signgd": 2e-3, "adam": 2e-3, "adam_paper": 1e-3, "momentum": 0.005}[optimizer]
    choose = lambda values, k: values[k % len(values)]  # noqa: E731
    return [
        lane(optimizer, seed=k // 2 % 2, s=choose(s, k // 4), lam=choose(lams, k), alpha=0.1 * k,
             eta=eta * (1 + 0.1 * k), **(START | keys))
        for k in range(count)
    ]  # fmt: skip


def several(optimizer):
    """s from 1 to d-1, with λ and without; three filters a class fill no register evenly."""
    lanes = mixed(optimizer, (1, 7), (0.0, 1e-3, 0.03), n=12, d=80, width=3, q=3)
    return [*lanes, lane(optimizer, seed=1, **(START | {"s": 79, "sigma_p": 0.1}), n=12, d=80, width=3, eta=1e-3)]


SEVERAL = [pair for pair in FAST if pair not in (("signgd", "dense"), ("adam_paper", "dense"))]


@pytest.mark.parametrize(("optimizer", "method"), SEVERAL)
def test_seeds_and_sparsities_side_by_side(optimizer, method):
    found = compare(several(optimizer), method)
    assert any(row["best_step"] >= 0 for row in found.values()), "the case must reach t_fit"


@pytest.mark.parametrize(("optimizer", "method"), SEVERAL)
def test_a_training_cut_anywhere_gives_the_same_bits(optimizer, method):
    lanes, kept = several(optimizer), []
    group = small.group_of(lanes, method, block=BLOCK if method in SHARING else 1)
    whole = small.rows_of(group, between=lambda snapshot: kept.append(snapshot()))
    assert [snapshot.step for snapshot in kept][:2] == [20, 100]
    for snapshot in kept:
        resumed = small.rows_of(group, find=lambda chunk, snapshot=snapshot: snapshot)
        for one in lanes:
            assert {name: value.tobytes() for name, value in resumed[one].items()} == {
                name: value.tobytes() for name, value in whole[one].items()
            }


@pytest.mark.parametrize(("optimizer", "method"), [("gd", "gram"), ("momentum", "gram"), ("adam", "dense")])
def test_as_on_an_accelerator(optimizer, method, monkeypatch):
    """In rounds that are cut in the middle and at the end, in blocks that are not of four; measured a few at a time."""
    monkeypatch.setattr(ways, "LOOKED_AT", 4 * START["test_size"] * 80)
    lanes = mixed(optimizer, (1, 7), (0.0, 1e-3, 0.03), n=12, d=80, width=3, q=3, steps=307, record=7)
    group = replace(small.group_of(lanes, method, block=5), way=way_on("gpu", method))
    assert group.way.wide
    assert looked_at(group.static) == 4
    assert not way_on("cpu", method).wide
    found, plain = small.rows_of(group), rows(lanes, "plain")
    for one in lanes:
        assert_agree(found[one], plain[one], RTOL[optimizer])
    assert any(row["best_step"] >= 0 for row in found.values()), "the case must reach t_fit"


def test_rounds_do_at_every_step_what_one_loop_does():
    steps = 67
    assert opening(steps) == 61

    def step(done, t, seldom):
        return done.at[t].add(jax.numpy.stack([1, *(jax.numpy.asarray(does, int) for does in seldom)]))

    @functools.partial(jax.jit, static_argnums=2)
    def run(start, stop, in_rounds):
        done = jax.numpy.zeros((steps, 3), int)
        return repeated(step, steps, BEST_EVERY, start, stop, done, in_rounds)

    for start in range(steps + 1):
        for stop in range(start, steps + 1):
            np.testing.assert_array_equal(run(start, stop, True), run(start, stop, False), err_msg=f"{start} .. {stop}")


@pytest.mark.parametrize(
    ("optimizer", "method"),
    [("gd", "sparse"), ("gd", "span"), ("gd", "gram"), ("adam", "sparse"), ("adam", "dense"), ("signgd", "sparse")],
)
def test_coordinates_that_no_example_touches(optimizer, method):
    """Disjoint supports of few coordinates among many, that λ alone moves: W* has them as they were at its step."""
    keys = {"n": 4, "d": 400, "width": 1, "q": 2, "supports": "disjoint", "sigma_0": 0.3}
    lanes = mixed(optimizer, (5, 3), (0.0, 0.02, 0.3), **keys)
    if optimizer == "signgd":  # steps too large to stay where the gradient is small
        lanes += [lane(optimizer, **(START | keys), s=5, eta=5e-3, lam=lam) for lam in (0.01, 0.03)]
    found = compare(lanes, method)
    if optimizer == "signgd":
        assert 0 < found[lanes[-1]]["best_step"] < START["steps"], "W* somewhere on the way"


@pytest.mark.parametrize(("optimizer", "method"), [("gd", "span"), ("gd", "gram"), ("adam", "sparse")])
def test_the_linear_model(optimizer, method):
    compare(mixed(optimizer, (2, 40), (0.0, 1e-3, 0.1), model="linear", n=6, d=90, width=1, q=1), method)


@pytest.mark.parametrize(("optimizer", "method"), [("gd", "span"), ("adam", "sparse")])
def test_many_filters_and_two_examples(optimizer, method):
    """100 filters: more vectors than registers."""
    compare(mixed(optimizer, (2, 9), (0.0, 1e-3), count=3, n=2, d=30, width=50, q=4), method)


@pytest.mark.parametrize(("optimizer", "method"), [("gd", "span"), ("adam", "sparse")])
def test_the_smallest_problem(optimizer, method):
    """d = 2 has one coordinate of noise, on which all examples lie: a singular Gram matrix."""
    compare(mixed(optimizer, (1,), (1e-3, 0.1), n=2, d=2, width=1, q=3, steps=100), method)


@pytest.mark.parametrize("method", ["plain", "sparse"])
def test_adam_without_eps_diverges_where_nothing_pulls(method):
    """Idle coordinates have no gradient when λ = 0, and 0/0 is no number."""
    keys = {"model": "linear", "q": 1, "width": 1, "n": 4, "d": 200, "s": 2, "lam": 0.0}
    found = rows([lane("adam", eps=eps, **keys) for eps in (0.0, 1e-8, 0.0, 1e-30)], method)
    assert [int(row["status"] == ag.Status.DIVERGED) for row in found.values()] == [1, 0, 0]
    sick = next(iter(found.values()))
    assert np.isnan(sick["test_error"])
    assert sick["best_step"] == -1


@pytest.mark.parametrize("method", small.METHODS["gd"])
def test_weights_that_nothing_pulls_decay_as_they_should(method):
    """‖W_t‖ = (1 − ηλ)^t ‖W_0‖ for an ηλ below the rounding of a weight, and for one close to 1."""
    nothing = {"sigma_0": 1e-6, "sigma_p": 1e-3, "alpha": 0.0, "eta": 1e-4, "steps": 5000, "record": 1000}
    slow, fast = (lane("gd", lam=shrink / 1e-4, **nothing) for shrink in (1e-8, 0.9))
    found = rows([slow, fast], method)
    start, *_, end = found[slow]["weight_norm_path"]
    np.testing.assert_allclose(end / start, (1 - 1e-8) ** 5000, rtol=1e-6)
    start, then = found[fast]["weight_norm_path"][:2]
    np.testing.assert_allclose(then / start, 0.1**5, rtol=1e-5)


@functools.cache
def long_run(optimizer):
    """A spec of thousands of steps, and the oracle's run of it."""
    spec = small.spec(
        seeds=[3], steps=3000, record=3, train={"lam": 1e-3}, data={"s": 6, "sigma_p": 0.5},
        model={"sigma_0": 0.1}, optimizers={optimizer: {"eta": 0.2 if optimizer == "gd" else 1e-4}},
    )  # fmt: skip
    return spec, small.oracle_run(spec)


@pytest.mark.parametrize(
    ("optimizer", "method"), [("gd", "span"), ("gd", "gram"), ("gd", "sparse"), ("adam", "sparse")]
)
def test_thousands_of_steps_stay_with_float64(optimizer, method, monkeypatch):
    small.train_by(method, monkeypatch)
    spec, run = long_run(optimizer)
    found = ag.run_sweep(spec, quiet=True).isel(seed=0, optimizer=0)
    assert run.final["data_loss"] < 0.5, "it has learned something"
    for name in ("data_loss", "loss", "weight_norm", "capital_lambda", "capital_gamma"):
        np.testing.assert_allclose(found[name], run.final[name], rtol=1e-5, err_msg=name)


def test_any_optimizer_that_is_linear_in_the_gradient_stays_in_the_span():
    """Nesterov's momentum: optax acts on coefficients as on weights."""
    lanes = [lane("nesterov", seed=k % 2, s=7, alpha=0.1 * k, eta=0.01, beta1=0.5 + 0.1 * k, **START) for k in range(4)]
    found, plain = rows(lanes, "gram"), rows(lanes, "plain")
    for one in lanes:
        assert_agree(found[one], plain[one], 1e-4)


@pytest.mark.parametrize("optimizer", ["gd", "signgd", "adam", "adam_paper", "momentum"])
def test_sparse_products_alone_serve_every_optimizer(optimizer):
    compare(mixed(optimizer, (3, 11), (0.0, 1e-3), count=5, n=12, d=80, width=3, steps=100), "products")
