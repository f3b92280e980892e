"""Every optimizer: against NumPy, optax and PyTorch, in the engine, with every number traced, and alone in its lane."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import small
from oracle_optimizers import STEPS, share_of
from small import lane, rows
from test_invariance import assert_same
from test_oracle import compare

import adam_vs_gd as ag
from adam_vs_gd.problems.learning import optimizers, table1
from adam_vs_gd.problems.learning.numbers import OWN_NUMBERS
from adam_vs_gd.problems.two_patch.fast import native
from adam_vs_gd.problems.two_patch.ways import COORDINATE_WISE
from adam_vs_gd.spec.cells import cells

T = 500
SCHEDULE = {"warmup": 40, "cosine": 0.8, "drop": 0.5, "drop_every": 150}
NEW = tuple(kind for kind in table1.KINDS if kind not in small.ETA)
ETA = dict.fromkeys(NEW, 2e-3) | {"nesterov": 0.01, "normalized_gd": 0.02, "adagrad": 0.01, "sam": 0.1, "muon": 0.02}
OWN = {"adam_clip": {"clip": 0.05}}
"""Numbers at which the small problem trains; a clip that clips."""


def gradient(w):
    """∇ of a quartic that is not convex: Σ (w_i² − 1)²/8 + ⟨w, A w⟩/2, on weights [2, 3, 4]."""
    a = np.cos(np.arange(24.0 * 24)).reshape(24, 24)
    return (w**2 - 1) * w / 2 + ((a + a.T) / 20 @ w.reshape(-1)).reshape(w.shape)


START = np.sin(np.arange(24.0)).reshape(2, 3, 4)
RATE = dict.fromkeys(table1.KINDS, 0.01) | {"rmsprop": 5e-4}  # more rattles about a minimum, where digits are lost


def ours(name, numbers):
    """Weights after T steps in float64."""
    with ag.numerics("float64"):
        nothing = dict.fromkeys(("beta1", "beta2", "eps"), 0.0)
        at = SimpleNamespace(**(nothing | optimizers.numbers_of(name, {}) | {"eta": RATE[name], "lam": 0.02} | numbers))
        own = tuple(key for key in OWN_NUMBERS if key in vars(at) and (key not in SCHEDULE or key in numbers))
        at.own = tuple(getattr(at, key) for key in own)
        rule = optimizers.rule_of(name, own, T)
        transformation = rule.transformation(at)

        def step(t, carried):
            w, state = carried
            g = gradient(w)
            if rule.ascend:
                g = gradient(rule.ascend(at, w, g))
            updates, state = transformation.update(g, state, w)
            return optax.apply_updates(w, updates), state

        w = jnp.asarray(START)
        return np.asarray(jax.lax.fori_loop(0, T, step, (w, transformation.init(w)))[0])


@pytest.mark.parametrize("schedule", [{}, SCHEDULE], ids=["constant", "scheduled"])
@pytest.mark.parametrize("name", table1.KINDS)
def test_five_hundred_steps_are_numpy_s(name, schedule):
    numbers = {"clip": 0.3} if name == "adam_clip" else {}
    w, state = START, {}
    at = {**table1.KINDS[name], "eta": RATE[name], "lam": 0.02, **numbers, **schedule}
    for t in range(T):
        share = share_of(t, T, at)
        g = gradient if name == "sam" else gradient(w)
        w = STEPS[name](g, w, state, t, at | {"eta": RATE[name] * share, "share": share})
    np.testing.assert_allclose(ours(name, numbers | schedule), w, rtol=1e-9, atol=1e-10)
    assert np.abs(w - START).max() > 0.1, "it must have gone somewhere"


THEIRS = {
    "gd": optax.sgd(0.01),
    "momentum": optax.sgd(0.01, 0.9),
    "nesterov": optax.sgd(0.01, 0.9, nesterov=True),
    "signgd": optax.sign_sgd(0.01),
    "adam": optax.adam(0.01),
    "amsgrad": optax.amsgrad(0.01),
    "rmsprop": optax.rmsprop(5e-4, 0.99, eps_in_sqrt=False),
    "adam_clip": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.01)),
    "adamw": optax.adamw(0.01, weight_decay=0.02),
    "lion": optax.lion(0.01, weight_decay=0.02),
}
"""Optax's own; λ is added to the gradient before those that know no decay."""


