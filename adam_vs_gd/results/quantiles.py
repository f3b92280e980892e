"""Quantiles of Student's t and of the normal distribution: the numbers of scipy.stats, which takes a second to import.

`scipy.special`, which scipy.stats asks for them itself, is imported by the first that is wanted.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def student_quantile(probability: float, freedom: np.ndarray | float) -> Any:
    """The quantile of Student's t with so many degrees of freedom, which are finite."""
    from scipy.special import stdtrit

    return stdtrit(freedom, probability)


def normal_quantile(probability: float) -> Any:
    """The quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return ndtri(probability)


def normal_tail(x: ArrayLike) -> Any:
    """How likely a standard normal number is above x."""
    from scipy.special import ndtr

    return ndtr(np.negative(x))
