"""Gauss-Legendre panels for Gaussian integrals in one to three directions, broken at the kinks.

With ``phi = L z`` a kink of input a is a plane ``L_a . z = k``. Integrating the last direction
first, panels end where its line meets planes; the result is then smooth except where two planes
meet, which are lines one dimension below, and so on (Fourier-Motzkin elimination).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
from gaussian.forms import long

Plane = tuple[np.ndarray, Any]


@cache
def legendre(order: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Nodes and weights on (-1, 1) in multiple precision, by Newton's method."""
    nodes, weights = [], []
    for guess in np.polynomial.legendre.leggauss(order)[0]:
        z = mpmath.mpf(float(guess))
        for _ in range(6):
            last, value = mpmath.mpf(1), z
            for n in range(1, order):
                last, value = value, ((2 * n + 1) * z * value - n * last) / (n + 1)
            slope = order * (z * value - last) / (z * z - 1)
            z -= value / slope
        nodes.append(z)
        weights.append(2 / ((1 - z * z) * slope**2))
    return tuple(nodes), tuple(weights)


@cache
def rule(order: int) -> tuple[np.ndarray, np.ndarray]:
    """The same in long double precision."""
    nodes, weights = legendre(order)
    return np.array([long(z) for z in nodes]), np.array([long(w) for w in weights])


def below(planes: list[Plane]) -> list[Plane]:
    """Where an integral over the last direction is not smooth, one dimension below."""
    steep = [(row, k) for row, k in planes if row[-1] != 0]
    found = [(row[:-1], k) for row, k in planes if row[-1] == 0]
    for (row1, k1), (row2, k2) in combinations(steep, 2):
        ratio = row1[-1] / row2[-1]
        found.append((row1[:-1] - ratio * row2[:-1], k1 - ratio * k2))
    return [(row, k) for row, k in found if np.any(np.abs(row) > 1e-13)]


@dataclass
class Mesh:
    """Nested panels up to `reach` standard deviations, of `order` nodes and a width for each
    direction; `extra` are more ends of panels in the first direction."""

    planes: list[Plane]
    widths: list[float]
    reach: float
    order: int
    dtype: Any = np.longdouble
    extra: tuple[float, ...] = ()

    def panels(self, fixed: np.ndarray, breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and Gaussian weights, (points, nodes), for breaks of shape (points, any)."""
        ends = np.broadcast_to(fixed, (len(breaks), len(fixed)))
        ends = np.sort(np.concatenate([ends, np.clip(breaks, fixed[0], fixed[-1])], axis=1), axis=1)
        half = (ends[:, 1:] - ends[:, :-1]) / 2
        nodes, weights = (array.astype(self.dtype) for array in rule(self.order))
        z = (ends[:, :-1, None] + half[..., None] * (1 + nodes)).reshape(len(breaks), -1)
        root = np.sqrt(2 * np.arctan2(self.dtype(0), self.dtype(-1)))
        w = (half[..., None] * weights).reshape(z.shape) * np.exp(-z * z / 2) / root
        return z, w

    def fixed(self, level: int) -> np.ndarray:
        """Ends of the panels that are there whatever the kinks."""
        count = int(np.ceil(2 * self.reach / self.widths[level]))
        return np.linspace(-self.reach, self.reach, count + 1, dtype=self.dtype)

    def blocks(self, most: int = 150_000) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
        """Nodes and weights direction by direction: arrays of shape (n1,), (n1, n2), ..."""
        levels = [self.planes]
        while levels[0] and len(levels) < len(self.widths):
            levels.insert(0, below(levels[0]))
        levels = [[]] * (len(self.widths) - len(levels)) + levels
        starts = [*(k / row[0] for row, k in levels[0]), *self.extra]
        z, w = self.panels(self.fixed(0), np.array(starts, dtype=self.dtype)[None])
        z, w = z[0], w[0]
        keep = w > 0
        z, w = z[keep], w[keep]
        inner = 1
        for level in range(1, len(self.widths)):
            inner *= (len(self.fixed(level)) + len(levels[level])) * self.order
        rows = max(1, most // inner)
        for i in range(0, len(z), rows):
            found = [(z[i : i + rows], w[i : i + rows])]
            for level in range(1, len(self.widths)):
                found.append(self._next(found, level, levels[level]))
            yield found

    def _next(self, found: list[Any], level: int, planes: list[Plane]) -> Any:
        shape = found[-1][0].shape
        breaks = np.zeros((found[-1][0].size, len(planes)), dtype=self.dtype)
        for i, (row, k) in enumerate(planes):
            if row[-1] == 0:
                breaks[:, i] = self.reach
                continue
            breaks[:, i] = ((k - along(row[:-1], found)) / row[-1]).ravel()
        z, w = self.panels(self.fixed(level), breaks)
        return z.reshape(*shape, -1), w.reshape(*shape, -1)


def along(row: np.ndarray, found: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """``sum_k row_k z_k`` on nested nodes."""
    total = row[0] * found[0][0]
    for coefficient, (z, _) in zip(row[1:], found[1:], strict=False):
        total = total[..., None] + coefficient * z
    return total
