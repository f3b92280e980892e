"""A training of Kou, Chen, Chen, Gu (arXiv:2303.04145), in the coordinates that gradient descent moves in.

A filter moves within the span of the feature and of the n noise patches, from where it starts:

    w_r = w_r(0) + Σ_k c_rk p_k,   p = (e_1, ξ_1, …, ξ_n).

All that a step asks of it are its products with these patches, and they move by the patches' Gram matrix: a step takes
2m(n+1)² multiplications, whatever d is. All that a test example asks of its noise ξ are the 2m products ⟨w_r, ξ⟩,
Gaussian with covariance WWᵀ: they are drawn as such. Neither is an approximation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key

N, WIDTH, FLIPPED, ETA, STEPS, TEST_SIZE = 20, 10, 0.1, 0.1, 100, 1000
"""Examples, filters a class, the share of flipped labels, step size, steps, test examples: those of their code."""
DEPENDENT = 1e-6  # of a filter's squared length, what is left of it where it depends on those before it, in float32


class Examples(NamedTuple):
    """Patches (μ y e_1, ξ) and labels.

    Attributes:
        y: [n] ±1, the feature's sign.
        label: [n] ±1: y, or −y where it is flipped.
        noise: [n, coordinates] ξ ~ N(0, 1) in the first d coordinates, that of the feature included; 0 beyond.
    """

    y: Array
    label: Array
    noise: Array


class Network(NamedTuple):
    """Filters and biases; those of class −1 come first.

    Attributes:
        w: [2m, coordinates].
        b: [2m].
    """

    w: Array
    b: Array


def lane(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """Draw, train and test at one (d, μ).

    Unlike elsewhere in this package, the lanes of a seed share no noise: as in what is reproduced, every cell is drawn
    anew, so that differences of cells from the published ones are independent.

    Args:
        hyper: `d` and `mu`; `patch`, by which the activations of a patch are multiplied (1 sums over both patches, 1/2
            is their mean), and `bias`, 1 or 0 for none. Static: `coordinates`, at least d.
        key: the seed's.

    Returns:
        `wrong`, how many of 1,000 test examples (labels flipped as in training) are classified wrongly, and `loss`, the
        mean cross entropy over the training set, after 100 steps.
    """
    d, mu, patch, bias = (hyper[name] for name in ("d", "mu", "patch", "bias"))
    for number in (d, mu):
        key = jax.random.fold_in(key, jax.lax.bitcast_convert_type(jnp.float32(number), jnp.uint32))
    of_examples, of_network, of_test = jax.random.split(key, 3)
    there = jnp.arange(hyper["coordinates"]) < d
    examples = draw_examples(of_examples, there)
    network = draw_network(of_network, there, bias)
    network, loss = train(network, examples, mu, patch, bias)
    return {"wrong": wrong(of_test, network, mu), "loss": loss}


def draw_examples(key: Key, there: Array) -> Examples:
    """The training set in the coordinates that are `there`; the first ones are the same however many follow."""
    of_labels, of_noise = jax.random.split(key)
    noise = jax.vmap(lambda key: jax.random.normal(key, there.shape))(jax.random.split(of_noise, N))
    return Examples(*draw_labels(of_labels, N), noise * there)


def draw_labels(key: Key, size: int) -> tuple[Array, Array]:
    """[size] fair signs of the feature, and labels, each flipped with probability `FLIPPED`."""
    of_y, of_flips = jax.random.split(key)
    y = jax.random.rademacher(of_y, (size,), float)
    return y, jnp.where(jax.random.bernoulli(of_flips, FLIPPED, (size,)), -y, y)


def draw_network(key: Key, there: Array, bias: Array) -> Network:
    """PyTorch's default start of a convolution over d inputs: filters and biases are uniform in ±1/√d."""
    of_w, of_b = jax.random.split(key)
    draw = jax.vmap(lambda key: jax.random.uniform(key, there.shape, minval=-1.0, maxval=1.0))
    w = draw(jax.random.split(of_w, 2 * WIDTH)) * there
    b = jax.random.uniform(of_b, (2 * WIDTH,), minval=-1.0, maxval=1.0) * bias
    return Network(w / jnp.sqrt(there.sum()), b / jnp.sqrt(there.sum()))


