"""Anybody's function, declared: `fn(hyper, key) -> {name: array}`, or a training in the form (init, step, measure).

What a declaration says elsewhere is in the spec here: `[problem] import` names the code, `[axes]`, `[fixed]` and
`[static]` its numbers. What only the code knows, its name and the shapes of what it returns, is filled in before a
sweep begins, so that results can be read where the code is not. No JAX.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adam_vs_gd.problem import RECORD, Cost, Dim, Family, Machine, Maker, Number, Variable, Way
from adam_vs_gd.spec.checks import check_record, nearest
from adam_vs_gd.spec.plain import hint_of, typed
from adam_vs_gd.spec.values import Value, check_number, is_axis

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.spec.sweep_spec import SweepSpec

VERSION = 1  # of how lanes of a function are trained
KEYS = ("import", "version", "precision", "dims", "code", "outputs")
TABLES = ("axes", "fixed", "static")
TOP = ("name", "seeds", "steps", "record", "refine", "problem", *TABLES)
PRECISIONS = ("float32", "float64")
ONE_BY_ONE = "one by one"  # the way of lanes that are not vmapped
STEPS = Number(int, 1, 2**31 - 1, None, "$t$", "training steps")
RESERVED = ("optimizer", "seed", "status", "record", "step", "steps", "test_record", "test_step", "lane", "about",
            "resample", "class")  # fmt: skip
"""Names that results have a meaning for already."""


@dataclass(frozen=True)
class Static:
    """What decides the program of a lane.

    Attributes:
        code: how the code is named, its version or digest included.
        names: of the traced numbers, in the order of a lane's.
        static: (name, value) of what is compiled in.
        steps: T of a training; 1 of a function.
        precision: of its numbers.
        trained: whether it is a training.
    """

    code: str
    names: tuple[str, ...]
    static: tuple[tuple[str, Any], ...]
    steps: int
    precision: str
    trained: bool

    def identity(self, hyper: tuple[float, ...]) -> list[Any]:
        """All that determines a lane's result beside its seed and record."""
        numbers = dict(sorted(zip(self.names, hyper, strict=True)))
        return ["function", VERSION, self.code, dict(sorted(self.static)), numbers, self.precision,
                self.steps if self.trained else 0]  # fmt: skip


def free(key: str, kind: type = float) -> Number:
    """A number of which nothing is known but its name."""
    return Number(kind, -math.inf, math.inf, None, "", key)


