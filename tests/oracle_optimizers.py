"""Every optimizer in plain NumPy float64, one function each: independent of optax and of the package.

A function takes (g, w, state, t, at): g the gradient of the data loss, t from 0, `at` the numbers, and gives the
weights after the step; what it keeps is in the dict `state`.
"""

import numpy as np


def mean(state, name, beta, value):
    """A moving mean from 0."""
    state[name] = beta * state.get(name, np.zeros_like(value)) + (1 - beta) * value
    return state[name]


def adam_moments(g, state, t, at):
    """(m, v) of Adam with its bias corrections."""
    m, v = mean(state, "m", at["beta1"], g), mean(state, "v", at["beta2"], g**2)
    return m / (1 - at["beta1"] ** (t + 1)), v / (1 - at["beta2"] ** (t + 1))


def gd(g, w, state, t, at):
    return w - at["eta"] * (g + at["lam"] * w)


def signgd(g, w, state, t, at):
    return w - at["eta"] * np.sign(g + at["lam"] * w)


def adam(g, w, state, t, at):
    m, v = adam_moments(g + at["lam"] * w, state, t, at)
    return w - at["eta"] * m / (np.sqrt(v) + at["eps"])


def adam_paper(g, w, state, t, at):
    g = g + at["lam"] * w
    m, v = mean(state, "m", at["beta1"], g), mean(state, "v", at["beta2"], g**2)
    return w - at["eta"] * np.where((m == 0) & (v == 0), 0.0, m / np.sqrt(v))


def momentum(g, w, state, t, at):
    state["u"] = at["beta1"] * state.get("u", 0.0) + g + at["lam"] * w
    return w - at["eta"] * state["u"]


def nesterov(g, w, state, t, at):
    g = g + at["lam"] * w
    state["u"] = at["beta1"] * state.get("u", 0.0) + g
    return w - at["eta"] * (g + at["beta1"] * state["u"])


def normalized_gd(g, w, state, t, at):
    g = g + at["lam"] * w
    size = np.sqrt(np.sum(g**2))
    return w - at["eta"] * (g / size if size else g)


def signum(g, w, state, t, at):
    return w - at["eta"] * np.sign(mean(state, "m", at["beta1"], g + at["lam"] * w))


def lion(g, w, state, t, at):
    old = state.get("m", np.zeros_like(g))
    direction = np.sign(at["beta1"] * old + (1 - at["beta1"]) * g)
    mean(state, "m", at["beta2"], g)
    return w - at["eta"] * (direction + at["lam"] * w)


def rmsprop(g, w, state, t, at):
    g = g + at["lam"] * w
    return w - at["eta"] * g / (np.sqrt(mean(state, "v", at["beta2"], g**2)) + at["eps"])


def adagrad(g, w, state, t, at):
    g = g + at["lam"] * w
    state["s"] = state.get("s", 0.0) + g**2
    return w - at["eta"] * g / (np.sqrt(state["s"]) + at["eps"])


def adamw(g, w, state, t, at):
    m, v = adam_moments(g, state, t, at)
    return (1 - at["eta"] * at["lam"]) * w - at["eta"] * m / (np.sqrt(v) + at["eps"])


def amsgrad(g, w, state, t, at):
    m, v = adam_moments(g + at["lam"] * w, state, t, at)
    state["most"] = np.maximum(state.get("most", 0.0), v)
    return w - at["eta"] * m / (np.sqrt(state["most"]) + at["eps"])


def adabound(g, w, state, t, at):
    g = g + at["lam"] * w
    m, v = mean(state, "m", at["beta1"], g), mean(state, "v", at["beta2"], g**2)
    rate = at["eta"] * np.sqrt(1 - at["beta2"] ** (t + 1)) / (1 - at["beta1"] ** (t + 1)) / (np.sqrt(v) + at["eps"])
    final = at["eta_final"] * at.get("share", 1.0)  # a schedule moves the bounds too
    low, high = final * (1 - 1 / (at["gamma"] * (t + 1) + 1)), final * (1 + 1 / (at["gamma"] * (t + 1)))
    return w - np.minimum(np.maximum(rate, low), high) * m


def adam_clip(g, w, state, t, at):
    size = np.sqrt(np.sum(g**2))
    return adam(g * min(1.0, at["clip"] / size), w, state, t, at)


def adam_power(g, w, state, t, at):
    m, v = adam_moments(g + at["lam"] * w, state, t, at)
    return w - at["eta"] * m / (v ** (at["power"] / 2) + at["eps"])


def muon(g, w, state, t, at):
    """The quintic iteration of Jordan et al. (2024) on the filters as one matrix, Nesterov's look ahead before it."""
    beta = at["beta1"]
    m = mean(state, "m", beta, g)
    ahead = beta * m / (1 - beta ** (t + 2)) + (1 - beta) * g / (1 - beta ** (t + 1))
    x = ahead.reshape(-1, ahead.shape[-1])
    x = x / (np.sqrt(np.sum(x**2)) + 1e-8)
    a, b, c = 3.4445, -4.7750, 2.0315
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return w - at["eta"] * (x.reshape(w.shape) + at["lam"] * w)


def sam(g, w, state, t, at):
    """`g` is a function here: the gradient of the data loss at any weights."""
    here = g(w)
    size = np.sqrt(np.sum(here**2))
    return gd(g(w + at["rho"] * here / size if size else w), w, state, t, at)


STEPS = {
    step.__name__: step
    for step in (
        gd, signgd, adam, adam_paper, momentum, nesterov, normalized_gd, signum, lion, rmsprop, adagrad, adamw, amsgrad,
        adabound, adam_clip, adam_power, sam, muon,
    )
}  # fmt: skip


def share_of(t, steps, at):
    """f(t): the learning rate of step t over that without a schedule."""
    warmup, cosine = at.get("warmup", 0), at.get("cosine", 0.0)
    share = min(1.0, (t + 1) / warmup) if warmup else 1.0
    x = min(1.0, max(0.0, (t - warmup) / max(1, steps - warmup)))
    share *= 1 - cosine * 0.5 * (1 - np.cos(np.pi * x))
    every = at.get("drop_every", 0)
    return share * at.get("drop", 1.0) ** (t // every) if every else share
