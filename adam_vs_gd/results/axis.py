"""An axis of a diagram: where its values stand, in which scale, and where one cell ends and the next begins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import xarray as xr

LINEAR, LOG, SYMLOG, LOGIT = "linear", "log", "symlog", "logit"
NEAR_ONE = 0.99  # a largest value from here on, below 1, may be one of a logit axis
INTEGERS = 10**6  # larger ones are written with an exponent
COARSE = "coarse"  # of a coordinate of refined results: the values that it was refined from


class Axis(NamedTuple):
    """The values along a dimension, in its order, and their scale.

    Attributes:
        name: what the values are of: a key of the spec, or the dimension.
        label: what it means, and its symbol.
        symbol: the symbol alone, in matplotlib's mathtext.
        values: [k] positions, not always ascending.
        texts: what each value is called where they are no numbers, or not all different, and stand at 0 .. k - 1.
        scale: LINEAR; LOG; SYMLOG, logarithmic with a zero one step below the smallest value; or LOGIT, logarithmic in
            the distance from 1 (of a β2).
        threshold: SYMLOG's smallest positive value.
        step: SYMLOG's distance from zero to it, in decades.
    """

    name: str
    label: str
    symbol: str
    values: np.ndarray
    texts: tuple[str, ...]
    scale: str = LINEAR
    threshold: float = 1.0
    step: float = 1.0

    @property
    def order(self) -> np.ndarray:
        """Indices that sort the values."""
        return np.argsort(self.values, kind="stable")

    def ascending(self) -> Axis:
        """The same axis with its values in order."""
        texts = tuple(self.texts[i] for i in self.order) if self.texts else ()
        return self._replace(values=self.values[self.order], texts=texts)

    def names(self) -> list[str]:
        """What each value is called."""
        return list(self.texts) or written(self.values)

    def name_of(self, i: int) -> str:
        """What one value is called by itself: to six digits."""
        return self.texts[i] if self.texts else f"{self.values[i]:g}"

    @property
    def edges(self) -> np.ndarray:
        """[k + 1] edges of the cells around the sorted values, halfway between them in the axis's scale."""
        at = self.forward(self.values[self.order])
        if len(at) == 1:
            half = 0.5 * abs(at[0]) if self.scale == LINEAR and at[0] else 0.5
            return self.inverse(np.array([at[0] - half, at[0] + half]))
        middle = (at[:-1] + at[1:]) / 2
        return self.inverse(np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]]))

    @property
    def narrowest(self) -> float:
        """The narrowest cell's share of the axis."""
        edges = self.forward(self.edges)
        return float(np.diff(edges).min() / (edges[-1] - edges[0]))

    def forward(self, values: ArrayLike) -> np.ndarray:
        """Values -> coordinates in which the axis is even."""
        values = np.asarray(values, float)
        if self.scale == LINEAR:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.scale == LOG:
                return np.log10(values)
            if self.scale == LOGIT:
                return np.log10(values / (1 - values))
            size = np.abs(values) / self.threshold
            return np.sign(values) * np.where(size <= 1, size * self.step, self.step + np.log10(size))

    def inverse(self, at: ArrayLike) -> np.ndarray:
        """The other way."""
        at = np.asarray(at, float)
        if self.scale == LINEAR:
            return at
        if self.scale == LOG:
            return 10**at
        if self.scale == LOGIT:
            return 1 / (1 + 10**-at)
        size = np.abs(at)
        far = 10 ** np.maximum(size - self.step, 0)
        return np.sign(at) * self.threshold * np.where(size <= self.step, size / self.step, far)


def axis_of(results: xr.Dataset, dim: str) -> Axis:
    """The axis along a dimension; of an `_index` dimension the values of the one optimizer in `results`, if it has any.

    Args:
        results: a Dataset, reduced to one optimizer where optimizers have values of their own.
        dim: one of its dimensions.
    """
    key = dim.removesuffix("_index")
    own = results.coords.get(key)
    name = key if own is not None and own.dims == (dim,) and is_distinct(own.values) else dim
    coord = results[name]
    symbol = results[key if key in results.coords else dim].attrs.get("symbol", "")
    label = f"{coord.attrs.get('long_name', name)} {symbol}".strip()
    if not is_distinct(coord.values):
        return Axis(name, label, symbol or name, np.arange(coord.size, dtype=float), tuple(map(str, coord.values)))
    values = coord.values.astype(float)
    coarse = np.array(coord.attrs.get(COARSE, values), float)  # the spread of what was put between them says nothing
    return Axis(name, label, symbol or name, values, (), *scale_of(coarse))


def written(values: ArrayLike) -> list[str]:
    """Numbers as one reads them: to three digits, or as many as keep them apart, or 0.9999 from 1; integers as such."""
    numbers = np.asarray(values, float).tolist()
    for digits in range(3, 18):
        texts = [str(int(v)) if v == round(v) and abs(v) < INTEGERS else f"{v:.{digits}g}" for v in numbers]
        rounded = any(v != float(text) == round(v) for v, text in zip(numbers, texts, strict=True) if abs(v) < 1000)
        if not rounded and len(set(texts)) == len(set(numbers)):
            break
    return texts


def is_distinct(values: np.ndarray) -> bool:
    """Whether values are finite numbers, no two the same."""
    return (
        np.issubdtype(values.dtype, np.number)
        and bool(np.isfinite(values).all())
        and np.unique(values).size == values.size
    )


def scale_of(values: np.ndarray) -> tuple[str, float, float]:
    """The scale in which values are spread most evenly, with SYMLOG's threshold and step."""
    if len(values) > 2 and min(values) > 0 and NEAR_ONE <= max(values) < 1 and is_log(values / (1 - values)):
        return LOGIT, 1.0, 1.0
    if is_log(values):
        return LOG, 1.0, 1.0
    positive = np.sort(values[values != 0])
    if len(positive) == len(values) - 1 >= 2 and is_log(positive) and positive[-1] >= 10 * positive[0]:
        return SYMLOG, float(positive[0]), math.log10(positive[-1] / positive[0]) / (len(positive) - 1)
    return LINEAR, 1.0, 1.0


def is_log(values: np.ndarray) -> bool:
    """Whether values are spread more evenly on a logarithmic axis than on a linear one."""
    if len(values) < 3 or min(values) <= 0:
        return len(values) == 2 and min(values) > 0 and max(values) / min(values) >= 10

    def unevenness(v: np.ndarray) -> float:
        steps = np.diff(np.sort(v))
        return float(steps.std() / steps.mean())

    return unevenness(np.log(values)) < unevenness(np.asarray(values, float))
