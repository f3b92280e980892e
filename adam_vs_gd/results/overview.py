"""What a sweep is, how far it has come, and its means: what `show` tells, to people and to scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd.problems import family_of_results
from adam_vs_gd.results.selection import complete, swept
from adam_vs_gd.results.statistics import census, over_seeds
from adam_vs_gd.results.time import moving, rest, to_rest, when
from adam_vs_gd.results.uneven import refinement, searches, told
from adam_vs_gd.results.words import drawn_first, outcomes, pending, shown


class Head(NamedTuple):
    """What a sweep is, and how far it has come.

    Attributes:
        title: its name.
        cells: of its results, of which
        computed: so many are there.
        axes: {dimension: its length}.
        fixed: {number: its value} of those that are the same everywhere.
        model: that is trained; None where it is not known, as for the next two.
        data: that it is trained on, in short.
        precision: of its numbers.
        time: at what time of their trainings lanes are, and how many are at rest.
        refined: what was looked for, a line each; empty where the grid is filled.
        versions: of what computed it, like the next two; None where it is not known.
        platform: cpu, gpu or tpu.
        device: its name.
    """

    title: str
    cells: int
    computed: int
    axes: Mapping[str, int]
    fixed: Mapping[str, float]
    model: str | None
    data: str | None
    precision: str | None
    time: tuple[str, ...]
    refined: tuple[str, ...]
    versions: str | None
    platform: str | None
    device: str | None


class Point(NamedTuple):
    """An optimizer at a point of the axes.

    Attributes:
        optimizer: its label.
        at: {axis: value there}.
        seeds: how many count.
        means: {variable: mean and 95 % interval over them}; NaN where none counts.
        exceptions: {status, or "not at rest": lanes} that are not as they should be.
    """

    optimizer: str
    at: Mapping[str, float]
    seeds: int
    means: Mapping[str, tuple[float, float, float]]
    exceptions: Mapping[str, int]


def overview(results: xr.Dataset) -> dict[str, Any]:
    """All that `show` tells as plain Python: `Head`, `statuses` by optimizer, `points`, and the `refinement`."""
    results = complete(results)
    names = "mean", "low", "high"
    rows = [point._asdict() for point in points(results)]
    for row in rows:
        row["means"] = {name: dict(zip(names, three, strict=True)) for name, three in row["means"].items()}
    return {**head(results)._asdict(), "refinement": refinement(results), "statuses": statuses(results), "points": rows}


def head(results: xr.Dataset) -> Head:
    """What a sweep is, and how far it has come."""
    results = complete(results)
    attrs = results.attrs
    return Head(
        attrs["title"], results.status.size, int((results.status != pending(results)).sum()),
        {dim: results.sizes[dim] for dim in ["optimizer", *swept(results), "seed"]},
        {str(name): coord.item() for name, coord in results.coords.items() if coord.ndim == 0},
        attrs.get("model"), family_of_results(results).brief(results) or None, attrs.get("precision"),
        tuple(filter(None, [when(results, drawn_first(results)), rest(results)])), tuple(told(results)),
        *(attrs.get(key) for key in ("versions", "platform", "device")),
    )  # fmt: skip


def statuses(results: xr.Dataset) -> dict[str, dict[str, int]]:
    """{optimizer: {status: lanes}}; of refined results without those that were never asked for."""
    (_, *found), *rows = census(results := complete(results))
    left_out = {"pending"} if searches(results) else set()
    return {label: {name: int(count) for name, count in zip(found, counts, strict=True) if name not in left_out}
            for label, *counts in rows}  # fmt: skip


def points(results: xr.Dataset) -> list[Point]:
    """Every optimizer at every point: means over seeds, intervals, and the statuses that are not as they should be."""
    summaries = {name: over_seeds(results, name) for name in shown(results)}
    known = outcomes(results)
    heads = [dim.removesuffix("_index") for dim in swept(results)]
    dims = ("optimizer", *swept(results))
    cells = results.status.isel(seed=0, drop=True)
    found = results.status.transpose(*dims, "seed").values
    own = (found != pending(results)).any(-1) if searches(results) else np.ones(cells.shape, bool)
    listed = lambda values: values.broadcast_like(cells).transpose(*dims).values[own].tolist()  # noqa: E731
    found = found[own]
    odd = {one.name: found == k for k, one in enumerate(known) if not one.good}
    odd |= {"not at rest": np.isin(found, moving(known))} if to_rest(results) else {}
    odd = {name: lanes for name, lanes in odd.items() if name != "pending" or not searches(results)}
    counts = np.array([lanes.sum(-1) for lanes in odd.values()], int).reshape(len(odd), len(found)).T.tolist()

    seeds = [listed(summary["seeds"]) for summary in summaries.values()]
    most = [max(here) for here in zip(*seeds, strict=True)] or [0] * len(found)
    means = [zip(*(listed(summary[name]) for name in ("mean", "low", "high")), strict=True)
             for summary in summaries.values()]  # fmt: skip
    at = list(zip(*(listed(results[name]) for name in heads), strict=True)) or [()] * len(found)
    of_cells = list(zip(*means, strict=True)) or [()] * len(found)
    return [
        Point(
            str(label), dict(zip(heads, here, strict=True)), count, dict(zip(summaries, three, strict=True)),
            {name: n for name, n in zip(odd, lanes, strict=True) if n},
        )
        for label, here, count, three, lanes in zip(
            listed(results.optimizer), at, most, of_cells, counts, strict=True
        )
    ]  # fmt: skip
