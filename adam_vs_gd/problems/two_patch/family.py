"""The paper's problem, declared: Definition 3.1's data, a model of two patches, GD against Adam. No JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adam_vs_gd.problem import Family, Followed, Kernel, Maker, Number, Section
from adam_vs_gd.problems.learning.numbers import (
    STATUSES,
    SWITCHING,
    TOP,
    TRAIN,
    check_schedules,
    off_default,
    own_numbers,
)
from adam_vs_gd.problems.learning.variables import FOLLOWED
from adam_vs_gd.problems.two_patch import reading, variables, ways
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.reading import ABOUT, OWN, free
from adam_vs_gd.problems.two_patch.sections import DATA, MODEL, OPTIONAL, SAMPLERS, fit, options, sampler_of
from adam_vs_gd.spec.plain import typed
from adam_vs_gd.spec.values import values
from adam_vs_gd.types import REST, STEPS

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.spec.sweep_spec import SweepSpec

TO_REST = Section(
    TRAIN.numbers, {**TRAIN.choices, "until": (STEPS, REST)}, words={**TRAIN.words, "until": "until when it is trained"}
)
NUMBERS: Mapping[str, Number] = {
    **TOP.numbers, **DATA.numbers, **MODEL.numbers, **TRAIN.numbers, **SWITCHING.numbers,
}  # fmt: skip
"""Every number that may be an axis, in the order of the dimensions."""
ABSENT = Hyper(alpha=0.0, s=0, sigma_p=0.0, sigma_0=0.0, lam=0.0, eta=0.0)
"""The numbers of a lane whose optimizer has none of them."""
WORDS = frozenset({"kind", "name", "supports", *ABOUT})  # keys of anybody's tables that are no numbers
SIZES = ("steps", "n", "d", "width", "q", "test_size", "batch_size")
HELD = frozenset({*ABSENT._fields, *SIZES})
"""Numbers that every lane has a place for, whosever its parts are."""


def check(tables: Mapping[str, Any], mistakes: list[str]) -> None:
    """What must hold between keys, for every combination of the axes."""
    data = tables["data"]
    n, d, s = (values(data.get(key)) for key in ("n", "d", "s"))
    check_sampler(data, mistakes)
    check_power(tables["model"], mistakes)
    check_schedules(tables, mistakes)
    if d and s and max(s) > min(d) - 1:
        at = f" at data.d = {min(d)}" if len(d) > 1 else ""
        mistakes.append(f"data.s = {typed(max(s))}: must be in 1 .. d-1 = {min(d) - 1}{at}")
    elif n and d and s and data.get("supports") == "disjoint" and max(n) * max(s) > min(d) - 1:
        mistakes.append(
            f'data.supports = "disjoint": needs n·s <= d-1 at every point, but n·s = {max(n)}·{max(s)} = '
            f"{max(n) * max(s)} and d-1 = {min(d) - 1}; lower data.s or data.n, or raise data.d"
        )
    check_batch(tables, ", or leave it out for full batch", mistakes)
    if tables["train"].get("until") == REST and len(values(tables.get("steps"))) > 1:
        mistakes.append(
            f'steps = {typed(tables["steps"])}: must be one number with train.until = "rest", the most that a lane is '
            "trained; trajectories tell what it was before"
        )


def check_power(model: Mapping[str, Any], mistakes: list[str]) -> None:
    """Whether the power is one of the paper's model, unless it is said that it is another's."""
    smallest = min(values(model.get("q")), default=2)
    if "activation" not in model and smallest < 2:
        mistakes.append(
            f"model.q = {typed(smallest)}: must be an integer >= 2, for gradients that vanish at 0; say "
            'activation = "relu" for a power of 1'
        )


def check_sampler(data: Mapping[str, Any], mistakes: list[str]) -> None:
    """What must hold between the keys of a sampler."""
    features, d, s = (values(data.get(key)) for key in ("features", "d", "s"))
    if features and d and s and max(features) + max(s) > min(d):
        mistakes.append(
            f"data.features = {typed(max(features))}: must be in 1 .. d-s = {min(d) - max(s)}, since noise is on other "
            "coordinates than features; lower it or data.s, or raise data.d"
        )
    n, balance = values(data.get("n")), values(data.get("balance"))
    if n and balance and min(n) * min(*balance, 1 - max(balance)) < 1:
        mistakes.append(
            f"data.balance = {typed(balance[0] if len(balance) == 1 else balance)}: must leave an example of each "
            f"class among n = {min(n)}: in 1/n .. 1 - 1/n"
        )
    if data.get("direction") == "rotated" and data.get("sampler") != "features":
        mistakes.append(
            'data.direction = "rotated": must be "axis" or "random"; Gaussian noise is the same however it is rotated'
        )


def check_batch(tables: Mapping[str, Any], otherwise: str, mistakes: list[str]) -> None:
    """Whether a batch is no more than there is to train on."""
    n, batch = values(tables["data"].get("n")), values(tables["train"].get("batch_size"))
    if batch and n and max(batch) > min(n):
        at = f" at data.n = {min(n)}" if len(n) > 1 else ""
        mistakes.append(
            f"train.batch_size = {typed(max(batch))}: must be in 1 .. n = {min(n)}{at}; lower it, or raise data.n"
            + otherwise
        )


def numbers(spec: SweepSpec) -> dict[str, Number]:
    """Every number that may be an axis, in the order of the dimensions; those of somebody else's parts last."""
    tables = (spec.data, spec.model, *spec.optimizers.values())
    own = [key for table in tables if is_foreign(table) for key, value in table.items() if key not in WORDS]
    return {**NUMBERS, **{key: free(key) for key in own if key not in NUMBERS}}


