"""PyTorch after 500 steps on the problem of test_optimizers.py: `python tests/torch_optimizers.py`.

Written to torch_optimizers.json, which is committed, so that the tests need no PyTorch. AMSGrad is not among them:
PyTorch takes its maximum before the bias correction, optax and we after it.
"""

import json
from pathlib import Path

import numpy as np
import torch

T, ETA, LAM = 500, 0.01, 0.02
COSINES = np.cos(np.arange(24.0 * 24)).reshape(24, 24)
A = torch.tensor((COSINES + COSINES.T) / 20)
MADE = {
    "gd": lambda w: torch.optim.SGD(w, ETA, weight_decay=LAM),
    "momentum": lambda w: torch.optim.SGD(w, ETA, momentum=0.9, weight_decay=LAM),
    "nesterov": lambda w: torch.optim.SGD(w, ETA, momentum=0.9, nesterov=True, weight_decay=LAM),
    "adam": lambda w: torch.optim.Adam(w, ETA, weight_decay=LAM),
    "adamw": lambda w: torch.optim.AdamW(w, ETA, weight_decay=LAM),
    "rmsprop": lambda w: torch.optim.RMSprop(w, 5e-4, alpha=0.99, weight_decay=LAM),
    "adagrad": lambda w: torch.optim.Adagrad(w, ETA, weight_decay=LAM),
}


def trained(make):
    """Weights after T steps."""
    w = torch.tensor(np.sin(np.arange(24.0)), requires_grad=True)
    optimizer = make([w])
    for _ in range(T):
        optimizer.zero_grad()
        (((w**2 - 1) ** 2).sum() / 8 + (w @ A @ w) / 2).backward()
        optimizer.step()
    return w.detach().tolist()


if __name__ == "__main__":
    found = {"torch": torch.__version__, "weights": {name: trained(make) for name, make in MADE.items()}}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
