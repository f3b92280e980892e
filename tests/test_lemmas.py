"""The lemmas' checks: on trainings told in NumPy, and on made-up ones whose answer is known."""

import math

import numpy as np
import oracle
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd.experiments import lemmas as experiment
from adam_vs_gd.experiments import observing, resting, theorem41, waking
from adam_vs_gd.experiments.watch import watch
from adam_vs_gd.problems.two_patch.theory import lemmas, scales
from adam_vs_gd.problems.two_patch.theory.claims import AT_REST, BEFORE_LEARNING, CLAIMS, GD, Observed
from adam_vs_gd.problems.two_patch.theory.conditions import SIGNED
from adam_vs_gd.problems.two_patch.theory.observed import Filters, State, Trajectory
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.cells import cells

STEPS = 10  # so that every step is on the test_record grid as well
TINY = {"data": {"n": 20, "d": 60, "s": 10, "test_size": 100}, "model": {"width": 4}, "train": {"precision": "float64"}}


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """`reproduce lemmas` from end to end at sizes of a second: (text, folder, [(spec, lane, rows)])."""
    folder, kept = tmp_path_factory.mktemp("lemmas"), []

    def spec(regime, name, seeds, kinds, steps, **keys):
        etas = {kind: {"eta": small.ETA[kind]} for kind in kinds}
        whole = {**keys, **TINY, "train": {**keys.get("train", {}), **TINY["train"]}}
        return ag.SweepSpec(name=name, seeds=seeds, steps=steps, optimizers=etas, **whole)

    def watched(spec, *looks, quiet):
        for index, lane, rows in watch(spec, *looks, quiet=quiet):
            kept.append((spec, lane, rows))
            yield index, lane, rows

    with pytest.MonkeyPatch.context() as patch:
        for module in (experiment, resting):
            patch.setattr(module, "REGIMES", ["tiny"])
            patch.setattr(module, "TITLES", {"tiny": "a tiny regime"})
            patch.setattr(module, "regime_steps", lambda regime, quick: STEPS)
            patch.setattr(module, "regime_spec", spec)
        patch.setattr(experiment, "watch", watched)
        patch.setattr(resting, "most_steps", lambda regime, quick: 100)
        patch.setattr(waking, "STEPS", 100)
        text = experiment.reproduce(folder, 1, True, True)
    return text, folder, kept


def test_the_table_of_claims(reproduced):
    text, folder, _ = reproduced
    assert (folder / "lemmas.md").read_text() == text + "\n"
    claims, wakings = text.split(waking.HEADING)
    stepwise, at_rest = claims.split(resting.HEADING)
    for part, table in ((stepwise, CLAIMS), (at_rest, (*AT_REST, *BEFORE_LEARNING))):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert len(rows) == 2 + sum(len(claim.of) for claim in table)
    assert len([line for line in wakings.splitlines() if line.startswith("|")]) == 2 + 2 * len(SIGNED)  # two λ
    assert "| 5.1, A.1 | supports are disjoint | signgd |" in text
    assert "NOT the whole training" in text
    assert {kind for claim in CLAIMS for kind in claim.of} == {*SIGNED, *GD}


def test_watching_changes_no_number(reproduced):
    spec, _, rows = next(kept for kept in reproduced[-1] if "adam" in kept[0].optimizers)
    results = ag.run_sweep(spec, quiet=True).isel(seed=0, optimizer=0)
    for name in ("test_error", "loss_path", "capital_gamma_path", "best_step"):
        assert rows[name] == pytest.approx(results[name].values, rel=1e-9, nan_ok=True)


