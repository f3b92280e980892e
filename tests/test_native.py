"""The native kernel by itself: its products, its steps on any shape, what it refuses, and doing without it.

That two devices in one process give the bits of one is test_machine's.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
import small
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import HUNG

from adam_vs_gd.engine import estimate
from adam_vs_gd.engine.settings import Settings, describe_machine
from adam_vs_gd.engine.site import start
from adam_vs_gd.problems.learning.table1 import SCHEDULE
from adam_vs_gd.problems.two_patch.data import NoiseRanks
from adam_vs_gd.problems.two_patch.fast import native
from adam_vs_gd.problems.two_patch.lane import Static

SETS = ("avx512", "avx2", "baseline")


@pytest.fixture
def _kernel():
    small.need_kernel()


kernel = pytest.mark.usefixtures("_kernel")


def ranks_of(rng, k, n, r, d):
    """[k, n, r] ranks, no coordinate twice in an example."""
    coordinate = np.array([rng.permutation(d)[:r] for _ in range(k * n)], np.int32).reshape(k, n, r)
    return NoiseRanks(coordinate, rng.standard_normal((k, n, r)).astype(np.float32))


def dense(noise, slot, s, d):
    """[n, d] float64 of one seed's first s ranks."""
    coordinate, unit = (a[slot, :, :s] for a in noise)
    out = np.zeros((len(unit), d))
    np.put_along_axis(out, coordinate, unit.astype(float), 1)
    return out


@st.composite
def products(draw):
    d = draw(st.integers(1, 60))
    r = draw(st.integers(1, d))
    shape = {"k": draw(st.integers(1, 2)), "n": draw(st.integers(1, 20)), "r": r, "d": d}
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    filters = draw(st.sampled_from([1, 2, 5, 16, 31, 96, 97, 130]))
    return ranks_of(rng, **shape), shape["k"] - 1, draw(st.integers(0, r)), d, filters, rng


@kernel
@given(products())
def test_products_their_transpose_and_their_gradient_are_the_dense_ones(case):
    noise, slot, s, d, filters, rng = case
    w, g = (rng.standard_normal((filters, size)).astype(np.float32) for size in (d, noise.unit.shape[1]))
    matrix, at = dense(noise, slot, s, d), (noise, jnp.int32(slot), jnp.int32(s))
    close = {"rtol": 1e-5, "atol": 1e-5}
    found, back = native.project(*at, w), native.project_back(*at, g, d)
    np.testing.assert_allclose(found, w @ matrix.T, **close)
    np.testing.assert_allclose(back, g @ matrix, **close)
    np.testing.assert_allclose(np.vdot(g, found), np.vdot(back, w), rtol=1e-4, atol=1e-3)
    gradient = jax.grad(lambda w: jnp.sin(native.project(*at, w)).sum())(w)
    np.testing.assert_allclose(gradient, np.cos(w @ matrix.T) @ matrix, rtol=1e-4, atol=1e-4)


def numbers_of(rng, lanes):
    """Seven numbers a lane, α, σ_p, λ, η, β1, β2, ε; and those of `native.OWN` as one array."""
    choices = ([0.0, 0.2], [0.3, 1.0], [0.0, 0.1], [0.01, 0.02], [0.0, 0.9], [0.9, 0.99], [1e-8, 1e-3])
    own = ([0.0, 0.3, 0.5, 1.0], [0.01, 1.0], [0.01, 0.1], [0, 2], [0.0, 0.9], [0.5, 1.0], [0, 3])
    return [*(rng.choice(values, lanes).astype(np.float32) for values in choices),
            np.stack([rng.choice(values, lanes).astype(np.float32) for values in own], 1)]  # fmt: skip


def segment(kind="adam", *, scheduled=False, k=2, n=4, r=3, lanes=3, banks=2, m=2, d=9, steps=20, stop=5, seed=0, q=3):
    """(static, operands, results) of a call of `advance` on random lanes."""
    rng = np.random.default_rng(seed)
    model = "linear" if banks == 1 else "two_layer_cnn"
    static = Static(optimizer=kind, model=model, steps=steps, n=n, d=d, q=q, own=("warmup",) * scheduled)
    slot, s = (rng.integers(low, high, lanes).astype(np.int32) for low, high in ((0, k), (1, r + 1)))
    y = np.where(np.arange(n) % 2, -1, 1).astype(np.float32)
    operands = [*ranks_of(rng, k, n, r, d), y, slot, s, *numbers_of(rng, lanes), np.int32(0), np.int32(stop)]
    w = (0.3 * rng.standard_normal((lanes, banks, m, d))).astype(np.float32)
    beside = {"signgd": 0, "amsgrad": 3} | dict.fromkeys(("gd", "signum", "lion", "rmsprop", "adagrad"), 1)
    none = np.zeros(lanes, np.float32)
    never = np.full(lanes, -1, np.int32)
    kept = [none + np.inf, never, never.copy(), none, none, none]
    return static, operands, [w, *[np.zeros_like(w)] * (1 + beside.get(kind, 2)), *kept]


