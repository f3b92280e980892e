"""Trainings taken to rest: when that is, what is measured on the way, and that nothing around a lane matters."""

import functools
import itertools
from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd import types
from adam_vs_gd.engine import rest as engine
from adam_vs_gd.engine import runner
from adam_vs_gd.engine.outline import outline
from adam_vs_gd.engine.packing import widths
from adam_vs_gd.engine.plan import Limits, Plan
from adam_vs_gd.engine.progress import Far, Meter
from adam_vs_gd.experiments import rest as experiment
from adam_vs_gd.problems.learning import rest
from adam_vs_gd.problems.learning.curvature import smallest_eigenvalue
from adam_vs_gd.problems.learning.status import Status, classify
from adam_vs_gd.problems.two_patch import measurements
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.lane import Hyper
from adam_vs_gd.problems.two_patch.models import make_model
from adam_vs_gd.spec.cells import Lane, cells

NUMBERS = {"until": "rest", "steps": 3000, "eta": 1e-2, "record": 10}
CONVERGED = small.STATUSES.index("converged")


def some_lanes(optimizer="adam", seeds=(0, 1), **keys):
    """Lanes that come to rest between step 600 and the last, or do not."""
    return [
        small.lane(optimizer, seed=seed, alpha=alpha, lam=lam, **{**NUMBERS, **keys})
        for seed in seeds
        for alpha in (0.0, 0.3)
        for lam in (1e-3, 3e-3)
    ]


@functools.cache
def rows(method="plain", optimizer="adam"):
    """{lane: {name: value}} of `some_lanes`."""
    return small.rows(some_lanes(optimizer), method)


def same(one, other):
    """Whether rows are the same bits."""
    return one.keys() == other.keys() and all(
        one[k].dtype == other[k].dtype and np.array_equal(one[k], other[k], equal_nan=True) for k in one
    )


def snapshot_rows(lanes, group, **hooks):
    """The rows of lanes by digest, trained in a group."""
    found = {}

    def keep(group, chunk, values, seconds):
        for i, lane in enumerate(chunk.lanes):
            assert lane.digest not in found
            found[lane.digest] = {name: value[i] for name, value in values.items()}

    hooks = runner.Hooks(keep=keep, **hooks)
    assert runner.run_plan(Plan((group,)), jax.devices("cpu"), lambda _: 2**40, hooks, make_batch) == []
    return found


@hypothesis.given(st.integers(1, 10**7), st.integers(1, 200))
def test_the_grids_of_a_training_of_unknown_length(steps, record):
    """They begin at 0 and end at T, and have all decades before a T that is a power of ten."""
    grid, coarse, asked = (
        types.record_steps(steps, record, "rest"), types.test_steps(steps, record, "rest"), types.rest_steps(steps),
    )  # fmt: skip
    for one in (grid, coarse, asked):
        assert (np.diff(one) > 0).all()
        assert one[-1] == steps
    assert grid[0] == coarse[0] == 0
    assert set(coarse) <= set(grid)
    assert set(asked[:-1]) <= set(types.rest_steps(10 * steps))


def test_the_grids_have_every_decade():
    assert {1, 10, 100, 1000, 10_000, 100_000} <= set(types.record_steps(100_000, 25, "rest"))
    assert {100, 1000, 10_000, 100_000} <= set(types.test_steps(100_000, 100, "rest"))
    assert {100, 1000, 10_000} <= set(types.rest_steps(100_000))


def test_a_name_says_until_when_and_old_names_stay():
    """A lane that ends after T is called what it was before there was another end."""
    lane = small.lane()
    assert "until" not in lane.static.named
    assert replace(lane.static, until="rest").named == lane.static.named | {"until": "rest"}
    assert Lane(replace(lane.static, until="rest"), lane.hyper, 0, 3).digest != lane.digest


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"train": {"until": "reste"}}, 'train.until = "reste": did you mean rest. allowed: steps, rest'),
        ({"train": {"until": "rest"}, "steps": [100, 200]}, "steps = .*must be one number with train.until"),
    ],
)
def test_what_cannot_be_is_refused(keys, words):
    with pytest.raises(ag.SpecError, match=words):
        small.spec(**keys)


