"""Lanes of one seed and s that share one dense matrix of unit noise, in XLA: on accelerators, and without the kernel.

The only products are of that matrix with the weights of all the lanes of a block at once, and back; α, σ_p and the
feature enter as scalars. Rows of the weights that no example touches are left out of the products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from adam_vs_gd.engine.chunk import batched, draws_of, one_by_one
from adam_vs_gd.problems.two_patch import training, ways
from adam_vs_gd.problems.two_patch.data import NoiseRanks, balanced_labels
from adam_vs_gd.problems.two_patch.own import network, rule_for
from adam_vs_gd.problems.two_patch.problem import TEST_BLOCK, two_patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from adam_vs_gd.problem import Batch, Way
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static
    from adam_vs_gd.types import Array


HIGHEST = jax.lax.Precision.HIGHEST
PRODUCTS: Mapping[str, Any] = {
    "float32": HIGHEST,
    "tf32x3": jax.lax.DotAlgorithmPreset.TF32_TF32_F32_X3,
    "bf16x3": jax.lax.DotAlgorithmPreset.BF16_BF16_F32_X3,
}
"""How the products of steps are taken, as JAX is told; a backward product is taken like its forward one."""


class UnitNoise(NamedTuple):
    """Noise of unit variance on the coordinates that examples touch.

    Attributes:
        matrix: [n, D'] dense, D' at most d.
        rows: [D'] coordinates of its columns, d where there is none; None for all of them.
    """

    matrix: Array
    rows: Array | None

    def of(self, w: Array) -> Array:
        """[..., D'] weights [..., d] on its coordinates."""
        return w if self.rows is None else w.at[..., self.rows].get(mode="fill", fill_value=0, indices_are_sorted=True)


def unit_noise(noise: NoiseRanks, s: ArrayLike, static: Static) -> UnitNoise:
    """The first s of the ranks [n, R]."""
    n, ranks = noise.unit.shape
    size = ways.rows_of(static, ranks)
    values = jnp.where(jnp.arange(ranks) < s, noise.unit, 0)
    if size == static.d:
        rows, place = None, noise.coordinate
    else:
        rows = jnp.unique(noise.coordinate, size=size, fill_value=static.d)
        place = jnp.searchsorted(rows, noise.coordinate)
    matrix = jnp.zeros((n, size), values.dtype).at[jnp.arange(n)[:, None], place].set(values, unique_indices=True)
    return UnitNoise(matrix, rows)


class SharedDataset(NamedTuple):
    """`data.Dataset` with its noise as a unit matrix, which lanes can share, and the lane's numbers.

    Attributes:
        noise: of n examples.
        y: [n] labels.
        sigma_p, alpha: σ_p, α.
        products: how products with the noise are taken, as JAX takes a precision.
    """

    noise: UnitNoise
    y: Array
    sigma_p: Array
    alpha: Array
    products: Any = HIGHEST

    def project(self, w: Array) -> Array:
        """[J, m, n] inner products ⟨w, ξ_i⟩ of filters [J, m, d] with the noise patches."""
        unit = jnp.einsum("nd,jmd->jmn", self.noise.matrix, self.noise.of(w), precision=self.products)
        return self.sigma_p * unit - self.alpha * self.y * w[..., :1]


def in_blocks(
    f: Callable[..., Any], share: Callable[[Any, Any, Any], Any], block: int
) -> Callable[[Any, Any, Any, Any, Any, Any], Any]:
    """`Batch.advance` from f (hyper, shared, state, start, stop) of one lane: `block` lanes in a row share.

    Args:
        f: a lane's segment.
        share: (hyper, slot, draws) of a block's first lane -> what all its lanes share.
        block: lanes of a block; they agree in seed and s.
    """

    def advance(hyper: Any, slot: Any, draws: Any, state: Any, start: Any, stop: Any) -> Any:
        def one_block(hyper: Any, slot: Any, state: Any) -> Any:
            shared = share(jax.tree.map(lambda a: a[0], hyper), slot[0], draws)
            return jax.vmap(lambda hyper, state: f(hyper, shared, state, start, stop))(hyper, state)

        split = lambda tree: jax.tree.map(lambda a: a.reshape(-1, block, *a.shape[1:]), tree)  # noqa: E731
        found = jax.vmap(one_block)(split(hyper), split(slot), split(state))
        return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), found)

    return advance


def dense(static: Static, ranks: int, block: int, way: Way) -> Batch:
    """Lanes of any optimizer and model, in blocks that share their noise."""
    model, y = network(static), balanced_labels(static.n)

    def share(hyper: Hyper, slot: Any, draws: Any) -> UnitNoise:
        return unit_noise(jax.tree.map(lambda a: a[slot], draws.train), hyper.s, static)

    def segment(hyper: Hyper, noise: UnitNoise, state: Any, start: Any, stop: Any) -> Any:
        numbers = jnp.asarray(hyper.sigma_p), jnp.asarray(hyper.alpha)
        data: Any = SharedDataset(noise, y.astype(noise.matrix.dtype), *numbers, PRODUCTS[way.products])
        rule, steps = rule_for(static), static.steps
        return training.segment(model, rule, steps, hyper, data, state, start, stop, in_rounds=way.wide)

    problem = two_patch(static, ranks)
    batch = replace(batched(problem), advance=in_blocks(segment, share, block))
    if not way.wide:
        return batch
    test, finish = (one_by_one(f, draws_of, looked_at(static)) for f in (problem.test, problem.finish))
    return replace(batch, test=test, finish=finish)


def looked_at(static: Static) -> int:
    """Lanes that an accelerator measures side by side, a power of 2: one does not fill it, and all may not fit."""
    examples = max(static.n, min(TEST_BLOCK, static.test_size))
    return 1 << max(1, ways.LOOKED_AT // (examples * static.d)).bit_length() - 1
