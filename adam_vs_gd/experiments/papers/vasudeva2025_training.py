"""What `vasudeva2025` trains: neurons by population gradients, and networks on samples by the logistic loss.

f(x) = Σ_k a_k relu(⟨w_k, x⟩) with fixed a_k = ±1, on clusters N(μ_c, σ²I) in the plane: class −1 at (−s, 0), class +1
at (1, ω) and (1, −ω), the classes as likely; s = (1 + ω²)^{1/2}, so that the boundary of Bayes' rule goes through 0, as
the paper assumes. f(r·x) = r·f(x), so that its boundary is made of rays, and its error is an integral over angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from scipy import stats

from adam_vs_gd.problems.learning.optimizers import make_optimizer

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key

VERSION = 2  # of what a lane computes
NEURONS, SAMPLED_NEURONS = 40, 20  # by population gradients, and on samples
START_SIZE, SAMPLED_START_SIZE = 0.1, 1e-3
ANGLES = 4096  # of the integral
SNAPSHOTS = 16  # of a training on samples
START, SAMPLE = range(2)  # what is drawn of a seed's key
METHODS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "GD": ("gd", {"eta": 5e-3}),
    "Adam": ("adam", {"eta": 5e-4, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
    "signGD": ("signgd", {"eta": 5e-4}),
    "Muon": ("muon", {"eta": 1e-3, "beta1": 0.95}),
}
"""On samples: what it is called -> its kind and its numbers, ours; signGD is Adam at β1 = β2 = 0."""


def clusters(omega: Any) -> tuple[Array, Array]:
    """[3, 2] means and [3] P(c)·y_c."""
    one = jnp.ones_like(jnp.asarray(omega, jnp.result_type(float)))
    means = jnp.stack(
        [jnp.stack([-jnp.sqrt(one + omega**2), 0 * one]), jnp.stack([one, omega * one]), jnp.stack([one, -omega * one])]
    )
    return means, jnp.array([-0.5, 0.25, 0.25])


def gradient(w: Array, a: Array, omega: Any, sigma: Any = 1.0) -> Array:
    """[neurons, 2] population gradients of the correlation loss −E[y f(x)], by Stein's identity.

    −a Σ_c P(c) y_c (μ_c Φ(z_c) + σ φ(z_c) w/‖w‖), z_c = ⟨w, μ_c⟩/(σ‖w‖); derived here, Proposition 2 in the paper.

    Args:
        w: [neurons, 2] weights, none of them 0.
        a: [neurons] of the second layer.
        omega: ω >= 0.
        sigma: σ > 0.
    """
    means, signed = clusters(omega)
    unit = w / jnp.linalg.norm(w, axis=-1, keepdims=True)
    z = unit @ means.T / sigma
    pull = (signed * norm.cdf(z)) @ means + sigma * (signed * norm.pdf(z)).sum(-1, keepdims=True) * unit
    return -a[:, None] * pull


def network(w: Array, a: Array, x: Array) -> Array:
    """[n] f of [n, 2] inputs."""
    return jax.nn.relu(x @ w.T) @ a


def around() -> Array:
    """[ANGLES, 2] directions, evenly around the circle from (1, 0) on; the first half has x_2 > 0."""
    angle = (jnp.arange(ANGLES) + 0.5) * (2 * jnp.pi / ANGLES)
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)


def by_angle(omega: Any, sigma: Any) -> Array:
    """[ANGLES] Σ_c P(c) y_c p_c(θ): densities of the angles of normal vectors, signed by class.

    p_c(θ) = (exp(−q/2)/√(2π) + t Φ(t) exp(−(q − t²)/2))/√(2π), t = ⟨u_θ, μ_c⟩/σ and q = ‖μ_c‖²/σ².
    """
    means, signed = clusters(omega)
    t, q = around() @ means.T / sigma, (means**2).sum(-1) / sigma**2
    density = jnp.exp(-q / 2) / np.sqrt(2 * np.pi) + t * norm.cdf(t) * jnp.exp(-(q - t**2) / 2)
    return density / np.sqrt(2 * np.pi) @ signed


def test_error(f: Array, density: Array) -> Array:
    """The probability that sgn f(x) is not y, of a network's values on `around()`, by the density `by_angle`."""
    return 0.5 - 0.5 * (jnp.sign(f) * density).sum() * (2 * np.pi / ANGLES)


def bayes_density(x: np.ndarray, omega: float, sigma: float) -> np.ndarray:
    """Σ_c P(c) y_c p(x|c) of [..., 2] inputs, whose sign is Bayes' rule."""
    means, signed = (np.asarray(part, float) for part in clusters(omega))
    squares = ((x[..., None, :] - means) ** 2).sum(-1)
    return np.exp(-squares / (2 * sigma**2)) @ signed / (2 * np.pi * sigma**2)


def bayes_error(omega: float, sigma: float) -> float:
    """That of Bayes' rule: (1 − ∫ |Σ_c P(c) y_c p(x|c)| dx)/2, by sums over a grid."""
    step, reach = sigma / 40, 8 * sigma
    x = np.arange(-np.sqrt(1 + omega**2) - reach, 1 + reach, step)
    y = np.arange(0, omega + reach, step) + step / 2  # the lower half-plane is its mirror image
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), -1)
    return float(0.5 - np.abs(bayes_density(grid, omega, sigma)).sum() * step**2)


def line_error(omega: float, sigma: float) -> float:
    """That of the line x_1 = 0, the boundary of a network all of whose neurons are a_k·(1, 0)."""
    return float(stats.norm.cdf(-1 / sigma) + stats.norm.cdf(-np.sqrt(1 + omega**2) / sigma)) / 2