@pytest.mark.parametrize("name", THEIRS)
def test_five_hundred_steps_are_optax_s(name):
    with ag.numerics("float64"):
        theirs = THEIRS[name]
        if not optimizers.RULES[name].decoupled:
            decay = optax.add_decayed_weights(0.02)
            parts = [theirs] if name != "adam_clip" else [optax.clip_by_global_norm(1.0), optax.adam(0.01)]
            theirs = optax.chain(*parts[:-1], decay, parts[-1])

        def step(t, carried):
            updates, state = theirs.update(gradient(carried[0]), carried[1], carried[0])
            return optax.apply_updates(carried[0], updates), state

        w = jnp.asarray(START)
        end, _ = jax.lax.fori_loop(0, T, step, (w, theirs.init(w)))
    np.testing.assert_allclose(ours(name, {}), end, rtol=1e-12, atol=1e-13)


TORCH = json.loads((Path(__file__).parent / "torch_optimizers.json").read_text("utf-8"))


@pytest.mark.parametrize("name", TORCH["weights"])
def test_five_hundred_steps_are_pytorch_s(name):
    """Made once by `python tests/torch_optimizers.py`, with the version of PyTorch that is named there."""
    np.testing.assert_allclose(ours(name, {}).reshape(-1), TORCH["weights"][name], rtol=1e-9, atol=1e-10)


def test_the_tables_of_optimizers_agree():
    assert list(table1.KINDS) == list(optimizers.RULES) == list(STEPS)
    assert set(native.KINDS) == COORDINATE_WISE
    numbers = set().union(*table1.KINDS.values()) | set(table1.SCHEDULE)
    assert numbers == {"eta", "beta1", "beta2", "eps", *OWN_NUMBERS}


def spec_of(name, steps, precision, **numbers):
    return small.spec(
        seeds=[3], steps=steps, record=5, train={"lam": 1e-3, "precision": precision}, data={"sigma_p": 0.3},
        optimizers={name: {"eta": ETA[name], **OWN.get(name, {}), **numbers}},
    )  # fmt: skip


@pytest.mark.parametrize("name", NEW)
def test_every_measurement_of_every_other_optimizer(name):
    """By the way that is chosen for it: the native kernel, or XLA beside its products."""
    spec = spec_of(name, 50, "float32")
    compare(ag.run_sweep(spec, quiet=True), small.oracle_run(spec), 2e-4, name)


@pytest.mark.parametrize("schedule", [{}, SCHEDULE], ids=["constant", "scheduled"])
@pytest.mark.parametrize("name", NEW)
def test_every_measurement_of_500_steps_in_float64(name, schedule):
    spec = spec_of(name, 500, "float64", **schedule)
    compare(ag.run_sweep(spec, quiet=True, path="reference"), small.oracle_run(spec), 1e-9, name)


@pytest.mark.parametrize("name", ["gd", "adam", "adam_paper", "lion"])
def test_a_schedule_in_the_kernel(name):
    """A whole training under a warm-up, half a cosine and drops."""
    spec = small.spec(
        seeds=[3], steps=300, record=5, train={"lam": 1e-3}, data={"sigma_p": 0.3},
        optimizers={name: {"eta": {**ETA, **small.ETA}[name], **SCHEDULE}},
    )  # fmt: skip
    compare(ag.run_sweep(spec, quiet=True), small.oracle_run(spec), 1e-3, name)


