"""What the engine costs over the bare jitted loop: journal, checkpoints, progress, looks of the host.

    python benchmarks/overhead.py [--lanes 64] [--steps 10000] [--checkpoint-every 30]

Table 1's size. The bare loop calls the same compiled programs on the same chunks, measures at the same steps, and never
looks: no files, no checkpoints, no progress. Programs are compiled before either is timed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

import adam_vs_gd as ag
from adam_vs_gd.chunk import SeedDraws
from adam_vs_gd.engine import plan_sweep
from adam_vs_gd.machine import use_devices
from adam_vs_gd.provenance import processor, provenance
from adam_vs_gd.runner import batch_of, make_batch, placed, programs_of
from adam_vs_gd.types import record_steps, test_steps


def bare(plan, devices):
    """Run a plan without the engine."""
    seed_draws = SeedDraws()
    for group in plan.groups:
        with ag.numerics(group.static.precision):
            here, steps = devices[: group.devices], group.static.steps
            batch = batch_of(make_batch, group)
            programs = programs_of(batch, group, here)
            record, tests = record_steps(steps, group.record), set(test_steps(steps, group.record).tolist())
            for chunk in group.chunks:
                inputs = placed(batch, group, chunk, here, seed_draws)
                state, kept = programs.start(*inputs), []
                for last, step in zip([0, *record[:-1]], record, strict=True):
                    if step:
                        state = programs.advance(*inputs, state, np.int32(last), np.int32(step))
                    measured = programs.measure(*inputs, state)
                    if step in tests:
                        measured |= programs.test(*inputs, state)
                    kept.append(measured)
                jax.block_until_ready((kept, programs.finish(*inputs, state, measured)))


def main():
    """Time both, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--checkpoint-every", type=float, default=30.0)
    options = parser.parse_args()
    alphas = [round(0.1 + 0.05 * k, 2) for k in range(options.lanes // 8)]
    spec = ag.SweepSpec(
        name="overhead", seeds=4, steps=options.steps, data={"alpha": alphas}, optimizers={"adam": {}, "gd": {}}
    )
    devices = use_devices()
    plan, _ = plan_sweep(spec)
    for group in plan.groups:
        with ag.numerics(group.static.precision):
            batch = batch_of(make_batch, group)
            programs = programs_of(batch, group, devices[: group.devices])
            print(f"{group.static.optimizer}: {programs.bytes / (group.width // group.devices):,.0f} bytes a lane, "
                  f"{len(group.chunks)} chunks of {group.width}, planned {group.bytes:,} bytes a device, "
                  f"compiled {programs.bytes:,}")  # fmt: skip
    seconds = {}
    began = time.monotonic()
    bare(plan, devices)
    seconds["bare loop"] = time.monotonic() - began
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        ag.run_sweep(spec, Path(scratch) / "sweep", checkpoint_every=options.checkpoint_every, quiet=True)
        seconds["engine"] = time.monotonic() - began
    print(f"{plan.lanes} lanes x {options.steps} steps on {len(devices)} devices of {processor()}")
    print(provenance()["versions"])
    for name, value in seconds.items():
        print(f"{name:10} {value:7.1f} s  {plan.lane_steps / value:8,.0f} lane-steps/s")
    print(f"engine over bare loop: {seconds['engine'] / seconds['bare loop']:.3f}")


if __name__ == "__main__":
    main()