def train(network: Network, examples: Examples, mu: Array, patch: Array, bias: Array) -> tuple[Network, Array]:
    """`STEPS` steps of gradient descent on the mean cross entropy over all examples.

    Args:
        network: the start.
        examples: the training set.
        mu: ‖μ‖ ≥ 0.
        patch: by which the activations of a patch are multiplied.
        bias: 1 where biases are trained, 0 where they stay.

    Returns:
        The network, and its training loss.
    """
    feature = jnp.zeros_like(examples.noise[:1]).at[0, 0].set(1.0)
    patches = jnp.concatenate([feature, examples.noise])
    gram = patches @ patches.T
    strength, label = mu * examples.y, examples.label

    def step(_: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        products, moved, b = state
        on_feature, on_noise = inputs(products, b, strength)
        slope = -label * jax.nn.sigmoid(-label * margin(on_feature, on_noise, patch)) / N
        pulls = patch * signs()[:, None] * slope
        of_feature, of_noise = pulls * (on_feature > 0), pulls * (on_noise > 0)
        move = -ETA * jnp.concatenate([(of_feature @ strength)[:, None], of_noise], axis=1)
        return products + move @ gram, moved + move, b - bias * ETA * (of_feature + of_noise).sum(1)

    start = network.w @ patches.T
    products, moved, b = jax.lax.fori_loop(0, STEPS, step, (start, jnp.zeros_like(start), network.b))
    loss = jax.nn.softplus(-label * margin(*inputs(products, b, strength), patch)).mean()
    return Network(network.w + moved @ patches, b), loss


def inputs(products: Array, b: Array, strength: Array) -> tuple[Array, Array]:
    """[2m, n] what the ReLUs are given of the feature patches and of the noise, of [2m, 1 + n] products with p."""
    return strength * products[:, :1] + b[:, None], products[:, 1:] + b[:, None]


def margin(on_feature: Array, on_noise: Array, patch: Array) -> Array:
    """[n] log-odds of class +1: its output minus that of class −1."""
    return patch * (signs() @ (jax.nn.relu(on_feature) + jax.nn.relu(on_noise)))


def signs() -> Array:
    """[2m] the class of each filter."""
    return jnp.where(jnp.arange(2 * WIDTH) < WIDTH, -1.0, 1.0)


def wrong(key: Key, network: Network, mu: Array) -> Array:
    """How many of `TEST_SIZE` new examples are classified otherwise than their label says."""
    of_labels, of_noise = jax.random.split(key)
    y, label = draw_labels(of_labels, TEST_SIZE)
    normal = jax.random.normal(of_noise, (2 * WIDTH, TEST_SIZE))
    products = jnp.concatenate([network.w[:, :1], root(network.w @ network.w.T) @ normal], axis=1)
    score = margin(*inputs(products, network.b, mu * y), jnp.ones(()))
    return (jnp.where(score > 0, 1, -1) != label).sum().astype(jnp.uint16)


def root(covariance: Array) -> Array:
    """[k, k] L with LLᵀ = a [k, k] covariance, singular or not; not LAPACK's, which hangs where it is vmapped."""
    rows, size = jnp.arange(len(covariance)), jnp.diagonal(covariance)

    def column(j: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        found, left = state
        pivot = left[j, j]
        fine = pivot > DEPENDENT * size[j]
        new = jnp.where(fine & (rows >= j), left[:, j] / jnp.sqrt(jnp.where(fine, pivot, 1.0)), 0.0)
        return found.at[:, j].set(new), left - jnp.outer(new, new)

    return jax.lax.fori_loop(0, len(covariance), column, (jnp.zeros_like(covariance), covariance))[0]