def read(given: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    """The tables of a spec of a function, checked."""
    problem = read_problem(given.get("problem", {}), mistakes)
    tables: dict[str, Any] = {"problem": problem}
    seen: dict[str, str] = {}
    for name in TABLES:
        table = given.get(name, {})
        if not isinstance(table, Mapping):
            mistakes.append(f"{name} = {typed(table)}: must be a table of numbers{hint_of(table)}")
            table = {}
        tables[name] = {}
        for key, value in table.items():
            path = f"{name}.{key}"
            if not key.isidentifier() or key in RESERVED or key.endswith("_path"):
                why = "means something else in results" if key.isidentifier() else "is no name: letters, digits, _"
                mistakes.append(f"{path} = {typed(value)}: {key} {why}; choose another")
            elif key in seen:
                mistakes.append(f"{path} = {typed(value)}: {key} is in [{seen[key]}] already; a number has one place")
            else:
                tables[name][key] = read_number(name, key, value, problem.get("precision", "float32"), mistakes)
            seen[key] = name
    for key in given.keys() - set(TOP):
        mistakes.append(f"{key} = {typed(given[key])}: means nothing to a function; {nearest(key, TOP)}")
    if (steps := given.get("steps")) is not None:
        tables["steps"] = check_number("steps", STEPS, steps, "float32", mistakes)
        tables["record"] = check_record(given.get("record"), tables["steps"], 100, mistakes)
    else:
        tables["record"] = 0
        if given.get("record"):
            mistakes.append(f"record = {typed(given['record'])}: means nothing without steps, which a function has not")
    return tables


def read_number(table: str, key: str, value: Any, precision: str, mistakes: list[str]) -> Value | None:
    """A number, or the values of an axis, where each belongs."""
    path = f"{table}.{key}"
    if table == "axes" and not is_axis(value):
        mistakes.append(f"{path} = {typed(value)}: an axis is a list or a range; a scalar stands under [fixed]")
        return None
    if table == "fixed" and is_axis(value):
        mistakes.append(f"{path} = {typed(value)}: must be one number; a list stands under [axes]")
        return None
    items = value if isinstance(value, list) else [value]
    whole = table == "static" and all(isinstance(item, int) and not isinstance(item, bool) for item in items)
    return check_number(path, free(key, int if whole else float), value, precision, mistakes)


def read_problem(given: Any, mistakes: list[str]) -> dict[str, Any]:
    """[problem], checked."""
    if not isinstance(given, Mapping):
        mistakes.append(f'problem = {typed(given)}: must be a table, [problem] import = "package.module:name"')
        return {}
    problem: dict[str, Any] = {}
    for key, value in given.items():
        path = f"problem.{key}"
        if key not in KEYS:
            mistakes.append(f"{path} = {typed(value)}: unknown key; {nearest(key, KEYS[:4])}")
        elif key == "precision" and value not in PRECISIONS:
            mistakes.append(f"{path} = {typed(value)}: {nearest(typed(value), PRECISIONS)}")
        elif key in ("import", "code") and not isinstance(value, str):
            mistakes.append(f'{path} = {typed(value)}: must be "package.module:name"')
        elif key == "version" and not isinstance(value, str | int):
            mistakes.append(f'{path} = {typed(value)}: must be a text or an integer, for instance "2"')
        elif key == "dims":
            problem[key] = read_dims(value, mistakes)
        elif key == "version":
            problem[key] = str(value)
        else:
            problem[key] = value
    if "import" not in given:
        mistakes.append('problem.import: is missing; it names the function, "package.module:name"')
    return {"precision": PRECISIONS[0], **problem}


def read_dims(given: Any, mistakes: list[str]) -> dict[str, tuple[str, ...]]:
    """problem.dims: {output: names of its dimensions}."""
    if not isinstance(given, Mapping):
        mistakes.append(f'problem.dims = {typed(given)}: must be a table, for instance spectrum = ["frequency"]')
        return {}
    dims = {}
    for name, value in given.items():
        names = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else [None]
        if not all(isinstance(n, str) and n.isidentifier() and n not in RESERVED for n in names):
            mistakes.append(f'problem.dims.{name} = {typed(value)}: must name dimensions, for instance ["frequency"]')
        dims[name] = tuple(map(str, names))
    return dims


def numbers(spec: SweepSpec) -> dict[str, Number]:
    """Every number of a sweep, in the order of its tables."""
    found = {"steps": STEPS} if spec.steps is not None else {}
    return found | {key: free(key) for name in TABLES for key in getattr(spec, name)}


def lane(spec: SweepSpec, label: str, at: Mapping[str, Any]) -> tuple[Static, tuple[float, ...]]:
    """The static part and the numbers of a lane."""
    names = (*spec.axes, *spec.fixed)
    static = tuple((name, at[name]) for name in spec.static)
    code, trained = spec.problem.get("code", spec.problem["import"]), spec.steps is not None
    shape = Static(code, names, static, at["steps"] if trained else 1, spec.problem["precision"], trained)
    return shape, tuple(at[name] for name in names)


def variables(spec: SweepSpec | None) -> dict[str, Variable]:
    """What the code returns; of a training along it too."""
    if spec is None:
        return {}
    grid = RECORD if spec.steps is not None else ""
    found = {}
    for name, output in spec.problem.get("outputs", {}).items():
        wide = "float64" if output["dtype"] != spec.problem["precision"] else ""
        found[name] = Variable(name, dims=tuple(output["dims"]), grid=grid, dtype=wide)
    return found


def dims(spec: SweepSpec) -> dict[str, Dim]:
    """The dimensions of what it returns, numbered."""
    found = {}
    for output in spec.problem.get("outputs", {}).values():
        for name, size in zip(output["dims"], output["shape"], strict=True):
            found[name] = Dim(size, range(size), name)
    return found


def describe(static: Static) -> str:
    """A program's name for people."""
    shape = [f"{name}={value:g}" for name, value in static.static]
    shape += [f"steps={static.steps}"] if static.trained else []
    return static.code.partition("@")[0].partition(":")[2] + (f" ({', '.join(shape)})" if shape else "")


def attributes(spec: SweepSpec) -> dict[str, str]:
    """What results say in their attributes."""
    return {"function": spec.problem["import"], "code": spec.problem.get("code", ""),
            "precision": spec.problem["precision"]}  # fmt: skip


def facts(results: xr.Dataset) -> list[tuple[str, str]]:
    """What the lanes are."""
    return [("Function", results.attrs["function"])] if "function" in results.attrs else []


def cost(static: Static, extent: None, way: Way) -> Cost:
    """What a lane takes, as far as the traced code tells; what `make` has looked at is known."""
    from adam_vs_gd.problems.function.weights import weight_of

    weight = weight_of(static)
    return Cost(lane=weight.bytes, seed=16, look=0, step=weight.work)


def way(static: Static, hyper: tuple[float, ...], machine: Machine) -> Way:
    """Side by side; but one after another on a CPU where it calls LAPACK.

    A call of LAPACK for many matrices waits, in XLA's pool of threads, for others of the same pool. Where each device
    of a CPU waits so, nobody is left to run, and all hang forever (jaxlib 0.10.2, two devices on two cores). A call for
    one matrix does not wait. Code that itself has many at once gets one device.
    """
    from adam_vs_gd.problems.function.weights import weight_of

    lapack = weight_of(static).lapack
    if machine.platform != "cpu" or not lapack:
        return Way()
    return Way(ONE_BY_ONE, least=1, devices=1 if lapack > 1 else 0)


def make(spec: SweepSpec, given: Mapping[str, Any]) -> Maker:
    """The functions of a sweep's lanes, and the spec with what the code says of itself."""
    from adam_vs_gd.problems.function import tracing

    return tracing.make(spec, given)


FAMILY = Family(
    name="function",
    read=read,
    numbers=numbers,
    attributes=attributes,
    lane=lane,
    way=way,
    cost=cost,
    describe=describe,
    make=make,
    variables=variables,
    dims=dims,
    facts=facts,
    brief=lambda results: results.attrs.get("function", ""),
)