@pytest.mark.parametrize("name", table1.KINDS)
def test_every_number_of_an_optimizer_and_of_a_schedule_is_traced(name):
    """Lanes that differ in any of them are of one program, which depends on no value of theirs."""
    kinds = {key: value for key, value in table1.KINDS[name].items() if key != "eta"}
    axes = {key: [value, 0.5 * value + 0.1] for key, value in kinds.items()}
    axes |= {"warmup": [40, 41], "cosine": [0.8, 0.7], "drop": [0.5, 0.6], "drop_every": [150, 151]}
    spec = small.spec(seeds=1, optimizers={name: {"eta": [0.1, 0.2], **axes}})
    lanes = [one for _, one in cells(spec)]
    (static,) = {one.static for one in lanes}
    assert len({one.hyper for one in lanes}) == 2 ** (1 + len(axes))
    rule = optimizers.rule_of(name, static.own, static.steps)

    def updates(hyper):
        w = jnp.ones((2, 3, 4))
        transformation = rule.transformation(hyper)
        return transformation.update(w, transformation.init(w), w)[0]

    jax.make_jaxpr(updates)(
        next(one.hyper for _, one in cells(small.spec(optimizers={name: {"eta": 0.1, **SCHEDULE}})))
    )


@pytest.mark.parametrize(
    ("name", "method"),
    [*((name, "sparse" if name in COORDINATE_WISE else "products") for name in NEW), ("momentum", "sparse")],
)
def test_a_lane_is_the_same_whatever_runs_beside_it(name, method):
    numbers = {key: value for key, value in table1.KINDS[name].items() if key in ("beta1", "beta2", "eps")}
    own = tuple(key for key in OWN_NUMBERS if key in table1.KINDS[name])
    keys = numbers | {"own": tuple(table1.KINDS[name][key] for key in own)}

    def one(k, **others):
        made = lane(name, seed=k % 2, alpha=0.1 * k, s=5, eta=ETA.get(name, 0.01) * (1 + k), **keys | others)
        return replace(made, static=replace(made.static, own=own))

    mine, others = one(1), [one(0), one(2), one(3, beta1=0.5) if "beta1" in numbers else one(3)]
    alone = rows([mine], method, width=4, seed_slots=2)[mine]
    assert_same(rows([others[0], mine, *others[1:]], method, width=4, seed_slots=2)[mine], alone)
    assert_same(rows([*others, mine], method, width=4, seed_slots=2)[mine], alone)


def test_what_an_optimizer_has_not_is_refused():
    with pytest.raises(ValueError, match="'lion': has no rho; it has eta, beta1, beta2"):
        ag.make_optimizer("lion", eta=0.1, rho=0.1)
    with pytest.raises(ValueError, match="steps: must be given"):
        ag.make_optimizer("adam", eta=0.1, warmup=10)
    with pytest.raises(ValueError, match="'sam': takes the gradient at other weights"):
        ag.make_optimizer("sam", eta=0.1)
    with pytest.raises(ag.SpecError, match=r"optimizers\.lion\.rho = 0\.1: means nothing to lion"):
        small.spec(optimizers={"lion": {"rho": 0.1}})


def test_train_knows_every_optimizer_and_its_numbers():
    keys = {"n": 10, "d": 30, "s": 3, "width": 2, "steps": 40, "test_size": 20}
    spec = small.spec(
        seeds=[4], steps=40, record=1, data={"n": 10, "d": 30, "s": 3, "test_size": 20}, model={"width": 2},
        optimizers={"sam": {"eta": 0.1, "rho": 0.2, "warmup": 5}, "lion": {"eta": 1e-3, "beta2": 0.9}},
    )  # fmt: skip
    results = ag.run_sweep(spec, quiet=True).sel(seed=4)
    for name, numbers in spec.optimizers.items():
        known = {key: value for key, value in numbers.items() if key in ("eta", "rho", "warmup", "beta2")}
        training = jax.jit(lambda seed, name=name, known=known: ag.train(seed, optimizer=name, **known, **keys))(4)
        np.testing.assert_allclose(results.sel(optimizer=name).weight_norm, training.final["weight_norm"], rtol=1e-5)


