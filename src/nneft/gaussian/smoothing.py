"""One-dimensional functions smoothed by a Gaussian: ``F(m) = E[f(m + width w)]``, w ~ N(0, 1)."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian.base import Array
from nneft.gaussian.distribution import at_points, regular
from nneft.gaussian.factors import Factor
from nneft.gaussian.mesh import Cells, advise
from nneft.gaussian.panels import Advice, Resolution, legendre, no_cores, place, split

#: A value of the activation costs as much as so many of a Gaussian: one grid for all means,
#: where only the latter are taken for each of them, is cheaper unless it is so many times larger.
_COMMON = 12
#: Degree of the pieces of a table.
_DEGREE = 9


class Smoothing(NamedTuple):
    """What is smoothed, by how much, and how finely that is done."""

    activation: Activation
    factors: list[Factor]
    width: float
    #: cells that resolve the factors, and how many widths matter
    cells: Cells
    span: float
    resolution: Resolution

    def __call__(self, mean: Array) -> Array:
        """Smoothed regular parts at the means (N,): (factors, N)."""
        if self.width == 0.0:
            return at_points(self.activation, mean, self.factors)
        reach = self.span * self.width
        low, high = float(mean.min()) - reach, float(mean.max()) + reach
        wide, narrow = self._advice(max(-low, high)), self._advice(reach)
        inside = wide.edges[(wide.edges > low) & (wide.edges < high)]
        common = (high - low) / (wide.length * self.width) + inside.size + 1
        met = 2.0 * reach * narrow.edges.size / (high - low)
        often = min(met, 1.0) if narrow.clear >= self.resolution.around_line else 1.0
        each = 1.0 + often * 2.0 * self.span / narrow.length + met
        if mean.size > 8 and common <= _COMMON * each:
            return self._on_common_nodes(mean, np.concatenate([[low], inside, [high]]), wide)
        return self._around_each(mean, narrow)

    def _advice(self, window: float) -> Advice:
        return advise(self.activation, self.cells, self.width, self.resolution, window=window)

    def _on_common_nodes(self, mean: Array, edges: Array, advice: Advice) -> Array:
        """``F(m) = int f(y) N(y; m, width^2) dy`` with the same y for all means."""
        limit = np.full((1, edges.size - 1), advice.length * self.width)
        _, middle, half, _ = split(edges[None], limit)
        points, weights = legendre(self.resolution.nodes - self.resolution.fewer)
        y = (middle[:, None] + half[:, None] * points).ravel()
        values = regular(self.activation, y, self.factors) * (half[:, None] * weights).ravel()
        distance = (y[:, None] - mean) * (np.sqrt(0.5) / self.width)
        np.multiply(distance, -distance, out=distance)
        # kept above the denormals, whose arithmetic is slow
        density = np.exp(np.maximum(distance, -600.0, out=distance), out=distance)
        return np.asarray(values @ density / (np.sqrt(2.0 * np.pi) * self.width))

    def _around_each(self, mean: Array, advice: Advice) -> Array:
        """Panels in w, broken where ``m + width w`` leaves a cell."""
        breaks = (advice.edges - mean[:, None]) / self.width
        panels = place(breaks, no_cores(mean.size), self.span, advice, self.resolution)
        nodes = panels.nodes(self.resolution)
        y = mean[nodes.row] + self.width * nodes.z
        return nodes.sum(regular(self.activation, y, self.factors), mean.size)


class Table(NamedTuple):
    """Smoothed functions as piecewise polynomials, for very many means."""

    edges: Array
    #: (factors, degree+1, cells): coefficients of powers of the local coordinate in (-1, 1)
    coefficients: Array

    @classmethod
    def of(cls, smoothing: Smoothing, low: float, high: float, digits: float) -> "Table":
        """Tabulate over ``low <= m <= high`` to the accuracy ``exp(-digits)``.

        Interpolation leaves rho^(-degree-1): pieces are as long as that allows, given how far
        the function is analytic, or smoothed.
        """
        width = smoothing.width
        rho = np.exp(digits / (_DEGREE + 1))
        ratio = 4.0 / (rho - 1.0 / rho)
        reach = np.sqrt(2.0 * digits) * width
        kinks = np.array(smoothing.activation.kinks)
        inner = smoothing.cells.edges
        edges = np.concatenate([inner, kinks - reach, kinks + reach, [low, high]])
        edges = np.unique(np.clip(edges, low, high))
        near = (edges[:-1, None] < kinks + reach) & (edges[1:, None] > kinks - reach)
        cell = np.clip(np.searchsorted(inner, edges[1:]) - 1, 0, inner.size - 2)
        analytic = smoothing.cells.analytic[cell]
        # a Gaussian of this width grows by no more than exp(2) where it is 2 widths away
        blurred = 2.0 * width
        limit = ratio * np.where(near.any(axis=1), blurred, np.maximum(analytic, blurred))
        _, middle, half, _ = split(edges[None], limit[None])
        points, transform = _interpolation()
        mean = middle[:, None] + half[:, None] * points
        values = smoothing(mean.ravel()).reshape(-1, *mean.shape)
        coefficients = np.einsum("dn,fcn->fdc", transform, values)
        return cls(np.append(middle - half, high), np.ascontiguousarray(coefficients))

    def __call__(self, mean: Array) -> Array:
        """Values at the means: (factors, shape of mean)."""
        cell = np.searchsorted(self.edges[1:-1], mean)
        scale = 2.0 / np.diff(self.edges)
        # first the difference, which is exact where cells are narrow
        local = (mean - self.edges.take(cell)) * scale.take(cell)
        local -= 1.0
        out = np.empty((len(self.coefficients), *mean.shape))
        for value, table in zip(out, self.coefficients, strict=True):
            value[...] = table[-1].take(cell)
            for row in table[-2::-1]:
                value *= local
                value += row.take(cell)
        return out


@lru_cache(maxsize=1)
def _interpolation() -> tuple[Array, Array]:
    """Chebyshev nodes and the matrix from values there to coefficients of powers."""
    nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    chebyshev = np.polynomial.chebyshev.chebvander(nodes, _DEGREE)
    series = 2.0 / (_DEGREE + 1) * chebyshev.T
    series[0] *= 0.5
    powers = np.zeros((_DEGREE + 1, _DEGREE + 1))
    for k in range(_DEGREE + 1):
        monomials = np.polynomial.chebyshev.cheb2poly(np.eye(_DEGREE + 1)[k])
        powers[: monomials.size, k] = monomials
    return nodes, powers @ series
