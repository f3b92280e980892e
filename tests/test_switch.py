"""Optimizers that begin as one and go on as the other, against steps by hand in NumPy's float64."""

import numpy as np
import oracle
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd.spec.cells import cells

ETA, AFTER = {"adam_to_gd": 1e-3, "gd_to_adam": 0.1}, {"adam_to_gd": 0.1, "gd_to_adam": 1e-3}


def by_hand(spec, index, kind, switch, steps):
    """Weights after `steps` of one optimizer before `switch` and the other from it on; Adam's moments begin with it."""
    _, lane = list(cells(spec))[index]
    w, xi, y, _ = small.draws_of(spec, index)
    m, v, count = np.zeros_like(w), np.zeros_like(w), 0
    for t in range(steps):
        g = oracle.gradient("two_layer_cnn", w, xi, y, 3, lane.hyper.lam)
        rate = ETA[kind] if t < switch else AFTER[kind]
        if (t < switch) == (kind == "adam_to_gd"):
            m, v, count = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2, count + 1
            g = m / (1 - 0.9**count) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)
        w = w - rate * g
    return oracle.measure("two_layer_cnn", w, xi, y, 3, lane.hyper.lam)


def switching(kind, **keys):
    """A spec with a switch that is swept."""
    table = {"eta": ETA[kind], "eta_after": AFTER[kind], "switch": [0, 30, 80]}
    return small.spec(steps=80, seeds=1, data={"sigma_p": 0.3}, optimizers={kind: table}, **keys)


@pytest.mark.parametrize("path", ["reference", "fast"])
@pytest.mark.parametrize("kind", ["adam_to_gd", "gd_to_adam"])
def test_steps_are_those_of_one_and_then_of_the_other(kind, path):
    spec = switching(kind, train={"lam": 1e-2})
    results = ag.run_sweep(spec, path=path, quiet=True)
    assert results.loss.dims == ("optimizer", "switch", "seed")
    for i, switch in enumerate((0, 30, 80)):
        known = by_hand(spec, i, kind, switch, 80)
        for name in ("loss", "weight_norm", "feature_learning", "noise_memorization", "grad_norm_l2"):
            found = results[name].isel(optimizer=0, switch=i, seed=0).item()
            assert found == pytest.approx(known[name], rel=2e-4, abs=1e-6), (switch, name)


@pytest.mark.parametrize(("kind", "first", "then"), [("adam_to_gd", "adam", "gd"), ("gd_to_adam", "gd", "adam")])
def test_a_switch_at_an_end_is_none(kind, first, then):
    """At step 0 it is the other optimizer, at T the first one."""
    alone = small.spec(steps=80, seeds=1, data={"sigma_p": 0.3},
                       optimizers={first: {"eta": ETA[kind]}, then: {"eta": AFTER[kind]}})  # fmt: skip
    known, found = (ag.run_sweep(spec, quiet=True) for spec in (alone, switching(kind)))
    for label, switch in ((then, 0), (first, 80)):
        one, other = known.sel(optimizer=label), found.sel(switch=switch).isel(optimizer=0)
        for name in ("loss", "weight_norm", "capital_gamma"):
            assert np.allclose(one[name], other[name], rtol=1e-4), (label, name)


def test_a_switch_may_be_taken_to_rest_and_is_refused_where_it_means_nothing():
    spec = switching("adam_to_gd", train={"until": "rest", "lam": 1e-2})
    assert "rest_step" in ag.run_sweep(spec, quiet=True)
    with pytest.raises(ag.SpecError, match=r"optimizers.adam.switch = 3: means nothing to adam"):
        small.spec(optimizers={"adam": {"switch": 3}})
    with pytest.raises(ag.SpecError, match=r"optimizers.gd_to_adam.switch = -1: must be an integer >= 0"):
        small.spec(optimizers={"gd_to_adam": {"switch": -1}})
