"""Derivatives of one layer's state by that of the layer below, and what is carried through them.

A state to order Q is a vector: for each k the components of the k-th joint cumulant of G at the
powers ``k-1 .. Q`` of eps (``0 .. Q`` for k = 1: the mean kernel's coefficients).
"""

import numpy as np

from nneft.gaussian.base import Array
from nneft.rg.multisets import number
from nneft.rg.series import Averages, Conditional, Cumulants, derivative


def places(order: int) -> list[tuple[int, int]]:
    """(k, power of eps) of what a state holds, in the order of its vector."""
    return [(k, p) for k in range(1, order + 2) for p in range(k - 1, order + 1)]


def held(count: int, order: int) -> int:
    """Length of a state's vector."""
    return sum(number(count, k) for k, _ in places(order))


def vector(cumulants: Cumulants, order: int) -> Array:
    """(.., held)"""
    return np.concatenate([cumulants[k - 1][..., p] for k, p in places(order)], axis=-1)


def cumulants(vectors: Array, count: int, order: int) -> Cumulants:
    """Back from (.., held)."""
    lead = vectors.shape[:-1]
    found = [np.zeros((*lead, number(count, k), order + 1)) for k in range(1, order + 2)]
    first = 0
    for k, p in places(order):
        found[k - 1][..., p] = vectors[..., first : first + number(count, k)]
        first += number(count, k)
    return tuple(found)


def jacobian(given: Conditional, found: Averages, ratio: float, C_W: float) -> Array:
    """(held, held): a layer's vector by that of the layer below, at one step of the series.

    Parameters
    ----------
    given, found
        Of the step, with an extra degree.
    ratio, C_W
        ``n_{l-1} / n_{l-2}``; of the layer above.
    """
    count, order = given.count, given.cut.order
    unit = cumulants(np.eye(held(count, order)), count, order)
    changes = vector(derivative(given, found, unit), order)  # [changed below, above]
    above = np.concatenate([np.full(number(count, k), C_W**k) for k, _ in places(order)])
    below = np.concatenate([np.full(number(count, k), ratio**p) for k, p in places(order)])
    return np.asarray((changes * above * below[:, None]).T)


class Propagator:
    """Carries each layer's own errors through the derivatives of the later ones.

    ``error_l = sum_m | J_l J_{l-1} .. J_{m+1} | own_m``: signs are kept along each way, and only
    the sources are added up by absolute values.
    """

    def __init__(self, count: int, order: int, errors: Cumulants) -> None:
        self.count, self.order = count, order
        self.sources = np.diag(vector(errors, order))[None]

    def next(
        self, given: Conditional, found: Averages, own: Cumulants, ratio: float, C_W: float
    ) -> Cumulants:
        """Bounds at the next layer, whose own errors are given."""
        carried = jacobian(given, found, ratio, C_W) @ self.sources
        self.sources = np.concatenate([carried, np.diag(vector(own, self.order))[None]])
        return cumulants(np.abs(self.sources).sum(axis=(0, 2)), self.count, self.order)
