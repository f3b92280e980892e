"""Baseline: plain JAX and optax, everything at its default. One lane is written down, vmapped, scanned and jitted.

Nothing of this package is used but the work's description. Time it in a process that has not asked for one XLA host
device per core (`machine.use_devices`), so that the devices too are JAX's default.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adam_vs_gd.bench.work import SETTINGS, Data

if TYPE_CHECKING:
    from adam_vs_gd.types import Array


def train(data: Data, start: np.ndarray, optimizer: str, steps: int) -> tuple[np.ndarray, float]:
    """Full-batch training of all lanes at once, as one program.

    Args:
        data: noise [L, n, d] and y [n].
        start: [L, 2, m, d] weights at step 0.
        optimizer: "gd" or "adam".
        steps: T.

    Returns:
        [L, 2, m, d] weights at step T, and seconds without compilation and without moving data.
    """
    eta, lam, q = SETTINGS[optimizer]
    direction = {"gd": optax.sgd, "adam": optax.adam}[optimizer](eta)
    tx = optax.chain(optax.add_decayed_weights(lam), direction)

    def loss(w: Array, noise: Array, y: Array) -> Array:
        feature = w[..., :1] * y  # ⟨w, y·e_1⟩ is one coordinate
        memory = jnp.einsum("nd,jmd->jmn", noise, w)
        outputs = (jax.nn.relu(feature) ** q + jax.nn.relu(memory) ** q).sum(1)
        return jax.nn.softplus(-y * (outputs[1] - outputs[0])).mean()

    def train_lane(w: Array, noise: Array, y: Array) -> Array:
        def step(carry: tuple[Array, Any], _: None) -> tuple[tuple[Array, Any], None]:
            w, state = carry
            updates, state = tx.update(jax.grad(loss)(w, noise, y), state, w)
            return (optax.apply_updates(w, updates), state), None

        (w, _), _ = jax.lax.scan(step, (w, tx.init(w)), length=steps)
        return w

    inputs = jax.block_until_ready(jax.device_put((start, *data)))
    program = jax.jit(jax.vmap(train_lane, (0, 0, None)), donate_argnums=0).lower(*inputs).compile()
    began = time.perf_counter()
    weights = program(*inputs).block_until_ready()
    seconds = time.perf_counter() - began
    return np.asarray(weights), seconds
