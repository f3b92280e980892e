"""The kinds of problems that there are: a table of where each declares itself, looked up by name when it is needed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adam_vs_gd.errors import SpecError
from adam_vs_gd.objects import imported

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.problem import Family

KNOWN: Mapping[str, str] = {
    "two_patch": "adam_vs_gd.problems.two_patch.family:FAMILY",
    "images": "adam_vs_gd.problems.images.family:FAMILY",
    "function": "adam_vs_gd.problems.function.family:FAMILY",
}
"""{name: where the family is}."""
MODELS: Mapping[str, str] = {
    "two_layer_cnn": "two_patch", "linear": "two_patch", "alexnet": "images",
    "three_layer_cnn": "two_patch", "patchwise_linear": "two_patch",
}  # fmt: skip
"""{model: the family that trains it}."""
DEFAULT, FUNCTION = "two_patch", "function"


@functools.cache
def family_named(name: str) -> Family:
    """A family by its name here, or by where it is: "package.module:NAME".

    Raises:
        SpecError: if there is none.
    """
    return imported(KNOWN.get(name, name), "problem.import")


def family_of_spec(given: Mapping[str, Any]) -> Family:
    """The family of a spec: what `[problem]` names, or the one that trains its model.

    Raises:
        SpecError: if what is named cannot be imported.
    """
    from adam_vs_gd.problem import Family

    problem, model = given.get("problem"), given.get("model")
    if isinstance(problem, Mapping):
        where = problem.get("import")
        if "code" in problem or not isinstance(where, str):  # `code` says that it is a function, which need not be here
            return family_named(FUNCTION)
        found = imported(where, "problem.import")
        return found if isinstance(found, Family) else family_named(FUNCTION)
    name = model.get("name") if isinstance(model, Mapping) else None
    return family_named(MODELS.get(name, DEFAULT) if isinstance(name, str) else DEFAULT)


def family_key(family: Family, problem: Any) -> str:
    """What `family_named` finds a family by: its name here, or what a spec's `[problem]` imports."""
    return family.name if family.name in KNOWN and family_named(family.name) is family else str(problem["import"])


def family_of_results(results: xr.Dataset) -> Family:
    """The family whose words suit some results: the one that they name, or that trains their model; else the first."""
    name = results.attrs.get("problem") or MODELS.get(str(results.attrs.get("model")), DEFAULT)
    try:
        return family_named(name)
    except SpecError:
        return family_named(FUNCTION)