def advance(static, operands, results, **attributes):
    """The weights after a segment, and the rest of the results."""
    shapes = [jax.ShapeDtypeStruct(np.shape(a), np.asarray(a).dtype) for a in results]
    aliases = {len(operands) + i: i for i in range(len(results))}
    call = jax.ffi.ffi_call("adam_vs_gd_advance", shapes, input_output_aliases=aliases)
    attributes = native.attributes_of(static) | attributes
    return [np.asarray(a) for a in jax.jit(lambda *a: call(*a, **attributes))(*operands, *results)]


def numbers_at(static, numbers, lane):
    """(α, σ_p, λ, η, the others by name) of a lane, as the oracle takes them."""
    alpha, sigma_p, lam, eta, beta1, beta2, eps = (float(x[lane]) for x in numbers[:7])
    at = {
        "beta1": beta1,
        "beta2": beta2,
        "eps": eps,
        **dict(zip(native.OWN, map(float, numbers[7][lane]), strict=True)),
    }
    if not static.own:
        at = {key: value for key, value in at.items() if key not in SCHEDULE}
    return alpha, sigma_p, lam, eta, at


def oracle_weights(static, operands, results, lane):
    """The oracle's weights of one lane."""
    noise, (y, slot, s, *numbers, start, stop) = NoiseRanks(*operands[:2]), operands[2:]
    alpha, sigma_p, lam, eta, at = numbers_at(static, numbers, lane)
    xi = sigma_p * dense(noise, slot[lane], s[lane], static.d)
    xi[:, 0] -= alpha * y
    w = results[0][lane].astype(float)
    w = w[0, 0] if static.model == "linear" else w
    return oracle.train(
        static.model, static.optimizer, w, xi, y, q=static.q, lam=lam, eta=eta, numbers=at, steps=int(stop - start),
        over=static.steps,
    ).w  # fmt: skip


@st.composite
def segments(draw):
    d, linear = draw(st.sampled_from([2, 3, 9, 40, 150])), draw(st.booleans())
    return segment(
        draw(st.sampled_from(native.KINDS)), scheduled=draw(st.booleans()), k=draw(st.integers(1, 3)),
        n=draw(st.sampled_from([2, 3, 8])),
        r=draw(st.integers(1, min(d, 12))), lanes=draw(st.integers(1, 9)), banks=1 if linear else 2,
        m=1 if linear else draw(st.sampled_from([1, 2, 3, 50])), d=d, stop=draw(st.integers(0, 3)),
        q=1 if linear else draw(st.integers(2, 4)), seed=draw(st.integers(0, 99)),
    )  # fmt: skip


@kernel
@settings(max_examples=40)
@given(segments())
def test_steps_on_any_shape_are_the_oracle_s(case):
    static, operands, results = case
    found = advance(*case)[0]
    for lane in range(len(found)):
        want = oracle_weights(static, operands, results, lane)
        np.testing.assert_allclose(found[lane].reshape(want.shape), want, rtol=1e-3, atol=2e-5)


@kernel
@pytest.mark.parametrize("kind", native.KINDS)
def test_idle_coordinates_of_the_best_iterate_are_made_up_for(kind):
    """Where no example lies, W* is best_step steps of λ·w from the start; elsewhere it is left alone."""
    static, operands, results = segment(kind, n=2, r=3, d=100, lanes=4, m=3, steps=50)
    start, best_step = results[0], np.array([7, 0, -1, 40], np.int32)
    operands = [*operands[:13], best_step, start]
    best = np.full_like(start, np.pi)
    target = jax.ffi.ffi_call("adam_vs_gd_complete", jax.ShapeDtypeStruct(best.shape, best.dtype),
                              input_output_aliases={len(operands): 0})  # fmt: skip
    found = np.asarray(jax.jit(lambda *a: target(*a, **native.attributes_of(static)))(*operands, best))
    coordinate, _, y, slot, s, *numbers = operands[:13]
    for lane, steps in enumerate(best_step):
        _, _, lam, eta, at = numbers_at(static, numbers, lane)
        touched = np.unique([0, *coordinate[slot[lane], :, : s[lane]].ravel()])
        idle = np.setdiff1d(np.arange(100), touched)
        np.testing.assert_array_equal(found[lane][..., touched], best[lane][..., touched])
        if steps < 0:
            np.testing.assert_array_equal(found[lane], best[lane])
            continue
        alone = start[lane][..., idle].astype(float)
        want = oracle.train(
            "two_layer_cnn", kind, np.pad(alone, ((0, 0), (0, 0), (1, 0))), np.zeros((2, len(idle) + 1)), y,
            q=3, lam=lam, eta=eta, numbers=at, steps=int(steps),
        ).w[..., 1:]  # fmt: skip
        np.testing.assert_allclose(found[lane][..., idle], want, rtol=1e-4, atol=1e-5)


