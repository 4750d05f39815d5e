"""``<sigma'_1 sigma'_2>`` for close inputs, at many kernels at once.

Two inputs of variance K and correlation c share a common part y of variance ``K c`` and differ by
independent parts of variance ``v^2 = K (1 - c)`` each. So with sigma' smoothed over the width v

    U(y) = < sigma'(y + v z) >_z ,     <sigma'_1 sigma'_2> = int U(y)^2 N(y; 0, K - v^2) dy

and U, which does not know K, serves all kernels: one-dimensional integrals only. Kinks become steps
of width v, whose places are known.
"""

from itertools import pairwise
from math import pi, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.criticality import mesh
from nneft.gaussian.base import Array
from nneft.gaussian.panels import hermite, legendre

#: Nodes in v, bisections, and what the last coefficients of a panel may be.
WIDTHS, SPLITS, RESOLVED = 16, 14, 1e-11
#: Largest ``v^2`` as a fraction of the smallest kernel.
LARGEST = 0.95
#: Where the Gaussian of z ends, and nodes on it between kinks, and without.
FAR, NODES, HERMITE = 8.6, 48, 22
#: Widths up to this fraction of the activation's scale are small.
SMALL = 0.25
#: Steps are followed with panels that end so many widths beside their kinks.
STEPS = np.array([0.0, 1.5, 3.0, 4.5, 6.0, 7.5, 9.0])


class Smoothed:
    """``<sigma'_1 sigma'_2>`` as a function of v, for each of some kernels within a panel."""

    def __init__(self, activation: Activation, kernels: Array) -> None:
        self.activation, self.kernels = activation, kernels
        #: Up to here.
        self.widest = sqrt(LARGEST * float(kernels.min()))
        t = np.cos(pi * (np.arange(WIDTHS) + 0.5) / WIDTHS)
        to_series = np.polynomial.chebyshev.chebvander(t, WIDTHS - 1) * (2.0 / WIDTHS)
        to_series[:, 0] *= 0.5
        todo, done = [(0.0, self.widest, 0)], {}
        while todo:
            a, b, depth = todo.pop()
            widths = 0.5 * (a + b) + 0.5 * (b - a) * t
            values = np.stack([self._products(float(v)) for v in widths], axis=1)
            series = values @ to_series
            rest = np.abs(series[:, -2:]) / np.abs(series).max(axis=1, keepdims=True)
            if rest.max() > RESOLVED and depth < SPLITS:
                middle = 0.2 * b if a == 0.0 else 0.5 * (a + b)
                todo += [(a, middle, depth + 1), (middle, b, depth + 1)]
            else:
                done[a] = series
        starts = sorted(done)
        self.edges = np.array([*starts, self.widest])
        self.series = [done[a] for a in starts]

    def __call__(self, kernel: int, widths: Array) -> Array:
        """Values for the kernel of that place, at widths up to `widest`."""
        found = np.empty_like(widths)
        which = np.clip(np.searchsorted(self.edges, widths) - 1, 0, len(self.series) - 1)
        for p in np.unique(which):
            a, b = self.edges[p], self.edges[p + 1]
            here = which == p
            s = (2.0 * widths[here] - a - b) / (b - a)
            found[here] = np.polynomial.chebyshev.chebval(s, self.series[p][kernel])
        return found

    def _products(self, v: float) -> Array:
        """At every kernel."""
        common = self.kernels - v * v
        steps = [k + sign * v * STEPS for k in self.activation.kinks for sign in (1.0, -1.0)]
        extra = np.concatenate(steps) if steps else np.zeros(0)
        y, weights = mesh.nodes(
            self.activation, float(common.min()), float(common.max()), extra=extra
        )
        smooth = smoothed_gradient(self.activation, y, v, float(self.kernels.max()))
        with np.errstate(under="ignore"):
            density = np.exp(-0.5 * y**2 / common[:, None]) / np.sqrt(2.0 * pi * common)[:, None]
            return np.asarray(density @ (weights * smooth**2))


def smoothed_gradient(activation: Activation, y: Array, v: float, kernel: float) -> Array:
    """``U(y)`` at ascending points within what a Gaussian of variance `kernel` reaches."""
    if v <= SMALL * activation.scale:
        return _between_kinks(activation, y, v)
    return _on_mesh(activation, y, v, kernel)


def _between_kinks(activation: Activation, y: Array, v: float) -> Array:
    """Gauss-Legendre in z between the kinks, which lie at ``z = (k - y)/v``; else Gauss-Hermite."""
    kinks = (np.array(activation.kinks) - y[:, None]) / v
    near = np.any(np.abs(kinks) < FAR, axis=1)
    z, weights = hermite(HERMITE)
    total = np.zeros_like(y)
    total[~near] = activation.derivatives(y[~near, None] + v * z, 1)[1] @ weights
    y, ends = y[near], np.full((int(near.sum()), 1), FAR)
    edges = np.concatenate([-ends, np.clip(kinks[near], -FAR, FAR), ends], axis=1)
    points, weights = legendre(NODES)
    part = np.zeros_like(y)
    for low, high in pairwise(edges.T):
        live = np.flatnonzero(high > low)
        half = 0.5 * (high - low)[live, None]
        z = low[live, None] + half * (1.0 + points)
        first = activation.derivatives(y[live, None] + v * z, 1)[1]
        density = np.exp(-0.5 * z * z) / sqrt(2.0 * pi)
        part[live] += (first * density * half) @ weights
    total[near] = part
    return total


def _on_mesh(activation: Activation, y: Array, v: float, kernel: float) -> Array:
    """Over a mesh of its own, block by block of what a Gaussian of width v reaches."""
    x, weights = mesh.nodes(activation, v * v, kernel + v * v)
    first = activation.derivatives(x, 1)[1] * weights
    total = np.empty_like(y)
    start = 0
    while start < len(y):
        end = int(np.searchsorted(y, y[start] + FAR * v, side="right"))
        low, high = np.searchsorted(x, [y[start] - FAR * v, y[end - 1] + FAR * v])
        apart = (x[low:high] - y[start:end, None]) / v
        with np.errstate(under="ignore"):
            total[start:end] = np.exp(-0.5 * apart * apart) @ first[low:high]
        start = end
    return total / (sqrt(2.0 * pi) * v)
