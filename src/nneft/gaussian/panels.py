"""Gauss-Legendre panels under a standard normal weight, laid row by row.

A *row* is one integral over ``z ~ N(0, 1)``. Its integrand is analytic between *breaks*, and is
allowed *cores*: places ``c`` around which it changes like ``erf((z - c)/w)`` or
``exp(-(z - c)^2 / 2 w^2)``, which is what a kink looks like after a Gaussian has smoothed it.
Rows differ in where these lie; all panels of all rows are made and summed together.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft.gaussian.base import Array

#: Panels shorter than this, relative to where they lie, hold no two different nodes.
_SLIVER = 4 * np.finfo(np.float64).eps
#: A core wider than this is resolved by a smaller limit everywhere, without edges of its own.
_WIDE = 0.4


class Resolution(NamedTuple):
    """How finely to integrate: what a panel is, and how far a Gaussian is followed."""

    nodes: int
    #: longest panel, in standard deviations of the Gaussians that it has to resolve
    length: float
    #: where a smoothed kink is as good as a sharp one: ``erfc(tail / sqrt 2)`` is negligible
    tail: float
    #: how far, in the same units, integrands have to be analytic around the longest panel ..
    around_panel: float
    #: .. and around the real axis for a Gauss-Hermite rule
    around_line: float


def resolutions(
    nodes: int, coarse: int, length: float, tail: float
) -> tuple[Resolution, Resolution]:
    """A rule of the accuracy ``exp(-tail^2 / 2)``, and one with fewer nodes to judge it by."""
    digits = 0.5 * tail**2
    # Gauss-Legendre leaves rho^(-2n), rho the sum of the half axes of an ellipse (in half panels)
    rho = np.exp(digits / (2 * nodes))
    around_panel = 0.25 * length * (rho - 1.0 / rho)
    # Gauss-Hermite leaves exp(-2 sqrt(n) d)
    fine = Resolution(nodes, length, tail, around_panel, digits / (2.0 * np.sqrt(nodes)))
    return fine, fine._replace(nodes=coarse)


class Advice(NamedTuple):
    """What a factor of the integrand asks for."""

    #: where to break besides, in units of the factor's argument
    edges: Array
    #: longest panel and reach of smoothed kinks, in standard deviations
    length: float
    tail: float
    #: whether Gauss-Hermite will do where there are no breaks
    hermite: bool


class Cores(NamedTuple):
    """Smoothed kinks: centres (rows, F) and widths (F,), in units of z."""

    centres: Array
    widths: Array


def no_cores(rows: int) -> Cores:
    """An integrand that holds no smoothed kinks."""
    return Cores(np.empty((rows, 0)), np.empty(0))


class Nodes(NamedTuple):
    """Points of all rows, row after row: ``row`` (P,), ``z`` and ``weight`` (P, n)."""

    row: NDArray[np.intp]
    z: Array
    weight: Array

    def sum(self, values: Array, rows: int) -> Array:
        """Integrals of `values` (..., P, n), one for each of `rows` rows: (..., rows)."""
        panels = np.einsum("...pn,pn->...p", values, self.weight)
        starts = np.searchsorted(self.row, np.arange(rows))
        # every row has a panel, so no two starts coincide
        return np.asarray(np.add.reduceat(panels, starts, axis=-1), dtype=np.float64)


class Panels(NamedTuple):
    """Panels of all rows, row after row: each (P,)."""

    row: NDArray[np.intp]
    middle: Array
    half: Array
    #: rows that are a single Gauss-Hermite rule instead
    plain: NDArray[np.bool_]

    def nodes(self, count: int) -> Nodes:
        """So many nodes in every panel; the weights hold the standard normal density."""
        points, weights = legendre(count)
        z = self.middle[:, None] + self.half[:, None] * points
        weight = np.exp(-0.5 * z * z)
        weight *= (self.half * (1.0 / np.sqrt(2.0 * np.pi)))[:, None] * weights
        if self.plain.any():
            z[self.plain], weight[self.plain] = hermite(count)
        return Nodes(self.row, z, weight)


@lru_cache(maxsize=64)
def legendre(nodes: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on (-1, 1)."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    if abs(weights.sum() - 2.0) > 1e-13 or abs(weights @ points**2 - 2.0 / 3.0) > 1e-13:
        raise AssertionError("Gauss-Legendre weights do not integrate 1 and x^2")
    return points, weights


@lru_cache(maxsize=64)
def hermite(nodes: int) -> tuple[Array, Array]:
    """Gauss-Hermite nodes and weights for the standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / np.sqrt(2.0 * np.pi)
    if abs(weights.sum() - 1.0) > 1e-13 or abs(weights @ points**4 - 3.0) > 1e-12:
        raise AssertionError("Gauss-Hermite weights do not integrate 1 and x^4")
    return points, weights


