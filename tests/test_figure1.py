"""Figure 1 end to end at a small size, and what is chosen and said from made-up results."""

import numpy as np
import pytest
import xarray as xr
from small import STATUSES

from adam_vs_gd import cli
from adam_vs_gd.experiments import figure1
from adam_vs_gd.experiments import figure1_tables as tables
from adam_vs_gd.experiments.figure1_picture import mosaic

LABELS = list(figure1.OPTIMIZERS)
SMALL = figure1.Setting(
    width=2, batch_size=12, epochs=2, held_out=540, n=72, lams=(0.1,),
    etas={"adam": (1e-3, 1e30), "sgd": (0.01, 0.02), "sgd_momentum": (0.002, 0.005)},
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(what `reproduce figure1` prints, its folder) at a size of seconds."""
    out = tmp_path_factory.mktemp("figure1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(figure1.SETTINGS, "textures", SMALL)
        patch.delitem(figure1.OPTIMIZERS, "sgd_momentum")  # a third of what is compiled
        patch.delitem(tables.NAMES, "sgd_momentum")
        patch.setattr(tables, "OTHERS", ("sgd",))
        text = figure1.reproduce(out, seeds=2, quiet=True)
        again = figure1.reproduce(out, seeds=2, quiet=True)
    assert text == again
    return text, out


def test_it_says_which_data_what_was_tuned_and_what_came_out(run):
    text, out = run
    assert text.startswith("Images: textures: 1,620 training and 540 test crops")
    for word in ("At the tuned η and λ", "Adam less SGD", "At every λ", "Tuning"):
        assert word in text, word
    assert "1e+30: diverged" in text
    assert (out / "figure1.md").read_text(encoding="utf-8").strip() in text
    head, _, *rows = text.split("## At the tuned η and λ\n\n")[1].split("\n\n")[0].splitlines()
    assert [row.split("|")[1].strip() for row in rows] == ["Adam", "SGD", "at the start", "white noise"]
    for measure in (*tables.NOISIER, "test_error", "weight_norm"):
        assert measure.replace("_", " ") in head


def test_pictures_come_with_their_numbers(run):
    _, out = run
    for name in ("figure1", "figure1-lambda"):
        assert (out / f"{name}.png").stat().st_size > 20_000
        assert (out / f"{name}.pdf").stat().st_size > 5_000
    rows = (out / "figure1.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * SMALL.width
    rows = (out / "figure1-lambda.csv").read_text().splitlines()
    assert len(rows) == 1 + 6 * 2 * len(SMALL.lams)


def made(errors):
    """A tuning in which (optimizer, eta_index, lam) errors stayed the same all along; NaN for a diverged lane."""
    errors = np.asarray(errors, float)[..., None]
    status = np.where(np.isnan(errors), STATUSES.index("diverged"), STATUSES.index("fitted"))
    dims = ("optimizer", "eta_index", "lam", "seed")
    path = np.repeat(errors[..., None], 6, -1)
    path[..., 0] = 0.9
    return xr.Dataset(
        {"status": (dims, status), "test_error_path": ((*dims, "test_record"), path)},
        {
            "optimizer": LABELS, "lam": [0.0, 0.01, 0.1], "seed": [0],
            "eta": (("optimizer", "eta_index"), [[1e-4, 1e-3], [0.01, 0.1], [0.001, 0.01]]),
        },
    )  # fmt: skip


ERRORS = [
    [[0.3, 0.2, 0.5], [0.2, np.nan, 0.4]],
    [[0.5, 0.5, 0.5], [0.6, 0.4, 0.4]],
    [[0.3, 0.3, 0.3], [0.1, 0.4, 0.4]],
]


def test_the_least_held_out_error_chooses_and_a_diverged_lane_never():
    tuned = made(ERRORS)
    etas = figure1.chosen_etas(tuned)
    assert etas.sel(optimizer="adam").values.tolist() == [1e-3, 1e-4, 1e-3]
    assert etas.sel(optimizer="sgd").values.tolist() == [0.01, 0.1, 0.1]
    best = figure1.chosen_lams(tuned)
    assert best == {"adam": 0.01, "sgd": 0.1, "sgd_momentum": 0.0}
    text = tables.tuning(tuned, figure1.held_out_errors(tuned), best)
    assert "| Adam | **0.01** | **0.0001: 0.200** | 0.001: diverged |" in text
    assert "| Adam | 0.1 | 0.0001: 0.500 | **0.001: 0.400** |" in text
    assert "λ = 0.1 of SGD" in text.split("at an edge of what was tried: ")[1]


def test_where_all_have_diverged_the_smallest_is_trained_and_shown_as_diverged():
    tuned = made(np.full((3, 2, 3), np.nan))
    assert (figure1.chosen_etas(tuned) == tuned.eta.isel(eta_index=0)).all()
    lost = final({"adam": np.nan, "sgd": 0.5, "sgd_momentum": 0.5})
    lost["status"][0] = STATUSES.index("diverged")
    assert "λ = tuned: 0, 0.1: undecided" in tables.verdict(lost, BEST)
    assert mosaic(np.full((4, 11, 11, 3), np.nan)).min() == 1


def final(noise, spread=1e-3):
    """Trainings in which a label's measures are `noise` of it, in the direction of noise, with little spread."""
    dims, rng = ("optimizer", "lam", "seed"), np.random.default_rng(0)
    values = np.array([[[noise[label]] * 4] * 2 for label in LABELS]) + spread * rng.normal(size=(3, 2, 4))
    names = (*tables.SIZES, *tables.WHENCE, *tables.NOISIER)
    found = {name: (dims, values * tables.NOISIER.get(name, 1)) for name in names}
    found |= {f"{name}_path": ((*dims, RECORDS.get(name, "record")), along(name, found[name][1])) for name in found}
    found["status"] = (dims, np.full(values.shape, STATUSES.index("fitted")))
    coords = {"optimizer": LABELS, "lam": [0.0, 0.1], "seed": range(4), "step": ("record", [0, 10, 20])}
    return xr.Dataset(found, coords)


RECORDS = {"test_error": "test_record"}


def along(name, values):
    """Three looks at a training: training errors come down, measures of noise fall by a quarter each time."""
    factors = {"train_error": [2.0, 1.1, 1.0]}.get(name, [1.5, 1.25, 1.0])
    return values[..., None] * np.array(factors)


BEST = {"adam": 0.0, "sgd": 0.1, "sgd_momentum": 0.0}


def test_the_verdict_follows_the_intervals():
    text = tables.verdict(final({"adam": 0.7, "sgd": 0.5, "sgd_momentum": 0.8}), BEST)
    assert "against SGD, λ = tuned: 0, 0.1: noisier (4 of 4 measures noisier, 0 smoother)" in text
    assert "against SGD with momentum, λ = tuned: 0, 0: smoother (0 of 4" in text
    assert "an accuracy of at least 0.199" in text or "an accuracy of at least 0.2" in text
    same = tables.verdict(final({"adam": 0.5, "sgd": 0.5, "sgd_momentum": 0.5}, 0), BEST)
    assert same.count(": undecided (0 of 4") == 8


def test_filters_are_also_compared_at_the_same_training_error():
    """SGD ends at 0.5, which Adam has at its second look already, where its filters are noisier than at its end."""
    made_up = final({"adam": 0.45, "sgd": 0.5, "sgd_momentum": 0.5}, 0)
    text = tables.verdict(made_up, BEST)
    assert "λ = tuned: 0, 0.1: smoother" in text
    assert "λ = tuned: 0, 0.1, when first at training error ≤ 0.500 (steps 10 and 20): noisier" in text


def test_filters_keep_their_places_colours_and_scale():
    filters = np.zeros((5, 11, 11, 3))
    filters[0, 0, 0] = [2.0, -1.0, 0.0]
    filters[4] = 1e-3
    canvas = mosaic(filters)
    assert canvas.shape == (23, 35, 3)
    np.testing.assert_allclose(canvas[0, 0], [1.0, 0.25, 0.5])
    np.testing.assert_allclose(canvas[5, 5], 0.5)
    assert (canvas[:11, 12:] == 1).all(), "a filter of no norm has no picture"
    assert (canvas[12:, 12:23] == 1).all(), "nor has one that has vanished beside the others"
    grey = mosaic(np.ones((1, 11, 11, 1)))
    assert grey.shape == (11, 11, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure1", "--data", "cifar10:/nowhere/at-all"], "/nowhere/at-all"),
        (["figure1", "--data", "cifar"], "did you mean cifar10"),
        (["figure1", "--download"], "--download is for cifar10"),
        (["table1", "--data", "textures"], "--data: means something only with figure1"),
        (["figure2", "--download"], "--download: means something only with figure1"),
    ],
)
def test_bad_input_is_told_before_anything_is_made(arguments, message, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["reproduce", *arguments, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
