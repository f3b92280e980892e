"""Batches and weight decay of Adam and AdamW: what is derived of them, and what is read off a diagram."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

import adam_vs_gd as ag
from adam_vs_gd.experiments.papers import tang2025
from adam_vs_gd.problems.learning import table1


@pytest.mark.parametrize("period", [1, 4, 25])
def test_a_weight_that_sees_its_gradient_seldom_moves_by_a_root_less(period):
    adam = ag.make_optimizer("adam", eta=1.0, beta2=0.9999, eps=1e-30)
    epochs = 40_000 // period

    def step(carry, t):
        weight, state = carry
        updates, state = adam.update(jnp.where(t % period == 0, 0.3, 0.0), state, weight)
        return (optax.apply_updates(weight, updates), state), None

    zero = jnp.zeros(())
    (weight, _), _ = jax.jit(lambda t: jax.lax.scan(step, (zero, adam.init(zero)), t))(jnp.arange(epochs * period))
    assert -float(weight) / (epochs * period) == pytest.approx(period**-0.5, rel=0.02)


def test_where_the_strongest_of_m_filters_starts():
    draws = np.random.default_rng(0).normal(size=(20_000, table1.WIDTH)).max(1) * 0.03
    for q in (3, 4):
        assert tang2025.threshold(0.03, q) == pytest.approx(q / 4 * np.median(draws) ** (q - 2), rel=0.02)


def test_adam_learns_nothing_above_the_derived_weight_decay_and_adamw_does():
    level = tang2025.threshold(width=5)
    found = ag.run_sweep(
        ag.SweepSpec(
            name="decay", seeds=3, steps=1500, record=0, model={"width": 5},
            data={"n": 20, "d": 100, "s": 5, "sigma_p": 0.1, "alpha": 0.0, "test_size": 100},
            train={"batch_size": 4, "lam": [level / 30, level * 3]},
            optimizers={label: {"eta": 1e-3} for label in ("adam", "adamw")},
        ),
        out=None, quiet=True,
    )  # fmt: skip
    assert (found.train_error.isel(lam=0) == 0).all()
    assert (found.train_error.sel(optimizer="adam").isel(lam=1) > 0.3).all()
    assert (found.train_error.sel(optimizer="adamw").isel(lam=1) == 0).all()
    assert tang2025.most_borne(found).sel(optimizer="adam").values.tolist() == pytest.approx([level / 30] * 3)


def diagram(errors, train):
    """A diagram of given test errors [optimizer, batch, lam], and training errors, the same in two seeds."""
    batches, lams = [2, 100], [1e-5, 0.01, 0.5]
    numbers = {"n": 200, "s": 100, "sigma_p": 0.1, "alpha": 0.2, "q": 3, "steps": 10, "test_size": 1000}
    dims, both = ("optimizer", "batch_size", "lam", "seed"), lambda a: np.repeat(np.array(a, float)[..., None], 2, -1)
    return xr.Dataset(
        {"test_error": (dims, both(errors)), "train_error": (dims, both(train)),
         "status": (dims, np.full((2, 2, 3, 2), 5))},
        {"optimizer": ["adam", "adamw"], "batch_size": batches, "lam": lams, "seed": [0, 1], **numbers},
    )  # fmt: skip


def test_verdicts_are_what_the_numbers_say():
    low, high, fails = [0.0] * 3, [0.8] * 3, [0.0, 0.5, 0.0]
    as_theirs = tang2025.claims(diagram([[low, high]] * 2, [[fails] * 2, [low] * 2]))
    assert [row[-1].split(":")[0] for row in as_theirs[1:]] == ["reproduced"] * 6
    assert as_theirs[5][2] == "1e-05"  # what is learned again beyond a failure does not count
    otherwise = tang2025.claims(diagram([[high, low]] * 2, [[low] * 2, [fails] * 2]))
    assert [row[-1].split(":")[0] for row in otherwise[1:]] == ["not reproduced"] * 6
    half = tang2025.claims(diagram([[low, high]] * 2, [[fails, low], [low, low]]))
    assert half[5][-1].startswith("reproduced in part: at most 0.05 in 2 of 4")


def test_the_batch_below_which_the_feature_wins():
    found = diagram([[[0.0] * 3] * 2] * 2, [[[0.0] * 3] * 2] * 2)
    kappa = 100 * 0.1 * np.sqrt(2 / np.pi) * 0.1**0.5
    assert tang2025.batch(found) == pytest.approx(200 / kappa**2)
