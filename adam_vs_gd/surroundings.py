"""What can reach a lane's numbers from around it: settings of JAX and of XLA are fixed here, refused, or recorded.

A lane's digest says all that determines its result, so nothing of the process around it may do so too:

    ARITHMETIC        settings of JAX that numbers depend on, and
    DEBUGGING         those that stop a program for what is a result here: set while our programs are made and run
    CPU_OPTIONS       flags of XLA that our programs for a CPU are compiled with
    REFUSED           settings of JAX that hold for a whole process
    recorded          the rest, environment variables: told with what is computed, and not mixed in one folder

What is not here changes no bit of a result; tests/test_surroundings.py goes through all settings of JAX.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jax

from adam_vs_gd.errors import MachineError

Settings = Mapping[str, Callable[[], AbstractContextManager[Any]]]

ARITHMETIC: Settings = {
    "jax_threefry_partitionable": lambda: jax.threefry_partitionable(True),
    "jax_default_matmul_precision": lambda: jax.default_matmul_precision("highest"),
    "jax_numpy_dtype_promotion": lambda: jax.numpy_dtype_promotion("standard"),
    "jax_numpy_rank_promotion": lambda: jax.numpy_rank_promotion("allow"),
}
DEBUGGING: Settings = {
    "jax_transfer_guard": lambda: jax.transfer_guard("allow"),
    "jax_debug_nans": lambda: jax.debug_nans(False),
    "jax_debug_infs": lambda: jax.debug_infs(False),
    "jax_debug_key_reuse": lambda: jax.debug_key_reuse(False),
    "jax_check_tracer_leaks": lambda: jax.check_tracer_leaks(False),
    "jax_enable_checks": lambda: jax.enable_checks(False),
    "jax_disable_jit": lambda: jax.disable_jit(False),
    "jax_no_tracing": lambda: jax.no_tracing(False),
    "jax_no_execution": lambda: jax.no_execution(False),
}


@contextlib.contextmanager
def arithmetic() -> Iterator[None]:
    """`ARITHMETIC`, for pieces of a caller's own program, in the caller's dtype of floats; also a decorator."""
    with entered(ARITHMETIC):
        yield


@contextlib.contextmanager
def numerics(precision: str) -> Iterator[None]:
    """The settings of JAX that programs of the engine need, whatever the process around us has chosen.

    Args:
        precision: "float32" or "float64".
    """
    with jax.enable_x64(precision == "float64"), entered({**ARITHMETIC, **DEBUGGING}):
        yield


@contextlib.contextmanager
def entered(settings: Settings) -> Iterator[None]:
    """With all of them."""
    with contextlib.ExitStack() as stack:
        for setting in settings.values():
            stack.enter_context(setting())
        yield


CPU_OPTIONS: Mapping[str, str | int | bool] = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    "xla_cpu_enable_fast_math": False,
    "xla_allow_excess_precision": True,
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
}
"""Flags of XLA that our programs for a CPU are compiled with, whatever XLA_FLAGS says.

The first keeps rounding independent of a chunk's width: XLA hands reductions on a CPU to a library from a certain total
size on, and they then add up in another order; a lane's norms would depend on how many lanes run beside it. (Matrix
products may be handed over; they do not.) The others are XLA's own defaults.
"""
REFUSED: Mapping[str, Any] = {
    "jax_error_checking_behavior_nan": "ignore",
    "jax_error_checking_behavior_divide": "ignore",
    "jax_error_checking_behavior_oob": "ignore",
    "jax_disable_most_optimizations": False,
    "jax_compiler_enable_remat_pass": True,
    "jax_optimization_level": "UNKNOWN",
    "jax_exec_time_optimization_effort": 0.0,
    "jax_memory_fitting_level": "O2",
    "jax_memory_fitting_effort": 0.0,
    "jax_enable_pgle": False,
    "jax_xla_profile_version": 0,
    "jax_accurate_erf_inv": False,
    "jax_use_hlo_logistic_lowering": None,
}
"""Settings of JAX that only a whole process has and that may change numbers or end a sweep, at what they must be: JAX's
defaults. A version of JAX need not have all of them."""


PREFIX = "ADAM_VS_GD_"
OURS: Mapping[str, tuple[str, ...]] = {
    "ADAM_VS_GD_NATIVE": ("on", "1", "off", "0"),
    "ADAM_VS_GD_SIMD": ("avx512", "avx2", "baseline"),
}
"""Our own environment variables, and what they may say; the empty word is as good as none."""


def refuse_settings() -> None:
    """See that no setting can make these results other than those of the same name, and that ours are understood.

    Raises:
        MachineError: naming each that is wrong, and the fix.
    """
    held = jax.config.values
    lines = [
        f"{name} = {found!r}: must be {value!r}, or results would change that keep their names; unset {name.upper()}, "
        f"or call jax.config.update({name!r}, {value!r})"
        for name, value in REFUSED.items()
        if (found := held.get(name, value)) != value
    ]
    for name in sorted(name for name in os.environ if name.startswith(PREFIX)):
        word = os.environ[name]
        if name not in OURS:
            lines.append(f"{name} = {word}: there is no such variable; there are {', '.join(OURS)}")
        elif word and word not in OURS[name]:
            lines.append(f"{name} = {word}: must be one of {', '.join(OURS[name])}; or unset it")
    if lines:
        raise MachineError("\n".join(lines))


HARMLESS = ("xla_force_host_platform_device_count", "xla_dump_", "xla_cpu_fast_math_honor_")
"""How flags of XLA begin that change no bit: how many devices there are, what is written down for debugging, and what
fast math would leave alone, which is off."""
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "gpu": ("NVIDIA_TF32_OVERRIDE", "CUBLAS", "CUDNN_", "TF_CUDNN_", "ROCBLAS_", "HIPBLASLT_", "MIOPEN_"),
    "tpu": ("LIBTPU_INIT_ARGS",),
}
"""How environment variables begin that the libraries under XLA take their rounding from, by platform."""


def recorded(platform: str) -> str:
    """Flags of XLA and other variables of the environment that can change how programs round; "" without any.

    Args:
        platform: "cpu", "gpu" or "tpu".
    """
    fixed = CPU_OPTIONS if platform == "cpu" else {}
    flags = {name: text for name, text in xla_flags().items() if name not in fixed and not name.startswith(HARMLESS)}
    names = sorted(name for name in os.environ if name.startswith(VARIABLES.get(platform, ())))
    return " ".join([*(flags[name] for name in sorted(flags)), *(f"{name}={os.environ[name]}" for name in names)])


def xla_flags() -> dict[str, str]:
    """{name: as it is written} of XLA_FLAGS, or of the file that it names, as XLA reads them: the last one counts."""
    text = os.environ.get("XLA_FLAGS", "")
    if text.strip() and not text.lstrip().startswith("-"):
        with contextlib.suppress(OSError):
            text = Path(text).read_text(encoding="utf-8", errors="replace")
    return {flag.lstrip("-").partition("=")[0]: flag for flag in shlex.split(text)}
