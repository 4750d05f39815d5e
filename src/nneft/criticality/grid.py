"""The kernel's fixed point at every point of a grid of (C_W, C_b), all at once.

At a given C_W a fixed point solves ``g(K) = K - C_W <sigma^2>_K = C_b``, and g is monotone between
the kernels where ``C_W d<sigma^2>/dK = 1``. Those are found first, so that on every branch the
values of C_b themselves tell which of them have a fixed point there, and no root is missed.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nneft.criticality.fixed import ROUNDING
from nneft.criticality.table import Table
from nneft.gaussian.base import Array

#: Points solved at once, to bound memory.
BLOCK = 2**17
#: Most steps, Newton's or bisections.
STEPS = 80


@dataclass(frozen=True, eq=False)
class Brackets:
    """Between which kernels the fixed point of every point lies; each (n_W, n_b).

    `low` and `high` are both 0 where it is 0, and both infinite where kernels grow for ever;
    `count` is the number of fixed points.
    """

    low: Array
    high: Array
    count: np.ndarray


def brackets(known: Table, C_W: Array, C_b: Array, start: float) -> Brackets:
    """Brackets of the fixed point that kernels reach from `start`."""
    shape = (len(C_W), len(C_b))
    low, high = np.full(shape, np.inf), np.full(shape, np.inf)
    count = np.zeros(shape, dtype=np.int64)
    nodes = np.unique(np.concatenate([[0.0, start], known.nodes]))
    square = known.square(nodes)
    turns = _turning_points(known, C_W)
    for i, w in enumerate(C_W.tolist()):
        row = _Row(known, nodes, square, w, turns[i], start)
        low[i], high[i], count[i] = row.brackets(C_b)
    return Brackets(low, high, count)


def _turning_points(known: Table, C_W: Array) -> list[Array]:
    """For every C_W the kernels where ``C_W d<sigma^2>/dK = 1``, ascending."""
    nodes = known.nodes
    slope = known.slope(nodes)
    found = []
    for w in C_W.tolist():
        values = w * slope - 1.0
        live = np.flatnonzero(np.abs(values) > ROUNDING)
        flips = np.flatnonzero((values[live[1:]] > 0.0) != (values[live[:-1]] > 0.0))
        a, b = nodes[live[flips]], nodes[live[flips + 1]]
        found.append(_bisect(known, w, a, b, values[live[flips]] > 0.0))
    return found


def _bisect(known: Table, w: float, a: Array, b: Array, above: np.ndarray) -> Array:
    for _ in range(56 if len(a) else 0):
        middle = 0.5 * (a + b)
        same = (w * known.slope(middle) > 1.0) == above
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    return np.asarray(0.5 * (a + b))


class _Row:
    """All the points of one C_W."""

    def __init__(
        self, known: Table, nodes: Array, square: Array, w: float, turns: Array, start: float
    ) -> None:
        at = np.searchsorted(nodes, turns)
        self.places = np.insert(nodes, at, turns)
        squares = np.insert(square, at, known.square(turns))
        self.g = self.places - w * squares
        # rounding of what cancels is no sign
        self.g[np.abs(self.g) <= ROUNDING * (self.places + w * squares)] = 0.0
        ends = np.searchsorted(self.places, np.concatenate([turns, [start]]))
        self.start = int(ends[-1])
        self.ends = sorted({0, *ends.tolist(), len(self.places) - 1})

    def brackets(self, C_b: Array) -> tuple[Array, Array, np.ndarray]:
        low, high = np.full(len(C_b), np.inf), np.full(len(C_b), np.inf)
        grows = self.g[self.start] < C_b
        count = np.zeros(len(C_b), dtype=np.int64)
        zero = self.g[0] == C_b  # K = 0 is fixed: sigma(0) = 0 and C_b = 0
        count[zero] = 1
        low[zero & ~grows] = high[zero & ~grows] = 0.0
        for first, last in pairwise(self.ends):
            there, left = self._branch(C_b, first, last)
            count[there] += 1
            # the nearest one in the direction in which kernels move
            taken = there & (np.isinf(low) & grows if first >= self.start else ~grows)
            low[taken], high[taken] = self.places[left[taken]], self.places[left[taken] + 1]
        return low, high, count

    def _branch(self, C_b: Array, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Which C_b the monotone branch passes, and left of which place."""
        g = self.g[first : last + 1]
        if g[-1] >= g[0]:
            g = np.maximum.accumulate(g)
            left = np.searchsorted(g, C_b, side="left") - 1
        else:
            g = np.minimum.accumulate(g)
            left = np.searchsorted(-g, -C_b, side="left") - 1
        there = (left >= 0) & (left < last - first)
        return there, first + np.clip(left, 0, max(last - first - 1, 0))


def solve(known: Table, C_W: Array, C_b: Array, low: Array, high: Array) -> Array:
    """Fixed points within their brackets; all (n,)."""
    found = np.empty_like(low)
    for i in range(0, len(low), BLOCK):
        part = slice(i, i + BLOCK)
        found[part] = _newton(known, C_W[part], C_b[part], low[part], high[part])
    return found


def _newton(known: Table, w: Array, b: Array, low: Array, high: Array) -> Array:
    """Newton's steps on ``C_b + C_W <sigma^2> - K``, bisecting where they leave the bracket."""
    rising = b + w * known.square(low) - low > 0.0
    found = 0.5 * (low + high)
    live = np.flatnonzero(high > low)
    a, c = low.copy(), high.copy()
    for _ in range(STEPS):
        if not len(live):
            break
        K, wl = found[live], w[live]
        value = b[live] + wl * known.square(K) - K
        left = (value > 0.0) == rising[live]
        a[live], c[live] = np.where(left, K, a[live]), np.where(left, c[live], K)
        with np.errstate(all="ignore"):
            moved = K - value / (wl * known.slope(K) - 1.0)
        inside = (moved >= a[live]) & (moved <= c[live])
        moved = np.where(inside, moved, 0.5 * (a[live] + c[live]))
        found[live] = moved
        going = (np.abs(moved - K) > 4e-16 * K) & (c[live] - a[live] > 4e-16 * K) & (value != 0.0)
        live = live[going]
    return found
