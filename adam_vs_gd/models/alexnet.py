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

from adam_vs_gd.keys import FILTER_SIDE

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
    With a stride, blocks of stride×stride points become channels first, so that a patch is few long pieces.

    Args:
        x: images [B, h, w, c].
        kernel: [k, k, c, m].
        strides: the same along both axes.
        padding: ((before, after), (before, after)), zeros.
        how: what flax also hands over; its convolutions have no dilation, groups or mixed layouts here.

    Returns:
        [B, h', w', m].
    """
    (batch, height, width, channels), (size, *_), (stride, *_) = x.shape, kernel.shape, strides
    blocks = -(-size // stride)  # of stride×stride points, along a side of the kernel
    high, wide = ((n + sum(around) - size) // stride + 1 for n, around in zip((height, width), padding, strict=True))
    rows, columns = high - 1 + blocks, wide - 1 + blocks
    (top, _), (left, _) = padding
    around = [(0, 0, 0), (top, rows * stride - height - top, 0), (left, columns * stride - width - left, 0), (0, 0, 0)]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), around)
    x = x.reshape(batch, rows, stride, columns, stride, channels).swapaxes(2, 3).reshape(batch, rows, columns, -1)
    kernel = jnp.pad(kernel, ((0, blocks * stride - size),) * 2 + ((0, 0),) * 2)
    kernel = kernel.reshape(blocks, stride, blocks, stride, channels, -1).swapaxes(1, 2)
    patches = [x[:, i : i + high, j : j + wide] for i in range(blocks) for j in range(blocks)]
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return jnp.einsum("bhwp,pm->bhwm", jnp.concatenate(patches, -1), matrix, precision=EXACT)


def max_pool(x: Array) -> Array:
    """[B, h, w, c] -> [B, h/2, w/2, c]: the largest of each 2×2 points."""
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])
