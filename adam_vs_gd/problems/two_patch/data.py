"""The data of Definition 3.1: a feature patch y·v with v = e_1, and a sparse noise patch ξ that carries −α·y on e_1.

Coordinates are counted from 0 here, so the paper's coordinate 1 is index 0 and noise lives on 1 .. d-1.

The randomness of a seed is drawn once, by rank, for unit variance (`NoiseRanks`); s, σ_p and α only select and scale
it (`make_dataset`). Hence a larger s contains the smaller, and lanes of one seed share their noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from adam_vs_gd.problems.learning import table1
from adam_vs_gd.surroundings import arithmetic

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key

EXAMPLES_AT_ONCE = 100  # examples whose orders are drawn together: their R ranks each fit a cache
NARROWEST = 8  # normals in a row


class NoiseRanks(NamedTuple):
    """The noise of a data set before s, σ_p and α: rank k of example i sits on `coordinate[i, k]`.

    Attributes:
        coordinate: [n, R] int32 in 1 .. d-1, without repetition along an example.
        unit: [n, R] standard normals.
    """

    coordinate: Array
    unit: Array

    def block(self, start: ArrayLike, count: int) -> NoiseRanks:
        """Examples start .. start+count-1; start may be traced."""
        return NoiseRanks(*(jax.lax.dynamic_slice_in_dim(a, start, count) for a in self))


class Dataset(NamedTuple):
    """Examples of Definition 3.1.

    Attributes:
        noise: [n, d] noise patches ξ, −α·y on coordinate 0 included.
        y: [n] labels, −1 or +1; their feature patches are y·e_1.
    """

    noise: Array
    y: Array

    @property
    def x(self) -> Array:
        """[n, 2, d] both patches of every example, the feature first."""
        feature = jnp.zeros_like(self.noise).at[..., 0].set(self.y)
        return jnp.stack([feature, self.noise], axis=-2)

    def take(self, index: ArrayLike) -> Dataset:
        """The examples of a batch, by their numbers [B]."""
        return jax.tree.map(lambda a: a[index], self)

    def project(self, w: Array) -> Array:
        """[J, m, n] inner products ⟨w, ξ_i⟩ of filters [J, m, d] with the noise patches."""
        return jnp.einsum("nd,jmd->jmn", self.noise, w, precision=jax.lax.Precision.HIGHEST)


class Patches(NamedTuple):
    """Examples of any patches.

    Attributes:
        x: [n, P, d] patches.
        y: [n] labels, −1 or +1.
    """

    x: Array
    y: Array

    def take(self, index: ArrayLike) -> Patches:
        """The examples of a batch, by their numbers [B]."""
        return jax.tree.map(lambda a: a[index], self)

    def products(self, w: Array) -> Array:
        """[P, J, m, n] inner products of filters [J, m, d] with every patch."""
        return jnp.einsum("npd,jmd->pjmn", self.x, w, precision=jax.lax.Precision.HIGHEST)


def balanced_labels(n: int) -> Array:
    """[n] labels +1, −1, +1, …: as many of each class for even n. Their order means nothing, the noise is i.i.d."""
    return 1.0 - 2.0 * (jnp.arange(n) % 2)


def random_order(key: Key, d: int, ranks: int) -> Array:
    """First `ranks` of a uniformly random order of the coordinates 1 .. d-1: a Fisher-Yates shuffle, stopped early.

    Rank k swaps with a place in k .. d-2 that depends on the key and k alone, so more ranks never change the first.
    """
    k = jnp.arange(ranks)
    return 1 + after_swaps(k + jax.random.randint(key, (ranks,), 0, d - 1 - k), d - 1)


def after_swaps(swap_with: Array, size: int) -> Array:
    """First R entries of 0 .. size-1 once step k = 0 .. R-1 has swapped places k and swap_with[k]; no array of `size`.

    Step k takes what lies on place swap_with[k] and leaves there what lay on place k. So what lies on a place is what
    the last step with it has left there, or its own number if there was none; and all steps can be asked at once.

    Args:
        swap_with: [R] places, k <= swap_with[k] < size.
        size: number of places.
    """
    (ranks,) = swap_with.shape
    k = jnp.arange(ranks)
    if size * ranks <= jnp.iinfo(k.dtype).max:  # a pair in one integer: a third of the time
        place, step = jnp.divmod(jnp.sort(swap_with * ranks + k), ranks)
    else:
        place, step = jax.lax.sort((swap_with, k), num_keys=1)
    # The last step before k with the same place, and the last before k that left something on place k; −1 for none.
    neighbour = jnp.where(place[1:] == place[:-1], step[:-1], -1)
    earlier = jnp.full(ranks, -1).at[step[1:]].set(neighbour, unique_indices=True)
    elsewhere = jnp.where(swap_with == k, ranks, swap_with)
    onto = jnp.full(ranks, -1).at[elsewhere].max(k, mode="drop")
    # What lay on place k came there from step to step, at first from a place that no step had changed: its number.
    origin = jnp.where(onto < 0, k, onto)
    for _ in range(ranks.bit_length()):  # 1, 2, 4, … steps back
        origin = origin[origin]
    return jnp.where(earlier < 0, swap_with, origin[earlier])


def draw_noise(key: Key, n: int, d: int, ranks: int, supports: str = "independent") -> NoiseRanks:
    """Noise coordinates and unit normals, keyed by (key, example, rank).

    Args:
        key: a JAX key.
        n: number of examples; example i does not depend on it when supports are independent.
        d: dimension of a patch.
        ranks: R, at least the largest s that will be used, at most d-1 (⌊(d-1)/n⌋ when disjoint). Ranks below it do
            not depend on it.
        supports: "independent" (Definition 3.1: each example draws its coordinates alone) or "disjoint" (Lemma A.1
            made exact: one permutation of all coordinates, position ρ going to example ρ mod n at rank ⌊ρ/n⌋).

    Returns:
        `NoiseRanks` with [n, R] arrays.

    Raises:
        ValueError: if `supports` is neither, or the ranks asked for do not exist.
    """
    available = {"independent": d - 1, "disjoint": (d - 1) // n}.get(supports)
    if available is None:
        raise ValueError(f'supports = {supports!r}: must be "independent" or "disjoint"')
    if not 1 <= ranks <= available:
        raise ValueError(f"s = {ranks}: must be in 1 .. {available} for {supports} supports of n = {n}, d = {d}")
    order_key, unit_key = jax.random.split(key)
    example = jnp.arange(n)
    unit_keys = jax.vmap(jax.random.fold_in, (None, 0))(unit_key, example)
    if supports == "disjoint":
        permutation = 1 + jax.random.permutation(order_key, d - 1)
        coordinate = permutation[: n * ranks].reshape(ranks, n).T
    else:
        order_keys = jax.vmap(jax.random.fold_in, (None, 0))(order_key, example)
        coordinate = jax.lax.map(
            lambda key: random_order(key, d, ranks), order_keys, batch_size=min(n, EXAMPLES_AT_ONCE)
        )
    return NoiseRanks(coordinate, unit_normals(unit_keys, ranks))


def unit_normals(keys: Key, ranks: int) -> Array:
    """[n, R] standard normals by (key, rank), of the same bits whatever n and R are and whatever is done with them.

    So they are drawn in rows of at least `NARROWEST` (jaxlib 0.12 rounds erf⁻¹ of narrower ones by how many there are),
    and kept from being fused with what follows (a constant σ_p would be multiplied with the √2 of the draw first).
    """
    wide = jax.vmap(lambda key: jax.random.normal(key, (max(ranks, NARROWEST),)))(keys)
    return jax.lax.optimization_barrier(wide)[:, :ranks]


def make_dataset(noise: NoiseRanks, y: Array, d: int, s: ArrayLike, sigma_p: ArrayLike, alpha: ArrayLike) -> Dataset:
    """The data set of given s, σ_p, α: the first s ranks scaled by σ_p, and ξ_1 = −α·y (Definition 3.1).

    Args:
        noise: [n, R] ranks.
        y: [n] labels.
        d: dimension of a patch.
        s: number of noise coordinates, 1 .. R; may be traced.
        sigma_p: standard deviation of a noise coordinate; may be traced.
        alpha: size of the feature noise; may be traced.
    """
    ranks = noise.unit.shape[-1]
    values = jnp.where(jnp.arange(ranks) < s, sigma_p * noise.unit, 0.0)

    def patch(coordinate: Array, value: Array, label: Array) -> Array:
        return (
            jnp.zeros(d, value.dtype)
            .at[coordinate]
            .set(value, unique_indices=True)
            .at[0]
            .set(-jnp.asarray(alpha) * label)
        )

    y = y.astype(noise.unit.dtype)
    return Dataset(jax.vmap(patch)(noise.coordinate, values, y), y)


@arithmetic()
def sample_dataset(
    key: Key,
    *,
    n: int = table1.N,
    d: int = table1.D,
    s: ArrayLike = table1.S,
    sigma_p: ArrayLike = table1.SIGMA_P,
    alpha: ArrayLike = table1.ALPHA,
    supports: str = "independent",
    ranks: int | None = None,
) -> Dataset:
    """A balanced data set of Definition 3.1; jittable, and vmappable over the key, s, σ_p and α.

    Args:
        key: a JAX key.
        n: number of examples, even: n/2 of each class.
        d: dimension of a patch.
        s: noise coordinates per example, 1 .. d-1 (n·s <= d-1 when disjoint); may be traced.
        sigma_p: standard deviation of a noise coordinate, > 0; may be traced.
        alpha: size α of the feature noise, in [0, 1]; may be traced.
        supports: "independent" or "disjoint", see `draw_noise`.
        ranks: a static upper bound of a traced s, which makes sampling cheaper; it does not change the result.

    Returns:
        `Dataset` of noise [n, d] and y [n].

    Raises:
        ValueError: if n is odd, or s or `supports` is impossible.
    """
    if n < 2 or n % 2:
        raise ValueError(f"n = {n}: must be even and at least 2, for n/2 examples of each class")
    if ranks is None:
        traced = isinstance(s, jax.core.Tracer)
        most = (d - 1) // n if supports == "disjoint" else d - 1
        ranks = most if traced else int(s)  # type: ignore[arg-type]
    noise = draw_noise(key, n, d, ranks, supports)
    return make_dataset(noise, balanced_labels(n), d, s, sigma_p, alpha)