def test_numbers_of_a_schedule_may_be_traced_in_train_and_eta_is_the_optimizers():
    keys = {"n": 10, "d": 30, "s": 3, "width": 2, "steps": 20, "test_size": 20}
    final = lambda **numbers: ag.train(1, **keys, **numbers).final["weight_norm"]  # noqa: E731
    both = jax.jit(jax.vmap(lambda c, w: final(optimizer="lion", eta=1e-2, cosine=c, warmup=w)))
    shares, warmups = jnp.array([0.0, 0.7]), jnp.array([0.0, 5.0])
    alone = [final(optimizer="lion", eta=1e-2), final(optimizer="lion", eta=1e-2, cosine=0.7, warmup=5)]
    np.testing.assert_allclose(both(shares, warmups), alone, rtol=1e-5)
    for name in ("adagrad", "gd"):
        assert final(optimizer=name) == final(optimizer=name, eta=table1.KINDS[name]["eta"])


@pytest.mark.parametrize(("name", "eta"), [("adamw", 2e-3), ("sam", 0.1)])
def test_what_is_no_stationary_point_is_no_rest(name, eta):
    """AdamW rests where W is its direction over −λ, SAM where the gradient of other weights balances the decay."""
    spec = small.spec(
        seeds=[3], steps=3000, record=1, train={"lam": 1e-3, "until": "rest"}, data={"sigma_p": 0.3},
        optimizers={name: {"eta": eta}},
    )  # fmt: skip
    results = ag.run_sweep(spec, quiet=True).isel(seed=0, optimizer=0)
    assert np.isnan(results.rest_ratio)
    assert int(results.rest_step) == -1


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"drop": 0.1}, r"optimizers\.lion\.drop = 0\.1: does nothing without drop_every"),
        ({"drop_every": 50}, r"optimizers\.lion\.drop_every = 50: does nothing without drop, the factor"),
        ({"warmup": [5, 100]}, r"optimizers\.lion\.warmup = 100: must be below steps = 100"),
    ],
)
def test_a_schedule_that_does_nothing_is_refused(numbers, said):
    with pytest.raises(ag.SpecError, match=said):
        small.spec(steps=100, optimizers={"lion": numbers})


def test_sharpness_is_what_sam_minds():
    """On ½·k·w² SAM's step is −η·k·(w + ρ·sgn w): it ends on both sides of 0, ηkρ/(2 − ηk) from it."""
    rule = optimizers.rule_of("sam", ("rho",))
    at = SimpleNamespace(eta=0.1, lam=0.0, beta1=0, beta2=0, eps=0, own=(0.3,))
    transformation, k = rule.transformation(at), 2.0
    w = jnp.array([0.7])
    for _ in range(200):
        updates, _ = transformation.update(k * rule.ascend(at, w, k * w), transformation.init(w), w)
        w = w + updates
    assert abs(float(w[0])) == pytest.approx(0.1 * k * 0.3 / (2 - 0.1 * k), rel=1e-4)


def test_muon_s_direction_has_singular_values_of_about_one():
    """Jordan et al.: five steps of their quintic bring them into [.7, 1.2] or so."""
    muon = ag.make_optimizer("muon", eta=1.0)
    g = jax.random.normal(jax.random.key(0), (2, 5, 40))
    update, _ = muon.update(g, muon.init(g), g)
    values = np.linalg.svd(np.asarray(update).reshape(10, 40), compute_uv=False)
    assert 0.6 < values.min() < values.max() < 1.3


def test_a_power_of_zero_is_a_mean_of_gradients_and_of_one_adam():
    for power, other in ((0.0, None), (1.0, "adam")):
        found = ours("adam_power", {"power": power, "eps": 1e-8})
        if other:
            np.testing.assert_allclose(found, ours(other, {"eps": 1e-8}), rtol=1e-9)
        else:
            w, m = START, 0.0
            for t in range(T):
                m = 0.9 * m + 0.1 * (gradient(w) + 0.02 * w)
                w = w - 0.01 * m / (1 - 0.9 ** (t + 1)) / (1 + 1e-8)
            np.testing.assert_allclose(found, w, rtol=1e-9)
