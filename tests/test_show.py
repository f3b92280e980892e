"""The diagram in letters."""

import numpy as np
import small
from small import STATUSES

from adam_vs_gd import show
from adam_vs_gd.results.dataset import to_dataset

TWO = {"data": {"alpha": [0.0, 0.2, 0.4], "s": [2, 8, 32]}}


def made(**keys):
    """A sweep whose errors are 0.1, 0.2, ... along alpha, and a third of that along s, all fitted."""
    results = to_dataset(small.spec(**(TWO | keys)), [])
    error = results.test_error.fillna(0) + (results.alpha * 2.4) + results.s / 800
    results["test_error"] = error.transpose(*results.test_error.dims)
    results["status"] = results.status.copy(data=np.full(results.status.shape, STATUSES.index("fitted"), np.int8))
    return results


def lines(results, width=80):
    return [text.plain.splitlines() for text in show.heatmaps(results, width)]


def test_a_line_a_value_upwards_and_hundredths_in_each_cell():
    adam, gd, _ = lines(made())
    assert adam[0] == "test error of adam: s upwards, alpha from 0 to 0.4"
    assert adam[1:] == ["32  .04 .52 1.0 ", " 8  .01 .49 .97 ", " 2  .00 .48 .96 ", "    0       0.4"]
    assert gd[1:] == adam[1:]


def test_what_is_not_computed_or_not_fitted_says_so():
    results = made()
    for status, where in (("pending", 0), ("undertrained", 1), ("collapsed", 2)):
        results["status"][{"optimizer": 0, "s": 2, "alpha": where}] = STATUSES.index(status)
    results["status"][{"optimizer": 0, "s": 1, "alpha": 0, "seed": 0}] = STATUSES.index("pending")
    adam = lines(results)[0]
    assert adam[1:3] == ["32   .  .52u -c ", " 8  .01p.49 .97 "]


def test_where_there_is_no_room_a_letter_a_cell():
    results = made()
    results["status"][{"optimizer": 0, "s": 0, "alpha": 0}] = STATUSES.index("pending")
    results["status"][{"optimizer": 0, "s": 0, "alpha": 1}] = STATUSES.index("diverged")
    assert lines(results, width=12)[0][1:] == ["32  059", " 8  049", " 2  .x9"]
    results["status"][{"optimizer": 0, "s": 2, "seed": 0}] = STATUSES.index("pending")
    assert lines(results, width=12)[0][1] == "32  059", "a running sweep has a picture"


def test_colours_are_for_terminals_and_never_needed():
    (adam, *_) = show.heatmaps(made(), 80)
    styles = {adam.plain[span.start : span.end].strip(): str(span.style) for span in adam.spans}
    assert styles[".00"] == f"white on {show.VIRIDIS[0]}"
    assert styles["1.0"] == f"black on {show.VIRIDIS[9]}"


def test_further_axes_are_named_and_too_many_are_left_to_pictures():
    found = lines(made(train={"lam": [0.0, 0.1, 0.2]}))
    assert [block[0] for block in found[:2]] == [
        f"test error of {name}, lam = 0: s upwards, alpha from 0 to 0.4" for name in ("adam", "gd")
    ]
    assert len(found) == show.MAX_HEATMAPS + 1
    assert found[-1][0] == "2 more panels: adam-vs-gd plot"


def test_one_axis_has_no_diagram():
    assert lines(made(data={"s": 3, "alpha": [0.0, 0.1]})) == []
