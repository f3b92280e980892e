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

TEST_RECORD = 10  # intervals of the test_record grid


def record_steps(steps: int, record: int) -> np.ndarray:
    """[record + 1] steps round(i·steps/record) at which trajectories are kept; empty for record = 0."""
    return np.rint(np.arange(record + 1) * steps / record).astype(int) if record else np.array([], int)


def test_steps(steps: int, record: int) -> np.ndarray:
    """The part of `record_steps`, about ten points, at which the test error is measured too; ends at T."""
    grid = record_steps(steps, record)
    return grid[np.rint(np.linspace(0, record, min(record, TEST_RECORD) + 1)).astype(int)] if record else grid
