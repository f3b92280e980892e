"""The native kernel: XLA FFI targets for the CPU, built at install time where there is a C++ compiler."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from adam_vs_gd.problem import Kernel
from adam_vs_gd.problems.learning.loss import FITTED_LOSS
from adam_vs_gd.problems.learning.steps import window
from adam_vs_gd.problems.learning.table1 import SCHEDULE
from adam_vs_gd.problems.two_patch.ways import BEST_EVERY
from adam_vs_gd.surroundings import numerics

if TYPE_CHECKING:
    from adam_vs_gd.problems.two_patch.data import NoiseRanks
    from adam_vs_gd.problems.two_patch.lane import Static
    from adam_vs_gd.types import Array, Scalar

KINDS = (
    "gd", "signgd", "adam", "adam_paper", "momentum", "nesterov", "signum", "lion", "rmsprop", "adagrad", "adamw",
    "amsgrad", "adabound", "adam_power",
)  # fmt: skip
"""The optimizers it knows, in the order of native/training.h, and"""
OWN = {"power": 0.0, "gamma": 0.0, "eta_final": 0.0, **SCHEDULE}
"""their numbers that only some of them have, with what they are for others."""

SWITCH = "ADAM_VS_GD_NATIVE"
"""An environment variable: off does without the kernel."""
BUILD = (
    "`pip install --force-reinstall --no-deps .` in a clone, elsewhere "
    "`pip install --force-reinstall --no-deps --no-binary adam-vs-gd adam-vs-gd`"
)
"""How it is compiled on this machine: a wheel, which pip would take again, may have come without it."""


def extension() -> Any:
    """The module of the native code.

    Raises:
        ImportError: if it is switched off, or was not built, with the fix.
    """
    if os.environ.get(SWITCH) in ("0", "off"):
        raise ImportError(f"{SWITCH} is {os.environ[SWITCH]}; unset it to use the kernel")
    try:
        from adam_vs_gd import _native
    except ImportError as error:
        how = f"install a C++17 compiler (on Debian: apt install g++), and build it: {BUILD}"
        raise ImportError(f"it was not built ({error}); {how}") from None
    return _native


@functools.cache
def load() -> Kernel:
    """Register the targets, once."""
    try:
        _native = extension()
    except ImportError as error:
        return Kernel("", str(error))
    for name, target in _native.targets().items():
        jax.ffi.register_ffi_target(name, target, platform="cpu")
    try:
        works()
    except Exception as error:  # whatever XLA raises for a kernel that was built for another version of it
        how = f"build it with the jaxlib in use: {BUILD}"
        return Kernel("", f"this jaxlib refuses it: {str(error).splitlines()[0]}; {how}")
    return Kernel(_native.simd())


def works() -> None:
    """Compute 2·3 with it.

    Raises:
        Exception: if this XLA cannot call it, or it computes something else.
    """
    coordinate = np.array([[[1]]], np.int32)
    unit, weights = np.array([[[2]]], np.float32), np.array([[0, 3]], np.float32)
    with numerics("float32"), jax.default_device(jax.devices("cpu")[0]):
        found = np.asarray(call("project", (1, 1), coordinate, unit, np.int32(0), np.int32(1), weights)).item()
    if found != 6:
        raise RuntimeError(f"2·3 is not {found}")


def call(name: str, shape: tuple[int, ...], *operands: Any) -> Array:
    """A target with one float32 result."""
    result = jax.ShapeDtypeStruct(shape, np.float32)
    return jax.ffi.ffi_call(f"adam_vs_gd_{name}", result, vmap_method="sequential")(*operands)


@jax.custom_vjp
def project(noise: NoiseRanks, slot: Array, s: Array, w: Array) -> Array:
    """Sparse products of unit noise with filters: Σ_{k<s} unit[i, k]·w[:, coordinate[i, k]].

    Differentiable in w.

    Args:
        noise: [K, n, R] ranks of K seeds.
        slot: which of them.
        s: how many ranks count, int32.
        w: [C, d] float32.

    Returns:
        [C, n].
    """
    return call("project", (w.shape[0], noise.unit.shape[1]), *noise, slot, s, w)


def project_fwd(noise: NoiseRanks, slot: Array, s: Array, w: Array) -> tuple[Array, tuple[Any, ...]]:
    """`project`, and what its transpose needs."""
    return project(noise, slot, s, w), (noise, slot, s, w.shape[1])


def project_bwd(kept: tuple[Any, ...], g: Array) -> tuple[Any, ...]:
    """Cotangents of `project`'s arguments: only w has one."""
    noise, slot, s, d = kept
    return None, None, None, project_back(noise, slot, s, g, d)


