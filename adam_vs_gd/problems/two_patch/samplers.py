"""Data beyond Definition 3.1, each a table's line: what a seed draws, and the examples that numbers make of it.

    features   Definition 3.1 with K features, P patches, random directions, label noise, examples without a feature,
               unbalanced classes
    mixture    two Gaussians y·μ + ξ in R^d, no patches
    separable  Gaussians with the margin γ to a hyperplane

Example i depends on its seed and i alone, so that sets of any size share their first examples; numbers select and scale
what is drawn, so that lanes of a seed share their noise. What corrupts a training set (wrong labels, missing features)
is left out of the test set, which measures what has been learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from adam_vs_gd.problems.two_patch.data import NoiseRanks, Patches, draw_noise, unit_normals

if TYPE_CHECKING:
    from jax.typing import ArrayLike

    from adam_vs_gd.problems.two_patch.lane import Hyper, Static
    from adam_vs_gd.types import Array, Key


class Featured(NamedTuple):
    """Examples of patches of which it is known what they are made of.

    Attributes:
        x: [n, P, d] patches.
        y: [n] labels, −1 or +1.
        features: [K, d] orthonormal features v_k; none where there is no feature.
        noise: [n, Q, d] the noise of every example; none where it is not apart from the rest.
    """

    x: Array
    y: Array
    features: Array | None = None
    noise: Array | None = None

    def take(self, index: ArrayLike) -> Featured:
        """The examples of a batch, by their numbers [B]."""
        noise = None if self.noise is None else self.noise[index]
        return Featured(self.x[index], self.y[index], self.features, noise)

    def products(self, w: Array) -> Array:
        """[P, J, m, n] inner products of filters [J, m, d] with every patch."""
        return Patches(self.x, self.y).products(w)


class Sampler(NamedTuple):
    """How data are made.

    Attributes:
        share: (key, static) -> what the training and the test set of a seed have in common.
        draw: (key, count, static, ranks) -> what a set of so many examples is made of, arrays with an axis of examples.
        make: (drawn, shared, first, static, hyper, clean) -> the examples, the first of them number `first`; `clean`
            for those of a test set.
    """

    share: Callable[[Key, Static], Any]
    draw: Callable[[Key, int, Static, int], Any]
    make: Callable[..., Featured]


def number(static: Static, hyper: Hyper, name: str) -> Any:
    """A number of a sampler's."""
    return hyper.own[static.own.index(name)]


def labels(count: int, first: ArrayLike, share: ArrayLike) -> Array:
    """[count] labels from number `first` on, of which a share is +1, as evenly as can be; `balanced_labels` at ½."""
    i = first + jnp.arange(count)
    return 2.0 * (positives(i + 1, share) > positives(i, share)) - 1.0


def positives(i: ArrayLike, share: ArrayLike) -> Array:
    """How many of the first i examples are +1."""
    return jnp.floor(jnp.asarray(i) * jnp.asarray(share) + 0.75)  # so that a whole number is never just missed


def of_class(i: ArrayLike, y: Array, share: ArrayLike) -> Array:
    """How many examples before number i have its label y."""
    i, before = jnp.asarray(i), positives(i, share)
    return jnp.where(y > 0, before, i - before).astype(jnp.int32)


def orthonormal(unit: Array) -> Array:
    """Rows made orthonormal, in order (Gram and Schmidt, twice); not LAPACK's, whose calls under vmap hang on a CPU."""

    def project(k: Array, rows: Array) -> Array:
        before = jnp.where(jnp.arange(len(rows)) < k, rows @ rows[k], 0)
        rest = rows[k] - before @ rows
        return rows.at[k].set(rest / jnp.linalg.norm(rest))

    once = jax.lax.fori_loop(0, len(unit), project, unit)
    return jax.lax.fori_loop(0, len(unit), project, once)


def rotation(key: Key, d: int) -> Array:
    """[d, d] an orthogonal matrix drawn uniformly (Haar), as a product of Householder's reflections (Stewart 1980)."""
    unit = jax.random.normal(key, (d, d))

    def reflect(k: Array, q: Array) -> Array:
        v = jnp.where(jnp.arange(d) >= k, unit[k], 0)
        sign = jnp.where(v[k] < 0, -1.0, 1.0)
        v = v.at[k].add(sign * jnp.linalg.norm(v))
        q = q - jnp.outer(q @ v, v) * (2 / jnp.maximum(v @ v, jnp.finfo(v.dtype).tiny))
        return q.at[:, k].multiply(-sign)

    return jax.lax.fori_loop(0, d, reflect, jnp.eye(d))


class Directions(NamedTuple):
    """What the sets of a seed have in common.

    Attributes:
        features: [K, d].
        rotation: [d, d] what all patches are rotated by; none where they are not.
    """

    features: Array
    rotation: Array | None = None


def directions(key: Key, static: Static) -> Directions:
    """Features along the first coordinates, or in random directions; or all patches rotated."""
    count, kind = static.option("features", 1), static.option("direction", "axis")
    along = jnp.eye(count, static.d)
    if kind == "axis":
        return Directions(along)
    if kind == "rotated":
        return Directions(along, rotation(key, static.d))
    return Directions(orthonormal(jax.random.normal(key, (count, static.d))))


