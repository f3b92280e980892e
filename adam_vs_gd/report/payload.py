"""What a page knows of a sweep: a header of words, and blobs of numbers. Every statistic of it is made here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm

from adam_vs_gd.plot.style import DIVERGING, SEQUENTIAL, colours
from adam_vs_gd.report.blob import Blob, rounded
from adam_vs_gd.report.words import symbol, written
from adam_vs_gd.results.axis import COARSE, axis_of
from adam_vs_gd.results.selection import choose_axes, swept
from adam_vs_gd.results.statistics import LEVEL, difference, over_seeds
from adam_vs_gd.results.uneven import owners, searches, there
from adam_vs_gd.results.words import SIDE, STATUS, chance, drawn_first, followed, is_rate, outcomes

PATH_NUMBERS = 6_000_000
"""Where the trajectories hold more numbers than this, not every recorded step is in the page."""
PATH_BITS = 11
MOST_PARTS = 16  # values of a variable at a lane that are shown, each by itself


class Payload(NamedTuple):
    """What a page knows of a sweep.

    Attributes:
        header: words, axes, and the places of the arrays in the blobs; fit for JSON.
        finals: status, and mean, interval and values of the seeds of every final variable.
        paths: trajectories of every lane, and their means.
    """

    header: dict[str, Any]
    finals: Blob
    paths: Blob


class Series(NamedTuple):
    """What a diagram may show: an optimizer, or how much higher a variable is for one than for another."""

    label: str
    optimizers: tuple[int, ...]


def payload(results: xr.Dataset) -> Payload:
    """What a page knows of a sweep.

    Args:
        results: the Dataset of a sweep.
    """
    finals, paths = Blob(), Blob()
    finals.add("status", ordered(results.status), "i1")
    labels = [str(label) for label in results.optimizer.values]
    series = list(series_of(labels))
    header = {
        "level": f"{LEVEL * 100:g} %",
        "optimizers": labels,
        "seeds": results.seed.values.tolist(),
        "statuses": [one.name for one in outcomes(results)],
        "good": [code for code, one in enumerate(outcomes(results)) if one.good],
        "hatches": [[one.name, one.hatch] for one in reversed(outcomes(results)) if one.hatch],
        "main": drawn_first(results),
        "axes": [{"name": dim, "size": results.sizes[dim], "symbol": symbol(results, dim)} for dim in swept(results)],
        "series": [
            {
                "label": one.label,
                "optimizers": one.optimizers,
                "axes": {dim: axis(results, one, dim) for dim in swept(results)},
            }
            for one in series
        ],
        "uneven": add_owners(finals, results, series),
        "variables": [add_variable(finals, results, series, *which) for which in drawable(results)],
        "trajectories": add_trajectories(paths, results),
        "initial": initial_axes(results),
        "colours": {name: shades(name) for name in (SEQUENTIAL, DIVERGING)},
    }
    return Payload(header | {"finals": finals.places, "paths": paths.places}, finals, paths)


def series_of(labels: list[str]) -> Iterator[Series]:
    """Every optimizer, and every two of them in their order."""
    for k, label in enumerate(labels):
        yield Series(label, (k,))
    for (i, first), (j, second) in itertools.combinations(enumerate(labels), 2):
        yield Series(f"{first} − {second}", (i, j))


def initial_axes(results: xr.Dataset) -> dict[str, int]:
    """Which axes a diagram has at first: those of `adam-vs-gd plot`."""
    axes = swept(results)
    if len(axes) < 2:
        return {"x": 0, "y": 0}
    x, y = choose_axes(results, None, None)
    return {"x": axes.index(x), "y": axes.index(y)}


def ordered(values: xr.DataArray) -> np.ndarray:
    """[optimizer, axes, seed, further dimensions] values."""
    last = [dim for dim in ("record", "test_record") if dim in values.dims]
    return values.transpose("optimizer", ..., "seed", *last).values


def axis(results: xr.Dataset, series: Series, dim: str) -> dict[str, Any]:
    """Where the values of an axis stand in a diagram, in coordinates in which it is even, and how each is written."""
    here = results.isel(optimizer=series.optimizers[0] if len(series.optimizers) == 1 else list(series.optimizers))
    found = axis_of(here, dim)
    texts = list(found.texts) or written(found.values)
    order = found.order.tolist()
    return {
        "name": found.name,
        "label": found.label.replace(found.symbol, symbol(results, dim)),
        "scale": found.scale,
        "at": found.forward(found.values[found.order]).tolist(),
        "edges": found.forward(found.edges).tolist(),
        "order": order,
        "ticks": found.ascending().names(),
        "texts": numbered(here, dim) if dim.endswith("_index") and found.name == dim else texts,
    }


def numbered(here: xr.Dataset, dim: str) -> list[str]:
    """Values that stand by their number, as each optimizer has its own or one has the same all along."""
    own = here[dim.removesuffix("_index")].values
    if own.ndim == 1:
        return [f"{text}, number {k}" for k, text in enumerate(written(own))]
    labels = here.optimizer.values
    return [", ".join(f"{label} {text}" for label, text in zip(labels, written(each), strict=True)) for each in own.T]


def add_owners(finals: Blob, results: xr.Dataset, series: list[Series]) -> bool:
    """Put into a blob which point each place of refined results shows, in each series; whether they are refined."""
    if not searches(results):
        return False
    dims = swept(results)
    axes = [axis_of(results, dim) for dim in dims]
    for k, one in enumerate(series):
        known = there(results).isel(optimizer=list(one.optimizers)).all("optimizer").transpose(*dims).values
        finals.add(f"owner/{k}", owners(axes, [results[dim].attrs[COARSE] for dim in dims], known))
    return True


def drawable(results: xr.Dataset) -> Iterator[tuple[str, dict[str, Any]]]:
    """(variable, {dimension of its own: value}) of all that has one number a lane, or a few."""
    cells = set(results.status.dims)
    for name, values in results.data_vars.items():
        own = [str(dim) for dim in values.dims if dim not in cells]
        few = all(dim in results.coords for dim in own) and np.prod([results.sizes[dim] for dim in own]) <= MOST_PARTS
        if name in (STATUS, SIDE) or {"record", "test_record"} & set(own) or not few:
            continue
        for at in itertools.product(*(results[dim].values.tolist() for dim in own)):
            yield str(name), dict(zip(own, at, strict=True))


def add_variable(
    finals: Blob, results: xr.Dataset, series: list[Series], name: str, at: dict[str, Any]
) -> dict[str, Any]:
    """Put a variable's numbers into a blob; returns its words and its scale of colours in each series."""
    key = ":".join([name, *map(str, at.values())])
    finals.add(key, ordered(results[name].sel(at, drop=True)))
    labels = [str(label) for label in results.optimizer.values]
    together = over_seeds(results, name)
    summaries = [together.isel(optimizer=k) for k in range(len(labels))]
    summaries += [
        difference(results, name, *(labels[k] for k in pair.optimizers)) for pair in series if len(pair.optimizers) > 1
    ]
    summaries = [summary.sel(at, drop=True) for summary in summaries]
    for k, summary in enumerate(summaries):
        for field in ("mean", "low", "high", "seeds"):
            finals.add(f"{key}/{k}/{field}", summary[field].transpose(*swept(results)).values)
    alone = np.concatenate([summary["mean"].values.ravel() for summary in summaries[: len(labels)]])
    return {
        "name": key,
        "label": ", ".join([results[name].attrs["long_name"], *(f"{dim} {value}" for dim, value in at.items())]),
        "scales": [
            scale(results, name, summary["mean"].values, is_difference=True)
            if len(each.optimizers) > 1
            else scale(results, name, alone, is_difference=False)
            for each, summary in zip(series, summaries, strict=True)
        ],
    }