def everything():
    """{name: array} of lanes of every optimizer, few and many filters; each alone is what it is among others."""
    found = {}
    for kind in native.KINDS:
        for m in (3, 50):
            static, operands, results = segment(kind, m=m, lanes=7, n=6, r=8, d=30, stop=20)
            found[f"{kind} {m}"], *_ = together = advance(static, operands, results)
            for lane in (0, 6):
                one = [a[[lane]] if 3 <= i < 13 else a for i, a in enumerate(operands)]
                alone = advance(static, one, [a[[lane]] for a in results])
                for a, b in zip(alone, together, strict=True):
                    assert a[0].tobytes() == b[lane].tobytes()
    return found


@pytest.fixture(scope="module")
def by_set(tmp_path_factory):
    """{instruction set: `everything`}, each of a process of its own; what this processor lacks is left out."""
    small.need_kernel()
    folder, found = tmp_path_factory.mktemp("simd"), {}
    script = """
import sys
import numpy as np
from adam_vs_gd.problems.two_patch.fast import native
sys.path.insert(0, sys.argv[2])
import test_native
print(native.load().simd)
np.savez(sys.argv[1], **test_native.everything())
"""
    for name in SETS:
        path = folder / f"{name}.npz"
        done = subprocess.run(
            [sys.executable, "-c", script, path, os.path.dirname(__file__)],
            capture_output=True, text=True, timeout=HUNG, env={**os.environ, "ADAM_VS_GD_SIMD": name},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        if done.stdout.strip() == name:
            found[name] = dict(np.load(path))
    return found


@pytest.mark.parametrize("name", SETS)
def test_every_instruction_set_computes_the_same_to_rounding(by_set, name):
    if name not in by_set:
        pytest.skip(f"this processor has no {name}")
    for case, want in by_set["baseline"].items():
        np.testing.assert_allclose(by_set[name][case], want, rtol=1e-4, atol=1e-5, err_msg=case)


@kernel
def test_threads_do_not_disturb_each_other():
    case = segment("adam", lanes=5, n=20, r=20, d=60, m=4, steps=300, stop=300)
    want = [a.tobytes() for a in advance(*case)]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: advance(*case), range(12)):
            assert [a.tobytes() for a in found] == want


NAMES = ["coordinate", "unit", "y", "slot", "s", "alpha", "sigma_p", "lam", "eta", "beta1", "beta2", "eps", "own",
         "start", "stop"]  # fmt: skip


@kernel
@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("coordinate", lambda a: np.where(a == a.max(), 9, a), "coordinate that is not in 0 .. d-1"),
        ("coordinate", lambda a: a - 1, "coordinate that is not in 0 .. d-1"),
        ("coordinate", lambda a: a[0], "another rank"),
        ("coordinate", lambda a: a[:, :-1], "axis n has two sizes"),
        ("coordinate", lambda a: a.astype(np.float32), "another type"),
        ("unit", lambda a: a[:, :, :0], "two sizes|nothing in it"),
        ("y", lambda a: a.astype(np.int32), "another type"),
        ("slot", lambda a: a + 2, "seed or s is not there"),
        ("slot", lambda a: a - 9, "seed or s is not there"),
        ("s", lambda a: a + 3, "seed or s is not there"),
        ("s", lambda a: a * 0, "seed or s is not there"),
        ("lam", lambda a: a[:-1], "axis L has two sizes"),
        ("start", lambda a: a - 1, "steps outside of the training"),
        ("stop", lambda a: a + 100, "steps outside of the training"),
    ],
)
def test_operands_that_make_no_sense_are_refused(name, change, said):
    static, operands, results = segment()
    i = NAMES.index(name)
    changed = change(operands[i]).astype(operands[i].dtype if "type" not in said else change(operands[i]).dtype)
    operands = [*operands[:i], changed, *operands[i + 1 :]]
    with pytest.raises(jax.errors.JaxRuntimeError, match=f"adam_vs_gd: .*({said})"):
        advance(static, operands, results)


