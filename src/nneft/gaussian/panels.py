"""Gauss-Legendre panels under a standard normal weight, laid row by row.

A *row* is one integral over ``z ~ N(0, 1)``. Its integrand is analytic between *breaks*, and is
allowed *cores*: places ``c`` around which it changes like ``erf((z - c)/w)`` or
``exp(-(z - c)^2 / 2 w^2)``, which is what a kink looks like after a Gaussian has smoothed it.
Rows differ in where these lie; all panels of all rows are made and summed together.
"""

from functools import lru_cache
from math import lgamma, log, sqrt
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
    #: nodes left out of every panel, for a coarser rule to judge by
    fewer: int = 0

    @property
    def digits(self) -> float:
        """What is aimed at: ``exp(-digits)``."""
        return 0.5 * self.tail**2

    @property
    def around_panel(self) -> float:
        """How far around the longest panel integrands have to be analytic."""
        # Gauss-Legendre leaves rho^(-2n), rho the sum of an ellipse's half axes in half panels
        rho = np.exp(self.digits / (2 * self.nodes))
        return float(0.25 * self.length * (rho - 1.0 / rho))

    @property
    def around_line(self) -> float:
        """How far around the real axis they have to be for a Gauss-Hermite rule."""
        # Gauss-Hermite leaves exp(-2 sqrt(n) d)
        return float(self.digits / (2.0 * np.sqrt(self.nodes)))

    def coarser(self, fewer: int) -> "Resolution":
        """The same panels with fewer nodes."""
        return self._replace(fewer=fewer)


class Advice(NamedTuple):
    """What a factor of the integrand asks for."""

    #: where to break besides, in units of the factor's argument
    edges: Array
    #: longest panel and reach of smoothed kinks, in standard deviations
    length: float
    tail: float
    #: how many standard deviations around the real axis the factor is analytic, and the
    #: logarithm of how much larger it may be there than where the Gaussian is
    clear: float
    growth: float
    #: whether short panels may do with fewer nodes: not if edges were set where it varies fast
    even: bool


def joint(advice: list[Advice]) -> Advice:
    """What several factors of one integrand ask for; their edges apart."""
    return advice[0]._replace(
        length=min(a.length for a in advice),
        clear=min(a.clear for a in advice),
        growth=max(a.growth for a in advice),
        even=all(a.even for a in advice),
    )


class Cores(NamedTuple):
    """Smoothed kinks: centres (rows, F) and widths (F,), in units of z."""

    centres: Array
    widths: Array


def no_cores(rows: int) -> Cores:
    """An integrand that holds no smoothed kinks."""
    return Cores(np.empty((rows, 0)), np.empty(0))


class Nodes(NamedTuple):
    """Points of all rows, row after row, each (n,); the weights hold the normal density."""

    row: NDArray[np.intp]
    z: Array
    weight: Array

    def sum(self, values: Array, rows: int) -> Array:
        """Integrals of `values` (..., n), one for each of `rows` rows: (..., rows)."""
        starts = np.searchsorted(self.row, np.arange(rows))
        # every row has a panel, so no two starts coincide
        return np.asarray(np.add.reduceat(values * self.weight, starts, axis=-1))


class Panels(NamedTuple):
    """Panels of all rows, row after row: each (P,)."""

    row: NDArray[np.intp]
    middle: Array
    half: Array
    #: length as a fraction of the longest that was allowed
    fill: Array
    #: rows that are a single Gauss-Hermite rule instead, and how clear of singularities
    plain: NDArray[np.bool_]
    clear: float
    growth: float

    def counts(self, resolution: Resolution) -> NDArray[np.intp]:
        """Nodes of every panel: short ones need fewer."""
        kinds = np.array(_counts(resolution)) - resolution.fewer
        counts = kinds[np.searchsorted(_FILLS, -self.fill, side="right") - 1]
        if self.plain.any():
            counts[self.plain] = (
                _hermite_count(resolution, self.clear, self.growth) - resolution.fewer
            )
        return counts

    def nodes(self, resolution: Resolution) -> Nodes:
        """Gauss-Legendre nodes of every panel, Gauss-Hermite nodes of plain rows."""
        counts = self.counts(resolution)
        ends = np.cumsum(counts)
        z, weight = np.zeros(ends[-1]), np.zeros(ends[-1])
        gauss = counts * np.where(self.plain, 0, 1)
        for count in np.flatnonzero(np.bincount(gauss)).tolist():
            if count:
                which = np.flatnonzero(gauss == count)
                points, weights = legendre(count)
                at = (ends[which] - count)[:, None] + np.arange(count)
                z[at] = self.middle[which, None] + self.half[which, None] * points
                weight[at] = self.half[which, None] * weights
        weight *= np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        if self.plain.any():
            which = np.flatnonzero(self.plain)
            count = int(counts[which[0]])
            at = (ends[which] - count)[:, None] + np.arange(count)
            z[at], weight[at] = hermite(count)
        return Nodes(np.repeat(self.row, counts), z, weight)