project.defvjp(project_fwd, project_bwd)


def project_back(noise: NoiseRanks, slot: Array, s: Array, g: Array, d: int) -> Array:
    """[C, d], the transpose of `project`: Σ_i Σ_{k<s} g[:, i]·unit[i, k] at coordinate[i, k]; g is [C, n]."""
    return call("project_back", (g.shape[0], d), *noise, slot, s, g)


def attributes_of(static: Static) -> dict[str, Any]:
    """The static numbers of a training."""
    return {
        "kind": KINDS.index(static.optimizer),
        "scheduled": int(any(key in SCHEDULE for key in static.own)),
        "q": static.q,
        "linear": int(static.model == "linear"),
        "steps": static.steps,
        "window": window(static.steps),
        "best_every": BEST_EVERY,
        "batch_size": static.batch_size,
        "fitted_loss": np.float32(FITTED_LOSS),
    }


def in_place(name: str, static: Static, operands: tuple[Array, ...], results: tuple[Array, ...]) -> list[Array]:
    """Call a target that changes `results`, which follow its operands and are given up."""
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in results]
    aliases = {len(operands) + i: i for i in range(len(results))}
    target = jax.ffi.ffi_call(f"adam_vs_gd_{name}", shapes, input_output_aliases=aliases)
    return list(target(*operands, *results, **attributes_of(static)))


LOOKS = ("train_error", "data_loss", "weight_square", "gradient_sum", "gradient_norm", "feature", "memorization")
"""What the kernel measures, in its order; then Λ_j and Γ_j for both classes."""
ALL_LOOKS = len(LOOKS) + 4


def measured(target: str, static: Static, lam: Scalar, *operands: Array) -> dict[str, Array]:
    """`measurements.measure` of all lanes: {name: [L]} and, by class, [L, 2].

    Args:
        target: "measure" (operands and weights) or "measure_span" (operands and coefficients).
        static: what the lanes share.
        lam: [L] λ.
        operands: of `operands_of`, and what the target takes.
    """
    lam = jnp.asarray(lam, jnp.float32)
    shape = jax.ShapeDtypeStruct((len(lam), ALL_LOOKS), np.float32)
    return looks_of(jax.ffi.ffi_call(f"adam_vs_gd_{target}", shape)(*operands, **attributes_of(static)), lam)


def looks_of(found: Array, lam: Array) -> dict[str, Array]:
    """`measurements.measure` of lanes, from what a kernel measures of them [L, ALL_LOOKS]."""
    look = dict(zip(LOOKS, found.T, strict=False))
    loss = look["data_loss"] + 0.5 * lam * look["weight_square"]
    finite = jnp.isfinite(loss) & jnp.isfinite(look["weight_square"])
    return {
        "train_error": jnp.where(finite, look["train_error"], jnp.nan),
        "loss": loss,
        "data_loss": look["data_loss"],
        "feature_learning": look["feature"],
        "noise_memorization": look["memorization"],
        "capital_lambda": found[:, -4:-2],
        "capital_gamma": found[:, -2:],
        "grad_norm_l1": look["gradient_sum"],
        "grad_norm_l2": look["gradient_norm"],
        "weight_norm": jnp.sqrt(look["weight_square"]),
    }


def test_errors(static: Static, operands: tuple[Array, ...], tests: NoiseRanks, labels: Array, w: Array) -> Array:
    """[L] error rates of weights [L, J, m, d] on the test examples; NaN where the weights are not finite."""
    shape = jax.ShapeDtypeStruct((len(w),), np.float32)
    target = jax.ffi.ffi_call("adam_vs_gd_errors", shape)
    rate = target(*operands, *tests, labels, w, **attributes_of(static))
    return jnp.where(jnp.isfinite(w).all((1, 2, 3)), rate, jnp.nan)
