"""The paper's problem, declared: Definition 3.1's data, a model of two patches, GD against Adam. No JAX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adam_vs_gd.problem import Family, Fit, Followed, Kernel, Maker, Number, Section
from adam_vs_gd.problems import MODELS
from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.learning.numbers import INT_MAX, STATUSES, SWITCHING, TOP, TRAIN, own_numbers
from adam_vs_gd.problems.learning.variables import FOLLOWED
from adam_vs_gd.problems.two_patch import reading, variables, ways
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.reading import ABOUT, OWN, free
from adam_vs_gd.spec.plain import typed
from adam_vs_gd.spec.values import values
from adam_vs_gd.types import REST, STEPS

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.spec.sweep_spec import SweepSpec

DATA = Section(
    {
        "n": Number(int, 2, INT_MAX, table1.N, "$n$", "training examples", even=True),
        "d": Number(int, 2, INT_MAX, table1.D, "$d$", "dimension of a patch"),
        "s": Number(int, 1, INT_MAX, table1.S, "$s$", "noise coordinates per example"),
        "sigma_p": Number(
            float, 0, math.inf, table1.SIGMA_P, r"$\sigma_p$", "standard deviation of the noise", above=True
        ),
        "alpha": Number(float, 0, 1, table1.ALPHA, r"$\alpha$", "size of the feature noise"),
        "test_size": Number(int, 2, INT_MAX, table1.TEST_SIZE, "$N$", "test examples", even=True),
    },
    {"supports": ("independent", "disjoint")},
)
SIGMA_0 = Number(
    float, 0, math.inf, table1.SIGMA_0, r"$\sigma_0$", "standard deviation of the initial weights", above=True
)
MODEL = Section(
    {
        "width": Number(int, 1, INT_MAX, table1.WIDTH, "$m$", "filters per class"),
        "q": Number(int, 2, 100, table1.Q, "$q$", "power of the activation"),
        "sigma_0": SIGMA_0,
    },
    {"name": tuple(MODELS)},
)
TO_REST = Section(TRAIN.numbers, {**TRAIN.choices, "until": (STEPS, REST)})
NUMBERS: Mapping[str, Number] = {
    **TOP.numbers, **DATA.numbers, **MODEL.numbers, **TRAIN.numbers, **SWITCHING.numbers,
}  # fmt: skip
"""Every number that may be an axis, in the order of the dimensions."""
OF_IMAGES = frozenset({"images", "split", "augment"})
MEANINGLESS: Mapping[str, frozenset[str]] = {"linear": OF_IMAGES | {"width", "q"}}
"""The keys that mean nothing to a model; to all those of images do, which are known elsewhere and may be given here."""
ABSENT = Hyper(alpha=0.0, s=0, sigma_p=0.0, sigma_0=0.0, lam=0.0, eta=0.0)
"""The numbers of a lane whose optimizer has none of them."""
WORDS = frozenset({"kind", "name", "supports", *ABOUT})  # keys that are no numbers
SIZES = ("steps", "n", "d", "width", "q", "test_size", "batch_size")


def fit(given: Mapping[str, Any]) -> Fit:
    """What follows from the model."""
    table = given.get("model")
    name = table.get("name") if isinstance(table, Mapping) else None
    model = name if isinstance(name, str) and MODELS.get(name) == "two_patch" else "two_layer_cnn"
    return Fit(f"{model} model", MEANINGLESS.get(model, OF_IMAGES))


def check(tables: Mapping[str, Any], mistakes: list[str]) -> None:
    """What must hold between keys, for every combination of the axes."""
    data = tables["data"]
    n, d, s = (values(data.get(key)) for key in ("n", "d", "s"))
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
    kept = table.get("static", ())
    traced = [key for name, part in foreign.items() if name != "model" for key in part
              if key not in WORDS and key not in NUMBERS and key not in kept]  # fmt: skip
    options = [(key, at.get(key, table.get(key))) for key in kept if key in table]
    options += [(key, at[key]) for key in spec.model if "model" in foreign and key not in WORDS and key not in NUMBERS]
    code = tuple((name, part.get("code", part.get("import", OWN))) for name, part in foreign.items())
    return {"code": code, "own": tuple(traced), "options": tuple(options)}


def lane(spec: SweepSpec, label: str, at: Mapping[str, Any]) -> tuple[Static, Hyper]:
    """The shapes and the numbers of a lane."""
    kind = spec.optimizers[label]["kind"]
    own = own_part(spec, label, at)
    own |= {"own": own_numbers(kind, at) + own.get("own", ())}
    sizes = {key: at[key] for key in SIZES if at[key] is not None}
    if spec.model["name"] == "linear":
        sizes |= {"width": 1, "q": 1}
    static = Static(
        optimizer=kind,
        model=spec.model["name"],
        supports=spec.data["supports"],
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
    known = {"supports": spec.data["supports"], "model": spec.model["name"], "precision": spec.train["precision"]}
    return known | {
        f"own_{name}": part["code"] for name in ("data", "model") if "code" in (part := getattr(spec, name))
    }


def facts(results: xr.Dataset) -> list[tuple[str, str]]:
    """What the lanes were trained on."""
    return [("Supports of the noise", results.attrs["supports"])] if "supports" in results.attrs else []


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
    brief=lambda results: f"{results.attrs['supports']} supports" if "supports" in results.attrs else "",
)