@kernel
@pytest.mark.parametrize(
    ("shape", "attributes", "said"),
    [
        ({"banks": 3}, {}, "a model that there is not"),
        ({"banks": 1, "m": 2}, {}, "a model that there is not"),
        ({"m": 0}, {}, "nothing in it"),
        ({"n": 0}, {}, "nothing in it"),
        ({}, {"kind": 14}, "an attribute that is out of range"),
        ({}, {"kind": 2.0}, "no attribute kind"),
        ({}, {"q": 0}, "an attribute that is out of range"),
        ({}, {"best_every": 0}, "an attribute that is out of range"),
        ({}, {"window": 0}, "an attribute that is out of range"),
    ],
)
def test_shapes_and_attributes_that_make_no_sense_are_refused(shape, attributes, said):
    with pytest.raises(jax.errors.JaxRuntimeError, match=f"adam_vs_gd: .*{said}"):
        advance(*segment(**shape), **attributes)


@kernel
@pytest.mark.parametrize(
    ("orders", "first", "size", "said"),
    [
        ([[[0, 1, 2, 4]]], 0, 2, "an example that there is not"),
        ([[[0, 1, 2, 3]]], 0, 5, "a batch of more examples than there are"),
        ([[[0, 1, 2, 3]]], 0, 2, "steps outside of the epochs"),
        ([[[0, 1, 2, 3]] * 5], 1, 2, "steps outside of the epochs"),
        ([[[0, 1, 2]] * 5], 0, 2, "axis n has two sizes"),
    ],
)
def test_orders_that_make_no_sense_are_refused(orders, first, size, said):
    """Five steps on batches of two of four examples are two and a half epochs."""
    static, operands, results = segment(k=1)
    orders = np.array(orders, np.int32)
    with pytest.raises(jax.errors.JaxRuntimeError, match=f"adam_vs_gd: .*{said}"):
        advance(static, [*operands, orders, np.int32(first)], results, batch_size=size)


@kernel
def test_operands_that_are_missing_are_refused():
    static, operands, results = segment()
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in results]
    for given_operands, given_results in ((operands[:5], shapes), (operands, shapes[:3]), ([], shapes)):
        call = jax.ffi.ffi_call("adam_vs_gd_advance", given_results)
        with pytest.raises(jax.errors.JaxRuntimeError, match=r"adam_vs_gd: .*(is missing|another)"):
            jax.block_until_ready(call(*given_operands, **native.attributes_of(static)))


@kernel
@pytest.mark.parametrize(("coordinate", "slot", "s"), [(9, 0, 3), (-1, 0, 3), (0, 2, 3), (0, -1, 3), (0, 0, 4)])
def test_products_that_make_no_sense_are_refused(coordinate, slot, s):
    """Whether few of the coordinates are named or most."""
    for d, n in ((9, 4), (200, 2)):
        noise = ranks_of(np.random.default_rng(0), 2, n, 3, d)
        noise.coordinate[0, 0, 0] = d if coordinate == 9 else coordinate
        at = (noise, jnp.int32(slot), jnp.int32(s))
        for call in (
            lambda at=at, d=d: native.project(*at, jnp.ones((5, d))),
            lambda at=at, d=d, n=n: native.project_back(*at, jnp.ones((5, n)), d),
        ):
            with pytest.raises(jax.errors.JaxRuntimeError, match="adam_vs_gd: a "):
                jax.block_until_ready(call())


@pytest.mark.parametrize("want", ["switched off", "not built", "refused"])
def test_doing_without_it_is_said_with_the_reason(monkeypatch, want):
    load = native.load.__wrapped__
    monkeypatch.setattr(native, "load", load)
    if want == "switched off":
        monkeypatch.setenv(native.SWITCH, "off")
    elif want == "not built":
        monkeypatch.setitem(sys.modules, "adam_vs_gd._native", None)
        monkeypatch.delattr("adam_vs_gd._native", raising=False)
    else:
        small.need_kernel()

        def refuse():
            raise RuntimeError("version 7 is too old\nsecond line")

        monkeypatch.setattr(native, "works", refuse)
        monkeypatch.setattr(jax.ffi, "register_ffi_target", lambda *_, **__: None)
    reason, how = {
        "switched off": ("ADAM_VS_GD_NATIVE is off", "unset it"),
        "not built": (
            "it was not built (",
            f"C++17 compiler (on Debian: apt install g++), and build it: {native.BUILD}",
        ),
        "refused": ("this jaxlib refuses it: version 7 is too old", native.BUILD),
    }[want]
    assert reason in load().why_not
    assert load().simd == ""

    told: list[str] = []
    settings = Settings(compile_cache=False, devices=1)
    start(small.spec(), settings, told.append)
    assert any("without the native kernel" in text and reason in text and how in text for text in told)
    plan, *_ = estimate.plan_sweep(small.spec(), settings=settings)
    assert {group.way.name for group in plan.groups} == {"dense", "gram"}
    assert describe_machine(small.FAMILY, jax.devices("cpu"), settings.path)["kernel"] == "XLA"
