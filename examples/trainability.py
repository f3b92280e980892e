"""The boundary of trainability over two learning rates, zoomed twice in one folder.

A tanh network with one hidden layer is trained by gradient descent, each layer with a learning rate of its own. Where
training still succeeds and where it blows up is divided by a fractal: J. Sohl-Dickstein, The boundary of neural network
trainability is fractal, 2024, arXiv:2402.06184.

    python examples/trainability.py [--out runs/trainability] [--quick]

Three sweeps go into one folder, each over a window of the last in finer steps. The engine finds what is there: what a
window has in common with the one before is computed once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import adam_vs_gd as ag
from adam_vs_gd.store.folder import Folder

STEPS = 200
POINTS = 48  # cells of a window along each axis
FINER, ZOOMS = 4, 2  # steps of a window in one of the window around it; how often
CORNER, SPAN = (0.5, -2.0), 2.0  # the first window: log10 of the learning rates it begins with, and its decades


def init(hyper, key):
    """Weights, data and the sums of the losses; n = width = 16."""
    of_x, of_y, of_first, of_second = jax.random.split(key, 4)
    n = hyper["width"]
    return {
        "x": jax.random.normal(of_x, (n, n)),
        "y": jax.random.normal(of_y, (n,)),
        "first": jax.random.normal(of_first, (n, n)) / jnp.sqrt(n),
        "second": jax.random.normal(of_second, (n,)) / jnp.sqrt(n),
        "start": jnp.zeros(()),
        "late": jnp.zeros(()),
    }


def loss_of(weights, x, y):
    """Mean square error of second·tanh(first·x)."""
    return jnp.mean((jnp.tanh(x @ weights["first"]) @ weights["second"] - y) ** 2)


def step(hyper, key, state, t):
    """A step of gradient descent, and the loss before it."""
    weights = {name: state[name] for name in ("first", "second")}
    loss, slopes = jax.value_and_grad(loss_of)(weights, state["x"], state["y"])
    return {
        **state,
        "first": state["first"] - hyper["eta_first"] * slopes["first"],
        "second": state["second"] - hyper["eta_second"] * slopes["second"],
        "start": jnp.where(t == 0, loss, state["start"]),
        "late": state["late"] + jnp.where(t >= STEPS // 2, loss, 0.0),
    }


def measure(hyper, key, state):
    """`growth`, log10 of the mean loss of the second half over the first, within ±3: below 0 it has been trained."""
    ratio = state["late"] / (STEPS - STEPS // 2) / state["start"]
    growth = jnp.clip(jnp.log10(jnp.maximum(ratio, 1e-9)), -3.0, 3.0)
    return {"growth": jnp.where(jnp.isfinite(ratio), growth, jnp.where(state["start"] > 0, 3.0, 0.0))}


def window(corner, zoom, points):
    """The learning rates of a window, (of the first layer, of the second): points of one lattice, whatever its zoom.

    Args:
        corner: (2,) of the lattice's finest steps.
        zoom: how often it has been zoomed.
        points: cells along each axis.
    """
    stride, side = FINER ** (ZOOMS - zoom), points * FINER**ZOOMS
    ticks = ([c + stride * k for k in range(points + 1)] for c in corner)
    return tuple([10 ** (low + SPAN * k / side) for k in axis] for low, axis in zip(CORNER, ticks, strict=True))


def where_it_is_roughest(results, corner, zoom):
    """The corner of the next window: where trained and untrained cells are neighbours most often."""
    trained = results.growth.isel(seed=0).transpose("eta_first", "eta_second").values < 0
    changes = np.zeros(trained.shape)
    changes[:-1] += trained[1:] != trained[:-1]
    changes[:, :-1] += trained[:, 1:] != trained[:, :-1]
    size = (len(trained) - 1) // FINER
    counts = np.lib.stride_tricks.sliding_window_view(changes, (size, size)).sum((-2, -1))
    best = np.unravel_index(counts.argmax(), counts.shape)
    return tuple(c + FINER ** (ZOOMS - zoom) * int(k) for c, k in zip(corner, best, strict=True))


def sweep(rates, out, quiet=False):
    """One window: what of it is not there yet is computed."""
    first, second = rates
    return ag.sweep_function(
        (init, step, measure), {"eta_first": first, "eta_second": second}, static={"width": 16}, seeds=1, steps=STEPS,
        record=0, out=out, name="trainability", quiet=quiet,
    )  # fmt: skip


def zoomed(out, points, quiet=False):
    """The results of every window, each with how many of its lanes were new."""
    corner, folder = (0, 0), Folder(out)
    for zoom in range(ZOOMS + 1):
        there = len(folder.journal.survey().done)
        results = sweep(window(corner, zoom, points), out, quiet)
        yield results, len(folder.journal.survey().done) - there
        corner = where_it_is_roughest(results, corner, zoom)


def draw(pictures, path, finer=FINER):
    """The windows side by side, each with the next one marked."""
    with mpl.rc_context({"font.size": 7}):
        figure = Figure(figsize=(7.4, 2.6), layout="constrained")
        for k, (place, results) in enumerate(
            zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures, strict=True)
        ):
            ag.plot.phase_diagram(results, "eta_first", "eta_second", "growth", ax=place)
            for drawn in [*place.lines, *filter(None, [place.get_legend()])]:  # a line would hide what it parts
                drawn.remove()
            place.set_title("blue is trained, red is not" if k == 0 else f"zoomed {finer**k}×", fontsize=8)
            if k + 1 < len(pictures):
                x, y = (pictures[k + 1][name].values for name in ("eta_first", "eta_second"))
                place.add_patch(Rectangle((x[0], y[0]), x[-1] - x[0], y[-1] - y[0], fill=False, lw=1.2))
        return ag.plot.save(figure, path)


def main():
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/trainability"))
    parser.add_argument("--quick", action="store_true", help="windows of 12 by 12 cells: a try")
    options = parser.parse_args()
    pictures = []
    for results, new in zoomed(options.out, 12 if options.quick else POINTS):
        pictures.append(results)
        share = float((results.growth < 0).mean())
        print(f"{results.growth.size} lanes, {new} of them new; {share:.0%} are trained")
    print(draw(pictures, options.out / "figures" / "trainability.png"))


if __name__ == "__main__":
    main()
