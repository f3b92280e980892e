"""Somebody's code, looked at before anything runs: what it returns, what it takes, and what it must not do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from adam_vs_gd.engine.chunk import compile_programs
from adam_vs_gd.engine.plan import size
from adam_vs_gd.errors import MachineError, SpecError
from adam_vs_gd.objects import imported, named_code
from adam_vs_gd.problem import MIN_WIDTH, Batch, Maker, Way
from adam_vs_gd.problems.function.family import RESERVED, Static
from adam_vs_gd.problems.function.programs import batch_of, training_of
from adam_vs_gd.problems.function.weights import WEIGHTS, Weight, equations, matrices, peak, work
from adam_vs_gd.problems.traced import LONGEST, NEEDS_A_VALUE, brief, needing
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.surroundings import numerics

if TYPE_CHECKING:
    from adam_vs_gd.types import Key

ARRAYS = (jax.Array, np.ndarray, np.generic, bool, int, float, complex)


class Code(NamedTuple):
    """Somebody's code.

    Attributes:
        name: for messages.
        function: (hyper, key) -> {name: array}; of a training, its `measure` at the start.
        training: (init, step, measure), or None.
    """

    name: str
    function: Callable[[Mapping[str, Any], Key], Any]
    training: tuple[Callable[..., Any], ...] | None


def make(spec: SweepSpec, given: Mapping[str, Any]) -> Maker:
    """The functions of a sweep's lanes, and the spec with the code's name and outputs filled in.

    Raises:
        SpecError: if the code cannot be swept: saying what is wrong with it, and what to do.
    """
    where = spec.problem["import"]
    thing = given["problem"] if "problem" in given else imported(where, "problem.import")
    code = code_of(thing, where, spec)
    named = identity(spec, thing)
    keys = spec.to_dict()
    keys["problem"] |= {"code": named}
    shapes = {static: looked_at(code, static) for static in statics(SweepSpec(**keys))}
    keys["problem"] |= {"outputs": outputs_of(code, shapes, spec)}
    batch = batch_of(thing, code.name, spec.steps is not None)
    return Maker(SweepSpec(**keys), batch, {"code": named}, functools.partial(refuse, batch))


def identity(spec: SweepSpec, thing: Any) -> str:
    """How the code is named: where it is, and the version that its author gives, or a digest of it.

    Raises:
        SpecError: if a spec names it otherwise, that is if the code has changed.
    """
    named = named_code(spec.problem["import"], thing, spec.problem.get("version"))
    old = spec.problem.get("code")
    if old is not None and old != named:
        raise SpecError(
            "spec",
            [f"problem.code: is {old} in the spec, and {named} here: the code has changed since. Choose another folder "
             f'with --out; or, where it computes the same, pin it with version = "…" from the start'],
        )  # fmt: skip
    return named


def code_of(thing: Any, where: str, spec: SweepSpec) -> Code:
    """Somebody's code, if it is of the right form.

    Raises:
        SpecError: if it is not.
    """
    name = where.partition(":")[2] or where

    def wrong(text: str) -> SpecError:
        return SpecError("spec", [f"problem.import = {where}: {text}"])

    parts = training_of(thing)
    if parts is None and not callable(thing):
        raise wrong(f"is {type(thing).__name__}, and neither a function nor a training (init, step, measure)")
    for part in parts or (thing,):
        if inspect.isgeneratorfunction(part) or inspect.iscoroutinefunction(part):
            raise wrong("is a generator, which gives values one by one; return a dict of arrays")
    if parts is None:
        if spec.steps is not None:
            raise wrong("is a function, and steps are of a training (init, step, measure); leave steps out")
        return Code(name, thing, None)
    if spec.steps is None:
        raise wrong("is a training (init, step, measure), which needs steps")
    init, _, measure = parts
    return Code(name, lambda hyper, key: measure(hyper, key, init(hyper, key)), parts)


def statics(spec: SweepSpec) -> Iterator[Any]:
    """The static parts of a sweep's lanes, each once."""
    seen: dict[Any, None] = {}
    for _, lane in cells(spec):
        seen[lane.static] = None
    return iter(seen)


