"""Directions of greatest margin of separable examples, exactly, in float64.

Examples are rows x_i that are multiplied by their labels, so that w separates them where ⟨w, x_i⟩ > 0 for all i.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog, nnls

TIGHT = 1e-9  # of the greatest margin, within which the face of its solutions is looked for
DAMPED, MOST, SETTLED = 0.5, 5000, 1e-12  # of the fixed point's iteration: share of the new, steps, change


def l2(x: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The direction of greatest margin min_i ⟨w, x_i⟩/(Σ_j P_j w_j²)^{1/2}, with its multipliers.

    The hard-margin SVM's dual: c ∝ argmin_{c ≥ 0} ‖P^{−1/2} X^⊤c‖² + (Σ c − 1)², and w ∝ P^{−1}X^⊤c.

    Args:
        x: [n, d] examples times their labels, separable.
        weights: [d] P > 0; 1 by default, which is l_2.

    Returns:
        w [d] with ‖w‖_2 = 1, and c [n] >= 0 with sum 1, 0 where an example supports nothing.

    Raises:
        ValueError: if no w separates the examples.
    """
    weights = np.ones(x.shape[1]) if weights is None else weights
    scaled = x / np.sqrt(weights)
    size = np.abs(scaled).max()
    c, _ = nnls(np.vstack([scaled.T / size, np.ones(len(x))]), np.append(np.zeros(x.shape[1]), 1.0))
    w = (x.T @ c) / weights
    if not (x @ w).min() > 0:
        raise ValueError("examples: must be separable by a line through 0")
    return w / np.linalg.norm(w), c / c.sum()


def linf(x: np.ndarray) -> tuple[np.ndarray, float]:
    """A direction of greatest margin min_i ⟨w, x_i⟩/‖w‖_inf, by a linear program, and that margin γ_inf.

    Args:
        x: [n, d] examples times their labels.

    Returns:
        w [d] with ‖w‖_inf = 1, which may be one of many (`face_width`), and γ_inf.
    """
    below = np.column_stack([-x, np.ones(len(x))])  # γ − ⟨w, x_i⟩ <= 0
    *w, margin = program(np.append(np.zeros(x.shape[1]), -1.0), below, np.zeros(len(x)), x.shape[1])
    return np.array(w), float(margin)


def face_width(x: np.ndarray, margin: float) -> float:
    """The widest range of a coordinate over all directions of margin γ_inf; 0 where there is one only.

    Args:
        x: [n, d] examples times their labels.
        margin: γ_inf, of which a share of `TIGHT` is given up.
    """
    least = np.full(len(x), -margin * (1 - TIGHT))
    axes = np.eye(x.shape[1])
    ends = [[axis @ program(sign * axis, -x, least, len(axes)) for sign in (1, -1)] for axis in axes]
    return float(np.ptp(ends, axis=1).max())


def program(cost: np.ndarray, rows: np.ndarray, most: np.ndarray, boxed: int) -> np.ndarray:
    """The solution of min ⟨cost, v⟩ over rows·v <= most, with the first `boxed` coordinates in [−1, 1]."""
    bounds = [(-1.0, 1.0)] * boxed + [(None, None)] * (len(cost) - boxed)
    found = linprog(cost, rows, most, bounds=bounds).x
    assert found is not None, "the program has a solution: w = 0 is feasible, and the box bounds it"
    return np.asarray(found)


def batch_proxy(x: np.ndarray, spread: float) -> tuple[np.ndarray, float]:
    """Where Adam on random batches should go for β2 → 1: a fixed point of our own, AdamProxy's for batches of 1.

    With g_i = −c_i x_i, c the multipliers of the margin in the norm (Σ_j P_j w_j²)^{1/2}, v tends to the mean square of
    a batch's gradient, so that

        P_j = (ḡ_j² + ρ·(mean_i g_ij² − ḡ_j²))^{1/2},  w ∝ P^{−1} Σ_i c_i x_i,

    with ρ the share of an example's variance that a batch's mean keeps, `kept_variance`. At ρ = 1 it is P_j ∝
    (Σ_i g_ij²)^{1/2} (Baek et al., AdamProxy and its fixed point, Theorem 4.8, as quoted in notes on the paper); at
    ρ = 0 it is sgn(ḡ), full batches.

    Args:
        x: [n, d] examples times their labels.
        spread: ρ in (0, 1].

    Returns:
        w [d] with ‖w‖_2 = 1, and by how much the multipliers still changed in the last step.
    """
    _, c = l2(x)
    change = np.inf
    for _ in range(MOST):
        w, new = l2(x, preconditioner(x, c, spread))
        change = float(np.abs(new - c).max())
        c = (1 - DAMPED) * c + DAMPED * new
        if change < SETTLED:
            break
    return w, change


def preconditioner(x: np.ndarray, c: np.ndarray, spread: float) -> np.ndarray:
    """[d] P of `batch_proxy`, for multipliers c."""
    g = c[:, None] * x
    square = g.mean(0) ** 2
    return np.sqrt(square + spread * ((g**2).mean(0) - square))


def kept_variance(n: int, size: int) -> float:
    """ρ: the variance of a batch's mean by that of an example, (n − b)/(b(n − 1)), over the batches of an epoch.

    Args:
        n: examples, which an epoch deals out in random order, > 1.
        size: of a batch; the last one has what is left.
    """
    sizes = np.array([min(size, n - start) for start in range(0, n, size)])
    return float(np.mean((n - sizes) / (sizes * (n - 1))))


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[...] cosines of the angles between [..., d] vectors."""
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
