"""The numbers of a training, whatever is trained: of its steps and its optimizer. No JAX."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from adam_vs_gd.problem import DIVERGED, PENDING, Number, Outcome, Section, Variants
from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.learning.table1 import KINDS, SCHEDULE, SWITCHES
from adam_vs_gd.spec.plain import typed
from adam_vs_gd.spec.values import values

INT_MAX = 2**31 - 1
PRECISIONS = ("float32", "float64")

TOP = Section({"steps": Number(int, 1, INT_MAX, table1.STEPS, "$T$", "training steps")})
TRAIN = Section(
    {
        "lam": Number(float, 0, math.inf, table1.LAM, r"$\lambda$", "weight of the L2 term"),
        "batch_size": Number(int, 1, INT_MAX, None, "$B$", "examples of a batch"),  # left out: all n
    },
    {"precision": PRECISIONS},
    words={"precision": "precision of the numbers"},
)
OPTIMIZER: Mapping[str, Number] = {
    "eta": Number(float, 0, math.inf, None, r"$\eta$", "learning rate", above=True),
    "beta1": Number(float, 0, 1, table1.BETA1, r"$\beta_1$", "decay of the first moment", below=True),
    "beta2": Number(float, 0, 1, table1.BETA2, r"$\beta_2$", "decay of the second moment", below=True),
    "eps": Number(float, 0, math.inf, table1.EPS, r"$\epsilon$", "term added to the root of the second moment"),
}
OWN_NUMBERS: Mapping[str, Number] = {
    "clip": Number(float, 0, math.inf, None, "$c$", "norm that a gradient is clipped to", above=True),
    "rho": Number(float, 0, math.inf, None, r"$\rho$", "distance up the hill", above=True),
    "power": Number(float, 0, 1, None, "$p$", "power of the normalization"),
    "gamma": Number(float, 0, math.inf, None, r"$\gamma$", "speed at which the bounds close", above=True),
    "eta_final": Number(
        float, 0, math.inf, None, r"$\eta_\infty$", "learning rate that the bounds close on", above=True
    ),
    "warmup": Number(int, 0, INT_MAX, None, "$t_w$", "steps of the warm-up"),
    "cosine": Number(float, 0, 1, None, r"$c_\eta$", "share of the learning rate that half a cosine takes away"),
    "drop": Number(float, 0, 1, None, r"$f_\eta$", "factor of the learning rate at a drop", above=True),
    "drop_every": Number(int, 0, INT_MAX, None, "$t_d$", "steps between drops"),
}
"""Numbers that some optimizers have, and those of a schedule, which any may have."""
ALL_NUMBERS = {**OPTIMIZER, **OWN_NUMBERS}
OPTIMIZERS = Variants("optimizers", ALL_NUMBERS, KINDS, "adam", SCHEDULE)
SWITCH: Mapping[str, Number] = {
    "eta_after": Number(float, 0, math.inf, None, r"$\eta'$", "learning rate after the switch", above=True),
    "switch": Number(int, 0, INT_MAX, table1.STEPS, "$t_s$", "step at which the optimizer is another"),
}
SWITCHING = Variants("optimizers", {**ALL_NUMBERS, **SWITCH}, {**KINDS, **SWITCHES}, "adam", SCHEDULE)
"""`OPTIMIZERS`, and those that switch from one to another."""


def own_numbers(kind: str, scheduled: Collection[str]) -> tuple[str, ...]:
    """Which of `OWN_NUMBERS` a lane of ours has: its optimizer's, and those of a schedule that it is said to have."""
    of_kind = {**KINDS, **SWITCHES}.get(kind)
    if of_kind is None:
        return ()
    return tuple(key for key in OWN_NUMBERS if key in of_kind or key in scheduled)


def off_default(at: Mapping[str, Any]) -> list[str]:
    """The numbers of a schedule that are not at their defaults."""
    return [key for key, default in SCHEDULE.items() if at.get(key) not in (None, default)]


def check_schedules(tables: Mapping[str, Any], mistakes: list[str]) -> None:
    """Whether numbers of a schedule do what they are given for, at every value of theirs."""
    lengths = values(tables.get("steps"))
    for label, table in (tables.get("optimizers") or {}).items():
        found = {key: values(table.get(key)) for key in SCHEDULE}
        drops = [value != SCHEDULE["drop"] for value in found["drop"]]
        for key, other, given in (
            ("drop", "drop_every", any(drops) and not any(found["drop_every"])),
            ("drop_every", "drop", any(found["drop_every"]) and not any(drops)),
        ):
            if given:
                mistakes.append(
                    f"optimizers.{label}.{key} = {typed(found[key][0])}: does nothing without {other}, the "
                    f"{OWN_NUMBERS[other].long_name}; give both, or leave it out"
                )
        if lengths and found["warmup"] and max(found["warmup"]) >= min(lengths):
            mistakes.append(
                f"optimizers.{label}.warmup = {typed(max(found['warmup']))}: must be below steps = {min(lengths)}, or "
                "the learning rate never gets to eta"
            )


LINEAR_RULES = frozenset({"gd", "momentum", "nesterov"})
"""The optimizers whose steps are linear in the gradients."""

STATUSES = (
    PENDING,
    DIVERGED,
    Outcome("collapsed", in_rates=False, letter="c", hatch="ooo"),  # its errors are rounding noise at the origin
    Outcome("underfit", letter="f", hatch="\\\\\\\\\\"),
    Outcome("undertrained", letter="u", hatch="/////"),
    Outcome("fitted", good=True),
    Outcome("converged", good=True, at_rest=True),  # fitted, and at rest
)
"""What can become of a lane."""
CODES: Mapping[str, int] = {outcome.name: code for code, outcome in enumerate(STATUSES)}

NUMERICS: Mapping[str, int] = {"gd": 2}
"""Version of the numbers of an optimizer, 1 by default: raised whenever the same lane would come out different."""

COPIES: Mapping[str, int] = {"gd": 4, "signgd": 3, "amsgrad": 6} | dict.fromkeys(
    ("normalized_gd", "signum", "lion", "rmsprop", "adagrad", "muon"), 4
)
"""Arrays of the size of the weights that a training holds, with an optimizer; 5 with the others."""


def real_bytes(precision: str) -> int:
    """Bytes of a number."""
    return 8 if precision == "float64" else 4
