"""Per-sample Adam on separable data: margins, trainings in shifting units, orders, and what is said of it all."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize

import adam_vs_gd as ag
from adam_vs_gd.experiments.papers import baek2025, margins, separable
from adam_vs_gd.experiments.papers.separable import CYCLIC, GAUSSIAN, RADEMACHER, REPLACED, SHUFFLED

drawn = jax.jit(separable.examples, static_argnums=(1, 2, 3))
dealt_out = jax.jit(separable.batches, static_argnums=(1, 2, 3))


def gaussian(seed, n=6, d=9):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("seed", range(3))
def test_the_l2_margin_is_the_svms(seed):
    x = gaussian(seed)
    weights = np.random.default_rng(seed + 9).uniform(0.2, 5, 9)
    for p in (None, weights):
        scale = np.ones(9) if p is None else p
        w, c = margins.l2(x, p)
        constraint = {"type": "ineq", "fun": lambda v: x @ v - 1, "jac": lambda v: x}
        primal = minimize(
            lambda v, s=scale: v @ (s * v) / 2, np.linalg.pinv(x) @ np.ones(6), jac=lambda v, s=scale: s * v,
            constraints=constraint, method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
        ).x  # fmt: skip
        assert margins.cosine(w, primal) == pytest.approx(1, abs=1e-8)
        assert (c >= 0).all()
        least = (x @ w).min()
        assert x[c > 1e-9] @ w == pytest.approx(np.full((c > 1e-9).sum(), least))
    with pytest.raises(ValueError, match="separable"):
        margins.l2(np.array([[1.0, 0.0], [-1.0, 0.0]]))


def test_the_linf_margin_against_its_dual_and_closed_forms():
    x = gaussian(3)
    w, margin = margins.linf(x)
    assert (x @ w).min() == pytest.approx(margin)
    assert abs(w).max() == pytest.approx(1)
    assert margins.face_width(x, margin) < 1e-4
    # strong duality: no mixture of examples has a smaller l_1 norm, and one has it
    spread = lambda c: np.abs(x.T @ c).sum()  # noqa: E731
    mixtures = np.random.default_rng(0).dirichlet(np.full(6, 0.5), 2000)
    assert min(map(spread, mixtures)) >= margin - 1e-9
    best = min(
        minimize(lambda z: spread(np.exp(z) / np.exp(z).sum()), np.log(c + 1e-3), method="Nelder-Mead",
                 options={"maxiter": 4000, "xatol": 1e-8, "fatol": 1e-10}).fun
        for c in sorted(mixtures, key=spread)[:2]
    )  # fmt: skip
    assert best == pytest.approx(margin, rel=0.02)
    alone, most = margins.linf(np.array([[2.0, -3.0]]))
    assert (alone.tolist(), most) == (pytest.approx([1, -1]), pytest.approx(5))
    free = np.array([[1.0, 0.0]])
    assert margins.face_width(free, 1.0) == pytest.approx(2, abs=1e-6)  # the second coordinate does not matter


def test_the_variance_that_a_batch_keeps_is_that_of_all_batches():
    values = np.random.default_rng(1).normal(size=7)
    for size in (1, 3, 5, 7):
        sizes = [min(size, 7 - start) for start in range(0, 7, size)]
        squares = [np.mean([np.mean(some) ** 2 for some in itertools.combinations(values, b)]) for b in sizes]
        found = values.mean() ** 2 + margins.kept_variance(7, size) * values.var()
        assert found == pytest.approx(np.mean(squares))


def test_the_fixed_point_is_one_and_what_it_is_at_both_ends():
    x = gaussian(4)
    for spread in (1.0, 0.1):
        w, change = margins.batch_proxy(x, spread)
        assert change < 1e-9
        _, c = margins.l2(x)
        for _ in range(4000):
            c = 0.5 * c + 0.5 * margins.l2(x, margins.preconditioner(x, c, spread))[1]
        g = c[:, None] * x
        root = np.sqrt((1 - spread) * g.mean(0) ** 2 + spread * (g**2).mean(0))
        assert margins.cosine(w, g.sum(0) / root) == pytest.approx(1, abs=1e-8)
    flat = gaussian(5) * 0 + np.sign(gaussian(5)) * np.array([[1], [2], [3], [1], [2], [5]])
    assert margins.cosine(margins.batch_proxy(flat, 1.0)[0], margins.l2(flat)[0]) == pytest.approx(1)
    nearly = margins.batch_proxy(x, 1e-5)[0]
    full = margins.linf(x)[0]
    assert margins.cosine(nearly, full) > 0.99 > margins.cosine(margins.batch_proxy(x, 1.0)[0], full)


def test_an_epoch_deals_out_every_example_once():
    seen = []
    for epoch in range(25):
        key = jax.random.fold_in(jax.random.key(0), epoch)
        dealt = np.asarray(dealt_out(key, 7, 3, SHUFFLED))
        assert dealt.shape == (3, 7)
        assert dealt.sum(1) == pytest.approx(np.ones(3))
        assert (dealt > 0).sum(0).tolist() == [1] * 7
        assert (dealt > 0).sum(1).tolist() == [3, 3, 1]
        seen.append(dealt[0] > 0)
    assert np.mean(seen, 0) == pytest.approx(np.full(7, 3 / 7), abs=0.4)
    assert len({tuple(row) for row in np.array(seen).tolist()}) > 10
    cyclic = np.asarray(dealt_out(key, 7, 3, CYCLIC))
    assert [np.flatnonzero(row).tolist() for row in cyclic] == [[0, 1, 2], [3, 4, 5], [6]]
    replaced = np.stack([dealt_out(jax.random.key(k), 7, 3, REPLACED) for k in range(40)])
    assert replaced.sum(-1) == pytest.approx(np.ones((40, 3)))
    assert replaced.mean((0, 1)) == pytest.approx(np.full(7, 1 / 7), abs=0.07)


def test_data_are_the_same_in_any_precision_and_as_they_are_said():
    for data in (GAUSSIAN, RADEMACHER):
        x = np.asarray(drawn(ag.seed_key(3), data, 10, 4))
        with jax.enable_x64(True):
            again = np.asarray(drawn(ag.seed_key(3), data, 10, 4))
        np.testing.assert_array_equal(x, again)
    assert np.abs(x) == pytest.approx(np.abs(x[:, :1]) * np.ones(4))
    assert (x[:, 0] >= 0.5).all()
    assert (x < 0).any()
    many = np.asarray(drawn(ag.seed_key(0), RADEMACHER, 4000, 4))
    assert (many[:, 1:] < 0).mean() == pytest.approx(0.25, abs=0.02)


NUMBERS = {"n": 5, "d": 30, "data": GAUSSIAN, "order": CYCLIC, "eta0": 0.3, "decay": 0.5, "beta1": 0.6, "beta2": 0.8}


def by_hand(kind, size, updates, eta0):
    """Adam without bias correction and ε, or Signum, on whole gradients, in numbers with a wide range."""
    x = np.asarray(drawn(ag.seed_key(1), GAUSSIAN, 5, 30)).astype(np.longdouble)
    w, m, v = (np.zeros(30, np.longdouble) for _ in range(3))
    batches = [x[start : start + size] for start in range(0, 5, size)]
    early = w
    epochs = updates // len(batches)
    for t in range(epochs * len(batches)):
        some = batches[t % len(batches)]
        g = -(some / (1 + np.exp(some @ w))[:, None]).mean(0)
        m, v = 0.6 * m + 0.4 * g, 0.8 * v + 0.2 * g**2
        w = w - eta0 * (t + 1) ** -np.longdouble(0.5) * (np.sign(m) if kind == "signum" else m / np.sqrt(v))
        if t == (epochs // 10 + 1) * len(batches) - 1:
            early = w
    return np.stack([early, w]).astype(float), float((x @ w).min())


@pytest.mark.parametrize(("kind", "size"), [("adam_paper", 1), ("adam_paper", 2), ("signum", 5)])
def test_trainings_are_those_by_hand_where_gradients_underflow_too(kind, size):
    if np.finfo(np.longdouble).minexp > -16000:
        pytest.skip("no numbers of a wide range here")
    for eta0, updates, least in ((0.3, 120, -1), (1.5, 10000, 373)):
        expected, margin = by_hand(kind, size, updates, eta0)
        assert margin > least  # whose gradients' squares are 0 in float64
        with jax.enable_x64(True):
            numbers = NUMBERS | {"size": size, "updates": updates, "eta0": jnp.float64(eta0)}
            found = separable.trained(kind, numbers, ag.seed_key(1))["w"]
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


def test_the_proxy_steps_by_the_roots_of_sums_of_squares():
    g = np.random.default_rng(0).normal(size=(4, 3))
    weights = np.full(4, 0.25)
    assert separable.proxy(g, weights) == pytest.approx(-g.sum(0) / np.sqrt((g**2).sum(0)), rel=1e-5)


TRUE = baek2025.references
references = functools.lru_cache(lambda data, seeds: TRUE(DATA[data], seeds))
DATA = {GAUSSIAN: baek2025.OURS, RADEMACHER: baek2025.THEIRS}


def made(study, direction, seeds):
    """Results of a study whose every lane has gone in a direction of `references`."""
    chosen = tuple(
        itertools.islice(baek2025.told_apart(), seeds) if study.static["data"] == RADEMACHER else range(seeds)
    )
    static = {key: value for key, value in study.static.items() if isinstance(value, list)}
    axes = {key: list(value) for key, value in {**study.axes, **static}.items()}
    w = references(study.static["data"], chosen)[direction]
    if "size" in w.dims:
        w = w.sel(size=1 if study.fn is separable.adam_proxy else study.static["size"])
    w = 7 * w * xr.DataArray(np.ones([len(v) for v in axes.values()]), axes)
    size = axes.get("size", study.static["size"])
    return xr.Dataset({"w": xr.concat([w, w], "look")}, attrs={"digest": "0"}).assign_coords(size=size)


def test_verdicts_follow_from_what_is_found(tmp_path, monkeypatch):
    given = {}
    directions = {"l2": "l2", "right": "proxy"}
    for name, direction in directions.items():
        for label, study in baek2025.STUDIES.items():
            of = {"signum": "linf", "gd": "l2", "rademacher": "l2" if name == "l2" else "proxy"}.get(label, direction)
            given[name, label] = made(study, of, 5)
    said = {}
    for name in directions:
        monkeypatch.setattr(baek2025, "references", lambda static, seeds: references(static["data"], tuple(seeds)))
        monkeypatch.setattr(baek2025, "run", lambda study, label, *rest, name=name: given[name, label])
        text = baek2025.reproduce(tmp_path, 5)
        rows = [line for line in text.splitlines() if line.startswith("| ")][2:12]
        said[name] = [row.rsplit("|", 2)[1].strip() for row in rows]
        assert (tmp_path / "baek2025.md").read_text().strip() == text
    # one example goes to l_2 on scaled Rademacher data, where the proxy's fixed point is l_2's; full batches to l_inf
    assert said["right"] == ["reproduced"] * 10
    assert said["l2"][0] == "reproduced"
    assert said["l2"][1] == "not reproduced"  # full batches at l_2, chosen to be short of l_inf
    assert said["l2"][2] == "not reproduced"
    assert said["l2"][3] != "reproduced"  # neither is what one example a step should go to
    assert said["l2"][5] == "not reproduced"
    assert said["l2"][7] == "not reproduced"  # batches of 5 are where full ones are
    assert said["l2"][8:] == ["reproduced"] * 2
    assert (tmp_path / "baek2025.png").stat().st_size > 10_000
    assert "NOT the reproduction" in baek2025.reproduce(tmp_path, 5, quick=True)


def test_shares_of_margins_and_cosines():
    study = baek2025.STUDIES["momentum"]
    found = baek2025.compared(made(study, "linf", 2), baek2025.references(study.static, [0, 1]))
    assert found.linf.values == pytest.approx(1)
    assert found.margin_linf.values == pytest.approx(1)
    assert found.before.values == pytest.approx(1)
    assert found.l2.values == pytest.approx(found.apart.broadcast_like(found.l2).transpose(*found.l2.dims).values)
    x = baek2025.examples(study.static, 0)
    w, _ = margins.linf(x)
    best = margins.l2(x)[0]
    expected = (x @ w).min() / np.linalg.norm(w) / (x @ best).min()
    assert found.margin_l2.sel(seed=0).values == pytest.approx(expected)
