"""A network on a set of images as an instance of `Problem`: mini-batches, crops and flips, L2 in the gradient.

A seed draws the initial weights, and keys: of the batches' orders, and of the crops and flips of every step. So lanes
of one seed start alike and see the same images, whatever their optimizer, η and λ.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import optax

from adam_vs_gd.problem import Problem
from adam_vs_gd.problems.images.filters import noisiness
from adam_vs_gd.problems.images.ways import LOOKED_AT
from adam_vs_gd.problems.learning.batches import Batches, batch_at, no_order, order_at, raw
from adam_vs_gd.problems.learning.loss import is_correct, is_finite, objective, objective_grad
from adam_vs_gd.problems.learning.optimizers import rule_of
from adam_vs_gd.problems.learning.status import classify
from adam_vs_gd.problems.learning.steps import Windows, apply, no_rest, objective_change, observe, opening
from adam_vs_gd.problems.learning.streams import Stream, stream

if TYPE_CHECKING:
    from typing import Any

    from adam_vs_gd.problems.images.alexnet import AlexNet
    from adam_vs_gd.problems.images.lane import Hyper, Static
    from adam_vs_gd.types import Array, Key, Params

MARGIN = 4  # points of zeros around an image, from which a crop is taken
FIT_ERROR = 0.01  # training error up to which a network counts as fitted: it never sees the images as they are


class ImageData(NamedTuple):
    """The images that all lanes of a group read, in the host's memory or a device's.

    Attributes:
        train: [n, h, w, c] uint8.
        train_labels: [n] int32.
        test: [N, h, w, c] uint8.
        test_labels: [N] int32.
        mean: [c] of the training images' channels.
        deviation: [c] their standard deviation.
    """

    train: Any
    train_labels: Any
    test: Any
    test_labels: Any
    mean: Any
    deviation: Any

    def standard(self, images: Array) -> Array:
        """[..., c] numbers of zero mean and unit variance over the training set, from bytes."""
        return (images.astype(self.mean.dtype) - self.mean) / self.deviation


class ImageDraws(NamedTuple):
    """What lanes of a seed share.

    Attributes:
        weights: the initial ones for σ_0 = 1: He et al.'s normal numbers, biases 0.
        batches: [2] uint32, the raw key of the orders of epochs.
        augment: [2] uint32, that of crops and flips.
    """

    weights: Params
    batches: Array
    augment: Array


class NetworkState(NamedTuple):
    """What a lane carries from step to step; see `TrainState`."""

    params: Params
    opt_state: Any
    windows: Windows
    rest: Params
    order: Array


@functools.lru_cache(maxsize=16)
def draw_function(model: AlexNet, shape: tuple[int, ...]) -> Callable[[Key], ImageDraws]:
    """Key -> draws. One function for all problems that draw alike, so that the engine can tell that they do."""

    def draw(key: Key) -> ImageDraws:
        weights = model.init(stream(key, Stream.WEIGHTS), jnp.zeros((1, *shape)))["params"]
        return ImageDraws(weights, raw(stream(key, Stream.BATCHES)), raw(stream(key, Stream.AUGMENT)))

    return draw


def crop_and_flip(key: Key, images: Array) -> Array:
    """Images [B, h, w, c], each shifted by up to `MARGIN` points along each axis with 0 behind it, and half mirrored.

    The augmentation of CIFAR-10 since C.-Y. Lee et al., Deeply-Supervised Nets, 2015.
    """
    count, *shape = images.shape
    shift_key, flip_key = jax.random.split(key)
    shifts = jax.random.randint(shift_key, (count, 2), 0, 2 * MARGIN + 1)
    flips = jax.random.bernoulli(flip_key, shape=(count,))
    padded = jnp.pad(images, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    crop = lambda image, shift: jax.lax.dynamic_slice(image, (*shift, 0), shape)  # noqa: E731
    cropped = jax.vmap(crop)(padded, shifts)
    return jnp.where(flips[:, None, None, None], cropped[:, :, ::-1], cropped)


def margins(logits: Array, labels: Array) -> Array:
    """[B] the logit of the label less the largest other; an example is an error where this is not above 0."""
    of_label = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    return jnp.where(of_label, logits, 0).sum(-1) - jnp.where(of_label, -jnp.inf, logits).max(-1)


def losses(logits: Array, labels: Array) -> Array:
    """[B] cross-entropies −log softmax(logits)_label."""
    return optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype))


def image_problem(static: Static, model: AlexNet, data: Callable[[], ImageData]) -> Problem:
    """The training of a network on images.

    Args:
        static: its shapes and optimizer; the functions are given `draws` = (draws of the seed, images).
        model: the network.
        data: gives the images, in host memory.
    """
    size, rule = static.batch_size, rule_of(static.optimizer, static.own, static.steps)

    def augmented(key: Array, t: Array, images: Array) -> Array:
        if static.augment == "none":
            return images
        return crop_and_flip(jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), t), images)

    def logits_of(params: Params, images: Array) -> Array:
        return model.apply({"params": params}, images)  # type: ignore[return-value]

    def loss(params: Params, images: Array, labels: Array) -> Array:
        return losses(logits_of(params, images), labels).mean()

    def first_weights(hyper: Hyper, draws: tuple[ImageDraws, ImageData]) -> Params:
        return optax.tree.scale(hyper.sigma_0, draws[0].weights)

    def start(hyper: Hyper, draws: tuple[ImageDraws, ImageData]) -> NetworkState:
        params = first_weights(hyper, draws)
        zero = jnp.zeros((), jnp.result_type(float))
        opt_state = rule.transformation(hyper).init(params)
        rest = no_rest(rule, params)
        return NetworkState(params, opt_state, Windows(zero, zero, zero), rest, no_order(static.n))

    def advance(
        hyper: Hyper, draws: tuple[ImageDraws, ImageData], state: NetworkState, start: Array, stop: Array
    ) -> NetworkState:
        seed, images = draws
        optimizer = rule.transformation(hyper)

        def step(t: Array, state: NetworkState) -> NetworkState:
            order = order_at(Batches(seed.batches, size), state.order, t)
            index = batch_at(order, t, size)
            batch = images.standard(augmented(seed.augment, t, images.train[index]))
            value, grads = jax.value_and_grad(loss)(state.params, batch, images.train_labels[index])
            again = lambda w: jax.grad(loss)(w, batch, images.train_labels[index])  # noqa: E731
            grads = rule.gradient(hyper, state.params, grads, again)
            updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
            params, rest = apply(rule, state.params, state.rest, updates)
            late = t >= opening(static.steps)
            windows = observe(state.windows, value, state.params, hyper.lam, t, static.steps, late)
            return NetworkState(params, opt_state, windows, rest, order)

        return jax.lax.fori_loop(start, stop, step, state)

    def measure(hyper: Hyper, draws: tuple[ImageDraws, ImageData], state: NetworkState) -> dict[str, Array]:
        _, images = draws

        def of_block(params: Params, pixels: Array, labels: Array, new: Array) -> tuple[Array, Array]:
            logits = logits_of(params, images.standard(pixels))
            wrong = ~is_correct(margins(logits, labels))
            return jnp.where(new, losses(logits, labels), 0).sum(), (wrong & new).sum()

        def add(total: Any, block: tuple[Array, Array]) -> tuple[Any, None]:
            index, new = block
            sums = jax.value_and_grad(of_block, has_aux=True)
            return jax.tree.map(
                jnp.add, total, sums(state.params, images.train[index], images.train_labels[index], new)
            ), None

        zero = jnp.zeros((), jnp.result_type(float))
        nothing = ((zero, jnp.zeros((), int)), jax.tree.map(jnp.zeros_like, state.params))
        ((total, wrong), grads), _ = jax.lax.scan(add, nothing, in_blocks(static.n))
        data_loss = total / static.n
        grads = objective_grad(jax.tree.map(lambda g: g / static.n, grads), state.params, hyper.lam)
        whole = objective(data_loss, state.params, hyper.lam)
        error = jnp.where(is_finite(whole, state.params), wrong / static.n, jnp.nan)
        now, first = (model.filters(params) for params in (state.params, first_weights(hyper, draws)))
        return {
            "train_error": error,
            "loss": whole,
            "data_loss": data_loss,
            "grad_norm_l1": optax.tree.norm(grads, ord=1),
            "grad_norm_l2": optax.tree.norm(grads),
            "weight_norm": optax.tree.norm(state.params),
            **noisiness(now),
            "learned_high_frequency": noisiness(now - first)["high_frequency"],
            "start_overlap": (now * first).sum() / (optax.tree.norm(now) * optax.tree.norm(first)),
        }

    def test(hyper: Hyper, draws: tuple[ImageDraws, ImageData], state: NetworkState) -> dict[str, Array]:
        _, images = draws

        def errors(block: tuple[Array, Array]) -> Array:
            index, new = block
            logits = logits_of(state.params, images.standard(images.test[index]))
            return (~is_correct(margins(logits, images.test_labels[index])) & new).sum()

        rate = jax.lax.map(errors, in_blocks(static.test_size)).sum() / static.test_size
        return {"test_error": jnp.where(is_finite(jnp.array(0.0), state.params), rate, jnp.nan)}

    def finish(
        hyper: Hyper, draws: tuple[ImageDraws, ImageData], state: NetworkState, measured: Mapping[str, Array]
    ) -> dict[str, Array]:
        change = objective_change(state.windows, static.steps)
        return {
            **measured,
            "filters": model.filters(state.params),
            "objective_change": change,
            "status": classify(
                finite=jnp.isfinite(measured["loss"]) & jnp.isfinite(measured["weight_norm"]),
                train_error=measured["train_error"],
                data_loss=measured["data_loss"],
                weight_norm=measured["weight_norm"],
                start_norm=optax.tree.norm(first_weights(hyper, draws)),
                objective_change=change,
                classes=model.classes,
                fit_error=FIT_ERROR,
            ),
        }

    draw = draw_function(model, data().train.shape[1:])
    return Problem(static.steps, draw, start, advance, measure, test, finish, shared=data)


def in_blocks(count: int) -> tuple[Array, Array]:
    """[blocks, block] numbers of examples, all of 0 .. count-1 at least once, and whether each is not a repetition."""
    block = min(count, LOOKED_AT)
    index = jnp.arange(-(-count // block) * block).reshape(-1, block)
    return jnp.minimum(index, count - 1), index < count
