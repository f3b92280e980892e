"""Adam, Signum and their like on separable examples, for as long as it takes: no gradient ever underflows.

The linear model ⟨w, x⟩ with logistic loss, labels multiplied into x. The gradients shrink like e^{−min_i ⟨w, x_i⟩}, far
below the least number there is, but a method whose step does not change when all gradients are multiplied by one number
(ε = 0) needs them by their ratios only: gradients and moments are kept in units of e^{−min_i ⟨w, x_i⟩}, and moments are
put into the new unit at every step, m by the ratio of the units, v by its square. This is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax

from adam_vs_gd.problems.learning.optimizers import make_optimizer

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Key

CYCLIC, SHUFFLED, REPLACED = range(3)  # orders: the same every epoch, a new one, drawn with replacement
GAUSSIAN, RADEMACHER = range(2)  # data
DATA, ORDER = range(2)  # what is drawn of a seed's key
EARLY = 10  # w is kept after a tenth of the training, too
TAKEN = {"adam_paper": ("beta1", "beta2"), "signum": ("beta1",)}  # of a lane's numbers, by optimizers
POWERS = {"mu": 1, "nu": 2, "of": 1}  # of the gradient's unit in what an optimizer carries


def examples(key: Key, data: int, n: int, d: int) -> Array:
    """[n, d] float32 examples times their labels.

    Args:
        key: of a seed.
        data: GAUSSIAN, all coordinates N(0, 1), separable for d >= n; or RADEMACHER, x_i = a_i·(1, ±1, .., ±1),
            separable by the first coordinate (Baek et al., section 3, as quoted in notes). That signs are − in one of
            four, and a_i uniform in [1/2, 3/2], is ours.
        n: how many.
        d: of how many coordinates.
    """
    key = jax.random.fold_in(key, DATA)
    if data == GAUSSIAN:
        return jax.random.normal(key, (n, d), jnp.float32)
    signs, sizes = jax.random.split(key)
    negative = jax.random.bits(signs, (n, d), jnp.uint32) % 4 == 0  # bits of one width: the same in any precision
    x = jnp.where(negative, -1, 1).astype(jnp.float32).at[:, 0].set(1)
    return x * jax.random.uniform(sizes, (n, 1), jnp.float32, 0.5, 1.5)


def batches(key: Key, n: int, size: int, order: int) -> Array:
    """[batches, n] weights of the examples in an epoch's batches, those of one batch summing to 1.

    Args:
        key: of a seed and an epoch.
        n: examples.
        size: of a batch; the last one has what is left.
        order: CYCLIC, SHUFFLED or REPLACED.
    """
    count = -(-n // size)
    place = jnp.arange(n)
    of = jnp.arange(count)[:, None]
    if order == REPLACED:
        drawn = jax.random.randint(key, (count, size), 0, n)
        return (drawn[..., None] == place).sum(1) / size
    if order == SHUFFLED and size < n:
        drawn = jax.random.bits(key, (n,), jnp.uint32)
        before = (drawn[:, None] > drawn) | ((drawn[:, None] == drawn) & (place[:, None] > place))
        place = before.sum(1)  # ranks: faster than a sort of so few
    member = place // size == of
    return member / member.sum(1, keepdims=True)


def in_units(state: optax.OptState, ratio: Array) -> optax.OptState:
    """What an optimizer carries, where all gradients so far are multiplied by one number."""
    for name, power in POWERS.items():
        if (moment := optax.tree.get(state, name)) is not None:
            state = optax.tree.set(state, **{name: moment * ratio**power})
    return state


def proxy(gradients: Array, weights: Array) -> Array:
    """AdamProxy's step, Σ_i g_i/(Σ_i g_i²)^{1/2} (Baek et al., Proposition 4.1, as quoted in notes)."""
    return -(weights @ gradients) / jnp.sqrt(weights**2 @ gradients**2)


def trained(kind: str, hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """Directions that a method takes: w after T/10 and T steps, from w = 0.

    The step size is η_t = η_0·(t + 1)^{−a}.

    Args:
        kind: "adam_paper", "signum", "normalized_gd" of `make_optimizer`; or "proxy", AdamProxy.
        hyper: eta0 (so small that no margin falls below −350 on the way), decay (a in [0, 1)), beta1, beta2; and
            static n, d, data, order, size (of a batch), updates (T).
        key: of a seed, from which data and order are drawn.

    Returns:
        {"w": [2, d]}, early and at the end, in float32.
    """
    n, size, order = hyper["n"], hyper["size"], hyper["order"]
    x = examples(key, hyper["data"], n, hyper["d"]).astype(jnp.result_type(float))
    numbers = {name: hyper[name] for name in TAKEN.get(kind, ())}
    optimizer = None if kind == "proxy" else make_optimizer(kind, eta=1.0, **numbers)
    count = -(-n // size)
    epochs = hyper["updates"] // count

    def step(carried: Any, weights: Array) -> tuple[Any, None]:
        w, state, unit, t = carried
        z = x @ w
        low = z.min()
        slopes = -jnp.exp(low - z) / (1 + jnp.exp(-z))  # of log(1 + e^{−z}), in units of e^{−low}
        if optimizer is None:
            update = proxy(slopes[:, None] * x, weights)
        else:
            update, state = optimizer.update((weights * slopes) @ x, in_units(state, jnp.exp(low - unit)), w)
        return (w + hyper["eta0"] * (t + 1) ** -hyper["decay"] * update, state, low, t + 1), None

    def epoch(carried: Any, number: Array) -> tuple[Any, None]:
        moving, early = carried
        dealt = batches(jax.random.fold_in(key, number), n, size, order)
        moving = jax.lax.scan(step, moving, dealt.astype(x.dtype))[0]
        return (moving, jnp.where(number == epochs // EARLY, moving[0], early)), None

    key = jax.random.fold_in(key, ORDER)
    w, zero = jnp.zeros(hyper["d"], x.dtype), jnp.zeros((), x.dtype)
    begun = w, None if optimizer is None else optimizer.init(w), zero, zero
    (moving, early), _ = jax.lax.scan(epoch, (begun, w), jnp.arange(epochs))
    return {"w": jnp.stack([early, moving[0]]).astype(jnp.float32)}


def adam(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by Adam with ε = 0 and no bias correction."""
    return trained("adam_paper", hyper, key)


def signum(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by Signum, β = beta1."""
    return trained("signum", hyper, key)


def adam_proxy(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by AdamProxy."""
    return trained("proxy", hyper, key)


def normalized_gd(hyper: Mapping[str, Any], key: Key) -> dict[str, Array]:
    """`trained` by normalized gradient descent."""
    return trained("normalized_gd", hyper, key)