def scale(results: xr.Dataset, name: str, means: np.ndarray, *, is_difference: bool) -> dict[str, Any]:
    """The colours of a variable's means, or of a difference's; and the error of guessing."""
    rate = is_rate(results, name)
    colour_map, norm = colours(means, error=rate, difference=is_difference)
    kind = "log" if isinstance(norm, LogNorm) else "error" if rate and not is_difference else "linear"
    ends = {"low": float(norm.vmin or 0), "high": float(norm.vmax or 0)}
    return {"map": colour_map, "kind": kind, **ends, **({"chance": chance(results)} if kind == "error" else {})}


def shades(colour_map: str) -> str:
    """256 colours of a map, six hexadecimal digits each."""
    return np.asarray(mpl.colormaps[colour_map](np.arange(256), bytes=True))[:, :3].tobytes().hex()


def add_trajectories(paths: Blob, results: xr.Dataset) -> dict[str, Any] | None:
    """Put the trajectories, if any, and their means over seeds into a blob, thinned where there are too many."""
    rows = followed(results)
    names = [
        name for row in rows for name in row.names if {"record", "test_record"} & set(results[f"{name}_path"].dims)
    ]
    if not names:
        return None
    count = results.sizes["record"]
    lanes = results.status.size * (1 + 1 / results.sizes["seed"])
    most = max(2, int(PATH_NUMBERS / (lanes * len(names))))
    if count > most:
        results = results.isel(record=np.unique(np.linspace(0, count - 1, most).round().astype(int)))
    for name in names:
        values = results[f"{name}_path"]
        mean = over_seeds(results, str(values.name))["mean"]
        last = next(dim for dim in ("record", "test_record") if dim in values.dims)
        paths.add(name, rounded(ordered(values), PATH_BITS))
        paths.add(f"{name}/mean", rounded(mean.transpose("optimizer", *swept(results), last).values, PATH_BITS))
    return {
        "variables": {
            name: results[f"{name}_path"].attrs["long_name"].removesuffix(" along the training") for name in names
        },
        "rows": [
            {
                "title": row.title,
                "names": row.names,
                **({"log": True} if row.log else {}),
                **({"range": [0, 1]} if all(is_rate(results, name) for name in row.names) else {}),
            }
            for row in rows
        ],
        "coarse": [name for name in names if "test_record" in results[f"{name}_path"].dims],
        "steps": steps(results, "step"),
        "test_steps": steps(results, "test_step"),
        "kept": results.sizes["record"],
        "recorded": count,
        "digits": PATH_BITS,
    }


def steps(results: xr.Dataset, name: str) -> list[list[int]]:
    """The steps of the trajectories: one list, or one for each value of the axis `steps`."""
    return np.atleast_2d(results[name].values).tolist() if name in results.coords else [[]]
