"""What the lemmas are checked on: a training, step by step, and single states of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LOGIT = 0.25  # Stage I ends once the mean |ℓ_{y_i,i}|, 1/2 at first, is below: logits are no more of order one


class Trajectory(NamedTuple):
    """A training at every step 0 .. T; j = −1, +1 along axes of length 2.

    Attributes:
        objective: [T + 1] L.
        grad_l1: [T + 1] ‖∇L‖_1.
        grad_l2: [T + 1] ‖∇L‖_F.
        learned: [T + 1, 2] Λ_j = max_r ⟨w_{j,r}, j·v⟩.
        memorized: [T + 1, 2] Γ_j = max_{i: y_i=j} max_r ⟨w_{j,r}, ξ_i⟩.
    """

    objective: np.ndarray
    grad_l1: np.ndarray
    grad_l2: np.ndarray
    learned: np.ndarray
    memorized: np.ndarray

    def learned_at(self, width: float) -> np.ndarray:
        """[2] T_j: the step at which Λ_j reaches 1/m; T + 1 if it does not."""
        return np.array([first(self.learned[:, j] >= 1 / width) for j in (0, 1)])


class Filters(NamedTuple):
    """What every filter does at every step 0 .. T.

    Attributes:
        feature: [T + 1, 2, m] ⟨w_{j,r}, j·v⟩.
        noise: [T + 1, n, m] ⟨w_{y_i,r}, ξ_i⟩.
        reach: [T + 1, n] Σ_{k∈B_i} |w_{y_i,r*}[k]|·|ξ_i[k]| of the filter r* with the largest ⟨w_{y_i,r}, ξ_i⟩.
        residual: [T + 1, n] |ℓ_{y_i,i}| = 1 − logit_{y_i}.
    """

    feature: np.ndarray
    noise: np.ndarray
    reach: np.ndarray
    residual: np.ndarray

    def end_of_stage_one(self) -> int:
        """The step at which mean |ℓ_{y_i,i}| falls below `LOGIT`, T + 1 if it does not: what T_0 is compared to."""
        return first(self.residual.mean(-1) < LOGIT)

    def turns(self, until: int) -> np.ndarray:
        """[2, m] the step before `until` at which ⟨w_{j,r}, j·v⟩ turns around (Lemma 5.3); T + 1 where it does not."""
        early = self.feature[: until + 1]
        turns = early.argmax(0)
        return np.where((turns < len(early) - 1) & np.isfinite(early).all(0), turns, len(self.feature))


def first(reached: np.ndarray) -> int:
    """The first index that is true; one beyond the last if none is."""
    return int(reached.argmax()) if reached.any() else reached.shape[0]


class State(NamedTuple):
    """One iterate, and the step that is about to be made from it.

    Attributes:
        xi: [n, d] noise patches.
        y: [n] labels.
        weights: [2, m, d].
        gradient: [2, m, d] ∇L, the λ term included.
        direction: [2, m, d] what −η scales: m/√v of Adam.
        residual: [n] |ℓ_{y_i,i}|.
    """

    xi: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    gradient: np.ndarray
    direction: np.ndarray
    residual: np.ndarray

    @property
    def supports(self) -> np.ndarray:
        """[n, d] whether a coordinate is in B_i, the support of ξ_i but for the feature's coordinate."""
        inside = self.xi != 0
        inside[:, 0] = False
        return inside

    @property
    def noise(self) -> np.ndarray:
        """[n, m] ⟨w_{y_i,r}, ξ_i⟩."""
        return np.einsum("nrd,nd->nr", self.weights[(self.y > 0).astype(int)], self.xi)

    @property
    def strongest(self) -> np.ndarray:
        """[n, d] w_{y_i,r*}, r* the filter with the largest ⟨w_{y_i,r}, ξ_i⟩."""
        return self.weights[(self.y > 0).astype(int), self.noise.argmax(-1)]

    def coordinates(self, name: str) -> np.ndarray:
        """[d] which coordinates are of a class: `feature` (the first), `support` (in some B_i), or `outside`."""
        inside = np.any(self.supports, axis=0)
        feature = np.arange(self.xi.shape[1]) == 0
        return {"feature": feature, "support": inside, "outside": ~inside & ~feature}[name]
