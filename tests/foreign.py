"""Code that is not the package's, as a user would write it: what the tests of foreign problems sweep."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from adam_vs_gd.engine.chunk import vmapped
from adam_vs_gd.problem import RECORD, Family, Maker, Number, Problem, Section, Variable


def noisy(hyper, key):
    """A closed form: mean a·b + c, and noise that lanes of one seed share."""
    z = jax.random.normal(key, (hyper["n"],))
    return {"value": hyper["a"] * hyper["b"] + hyper["c"] + z.mean(), "noise": z.mean(), "size": jnp.array(hyper["n"])}


def spectrum(hyper, key):
    """A vector."""
    k = jnp.arange(5.0)
    return {"power": jnp.exp(-hyper["a"] * k), "total": jnp.exp(-hyper["a"] * k).sum()}


def blows_up(hyper, key):
    """inf from a = 1 on."""
    return {"value": jnp.where(hyper["a"] >= 1, jnp.inf, hyper["a"]), "other": hyper["a"] * 2}


def decay_init(hyper, key):
    """x_0 of the seed."""
    return {"x": jax.random.normal(key, (hyper["width"],))}


def decay_step(hyper, key, state, t):
    """x ← (1 − η) x."""
    return {"x": state["x"] * (1 - hyper["eta"])}


def decay_measure(hyper, key, state):
    """‖x‖ and the first of it."""
    return {"norm": jnp.linalg.norm(state["x"]), "first": state["x"][0]}


decay = (decay_init, decay_step, decay_measure)


class Shape(NamedTuple):
    """What is static of a lane of `FAMILY`."""

    steps: int
    precision: str = "float32"

    def identity(self, hyper):
        return ["decay", 1, self._asdict(), hyper._asdict()]


class Numbers(NamedTuple):
    """What is not."""

    eta: float


def problem(shape):
    """x ← x − η·x from a normal number: the example in `adam_vs_gd.problem`."""

    def step(hyper, x):
        return x - hyper.eta * x

    return Problem(
        steps=shape.steps,
        draw=draw,
        start=lambda hyper, x0: x0,
        advance=lambda hyper, x0, x, start, stop: jax.lax.fori_loop(start, stop, lambda t, x: step(hyper, x), x),
        measure=lambda hyper, x0, x: {"distance": abs(x)},
        test=lambda hyper, x0, x: {},
        finish=lambda hyper, x0, x, measured: {**measured, "status": jnp.where(jnp.isfinite(x), 2, 1)},
    )


def draw(key):
    return jax.random.normal(key)


RATE = Number(float, 0, math.inf, 0.1, r"$\eta$", "learning rate", above=True)
SECTIONS = {"": Section({"steps": Number(int, 1, 10**6, 100, "$T$", "steps")}), "train": Section({"eta": RATE})}
VARIABLES = {"distance": Variable("distance to the minimum", "$|x|$", grid=RECORD)}


def family(**changes):
    """The example, with changes."""
    declared = {
        "name": "decay",
        "sections": SECTIONS,
        "lane": lambda spec, label, at: (Shape(at["steps"]), Numbers(at["eta"])),
        "variables": lambda spec: VARIABLES,
        "make": lambda spec, given: Maker(spec, vmapped(problem)),
    }
    return Family(**{**declared, **changes})


FAMILY = family()
UNDECLARED = family(variables=lambda spec: {})
TOO_MUCH = family(variables=lambda spec: {**VARIABLES, "angle": Variable("angle")})


def lookahead(eta, rho=0.5, lam=0.0, *, order=1):
    """An optimizer of somebody's: gradient descent whose step grows by ρ·(order), with its own decay."""
    return optax.chain(optax.add_decayed_weights(lam), optax.scale(-eta * (1 + rho * order)))


def plain_gd(eta):
    """Gradient descent; λ is the package's to add."""
    return optax.sgd(eta)


def lookahead_default(eta=0.05, rho=0.5):
    """One whose numbers all have defaults."""
    return optax.scale(-eta * (1 + rho))


def jump(hyper, key):
    """0 below y = c·x^k, .9 above it, and some noise of the seed; x and y > 0."""
    z = jax.random.normal(key)
    above = hyper["y"] > hyper["c"] * hyper["x"] ** hyper["k"] * (1 + hyper["wobble"] * z)
    return {"value": jnp.where(above, 0.9, 0.0) + hyper["noise"] * z}


def escapes(hyper, key):
    """z ← z² + c from 0: finite after 50 steps, or not."""

    def step(_, z):
        return z[0] ** 2 - z[1] ** 2 + hyper["re"], 2 * z[0] * z[1] + hyper["im"]

    z = jax.lax.fori_loop(0, 50, step, (jnp.zeros(()), jnp.zeros(())))
    return {"size": jnp.hypot(*z)}
