"""How long a group will take here: about a second of it is run, and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from adam_vs_gd.engine.chunk import LANES, SeedDraws, compile_draw, program_bytes, sharding
from adam_vs_gd.engine.pace import FIRST_SEGMENT, SEGMENT_SECONDS
from adam_vs_gd.engine.placing import Make, batch_of, placed, programs_of
from adam_vs_gd.engine.plan import Group
from adam_vs_gd.engine.runner import check_fit
from adam_vs_gd.problem import until_of
from adam_vs_gd.surroundings import numerics
from adam_vs_gd.types import record_steps, test_steps


class Timing(NamedTuple):
    """What a group costs here.

    Attributes:
        compilation: seconds of it, once.
        draws: seconds a chunk at most.
        speed: lane-steps per second.
        measurements: seconds a chunk, along the training and at its end.
    """

    compilation: float
    draws: float
    speed: float
    measurements: float

    def total(self, group: Group) -> float:
        """Seconds that all chunks of the group will take."""
        steps = group.width * group.static.steps / self.speed
        return self.compilation + len(group.chunks) * (self.draws + steps + self.measurements)


def time_group(
    group: Group,
    devices: Sequence[jax.Device],
    memory: Callable[[int], int],
    make: Make,
) -> Timing:
    """Run about a second of a group's first chunk, and measure it.

    Raises:
        UnfitError: if it needs more memory than there is.
    """
    here, steps = tuple(devices[: group.devices]), group.static.steps

    def timed(f: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
        began = time.monotonic()
        found = jax.block_until_ready(f(*arguments))
        return time.monotonic() - began, found

    with numerics(group.static.precision):
        batch = batch_of(group, make)
        compilation, programs = timed(programs_of, batch, group, here)
        for name, need in (("draws", program_bytes(compile_draw(batch.draw, here))), ("training", programs.bytes)):
            check_fit(name, need, memory(len(here)))
        draws, inputs = timed(placed, batch, group, group.chunks[0], here, SeedDraws())
        state = programs.start(*inputs)
        advance = lambda state, a, b: programs.advance(*inputs, state, np.int32(a), np.int32(b))  # noqa: E731
        count = min(FIRST_SEGMENT, steps)
        while True:
            seconds, state = timed(advance, state, 0, count)
            if seconds > SEGMENT_SECONDS / 2 or count == steps:
                break
            count = min(steps, 4 * count)
        on_record, measured = timed(programs.measure, *inputs, state)
        on_test, tested = timed(programs.test, *inputs, state)
        known = {**measured, **tested}
        wanting = {name: like for name, like in programs.measured.items() if name not in known}
        blank = {name: np.zeros(like.shape, like.dtype) for name, like in wanting.items()}
        known |= jax.device_put(blank, sharding(here, LANES))
        at_end, _ = timed(programs.finish, *inputs, state, known)
    until = until_of(group.static)
    points, tests = (len(grid(steps, group.record, until)) for grid in (record_steps, test_steps))
    speed = count * group.width / max(seconds, 1e-9)
    return Timing(compilation, draws, speed, points * on_record + tests * on_test + at_end)
