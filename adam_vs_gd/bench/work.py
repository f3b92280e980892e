"""The work that everything in this folder is timed on: lanes of Table 1's size, their data and start given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from adam_vs_gd.engine.chunk import SeedDraws
from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.learning.table1 import KINDS
from adam_vs_gd.problems.two_patch.data import balanced_labels, make_dataset
from adam_vs_gd.problems.two_patch.models import make_model
from adam_vs_gd.problems.two_patch.problem import draw_function
from adam_vs_gd.surroundings import numerics

N, D, S, WIDTH, Q = table1.N, table1.D, table1.S, table1.WIDTH, table1.Q
SIGMA_P, SIGMA_0 = table1.SIGMA_P, table1.SIGMA_0
ALPHAS = (0.2, 0.8)  # the lanes of a seed lie between: Table 1's α, and one at which GD too may fail


class Data(NamedTuple):
    """The training sets of all lanes.

    Attributes:
        noise: [L, n, d] float32 noise patches, −α·y on coordinate 0 included.
        y: [n] float32 labels, −1 or +1, the same for all lanes; the feature patches are y·e_1.
    """

    noise: np.ndarray
    y: np.ndarray


class Settings(NamedTuple):
    """What a training does with its data; β1, β2 and ε are 0.9, 0.999 and 1e-8, everybody's defaults."""

    eta: float  # η
    lam: float  # λ, L2 in the gradient
    q: int


class Work(NamedTuple):
    """Lanes to train.

    Attributes:
        data: their training sets.
        start: [L, 2, m, d] float32 weights at step 0, class −1 first.
    """

    data: Data
    start: np.ndarray


SETTINGS: Mapping[str, Settings] = {name: Settings(KINDS[name]["eta"], table1.LAM, Q) for name in ("gd", "adam")}
"""Table 1's, by optimizer."""


def table1_work(lanes: int, seeds: int = 1) -> Work:
    """Lanes of Table 1 that differ in seed and α as those of a sweep do; starts JAX's backend.

    Args:
        lanes: L, a multiple of `seeds`. Lane a·seeds + k has the a-th value of α, `lanes // seeds` of them evenly
            between `ALPHAS`, and seed k.
        seeds: lanes of one seed share their noise and their start, copied here for each.

    Raises:
        ValueError: if the lanes cannot be shared out among the seeds.
    """
    if seeds < 1 or lanes < 1 or lanes % seeds:
        raise ValueError(f"lanes = {lanes}: must be a positive multiple of seeds = {seeds}")
    alphas = np.linspace(*ALPHAS, lanes // seeds)
    draw = draw_function(make_model("two_layer_cnn", WIDTH, Q), N, D, 2, "independent", S)
    y = balanced_labels(N)
    with numerics("float32"):
        draws = SeedDraws().stack(draw, range(seeds), (jax.local_devices()[0],))
        noise = jax.vmap(lambda ranks: make_dataset(ranks, y, D, S, SIGMA_P, 0.0).noise)(draws.train)
        data = np.tile(np.asarray(noise), (len(alphas), 1, 1))
        data[..., 0] = -np.repeat(alphas, seeds)[:, None] * np.asarray(y)
        start = np.tile(np.asarray(SIGMA_0 * draws.weights["w"]), (len(alphas), 1, 1, 1))
    return Work(Data(data, np.asarray(y, np.float32)), start)
