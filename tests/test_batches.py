"""Mini-batches: which examples a step sees, and that a lane on batches is its own like any other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from small import lane, make_plan, rows

import adam_vs_gd as ag
from adam_vs_gd.engine.outline import outline
from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.errors import FolderError, TheoryError
from adam_vs_gd.problems.learning.batches import Batches, batch_at, no_order, order_at, order_of, raw
from adam_vs_gd.problems.two_patch import theory
from adam_vs_gd.problems.two_patch.data import Dataset
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.problem import two_patch
from adam_vs_gd.problems.two_patch.ways import lane_bytes, step_work
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.results.dataset import coordinates
from adam_vs_gd.spec.cells import Lane, cells
from adam_vs_gd.store.folder import Folder

STEPS = 12


@functools.cache
def taken(n, size):
    """(key, first step, order) -> ([STEPS, B] examples of the steps from there, the order after them)."""

    def run(key, first, order):
        def step(order, t):
            order = order_at(Batches(key, size), order, t)
            return order, batch_at(order, t, size)

        order, seen = jax.lax.scan(step, order, first + jnp.arange(STEPS))
        return seen, order

    return jax.jit(run)


@given(size=st.sampled_from([(1, 1), (7, 2), (7, 7), (8, 4), (12, 5)]), seed=st.integers(0, 2**32 - 1))
def test_every_example_at_most_once_an_epoch(size, seed):
    n, size = size
    key, run, per = raw(seed_key(seed)), taken(n, size), n // size
    first, order = run(key, 0, no_order(n))
    then, _ = run(key, STEPS, order)  # goes on in the middle of an epoch, where STEPS is none of its ends
    seen = np.concatenate([first, then])
    assert seen.shape == (2 * STEPS, size)
    for epoch in range(2 * STEPS // per):
        mine = seen[epoch * per : (epoch + 1) * per].ravel()
        assert set(mine) <= set(range(n))
        assert len(set(mine)) == len(mine) == per * size, "without replacement"
        assert len(mine) == n or n % size
        np.testing.assert_array_equal(mine, order_of(key, epoch, n)[: per * size])


def test_epochs_have_orders_and_remainders_of_their_own():
    key = raw(seed_key(3))
    orders = np.array([order_of(key, epoch, 10) for epoch in range(20)])
    assert len({tuple(order) for order in orders}) == 20
    assert set(orders[:, 8:].ravel()) == set(range(10)), "what B = 4 leaves out of 10 is not always the same"
    np.testing.assert_array_equal(np.sort(orders), np.tile(np.arange(10), (20, 1)))


def test_an_order_is_drawn_in_a_branch_that_vmap_keeps():
    keys, orders = jnp.zeros((5, 2), jnp.uint32), jnp.zeros((5, 10), jnp.int32)
    side_by_side = jax.vmap(lambda key, order, t: order_at(Batches(key, 3), order, t), (0, 0, None))
    found = {str(equation.primitive) for equation in jax.make_jaxpr(side_by_side)(keys, orders, 7).eqns}
    assert "cond" in found
    assert not found & {"sort", "select_n"}


def test_labels_go_with_their_examples():
    data = Dataset(jnp.arange(12.0).reshape(4, 3), jnp.array([1.0, -1.0, 1.0, -1.0]))
    noise, y = data.take(jnp.array([3, 0]))
    np.testing.assert_array_equal(noise, [[9, 10, 11], [0, 1, 2]])
    np.testing.assert_array_equal(y, [-1, 1])


def test_full_batch_lanes_keep_the_names_they_had():
    """Digests that were computed before there were batches: journals on users' disks are made of them."""
    table_1 = Lane(Static(), Hyper(0.2, 100, 0.1, 0.01, 1e-5, 5e-5, 0.9, 0.999, 1e-8), 0, 100)
    assert table_1.digest == "9cdffc92ec75411f32765f2a1d22d85437dcf08ddbfc991d18546a5eb6913fab"
    gd = Lane(
        Static(optimizer="gd", n=10, d=30, width=2, steps=30, test_size=20), Hyper(0.2, 5, 0.3, 0.01, 1e-3, 0.1), 3, 3
    )
    assert gd.digest == "23ccf8133d6a4150ca6ef866ca77c7a11c89740228ad3562bbfb754dc41cd67e"
    assert len({lane(batch_size=size).digest for size in (0, 1, 5, 10)}) == 4


def test_full_batch_and_batches_share_the_draws_of_a_seed():
    one, other = (two_patch(lane(batch_size=size).static, 5) for size in (0, 4))
    assert one.draw is other.draw


def trained(lane):
    """The state of one lane at its end."""
    static, hyper = lane.static, lane.hyper
    with ag.numerics(static.precision):
        problem = two_patch(static, hyper.s)
        draws = jax.jit(problem.draw)(seed_key(lane.seed))
        run = lambda draws: problem.advance(hyper, draws, problem.start(hyper, draws), 0, static.steps)  # noqa: E731
        return jax.device_get(jax.jit(run)(draws))


@pytest.mark.parametrize("optimizer", ["gd", "adam", "momentum"])
def test_one_batch_of_all_examples_is_full_batch(optimizer):
    eta = {"gd": 0.5, "adam": 2e-3, "momentum": 0.05}[optimizer]
    keys = {"precision": "float64", "sigma_0": 0.1, "sigma_p": 1.0, "s": 7, "width": 4, "steps": 300, "eta": eta}
    whole, batched = (trained(lane(optimizer, batch_size=size, **keys)) for size in (0, 10))
    assert whole.best.step > 0, "the case must reach t_fit"
    assert sorted(batched.order) == list(range(10))
    assert batched.fit_step == 10 * -(-whole.fit_step // 10), "on batches all examples are looked at every tenth step"
    jax.tree.map(
        lambda found, want: np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-12),
        batched._replace(order=(), rest=(), fit_step=0), whole._replace(rest=(), fit_step=0),
    )  # fmt: skip