def looked_at(code: Code, static: Static) -> Mapping[str, Any]:
    """{output: shape} of the code with some static numbers, traced and not run; what is wrong with it is said.

    Raises:
        SpecError: if it cannot be traced, or does what a sweep cannot have it do.
    """
    with numerics(static.precision):
        hyper, key = abstract(static), jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
        names: list[str] = []  # in the order in which they are returned, which JAX forgets

        def call(hyper: Mapping[str, Any], *rest: Any) -> Any:
            outputs = called(code.function, dict(static.static), hyper, *rest)
            names[:] = outputs if isinstance(outputs, Mapping) else []
            for name in names:
                if not isinstance(outputs[name], ARRAYS):
                    raise refused(code, f"returns {name}, which is a {type(outputs[name]).__name__} and no array")
            return outputs

        found = traced(code, call, hyper, key)
        again = traced(code, call, hyper, key)
        if told(found) != told(again):
            raise refused(code, "computes something else each time it is traced (a random number of NumPy's, a clock, "
                          "something global?); draw from key, and pass the rest as a number")  # fmt: skip
        refuse_effects(code, found.jaxpr)
        outputs = jax.eval_shape(call, hyper, key)
        check_outputs(code, outputs, static)
        steps = None
        if code.training:
            steps = traced_step(code, static, hyper, key)
            refuse_effects(code, steps.jaxpr)
        parts = [part.jaxpr for part in (found, steps) if part]
        WEIGHTS[static] = Weight(max(map(peak, parts)), work(parts[-1]), max(map(matrices, parts)))
        return {name: outputs[name] for name in names}


def abstract(static: Static) -> dict[str, Any]:
    """{name: shape} of the traced numbers of a lane."""
    return {name: jax.ShapeDtypeStruct((), jnp.result_type(float)) for name in static.names}


def called(function: Callable[..., Any], fixed: Mapping[str, Any], hyper: Mapping[str, Any], *rest: Any) -> Any:
    """A function of a lane's numbers, given those that are compiled in too."""
    return function({**fixed, **hyper}, *rest)


def refused(code: Code, text: str) -> SpecError:
    """What is wrong with somebody's code."""
    return SpecError(code.name, [f"{code.name}: {text}"])


def traced(code: Code, call: Callable[..., Any], hyper: Mapping[str, Any], *rest: Any) -> ClosedJaxpr:
    """The code as JAX sees it.

    Raises:
        SpecError: if it cannot be traced, with what to do about it.
    """
    try:
        with jax.checking_leaks():
            return jax.make_jaxpr(lambda *arguments: call(*arguments))(hyper, *rest)  # a new function each time
    except SpecError:
        raise
    except NEEDS_A_VALUE as error:
        names = needing(call, hyper, *rest)
        which = f" on {' and '.join(names)}" if names else " on a traced number"
        asked = ", ".join(f"{name!r}: …" for name in names) or "…"
        raise refused(code, f"branches in Python{which}, or needs its value, which it has not while it is compiled; "
                      f"make it static (static={{{asked}}}: compiled in, a compilation for each value), or write it "
                      "with jnp.where or jax.lax") from error  # fmt: skip
    except KeyError as error:
        if str(error.args[0] if error.args else "") not in hyper and isinstance(error.args[0], str):
            there = ", ".join(hyper) or "none"
            raise refused(code, f"asks for hyper[{error.args[0]!r}], which is no number of the sweep; traced are "
                          f"{there}") from error  # fmt: skip
        raise refused(code, f"raises {brief(error)}") from error
    except Exception as error:  # whatever somebody's code raises
        if "leaked" in str(error).lower():
            raise refused(code, "keeps traced values outside of it (in a list, an attribute, a global), where they "
                          "mean nothing; return them") from error  # fmt: skip
        raise refused(code, f"raises {brief(error)}") from error


def told(jaxpr: ClosedJaxpr) -> tuple[str, tuple[bytes, ...]]:
    """A jaxpr and its constants, to compare."""
    known = (c for c in jaxpr.consts if hasattr(c, "dtype") and not jnp.issubdtype(c.dtype, jax.dtypes.extended))
    return str(jaxpr.jaxpr), tuple(np.asarray(c).tobytes() for c in known)


def refuse_effects(code: Code, jaxpr: Jaxpr) -> None:
    """See that the code does nothing but compute.

    Raises:
        SpecError: if it prints, calls back, or writes.
    """
    if jaxpr.effects:
        names = sorted({equation.primitive.name for equation in equations(jaxpr) if equation.effects})
        raise refused(code, f"has side effects on the host ({', '.join(names)}), which happen as often as lanes are "
                      "padded, cut and resumed; return what it has to say")  # fmt: skip


def check_outputs(code: Code, outputs: Any, static: Static) -> None:
    """See that the code returns named arrays of real numbers.

    Raises:
        SpecError: if it does not.
    """
    if not isinstance(outputs, Mapping) or not outputs:
        array = isinstance(outputs, jax.ShapeDtypeStruct)
        what = "an array" if array else "a " + type(outputs).__name__ if outputs else "nothing"
        raise refused(code, f'returns {what}; it must return a dict of arrays, for instance {{"error": error}}')
    taken = {*static.names, *(name for name, _ in static.static)}
    for name, value in outputs.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise refused(code, f"returns {name!r}: an output's name must be of letters, digits and _")
        if name in taken:
            raise refused(code, f"returns {name}, which is a number of the sweep; call one of them otherwise")
        if name in RESERVED or name.endswith("_path"):
            raise refused(code, f"returns {name}, which means something else in results; call it otherwise")
        if not (jnp.issubdtype(value.dtype, np.number) or value.dtype == bool):
            raise refused(code, f"returns {name} of dtype {value.dtype}, which is no number")
        if jnp.issubdtype(value.dtype, np.complexfloating):
            raise refused(code, f"returns {name}, which is complex; return its real and imaginary parts")


