"""The engine's own programs on the same lanes, stepped without anything around them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from adam_vs_gd.bench.work import ALPHAS, SETTINGS, SIGMA_0, SIGMA_P, WIDTH, D, N, Q, S, table1_work
from adam_vs_gd.engine.chunk import SeedDraws
from adam_vs_gd.engine.machine import limits_of, use_devices
from adam_vs_gd.engine.packing import make_plan, places_of
from adam_vs_gd.engine.placing import batch_of, placed, programs_of
from adam_vs_gd.engine.plan import Group
from adam_vs_gd.problems.learning.table1 import KINDS
from adam_vs_gd.problems.two_patch.family import FAMILY
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.fast.span import SpanState
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.spec.cells import Lane
from adam_vs_gd.surroundings import numerics


def lanes_of(optimizer: str, lanes: int, seeds: int, steps: int, test_size: int = 2, record: int = 0) -> list[Lane]:
    """The lanes of `work.table1_work`, in its order."""
    static = Static(optimizer=optimizer, steps=steps, n=N, d=D, width=WIDTH, q=Q, test_size=test_size)
    own: Mapping[str, float] = KINDS[optimizer]
    numbers: dict[str, Any] = {key: own.get(key, 0.0) for key in ("eta", "beta1", "beta2", "eps")}
    made = []
    for alpha in np.linspace(*ALPHAS, lanes // seeds):
        hyper = Hyper(float(alpha), S, SIGMA_P, SIGMA_0, SETTINGS[optimizer].lam, **numbers)
        made += [Lane(static, hyper, seed, record) for seed in range(seeds)]
    return made


def train(optimizer: str, lanes: int, seeds: int, steps: int, path: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Full-batch training of all lanes by the planner's choice of method, on all devices.

    Args:
        optimizer: "gd" or "adam".
        lanes: L.
        seeds: as in `work.table1_work`.
        steps: T.
        path: "fast" or "reference".

    Returns:
        [L, 2, m, d] weights at step T; and what the planner chose, `seconds` without compilation, and `compilation`.
    """
    devices = use_devices()
    wanted = lanes_of(optimizer, lanes, seeds, steps)
    (group,) = make_plan(FAMILY, wanted, limits_of(FAMILY, devices, path=path)).groups
    here = devices[: group.devices]
    order = {lane.digest: i for i, lane in enumerate(wanted)}
    weights = np.empty((lanes, 2, WIDTH, D), np.float32)
    with numerics("float32"):
        batch = batch_of(group, make_batch)
        began = time.perf_counter()
        programs = programs_of(batch, group, here)
        compilation = time.perf_counter() - began
        total = 0.0
        for chunk in group.chunks:
            inputs = placed(batch, group, chunk, here, SeedDraws())
            state = jax.block_until_ready(programs.start(*inputs))
            began = time.perf_counter()
            state = jax.block_until_ready(programs.advance(*inputs, state, np.int32(0), np.int32(steps)))
            total += time.perf_counter() - began
            found = weights_of(state, group, seeds)
            for i, lane in enumerate(chunk.lanes):
                weights[order[lane.digest]] = found(places_of(chunk, group).index(i), lane.seed)
    return weights, {"seconds": total, "compilation": compilation, "method": group.way.name, "width": group.width}


def weights_of(state: Any, group: Group, seeds: int) -> Any:
    """(place, seed) -> W [2, m, d], also of lanes that carry coefficients."""
    if not isinstance(state, SpanState):
        params = np.asarray(state.params["w"])
        return lambda place, seed: params[place]
    at = jax.tree.map(np.asarray, state.at)
    work = table1_work(seeds, seeds)

    def combined(place: int, seed: int) -> np.ndarray:
        w = at.scale[place] / SIGMA_0 * work.start[seed] + at.noise[place] @ (work.data.noise[seed] / SIGMA_P)
        w[..., 0] = at.feature[place]
        return w

    return combined