def test_what_is_seen_is_what_numpy_says(reproduced):
    for spec, lane, found in reproduced[-1]:
        label = lane.static.optimizer
        if label == "gd":  # of which only the measurements are needed
            continue
        w0, xi, y, _ = small.draws_of(spec)
        np.testing.assert_allclose(found["weights_path"][0], w0, rtol=1e-12)
        moments = np.zeros((2, *w0.shape))
        for t, w in enumerate(found["weights_path"]):
            own = w[(y > 0).astype(int)]  # [n, m, d]
            noise = np.einsum("nmd,nd->nm", own, xi)
            strongest = own[np.arange(len(y)), noise.argmax(1)]
            margin = oracle.margins("two_layer_cnn", w, xi, y, 3)
            gradient = oracle.gradient("two_layer_cnn", w, xi, y, 3, 1e-5)
            moments[0] = 0.9 * moments[0] + 0.1 * gradient
            moments[1] = 0.999 * moments[1] + 0.001 * gradient**2
            corrected = moments / np.array([1 - 0.9 ** (t + 1), 1 - 0.999 ** (t + 1)]).reshape(2, 1, 1, 1)
            direction = {
                "signgd": np.sign(gradient),
                "adam_paper": moments[0] / np.sqrt(moments[1]),
                "adam": corrected[0] / (np.sqrt(corrected[1]) + 1e-8),
            }[label]
            expected = {
                "feature": w[:, :, 0] * np.array([[-1], [1]]),
                "noise": noise,
                "reach": np.abs(strongest * xi)[:, 1:].sum(1),
                "margin": margin,
                "gradient": gradient,
                "direction": direction,
                "xi": xi,
            }
            for name, value in expected.items():
                tolerance = 1e-5 if name == "direction" else 1e-9  # ratios of numbers near ε
                np.testing.assert_allclose(found[f"{name}_path"][t], value, rtol=tolerance, atol=1e-12, err_msg=name)


def trajectory(steps=50, width=4, **keys):
    """GD that learns linearly, and falls by ‖∇L‖² = 1 a step."""
    t = np.arange(steps + 1)
    held = {
        "objective": 10 - 0.1 * t, "grad_l1": np.ones(steps + 1), "grad_l2": np.ones(steps + 1),
        "learned": np.stack([0.01 * t, 0.02 * t], -1), "memorized": np.full((steps + 1, 2), 0.01),
    }  # fmt: skip
    return Trajectory(**{**held, **keys})


def test_descent_needs_what_the_lemma_says():
    seen = trajectory()  # ΔL = −0.1
    assert lemmas.descent_gd(seen, eta=0.2)[:3] == pytest.approx((1, 1, 50))
    assert lemmas.descent_gd(seen, eta=0.25)[:3] == pytest.approx((0, 0.8, 50))
    bad = seen.objective.copy()
    bad[20:] += 0.3  # one step up
    share, worst, *_ = lemmas.descent_gd(trajectory(objective=bad), eta=0.2)
    assert share == pytest.approx(49 / 50)
    assert worst == pytest.approx(-2)
    assert lemmas.descent_signed(seen, eta=0.1, d=100)[:3] == pytest.approx((1, 0, 50), abs=1e-9)
    assert lemmas.descent_signed(seen, eta=0.2, d=1)[:3] == pytest.approx((0, 0.1 / 0.04, 50))


def test_times_of_gd():
    seen = trajectory()
    assert seen.learned_at(4).tolist() == [25, 13]
    assert seen.learned_at(1).tolist() == [51, 50]
    assert lemmas.time_of(25, 100.0, 50).worst == pytest.approx(0.25)
    assert lemmas.time_of(51, 100.0, 50).cases == 0
    assert lemmas.feature_stays(seen, 4, lam=1e-5)[:3] == pytest.approx((1, 1, 26 + 38))  # just 1/m at T_j
    assert lemmas.feature_stays(seen, 4, lam=0.5).worst == pytest.approx(1 / math.log(2))
    assert lemmas.feature_stays(seen, 1, lam=1e-5).cases == 1
    assert lemmas.noise_small(seen, 0.01, 0, 51)[:3] == pytest.approx((1, 1, 102))
    assert lemmas.noise_small(seen, 0.001, 0, 51)[:3] == pytest.approx((0, 10, 102))


