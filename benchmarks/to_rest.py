"""What it costs to take Table 1 to rest, beside its steps: a sweep to its Dataset on disk, over the time of its steps.

    python benchmarks/to_rest.py [--lanes 64] [--steps 100000]

Both are of one run, because machines are not equally fast at all times: `steps` is the time within the compiled steps
of the lanes that are trained, which is what the bare kernel takes for them. `leaving` is what it gains that lanes which
are at rest leave: the lane-steps of all lanes to the last, over those taken.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import jax

from adam_vs_gd.engine import placing, rest, runner
from adam_vs_gd.engine.estimate import plan_sweep
from adam_vs_gd.engine.machine import use_devices
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store.provenance import processor
from adam_vs_gd.surroundings import numerics


class Stopwatch:
    """Programs whose steps are timed, in the places where the engine looks for programs."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Stopwatch:
        self.stopped = False  # on the way to t_fit once more: no lane gets further by that
        self.again = rest.ToRest.at_t_fit

        def at_t_fit(lanes: rest.ToRest, *arguments: Any) -> list[Any]:
            self.stopped = True
            found = list(self.again(lanes, *arguments))
            self.stopped = False
            return found

        def timed(*arguments: Any) -> Any:
            programs = placing.programs_of(*arguments)

            def advance(*operands: Any) -> Any:
                if self.stopped:
                    return programs.advance(*operands)
                began = time.perf_counter()
                state = jax.block_until_ready(programs.advance(*operands))
                self.seconds += time.perf_counter() - began
                return state

            return programs._replace(advance=advance)

        runner.programs_of = rest.programs_of = timed
        rest.ToRest.at_t_fit = at_t_fit
        return self

    def __exit__(self, *_: object) -> None:
        runner.programs_of = rest.programs_of = placing.programs_of
        rest.ToRest.at_t_fit = self.again


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100_000)
    options = parser.parse_args()
    print(f"{processor()}; Table 1, {options.lanes} seeds of each optimizer, to rest in {options.steps} steps at most")
    print("optimizer   at rest   lane-steps    steps    sweep   sweep/steps   lane-steps/s   leaving")
    for optimizer in ("adam", "gd"):
        spec = SweepSpec(
            name="to-rest",
            seeds=options.lanes,
            steps=options.steps,
            record=25,
            train={"until": "rest"},
            optimizers={optimizer: {}},
        )
        plan, *_ = plan_sweep(spec)
        for group in plan.groups:  # compiled before
            with numerics(group.static.precision):
                programs = placing.batch_of(group, make_batch), group, use_devices()[: group.devices]
                placing.programs_of(*programs)
        with Stopwatch() as watch, tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            results = run_sweep(spec, folder, quiet=True)
            seconds = time.perf_counter() - began
        rested = results.rest_step >= 0
        taken = float(results.rest_step.where(rested, options.steps).sum())
        print(
            f"{optimizer:9} {int(rested.sum()):9} {taken:12,.0f} {watch.seconds:7.1f}s {seconds:7.1f}s "
            f"{seconds / watch.seconds:13.3f} {taken / seconds:14,.0f} {rested.size * options.steps / taken:8.2f}x"
        )


if __name__ == "__main__":
    main()
