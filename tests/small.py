"""A problem small enough for seconds, and its lane on both sides: the engine's, and the oracle's on the same draws."""

import jax
import numpy as np
import oracle

import adam_vs_gd as ag
from adam_vs_gd.chunk import SeedDraws
from adam_vs_gd.data import balanced_labels, make_dataset
from adam_vs_gd.plan import cells
from adam_vs_gd.two_patch import two_patch

ETA = {"gd": 0.1, "signgd": 1e-3, "adam": 1e-3, "adam_paper": 1e-3}


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


def oracle_run(spec, index=0, every=10):
    """The oracle's training of one lane of a spec."""
    _, lane = list(cells(spec))[index]
    w0, xi, y, test = draws_of(spec, index)
    h, static = lane.hyper, lane.static
    steps = [round(i * static.steps / spec.record) for i in range(spec.record + 1)]
    return oracle.train(
        static.model, static.optimizer, w0, xi, y, q=static.q, lam=h.lam, eta=h.eta, beta1=h.beta1, beta2=h.beta2,
        eps=h.eps, steps=static.steps, record_steps=steps, test=test, every=every,
    )  # fmt: skip