def test_trainings_are_pooled():
    one, two = lemmas.at_most(np.array([0.5, 0.7])), lemmas.at_most(np.array([0.0, 2.0, 0.1, 0.2]))
    assert lemmas.pooled([one, two])[:3] == pytest.approx((5 / 6, 2, 6))
    assert lemmas.pooled([one, lemmas.at_most(np.zeros(0))]) == one
    assert lemmas.pooled([lemmas.at_most(np.zeros(0))]).cases == 0
    low = [lemmas.at_least(np.array([ratio])) for ratio in (0.2, -1.0, 3.0)]
    assert lemmas.pooled(low).worst == -1
    theta = [lemmas.of_order(np.array([ratio])) for ratio in (0.1, 5.0, 1.0)]
    assert lemmas.pooled(theta).worst == 0.1
    never = [lemmas.at_most(np.array([np.inf])), lemmas.at_most(np.array([3.0]))]
    assert lemmas.pooled(never).worst == np.inf


def filters(eta=0.1, turn=10, steps=50):
    """Features that rise by η a step until `turn` and fall by η then; noise that grows by 2η where it is above 0."""
    t = np.arange(steps + 1)
    feature = np.where(t <= turn, t, 2 * turn - t)[:, None, None] * eta * np.ones((1, 2, 3))
    grows = 0.01 + 2 * eta * t[:, None, None] * np.ones((1, 4, 1))
    noise = np.concatenate([grows, np.full((steps + 1, 4, 1), -0.01)], -1)
    return Filters(feature, noise, np.ones((steps + 1, 4)), np.where(t < 40, 0.5, 0.1)[:, None] * np.ones((1, 4)))


def test_stage_one_of_a_made_up_training():
    seen = filters()
    assert seen.end_of_stage_one() == 40
    assert (seen.turns(40) == 10).all()
    assert lemmas.feature_growth(seen, 0.1, 40)[:3] == pytest.approx((1, 1, 240))
    assert lemmas.feature_growth(seen, 0.05, 40).share == pytest.approx(30 / 40)
    assert lemmas.noise_growth(seen, 0.2, 40, "all").share == pytest.approx(0.5)
    assert lemmas.noise_growth(seen, 0.2, 40, "active")[:3] == pytest.approx((1, 1, 160))
    assert lemmas.noise_growth(seen, 0.2, 40, "largest")[:3] == pytest.approx((1, 1, 160))
    assert lemmas.noise_growth(seen, 1.0, 40, "largest").share == 0
    assert lemmas.turning(seen, 5.0, 40)[:3] == pytest.approx((1, 2, 6))
    assert lemmas.turning(seen, 2.0, 40)[:3] == pytest.approx((0, 5, 6))
    assert lemmas.turning(seen, 5.0, 8).worst == np.inf
    assert lemmas.flipping(seen, 0.1, 10, 40)[:3] == pytest.approx((1, 1, 180))
    assert lemmas.flipping(seen, 0.1, 5, 40).share == pytest.approx(30 / 35)
    assert lemmas.flipped(seen, 0.5, 40)[:3] == pytest.approx((1, 1, 6))
    assert lemmas.flipped(seen, 0.5, 10).worst == pytest.approx(-0.5)
    assert lemmas.noise_kept(seen, 40).share == pytest.approx(0)
    assert lemmas.reach_kept(seen, 40)[:3] == pytest.approx((1, 1, 44))
    assert lemmas.feature_kept(seen, 40, low=3.0, high=1.0).worst == pytest.approx(1)
    assert lemmas.feature_kept(seen, 10, low=np.inf, high=0.5).share == pytest.approx(36 / 41)


def state(rng, **keys):
    """Two examples with disjoint supports of 3 coordinates of 8, two filters a class; signGD."""
    xi = np.zeros((2, 8))
    xi[0, [0, 1, 2, 3]], xi[1, [0, 4, 5, 6]] = [-0.2, 1, -1, 1], [0.2, 1, 1, -1]
    gradient = rng.normal(size=(2, 2, 8))
    held = {"xi": xi, "y": np.array([1, -1]), "weights": np.zeros((2, 2, 8)), "gradient": gradient,
            "direction": np.sign(gradient), "residual": np.array([0.5, 0.1])}  # fmt: skip
    return State(**{**held, **keys})


