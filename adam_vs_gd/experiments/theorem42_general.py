"""Theorem 4.2 as the paper has it: wᵀx with w and x = (x_1, x_2) in R^{2d}, the patches of an example in random order.

The model `linear` of a spec is the special case of one w for both patches. This one sees the order, and has two
features: (v, 0) and (0, v). It is trained on the same examples, by the same optimizers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.kept import kept
from adam_vs_gd.problems.learning.optimizers import make_optimizer, rule_of
from adam_vs_gd.problems.learning.steps import apply, no_rest
from adam_vs_gd.problems.learning.streams import Stream, stream
from adam_vs_gd.problems.two_patch.data import Dataset, balanced_labels, draw_noise, make_dataset
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.surroundings import numerics

if TYPE_CHECKING:
    from adam_vs_gd.spec.sweep_spec import SweepSpec
    from adam_vs_gd.types import Array, Key

VERSION = 1  # of what is measured
EXACT = jax.lax.Precision.HIGHEST
HEADING = "## With w in R^{2d}"
EXPLANATION = (
    "The paper's own model: x = (x_1, x_2) in R^{2d}, which patch is first drawn at random for each example. Means "
    "over seeds, least and most in parentheses; distances and bounds relative to ‖w_G‖, as above; float32."
)


class Concatenated(NamedTuple):
    """Examples as vectors.

    Attributes:
        x: [n, 2d].
        y: [n] labels, −1 or +1.
    """

    x: Array
    y: Array


def in_random_order(key: Key, data: Dataset) -> Concatenated:
    """Both patches of every example one behind the other, each order with probability 1/2."""
    first = jax.random.bernoulli(key, shape=data.y.shape)
    patches = jnp.where(first[:, None, None], data.x, data.x[:, ::-1])
    return Concatenated(patches.reshape(len(data.y), -1), data.y)


def objective(w: Array, data: Concatenated, lam: Array | float) -> Array:
    """Logistic loss and (λ/2)‖w‖²."""
    margin = data.y * jnp.einsum("nd,d->n", data.x, w, precision=EXACT)
    return jax.nn.softplus(-margin).mean() + 0.5 * lam * jnp.sum(w**2)


def solution(name: str, eta: float, lam: Array, steps: int, start: Array, data: Concatenated) -> Array:
    """W after T steps from `start`."""
    optimizer, rule = make_optimizer(name, eta=eta), rule_of(name)

    def step(_: int, carried: tuple[Array, Array, object]) -> tuple[Array, Array, object]:
        w, rest, state = carried
        updates, state = optimizer.update(jax.grad(objective)(w, data, lam), state, w)
        return (*apply(rule, w, rest, updates), state)

    return jax.lax.fori_loop(0, steps, step, (start, no_rest(rule, start), optimizer.init(start)))[0]


def error(w: Array, data: Concatenated) -> Array:
    """Share of examples with y·⟨w, x⟩ <= 0."""
    return (data.y * jnp.einsum("nd,d->n", data.x, w, precision=EXACT) <= 0).mean()


def sets(spec: SweepSpec, seed: int) -> tuple[Concatenated, Concatenated, Array]:
    """A seed's training and test sets, the examples of a sweep's, and the weights to start from."""
    d, s, of = int(spec.data["d"]), int(spec.data["s"]), (spec.data["s"], spec.data["sigma_p"], spec.data["alpha"])
    key = seed_key(seed)
    order = stream(key, Stream.ORDER)
    found = []
    for k, (which, size) in enumerate(((Stream.TRAIN, spec.data["n"]), (Stream.TEST, spec.data["test_size"]))):
        data = make_dataset(draw_noise(stream(key, which), size, d, s), balanced_labels(size), d, *of)
        found.append(in_random_order(jax.random.fold_in(order, k), data))
    start = spec.model["sigma_0"] * jax.random.normal(stream(key, Stream.WEIGHTS), (2 * d,))
    return found[0], found[1], start


def measure(spec: SweepSpec) -> dict[str, np.ndarray]:
    """{distance, bound} [lam, seed] and {train_error, test_error} [optimizer, lam, seed] of the last iterates."""
    lams, (steps,) = jnp.asarray(spec.train["lam"]), spec.steps
    columns: list[Mapping[str, np.ndarray]] = []
    with numerics("float32"):
        for seed in spec.seeds:
            train, test, start = sets(spec, seed)
            adam, gd = (
                jax.vmap(lambda lam, o=o: solution(o["kind"], o["eta"], lam, steps, start, train))(lams)  # noqa: B023
                for o in (spec.optimizers["adam"], spec.optimizers["gd"])
            )
            slopes = [jax.vmap(jax.grad(objective), (0, None, 0))(w, train, lams) for w in (adam, gd)]
            size = jnp.linalg.norm(gd, axis=1)
            column = {
                "distance": jnp.linalg.norm(adam - gd, axis=1) / size,
                "bound": sum(jnp.linalg.norm(slope, axis=1) for slope in slopes) / lams / size,
                "train_error": jnp.stack([jax.vmap(error, (0, None))(w, train) for w in (adam, gd)]),
                "test_error": jnp.stack([jax.vmap(error, (0, None))(w, test) for w in (adam, gd)]),
            }
            columns.append({name: np.asarray(values) for name, values in column.items()})
    return {name: np.stack([column[name] for column in columns], -1) for name in columns[0]}


def section(out: Path, spec: SweepSpec) -> str:
    """A line a λ, with its heading; what was measured is kept in `out`."""
    found = kept(out, spec, VERSION, lambda: measure(spec))
    heads = ["T", "λ", "distance", "bound", "test error, Adam", "test error, GD", "training error (Adam, GD)"]
    rows = [heads]
    for k, lam in enumerate(spec.train["lam"]):
        bound = spread(found["bound"][k]) if lam > 0 else "-"
        tests = [spread(found["test_error"][o, k]) for o in (0, 1)]
        trained = ", ".join(f"{found['train_error'][o, k].mean():.3g}" for o in (0, 1))
        rows.append([f"{spec.steps[0]}", f"{lam:g}", spread(found["distance"][k]), bound, *tests, trained])
    return f"{HEADING}\n\n{EXPLANATION}\n\n{markdown.table(rows)}"


def spread(values: np.ndarray) -> str:
    """Mean, least and most."""
    return f"{values.mean():.3g} ({values.min():.3g} to {values.max():.3g})"
