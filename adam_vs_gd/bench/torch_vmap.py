"""Baseline: PyTorch with all lanes at once: vmapped `torch.func.grad`, and updates of the stacked weights."""

from __future__ import annotations

import math
import time

import numpy as np

from adam_vs_gd.bench.work import SETTINGS, Data

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def train(data: Data, start: np.ndarray, optimizer: str, steps: int) -> tuple[np.ndarray, float]:
    """Full-batch training of all lanes, on the CPU with PyTorch's own threads; `torch.optim`'s formulas, in place.

    Args:
        data: noise [L, n, d] and y [n].
        start: [L, 2, m, d] weights at step 0.
        optimizer: "gd" or "adam".
        steps: T.

    Returns:
        [L, 2, m, d] weights at step T, and seconds without a first step that warms up.
    """
    import torch

    eta, lam, q = SETTINGS[optimizer]
    y = torch.tensor(data.y)

    def loss(w: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        feature = w[..., :1] * y  # ⟨w, y·e_1⟩ is one coordinate
        memory = w @ noise.T
        outputs = (feature.relu() ** q + memory.relu() ** q).sum(1)
        return torch.nn.functional.softplus(-y * (outputs[1] - outputs[0])).mean()

    gradient = torch.func.vmap(torch.func.grad(loss))

    def train_lanes(steps: int) -> torch.Tensor:
        w = torch.tensor(start)
        mu, nu = torch.zeros_like(w), torch.zeros_like(w)
        for t in range(1, steps + 1):
            g = gradient(w, noise).add_(w, alpha=lam)
            if optimizer == "gd":
                w.sub_(g, alpha=eta)
                continue
            mu.lerp_(g, 1 - BETA1)
            nu.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            root = nu.sqrt().div_(math.sqrt(1 - BETA2**t)).add_(EPS)
            w.addcdiv_(mu, root, value=-eta / (1 - BETA1**t))
        return w

    noise = torch.tensor(data.noise)
    train_lanes(1)
    began = time.perf_counter()
    weights = train_lanes(steps)
    seconds = time.perf_counter() - began
    return weights.numpy(), seconds