def test_signs_of_a_made_up_state():
    rng = np.random.default_rng(0)
    one = state(rng)
    assert [int(one.coordinates(name).sum()) for name in ("feature", "support", "outside")] == [1, 6, 1]
    for where, count in (("feature", 4), ("support", 24), ("outside", 4)):
        assert lemmas.sign_agreement([one], where, 0.0)[:3] == pytest.approx((1, 1, count))
        wrong = one._replace(direction=-one.direction)
        assert lemmas.sign_agreement([wrong], where, 0.0)[:3] == pytest.approx((0, -1, count))
    sizes = np.abs(one.gradient)
    assert lemmas.sign_agreement([one], "outside", 0.7).cases == (sizes[..., 7] > 0.7).sum()
    inside = np.concatenate([sizes[..., 1:4] > 0.5, sizes[..., 4:7] > 0.1], -1)  # the threshold goes with the residual
    assert lemmas.sign_agreement([one], "support", 1.0).cases == inside.sum()
    assert lemmas.bounded_ratio([one], 0.5)[:3] == pytest.approx((0, 2, 32))


def test_supports_and_patterns_of_a_made_up_state():
    rng = np.random.default_rng(0)
    one = state(rng)
    assert lemmas.disjoint_supports(one)[:3] == pytest.approx((1, 1, 6))
    shared = one.xi.copy()
    shared[1, 1] = 0.5
    assert lemmas.disjoint_supports(one._replace(xi=shared))[:3] == pytest.approx((5 / 6, 2, 6))
    weights = np.zeros((2, 2, 8))
    weights[1, :, 1:4], weights[0, :, 4:7] = np.sign(one.xi[0, 1:4]), np.sign(one.xi[1, 4:7])
    assert lemmas.pattern(one._replace(weights=weights), 1.0, 1e-3).share == 1
    weights[1, 0, 1] *= -1
    assert lemmas.pattern(one._replace(weights=weights), 1.0, 1e-3)[:3] == pytest.approx((11 / 12, -1, 12))
    weights[..., 7] = 0.5
    assert lemmas.unlearned(one._replace(weights=weights), 0.1)[:3] == pytest.approx((12 / 16, 5, 16))
    weights[..., 7], weights[1, 1, 5] = 0, 2  # on the support of the other class's example
    assert lemmas.unlearned(one._replace(weights=weights), 0.1)[:3] == pytest.approx((15 / 16, 20, 16))


def test_signgd_does_what_section_5_says_where_its_premises_hold():
    """n = 4 examples of 400 coordinates each, sσ_p = 20: Lemmas 5.1 to 5.5 on a real training."""
    spec = ag.SweepSpec(
        seeds=1, steps=400, record=400, optimizers={"signgd": {"eta": 2e-4}}, model={"width": 4},
        data={"n": 4, "d": 1700, "s": 400, "sigma_p": 0.05, "alpha": 0.2, "supports": "disjoint", "test_size": 100},
    )  # fmt: skip
    ((_, lane, rows),) = watch(spec, observing.often, observing.rarely)
    o = observing.observed(lane, rows)
    assert 100 < o.t_0 < 400
    found = {(claim.lemma, claim.text): claim.check(o) for claim in CLAIMS if "signgd" in claim.of}
    share = {lemma: [check.share for key, check in found.items() if lemma in key[0]] for lemma in ("5.1", "5.2", "5.5")}
    assert share["5.1"] == [1]
    assert share["5.5"] == [1]
    assert lemmas.feature_growth(o.filters, 2e-4, o.t_0).share == 1
    growth = lemmas.noise_growth(o.filters, o.rate, o.t_0, "active")
    assert growth.share > 0.97
    early = np.diff(o.filters.noise[:20].max(-1), axis=0) / o.rate
    assert np.median(early) == pytest.approx(math.sqrt(2 / math.pi), rel=0.1)  # E|ξ| = σ_p √(2/π)
    strength = float(scales.flip_strength(o.point))
    turns = o.filters.turns(o.t_0)
    expected = np.maximum(o.filters.feature[0], 0) / (o.point.eta * (strength - 1))
    active = turns <= o.last
    assert active.mean() > 0.5
    assert abs(np.median(turns[active] - expected[active])) < 0.1 * o.t_0


