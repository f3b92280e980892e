"""Made-up results: every number different, every status there, so that nothing can be mistaken for anything else."""

import numpy as np
import small
from small import ERRORS, STATUSES

from adam_vs_gd.results.dataset import to_dataset

CODES = {name: code for code, name in enumerate(STATUSES)}
THREE = {
    "data": {"alpha": [0.0, 0.2, 0.4, 0.6], "s": [2, 8, 32]},
    "train": {"lam": [0.0, 1e-3]},
    "seeds": 3,
    "record": 30,
}


def results(rng_seed=0, **keys):
    """A Dataset of a spec with random numbers, all fitted."""
    made = to_dataset(small.spec(**keys), [])
    rng = np.random.default_rng(rng_seed)
    for name, values in made.data_vars.items():
        numbers = rng.random(values.shape)
        if "memorization" in str(name):
            numbers -= 0.5
        if name == "grad_norm_l1":
            numbers = np.exp(20 * numbers)
        made[name] = values.copy(data=numbers.astype(values.dtype))
    made["status"] = made.status.copy(data=np.full(made.status.shape, CODES["fitted"], np.int8))
    return made


def set_status(made, status, **at):
    """Give the lanes at some indices a status, and the numbers that lanes of it have."""
    code = CODES[status]
    made["status"][at] = code
    for name, values in made.data_vars.items():
        if name != "status" and (
            status == "pending" or (status == "diverged" and name.removesuffix("_path") in ERRORS)
        ):
            values[at] = np.nan


def three():
    """Three axes, three seeds, and cells of every status at lam = 0."""
    made = results(**THREE)
    adam = {"optimizer": 0, "lam": 0}
    set_status(made, "pending", s=1, alpha=1, **adam)
    set_status(made, "pending", s=1, alpha=2, seed=2, **adam)
    set_status(made, "collapsed", s=2, alpha=2, **adam)
    set_status(made, "diverged", s=0, alpha=0, **adam)
    set_status(made, "undertrained", s=0, alpha=3, seed=0, **adam)
    set_status(made, "underfit", s=2, alpha=0, **adam)
    return made


def many():
    """10^4 cells over five axes and two optimizers, two seeds, 21 steps."""
    axes = {
        "data": {
            "d": 1000,
            "s": list(range(1, 11)),
            "alpha": {"linspace": [0.0, 0.9, 10]},
            "sigma_p": {"linspace": [0.1, 0.5, 5]},
        },
        "train": {"lam": [0.0, 1e-5, 1e-4, 1e-3, 1e-2]},
        "model": {"sigma_0": [0.01, 0.1]},
    }  # fmt: skip
    made = results(seeds=2, record=20, **axes)
    for k in range(50):
        set_status(made, STATUSES[k % 5], s=k % 10, alpha=(3 * k) % 10, sigma_p=k % 5)
    return made
