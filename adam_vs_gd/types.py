"""What the rest of the package passes around. Nothing here imports JAX.

Axis letters used in every docstring:

    L  lanes of a chunk (one lane = one training)
    K  distinct seeds of a chunk
    n  training examples;  N  test examples
    d  coordinates of a patch
    m  filters per class;  J  filter banks (2 for the CNN, one per class j = -1, +1; 1 for the linear model)
    R  ranks: the number of noise coordinates drawn per example, at least the largest sparsity s in use
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import jax

    Array: TypeAlias = jax.Array
    Scalar: TypeAlias = jax.Array | np.ndarray | float | int
    Key: TypeAlias = jax.Array
    Params: TypeAlias = Any
    Draws: TypeAlias = Any
    State: TypeAlias = Any


Rows: TypeAlias = Mapping[str, np.ndarray]
"""{name: [lanes, ...]} of a chunk, trajectories under `<name>_path`."""

STEPS, REST = "steps", "rest"
"""Until when a lane is trained: for so many steps, or until it is at rest, with `steps` as the most."""
AT_FIT, AT_REST = "_at_fit", "_at_rest"  # end the names of what was measured there
FIT_STEP, REST_STEP = "fit_step", "rest_step"  # t_fit, and when a lane came to rest
TEST_RECORD = 10  # intervals of the test_record grid
TESTS_A_DECADE = 5  # points of it in a decade at most, where a training's length is not known
RECORDED_DECADES = 5  # decades that the `record` points of such a training would fill
FIRST_REST, RESTS_A_DECADE = 100, 20  # the first step at which it is asked whether a lane is at rest, and how often


def record_steps(steps: int, record: int, until: str = STEPS) -> np.ndarray:
    """Steps at which trajectories are kept; empty for record = 0.

    Of trainings of known length the [record + 1] steps round(i·steps/record). Of those that end at rest, whenever that
    is, step 0 and record/5 steps a decade, counted back from the most: round(steps·10^(−5i/record)). So the last of
    each decade is there if `steps` is a power of ten.
    """
    if not record:
        return np.array([], int)
    if until == REST:
        return np.unique([0, *backwards(steps, a_decade(record))])
    return np.rint(np.arange(record + 1) * steps / record).astype(int)


def test_steps(steps: int, record: int, until: str = STEPS) -> np.ndarray:  # noqa: PT028
    """The part of `record_steps` at which the test error is measured too: ten points, or five a decade from 100 on."""
    grid = record_steps(steps, record, until)
    if until == REST and record:
        points = max(k for k in range(1, TESTS_A_DECADE + 1) if a_decade(record) % k == 0)
        late = backwards(steps, points)
        return np.unique([0, *late[late >= FIRST_REST], steps])
    return grid[np.rint(np.linspace(0, record, min(record, TEST_RECORD) + 1)).astype(int)] if record else grid


def rest_steps(steps: int) -> np.ndarray:
    """Steps at which it is asked whether a lane is at rest: 20 a decade from 100 on, whatever T is, and the last."""
    count = int(np.ceil(RESTS_A_DECADE * max(0.0, np.log10(steps / FIRST_REST))))
    grid = np.rint(FIRST_REST * 10 ** (np.arange(count + 1) / RESTS_A_DECADE)).astype(int)
    return np.append(grid[grid < steps], steps)


def a_decade(record: int) -> int:
    """Points of a decade of a trajectory of unknown length."""
    return max(1, round(record / RECORDED_DECADES))


def backwards(steps: int, points: int) -> np.ndarray:
    """`points` steps a decade from 1 to `steps`, counted back from there."""
    count = int(np.floor(points * np.log10(steps) + 1e-9))
    return np.rint(steps / 10 ** (np.arange(count + 1) / points)).astype(int)
