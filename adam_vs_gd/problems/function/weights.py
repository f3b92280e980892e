"""What somebody's code takes, read off what JAX has traced of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

if TYPE_CHECKING:
    from adam_vs_gd.problems.function.family import Static


class Weight(NamedTuple):
    """What a lane of somebody's code takes, about.

    Attributes:
        bytes: the most that is held at once, if XLA fuses nothing.
        work: floating-point operations, of a step where it is a training.
        lapack: how many matrices at once it hands to LAPACK; 0 where it does not.
    """

    bytes: int
    work: float
    lapack: int = 0


WEIGHTS: dict[Static, Weight] = {}
"""What has been looked at; the only use of it is to plan."""


def weight_of(static: Static) -> Weight:
    """What a lane takes, if its code has been looked at."""
    return WEIGHTS.get(static, Weight(2**16, 1.0))


def equations(jaxpr: Jaxpr) -> Iterator[Any]:
    """Every equation, also of functions inside."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in inside(equation):
            yield from equations(inner)


def inside(equation: Any) -> Iterator[Jaxpr]:
    """The jaxprs that an equation calls."""
    for value in equation.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, ClosedJaxpr):
                yield one.jaxpr
            elif isinstance(one, Jaxpr):
                yield one


def peak(jaxpr: Jaxpr) -> int:
    """The most bytes that are held at once, equation by equation, if nothing is fused."""
    last = {}
    for k, equation in enumerate(jaxpr.eqns):
        for variable in equation.invars:
            if hasattr(variable, "count") or not hasattr(variable, "val"):
                last[id(variable)] = k
    kept = {id(variable) for variable in jaxpr.outvars}
    held = sum(bytes_of(variable) for variable in jaxpr.invars)
    most, alive = held, {}
    for k, equation in enumerate(jaxpr.eqns):
        extra = max((peak(inner) for inner in inside(equation)), default=0)
        for variable in equation.outvars:
            alive[id(variable)] = bytes_of(variable)
            held += bytes_of(variable)
        most = max(most, held + extra)
        for name in [n for n in alive if last.get(n, -1) <= k and n not in kept]:
            held -= alive.pop(name)
    return most


def bytes_of(variable: Any) -> int:
    """Bytes of an array."""
    aval = variable.aval
    itemsize = getattr(getattr(aval, "dtype", None), "itemsize", 8)
    return int(np.prod(getattr(aval, "shape", ()), dtype=np.int64)) * itemsize


CUBIC = frozenset({"cholesky", "lu", "eigh", "svd", "qr", "eig", "triangular_solve", "geqrf", "geqp3", "schur",
                   "hessenberg", "tridiagonal", "householder_product", "symmetric_product"})  # fmt: skip
"""Primitives that are LAPACK's or BLAS's on a CPU, and take the cube of a side."""


def matrices(jaxpr: Jaxpr) -> int:
    """The most matrices that an equation hands to LAPACK at once; 0 where none does."""
    shapes = [e.invars[0].aval.shape for e in equations(jaxpr) if e.primitive.name in CUBIC]
    return max((int(np.prod(shape[:-2], dtype=int)) for shape in shapes), default=0)


def work(jaxpr: Jaxpr) -> float:
    """Floating-point operations, about; a loop of unknown length counts once."""
    total = 0.0
    for equation in jaxpr.eqns:
        sizes = [float(np.prod(getattr(v.aval, "shape", ()), dtype=float)) for v in equation.outvars]
        name = equation.primitive.name
        if name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = getattr(equation.invars[0].aval, "shape", ())
            total += 2 * sizes[0] * float(np.prod([shape[d] for d in contracted], dtype=float))
        elif name in CUBIC:
            shape = getattr(equation.invars[0].aval, "shape", ())
            total += float(np.prod(shape, dtype=float)) * (shape[-1] if shape else 1)
        else:
            total += sum(sizes)
        times = equation.params.get("length", 1) if name == "scan" else 1
        total += times * sum(work(inner) for inner in inside(equation))
    return max(total, 1.0)