#: Fractions of the longest panel down to which to use so many nodes (ascending, negative).
_FILLS = np.array([-1.0, -0.5, -0.25, -0.125])


@lru_cache(maxsize=64)
def _counts(resolution: Resolution) -> tuple[int, ...]:
    """Nodes of panels that fill at most 1, 1/2, 1/4, 1/8 of the longest."""
    counts = []
    for fill in -_FILLS:
        half = 2.0 * resolution.around_panel / (resolution.length * fill)
        rho = half + np.sqrt(half * half + 1.0)
        counts.append(int(np.ceil(resolution.digits / (2.0 * np.log(rho)) - 1e-9)))
    if counts[0] != resolution.nodes:
        raise AssertionError("the longest panel is to have all nodes")
    # with one to spare: the fewer there are the less is known of how errors fall
    return tuple(min(count + 1, resolution.nodes) for count in counts)


def _hermite_count(resolution: Resolution, clear: float, growth: float) -> int:
    """Gauss-Hermite nodes for integrands analytic `clear` deviations around the real axis."""
    digits = resolution.digits + growth
    for count in range(5, resolution.nodes):
        # exp(-2 sqrt(n) d) from the nearest singularity, n! / d^(2n) from Taylor's formula
        singular = 2.0 * sqrt(count) * clear
        if min(singular, 2.0 * count * log(clear) - lgamma(count + 1)) > digits:
            return count
    return resolution.nodes


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


def place(
    breaks: Array, cores: Cores, span: float, advice: Advice, resolution: Resolution
) -> Panels:
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
        How long panels may be, and how clear of singularities the integrand is: rows with
        nothing inside the span may then get one Gauss-Hermite rule.
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
    plain = np.all((joined == -span) | (joined == span), axis=1)
    plain &= advice.clear >= resolution.around_line
    if cores.widths.size:
        limit = advice.length * _narrowest(joined, low, high, cores.widths)
        plain &= limit.min(axis=1) == advice.length
    row, middle, half, fill = split(joined, limit, plain)
    if not advice.even:
        fill = np.ones_like(fill)
    return Panels(row, middle, half, fill, plain[row], advice.clear, advice.growth)


def _narrowest(edges: Array, low: Array, high: Array, widths: Array) -> Array:
    """Width of the narrowest Gaussian, times that of the weight, within each interval."""
    steepness = np.ones((edges.shape[0], edges.shape[1] - 1))
    for f, width in enumerate(widths.tolist()):
        if width == 0.0:
            continue  # sharp: a break, and nothing around it
        met = (edges[:, :-1] < high[:, f, None]) & (edges[:, 1:] > low[:, f, None])
        # exp(-z^2/2) exp(-(z-c)^2/2w^2): the exponents add
        np.maximum(steepness, np.where(met, 1.0 + 1.0 / width**2, 1.0), out=steepness)
    return np.asarray(1.0 / np.sqrt(steepness))


def split(
    edges: Array, limit: Array, whole: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], Array, Array, Array]:
    """Cut intervals into equal panels no longer than `limit`; rows in `whole` are not cut.

    `edges` (rows, E) ascending, `limit` (rows, E-1) or what broadcasts to it. Returns row,
    middle, half width and the fraction of the limit (P,).
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
    share = size / np.broadcast_to(limit, length.shape)[row, column]
    index = np.repeat(np.arange(row.size), count)
    within = np.arange(index.size) - np.repeat(np.cumsum(count) - count, count)
    half = 0.5 * size[index]
    middle = low[row, column][index] + half * (2 * within + 1)
    return row[index], middle, half, share[index]
