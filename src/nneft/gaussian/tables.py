"""Smooth functions of one variable as piecewise polynomials, many of them at very many points."""

from collections.abc import Callable
from functools import lru_cache
from math import pi

import numpy as np

from nneft.gaussian.base import Array

#: Points looked up at once: memory, and polynomials per matrix product.
_BLOCK = 2**16
#: A cell is short enough when its last Chebyshev coefficients are this small, relative to the
#: function's largest value; cells are halved so many times at most.
_RESOLVED, _HALVINGS = 3e-15, 5


class Table:
    """Smooth functions as polynomials of degree 11 on each of many equal cells.

    Parameters
    ----------
    function
        Takes points (n,), gives (functions, n).
    furthest
        Points up to there on both sides will be asked for.
    cell
        First guess of the length of a cell.
    noise
        Relative error of the function's own values, (functions,): no more is resolved.
    """

    DEGREE = 11

    def __init__(
        self, function: Callable[[Array], Array], furthest: float, cell: float, noise: Array
    ) -> None:
        t, to_chebyshev, to_powers = _interpolation(self.DEGREE)
        for _ in range(_HALVINGS):
            count = max(1, int(np.ceil(2.0 * furthest / cell)))
            self.count, self.cell = count, (2.0 * furthest / count) or 1.0
            self.start = -furthest
            centres = self.start + self.cell * (np.arange(count) + 0.5)
            values = function((centres[:, None] + 0.5 * self.cell * t).ravel())
            series = values.reshape(-1, count, len(t)) @ to_chebyshev
            largest = np.max(np.abs(values), axis=1)
            tails = np.max(np.abs(series[..., -2:]), axis=(1, 2))
            #: what the polynomials miss, relative to the largest value: (functions,)
            self.errors = tails / np.where(largest > 0.0, largest, 1.0)
            if np.all(self.errors <= np.maximum(_RESOLVED, 10.0 * noise)):
                break
            cell = 0.5 * self.cell
        #: (cells, degree + 1, functions): powers of the local coordinate in (-1, 1)
        self.coefficients = np.ascontiguousarray(np.moveaxis(series @ to_powers, 0, -1))

    def __call__(self, x: Array) -> Array:
        """All functions at points no further out than the table reaches: (shape of x, functions).

        Points are sorted by cells: in each, one matrix product is all there is to do.
        """
        flat = np.ravel(x)
        out = np.empty((flat.size, self.coefficients.shape[-1]))
        for start in range(0, flat.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            out[part] = self._block(flat[part])
        return out.reshape(*np.shape(x), -1)

    def _block(self, x: Array) -> Array:
        u = (x - self.start) / self.cell
        # 16 bits are sorted by counting
        index = np.clip(u, 0, self.count - 1).astype(np.uint16 if self.count < 2**16 else np.int64)
        order = np.argsort(index, kind="stable")
        t = 2.0 * (u[order] - index[order].astype(np.float64)) - 1.0
        powers = np.empty((x.size, self.DEGREE + 1))
        powers[:, 0] = 1.0
        for k in range(self.DEGREE):
            np.multiply(powers[:, k], t, out=powers[:, k + 1])
        found = np.empty((x.size, self.coefficients.shape[-1]))
        ends = np.cumsum(np.bincount(index, minlength=self.count)).tolist()
        for cell, (low, high) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if high > low:
                np.matmul(powers[low:high], self.coefficients[cell], out=found[low:high])
        out = np.empty_like(found)
        out[order] = found
        return out


@lru_cache(maxsize=1)
def _interpolation(degree: int) -> tuple[Array, Array, Array]:
    """Chebyshev points, values there to Chebyshev coefficients, those to powers.

    The coefficients are as accurate as the values, and the rounding of their powers cancels, where
    an inverse Vandermonde matrix would lose four digits.
    """
    t = np.cos(pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    share = np.where(np.arange(degree + 1) > 0, 2.0, 1.0) / (degree + 1)
    powers = np.zeros((degree + 1, degree + 1))
    for n, row in enumerate(np.eye(degree + 1)):
        powers[n, : n + 1] = np.polynomial.chebyshev.cheb2poly(row[: n + 1])
    return t, np.polynomial.chebyshev.chebvander(t, degree) * share, powers
