"""The reference of results: every variable, coordinate and status, from what the families declare."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from _ext.markdown import math, named, table
from adam_vs_gd.problem import Family, Outcome, Variable
from adam_vs_gd.problems import KNOWN, MODELS, family_named
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.types import AT_FIT, AT_REST

FAMILIES: Mapping[str, str] = {"two_patch": "Two patches", "images": "Images"}
HEAD = ("variable", "symbol", "meaning", "dimensions", "units", "trajectory")
MOMENTS = {AT_FIT: "at t_fit", AT_REST: "at rest"}


def markdown() -> str:
    """The page below its introduction."""
    families = {family_named(name): title for name, title in FAMILIES.items()}
    return "\n".join([*(of_family(*item) for item in families.items()), coordinates(families), statuses()])


def nothing_computed(family: Family) -> xr.Dataset:
    """The Dataset of a sweep of a family, as it is before the first chunk."""
    model = next(model for model, its in MODELS.items() if its == family.name)
    return to_dataset(SweepSpec(model={"name": model}, seeds=1, optimizers={"adam": {"eta": [1e-4, 1e-3]}}), [])


def of_family(family: Family, title: str) -> str:
    """The variables of a family, of sweeps to rest and of others."""
    everything, usual = family.variables(None), nothing_computed(family)
    text = f"## {title}\n\n" + table(HEAD, [row(family, *item) for item in everything.items() if item[0] in usual])
    later = {name: variable for name, variable in everything.items() if name not in usual}
    moments = {end: [name for name in later if name.endswith(end)] for end in MOMENTS}
    alone = [row(family, *item) for item in later.items() if not item[0].endswith(tuple(MOMENTS))]
    text += f'### To rest\n\nWith `until = "rest"` there are, too,\n\n{table(HEAD, alone)}' if alone else ""
    for end, names in moments.items():
        listed = ", ".join(named(name, f"{family.name}.{name}") for name in names)
        text += f"and what is measured, {MOMENTS[end]}: {listed}.\n\n" if names else ""
    return text


def row(family: Family, name: str, variable: Variable) -> tuple[str, ...]:
    """What is said of a variable."""
    dims = ", ".join(f"`{dim}`" for dim in variable.dims)
    path = f"`{variable.grid}`" if variable.grid else ""
    meaning = variable.long_name + (f"; of `{variable.rate}` examples" if variable.rate else "")
    return named(name, f"{family.name}.{name}"), math(variable.symbol), meaning, dims, variable.units, path


def coordinates(families: Mapping[Family, str]) -> str:
    """The dimensions and coordinates of a sweep over η; whatever else is swept is a dimension as it is."""
    rows = {}
    for family, title in families.items():
        for name, values in nothing_computed(family).coords.items():
            about = values.attrs
            what = (math(about.get("symbol", "")), about["long_name"], ", ".join(f"`{dim}`" for dim in values.dims))
            rows.setdefault((str(name), *what), []).append(title.lower())
    body = [(*map(str, (named(name, f"coordinate.{name}-{k}"), *what)), ", ".join(of))
            for k, ((name, *what), of) in enumerate(rows.items())]  # fmt: skip
    return (
        "## Dimensions and coordinates\n\nOf a sweep of one optimizer over `eta`. Every number is a coordinate: along "
        "its own dimension where it is swept, along `optimizer` where optimizers differ in it, else a scalar.\n\n"
        + table(("coordinate", "symbol", "meaning", "along", "of"), body)
    )


def statuses() -> str:
    """What can become of a lane."""
    by_family: dict[tuple[Outcome, ...], list[str]] = {}
    for name in KNOWN:
        by_family.setdefault(family_named(name).statuses, []).append(FAMILIES.get(name, "Functions").lower())
    text = (
        "## Statuses\n\n`status` has the dimensions of a cell, and these as CF's `flag_values` and `flag_meanings`.\n\n"
    )
    for outcomes, names in by_family.items():
        rows = [(f"`{code}`", named(one.name, f"{names[0]}.{one.name}".replace(" ", "-")), means(one), yes(one.at_rest))
                for code, one in enumerate(outcomes)]  # fmt: skip
        text += f"Of {' and '.join(names)}:\n\n" + table(("flag", "status", "counts in means", "at rest"), rows)
    return text


def means(outcome: Outcome) -> str:
    """In which means a lane of a status counts."""
    return "yes" if outcome.counts and outcome.in_rates else "not in those of error rates" if outcome.counts else "no"


def yes(holds: bool) -> str:
    """Whether something holds, in a table."""
    return "yes" if holds else ""
