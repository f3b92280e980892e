"""The paper's Table 1: the numbers of its experiment, and what is taken where it says nothing. Defaults everywhere."""

from collections.abc import Mapping

STEPS = 10_000  # T
N = 200  # n, training examples
D = 1000  # d, coordinates of a patch
S = 100  # s, noise coordinates of an example
SIGMA_P = 0.1  # σ_p
ALPHA = 0.2  # α
TEST_SIZE = 10_000  # not in the table
WIDTH = 20  # m
Q = 3  # q
SIGMA_0 = 0.01  # σ_0
LAM = 1e-5  # λ
BETA1, BETA2 = 0.9, 0.999
EPS = 1e-8  # not in the table
ETA_GD, ETA_ADAM = 0.02, 5e-5

ADAM: Mapping[str, float] = {"eta": ETA_ADAM, "beta1": BETA1, "beta2": BETA2, "eps": EPS}
KINDS: Mapping[str, Mapping[str, float]] = {
    "gd": {"eta": ETA_GD},
    "signgd": {"eta": ETA_ADAM},
    "adam": ADAM,
    "adam_paper": {"eta": ETA_ADAM, "beta1": BETA1, "beta2": BETA2},
    "momentum": {"eta": 0.002, "beta1": BETA1},
    "nesterov": {"eta": 0.002, "beta1": BETA1},
    "normalized_gd": {"eta": 3.2e-4},
    "signum": {"eta": ETA_ADAM, "beta1": BETA1},
    "lion": {"eta": ETA_ADAM, "beta1": BETA1, "beta2": 0.99},
    "rmsprop": {"eta": ETA_ADAM, "beta2": 0.99, "eps": EPS},
    "adagrad": {"eta": 3.2e-3, "eps": 1e-10},
    "adamw": ADAM,
    "amsgrad": ADAM,
    "adabound": {**ADAM, "gamma": 1e-3, "eta_final": ETA_GD},
    "adam_clip": {**ADAM, "clip": 1.0},
    "adam_power": {**ADAM, "eta": 5e-4, "power": 0.5},
    "sam": {"eta": 0.063, "rho": 0.05},
    "muon": {"eta": 1e-3, "beta1": 0.95},
}
"""The optimizers: the numbers each has, and their defaults.

η is the paper's where the paper has it, momentum's GD's times 1 − β1. The others' were tuned at Table 1
(sweeps/rates.toml): the smallest of a grid of half decades at which all seeds are fitted after its steps, which is what
the paper's are too; AdaBound's, which is fitted with any, is Adam's.
"""

SCHEDULE: Mapping[str, float] = {"warmup": 0, "cosine": 0.0, "drop": 1.0, "drop_every": 0}
"""Numbers that any of them may have: how η changes along a training, with the defaults of a constant one."""

SWITCHES: Mapping[str, Mapping[str, float]] = {
    "adam_to_gd": {"eta": ETA_ADAM, "beta1": BETA1, "beta2": BETA2, "eps": EPS, "eta_after": ETA_GD, "switch": STEPS},
    "gd_to_adam": {"eta": ETA_GD, "beta1": BETA1, "beta2": BETA2, "eps": EPS, "eta_after": ETA_ADAM, "switch": STEPS},
}
"""Optimizers that begin as one and go on as the other from step `switch` on, at η `eta_after`."""
