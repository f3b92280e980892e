"""What the panels of a diagram show, before anything is drawn or written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adam_vs_gd.errors import PlotError
from adam_vs_gd.problem import Outcome
from adam_vs_gd.results.axis import COARSE, Axis, axis_of
from adam_vs_gd.results.selection import FIXED, swept
from adam_vs_gd.results.statistics import codes, difference, over_seeds
from adam_vs_gd.results.time import at_end, moving, to_rest
from adam_vs_gd.results.uneven import owners, searches, sides
from adam_vs_gd.results.words import outcomes

if TYPE_CHECKING:
    import xarray as xr

Labels = tuple[str, ...]
"""The optimizer that a panel is of, or the two whose difference it shows."""


class Panel(NamedTuple):
    """The cells of one panel, or the points of one curve.

    Attributes:
        labels: whose it is.
        fixed: {further axis: its value here}.
        axes: the axes of the arrays, ascending: (y, x) of a diagram, (x,) of a curve.
        interval: `mean`, `low`, `high`, `seeds` on these dimensions.
        counts: [..., statuses] how many seeds have each status; of a difference, a pair's lesser.
        outcomes: the statuses.
        asked: whether it shows the end of lanes that were trained until they are at rest.
        own: of refined results, which cells have lanes of their own; the others show those of the nearest.
        side: on which side of the level that was looked for cells are; None where none was.
    """

    labels: Labels
    fixed: Mapping[str, str]
    axes: tuple[Axis, ...]
    interval: xr.Dataset
    counts: np.ndarray
    outcomes: tuple[Outcome, ...]
    asked: bool = False
    own: np.ndarray | None = None
    side: np.ndarray | None = None

    @property
    def marked(self) -> np.ndarray:
        """Which cells are marked and told by themselves."""
        return np.ones(self.counts.shape[:-1], bool) if self.own is None else self.own

    @property
    def name(self) -> str:
        """The optimizer, or the difference."""
        return " - ".join(self.labels)

    @property
    def title(self) -> str:
        """The same for a picture."""
        return plain(" − ".join(self.labels))

    @property
    def is_difference(self) -> bool:
        """Whether it shows one optimizer less another."""
        return len(self.labels) == 2

    @property
    def good(self) -> np.ndarray:
        """Whether nothing is to be said of any seed."""
        return self.counts[..., [outcome.good for outcome in self.outcomes]].sum(-1) == self.counts.sum(-1)

    @property
    def moving(self) -> np.ndarray:
        """How many seeds nothing is to be said of, but that they are not at rest though they were to come to it."""
        return self.counts[..., moving(self.outcomes)].sum(-1) * self.asked

    def numbers(self, value: str) -> Iterator[dict[str, Any]]:
        """A row a cell."""
        for index in zip(*np.nonzero(self.marked), strict=True):
            at = {
                axis.name: axis.texts[i] if axis.texts else float(axis.values[i])
                for axis, i in reversed(list(zip(self.axes, index, strict=True)))
            }
            here = {name: self.interval[name].values[index] for name in ("mean", "low", "high", "seeds")}
            found = dict(zip((one.name for one in self.outcomes), self.counts[index].tolist(), strict=True))
            yield {"optimizer": self.name, **self.fixed, **at, "variable": value, **here, **found}


def shown(results: xr.Dataset, optimizer: str | Sequence[str] | None) -> list[Labels]:
    """Whose panels are asked for.

    Args:
        results: the Dataset of a sweep.
        optimizer: labels, or differences as "adam - gd". By default every optimizer, and where there are two, the
            difference of the first and the second; of refined results those whose boundary was looked for.

    Raises:
        PlotError: if there is no such optimizer.
    """
    known = [str(label) for label in results.optimizer.values]
    if optimizer is None and (looked_for := searches(results)):
        return list(dict.fromkeys(tuple(one["labels"]) for one in looked_for if set(one["labels"]) <= set(known))) or [
            (label,) for label in known
        ]
    if optimizer is None:
        return [*((label,) for label in known), *([tuple(known)] if len(known) == 2 else [])]
    asked = [optimizer] if isinstance(optimizer, str) else list(optimizer)
    if not asked:
        raise PlotError(f"optimizer = []: name at least one; there are {', '.join(known)}")
    return [labels_in(text, known) for text in asked]


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
    points = [dict(zip(others, at, strict=True)) for at in np.ndindex(*(results.sizes[dim] for dim in others))]
    alone = over_seeds(results, value)
    fixed, known, asked = results.attrs.get(FIXED, {}), outcomes(results), to_rest(results) and at_end(value)
    rows: list[list[Panel]] = [[] for _ in points]
    uneven = bool(searches(results))
    side = next((sides(results, value, one["level"]) for one in searches(results) if "level" in one), None)
    for labels in of:
        lanes = results.sel(optimizer=labels[0] if len(labels) == 1 else list(labels))
        interval = (
            difference(results, value, *labels) if len(labels) == 2 else alone.sel(optimizer=labels[0], drop=True)
        )
        statuses = codes(results, *labels)
        further = {dim: axis_of(lanes, dim) for dim in others}
        along = {dim: axis_of(lanes, dim) for dim in dims}
        order = {dim: axis.order for dim, axis in along.items()}
        for row, point in zip(rows, points, strict=True):
            here = statuses.isel(point).isel(order).transpose(*dims, "seed").values
            panel = Panel(
                labels,
                fixed | {axis.name: axis.name_of(point[dim]) for dim, axis in further.items()},
                tuple(axis.ascending() for axis in along.values()),
                interval.isel(point).isel(order).transpose(*dims),
                np.stack([(here == code).sum(-1) for code in range(len(known))], -1),
                known,
                asked,
            )
            if side is not None and len(labels) == 1:
                told = side.sel(optimizer=labels[0]).isel(point).isel(order).transpose(*dims)
                panel = panel._replace(side=told.values)
            row.append(filled(panel, [results[dim].attrs[COARSE] for dim in dims]) if uneven else panel)
    return rows


def filled(panel: Panel, coarse: Sequence[Sequence[float]]) -> Panel:
    """A panel of refined results: cells without lanes show those of the nearest that has; see `owners`."""
    absent = next(code for code, one in enumerate(panel.outcomes) if one.name == "pending")
    counts = panel.counts.copy()
    own = counts.sum(-1) > counts[..., absent]
    counts[own, absent] = 0  # seeds that were not asked for
    owner = owners(panel.axes, coarse, own)
    interval = panel.interval.map(lambda each: each.copy(data=each.values.ravel()[owner]))
    counts = counts.reshape(-1, counts.shape[-1])[owner]
    side = None if panel.side is None else panel.side.ravel()[owner]
    return panel._replace(interval=interval, counts=counts, own=own, side=side)


def where(fixed: Mapping[str, str], results: xr.Dataset) -> list[str]:
    """A place along further axes, in their symbols."""
    symbols = {key: results[key].attrs.get("symbol") or key if key in results.coords else key for key in fixed}
    return [f"{symbols[key]} = {plain(text)}" for key, text in fixed.items()]


def plain(text: str) -> str:
    """Somebody's words so that matplotlib takes them for words, and not for mathematics."""
    return text.replace("$", r"\$")
