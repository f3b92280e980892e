"""Baseline: the usual PyTorch loop, eager, one lane after another."""

from __future__ import annotations

import time

import numpy as np

from adam_vs_gd.bench.work import SETTINGS, Data


def train(data: Data, start: np.ndarray, optimizer: str, steps: int) -> tuple[np.ndarray, float]:
    """Full-batch training of each lane by autograd and `torch.optim`, on the CPU with PyTorch's own threads.

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
    kind = {"gd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    y = torch.tensor(data.y)

    def loss(w: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        feature = w[..., :1] * y  # ⟨w, y·e_1⟩ is one coordinate
        memory = w @ noise.T
        outputs = (feature.relu() ** q + memory.relu() ** q).sum(1)
        return torch.nn.functional.softplus(-y * (outputs[1] - outputs[0])).mean()

    def train_lane(w: np.ndarray, noise: torch.Tensor, steps: int) -> torch.Tensor:
        weights = torch.tensor(w, requires_grad=True)
        tx = kind([weights], lr=eta, weight_decay=lam)
        for _ in range(steps):
            tx.zero_grad()
            loss(weights, noise).backward()
            tx.step()
        return weights.detach()

    noise = torch.tensor(data.noise)
    train_lane(start[0], noise[0], 1)
    began = time.perf_counter()
    weights = [train_lane(*lane, steps) for lane in zip(start, noise, strict=True)]
    seconds = time.perf_counter() - began
    return torch.stack(weights).numpy(), seconds