def is_foreign(table: Mapping[str, Any]) -> bool:
    """Whether a table is of somebody else's part."""
    return "import" in table or OWN in (table.get("kind"), table.get("name"))


def own_part(spec: SweepSpec, label: str, at: Mapping[str, Any]) -> dict[str, Any]:
    """What of a lane's static part, and of its numbers, is of somebody else's parts."""
    table = spec.optimizers[label]
    parts = {"optimizer": table, "model": spec.model, "data": spec.data}
    foreign = {name: part for name, part in parts.items() if is_foreign(part)}
    if not foreign:
        return {}
    kept, held = table.get("static", ()), WORDS | HELD
    traced = [key for name, part in foreign.items() if name != "model" for key in part
              if key not in held and key not in kept]  # fmt: skip
    options = [(key, at.get(key, table.get(key))) for key in kept if key in table]
    options += [(key, at[key]) for key in spec.model if "model" in foreign and key not in held]
    code = tuple((name, part.get("code", part.get("import", OWN))) for name, part in foreign.items())
    return {"code": code, "own": tuple(traced), "options": tuple(options)}


def lane(spec: SweepSpec, label: str, at: Mapping[str, Any]) -> tuple[Static, Hyper]:
    """The shapes and the numbers of a lane."""
    kind = spec.optimizers[label]["kind"]
    own = own_part(spec, label, at)
    sampler = sampler_of(spec.data)
    mine = own_numbers(kind, off_default(at)) + (SAMPLERS[sampler].numbers if sampler else ())
    own |= {"own": mine + own.get("own", ()), "sampler": sampler}
    own["options"] = options(spec.data, spec.model, at) + own.get("options", ())
    sizes = {"width": 1, "q": 1} | {key: at[key] for key in SIZES if at[key] is not None}
    static = Static(
        optimizer=kind,
        model=spec.model["name"],
        supports=spec.data.get("supports", "independent"),
        precision=spec.train["precision"],
        until=spec.train["until"],
        **sizes,
        **own,
    )
    known = {key: at[key] for key in ABSENT._fields if at.get(key) is not None}
    return static, ABSENT._replace(**known, own=tuple(float(at[key]) for key in static.own))


def describe(static: Static) -> str:
    """A program's name for people."""
    shapes = {key: getattr(static, key) for key in ("n", "d", "steps", "width", "q", "batch_size")}
    named = ", ".join(f"{key}={value}" for key, value in shapes.items() if value)
    return f"{static.optimizer} on {static.model} ({named})"


def kernel(platform: str) -> Kernel | None:
    """The kernel for CPUs, or the kernels for GPUs."""
    if platform == "cpu":
        from adam_vs_gd.problems.two_patch.fast import native

        return native.load()
    if platform in ("gpu", "cuda"):
        from adam_vs_gd.problems.two_patch.fast.cuda import available

        return available.load()
    return None


def make(spec: SweepSpec, given: Mapping[str, Any]) -> Maker:
    """The functions of a sweep's lanes."""
    if given or any(map(is_foreign, (spec.data, spec.model, *spec.optimizers.values()))):
        from adam_vs_gd.problems.two_patch import parts

        return parts.make(spec, given)
    from adam_vs_gd.problems.two_patch.fast import make_batch

    return Maker(spec, make_batch)


def attributes(spec: SweepSpec) -> dict[str, str]:
    """What results say in their attributes."""
    known = {key: spec.data[key] for key in DATA.choices if key in spec.data}
    known |= {"model": spec.model["name"], "precision": spec.train["precision"]}
    known |= {key: spec.model[key] for key in OPTIONAL if key in spec.model}
    return known | {
        f"own_{name}": part["code"] for name in ("data", "model") if "code" in (part := getattr(spec, name))
    }


def facts(results: xr.Dataset) -> list[tuple[str, str]]:
    """What the lanes were trained on."""
    words = {**DATA.words, **{key: MODEL.words[key] for key in OPTIONAL}}
    return [(word.capitalize(), results.attrs[key]) for key, word in words.items() if key in results.attrs]


def brief(results: xr.Dataset) -> str:
    """What the lanes were trained on, in a word or two."""
    said = [results.attrs["activation"]] if "activation" in results.attrs else []
    layers = {"bias": "biases", "second_layer": "second layer"}
    said += [f"{results.attrs[key]} {word}" for key, word in layers.items() if key in results.attrs]
    if "sampler" in results.attrs:
        said.append(" ".join(results.attrs[key] for key in ("sampler", "direction") if key in results.attrs))
    elif "supports" in results.attrs:
        said.append(f"{results.attrs['supports']} supports")
    return ", ".join(said)


def read(given: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    """The tables of a spec."""
    return reading.read(FAMILY, given, mistakes)


FAMILY = Family(
    name="two_patch",
    sections={"": TOP, "data": DATA, "model": MODEL, "train": TO_REST},
    read=read,
    numbers=numbers,
    variants=SWITCHING,
    fit=fit,
    check=check,
    attributes=attributes,
    lane=lane,
    share=ways.share,
    extent=ways.ranks_of,
    way=ways.way_of,
    cost=ways.cost,
    describe=describe,
    kernel=kernel,
    make=make,
    variables=variables.variables,
    dims=lambda spec: variables.DIMS,
    statuses=STATUSES,
    main="test_error",
    columns=("test_error", "train_error", "data_loss", "feature_learning", "noise_memorization"),
    followed=(Followed("Feature learning and noise memorization", tuple(variables.PATCH_WISE)[:2]), *FOLLOWED),
    pairs=(("feature_learning", "noise_memorization"),),
    upright=("s",),
    facts=facts,
    brief=brief,
)
