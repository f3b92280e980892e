"""An independent reference: SYSTEM.md sections 1-4 in plain NumPy float64, slow and clear.

Data: noise ξ [n, d], with −α·y in coordinate 0; labels y [n] in {−1, +1}; the feature patch is y·v, v = e_0.
CNN weights W [2, m, d], index 0 for class j = −1 and 1 for j = +1; linear weights w [d].
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from oracle_optimizers import STEPS, share_of

Array = NDArray[np.float64]

CLASSES = (-1.0, 1.0)
FROBENIUS = (
    "gd",
    "momentum",
    "nesterov",
    "normalized_gd",
    "sam",
    "muon",
)  # W* is chosen by this norm of the gradient; ℓ1 for the others
LOG2 = float(np.log(2.0))
FIT_LOSS = 0.1  # W* is looked for, and a lane is fitted, from this data loss down
FITTED_STALLED = 0.5 * LOG2  # fitted as well, once the objective stalls
UNDERFIT_LOSS = 0.95 * LOG2
COLLAPSED_LOSS = 0.99 * LOG2
COLLAPSED_NORM = 0.1  # of ‖W_0‖_F
STALLED = 0.01  # |objective_change| below this


class Run(NamedTuple):
    """One training run: the last iterate, W* (None without one) and what was measured along the way and at the end."""

    w: Array
    best_w: Array | None
    path: dict[int, dict[str, Any]]
    final: dict[str, Any]


def silent() -> np.errstate:
    """Overflow, and what follows from it, is how a diverging run looks."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")


def activation(z: Array, q: int) -> Array:
    """σ(z) = max(0, z)^q."""
    return np.maximum(0.0, z) ** q


def activation_slope(z: Array, q: int) -> Array:
    """σ'(z) = q·max(0, z)^(q−1)."""
    return q * np.maximum(0.0, z) ** (q - 1)


def margins(model: str, w: Array, xi: Array, y: Array, q: int) -> Array:
    """F_y − F_{−y} of every example; y·⟨w, x1 + x2⟩ for the linear model."""
    with silent():
        if model == "linear":
            return np.asarray(y * (y * w[0] + xi @ w))
        if model != "two_layer_cnn":
            raise ValueError(f"no such model: {model}")
        F = []
        for filters in w:  # class −1, then +1; filters is [m, d]
            feature = np.outer(y, filters[:, 0])  # ⟨w_{j,r}, y_i·v⟩, [n, m]
            noise = xi @ filters.T  # ⟨w_{j,r}, ξ_i⟩, [n, m]
            F.append(np.sum(activation(feature, q) + activation(noise, q), axis=1))
        return np.asarray(np.where(y > 0, F[1] - F[0], F[0] - F[1]))


def loss_of(margin: Array) -> float:
    """Mean of −log softmax(F)_y = log(1 + exp(−margin))."""
    with silent():
        return float(np.mean(np.logaddexp(0.0, -margin)))


def data_loss(model: str, w: Array, xi: Array, y: Array, q: int) -> float:
    """L without its λ term."""
    return loss_of(margins(model, w, xi, y, q))


def penalty(w: Array, lam: float) -> float:
    """(λ/2)·‖W‖_F²."""
    with silent():
        return float(0.5 * lam * np.sum(w**2))


def gradient(model: str, w: Array, xi: Array, y: Array, q: int, lam: float) -> Array:
    """∇L(W) of the full objective, by hand.

    With ℓ_i = log(1 + exp(−margin_i)), ∂ℓ_i/∂margin_i = −1/(1 + exp(margin_i)), and
    ∂margin_i/∂w_{j,r} = j·y_i·[σ'(⟨w_{j,r}, y_i v⟩)·y_i v + σ'(⟨w_{j,r}, ξ_i⟩)·ξ_i].
    """
    with silent():
        slope = -np.exp(-np.logaddexp(0.0, margins(model, w, xi, y, q))) / len(y)  # ∂L/∂margin_i
        g = np.zeros_like(w)
        if model == "linear":
            g += (slope * y) @ xi
            g[0] += np.sum(slope)  # y_i·y_i = 1
            return g + lam * w
        for j, filters, out in zip(CLASSES, w, g, strict=True):
            pull = (j * slope * y)[:, None]  # ∂L/∂F_{j}(x_i)
            out += (pull * activation_slope(xi @ filters.T, q)).T @ xi
            out[:, 0] += np.sum(pull * activation_slope(np.outer(y, filters[:, 0]), q) * y[:, None], axis=0)
        return g + lam * w


def error(margins: Array) -> float:
    """Share of examples not classified right: ties, and outputs that are not finite, are errors."""
    return float(np.mean(~((margins > 0) & np.isfinite(margins))))


