"""The two foreign problems of docs/your-own.md, small: against a closed form, and zoomed in one folder."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import double_descent
import trainability
import zoom

from adam_vs_gd.results.uneven import refinement
from adam_vs_gd.store.folder import Folder


def test_the_closed_form_is_its_own_limits():
    """Without ridge: σ²·γ/(1−γ) below the peak, and beyond it 1 − 1/γ + σ²/(γ−1) (Hastie et al., Theorem 1)."""
    noise = 0.5
    below, beyond = (double_descent.closed_form(ratio, 1e-7, noise) - noise**2 for ratio in (0.5, 3.0))
    assert below == pytest.approx(noise**2, rel=1e-4)
    assert beyond == pytest.approx(1 - 1 / 3 + noise**2 / 2, rel=1e-4)
    assert double_descent.closed_form(0.7, 1e6, noise) == pytest.approx(1 + noise**2, rel=1e-4), "nothing is learned"


def test_ridge_regression_descends_twice_as_the_closed_form_says(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["double_descent.py", "--quick", "--out", str(tmp_path)])
    double_descent.main()
    assert (tmp_path / "figures" / "double-descent.png").stat().st_size > 10_000
    files = Folder(tmp_path).journal.files()
    results = double_descent.sweep(tmp_path, quick=True)
    assert Folder(tmp_path).journal.files() == files, "what is there is not computed again"
    off = double_descent.deviations(results)
    assert np.sqrt((off**2).mean()) < 2
    assert abs(off).max() < 5, "n = 40 is not infinite"
    mean = results.test_error.mean("seed").isel(lam=0)
    assert mean.sel(ratio=0.1) < mean.max() > mean.sel(ratio=4.0), "it rises, and falls again"


def test_the_boundary_of_trainability_is_zoomed_in_one_folder(tmp_path, monkeypatch, capsys):
    seen = list(trainability.zoomed(tmp_path, 12, quiet=True))
    assert [new for _, new in seen] == [169, 169 - 16, 169 - 16], "corners of 3 by 3 cells are there already"
    for (coarse, _), (fine, _) in itertools.pairwise(seen):
        both = [np.intersect1d(coarse[name], fine[name]) for name in ("eta_first", "eta_second")]
        assert [len(values) for values in both] == [4, 4]
        one, other = (r.growth.sel(eta_first=both[0], eta_second=both[1]).values for r in (coarse, fine))
        assert one.tobytes() == other.tobytes()
    first, _ = seen[0]
    assert 0.2 < float((first.growth < 0).mean()) < 0.9, "some can be trained, some cannot"
    assert np.isfinite(first.growth).all()
    monkeypatch.setattr(sys, "argv", ["trainability.py", "--quick", "--out", str(tmp_path)])
    trainability.main()
    assert capsys.readouterr().out.count("0 of them new") == 3


def test_the_boundary_of_trainability_is_found_and_zoomed(tmp_path, capsys, monkeypatch):
    first, second = zoom.zoomed(tmp_path, depth=1, zooms=1, quiet=True)
    for results in (first, second):
        (search,) = refinement(results)["searches"]
        assert search["end"] == "found"
        assert search["lanes"] < search["grid"]
        lanes = results.growth.isel(seed=0)
        side = np.sign(lanes).where(lanes.notnull(), 0)
        np.testing.assert_array_equal(results.side, side.where(lanes != 0, results.side))
    for name in zoom.RATES:
        low, high = second[name].values[[0, -1]]
        coarse = np.array(first[name].attrs["coarse"])
        k = np.abs(np.log(coarse / low)).argmin()
        np.testing.assert_allclose([low, high], coarse[k : k + 2])
    monkeypatch.setattr(zoom, "ZOOMS", 0)
    monkeypatch.setattr(sys, "argv", ["zoom.py", "--quick", "--out", str(tmp_path / "again")])
    zoom.main()
    assert "times fewer" in capsys.readouterr().out
    assert (tmp_path / "again" / "zoom.png").exists()