def test_cut_anywhere_and_beside_others_a_lane_on_batches_has_the_same_bits():
    """B = 3 of n = 10: 3 steps an epoch, so that steps 20, 40 and 80 are in the middle of one."""
    keys = {"batch_size": 3, "steps": 120, "sigma_0": 0.1, "eta": small.ETA["momentum"]}
    lanes, kept = [lane("momentum", seed=k % 2, alpha=0.1 * k, s=1 + k, **keys) for k in range(7)], []
    group = small.group_of(lanes[:4], ranks=7)
    whole = small.rows_of(group, between=lambda snapshot: kept.append(snapshot()))
    assert {snapshot.step for snapshot in kept} == {20, 40, 80}
    others = [small.rows_of(group, find=lambda chunk, snapshot=snapshot: snapshot) for snapshot in kept]
    beside = rows(lanes[:2] + lanes[5:], ranks=7) | rows(lanes[6:1:-1], width=4, ranks=7)
    for other in (*others, beside):
        for one in lanes[:4]:
            for name, value in whole[one].items():
                assert other[one][name].tobytes() == value.tobytes(), name


SWEPT = small.spec(seeds=1, steps=40, record=2, train={"batch_size": [5, 20]}, optimizers={"adam": {"eta": 1e-3}})


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(results, folder) of a sweep over the batch size."""
    folder = tmp_path_factory.mktemp("swept") / "sweep"
    return ag.run_sweep(SWEPT, folder, quiet=True), folder


def test_batch_size_is_an_axis_of_a_sweep_and_both_paths_train_it_alike(swept):
    results, folder = swept
    assert results.test_error.dims == ("optimizer", "batch_size", "seed")
    assert results.batch_size.values.tolist() == [5, 20]
    assert results.batch_size.attrs["symbol"] == "$B$"
    assert ag.load_results(folder).drop_attrs().identical(results.drop_attrs())
    assert (results.loss.sel(batch_size=5) != results.loss.sel(batch_size=20)).all()
    reference = ag.run_sweep(SWEPT, path="reference", quiet=True)
    for name in ("loss", "weight_norm", "grad_norm_l1", "capital_gamma", "capital_lambda", "test_error"):
        np.testing.assert_allclose(results[name], reference[name], rtol=1e-4, err_msg=name)


def test_a_batch_size_is_a_coordinate_and_full_batch_has_none(tmp_path):
    full, fixed = small.spec(), small.spec(train={"batch_size": 4})
    assert "batch_size" not in tomli_w.dumps(full.to_dict())
    assert "batch_size" not in coordinates(full)
    assert coordinates(fixed)["batch_size"][:2] == ((), 4)
    assert ag.SweepSpec(**fixed.to_dict()) == fixed


@pytest.mark.parametrize("batch_size", [4, [4, 20]])
def test_a_folder_of_full_batch_lanes_takes_no_others(tmp_path, batch_size):
    full, other = small.spec(), small.spec(train={"batch_size": batch_size})
    for there, here, said in ((full, other, "left out there, .*4.* here"), (other, full, "4.* there, left out here")):
        folder = Folder(tmp_path / said[:4])
        folder.open(there)
        folder.check(there)
        with pytest.raises(FolderError, match=rf"train\.batch_size: .*{said}"):
            folder.check(here)


def test_train_on_batches_is_the_lane_of_a_sweep(swept):
    keys = {"eta": 1e-3, "n": 20, "d": 60, "s": 10, "width": 4, "steps": 40, "test_size": 100}
    final = jax.jit(lambda seed: ag.train(seed, batch_size=5, **keys).final)(0)
    results = swept[0].sel(batch_size=5, seed=0, optimizer="adam")
    for name in ("loss", "weight_norm", "grad_norm_l1", "test_error"):
        np.testing.assert_allclose(results[name], final[name], rtol=1e-4, err_msg=name)
    for size in (0, 21):
        with pytest.raises(ValueError, match=rf"batch_size = {size}: must be in 1 \.\. n = 20"):
            ag.train(0, batch_size=size, **keys)


def test_a_plan_says_the_batch_size_and_counts_its_work():
    limits = Limits(1, 2**40, 2**40, 16)
    plan = make_plan([found for _, found in cells(small.spec(train={"batch_size": [4]}))], limits)
    assert "batch_size=4" in str(outline(plan, limits))
    assert "batch_size=4" in plan.groups[0].name
    full, batch = Static(optimizer="gd"), Static(optimizer="gd", batch_size=20)
    assert "batch_size" not in str(outline(make_plan([lane()], limits), limits))
    ratio = step_work(full, "plain", 100) / step_work(batch, "plain", 100)
    assert 3 < ratio < 200 / (20 + 200 / 10), "a tenth of the examples, all of them every tenth step, and the update"
    assert lane_bytes(batch, "plain") - lane_bytes(full, "plain") == 4 * 20 * 1000


def test_the_theory_is_about_neither_batches_nor_momentum():
    with pytest.raises(TheoryError, match=r"batch_size = 4: .* all n examples"):
        theory.predict(small.spec(train={"batch_size": [4, 20]}))
    theory.predict(small.spec(train={"batch_size": 20}))
    with pytest.raises(TheoryError, match="optimizer = momentum: must be one of gd, signgd, adam, adam_paper, which"):
        theory.predict(small.spec(optimizers={"momentum": {}}))