def traced_step(code: Code, static: Static, hyper: Mapping[str, Any], key: Any) -> ClosedJaxpr:
    """A step of a training as JAX sees it.

    Raises:
        SpecError: if what it returns is not a state like the one it was given.
    """
    init, step, _ = code.training or ()
    fixed = dict(static.static)
    call = functools.partial(called, step, fixed)
    try:
        state = jax.eval_shape(functools.partial(called, init, fixed), hyper, key)
    except Exception as error:
        raise refused(code, f"init raises {brief(error)}") from error
    t = jax.ShapeDtypeStruct((), np.int32)
    found = traced(code, call, hyper, key, state, t)
    after = jax.eval_shape(call, hyper, key, state, t)
    before_form, after_form = (
        (jax.tree.structure(s), [(a.shape, a.dtype) for a in jax.tree.leaves(s)]) for s in (state, after)
    )
    if before_form != after_form:
        raise refused(code, f"step returns a state {short(after)}, and was given {short(state)}; they must be of one "
                      "form, shapes and dtypes included")  # fmt: skip
    return found


def short(tree: Any) -> str:
    """The shapes of a state in a line."""
    text = " ".join(str(jax.tree.map(lambda a: f"{a.dtype}{list(a.shape)}", tree)).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def outputs_of(code: Code, shapes: Mapping[Static, Mapping[str, Any]], spec: SweepSpec) -> dict[str, Any]:
    """{output: {dims, shape, dtype}}, the same for all static numbers.

    Raises:
        SpecError: if they differ, or dimensions do not fit.
    """
    (first, outputs), *others = shapes.items()
    for static, found in others:
        for name in {**outputs, **found}:
            one, other = outputs.get(name), found.get(name)
            if one is None or other is None or one.shape != other.shape:
                raise refused(code, f"returns {name} of shape {shape_of(one)} at {static_words(first)}, and of "
                              f"{shape_of(other)} at {static_words(static)}; results have one shape: pad it to the "
                              "largest, or return a summary")  # fmt: skip
    given = spec.problem.get("dims", {})
    for name in given.keys() - outputs.keys():
        raise refused(code, f"does not return {name}, of which dims are given; it returns {', '.join(outputs)}")
    sizes: dict[str, int] = {}
    found = {}
    for name, value in outputs.items():
        dims = list(given.get(name, [f"{name}_{k}" for k in range(len(value.shape))]))
        if len(dims) != len(value.shape):
            raise refused(code, f"returns {name} of shape {shape_of(value)}, of which dims names {len(dims)}: "
                          f"{', '.join(dims)}")  # fmt: skip
        for dim, length in zip(dims, value.shape, strict=True):
            if dim in {*spec.axes, *spec.fixed, *spec.static, *outputs}:
                raise refused(code, f"returns {name} along {dim}, which is a number of the sweep or an output; call "
                              "the dimension otherwise")  # fmt: skip
            if sizes.setdefault(dim, length) != length:
                raise refused(code, f"returns {name} with {length} values along {dim}, where another output has "
                              f"{sizes[dim]}; give them different dims")  # fmt: skip
        found[name] = {"dims": dims, "shape": list(value.shape), "dtype": str(value.dtype)}
    return found


def shape_of(value: Any) -> str:
    """A shape for people."""
    return "none at all" if value is None else str(tuple(value.shape))


def static_words(static: Static) -> str:
    """The static numbers of a lane for people."""
    return ", ".join(f"{name} = {value:g}" for name, value in static.static) or "no static number"


def refuse(batch: Callable[..., Batch], static: Static, memory: int) -> None:
    """See that the narrowest chunk fits.

    Raises:
        MachineError: if it takes more than there is.
    """
    with numerics(static.precision):
        tree = jax.tree.structure(tuple(static.names))
        kinds = (np.dtype(static.precision),) * len(static.names)
        devices = (jax.local_devices()[0],)
        need = compile_programs(batch(static, None, Way(), 1), tree, kinds, MIN_WIDTH, 1, devices).bytes
    if need > memory:
        raise MachineError(
            f"{static.code.partition('@')[0]} ({static_words(static)}): a lane takes about {size(need / MIN_WIDTH)}, "
            f"and the {MIN_WIDTH} that run side by side at least {size(need)}, of {size(memory)}; make it smaller, or "
            "allow more with --memory"
        )