def test_a_plateau_is_not_rest():
    """Where the decay alone moves the weights the ratio is 1, at a stationary point 0; and one look is not enough."""
    judge = functools.partial(rest.rest_of(100).judge, step=1000)
    hyper = Hyper(0.2, 5, 0.1, np.array([0.01]), np.array([1e-3]), 0.1, switch=np.array([0]))

    def seen(grads, loss=0.01, norm=2.0):
        window = np.full((1, 8), np.nan)
        window[0, -len(grads) :] = grads
        like = lambda value: np.where(np.isnan(window), np.nan, value)  # noqa: E731
        return {
            "train_error": like(0.0), "data_loss": like(loss), "loss": like(loss), "weight_norm": like(norm),
            "grad_norm_l2": window,
        }  # fmt: skip

    decay = 1e-3 * 2.0
    assert not judge(hyper, seen([decay] * 8)).leaves[0]
    assert judge(hyper, seen([decay] * 8)).told["rest_ratio"][0] == pytest.approx(1)
    assert judge(hyper, seen([0.01 * decay] * 3)).rested[0]
    assert judge(hyper._replace(switch=np.array([700])), seen([0.01 * decay] * 3)).rested[0]
    assert not judge(hyper._replace(switch=np.array([800])), seen([0.01 * decay] * 3)).leaves[0], "it switches later"
    assert not judge(hyper, seen([0.01 * decay] * 2)).leaves[0]
    assert not judge(hyper, seen([0.01 * decay, 0.2 * decay, 0.01 * decay])).rested[0]
    assert not judge(hyper, seen([0.0] * 8, loss=0.6)).rested[0], "what is not fitted is not at rest"
    assert not judge(hyper._replace(lam=np.zeros(1)), seen([0.0] * 8)).rested[0], "without decay there is no rest"
    stuck = judge(hyper, seen([1e-9] * 8, loss=np.log(2), norm=1e-4))
    assert stuck.leaves[0]
    assert not stuck.rested[0]
    assert not judge(hyper, seen([1e-9] * 7, loss=np.log(2), norm=1e-4)).leaves[0]
    lost = judge(hyper, seen([np.nan] * 8, loss=np.nan))
    assert lost.leaves[0]
    assert not lost.rested[0]


def test_converged_is_fitted_and_at_rest():
    say = functools.partial(classify, finite=True, weight_norm=1.0, start_norm=1.0, objective_change=0.0)
    assert say(train_error=0.0, data_loss=0.01, at_rest=True) == Status.CONVERGED == CONVERGED == 6
    assert say(train_error=0.0, data_loss=0.01, at_rest=False) == Status.FITTED
    assert say(train_error=0.5, data_loss=0.3, at_rest=True) == Status.UNDERFIT
    assert say(train_error=0.0, data_loss=0.01, at_rest=True, finite=False) == Status.DIVERGED


@pytest.mark.parametrize("model", ["two_layer_cnn", "linear"])
def test_the_smallest_eigenvalue_is_that_of_the_whole_hessian(model):
    """By products, against the matrix itself in float64; and the alignment against its formula."""
    with ag.numerics("float64"):
        data = ag.sample_dataset(jax.random.key(0), n=8, d=12, s=4, sigma_p=0.5, alpha=0.3)
        network, lam = make_model(model, 2, 3), 0.01
        start = network.init(jax.random.key(1), jnp.zeros((2, 12)))["params"]
        params = jax.tree.map(lambda a: a * (28 if model == "linear" else 0.7), start)
        flat, shaped = jax.flatten_util.ravel_pytree(params)
        loss = lambda x: measurements.data_loss(network, shaped(x), data)[0]  # noqa: E731
        matrix, gradient, w = map(np.asarray, (jax.jit(jax.hessian(loss))(flat), jax.jit(jax.grad(loss))(flat), flat))
        found = jax.jit(lambda p: measurements.at_end(network, p, data, lam))(params)
    least = min(np.linalg.eigvalsh(matrix)[0], 0.0)
    assert found["hessian_min"] == pytest.approx(least + lam, rel=1e-6, abs=1e-10)
    cosine = -gradient @ w / np.linalg.norm(gradient) / np.linalg.norm(w)
    assert found["alignment"] == pytest.approx(cosine, rel=1e-9)


