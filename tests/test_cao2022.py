"""Cao et al. 2022: their network with 1/m is ours, the estimate of the transition, and what is said of made-up ones."""

import numpy as np
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd.experiments.papers import cao2022, cao2022_estimate
from adam_vs_gd.experiments.papers.cao2022 import Transition


def their_training(w, mu, xi, y, q, eta, steps):
    """Full-batch GD of F_j = (1/m) Σ_r [relu^q(⟨w_jr, yμ⟩) + relu^q(⟨w_jr, ξ⟩)] and the logistic loss, in float64."""
    signal = y[:, None] * mu
    sign = np.array([-1.0, 1.0])
    for _ in range(steps):
        products = [x @ w.reshape(-1, w.shape[-1]).T for x in (signal, xi)]  # [n, 2m]
        outputs = sum((np.maximum(z, 0) ** q).reshape(len(y), 2, -1).mean(-1) for z in products)
        slope = -1 / (1 + np.exp(y * (outputs[:, 1] - outputs[:, 0])))  # ℓ' of each example
        gradient = np.zeros_like(w)
        for x, z in zip((signal, xi), products, strict=True):
            inner = q * np.maximum(z, 0).reshape(len(y), 2, -1) ** (q - 1) / w.shape[1]
            gradient += np.einsum("n,j,njr,nd->jrd", slope * y / len(y), sign, inner, x)
        w = w - eta * gradient
    return w, np.log1p(np.exp(-y * (outputs[:, 1] - outputs[:, 0]))).mean()


@pytest.mark.parametrize("q", [3, 4])
def test_their_network_is_ours_with_its_factor_absorbed(q):
    m, steps = 4, 60
    eta, sigma_0 = cao2022.absorbed(2.0, 0.3, m, q)
    spec = small.spec(
        seeds=1, steps=steps, record=1, data={"n": 8, "d": 31, "s": 30, "sigma_p": 0.3, "alpha": 0.0},
        model={"width": m, "q": q, "sigma_0": sigma_0}, train={"lam": 0.0}, optimizers={"gd": {"eta": eta}},
    )  # fmt: skip
    w0, xi, y, _ = small.draws_of(spec)
    np.testing.assert_array_equal(xi[:, 0], 0)  # off the feature, and
    assert (xi[:, 1:] != 0).all()  # on every other coordinate: N(0, σ_p²(I − μμᵀ/‖μ‖²))
    np.testing.assert_allclose(w0.std() * m ** (1 / q), 0.3, rtol=0.15)

    mu = np.eye(31)[0]
    w, _ = their_training(w0 * m ** (1 / q), mu, xi, y, q, 2.0, steps)
    _, loss = their_training(w, mu, xi, y, q, 2.0, 1)
    assert loss < 0.5  # it has learned: this is no comparison of starts
    ours = ag.run_sweep(spec, quiet=True).squeeze()
    np.testing.assert_allclose(ours.data_loss, loss, rtol=2e-4)
    learned = ours.capital_lambda.values * m ** (1 / q)
    np.testing.assert_allclose(learned, [(w[j, :, 0] * s).max() for j, s in ((0, -1), (1, 1))], rtol=2e-3)


def test_what_is_absorbed_comes_back():
    assert cao2022.theirs(*cao2022.absorbed(0.7, 0.01, 12, 4), 12, 4) == pytest.approx((0.7, 0.01))
    assert cao2022.absorbed(0.7, 0.01, 1, 3) == (0.7, 0.01)


def test_a_feature_grows_without_bound_while_noise_is_memorized_if_the_estimate_says_so():
    """Its two equations, integrated: one filter, n/2 examples, logistic slopes; near the threshold on both sides."""

    def feature(snr, q, h, g, start=1e-3):
        a, b, drive = start * g, start * h / snr, 0.0
        for _ in range(20_000):
            slope = 1 / (1 + np.exp(np.minimum(b**q + a**q, 50)))
            step = 0.05 / max(q * a ** (q - 2), (q * b ** (q - 2) * slope).max() / snr**2)
            drive += step
            a, b = a + step * q * a ** (q - 1) * slope.sum(), b + step * q * b ** (q - 1) * slope / snr**2
            if a > 1 or b.min() ** q > 20:
                break
        return a

    for q in (3, 4):
        h, g = np.array([1.1, 1.6, 2.0, 1.4]), 1.5
        snr = (g ** (q - 2) * (h ** (2.0 - q)).sum()) ** (-1 / q)
        assert feature(1.12 * snr, q, h, g) > 0.5
        assert feature(0.88 * snr, q, h, g) < 0.1


