"""What is measured of a network on images. No JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from adam_vs_gd.problem import RECORD, Dim, Variable
from adam_vs_gd.problems.images.numbers import FILTER_SIDE, IMAGE_SETS, set_of
from adam_vs_gd.problems.learning.variables import ERRORS, NORMS, OBJECTIVE_CHANGE

if TYPE_CHECKING:
    from adam_vs_gd.spec.sweep_spec import SweepSpec

NOISINESS: Mapping[str, Variable] = {
    "high_frequency": Variable("share of a filter's power at high frequencies", r"$P_{|f|>1/4}/P$", grid=RECORD),
    "spectral_entropy": Variable("spectral entropy of a filter", r"$H/\ln k^2$", grid=RECORD),
    "total_variation": Variable("total variation of a filter over its norm", r"$\mathrm{TV}(w)/\|w\|$", grid=RECORD),
    "neighbour_correlation": Variable("correlation of a filter's neighbouring weights", r"$\rho_1$", grid=RECORD),
    "learned_high_frequency": Variable(
        "share of power at high frequencies of what a filter has moved from its start",
        r"$P_{|f|>1/4}/P$ of $w-w_0$",
        grid=RECORD,
    ),
    "start_overlap": Variable("cosine between the filters and their start", r"$\cos(w, w_0)$", grid=RECORD),
    "live_filters": Variable("filters of at least a hundredth of the largest norm", r"$m_\mathrm{live}$", grid=RECORD),
    "filter_norm": Variable("root mean square of the filters' norms", r"$\|w_r\|$", grid=RECORD),
}
FILTERS = {"filters": Variable("filters of the first layer", r"$w_r$", ("filter_y", "filter_x", "channel", "filter"))}


def variables(spec: SweepSpec | None) -> dict[str, Variable]:
    """Those of a sweep."""
    return {**ERRORS, **NORMS, **NOISINESS, "objective_change": OBJECTIVE_CHANGE, **FILTERS}


def dims(spec: SweepSpec) -> dict[str, Dim]:
    """Of the filters; those of a width that is swept are of no one shape."""
    width = spec.model["width"]
    return {
        "filter_y": Dim(FILTER_SIDE),
        "filter_x": Dim(FILTER_SIDE),
        "channel": Dim(IMAGE_SETS[set_of(spec.data["images"])].channels),
        "filter": Dim(None if isinstance(width, tuple) else width),
    }