def place(breaks: Array, cores: Cores, span: float, advice: Advice) -> Panels:
    """Lay panels over ``-span < z < span`` for every row.

    Parameters
    ----------
    breaks
        (rows, B) in any order; those outside the span are ignored.
    cores
        Smoothed kinks that the integrand holds besides the weight.
    span
        Where the weight ends, in standard deviations.
    advice
        How long panels may be, and whether rows with nothing inside the span may get one
        Gauss-Hermite rule.
    """
    ends = np.full((breaks.shape[0], 1), span)
    edges = [-ends, np.clip(breaks, -span, span), ends]
    limit = np.full((1, 1), advice.length)
    if cores.widths.size:
        narrow = cores.widths < _WIDE
        reach = advice.tail * cores.widths
        low, high = cores.centres - reach, cores.centres + reach
        edges += [np.clip(low[:, narrow], -span, span), np.clip(high[:, narrow], -span, span)]
    joined = np.concatenate(edges, axis=1)
    joined.sort(axis=1)
    plain = np.all((joined == -span) | (joined == span), axis=1) & advice.hermite
    if cores.widths.size:
        limit = advice.length * _narrowest(joined, low, high, cores.widths)
        plain &= limit.min(axis=1) == advice.length
    row, middle, half = split(joined, limit, plain)
    return Panels(row, middle, half, plain[row])


def _narrowest(edges: Array, low: Array, high: Array, widths: Array) -> Array:
    """Width of the narrowest Gaussian, times that of the weight, within each interval."""
    steepness = np.ones((edges.shape[0], edges.shape[1] - 1))
    for f, width in enumerate(widths):
        met = (edges[:, :-1] < high[:, f, None]) & (edges[:, 1:] > low[:, f, None])
        # exp(-z^2/2) exp(-(z-c)^2/2w^2): the exponents add
        np.maximum(steepness, np.where(met, 1.0 + 1.0 / width**2, 1.0), out=steepness)
    return np.asarray(1.0 / np.sqrt(steepness))


def split(
    edges: Array, limit: Array, whole: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], Array, Array]:
    """Cut intervals into equal panels no longer than `limit`; rows in `whole` are not cut.

    `edges` (rows, E) ascending, `limit` (rows, E-1) or what broadcasts to it. Returns row,
    middle and half width (P,).
    """
    low = edges[:, :-1]
    length = edges[:, 1:] - low
    count = np.ceil(length / limit).astype(np.intp)
    count[length <= _SLIVER * np.maximum(np.abs(low), np.abs(edges[:, 1:]))] = 0
    if whole is not None:
        count[whole] = np.minimum(count[whole], 1)
    row, column = np.nonzero(count)
    count = count[row, column]
    size = length[row, column] / count
    index = np.repeat(np.arange(row.size), count)
    within = np.arange(index.size) - np.repeat(np.cumsum(count) - count, count)
    half = 0.5 * size[index]
    return row[index], low[row, column][index] + half * (2 * within + 1), half