def trained(hyper: Mapping[str, Any], key: Key, kind: str, **numbers: Any) -> dict[str, Array]:
    """What neurons learn by an optimizer from the population gradient, at σ = 1.

    Args:
        hyper: omega, eta; and static updates, how many.
        key: of a seed: starts, which are the same for every optimizer.
        kind: of `make_optimizer`.
        numbers: its further ones.

    Returns:
        Over neurons the least cosine with a·(1, 0), `positive_simple` of those with a > 0 and `negative_simple` of the
        others, and with the nearer of (1, ±1)/√2 where a > 0, `rich`; `tangent`, the median of |w_2/w_1| there; and
        `test_error`, of the population.
    """
    a = jnp.where(jnp.arange(NEURONS) % 2 == 0, 1.0, -1.0)
    w = START_SIZE * jax.random.normal(jax.random.fold_in(key, START), (NEURONS, 2))
    optimizer = make_optimizer(kind, eta=hyper["eta"], **numbers)

    def step(carried: Any, _: None) -> tuple[Any, None]:
        w, state = carried
        update, state = optimizer.update(gradient(w, a, hyper["omega"]), state, w)
        return (w + update, state), None

    (w, _), _ = jax.lax.scan(step, (w, optimizer.init(w)), None, hyper["updates"])
    unit = w / jnp.linalg.norm(w, axis=-1, keepdims=True)
    first, second = a * unit[:, 0], jnp.abs(unit[:, 1])
    return {
        "test_error": test_error(network(w, a, around()), by_angle(hyper["omega"], 1.0)),
        "positive_simple": jnp.where(a > 0, first, 1).min(),
        "negative_simple": jnp.where(a < 0, first, 1).min(),
        "rich": jnp.where(a > 0, (first + second) / 2**0.5, 1).min(),
        "tangent": jnp.median((jnp.abs(w[:, 1]) / jnp.abs(w[:, 0]))[::2]),
    }


def gd(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by gradient descent."""
    return trained(hyper, key, "gd")


def signgd(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by signGD."""
    return trained(hyper, key, "signgd")


def adam(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by Adam at its usual β1 and β2."""
    return trained(hyper, key, "adam", beta1=0.9, beta2=0.999, eps=1e-12)


def power(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by g/|g|^p."""
    return trained(hyper, key, "adam_power", beta1=0.0, beta2=0.0, eps=1e-12, power=hyper["power"])


def taken(updates: int) -> np.ndarray:
    """[SNAPSHOTS] steps after which a training on samples is measured."""
    return np.round(np.geomspace(10, updates, SNAPSHOTS)).astype(int)


def samples(omega: Any, sigma: Any, n: int, key: Key) -> tuple[Array, Array]:
    """[n, 2] inputs and [n] labels ±1."""
    means, signed = clusters(omega)
    which, noise = jax.random.split(key)
    c = jax.random.choice(which, 3, (n,), p=jnp.abs(signed))
    return means[c] + sigma * jax.random.normal(noise, (n, 2)), jnp.sign(signed)[c]


def loss(w: Array, a: Array, x: Array, y: Array) -> Array:
    """Mean logistic loss."""
    return jax.nn.softplus(-y * network(w, a, x)).mean()


def sampled(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """A network trained on samples by full-batch steps on the logistic loss.

    Args:
        hyper: omega, sigma; and static n, how many samples; updates, how many; method, its place in `METHODS`.
        key: of a seed: the start and the samples, which are the same for every method.

    Returns:
        Of [SNAPSHOTS] moments (`taken`) the training `loss`, the population's `test_error`, and the angles from (1, 0)
        over which class +1 is said, `above` and `below` the first axis; π/2 both is the line x_1 = 0.
    """
    kind, numbers = list(METHODS.values())[hyper["method"]]
    optimizer = make_optimizer(kind, **numbers)
    a = jnp.where(jnp.arange(SAMPLED_NEURONS) % 2 == 0, 1.0, -1.0)
    w = SAMPLED_START_SIZE * jax.random.normal(jax.random.fold_in(key, START), (SAMPLED_NEURONS, 2))
    x, y = samples(hyper["omega"], hyper["sigma"], hyper["n"], jax.random.fold_in(key, SAMPLE))
    density = by_angle(hyper["omega"], hyper["sigma"])

    def step(_: Array, carried: Any) -> Any:
        w, state = carried
        update, state = optimizer.update(jax.grad(loss)(w, a, x, y), state, w)
        return w + update, state

    def on(carried: Any, steps: Array) -> tuple[Any, dict[str, Array]]:
        carried = w, _ = jax.lax.fori_loop(0, steps, step, carried)
        f = network(w, a, around())
        above, below = ((f > 0).reshape(2, -1).sum(-1)) * (2 * np.pi / ANGLES)
        measured = {"loss": loss(w, a, x, y), "test_error": test_error(f, density), "above": above, "below": below}
        return carried, measured

    apart = jnp.asarray(np.diff(taken(hyper["updates"]), prepend=0))
    return jax.lax.scan(on, (w, optimizer.init(w)), apart)[1]


def slope(omega: float, sigma: float = 1.0) -> float:
    """κ: g_2/(g_1·tan θ) of a neuron with a > 0 near (1, 0), the population gradient to first order in θ."""
    s = np.sqrt(1 + omega**2)
    near, far = stats.norm.pdf(1 / sigma), stats.norm.pdf(s / sigma)
    spread = sigma * (near - far)
    first = stats.norm.cdf(1 / sigma) + s * stats.norm.cdf(-s / sigma) + spread
    return float((omega**2 * near / sigma + spread) / first)


def foretold(omega: float, p: float) -> float:
    """Tan θ at which neurons with a > 0 should rest, to first order, for κ < 1."""
    return 0.0 if p == 0 else slope(omega) ** ((1 - p) / p)
