"""Somebody else's optimizer, model and data: found, looked at, and made parts of the problem."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adam_vs_gd.errors import SpecError
from adam_vs_gd.objects import imported, name_of, named_code
from adam_vs_gd.problem import Maker
from adam_vs_gd.problems.learning.optimizers import Rule
from adam_vs_gd.problems.learning.streams import Stream, stream
from adam_vs_gd.problems.traced import NEEDS_A_VALUE, brief, needing
from adam_vs_gd.problems.two_patch.data import Patches
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.own import Own
from adam_vs_gd.problems.two_patch.reading import OWN
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.surroundings import numerics

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key, Params

OF_LANE = ("eta", "lam")
"""What a factory may take that is not in its own table, or under another name:"""
ALIASES = {"learning_rate": "eta"}
OF_DATA = ("d", "s", "sigma_p", "alpha")


def make(spec: SweepSpec, given: Mapping[str, Any]) -> Maker:
    """The functions of a sweep in which something is somebody else's, and the spec with what its code says of itself.

    Args:
        spec: the sweep.
        given: {"optimizers.LABEL", "model" or "data": the object}.

    Raises:
        SpecError: if something is not there, or not what it should be.
    """
    keys = spec.to_dict()
    rules: dict[str, Callable[[Static], Rule]] = {}
    for path in given:
        label = path.removeprefix("optimizers.")
        if path != label:
            table = keys["optimizers"].setdefault(label, {"kind": OWN})
            if table["kind"] != OWN:
                raise wrong(path, f'is the package\'s {table["kind"]} in the spec; say kind = "own" there, or choose '
                            "another label")  # fmt: skip
    for label, table in keys["optimizers"].items():
        if table["kind"] == OWN:
            path = f"optimizers.{label}"
            thing = found(path, table, given)
            table |= completed(path, thing, table)
            rules[table["code"]] = functools.partial(rule_of_factory, thing)
    model = sampler = None
    if "model" in given or "import" in keys["model"]:
        table = keys["model"] = {"sigma_0": 1.0, **keys["model"], "name": OWN}
        thing = found("model", table, given)
        table["code"] = code("model", thing, table)
        model = functools.partial(model_of, thing, table["code"])
    if "data" in given or "import" in keys["data"]:
        thing = found("data", keys["data"], given)
        keys["data"]["code"] = code("data", thing, keys["data"])
        sampler = functools.partial(sampled, thing)
    own = Own(tuple(rules.items()), model, sampler)
    whole = SweepSpec(**keys)
    if model:
        keys["model"]["filters"] = hasattr(own.network(next(iter(cells(whole)))[1].static), "filters")
        whole = SweepSpec(**keys)
    look(whole, own)
    about = {f"{name}_code": value for name, value in codes(whole).items()}
    return Maker(whole, functools.partial(make_batch, own=own), about)


def codes(spec: SweepSpec) -> dict[str, str]:
    """{what is somebody else's: how its code is named} of a sweep."""
    found = {f"optimizer_{label}": table["code"] for label, table in spec.optimizers.items() if "code" in table}
    return found | {name: getattr(spec, name)["code"] for name in ("model", "data") if "code" in getattr(spec, name)}


def wrong(path: str, text: str) -> SpecError:
    """What is wrong with somebody else's part."""
    return SpecError("spec", [f"{path}: {text}"])


def found(path: str, table: dict[str, Any], given: Mapping[str, Any]) -> Any:
    """The object that a table is about; its name is put there.

    Raises:
        SpecError: if it is neither given nor named, or cannot be imported.
    """
    if path in given:
        table.setdefault("import", name_of(given[path]))
        return given[path]
    if "import" not in table:
        name, _, label = path.partition(".")
        call = f'{name}={{"{label}": factory}}' if label else f"{name}=…"
        raise wrong(
            path, f'is of your own: hand it over, run_sweep(spec, {call}), or name it, import = "package.module:name"'
        )
    return imported(table["import"], f"{path}.import")


def code(path: str, thing: Any, table: Mapping[str, Any]) -> str:
    """How the code of a part is named.

    Raises:
        SpecError: if the spec names it otherwise, that is if it has changed.
    """
    named, old = named_code(table["import"], thing, table.get("version")), table.get("code")
    if old is not None and old != named:
        raise wrong(path, f"its code is {old} in the spec, and {named} here: it has changed; choose another "
                    "folder with --out; or, where it computes the same, pin it with version = …")  # fmt: skip
    return named


def parameters(thing: Any) -> Mapping[str, inspect.Parameter]:
    """What a callable takes by name."""
    try:
        return inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return {}


def takes(thing: Any, name: str) -> bool:
    """Whether a callable takes a number of a name."""
    known = parameters(thing)
    return name in known or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())


