"""The seam: the engine runs any `Problem`, here one with a closed form, and pads and segments it as its own."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from small import FAMILY

from adam_vs_gd.engine.chunk import batched
from adam_vs_gd.engine.plan import Chunk, Group, Plan
from adam_vs_gd.engine.runner import Hooks, run_plan
from adam_vs_gd.problem import Problem, Way
from adam_vs_gd.problems.two_patch.lane import Static
from adam_vs_gd.spec.cells import Lane


class Quadratic(NamedTuple):
    """x ← x − η·c·x from x_0 drawn by the seed: x_T = (1 − η·c)^T x_0."""

    eta: Any
    power: Any  # c, an integer


def quadratic(static, ranks, method, block):
    def step(hyper, x):
        return x - hyper.eta * hyper.power * x

    problem = Problem(
        steps=static.steps,
        draw=lambda key: jax.random.normal(key, ()),
        start=lambda hyper, draws: draws,
        advance=lambda hyper, draws, x, start, stop: jax.lax.fori_loop(start, stop, lambda t, x: step(hyper, x), x),
        measure=lambda hyper, draws, x: {"x": x},
        test=lambda hyper, draws, x: {"ratio": x / draws},
        finish=lambda hyper, draws, x, measured: {**measured, "start": draws},
    )
    return batched(problem)


@pytest.mark.parametrize("width", [4, 7])
def test_a_foreign_problem_runs_through_the_engine(width):
    static = Static(steps=23)
    lanes = [Lane(static, Quadratic(0.01 * (k + 1), k % 3), seed=k % 4, record=5) for k in range(10)]
    chunks = tuple(Chunk(tuple(lanes[i : i + width])) for i in range(0, 10, width))
    found = {}

    def keep(meter, group, chunk, rows, seconds):
        found.update({lane: {name: v[i] for name, v in rows.items()} for i, lane in enumerate(chunk.lanes)})

    plan = Plan((Group(FAMILY, static, None, Way(), 5, 1, width, 4, chunks),))
    run_plan(plan, jax.devices("cpu"), lambda devices: 2**40, Hooks(keep=keep), quadratic)
    assert set(found) == set(lanes)
    for lane, row in found.items():
        shrink = 1 - lane.hyper.eta * lane.hyper.power
        steps = np.array([round(i * 23 / 5) for i in range(6)])
        np.testing.assert_allclose(row["x_path"], row["start"] * shrink**steps, rtol=1e-5)
        np.testing.assert_allclose(row["ratio"], shrink**23, rtol=1e-5)
        assert row["x"] == row["x_path"][-1]
    starts = {lane.seed: row["start"] for lane, row in found.items()}
    assert len(set(starts.values())) == 4, "seeds differ, and lanes of one seed share their draws"
    assert all(row["start"] == starts[lane.seed] for lane, row in found.items())
