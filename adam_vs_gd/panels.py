"""What the panels of a diagram show, before anything is drawn or written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd.axis import Axis, axis_of
from adam_vs_gd.errors import PlotError
from adam_vs_gd.selection import swept
from adam_vs_gd.statistics import difference, over_seeds, statuses
from adam_vs_gd.variables import STATUSES

Labels = tuple[str, ...]
"""The optimizer that a panel is of, or the two whose difference it shows."""


class Panel(NamedTuple):
    """The cells of one panel, or the points of one curve.

    Attributes:
        labels: whose it is.
        fixed: {further axis: its value here}.
        axes: the axes of the arrays: (y, x) of a diagram, (x,) of a curve.
        interval: `mean`, `low`, `high`, `seeds` on these dimensions.
        counts: [..., statuses] how many seeds have each status; of a difference, a pair's lesser.
    """

    labels: Labels
    fixed: Mapping[str, Any]
    axes: tuple[Axis, ...]
    interval: xr.Dataset
    counts: np.ndarray

    @property
    def name(self) -> str:
        """The optimizer, or the difference."""
        return " - ".join(self.labels)

    @property
    def is_difference(self) -> bool:
        """Whether it shows one optimizer less another."""
        return len(self.labels) == 2

    def counted(self, *names: str) -> np.ndarray:
        """How many seeds have one of these statuses."""
        return self.counts[..., [STATUSES.index(name) for name in names]].sum(-1)

    def numbers(self, value: str) -> Iterator[dict[str, Any]]:
        """A row a cell."""
        for index in itertools.product(*(range(len(axis.values)) for axis in self.axes)):
            at = {
                axis.name: axis.texts[i] if axis.texts else float(axis.values[i])
                for axis, i in reversed(list(zip(self.axes, index, strict=True)))
            }
            here = {name: self.interval[name].values[index] for name in ("mean", "low", "high", "seeds")}
            found = dict(zip(STATUSES, self.counts[index].tolist(), strict=True))
            yield {"optimizer": self.name, **self.fixed, **at, "variable": value, **here, **found}


def shown(results: xr.Dataset, optimizer: str | Sequence[str] | None) -> list[Labels]:
    """Whose panels are asked for.

    Args:
        results: the Dataset of a sweep.
        optimizer: labels, or differences as "adam - gd". By default every optimizer, and where there are two, the
            difference of the first and the second.

    Raises:
        PlotError: if there is no such optimizer.
    """
    known = [str(label) for label in results.optimizer.values]
    if optimizer is None:
        return [*((label,) for label in known), *([tuple(known)] if len(known) == 2 else [])]
    return [labels_in(text, known) for text in ([optimizer] if isinstance(optimizer, str) else optimizer)]


def labels_in(text: str, known: Sequence[str]) -> Labels:
    """A label, or the two that a difference names; a label may have a minus in it."""
    if text in known:
        return (text,)
    for i in (i for i, letter in enumerate(text) if letter in "-−"):
        first, second = text[:i].strip(), text[i + 1 :].strip()
        if first in known and second in known:
            return first, second
    raise PlotError(
        f"optimizer = {text}: not in these results; there are {', '.join(known)}, and differences such as "
        f"'{known[0]} - {known[-1]}'"
    )


def panels(results: xr.Dataset, dims: Sequence[str], value: str, of: Sequence[Labels]) -> list[list[Panel]]:
    """Panels over some axes: a row for each point of the further axes, a column for each of `of`.

    Args:
        results: the Dataset of a sweep.
        dims: the axes of a panel: (y, x) or (x,).
        value: a variable without dimensions of its own.
        of: whose, see `shown`.
    """
    others = [dim for dim in swept(results) if dim not in dims]
    points = [
        dict(zip(others, at, strict=True)) for at in itertools.product(*(range(results.sizes[d]) for d in others))
    ]
    alone = over_seeds(results, value)
    rows: list[list[Panel]] = [[] for _ in points]
    for labels in of:
        lanes = results.sel(optimizer=labels[0] if len(labels) == 1 else list(labels))
        interval = (
            difference(results, value, *labels) if len(labels) == 2 else alone.sel(optimizer=labels[0], drop=True)
        )
        codes = statuses(results, *labels)
        fixed = {dim: axis_of(lanes, dim) for dim in others}
        for row, point in zip(rows, points, strict=True):
            here = lanes.isel(point)
            counted = codes.isel(point).transpose(*dims, "seed").values
            row.append(
                Panel(
                    labels,
                    {a.name: a.texts[point[d]] if a.texts else float(a.values[point[d]]) for d, a in fixed.items()},
                    tuple(axis_of(here, dim) for dim in dims),
                    interval.isel(point).transpose(*dims),
                    np.stack([(counted == code).sum(-1) for code in range(len(STATUSES))], -1),
                )
            )
    return rows


def title(panel: Panel, results: xr.Dataset) -> str:
    """Whose a panel is, and where along the further axes."""
    symbols = {dim: results[dim].attrs.get("symbol", dim) if dim in results.coords else dim for dim in panel.fixed}
    at = [f"{symbols[d]} = {v:.4g}" if isinstance(v, float) else f"{d} = {v}" for d, v in panel.fixed.items()]
    return ", ".join([panel.name.replace(" - ", " − "), *at])
