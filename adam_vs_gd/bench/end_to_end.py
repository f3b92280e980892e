"""A sweep from its start to the Dataset on disk, over its bare loop: the same programs, and nothing of the engine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from adam_vs_gd.bench.work import ALPHAS
from adam_vs_gd.engine.chunk import SeedDraws
from adam_vs_gd.engine.estimate import plan_sweep
from adam_vs_gd.engine.machine import use_devices
from adam_vs_gd.engine.placing import batch_of, placed, programs_of
from adam_vs_gd.engine.plan import Plan
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.surroundings import numerics
from adam_vs_gd.types import record_steps, test_steps

CHECKPOINT_SECONDS = 30.0


def run(optimizer: str, lanes: int, seeds: int, steps: int) -> dict[str, float]:
    """Seconds of both, compiled before; and how the bare loop's are made up.

    Args:
        optimizer: its name.
        lanes: of them, `lanes // seeds` values of α for each seed.
        seeds: how many.
        steps: T.
    """
    alpha = {"linspace": [*ALPHAS, lanes // seeds]}
    spec = SweepSpec(name="bench", seeds=seeds, steps=steps, data={"alpha": alpha}, optimizers={optimizer: {}})
    plan, *_ = plan_sweep(spec)
    devices = use_devices()
    for group in plan.groups:
        with numerics(group.static.precision):
            programs_of(batch_of(group, make_batch), group, devices[: group.devices])
    bare_loop(plan, devices)  # what runs for the first time is slower
    bare = bare_loop(plan, devices)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run_sweep(spec, folder, checkpoint_every=CHECKPOINT_SECONDS, quiet=True)
        sweep = time.perf_counter() - began
    return {"sweep": sweep, "bare": sum(bare.values()), **bare, "ratio": sweep / sum(bare.values())}


def bare_loop(plan: Plan, devices: Sequence[jax.Device]) -> dict[str, float]:
    """Seconds of a plan without the engine: of draws, steps, and evaluation (measurements and test errors)."""
    seconds = {"draws": 0.0, "steps": 0.0, "evaluation": 0.0}

    def timed(what: str, f: Any, *arguments: Any) -> Any:
        began = time.perf_counter()
        found = jax.block_until_ready(f(*arguments))
        seconds[what] += time.perf_counter() - began
        return found

    for group in plan.groups:
        with numerics(group.static.precision):
            here, steps = tuple(devices[: group.devices]), group.static.steps
            batch, seed_draws = batch_of(group, make_batch), SeedDraws()
            programs = programs_of(batch, group, here)
            record, tests = record_steps(steps, group.record), set(test_steps(steps, group.record).tolist())
            for chunk in group.chunks:
                inputs = timed("draws", placed, batch, group, chunk, here, seed_draws)
                state, kept, last = programs.start(*inputs), [], 0
                for step in record.tolist():
                    if step > last:
                        state = timed("steps", programs.advance, *inputs, state, np.int32(last), np.int32(step))
                    last, measured = step, timed("evaluation", programs.measure, *inputs, state)
                    if step in tests:
                        measured |= timed("evaluation", programs.test, *inputs, state)
                    kept.append(measured)
                timed("evaluation", programs.finish, *inputs, state, measured)
                jax.tree.map(np.asarray, kept)
    return seconds
