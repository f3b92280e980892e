"""Adam beside signGD: their steps, their solutions, and the two ends of the load."""

import re
import shutil
from pathlib import Path

import numpy as np
import oracle
import pytest
import small
import xarray as xr

from adam_vs_gd.experiments import closeness, closeness_tables
from adam_vs_gd.experiments.agreement import CLASSES, agreement, class_of
from adam_vs_gd.experiments.watch import watch

STEPS, LAM = 40, 1e-3
RESULTS = Path(__file__).parent.parent / "results" / "closeness"


@pytest.fixture(scope="module")
def lanes():
    """n = 20, d = 400, s = 10: a lane of each, and what was seen of it at four steps."""
    spec = small.spec(
        seeds=1, steps=STEPS, record=4, data={"d": 400}, train={"lam": LAM},
        optimizers={"adam": {"eta": 3e-3}, "signgd": {"eta": 3e-3}},
    )  # fmt: skip

    def classes(static, hyper, draws, state):
        return {"classes": class_of(hyper, draws, static.d)}

    (_, _, adam), (_, _, signgd) = watch(spec, agreement, last=classes)
    return spec, adam, signgd


def test_every_coordinate_is_in_one_class(lanes):
    spec, adam, _ = lanes
    _, xi, _, _ = small.draws_of(spec)
    feature, support, outside = adam["classes"]
    np.testing.assert_array_equal(feature, np.arange(400) == 0)
    np.testing.assert_array_equal(support, (xi != 0).any(0) & ~feature)
    np.testing.assert_array_equal(outside, ~feature & ~support)


def test_signgd_agrees_with_itself(lanes):
    _, _, signgd = lanes
    np.testing.assert_array_equal(signgd["sign_agreement_path"], np.ones((5, len(CLASSES))))
    np.testing.assert_allclose(signgd["step_size_path"], 1, rtol=1e-6)


def test_adams_steps_are_the_oracles(lanes):
    """Adam by hand in float64, and at each recorded step its next update beside the gradient."""
    spec, adam, _ = lanes
    w, xi, y, _ = small.draws_of(spec)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t in range(STEPS + 1):
        g = oracle.gradient("two_layer_cnn", w, xi, y, 3, LAM)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        u = m / (1 - 0.9 ** (t + 1)) / (np.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8)
        if t % 10 == 0:
            for k, members in enumerate(adam["classes"]):
                same, size = (np.sign(u) == np.sign(g))[..., members], np.abs(u)[..., members]
                assert adam["sign_agreement_path"][t // 10, k] == pytest.approx(same.mean(), abs=2 / same.size)
                assert adam["step_size_path"][t // 10, k] == pytest.approx(size.mean(), rel=1e-3)
        w = w - 3e-3 * u
    assert adam["sign_agreement_path"].min() < 1, "or the comparison says nothing"


def test_how_two_solutions_compare():
    start, move = np.zeros((2, 3, 5)), np.random.default_rng(0).normal(size=(2, 3, 5))
    classes = np.array([np.arange(5) == 0, np.arange(5) > 1, np.arange(5) == 1])
    lane = {"weights": move, "start": start, "classes": classes}
    assert closeness.compared(lane, lane) == {"distance": 0, "moved_alike": 1}
    apart = closeness.compared(lane, {**lane, "weights": np.where(classes[1], -move, move)})
    assert apart["moved_alike"] == 0
    assert apart["distance"] == pytest.approx(2 * np.linalg.norm(move[..., 2:]) / np.linalg.norm(move))


def test_a_line_through_crossings_is_found():
    """load = 0.2·(s − 10), alike in all resamples; a crossing that is not there is left out."""
    s = np.array([15, 20, 40, 80, 100])
    load = np.where(s < 100, 0.2 * (s - 10.0), np.nan)
    resampled = np.repeat(load[:, None], 50, 1)
    edge = xr.Dataset(
        {"load": ("s", load), "resampled": (("s", "resample"), resampled)}, {"s": s}, {"seeds": 5}
    )  # fmt: skip
    assert "a = 0.2 [0.2, 0.2] and s_0 = 10 [10, 10]" in closeness_tables.line(edge)
    assert "too few" in closeness_tables.line(edge.isel(s=slice(1, 4)))


def test_with_shared_coordinates_only_adam_memorizes(tmp_path, monkeypatch):
    """n = 80, s = 28, five examples a coordinate. (Both memorize with disjoint supports: test_paper.py.)"""
    first = closeness.measured(tmp_path, (28,), (5.0,), 80, 1, True)
    errors = first.test_error.squeeze()
    assert errors.sel(optimizer="adam") > 0.7
    assert errors.sel(optimizer="signgd") < 0.5
    assert (first.train_error == 0).all()
    assert (first.sign_agreement.sel(coordinates="support") > 0.95).all()
    assert first.d.item() == 448
    assert closeness.estimate(first).item() == pytest.approx(2 / np.pi * 28 * 0.2)
    monkeypatch.setattr(closeness, "watch", lambda *_, **__: pytest.fail("trained again"))
    assert first.identical(closeness.measured(tmp_path, (28,), (5.0,), 80, 1, True))


def test_the_published_results_are_made_again_from_what_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(closeness, "watch", lambda *_, **__: pytest.fail("trained again"))
    shutil.copytree(RESULTS / "measured", tmp_path / "measured")
    text = closeness.reproduce(tmp_path, 5, False, True)
    assert (tmp_path / "closeness.md").read_text() == (RESULTS / "closeness.md").read_text()
    assert text.startswith((RESULTS / "closeness.md").read_text().strip())
    for name in ("closeness", "closeness-curves"):
        assert {f"{name}.{ending}" for ending in ("png", "pdf", "csv")} <= {path.name for path in tmp_path.iterdir()}
        first = (tmp_path / f"{name}.csv").read_text().splitlines()[1].partition(",")[0]
        assert re.fullmatch("[0-9a-f]{32}", first)  # the sweeps' digest
