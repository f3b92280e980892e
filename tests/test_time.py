"""At what time of its trainings a result is, and which lanes are at rest: said by pictures, `show` and the page."""

import functools

import numpy as np
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd.report import facts
from adam_vs_gd.results.panels import panels
from adam_vs_gd.results.time import count, rest, when
from adam_vs_gd.show import summary

FITTED, CONVERGED = (small.STATUSES.index(name) for name in ("fitted", "converged"))


@functools.cache
def to_rest():
    """A sweep to rest of which the statuses are ours: a cell at rest, a mixed one, one that moves, one undertrained."""
    spec = small.spec(steps=20, record=4, data={"alpha": [0.0, 0.3], "s": [5, 10]}, train={"until": "rest"},
                      optimizers={"adam": {}})  # fmt: skip
    results = ag.run_sweep(spec, quiet=True)
    codes = np.array([[[6, 6], [6, 5]], [[5, 5], [4, 4]]])
    by_cell = results.status.isel(optimizer=0).transpose("s", "alpha", "seed").copy(data=codes)
    status = by_cell.expand_dims(optimizer=results.optimizer).transpose(*results.status.dims)
    rested = results.rest_step.copy(data=np.where(status == CONVERGED, 17.0, -1.0))
    return results.assign(status=status.assign_attrs(results.status.attrs).astype(np.int8), rest_step=rested)


@pytest.mark.parametrize(("steps", "text"), [(10_000, "10⁴"), (100_000, "10⁵"), (30_000, "30,000"), (100, "100")])
def test_powers_of_ten_are_said_as_such(steps, text):
    assert count(steps) == text


def test_a_value_says_its_time():
    snapshot = ag.run_sweep(small.spec(steps=20), quiet=True)
    assert when(snapshot, "test_error") == "after 20 steps"
    assert "was not asked" in rest(snapshot)
    assert when(to_rest(), "test_error") == "at rest, or after 20 steps"
    assert when(to_rest(), "test_error_at_fit") == ""
    assert rest(to_rest()) == "3 of 8 lanes at rest, since step 17 in the median (17 to 17)"
    lengths = ag.run_sweep(small.spec(steps=[10, 20]), quiet=True)
    assert when(lengths, "test_error") == "", "each cell has its own"


def test_cells_that_move_are_counted_at_the_end_alone():
    """Seeds that are fitted and not at rest; not in a picture of an earlier time, and not in a snapshot."""
    ((panel,),) = panels(to_rest(), ("s", "alpha"), "test_error", [("adam",)])
    assert panel.moving.tolist() == [[0, 1], [2, 0]]
    ((early,),) = panels(to_rest(), ("s", "alpha"), "test_error_at_fit", [("adam",)])
    assert not early.moving.any()
    ((snapshot,),) = panels(to_rest().drop_vars("rest_step"), ("s", "alpha"), "test_error", [("adam",)])
    assert not snapshot.moving.any()


def test_pictures_say_both():
    """A tilde in each of the two cells, the time on the bar; a cell of fitted and converged seeds needs no fraction."""
    figure = ag.plot.phase_diagram(to_rest(), optimizer="adam")
    panel = figure.axes[0]
    tildes = [line for line in panel.lines if line.get_marker() == r"$\sim$"]
    assert sorted((float(x), float(y)) for line in tildes for x, y in line.get_xydata()) == [(0.0, 10.0), (0.3, 5.0)]
    words = " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    assert "at rest, or after 20 steps" in words.replace("\xa0", " ").replace("\n", " ")
    assert "not all seeds at rest" in words
    assert "2/2" not in words
    curve = ag.plot.curves(to_rest(), sel={"s": 5})
    assert "at rest, or after 20 steps" in curve.axes[0].get_ylabel().replace("\n", " ")
    assert "open: not all converged" in " ".join(
        text.get_text() for text in curve.findobj(match=lambda a: hasattr(a, "get_text"))
    )


def test_show_and_page_count_them():
    text = summary(to_rest(), 100).plain
    assert "time   at rest, or after 20 steps, 3 of 8 lanes at rest" in text
    assert "not converged" in text
    assert text.count("1 not at rest") == 1
    assert text.count("2 not at rest") == 1
    assert "3 of 8 lanes at rest" in facts.summary(to_rest())