def test_theorem_41_in_one_table(tmp_path):
    """Of results made up: a lane that fits at step 20, one at 30, and two that never do."""
    spec = small.spec(steps=100, record=10, seeds=2)
    results = to_dataset(spec, [])
    fits = np.array([[20, 30], [1000, 1000]])[..., None]
    results = results.assign(
        train_error_path=(results.train_error_path.dims, np.where(results.step.values >= fits, 0.0, 0.1)),
        data_loss_path=(results.data_loss_path.dims, np.full((2, 2, 11), 0.1)),
        best_step=(results.best_step.dims, np.array([[20, 100], [-1, -1]])),
        best_grad_norm=(results.best_grad_norm.dims, np.array([[3.0, 9.0], [np.nan, np.nan]])),
        best_train_error=(results.best_train_error.dims, np.array([[0.0, 0.0], [np.nan, np.nan]])),
        best_test_error=(results.best_test_error.dims, np.array([[0.8, 0.9], [np.nan, np.nan]])),
        stationary=(results.stationary.dims, np.array([[1, 1], [0, 0]])),
        status=(results.status.dims, np.array([[5, 5], [4, 4]])),
    )
    assert theorem41.first_fit(results).values.tolist()[0] == [20, 30]
    rested = to_dataset(small.spec(steps=100, record=10, seeds=2, train={"until": "rest"}), [])
    at_rest = np.array([[0.97, np.nan], [np.nan, np.nan]])
    rested = rested.assign(
        test_error_at_rest=(rested.status.dims, at_rest),
        rest_step=(rested.status.dims, np.where(np.isnan(at_rest), -1, 60)),
        status=(rested.status.dims, np.array([[6, 5], [5, 5]])),
    )
    folders = []

    def run(spec, out, quiet):
        folders.append((spec.name, out))
        found = rested if "until" in spec.train and spec.train["until"] == "rest" else results
        return found.assign_attrs(digest=out.name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theorem41, "run_sweep", run)
        patch.setattr(theorem41, "KINDS", ("adam", "gd"))
        text = theorem41.reproduce(tmp_path, 2, True, True)
    names = [f"{name}{end}" for name in ("table1", "disjoint", "theory") for end in ("", "-to-rest")]
    assert folders == [(f"theorem41-{name}", tmp_path / name) for name in names]
    assert (tmp_path / "theorem41.md").read_text() == text + "\n"
    assert "NOT the whole training" in text
    rows = (tmp_path / "theorem41.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 2 * 2
    assert ",table1,adam,best_test_error,0.85," in rows[1]
    assert ",table1,adam,test_error_at_rest,0.97," in rows[2]
    adam, gd = theorem41.rest_table(results, rested).splitlines()[2:]
    assert adam.startswith("| adam | 1 of 2 | 60, 1 never |")
    assert "| 0.97 [" in adam
    assert adam.endswith("| ≥ 1/2 − o(1): 1 of 2 |")
    assert gd.startswith("| gd | 0 of 2 | never |")
    assert gd.endswith("| none at rest |")
    adam, gd = theorem41.table(results).splitlines()[2:]
    assert adam.startswith("| adam | 2 of 2 | 20 to 30 | 20 to 100 | 0 [0, ")
    assert "| 9 | 10 | 2 of 2 | 0.85 [" in adam
    assert adam.endswith("| ≥ 1/2 − o(1): 2 of 2 |")
    assert gd.startswith("| gd | 0 of 2 | never | never | - | - | 0.1 | 0 of 2 | - |")
    assert gd.endswith("| no W* |")


def test_every_claim_checks_what_it_says():
    """A made-up training of each claim's own numbers: {claim: (share, worst)} by hand."""
    rng = np.random.default_rng(0)
    point = scales.Point(
        n=2, d=8, s=3, sigma_p=2 / 3, alpha=0.2, width=2, q=3, sigma_0=2 * 0.2**0.5, lam=1e-2, eta=0.1, beta1=0.9,
        beta2=0.999, steps=50,
    )  # fmt: skip
    gradient = np.full((2, 2, 8), 0.2)
    gradient[..., 1:7] = 0.02  # above η s σ_p |ℓ|/n + λη on the second example's support, below on the first's
    first = state(rng, gradient=gradient, direction=np.full((2, 2, 8), 0.5), weights=np.full((2, 2, 8), 5.0))
    weights = np.zeros((2, 2, 8))
    weights[1, :, 1:4], weights[0, :, 4:7] = 0.6 * np.sign(first.xi[0, 1:4]), 0.6 * np.sign(first.xi[1, 4:7])
    weights[1, 0, 1] *= -1
    weights[..., 7] = 0.6
    o = Observed(point, trajectory(), filters(), [first, first._replace(weights=weights)], [0, 45])
    found = {(claim.lemma, claim.text): claim.check(o)[:3] for claim in CLAIMS}
    expected = [
        (1, 1, 6), (1, 0.5 / float(scales.adam_bound(0.9, 0.999)), 64), (1, 0.5, 8), (1, 0.5, 24), (1, 0.5, 8),
        (0, 8, 1), (1, 1, 240), (0.5, 0, 320), (1, 1, 160), (1, 1, 160),  # 5.2: T_0 = 40, 1/(ηsσ_p) = 5
        (0, -0.01, 4),  # ours: those that sleep at −0.01 stay there
        (1, 1, 6), (1, 1, 180), (1, 4, 6), (11 / 12, -1.2, 12), (0.75, 6, 16),  # 5.3: turns at T_r = 10
        (0, 10.01, 44), (1, 1, 44), (0, 10, 66), (1, 0, 66), (1, 0, 50),  # 5.4, A.5: nα/(sσ_p²) = 0.3; 5.5
        (0, 50 * 0.1 * 2 * 0.2**0.5, 1), (1, 0.01 / (2 * 0.2**0.5), 102), (1, 1, 27),  # A.8: T_j = 50 and 25
        (1, 0.01 / (2 * 0.2**0.5), 52), (1, 2, 50),
    ]  # fmt: skip
    for (name, check), numbers in zip(found.items(), expected, strict=True):
        assert check == pytest.approx(numbers, abs=1e-9), name


def test_what_is_not_finite_or_not_reached_never_holds():
    seen = filters()
    diverged = seen._replace(feature=np.where(np.arange(51)[:, None, None] < 7, seen.feature, np.nan))
    assert lemmas.turning(diverged, 5.0, 40)[:2] == (0, np.inf)
    assert lemmas.flipping(diverged, 0.1, 10, 40).share == 0
    rising = seen._replace(feature=np.arange(51.0)[:, None, None] * np.ones((1, 2, 3)))
    assert lemmas.turning(rising, 20.0, 51).share == 0  # Stage I lasts longer than the training
    one = state(np.random.default_rng(0))
    lost = one._replace(gradient=np.full((2, 2, 8), np.nan))
    assert lemmas.sign_agreement([one, lost], "support", 0.0)[0::2] == (0.5, 48)
    assert np.isnan(lemmas.pooled([lemmas.at_most(np.array([0.5])), lemmas.at_most(np.array([np.nan, 0.1]))]).worst)
    short = Observed(scales.Point(), trajectory(), seen._replace(residual=np.full((51, 4), 0.5)), [one], [0])
    assert short.t_0 == 51
    at_t_0 = [claim.check(short) for claim in CLAIMS if "at T_0" in claim.text or "from T_0 on" in claim.text]
    assert len(at_t_0) == 8
    assert all(check.cases == 0 for check in at_t_0)


def asleep_and_awake(spec, index):
    """(⟨w, ξ_i⟩ at the start, at T_0) [n, m] of an example's own filters: signGD in NumPy's float64, on its own."""
    _, lane = list(cells(spec))[index]
    h, static = lane.hyper, lane.static
    w, xi, y, _ = small.draws_of(spec, index)
    own = (y > 0).astype(int)
    products = lambda: np.einsum("nmd,nd->nm", w[own], xi)  # noqa: E731
    first = products()
    for _ in range(static.steps):
        feature, noise = w[:, :, 0][..., None] * y, np.einsum("jmd,nd->jmn", w, xi)
        outputs = sum(np.maximum(z, 0) ** 3 for z in (feature, noise)).sum(1)
        doubt = 1 / (1 + np.exp(y * (outputs[1] - outputs[0])))
        if doubt.mean() < 0.25:
            break
        pull = -np.where(np.arange(2)[:, None] == own, doubt, -doubt)[:, None] / static.n
        gradient = h.lam * w + np.einsum("jmn,nd->jmd", pull * 3 * np.maximum(noise, 0) ** 2, xi)
        gradient[..., 0] += (pull * 3 * np.maximum(feature, 0) ** 2 * y).sum(-1)
        w = w - h.eta * np.sign(gradient)
    return first, products()


@pytest.mark.parametrize(("alpha", "lam", "least"), [(0.0, 0.0, 0.0), (0.2, 0.0, 0.3), (0.0, 1e-5, 0.1)])
def test_filters_that_start_asleep_are_woken_by_the_feature_noise_or_by_decay(alpha, lam, least):
    spec = small.spec(
        seeds=1, steps=1500, record=1500, optimizers={"signgd": {"eta": 2e-4}}, model={"width": 10}, train={"lam": lam},
        data={"n": 8, "d": 801, "s": 50, "sigma_p": 0.1, "alpha": alpha, "supports": "disjoint", "test_size": 2},
    )  # fmt: skip
    first, last = asleep_and_awake(spec, 0)
    share = (last[first < 0] >= 1 / lemmas.WITHIN).mean()
    ((_, _, rows),) = watch(spec, observing.often)
    seen = observing.filters(rows)
    found = lemmas.woken(seen, seen.end_of_stage_one())
    assert found.cases == (first < 0).sum()
    assert found.share == pytest.approx(share, abs=0.05)  # signs of what is nearly 0 differ between float32 and float64
    times = waking.waking_times(seen)
    assert ((times > 0) & (times <= 1)).all()
    if least == 0:
        assert found.share == share == 0
        assert not len(times)
    else:
        assert share > least


def at_rest_by_hand(n=6, s=4, sigma_p=0.5, alpha=0.1, lam=1e-3, z=2.0, q=3):
    """A state whose filters memorize one example each, with the residual at which ∇L vanishes along every ξ_i."""
    xi = np.zeros((n, 1 + n * s))
    y = np.tile([-1.0, 1.0], n // 2)
    for i in range(n):
        xi[i, 1 + i * s : 1 + (i + 1) * s] = sigma_p * np.array([1, -1, 1, 1])
    xi[:, 0] = -alpha * y
    weights = np.zeros((2, n // 2, xi.shape[1]))
    for i in range(n):
        own = z * xi[i] / (s * sigma_p**2)
        own[0] = -y[i] * n * alpha / (s * sigma_p**2)
        weights[int(y[i] > 0), i // 2] = own
    noise = np.einsum("id,id->i", weights[(y > 0).astype(int), np.arange(n) // 2], xi)
    along = (weights[(y > 0).astype(int), np.arange(n) // 2] * xi)[:, 1:].sum(1)  # ⟨w, ξ⟩ but for the feature's part
    residual = n * lam * along / (q * noise ** (q - 1) * s * sigma_p**2)  # (1/n)|ℓ|q⟨w, ξ⟩^{q−1}‖ξ‖² = λ⟨w, ξ⟩
    nothing = np.zeros_like(weights)
    numbers = {"n": n, "s": s, "sigma_p": sigma_p, "alpha": alpha, "lam": lam, "q": q}
    return State(xi, y, weights, nothing, nothing, residual), numbers


def test_claims_at_rest_of_a_made_up_state():
    state, numbers = at_rest_by_hand()
    point = scales.Point(**numbers, width=3)
    seen = Trajectory(*np.zeros((3, 1)), np.zeros((1, 2)), np.zeros((1, 2)))
    held = {claim.text: claim.check(Observed(point, seen, states=[state], steps=[0])) for claim in AT_REST}
    exact, theta, bound = (held[text] for text in (AT_REST[2].text, AT_REST[1].text, AT_REST[0].text))
    assert exact.share == 1
    assert exact.cases == 6
    assert exact.worst == pytest.approx(1, abs=0.08)  # the feature's part of ⟨w, ξ⟩ is not balanced by it
    assert theta.share == 0
    assert theta.worst == pytest.approx(state.residual.min() / (6 * 1e-3))
    assert bound.share == 1
    assert held[AT_REST[3].text].share == 1
    assert held[AT_REST[3].text].worst == pytest.approx(1)
    assert held[AT_REST[5].text].worst == pytest.approx(2 * 0.5 * 4 * 0.5 / 1)  # Σ|w| = zΣ|ξ|/(sσ_p²) = z/σ_p
    assert held[AT_REST[4].text].share == 1  # α^{1/2} is .32, nα/(sσ_p²) .6
    assert held[AT_REST[4].text].worst == pytest.approx(0.6 / 0.1**0.5)
    away = state._replace(residual=3 * state.residual, weights=-state.weights)
    o = Observed(point, seen, states=[away], steps=[0])
    assert AT_REST[2].check(o).share == 0
    assert AT_REST[3].check(o).share == 0


def test_what_gd_is_said_to_do_before_it_learns():
    learned = np.array([[0.02, 0.01], [0.03, 0.02], [0.2, 0.05], [0.3, 0.3]])
    memorized = np.array([[0.03, 0.01], [0.03, 0.03], [0.05, 0.01], [9.0, 0.01]])
    seen = Trajectory(*np.zeros((3, 4)), learned, memorized)
    assert seen.learned_at(10).tolist() == [2, 3]
    behind = lemmas.noise_behind(seen, 10)
    assert behind.cases == 3 + 4  # what comes later is no case
    assert behind.worst == pytest.approx(1.5)  # class +1 at step 1
    assert behind.share == pytest.approx(5 / 7)
    time = lemmas.learning_time(seen, 10, eta=0.01, q=3)
    assert time.cases == 2
    assert time.worst == pytest.approx(3 * 0.01 * 0.01)  # of class +1
    across = np.array([[0.1, 0.1], [0.5, 0.1], [0.3, 0.1], [7.0, 0.9]])
    crossing = lemmas.crossed(seen, across, 10, scale=0.1)
    assert crossing.worst == pytest.approx(9)
    assert crossing.share == pytest.approx(5 / 7)


def test_the_feature_that_gd_has_across_classes_is_what_numpy_says():
    spec = ag.SweepSpec(name="across", seeds=1, steps=STEPS, record=STEPS, optimizers={"gd": {"eta": 0.1}}, **TINY)
    ((_, _, rows),) = watch(spec, observing.across, last=observing.rarely)
    w, xi = rows["weights"].astype(float), rows["xi"].astype(float)
    y = observing.state_of(rows).y
    products = np.einsum("jrd,id->jri", w, xi)
    assert rows["across_path"][-1] == pytest.approx([products[j, :, y == -k].max() for j, k in ((0, -1), (1, 1))])
