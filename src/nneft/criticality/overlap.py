"""Correlations of two inputs at many fixed points at once.

The fixed point of the correlation solves ``D(K, c) = 1/C_W`` (see `correlation`), where, with
``G(K, c) = <sigma'_1 sigma'_2>_{K,c} = d<sigma_1 sigma_2>/d(K c)``,

    D = ( <sigma^2> - <sigma_1 sigma_2> ) / (K (1 - c)) = int_c^1 G dc' / (1 - c)

is the mean of G between c and 1: nothing cancels. Both are functions of two variables only, however
many (C_W, C_b) there are. They are tabulated as Chebyshev series in ``log K`` and, on panels that
are bisected until they resolve them, in the angle ``theta = acos c``, in which kinked activations
too are analytic.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import ceil, log, pi, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.criticality.correlation import LATTICE, angle
from nneft.criticality.smoothing import Smoothed
from nneft.errors import NumericsError
from nneft.gaussian import expectations, hermite, nested
from nneft.gaussian.base import Array
from nneft.gaussian.panels import legendre

#: Nodes in log K, and the widest panel in it; nodes in theta.
KERNELS, WIDEST, ANGLES = 12, log(4.0), 16
#: Bisections of a panel in theta, and what its last coefficients may be.
SPLITS, RESOLVED = 14, 1e-10
#: Lengths of Hermite series, and the bound on what they leave out.
LENGTHS, ACCEPTED = (48, 144, 432, 1296), 5e-13
#: A panel with fewer points than this costs more than the points themselves.
FEW = 2
#: Points solved at once.
BLOCK = 40_000
HALF_PI = 0.5 * pi


@dataclass(frozen=True, eq=False)
class Panel:
    """G and D for kernels of one panel.

    Attributes
    ----------
    low, high
        Its ends in log K.
    edges : (p + 1,)
        Of the panels in theta, from 0 to pi/2.
    G, D : (KERNELS, p, ANGLES)
        Chebyshev coefficients.
    """

    low: float
    high: float
    edges: Array
    G: Array
    D: Array


@lru_cache(maxsize=8)
def _chebyshev(count: int) -> tuple[Array, Array]:
    """Chebyshev points, and values there to coefficients: ``values @ matrix``."""
    t = np.cos(pi * (np.arange(count, dtype=np.float64) + 0.5) / count)
    matrix = np.polynomial.chebyshev.chebvander(t, count - 1) * (2.0 / count)
    matrix[:, 0] *= 0.5
    return np.asarray(t), np.asarray(matrix)


def cover(lowest: float, highest: float) -> list[tuple[float, float]]:
    """Ends in log K of panels that cover the kernels from `lowest` to `highest`."""
    start, end = log(lowest) - 1e-9, log(highest) + 1e-9
    count = max(1, ceil((end - start) / WIDEST))
    return list(pairwise(start + (end - start) * i / count for i in range(count + 1)))


def panel_of(activation: Activation, low: float, high: float) -> Panel:
    """G and D for the kernels of one panel, given by its ends in log K."""
    t, to_series = _chebyshev(ANGLES)
    u, to_kernel_series = _chebyshev(KERNELS)
    kernels = np.exp(0.5 * (low + high) + 0.5 * (high - low) * u)
    product = _Product(activation, kernels)
    todo, done = [(0.0, HALF_PI, 0)], {}
    while todo:
        a, b, depth = todo.pop()
        theta = 0.5 * (a + b) + 0.5 * (b - a) * t
        series = product(theta) @ to_series
        size = np.abs(series).max(axis=1, keepdims=True)
        if np.max(np.abs(series[:, -2:]) / size) > RESOLVED and depth < SPLITS:
            middle = 0.2 * b if a == 0.0 else 0.5 * (a + b)
            todo += [(a, middle, depth + 1), (middle, b, depth + 1)]
        else:
            done[a] = (b, series)
    starts = sorted(done)
    edges = np.array([*starts, HALF_PI])
    G = np.stack([done[a][1] for a in starts], axis=1)
    D = _running_means(edges, G)
    back = to_kernel_series.T
    return Panel(low, high, edges, np.tensordot(back, G, 1), np.tensordot(back, D, 1))


def _running_means(edges: Array, G: Array) -> Array:
    """Coefficients of ``D(theta) = int_0^theta G sin / (1 - cos theta)``, panel by panel."""
    t, to_series = _chebyshev(ANGLES)
    points, weights = legendre(24)
    found = np.empty_like(G)
    before = np.zeros(len(G))
    for p, (a, b) in enumerate(pairwise(edges.tolist())):
        ends = np.append(0.5 * (a + b) + 0.5 * (b - a) * t, b)
        half = 0.5 * (ends - a)[:, None]
        theta = a + half * (1.0 + points)
        inside = np.polynomial.chebyshev.chebval((2.0 * theta - a - b) / (b - a), G[:, p].T)
        sums = (inside * np.sin(theta) * half) @ weights
        total = before[:, None] + sums
        found[:, p] = (total[:, :-1] / (2.0 * np.sin(0.5 * ends[:-1]) ** 2)) @ to_series
        before = total[:, -1]
    return found


class _Product:
    """``<sigma'_1 sigma'_2>`` at the kernels of a panel and any angles: (kernels, angles)."""

    def __init__(self, activation: Activation, kernels: Array) -> None:
        self.activation, self.kernels = activation, kernels
        self.series: dict[int, hermite.Coefficients | None] = {}
        self.lengths = LENGTHS[:2] if activation.kinks else LENGTHS

    def __call__(self, theta: Array) -> Array:
        c = np.where(theta >= HALF_PI, 0.0, np.cos(theta))
        found = np.full((len(self.kernels), len(theta)), np.nan)
        missing = np.ones_like(found, dtype=bool)
        for length in self.lengths:
            series = self._coefficients(length)
            if series is None:
                break
            share = np.sqrt(series.tails[0] / series.norms[0])[:, None]
            fresh = missing & (c**length * share**2 + series.noise[0][:, None] <= ACCEPTED)
            if np.any(fresh):
                powers = c[:, None] ** np.arange(length)
                found[fresh] = ((series.values[0] ** 2) @ powers.T)[fresh]
                missing &= ~fresh
            if not np.any(missing):
                return found
        for i in np.flatnonzero(missing.any(axis=1)).tolist():
            found[i, missing[i]] = self._close(i, theta[missing[i]])
        return found

    def _coefficients(self, length: int) -> hermite.Coefficients | None:
        if length not in self.series:
            try:
                self.series[length] = hermite.coefficients(
                    self.activation, self.kernels, [(1, 1)], length
                )
            except NumericsError:
                self.series[length] = None
        return self.series[length]

    def _close(self, i: int, theta: Array) -> Array:
        K = float(self.kernels[i])
        # v^2 = K (1 - c)
        widths = sqrt(2.0 * K) * np.sin(0.5 * theta)
        if self.smoothed is not None and widths.max() <= self.smoothed.widest:
            return self.smoothed(i, widths)
        return np.array([self._pair(K, float(np.cos(t))) for t in theta])

    @cached_property
    def smoothed(self) -> Smoothed | None:
        try:
            return Smoothed(self.activation, self.kernels)
        except NumericsError:  # a mesh that would be too large
            return None

    def _pair(self, K: float, c: float) -> float:
        kernel = K * np.array([[1.0, c], [c, 1.0]])
        term = [((1, 1), (1, 1))]
        if self.activation.kinks or LATTICE * self.activation.scale**2 < K:
            return float(nested.moments(self.activation, kernel, term).values[0])
        return float(expectations.moments(self.activation, kernel, term).values[0])


def angles(activation: Activation, kernels: Array, C_W: Array) -> tuple[Array, Array]:
    """The angle ``acos c*`` and ``chi = C_W <sigma'_1 sigma'_2>`` there, for chaotic points.

    Parameters
    ----------
    kernels, C_W : (n,)
        Fixed points ``K* > 0``, with ``chi_perp > 1``.

    Returns
    -------
    theta, chi : (n,)
        Exactly pi/2 where the correlation is forgotten.
    """
    theta, chi = np.empty_like(kernels), np.empty_like(kernels)
    if not len(kernels):
        return theta, chi
    logs = np.log(kernels)
    for low, high in cover(float(kernels.min()), float(kernels.max())):
        here = np.flatnonzero((logs >= low) & (logs <= high))
        if len(here) < FEW:
            for i in here.tolist():
                theta[i], chi[i] = angle(activation, float(kernels[i]), float(C_W[i]))
            continue
        panel = panel_of(activation, low, high)
        for i in range(0, len(here), BLOCK):
            part = here[i : i + BLOCK]
            theta[part], chi[part] = _solve(panel, logs[part], C_W[part])
    return theta, chi


def _solve(panel: Panel, logs: Array, C_W: Array) -> tuple[Array, Array]:
    t = (2.0 * logs - panel.low - panel.high) / (panel.high - panel.low)
    basis = np.polynomial.chebyshev.chebvander(t, KERNELS - 1)
    count = len(panel.edges) - 1
    # D falls with theta: the panel in which it passes 1/C_W
    ends = basis @ _at_ends(panel.D)
    which = np.clip((ends * C_W[:, None] > 1.0).sum(axis=1), 0, count - 1)
    low, high = panel.edges[which], panel.edges[which + 1]
    D, G = np.empty((len(logs), ANGLES)), np.empty((len(logs), ANGLES))
    for p in np.unique(which):
        here = which == p
        D[here], G[here] = basis[here] @ panel.D[:, p], basis[here] @ panel.G[:, p]
    theta = _newton(D, G, low, high, C_W)
    forgotten = (which == count - 1) & (ends[:, -1] * C_W >= 1.0 - 1e-12)
    theta[forgotten] = HALF_PI
    return theta, C_W * _clenshaw(G, (2.0 * theta - low - high) / (high - low))


def _at_ends(series: Array) -> Array:
    """(KERNELS, p): values at the right end of every panel in theta, ``T_n(1) = 1``."""
    return np.asarray(series.sum(axis=2))


def _newton(D: Array, G: Array, low: Array, high: Array, C_W: Array) -> Array:
    """Where ``C_W D = 1`` between `low` and `high`: safeguarded by bisection."""
    a, b = low.copy(), high.copy()
    theta = 0.5 * (a + b)
    for _ in range(60):
        s = (2.0 * theta - low - high) / (high - low)
        value = _clenshaw(D, s)
        excess = C_W * value - 1.0
        a, b = np.where(excess > 0.0, theta, a), np.where(excess > 0.0, b, theta)
        # dD/dtheta = (G - D) / tan(theta/2)
        slope = C_W * (_clenshaw(G, s) - value) / np.tan(0.5 * theta)
        with np.errstate(all="ignore"):
            moved = theta - excess / slope
        safe = (moved >= a) & (moved <= b)
        moved = np.where(safe, moved, 0.5 * (a + b))
        step = np.abs(moved - theta)
        theta = moved
        if np.all((step <= 4e-16 * high) | (b - a <= 4e-16 * high)):
            break
    return theta


def _clenshaw(rows: Array, s: Array) -> Array:
    """Chebyshev series, one row of coefficients for each point."""
    one, two = rows[:, -1].copy(), np.zeros_like(s)
    for n in range(rows.shape[1] - 2, 0, -1):
        one, two = rows[:, n] + 2.0 * s * one - two, one
    return np.asarray(rows[:, 0] + s * one - two)