@pytest.mark.parametrize("size", [1, 2, 40])
def test_lanczos_finds_the_least_of_any_symmetric_matrix(size):
    with ag.numerics("float64"):
        find = jax.jit(lambda matrix: smallest_eigenvalue(lambda v: matrix @ v, jnp.zeros(size)))
        for seed in range(20):
            half = np.random.default_rng(seed).normal(size=(size, size))
            least = min(0.0, np.linalg.eigvalsh(half + half.T)[0])
            assert float(find(half + half.T)) == pytest.approx(least, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("method", ["plain", "sparse"])
def test_a_lane_that_comes_to_rest_is_the_lane_that_is_stopped_there(method):
    """The same weights as after so many steps, and the same measurements along the way, bit for bit."""
    found = rows(method)
    converged = [lane for lane, row in found.items() if row["status"] == CONVERGED]
    assert len(converged) >= 4
    for lane in converged[:3]:
        row = found[lane]
        stopped = Lane(replace(lane.static, until="steps", steps=int(row["rest_step"])), lane.hyper, lane.seed, 0)
        (known,) = small.rows([stopped], method).values()
        measured = [name for name in known if f"{name}_at_rest" in row]
        assert "test_error" in measured
        assert "capital_lambda" in measured
        for name in measured:
            assert np.array_equal(known[name], row[f"{name}_at_rest"]), name
            assert np.array_equal(known[name], row[name]), name
        for name in ("best_step", "best_test_error", "best_grad_norm"):
            assert np.array_equal(known[name], row[name]), name


@pytest.mark.parametrize("method", ["plain", "sparse"])
def test_t_fit_is_the_first_step_that_fits(method):
    """Against trainings of which every step is recorded."""
    found = rows(method)
    lanes = list(found)[:3]
    steps = max(int(found[lane]["fit_step"]) for lane in lanes) + 5
    stopped = [Lane(replace(lane.static, until="steps", steps=steps), lane.hyper, lane.seed, steps) for lane in lanes]
    trained = small.rows(stopped, method)
    for lane, one in zip(lanes, stopped, strict=True):
        row, every = found[lane], trained[one]
        fits = (every["train_error_path"] == 0) & (every["data_loss_path"] <= 0.1)
        assert fits.argmax() == row["fit_step"]
        for name in ("loss", "feature_learning", "capital_gamma", "grad_norm_l1"):
            assert np.array_equal(every[f"{name}_path"][fits.argmax()], row[f"{name}_at_fit"]), name


def test_lanes_of_two_seeds_come_to_t_fit_in_any_order(monkeypatch):
    """Where lanes of a seed stand in blocks of four, and all pass t_fit in one segment, the seeds by turns."""
    alphas = np.linspace(0, 0.1, 4).tolist()
    lanes = [small.lane(seed=seed, alpha=alpha, **{**NUMBERS, "steps": 500}) for seed in (0, 1) for alpha in alphas]
    group = small.group_of(lanes, "dense", block=4)
    assert group.width == len(lanes)
    monkeypatch.setattr(engine, "rest_steps", lambda steps: np.array([500]))
    monkeypatch.setattr(engine, "record_steps", lambda steps, record, until: np.array([0, 500]))
    found = small.rows_of(group)
    order = sorted(lanes, key=lambda lane: int(found[lane]["fit_step"]))
    assert len({int(row["fit_step"]) for row in found.values()}) >= 4
    changes = sum(one.seed != other.seed for one, other in itertools.pairwise(order))
    assert changes >= 3, "seeds take turns"
    for lane in order[3:5]:
        (alone,) = small.rows([lane], "dense", block=4).values()
        assert alone["fit_step"] == found[lane]["fit_step"]
        assert alone["loss_at_fit"] == found[lane]["loss_at_fit"]


def test_what_is_measured_says_so():
    """Trajectories end where a lane does, and what it does not come to is NaN, or −1."""
    found = rows()
    grid = types.record_steps(3000, 10, "rest")
    for row in found.values():
        end = row["rest_step"] if row["rest_step"] >= 0 else 3000
        assert np.array_equal(np.isfinite(row["loss_path"]), grid <= end)
        assert np.isfinite(row["test_error_at_rest"]) == (row["rest_step"] >= 0)
        assert (row["rest_ratio"] <= rest.AT_REST) == (row["rest_step"] >= 0)
    lane = small.lane(**{**NUMBERS, "steps": 50, "eta": 1e-4})
    (never,) = small.rows([lane]).values()
    assert never["fit_step"] == never["rest_step"] == -1
    assert np.isnan(never["test_error_at_fit"])
    assert np.isnan(never["loss_at_rest"])
    (without,) = small.rows([small.lane(**{**NUMBERS, "lam": 0.0})]).values()
    assert np.isnan(without["rest_ratio"])
    assert without["status"] != CONVERGED
    assert -1 <= without["alignment"] <= 1


@pytest.mark.parametrize(("optimizer", "method"), [("adam", "sparse"), ("adam", "dense"), ("gd", "gram")])
def test_whatever_runs_beside_a_lane_changes_no_bit(optimizer, method, monkeypatch):
    """In chunks of any width, packed anew after every lane that leaves."""
    lanes = some_lanes(optimizer, **{} if optimizer == "adam" else {"eta": 0.5, "sigma_0": 0.1, "steps": 5000})
    block = 4 if method in small.SHARING else 1
    whole = small.rows(lanes, method, block=block)
    steps = {int(row["rest_step"]) for row in whole.values()}
    assert len(steps) > 3
    monkeypatch.setattr(runner, "WASTED_SECONDS", -1.0)
    for width in (4, 16):
        for lane, row in small.rows(lanes, method, width=width, block=block).items():
            assert same(row, whole[lane])


def test_a_cut_anywhere_changes_no_bit(monkeypatch):
    """Through a snapshot in host memory at every segment, with lanes that have left and t_fit behind or ahead."""
    monkeypatch.setattr(runner, "WASTED_SECONDS", -1.0)
    lanes = some_lanes()
    whole, kept = {lane.digest: row for lane, row in rows().items()}, []
    snapshot_rows(lanes, small.group_of(lanes), between=lambda snapshot: kept.append(snapshot()))
    assert len({len(snapshot.lanes) for snapshot in kept}) > 2
    for snapshot in kept[:: len(kept) // 6]:
        left = [lane for lane in lanes if lane.digest in snapshot.lanes]
        for width in (4, 16):
            found = snapshot_rows(left, small.group_of(left, width=width), find=lambda digests, s=snapshot: s)
            assert found.keys() == set(snapshot.lanes)
            assert all(same(row, whole[digest]) for digest, row in found.items())


def test_lanes_that_run_are_packed_in_few_widths(monkeypatch):
    """A chunk gets narrower as lanes leave, by fours; and no lane is lost or kept twice."""
    seen = []
    real = engine.ToRest.repack

    def repack(self):
        done = real(self)
        seen.append((self.side.group.width, len(self.lanes)))
        return done

    monkeypatch.setattr(engine.ToRest, "repack", repack)
    monkeypatch.setattr(runner, "WASTED_SECONDS", -1.0)
    lanes = some_lanes(seeds=range(5))
    group = small.group_of(lanes, width=20)
    assert widths(group) == [4, 5, 20]
    found = snapshot_rows(lanes, group)
    assert found.keys() == {lane.digest for lane in lanes}
    assert {width for width, _ in seen} <= set(widths(group))
    assert min(width for width, _ in seen) < 20
    assert all(width >= count for width, count in seen)


def test_memory_that_runs_out_on_the_way_costs_no_lane(monkeypatch):
    """What has left is kept, what runs is begun again in half the width."""
    lanes, failed = some_lanes(), []
    real = engine.ToRest.leave

    def leave(self):
        gone = real(self)
        if self.group.width > 4 and self.running < 6:
            failed.append(self.running)
            self.flush()
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4294967296 bytes.")
        return gone

    monkeypatch.setattr(engine.ToRest, "leave", leave)
    found = snapshot_rows(lanes, small.group_of(lanes))
    assert failed
    assert all(same(found[lane.digest], row) for lane, row in rows().items())


def test_a_sweep_to_rest_in_a_folder(tmp_path):
    """Its Dataset: statuses, times, three diagrams and their differences; and trained again, nothing is."""
    spec = small.spec(
        steps=3000, record=10, data={"alpha": [0.0, 0.3]}, train={"until": "rest", "lam": 3e-3},
        optimizers={"adam": {"eta": 1e-2}, "gd": {"eta": 1.0}},
    )  # fmt: skip
    results = ag.run_sweep(spec, tmp_path / "sweep", quiet=True)
    meanings = results.status.attrs["flag_meanings"].split()
    assert meanings[5:] == ["fitted", "converged"]
    assert list(results.status.attrs["flag_values"]) == list(range(7))
    at_rest = results.rest_step >= 0
    assert bool(((results.status == CONVERGED) <= at_rest).all())
    assert bool((results.status == CONVERGED).any())
    for name in ("test_error", "feature_learning", "capital_gamma", "weight_norm"):
        assert results[f"{name}_at_rest"].dims == results[f"{name}_at_fit"].dims == results[name].dims
        assert results[f"{name}_at_rest"].where(at_rest, 0).equals(results[name].where(at_rest, 0))
        assert "at t_fit" in results[f"{name}_at_fit"].attrs["long_name"]
    assert "log t" in results.step.attrs["comment"]
    assert results.sizes["record"] == len(types.record_steps(3000, 10, "rest"))
    assert results.identical(ag.load_results(tmp_path / "sweep"))
    assert "rest_step" not in ag.run_sweep(small.spec(steps=20), quiet=True)
    chunks = sorted((tmp_path / "sweep" / "journal").glob("*.npz"))
    ag.run_sweep(spec, tmp_path / "sweep", quiet=True)
    assert sorted((tmp_path / "sweep" / "journal").glob("*.npz")) == chunks


def test_the_plan_of_a_sweep_to_rest_is_the_most():
    lanes = [lane for _, lane in cells(small.spec(train={"until": "rest"}))]
    plan = small.make_plan(lanes, Limits(1, 2**40, 2**40, 16))
    assert plan.lane_steps == sum(lane.static.steps for lane in lanes)
    assert "lane-steps at most" in str(outline(plan, Limits(1, 2**40, 2**40, 16)))
    meter = Meter(plan)
    meter.hear("one", Far(0, 10, 10, 1.0, 20.0, 1.0))
    assert meter.position().endswith("left at most")


def test_reproduce_rest_counts_what_converged_lanes_do(tmp_path, monkeypatch):
    """On a small regime: all converged lanes, ten times as long, and none again that is there."""
    small_one = {
        "data": {"n": 10, "d": 30, "s": 5, "sigma_p": 0.3, "alpha": [0.0, 0.3], "test_size": 100},
        "model": {"width": 2}, "train": {"lam": 3e-3}, "optimizers": {"adam": {"eta": 1e-2}, "gd": {}},
    }  # fmt: skip
    monkeypatch.setattr(experiment, "HELD_OUT", {"small-one": small_one})
    monkeypatch.setattr(experiment, "MOST", 2500)
    text = experiment.reproduce(tmp_path, seeds=2, quiet=True)
    results = ag.load_results(tmp_path / "small-one")
    count = int((results.status == CONVERGED).sum())
    assert count > 0
    assert f"{count} of 8 lanes" in text
    lines = (tmp_path / "rest.csv").read_text().splitlines()
    assert len(lines) == count + 1
    found = np.genfromtxt(tmp_path / "rest.csv", delimiter=",", names=True, dtype=None, encoding="utf-8", ndmin=1)
    assert (found["steps"] >= 10 * found["rest_step"] - 5).all()
    assert set(np.round(found["test_error"], 4)) <= set(np.round(results.test_error_at_rest.values.ravel(), 4))
    monkeypatch.setattr(experiment, "trained_on", None)
    assert experiment.reproduce(tmp_path, seeds=2, quiet=True) == text
