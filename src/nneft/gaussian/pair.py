"""Expectations of two inputs by panels: one input outside, the other conditioned on it."""

from fractions import Fraction
from math import comb
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.distribution import Distribution, hermite_sum, regular
from nneft.gaussian.factors import Factor
from nneft.gaussian.mesh import Cells, advise, cells, span
from nneft.gaussian.panels import Advice, Cores, Nodes, Resolution, joint, place
from nneft.gaussian.single import COARSE, FINE, extent, norms, numerical, rounding
from nneft.gaussian.smoothing import Smoothing

#: A kernel within its own rounding of a singular one is taken as singular.
_SINGULAR = 16 * np.finfo(np.float64).eps


class _Pair(NamedTuple):
    """phi_b given phi_a: ``N(slope phi_a, width^2)``; and what all terms share."""

    activation: Activation
    deviation: float
    slope: float
    width: float
    #: cells for all orders of derivatives, and how far Gaussians matter
    cells: Cells
    span: float

    @classmethod
    def of(cls, activation: Activation, kernel: Array, power: int, order: int) -> "_Pair":
        deviations = np.sqrt(np.diagonal(kernel))
        reach = span(activation, power, order, float(deviations.max()))
        mesh = cells(activation, power, order, extent(reach * float(deviations.max())))
        a = float(kernel[0, 0])
        slope, width = float(kernel[0, 1]) / a, conditional_deviation(kernel)
        return cls(activation, float(deviations[0]), slope, width, mesh, reach)

    def smoothing(self, factors: list[Factor], resolution: Resolution) -> Smoothing:
        """``E[f(phi_b) | phi_a]`` as a function of the conditional mean."""
        return Smoothing(self.activation, factors, self.width, self.cells, self.span, resolution)

    def outer(self, resolution: Resolution) -> Nodes:
        """Nodes for phi_a: the cells of its own factor, and those of the other one, smoothed."""
        own = self._advice(self.deviation, resolution, 0.0)
        edges = [own.edges / self.deviation]
        ratio = self.slope * self.deviation
        centres, widths = np.empty(0), np.empty(0)
        if abs(ratio) * self.span > 1e-3 * self.width:
            other = self._advice(abs(ratio), resolution, self.width)
            edges.append(other.edges / ratio)
            own = joint([own, other])
            if self.width > 0.0:
                centres = np.array(self.activation.kinks) / ratio
                widths = np.full(centres.size, self.width / abs(ratio))
        cores = Cores(centres[None], widths)
        panels = place(np.concatenate(edges)[None], cores, self.span, own, resolution)
        return panels.nodes(resolution)

    def _advice(self, width: float, resolution: Resolution, smoothing: float) -> Advice:
        window = self.span * width
        return advise(self.activation, self.cells, width, resolution, smoothing, window)


def conditional_deviation(kernel: Array) -> float:
    """``sqrt(K_bb - K_ab^2 / K_aa)``, exact up to the last rounding; 0 if singular."""
    a, b, c = (Fraction(float(kernel[i])) for i in ((0, 0), (1, 1), (0, 1)))
    variance = float(b - c * c / a)
    return float(np.sqrt(variance)) if variance > _SINGULAR * float(b) else 0.0


