"""Networks on any patches in plain NumPy float64, gradients by hand: independent of JAX and of the package."""

import math

import numpy as np
from oracle_optimizers import STEPS

erf = np.vectorize(math.erf)


def activation(name, q, knee):
    """(σ, σ')."""
    q = 2 if name == "huber" else q
    if name == "relu":
        return (lambda z: np.maximum(z, 0.0) ** q), lambda z: np.where(z > 0, q * np.maximum(z, 0.0) ** (q - 1), 0.0)
    if name == "gelu":
        cdf = lambda z: (1 + erf(z / math.sqrt(2))) / 2  # noqa: E731
        return (lambda z: z * cdf(z)), lambda z: cdf(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    power = lambda z: np.maximum(z, 0.0) ** q / (q * knee ** (q - 1))  # noqa: E731
    slope = lambda z: np.maximum(z, 0.0) ** (q - 1) / knee ** (q - 1)  # noqa: E731
    return (
        lambda z: np.where(z <= knee, power(z), z - (1 - 1 / q) * knee),
        lambda z: np.where(z <= knee, slope(z), 1.0),
    )


def margins_and_slopes(name, params, x, y, f):
    """(margins [n], a function of dL/dmargin [n] that gives the gradient of every parameter)."""
    sigma, slope = f
    if name in ("linear", "patchwise_linear"):
        w = params["w"]
        out = np.einsum("npd,d->n" if w.ndim == 1 else "npd,pd->n", x, w)
        back = lambda pull: {"w": np.einsum("n,npd->d" if w.ndim == 1 else "n,npd->pd", pull * y, x)}  # noqa: E731
        return y * out, back
    z = np.einsum("npd,jrd->njrp", x, params["w"]) + params.get("b", np.zeros(()))[..., None]
    h = sigma(z)
    a, u = params.get("a", np.ones(z.shape[1:3])), params.get("u")
    inner = None if u is None else np.einsum("jkr,njrp->njkp", u, h)
    outputs = np.einsum("jr,njrp->nj", a, h) if u is None else sigma(inner).sum((2, 3))
    signs = np.array([-1.0, 1.0])

    def back(pull):
        by_output = (pull * y)[:, None] * signs  # [n, 2]
        if u is None:
            by_hidden = by_output[:, :, None, None] * a[..., None] * np.ones_like(z)
            grads = {"a": np.einsum("nj,njrp->jr", by_output, h)}
        else:
            by_inner = by_output[:, :, None, None] * slope(inner)
            by_hidden = np.einsum("jkr,njkp->njrp", u, by_inner)
            grads = {"u": np.einsum("njkp,njrp->jkr", by_inner, h)}
        by_product = by_hidden * slope(z)
        grads |= {"w": np.einsum("njrp,npd->jrd", by_product, x), "b": by_product.sum((0, 3))}
        return {key: grads[key] for key in params}

    return y * (outputs[:, 1] - outputs[:, 0]), back


def loss_and_gradient(name, params, x, y, f):
    """(data loss, margins, gradient)."""
    margins, back = margins_and_slopes(name, params, x, y, f)
    return np.logaddexp(0, -margins).mean(), margins, back(-1 / (1 + np.exp(margins)) / len(y))


def train(name, params, x, y, f, optimizer, steps, at):
    """Parameters after so many steps of an optimizer, with the numbers `at`."""
    keys = sorted(params)
    sizes = np.cumsum([params[key].size for key in keys])[:-1]
    flat = lambda tree: np.concatenate([np.ravel(tree[key]) for key in keys])  # noqa: E731
    tree = lambda vector: {  # noqa: E731
        key: part.reshape(params[key].shape) for key, part in zip(keys, np.split(vector, sizes), strict=True)
    }
    w, state = flat(params), {}
    for t in range(steps):
        w = STEPS[optimizer](flat(loss_and_gradient(name, tree(w), x, y, f)[2]), w, state, t, at)
    return tree(w)
