"""How long an epoch of Figure 1's network takes: on random images of CIFAR-10's shape, by lanes side by side.

    python benchmarks/alexnet.py [WIDTH BATCH_SIZE LANES [LANES ...]]

Prints, of a network of so many filters on batches of so many images, the time of a step, of an epoch of 50,000 images
of all lanes and of each, what that makes of a hundred epochs, and the arithmetic, convolutions by our count.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import jax
import numpy as np

from adam_vs_gd.engine.chunk import SeedDraws
from adam_vs_gd.engine.machine import limits_of, use_devices
from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.placing import batch_of, placed, programs_of
from adam_vs_gd.engine.plan import Chunk
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.surroundings import numerics

SECONDS = 5.0  # of a measurement, about


def time_lanes(width: int, batch_size: int, lanes: int) -> None:
    """Train so many lanes of Adam side by side for about `SECONDS`, and print what a step costs."""
    spec = SweepSpec(
        data={"images": "noise"}, model={"name": "alexnet", "width": width}, seeds=lanes, record=0,
        train={"batch_size": batch_size}, optimizers={"adam": {"eta": 1e-3}},
    )  # fmt: skip
    devices = use_devices()
    plan = make_plan(spec.family, (lane for _, lane in cells(spec)), limits_of(spec.family, devices))
    group = plan.groups[0]
    if devices[0].platform != "cpu":  # all side by side, however many a plan would choose
        everything = tuple(lane for chunk in group.chunks for lane in chunk.lanes)
        group = replace(group, width=lanes, seed_slots=lanes, chunks=(Chunk(everything),))
    here = devices[: group.devices]
    with numerics("float32"):
        began = time.monotonic()
        batch = batch_of(group, spec.family.make(spec, {}).batch)
        programs = programs_of(batch, group, here)
        compiled = time.monotonic() - began
        inputs = placed(batch, group, group.chunks[0], here, SeedDraws())
        state, reached, seconds, count = programs.start(*inputs), 0, 0.0, 1
        while seconds < SECONDS / 2:
            count *= 2
            began = time.monotonic()
            state = programs.advance(*inputs, state, np.int32(reached), np.int32(reached + count))
            jax.block_until_ready(state)
            seconds, reached = time.monotonic() - began, reached + count
    step = seconds / count
    epoch = step * (50_000 // batch_size)
    rate = group.cost.step * group.width / step
    print(
        f"width {width}, B = {batch_size}, {group.width} lanes on {group.devices} {devices[0].device_kind}: "
        f"compiled in {compiled:.0f} s, a step {1e3 * step:.2f} ms, "
        f"an epoch {epoch:.1f} s ({epoch / group.width:.2f} s a lane), "
        f"100 epochs {epoch / 36:.2f} h ({epoch / 0.6 / group.width:.1f} min a lane), {rate / 1e12:.2f} TFLOP/s",
        flush=True,
    )


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]] or [64, 128, 1]
    for lanes in numbers[2:]:
        time_lanes(*numbers[:2], lanes)