def pair(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """``< (sigma^p1)^(r1)(phi_a) (sigma^p2)^(r2)(phi_b) >`` for a kernel of positive variances.

    Kernels may be singular. There the products of two delta functions, and of a delta function
    with a jump's derivative, would grow like ``1 / sqrt(det K)``; they are left out, because
    what they multiply vanishes faster: the fluctuations of a kernel that is singular are
    themselves tangent to the singular ones.
    """
    first = [(powers[0], orders[0]) for powers, orders in terms]
    second = [(powers[1], orders[1]) for powers, orders in terms]
    power = max(sum(powers) for powers, _ in terms)
    highest = max(sum(orders) for _, orders in terms) if activation.kinks else 0
    order = max(highest, *(r for _, r in first + second))
    forward = _Pair.of(activation, kernel, power, order)
    rows, columns = sorted(set(first)), sorted(set(second))
    pick = [rows.index(f) for f in first], [columns.index(g) for g in second]
    backward = _Pair.of(activation, kernel[::-1, ::-1], power, order)
    (fine, own), (coarse, _) = (_regular(forward, rows, columns, r) for r in (FINE, COARSE))
    other = norms(activation, backward.deviation, columns)
    relative = rounding(activation, first) + rounding(activation, second)
    errors = np.abs(fine - coarse)[pick] + relative * own[pick[0]] * other[pick[1]]
    errors += numerical(activation, forward.deviation, rows)[pick[0]] * other[pick[1]]
    errors += own[pick[0]] * numerical(activation, backward.deviation, columns)[pick[1]]
    singular, size = _singular_terms(forward, backward, first, second)
    return Moments(fine[pick] + singular, errors + relative * size)


def _regular(
    geometry: _Pair, rows: list[Factor], columns: list[Factor], resolution: Resolution
) -> tuple[Array, Array]:
    """``< [f](phi_a) [g](phi_b) >`` for all f in rows, g in columns; and ``sqrt < [f]^2 >``."""
    nodes = geometry.outer(resolution)
    phi = geometry.deviation * nodes.z
    own = regular(geometry.activation, phi, rows)
    other = geometry.smoothing(columns, resolution)(geometry.slope * phi)
    weighted = own * nodes.weight
    return weighted @ other.T, np.sqrt(np.einsum("fn,fn->f", weighted, own))


def _singular_terms(
    forward: _Pair,
    backward: _Pair,
    first: list[Factor],
    second: list[Factor],
) -> tuple[Array, Array]:
    """What the delta functions add to each term, and the size of what was summed."""
    # f g = [f][g] + (f - [f]) g + [f] (g - [g])
    activation = forward.activation
    values, sizes = np.zeros(len(first)), np.zeros(len(first))
    ahead, back = [], []
    for t, (f, g) in enumerate(zip(first, second, strict=True)):
        ahead.append((t, Distribution.of(activation, *f), Distribution.of(activation, *g)))
        back.append((t, Distribution.of(activation, *g), Distribution.function(activation, *f)))
    for geometry, products in ((forward, ahead), (backward, back)):
        wanted = [(t, peak, other) for t, peak, other in products if not peak.is_function]
        for t, value, size in _at_kinks(geometry, wanted):
            values[t] += value
            sizes[t] += size
    return values, sizes


def _at_kinks(
    geometry: _Pair, products: list[tuple[int, Distribution, Distribution]]
) -> list[tuple[int, float, float]]:
    """``< delta part of f (phi_a) G(phi_b) >`` for products (label, f, G).

    < delta^(m)(phi_a - k) G > = (-1)^m d^m/dx^m { p(x) E[G | x] } at k, with
    d/dx E[G | x] = slope E[G' | x] and p^(n)(k) = (-1)^n He_n(k/s) p(k) / s^n.
    """
    ladders = [(t, f, _ladder(g, f)) for t, f, g in products]
    factors = sorted({g.factor for _, _, ladder in ladders for g in ladder})
    if not factors:
        return []
    kinks = np.array(geometry.activation.kinks)
    mean = geometry.slope * kinks
    smooth = dict(zip(factors, geometry.smoothing(factors, FINE)(mean), strict=True))
    y = kinks / geometry.deviation
    density = np.exp(-0.5 * y * y) / (np.sqrt(2.0 * np.pi) * geometry.deviation)
    out = []
    for t, f, ladder in ladders:
        rungs = np.array([smooth[g.factor] + g.singular_mean(mean, geometry.width) for g in ladder])
        parts = _leibniz(f, rungs, geometry, y) * density
        out.append((t, float(parts.sum()), float(np.abs(parts).sum())))
    return out


def _ladder(g: Distribution, f: Distribution) -> list[Distribution]:
    """G and as many of its derivatives as the deltas of f ask for."""
    ladder = [g]
    for _ in range(max(_top(column) for column in f.deltas)):
        ladder.append(ladder[-1].derivative())
    return ladder


def _top(column: tuple[float, ...]) -> int:
    return max((m for m, c in enumerate(column) if c), default=0)


def _leibniz(f: Distribution, rungs: Array, geometry: _Pair, y: Array) -> Array:
    """sum_m c_m sum_j C(m,j) (-1)^j He_{m-j}(k/s) s^{j-m} slope^j E[G^(j) | k], kink by kink."""
    total = np.zeros_like(y)
    for i, column in enumerate(f.deltas):
        top = _top(column)
        for j in range(top + 1):
            coefficients = [
                column[m] * comb(m, j) / geometry.deviation ** (m - j) for m in range(j, top + 1)
            ]
            polynomial = float(hermite_sum(coefficients, y[i]))
            total[i] += (-geometry.slope) ** j * polynomial * rungs[j, i]
    return total