def test_the_estimate_of_one_filter_is_a_closed_form():
    """m = 1, n = 2: g·h^{-1} of two normals; half of all g are below 0, and never learn."""
    known = cao2022_estimate.strengths(2, 3, 1)
    assert (known == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert np.isinf(known).mean() == pytest.approx(0.25, abs=0.03)
    ratio = known[(known > 0) & np.isfinite(known)]
    assert np.median(ratio) == pytest.approx(1, abs=0.2)  # of two half-normals
    errors = cao2022_estimate.foretold_error(np.array([1e-9, 1.0, 1e9]), 2, 3, 1)
    assert errors[0] == pytest.approx(0.5 * (1 - 0.25), abs=0.02)
    assert errors[2] == pytest.approx(0.25, abs=0.02)
    assert errors[0] > errors[1] > errors[2]


def test_the_estimate_follows_the_theorems_exponent_for_many_filters():
    n = np.array([16, 128])
    for q in (3, 4):
        snr = [cao2022_estimate.middle(int(k), q, 40, 0.25) for k in n]
        assert np.polyfit(np.log(n), np.log(snr), 1)[0] == pytest.approx(-1 / q, abs=0.015)


def made(kappa, low, high):
    """A transition with an exponent and its interval."""
    n = np.array([10.0, 100.0])
    snr = n**-kappa
    return Transition(n, snr, snr, snr, (kappa, low, high), snr, kappa)


def test_the_verdict_is_of_the_intervals():
    both = {3: made(0.33, 0.3, 0.36), 4: made(0.25, 0.22, 0.28)}
    assert ": reproduced." in cao2022.verdict(both)
    assert ": reproduced in part." in cao2022.verdict(both | {4: made(0.25, 0.2, 0.4)})  # which says nothing
    assert ": not reproduced." in cao2022.verdict({3: made(0.2, 0.19, 0.21), 4: made(0.4, 0.38, 0.42)})


def test_what_is_not_fitted_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(cao2022, "N", (4, 6, 8))
    spec = cao2022.spec_of(3, 2, quick=True)
    shape = (1, len(spec.data["n"]), len(spec.data["sigma_p"]), 2)
    error, loss = np.full(shape, 0.3), np.full(shape, 0.01)
    train = np.zeros(shape)
    train[0, 0, 0, 0], loss[0, 0, 1, 0] = 0.25, 0.2

    def kept(out, spec, version, measure):
        return {"status": np.full(shape, 5), "test_error": error, "train_error": train, "data_loss": loss}

    monkeypatch.setattr(cao2022, "kept", kept)
    results = cao2022.measured(tmp_path, spec, True)
    assert int(results.good.sum()) == results.good.size - 2
    assert results.test_error.isnull().sum() == 2
    np.testing.assert_allclose(results.snr * results.sigma_p * np.sqrt(float(results.d)), 1)


def test_overlap_says_whether_the_constant_nears_the_estimate():
    def at(factor):
        n = np.array(cao2022.NARROW_N)
        foretold = np.array([cao2022_estimate.middle(int(k), cao2022.NARROW, cao2022.WIDTH, 0.25) for k in n])
        snr = foretold * factor ** (1 / 3)
        return Transition(n, snr, 0.9 * snr, 1.1 * snr, (np.nan,) * 3, foretold, np.nan)

    nearer = cao2022.overlap({16001: at(1.1), 1001: at(1.5), 4001: at(1.2)})
    assert "nears it as d grows: e^0.41 to e^0.10 away" in nearer
    assert "does NOT near it" in cao2022.overlap({1001: at(1.1), 4001: at(1.2), 16001: at(1.1)})
