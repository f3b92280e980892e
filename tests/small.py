"""A problem small enough for seconds, and its lane on both sides: the engine's, and the oracle's on the same draws."""

import functools

import jax
import numpy as np
import oracle
import pytest

import adam_vs_gd as ag
from adam_vs_gd.engine import packing, runner
from adam_vs_gd.engine.chunk import SeedDraws
from adam_vs_gd.engine.plan import Chunk, Group, Plan
from adam_vs_gd.problems import family_named
from adam_vs_gd.problems.learning import batches
from adam_vs_gd.problems.learning.numbers import CODES
from adam_vs_gd.problems.learning.streams import Stream, stream
from adam_vs_gd.problems.two_patch.data import balanced_labels, make_dataset
from adam_vs_gd.problems.two_patch.fast import make_batch, native
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.problem import two_patch
from adam_vs_gd.problems.two_patch.ways import NATIVE, WAYS
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.spec.cells import Lane, cells

FAMILY = family_named("two_patch")
STATUSES = tuple(CODES)
ERRORS = tuple(name for name, variable in FAMILY.variables(None).items() if variable.rate)
SHARING = tuple(name for name, way in WAYS.items() if way.shares)
make_plan = functools.partial(packing.make_plan, FAMILY)
ETA = {"gd": 0.1, "signgd": 1e-3, "adam": 1e-3, "adam_paper": 1e-3, "momentum": 0.01}
METHODS = {
    "gd": ("plain", "sparse", "span", "dense", "gram"),
    **dict.fromkeys(("signgd", "adam", "adam_paper"), ("plain", "sparse", "dense")),
    "momentum": ("plain", "gram"),
}
"""The ways to train a lane of an optimizer."""
PAIRS = [(optimizer, method) for optimizer, methods in METHODS.items() for method in methods]
STATIC = {"steps": 30, "n": 10, "d": 30, "width": 2, "test_size": 20}
HYPER = {"alpha": 0.2, "s": 5, "sigma_p": 0.3, "sigma_0": 0.01, "lam": 1e-3, "eta": 1e-2,
         "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}  # fmt: skip


def need_kernel(method="sparse"):
    """Skip what needs the native kernel, and say what keeps it from being used."""
    if method in NATIVE and not native.load().simd:
        pytest.skip(f"no native kernel: {native.load().why_not}")


def train_by(method, monkeypatch):
    """Have the planner choose a method for every lane, whatever suits it best."""
    need_kernel(method)
    monkeypatch.setitem(vars(FAMILY), "way", lambda *_: WAYS[method])


def lane(optimizer="adam", seed=0, record=3, **keys):
    """n = 10, d = 30, s = 5, m = 2, 30 steps: a lane with overrides of its statics and numbers."""
    static = Static(optimizer=optimizer, **(STATIC | {key: v for key, v in keys.items() if key not in Hyper._fields}))
    hyper = Hyper(**(HYPER | {key: v for key, v in keys.items() if key in Hyper._fields}))
    return Lane(static, hyper, seed, record)


def group_of(lanes, method="plain", width=None, ranks=None, seed_slots=None, block=1):
    """Lanes of one program in chunks of a given width, all of them in one by default."""
    width = width or max(4, len(packing.laid_out(lanes, block, FAMILY.share)))
    chunks = tuple(Chunk(tuple(lanes[i : i + width])) for i in range(0, len(lanes), width))
    slots = seed_slots or max(len(chunk.seeds) for chunk in chunks)
    ranks = ranks or max(lane.hyper.s for lane in lanes)
    return Group(FAMILY, lanes[0].static, ranks, WAYS[method], lanes[0].record, 1, width, slots, chunks, block)


def rows_of(group, **hooks):
    """{lane: {name: value}} of a group."""
    need_kernel(group.way.name)
    found = {}

    def keep(group, chunk, values, seconds):
        for i, one in enumerate(chunk.lanes):
            found[one] = {name: value[i] for name, value in values.items()}

    hooks = runner.Hooks(keep=keep, **hooks)
    failed = runner.run_plan(Plan((group,)), jax.devices("cpu"), lambda _: 2**40, hooks, make_batch)
    assert failed == []
    return found


def rows(lanes, method="plain", **keys):
    """{lane: {name: value}} of lanes trained by a method."""
    return rows_of(group_of(lanes, method, **keys))


def spec(**keys):
    """n = 20, d = 60, s = 10, m = 4: a spec with overrides by dotted or plain keys."""
    tables = {
        "data": {"n": 20, "d": 60, "s": 10, "test_size": 100},
        "model": {"width": 4},
        "train": {},
        "optimizers": {"adam": {"eta": 1e-3}, "gd": {"eta": 0.1}},
    }
    top = {"name": "small", "seeds": 2, "steps": 60, "record": 6}
    for key, value in keys.items():
        if key in tables and key != "optimizers":
            tables[key] |= value
        elif key == "optimizers":
            tables[key] = value
        else:
            top[key] = value
    if tables["model"].get("name") == "linear":
        del tables["model"]["width"]
    return ag.SweepSpec(**top, **tables)


def draws_of(spec, index=0):
    """(w0, xi, y, test) in float64 of one lane of a spec, from the package's own sampler."""
    _, lane = list(cells(spec))[index]
    static, hyper = lane.static, lane.hyper
    with ag.numerics(static.precision):
        stacked = SeedDraws().stack(two_patch(static, int(hyper.s)).draw, [lane.seed], (jax.devices("cpu")[0],))
        draws = jax.tree.map(lambda a: a[0], stacked)
        sets = [
            make_dataset(noise, balanced_labels(size), static.d, hyper.s, hyper.sigma_p, hyper.alpha)
            for noise, size in ((draws.train, static.n), (draws.test, static.test_size))
        ]
        (xi, y), test = [(np.asarray(d.noise, float), np.asarray(d.y, float)) for d in sets]
        w0 = hyper.sigma_0 * np.asarray(draws.weights["w"], float)
    return w0, xi, y, test


def batches_of(lane):
    """[steps, B] the examples of every step of a lane, from the orders of its epochs; None for full batch."""
    n, size, steps = lane.static.n, lane.static.batch_size, lane.static.steps
    if not size:
        return None
    key = batches.raw(stream(seed_key(lane.seed), Stream.BATCHES))
    seen = []
    for epoch in range(-(-steps // (n // size))):
        order = np.asarray(batches.order_of(key, epoch, n))
        seen += [order[first : first + size] for first in range(0, n - size + 1, size)]
    return np.array(seen[:steps])


def oracle_run(spec, index=0, every=10):
    """The oracle's training of one lane of a spec."""
    _, lane = list(cells(spec))[index]
    w0, xi, y, test = draws_of(spec, index)
    h, static = lane.hyper, lane.static
    steps = [round(i * static.steps / spec.record) for i in range(spec.record + 1)]
    numbers = {"beta1": h.beta1, "beta2": h.beta2, "eps": h.eps, **dict(zip(static.own, h.own, strict=True))}
    return oracle.train(
        static.model, static.optimizer, w0, xi, y, q=static.q, lam=h.lam, eta=h.eta, numbers=numbers,
        steps=static.steps, record_steps=steps, test=test, every=every, batches=batches_of(lane),
    )  # fmt: skip
