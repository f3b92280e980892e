"""The picture that suits the axes at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from adam_vs_gd.errors import PlotError
from adam_vs_gd.plot.diagram import phase_diagram
from adam_vs_gd.plot.lines import curves, trajectories
from adam_vs_gd.plot.picture import Picture
from adam_vs_gd.results.overlay import Overlay
from adam_vs_gd.results.selection import complete, select, swept


def suitable(
    results: xr.Dataset,
    x: str | None = None,
    y: str | None = None,
    value: str | None = None,
    optimizer: str | Sequence[str] | None = None,
    sel: Mapping[str, Any] | None = None,
    overlays: Sequence[Overlay] = (),
) -> Picture:
    """A phase diagram, curves, or trajectories: as many axes as are left decide.

    The arguments are those of `phase_diagram`; what is None is chosen.

    Raises:
        PlotError: as they do.
    """
    left = swept(select(complete(results), sel))
    if len(left) >= 2 or x or y:
        return phase_diagram(results, x, y, value, optimizer, sel, overlays=overlays)  # type: ignore[return-value]
    if left:
        return curves(results, value, optimizer, sel)  # type: ignore[return-value]
    if value:
        raise PlotError(f"{value}: nothing is swept, so there is only its trajectory; leave --value (value=) out")
    return trajectories(results, optimizer, sel)  # type: ignore[return-value]