def completed(path: str, factory: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a factory's table, with the defaults of its own, and its code.

    Raises:
        SpecError: if they do not match what it takes.
    """
    if not callable(factory):
        raise wrong(path, f"is {type(factory).__name__}, and no factory(eta, …) -> optax.GradientTransformation")
    about = ("kind", "import", "version", "code", "static")
    names = [ALIASES.get(name, name) for name in parameters(factory)]
    there = ", ".join(names)
    for key in table:
        if key not in about and not takes(factory, key) and key not in names:
            raise wrong(path, f"has {key}, which {table['import']} does not take; it takes {there}")
    filled: dict[str, Any] = {}
    for name, parameter in parameters(factory).items():
        key = ALIASES.get(name, name)
        variadic = parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        if variadic or key in table or key == "lam":
            continue
        if parameter.default is inspect.Parameter.empty:
            raise wrong(
                path, f"needs {key}, which {table['import']}({there}) has no default for; give [{path}] {key} = …"
            )
        if isinstance(parameter.default, float):
            filled[key] = parameter.default
    return filled | {"code": code(path, factory, table)}


def rule_of_factory(factory: Callable[..., Any], static: Static) -> Rule:
    """The rule of somebody else's optimizer; λ is added to the gradient before it, unless it takes λ itself."""
    names = {ALIASES.get(name, name): name for name in parameters(factory)}

    def transformation(hyper: Hyper) -> optax.GradientTransformation:
        numbers = {**dict(zip(static.own, hyper.own, strict=True)), **dict(static.options)}
        for key in ("eta", "beta1", "beta2", "eps", "lam"):
            if key in names or (key == "eta" and takes(factory, key)):
                numbers[key] = getattr(hyper, key)
        taken = {names.get(key, key): value for key, value in numbers.items() if takes(factory, names.get(key, key))}
        made = factory(**taken)
        if not (hasattr(made, "init") and hasattr(made, "update")):
            raise wrong(name_of(factory), f"returns a {type(made).__name__}, and no optax.GradientTransformation")
        return made if "lam" in names else optax.chain(optax.add_decayed_weights(hyper.lam), made)

    return Rule(transformation)


@dataclass(frozen=True)
class OwnModel:
    """Somebody else's model, told from others by its code and numbers.

    Attributes:
        code: how its code is named.
        numbers: (name, value) that it was made with.
        made: it: with `init` and `apply` as flax modules have them.
    """

    code: str
    numbers: tuple[tuple[str, Any], ...]
    made: Any = field(compare=False)

    def init(self, key: Key, x: Array) -> dict[str, Params]:
        """{"params": …} from an example [P, d], given as a batch of one, as all that the model sees is a batch."""
        if isinstance(self.made, tuple):
            return {"params": self.made[0](key, x[None])}
        variables = dict(self.made.init(key, x[None]))
        if variables.keys() - {"params"}:
            others = ", ".join(sorted(variables.keys() - {"params"}))
            raise wrong(
                "model", f"{self.code.partition('@')[0]} has {others} beside parameters, which a lane cannot carry"
            )
        return variables

    def log_odds(self, params: Params, x: Array) -> Array:
        """[n] log-odds of class +1 of [n, P, d] patches: what the model returns, or F_{+1} − F_{−1} of two outputs."""
        outputs = self.made[1](params, x) if isinstance(self.made, tuple) else self.made.apply({"params": params}, x)
        return outputs if outputs.ndim == 1 else outputs[:, 1] - outputs[:, 0]

    def __getattr__(self, name: str) -> Any:
        if name in ("filters", "readout", "by_class") and all(hasattr(self.made, n) for n in ("filters", "readout")):
            return getattr(self.made, name)
        raise AttributeError(name)


def model_of(thing: Any, named: str, static: Static) -> OwnModel:
    """The model of a lane: a module as it is, or what a class or function makes of the numbers that it takes."""
    numbers = {"width": static.width, "q": static.q, **dict(static.options)}
    taken = {key: value for key, value in numbers.items() if key in parameters(thing)}
    is_pair = isinstance(thing, tuple) and len(thing) == 2 and all(map(callable, thing))
    made = thing if is_pair or (hasattr(thing, "apply") and not inspect.isclass(thing)) else thing(**taken)
    return OwnModel(named, tuple(sorted(taken.items())), made)


def sampled(sampler: Callable[..., Any], key: Key, n: int, static: Static, hyper: Hyper) -> Patches:
    """N examples of somebody else's sampler."""
    numbers = {"d": static.d, "s": hyper.s, "sigma_p": hyper.sigma_p, "alpha": hyper.alpha}
    numbers |= dict(zip(static.own, hyper.own, strict=True))
    taken = {name: value for name, value in numbers.items() if takes(sampler, name)}
    x, y = sampler(key, n, **taken)
    real = jnp.result_type(float)
    return Patches(jnp.asarray(x, real), jnp.asarray(y, real))


def look(spec: SweepSpec, own: Own) -> None:
    """See that somebody else's parts can be traced, and are what they should be.

    Raises:
        SpecError: if they are not.
    """
    seen: set[Any] = set()
    for _, lane in cells(spec):
        static = lane.static
        if static in seen or not static.foreign:
            continue
        seen.add(static)
        with numerics(static.precision):
            params = look_at_model(static, own)
            if "data" in static.foreign:
                look_at_data(static, lane.hyper, lane.seed, own)
            if "optimizer" in static.foreign:
                look_at_rule(static, lane.hyper, own.rule(static), params)


def look_at_rule(static: Static, hyper: Hyper, rule: Rule, params: Params) -> None:
    """See that a factory makes an optax transformation of traced numbers."""
    where = static.foreign["optimizer"].partition("@")[0]
    names = ("eta", "lam", "beta1", "beta2", "eps", *static.own)
    real = jax.ShapeDtypeStruct((), jnp.result_type(float))
    numbers = dict.fromkeys(names, real)

    def step(numbers: Mapping[str, Any], params: Params) -> Any:
        known = {key: numbers[key] for key in names if key not in static.own}
        lane = hyper._replace(**known, own=tuple(numbers[key] for key in static.own))
        made = rule.transformation(lane)
        return optax.apply_updates(params, made.update(params, made.init(params), params)[0])

    try:
        after = jax.eval_shape(step, numbers, params)
    except SpecError:
        raise
    except NEEDS_A_VALUE as error:
        needs = needing(step, numbers, params)
        which = " and ".join(needs) or "a traced number"
        listed = ", ".join(f'"{name}"' for name in needs)
        raise wrong(where, f"branches in Python on {which}, or needs its value; compile it in with "
                    f"static = [{listed}], or write it with jnp.where") from error  # fmt: skip
    except Exception as error:
        raise wrong(where, f"raises {brief(error)}") from error
    if jax.tree.map(lambda a: a.shape, after) != jax.tree.map(lambda a: a.shape, params):
        raise wrong(where, "gives updates of other shapes than the weights")


def look_at_model(static: Static, own: Own) -> Params:
    """The shapes of a model's parameters, where it is one."""
    where = static.foreign.get("model", static.model).partition("@")[0]
    try:
        network = own.network(static)
        x = jax.ShapeDtypeStruct((2, static.d), jnp.result_type(float))
        key = jax.eval_shape(lambda: seed_key(0))
        params = jax.eval_shape(lambda key, x: network.init(key, x)["params"], key, x)
        if "model" in static.foreign and not hasattr(network, "readout"):
            many = jax.ShapeDtypeStruct((3, *x.shape), x.dtype)
            shape = jax.eval_shape(network.log_odds, params, many).shape
            if shape != (3,):
                forms = "[n] log-odds, or [n, 2] outputs of classes −1 and +1, of [n, P, d] patches"
                raise wrong(where, f"gives log-odds of shape {shape} for 3 examples; it must give {forms}")
    except SpecError:
        raise
    except Exception as error:
        raise wrong(where, f"raises {brief(error)}") from error
    return params


def look_at_data(static: Static, hyper: Hyper, seed: int, own: Own) -> None:
    """See that a sampler gives patches and labels: the first lane's training set is drawn."""
    where = static.foreign["data"].partition("@")[0]
    assert own.sampler is not None
    try:
        data = own.sampler(stream(seed_key(seed), Stream.TRAIN), static.n, static, hyper)
    except Exception as error:
        raise wrong(where, f"raises {brief(error)}") from error
    if data.x.ndim != 3 or data.x.shape[::2] != (static.n, static.d) or data.y.shape != (static.n,):
        raise wrong(where, f"gives x of shape {data.x.shape} and y of {data.y.shape}; they must be [n, P, d] and [n], "
                    f"n = {static.n} and d = {static.d}")  # fmt: skip
    if not (np.isin(np.asarray(data.y), (-1, 1)).all() and np.isfinite(np.asarray(data.x)).all()):
        raise wrong(where, "gives labels that are not -1 or +1, or patches that are not finite")
