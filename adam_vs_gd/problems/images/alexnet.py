"""AlexNet for images of 32×32, without normalization: the network of the paper's Figure 1.

Layers after A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet Classification with Deep Convolutional Neural Networks,
2012, in the form in which it is used on CIFAR-10: the same five convolutions in the proportions of the original's, one
linear layer behind them, no dropout. The first layer is AlexNet's own, 11×11 with stride 4: a filter is large enough to
be looked at, and for its spectrum to have five frequencies along each axis; a 3×3 or 5×5 filter would have one or two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from adam_vs_gd.problems.images.numbers import FILTER_SIDE

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Params

STRIDE = 4  # of the first layer
CHANNELS = (1, 3, 6, 4, 4)  # of each convolution, in filters of the first
LATER_KERNELS = (5, 3, 3, 3)
POOLED = (0, 1, 4)  # convolutions that a max-pooling of 2×2 follows
EXACT = jax.lax.Precision.HIGHEST


class AlexNet(nn.Module):
    """Five convolutions, each with ReLU, three of them pooled, and a linear layer.

    Attributes:
        classes: how many outputs.
        width: filters of the first layer; 64 is the usual size.
    """

    classes: int = 10
    width: int = 64

    @nn.compact
    def __call__(self, images: Array) -> Array:
        """[..., 32, 32, c] images, of about zero mean and unit variance -> [..., classes] logits."""
        x, real = images, jnp.result_type(float)
        for layer, (channels, kernel) in enumerate(zip(CHANNELS, (FILTER_SIDE, *LATER_KERNELS), strict=True)):
            x = nn.Conv(
                channels * self.width,
                (kernel, kernel),
                strides=STRIDE if layer == 0 else 1,
                padding=kernel // 2,
                kernel_init=nn.initializers.he_normal(),
                param_dtype=real,
                conv_general_dilated=convolve,
                name=f"conv{layer + 1}",
            )(x)
            x = nn.relu(x)
            if layer in POOLED:
                x = max_pool(x)
        x = x.reshape(*x.shape[:-3], -1)
        return nn.Dense(self.classes, precision=EXACT, param_dtype=real, name="linear")(x)

    def filters(self, params: Params) -> Array:
        """[11, 11, c, width] filters of the first layer."""
        return params["conv1"]["kernel"]


def convolve(x: Array, kernel: Array, strides: Sequence[int], padding: Any, **how: Any) -> Array:
    """`jax.lax.conv_general_dilated` of [B, h, w, c] with [k, k, c, m], as one product of matrices.

    Lanes side by side have a kernel each, and XLA has no fast convolution for that; of products of matrices it has.

    Args:
        x: images [B, h, w, c].
        kernel: [k, k, c, m].
        strides: the same along both axes.
        padding: ((before, after), (before, after)), zeros, the same along both axes.
        how: what flax also hands over; its convolutions have no dilation, groups or mixed layouts here.

    Returns:
        [B, h', w', m].
    """
    height, width = x.shape[1:3]
    small = strides[0] == 1 and height * width <= kernel.shape[0] ** 2
    return (convolve_small if small else convolve_patches)(x, kernel, strides[0], padding[0])


def convolve_patches(x: Array, kernel: Array, stride: int, padding: tuple[int, int]) -> Array:
    """A convolution as the product of patches with the kernel.

    Blocks of stride×stride points become channels first, so that a patch is few long pieces.
    """
    (batch, height, width, channels), (size, *_), (before, after) = x.shape, kernel.shape, padding
    blocks = -(-size // stride)  # of stride×stride points, along a side of the kernel
    high, wide = ((n + before + after - size) // stride + 1 for n in (height, width))
    rows, columns = high - 1 + blocks, wide - 1 + blocks
    around = [(before, count * stride - n - before, 0) for n, count in ((height, rows), (width, columns))]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *around, (0, 0, 0)])
    x = x.reshape(batch, rows, stride, columns, stride, channels).swapaxes(2, 3).reshape(batch, rows, columns, -1)
    kernel = jnp.pad(kernel, ((0, blocks * stride - size),) * 2 + ((0, 0),) * 2)
    kernel = kernel.reshape(blocks, stride, blocks, stride, channels, -1).swapaxes(1, 2)
    patches = [x[:, i : i + high, j : j + wide] for i in range(blocks) for j in range(blocks)]
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return jnp.einsum("bhwp,pm->bhwm", jnp.concatenate(patches, -1), matrix, precision=EXACT)


def convolve_small(x: Array, kernel: Array, stride: int, padding: tuple[int, int]) -> Array:
    """A convolution with stride 1 as the product of whole images with the matrix of all pairs of points.

    Where an image has no more points than the kernel, that is less arithmetic than patches, which are mostly zeros.
    """
    batch, height, width, channels = x.shape
    tall, wide = (n + sum(padding) - len(kernel) + 1 for n in (height, width))
    pairs = shifted(shifted(kernel, 0, height, tall, padding[0]), 2, width, wide, padding[0])  # [h', h, w', w, c, m]
    matrix = pairs.transpose(1, 3, 4, 0, 2, 5).reshape(height * width * channels, -1)
    found = jnp.einsum("bi,io->bo", x.reshape(batch, -1), matrix, precision=EXACT)
    return found.reshape(batch, tall, wide, -1)


def shifted(kernel: Array, axis: int, points: int, results: int, before: int) -> Array:
    """[..., results, points, ...] in place of an axis [..., k, ...]: the weight of each point in each result."""
    size = kernel.shape[axis]
    first = max(0, results - 1 - before)
    around = [(0, 0)] * kernel.ndim
    around[axis] = (first, max(0, points + before - size))
    padded = jnp.pad(kernel, around)
    starts = [first + before - k for k in range(results)]
    return jnp.stack([jax.lax.slice_in_dim(padded, s, s + points, axis=axis) for s in starts], axis)


def max_pool(x: Array) -> Array:
    """[B, h, w, c] -> [B, h/2, w/2, c]: the largest of each 2×2 points."""
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])