def measure(model: str, w: Array, xi: Array, y: Array, q: int, lam: float) -> dict[str, Any]:
    """Everything of section 4 that is a function of one iterate and the training set."""
    margin = margins(model, w, xi, y, q)
    g = gradient(model, w, xi, y, q, lam)
    filters = np.stack([-w[None], w[None]]) if model == "linear" else w  # [2, m, d]
    with silent():
        strongest = [np.max(xi @ filters[k].T, axis=1) for k in range(2)]  # max_r ⟨w_{j,r}, ξ_i⟩, [n] each
        return {
            "train_error": error(margin),
            "loss": loss_of(margin) + penalty(w, lam),
            "data_loss": loss_of(margin),
            "feature_learning": float(np.max(filters[1, :, 0])),
            "noise_memorization": float(np.min(strongest[1][y == 1])),
            "capital_lambda": np.array([np.max(j * filters[k, :, 0]) for k, j in enumerate(CLASSES)]),
            "capital_gamma": np.array([np.max(strongest[k][y == j]) for k, j in enumerate(CLASSES)]),
            "grad_norm_l1": float(np.sum(np.abs(g))),
            "grad_norm_l2": float(np.sqrt(np.sum(g**2))),
            "weight_norm": float(np.sqrt(np.sum(w**2))),
        }


def objective_change(objective: list[float]) -> float:
    """Mean over the last 5 % of the iterates t < T, relative to the mean over the 5 % before."""
    steps = len(objective)
    k = max(1, steps // 20)
    if steps < 2 * k:
        return float("nan")
    with silent():
        last, before = np.mean(objective[steps - k :]), np.mean(objective[steps - 2 * k : steps - k])
        return float(last / before - 1.0)


def status_of(train_error: float, data_loss: float, change: float, norm: float, norm_0: float, finite: bool) -> str:
    """The lane's status, tested in the order of section 4."""
    stalled = abs(change) < STALLED  # False when NaN
    if not finite:
        return "diverged"
    if data_loss >= COLLAPSED_LOSS and norm < COLLAPSED_NORM * norm_0:
        return "collapsed"
    if train_error == 0 and (data_loss <= FIT_LOSS or (data_loss <= FITTED_STALLED and stalled)):
        return "fitted"
    if data_loss <= UNDERFIT_LOSS and train_error > 0 and stalled:
        return "underfit"
    return "undertrained"


def train(
    model: str, optimizer: str, w0: Array, xi: Array, y: Array, *, q: int, lam: float, eta: float,
    numbers: dict[str, float], steps: int, record_steps: Collection[int] = (),
    test: tuple[Array, Array] | None = None, every: int = 10, batches: Sequence[NDArray[np.int64]] | None = None,
    over: int = 0,
) -> Run:  # fmt: skip
    """T = `steps` updates from W_0; diverged when W_T or its objective is not finite.

    On all examples, or step t on those of `batches[t]`: then the objective of a step is its batch's, and whether all
    examples are fit is asked at every `every`-th step only. A schedule is over so many steps, T by default.
    """
    w, xi, y = np.array(w0, np.float64), np.asarray(xi, np.float64), np.asarray(y, np.float64)
    norm_0 = float(np.sqrt(np.sum(w**2)))
    state: dict[str, Any] = {}
    path: dict[int, dict[str, Any]] = {}
    objective: list[float] = []  # at t = 0..T−1
    fit = False
    best_w, best_step, best_norm = None, -1, float("nan")

    for t in range(steps + 1):
        if t in record_steps:
            path[t] = measure(model, w, xi, y, q, lam)
        margin, g = margins(model, w, xi, y, q), gradient(model, w, xi, y, q, lam)
        with silent():
            if batches is None or t % every == 0 or t == steps:
                fit = fit or (error(margin) == 0 and loss_of(margin) <= FIT_LOSS)
            if fit and (t % every == 0 or t == steps):
                norm = float(np.sqrt(np.sum(g**2)) if optimizer in FROBENIUS else np.sum(np.abs(g)))
                if np.isfinite(norm) and (best_w is None or norm < best_norm):
                    best_w, best_step, best_norm = w.copy(), t, norm
            if t == steps:
                break
            seen = slice(None) if batches is None else batches[t]
            objective.append(loss_of(margin[seen]) + penalty(w, lam))
            of = lambda w: gradient(model, w, xi[seen], y[seen], q, 0.0)  # noqa: B023, E731
            share = share_of(t, over or steps, numbers)
            at = numbers | {"lam": lam, "eta": eta * share, "share": share}
            w = STEPS[optimizer](of if optimizer == "sam" else of(w), w, state, t, at)

    nan = float("nan")
    final = measure(model, w, xi, y, q, lam)
    if test is not None:
        final["test_error"] = error(margins(model, w, *test, q))
    finite = bool(np.isfinite(final["loss"]) and np.all(np.isfinite(w)))
    if not finite:
        final |= {key: nan for key in ("train_error", "test_error") if key in final}
        best_w, best_step, best_norm = None, -1, nan
    change = objective_change(objective)
    bounded = best_norm**2 if optimizer in FROBENIUS else best_norm  # Theorem 4.1: at most 1/(Tη)
    final |= {
        "objective_change": change,
        "best_step": best_step,
        "best_grad_norm": best_norm,
        "best_train_error": nan if best_w is None else error(margins(model, best_w, xi, y, q)),
        "best_test_error": nan if best_w is None or test is None else error(margins(model, best_w, *test, q)),
        "stationary": bool(bounded * steps * eta <= 1.0),  # False when NaN
        "status": status_of(final["train_error"], final["data_loss"], change, final["weight_norm"], norm_0, finite),
    }
    return Run(w, best_w, path, final)