class FeatureDraws(NamedTuple):
    """What a set of the sampler `features` is made of.

    Attributes:
        noise: [n, P − 1, R] ranks of the noise patches.
        wrong: [n] uniform in [0, 1): whose label is wrong, and
        bare: [n] who has no feature, by which of them is below a share.
        place: [n] uniform in [0, 1): where the feature is, if not first.
    """

    noise: NoiseRanks
    wrong: Array
    bare: Array
    place: Array


def draw_features(key: Key, count: int, static: Static, ranks: int) -> FeatureDraws:
    """Definition 3.1's noise for every noise patch, off the features' coordinates, and uniform numbers of examples."""
    patches, features = static.option("patches", 2), static.option("features", 1)
    noise_key, wrong, bare, place = jax.random.split(key, 4)
    flat = draw_noise(noise_key, count * (patches - 1), static.d - features + 1, ranks)
    ranked = NoiseRanks(flat.coordinate + features - 1, flat.unit)
    noise = NoiseRanks(*(a.reshape(count, patches - 1, ranks) for a in ranked))
    return FeatureDraws(noise, *(uniform(key, count) for key in (wrong, bare, place)))


def uniform(key: Key, count: int) -> Array:
    """[count] uniform numbers, each of its own key: the first do not depend on how many there are."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(count))
    return jax.vmap(jax.random.uniform)(keys)


def make_features(
    drawn: FeatureDraws, shared: Directions, first: ArrayLike, static: Static, hyper: Hyper, clean: bool
) -> Featured:
    """Example i: one patch y·‖μ‖·v_k, features in turn within a class, and P − 1 of noise, the first with −α·y·v_k."""
    count, others, ranks = drawn.noise.unit.shape
    at = lambda name: number(static, hyper, name)  # noqa: E731
    i = first + jnp.arange(count)
    true = labels(count, first, at("balance"))
    y = true if clean else jnp.where(drawn.wrong < at("label_noise"), -true, true)
    bare = jnp.zeros(count, bool) if clean else drawn.bare < at("pure_noise")
    turn = of_class(i, true, at("balance")) % len(shared.features)
    signal = jnp.where(bare, 0, true)[:, None] * shared.features[turn]

    values = jnp.where(jnp.arange(ranks) < hyper.s, hyper.sigma_p * drawn.noise.unit, 0)
    example, patch = jnp.arange(count)[:, None, None], jnp.arange(others)[:, None]
    noise = jnp.zeros((count, others, static.d), values.dtype)
    noise = noise.at[example, patch, drawn.noise.coordinate].set(values, unique_indices=True)
    noise = noise.at[:, 0].add(-hyper.alpha * signal)
    x = jnp.concatenate([at("feature_size") * signal[:, None], noise], 1)
    if static.option("position", "first") == "random":
        where = jnp.floor(drawn.place * (others + 1)).astype(jnp.int32)
        x = jax.vmap(jnp.roll, (0, 0, None))(x, where, 0)
    features = shared.features
    if shared.rotation is not None:
        rotated = lambda a: jnp.einsum("...d,de->...e", a, shared.rotation, precision=jax.lax.Precision.HIGHEST)  # noqa: E731
        x, noise, features = rotated(x), rotated(noise), rotated(features)
    return Featured(x, y, features, noise)


class GaussianDraws(NamedTuple):
    """[n, d] standard normals, and [n] uniform numbers."""

    unit: Array
    wrong: Array


def draw_gaussian(key: Key, count: int, static: Static, ranks: int) -> GaussianDraws:
    """A standard normal vector an example."""
    del ranks
    unit_key, wrong = jax.random.split(key)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(unit_key, jnp.arange(count))
    return GaussianDraws(unit_normals(keys, static.d), uniform(wrong, count))


def make_mixture(
    drawn: GaussianDraws, shared: Directions, first: ArrayLike, static: Static, hyper: Hyper, clean: bool
) -> Featured:
    """X = y·‖μ‖·v + σ_p·ξ, one patch."""
    at = lambda name: number(static, hyper, name)  # noqa: E731
    true = labels(len(drawn.unit), first, at("balance"))
    y = true if clean else jnp.where(drawn.wrong < at("label_noise"), -true, true)
    noise = jnp.asarray(hyper.sigma_p) * drawn.unit
    x = at("feature_size") * true[:, None] * shared.features[0] + noise
    return Featured(x[:, None], y, shared.features, noise[:, None])


def make_separable(
    drawn: GaussianDraws, shared: Directions, first: ArrayLike, static: Static, hyper: Hyper, clean: bool
) -> Featured:
    """X = σ_p·ξ, moved along v so that y·⟨v, x⟩ = |σ_p·⟨v, ξ⟩| + γ; one patch."""
    at = lambda name: number(static, hyper, name)  # noqa: E731
    y, v = labels(len(drawn.unit), first, at("balance")), shared.features[0]
    noise = hyper.sigma_p * drawn.unit
    along = jnp.einsum("nd,d->n", noise, v, precision=jax.lax.Precision.HIGHEST)
    x = noise + (y * (jnp.abs(along) + at("margin")) - along)[:, None] * v
    return Featured(x[:, None], y)


SAMPLERS: Mapping[str, Sampler] = {
    "features": Sampler(directions, draw_features, make_features),
    "mixture": Sampler(directions, draw_gaussian, make_mixture),
    "separable": Sampler(directions, draw_gaussian, make_separable),
}
"""{sampler: it}; `sections.SAMPLERS` has their keys."""
