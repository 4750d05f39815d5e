"""Inputs in an order in which each is conditioned on those before, and what that makes of kinks.

With ``phi_i = s_i sum_j L_ij z_j`` and z independent standard normal, the integral over z_l, the
earlier ones given, sees the kinks of phi_l itself as they are and those of later inputs smoothed
by what is still random in them: near them it changes on the scale of the *width* with which the
kinks' conditions ``phi_S = k_S`` determine z_l, for every set S of later inputs.
"""

from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft.gaussian.base import Array
from nneft.gaussian.panels import Cores

#: Conditional variances below this are rounding: the input is a function of the earlier ones.
_SINGULAR = 16 * np.finfo(np.float64).eps
#: Smoothed kinks wider than this many standard deviations are as smooth as the weight.
_INVISIBLE = 3.0


class Order(NamedTuple):
    """Inputs in their order, their deviations s and the rows of L, (d, rank)."""

    inputs: NDArray[np.intp]
    deviations: Array
    factor: Array

    @classmethod
    def of(cls, kernel: Array) -> "Order":
        """Pivoted Cholesky: the input that is freest, given those chosen, comes next.

        What is nearly determined by others so comes last, where it is only looked up.
        """
        deviations = np.sqrt(np.diagonal(kernel))
        left = kernel / np.outer(deviations, deviations)
        size = deviations.size
        inputs, factor = np.arange(size), np.zeros((size, size))
        rank = 0
        while rank < size:
            variances = np.diagonal(left)[inputs[rank:]]
            best = rank + int(np.argmax(variances > variances.max() * (1.0 - 1e-9)))
            pivot = inputs[best]
            variance = left[pivot, pivot]
            if variance < size * _SINGULAR:
                break
            # the others keep their order, so that permuted kernels are treated alike
            inputs[rank + 1 : best + 1] = inputs[rank:best].copy()
            inputs[rank] = pivot
            column = left[:, pivot] / np.sqrt(variance)
            column[inputs[:rank]] = 0.0
            factor[:, rank] = column
            left = left - np.outer(column, column)
            rank += 1
        return cls(inputs, deviations[inputs], factor[inputs, :rank])

    @property
    def rank(self) -> int:
        """How many of the inputs are independent."""
        return int(self.factor.shape[1])

    @property
    def levels(self) -> int:
        """Integrals to be nested: the last input, if independent, is smoothed in advance."""
        return min(self.rank, self.deviations.size - 1)

    def determined(self, level: int) -> range:
        """Inputs whose values are known from z_0 .. z_level, and were not before."""
        last = level == self.rank - 1
        return range(level, self.deviations.size if last else level + 1)


class Feature(NamedTuple):
    """A smoothed kink in z_level: its centre is affine in the earlier z."""

    constant: float
    gradient: Array
    width: float


class Features(NamedTuple):
    """Several of them: constants (F,), gradients (level, F), widths (F,)."""

    constants: Array
    gradients: Array
    widths: Array

    def cores(self, earlier: Array) -> Cores:
        """Their places for all rows of earlier z, (rows, level)."""
        return Cores(earlier @ self.gradients + self.constants, self.widths)


def features(order: Order, level: int, kinks: tuple[float, ...], *, sharp: float = 0.0) -> Features:
    """What the later inputs' kinks make of the integral over z_level.

    Continuous functions are off by less than width^(inputs + 1) if a kink is taken as sharp:
    where that is below `sharp` the width returned is 0.
    """
    later = [i for i in range(level + 1, order.deviations.size) if i not in order.determined(level)]
    found = []
    for count in range(1, len(later) + 1):
        for subset in combinations(later, count):
            found += [
                f._replace(width=0.0) if f.width ** (count + 1) < sharp else f
                for f in _of_subset(order, level, list(subset), kinks)
            ]
    gradients = np.array([f.gradient for f in found]).reshape(len(found), level).T
    constants, widths = np.array([f.constant for f in found]), np.array([f.width for f in found])
    return Features(constants, gradients, widths)


def _of_subset(
    order: Order, level: int, subset: list[int], kinks: tuple[float, ...]
) -> list[Feature]:
    rows = order.factor[subset]
    slope, noise = rows[:, level], rows[:, level + 1 :]
    # z_level from phi_S = k: precision = l^T Sigma^-1 l, centre = l^T Sigma^-1 (k - ..) / precision
    values, vectors = np.linalg.eigh(noise @ noise.T)
    weights = vectors @ ((vectors.T @ slope) / np.maximum(values, 1e-28))
    precision = float(slope @ weights)
    if precision * _INVISIBLE**2 < 1.0:
        return []
    weights = weights / precision
    gradient = -weights @ rows[:, :level]
    scaled = weights / order.deviations[subset]
    places = {float(scaled @ np.array(k)) for k in product(kinks, repeat=len(subset))}
    return [Feature(place, gradient, precision**-0.5) for place in sorted(places)]


def narrowest(order: Order, level: int, j: int) -> float:
    """Width in z_level of the narrowest set of conditions that input j takes part in."""
    later = [i for i in range(level + 1, order.deviations.size) if i != j]
    found = [_of_subset(order, level, [j], (0.0,))]
    for count in range(1, len(later) + 1):
        found += [_of_subset(order, level, [j, *s], (0.0,)) for s in combinations(later, count)]
    return min((f.width for group in found for f in group), default=_INVISIBLE)
