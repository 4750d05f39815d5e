"""Truths for kernels that make expectations one- or two-dimensional integrals of known functions.

Pieces ``slope x`` for x > 0 and ``depth (exp(x) - 1)`` for x < 0: ReLU, ELU, SELU by constants.
Their means under a shifted Gaussian are closed; with ``phi_i = v_i z + t_i w_i`` any number of
inputs is one integral over z, and with a kernel of rank two one over the plane, in polar
coordinates.
"""

import mpmath as mp
import numpy as np
from scipy.special import erfcx, ndtr

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
#: (slope, depth) by name
PIECES = {"relu": (1.0, 0.0), "elu": (1.0, 1.0), "selu": (SCALE, SCALE * ALPHA)}


def density(y):
    return np.exp(-0.5 * y * y) / np.sqrt(2.0 * np.pi)


def shifted_tail(m, t, n):
    """``E[exp(n x); x < 0]`` for x ~ N(m, t^2)."""
    y = (m + n * t * t) / t
    # exp(n m + n^2 t^2 / 2) Phi(-y) = phi(m/t) sqrt(pi/2) erfcx(y / sqrt 2)
    scaled = density(m / t) * np.sqrt(np.pi / 2.0) * erfcx(np.maximum(y, -5.0) / np.sqrt(2.0))
    return np.where(y > -5.0, scaled, np.exp(n * m + 0.5 * (n * t) ** 2) * ndtr(-y))


def mean(m, t, pieces, power):
    """``E[sigma(m + t w)^power]``, power 1 or 2, t > 0."""
    slope, depth = pieces
    below = ndtr(-m / t)
    first, second = shifted_tail(m, t, 1), shifted_tail(m, t, 2)
    if power == 1:
        return slope * (m * ndtr(m / t) + t * density(m / t)) + depth * (first - below)
    line = (m * m + t * t) * ndtr(m / t) + m * t * density(m / t)
    return slope**2 * line + depth**2 * (second - 2.0 * first + below)


def one_factor(v, t, pieces, powers):
    """``<prod sigma(v_i z + t_i w_i)^{p_i}>``, all t_i > 0."""
    v, t = np.asarray(v), np.asarray(t)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    finest = min(1.0, float((t / np.maximum(np.abs(v), 1e-3)).min()))
    steps = [0.0, *np.geomspace(0.5 * finest, 13.0, int(np.log2(30.0 / finest)) + 6)]
    edges = np.array([*[-e for e in steps[:0:-1]], *steps])
    half = 0.5 * np.diff(edges)[:, None]
    z = edges[:-1, None] + half * (1.0 + nodes)
    product = density(z) * half * weights
    for v_i, t_i, p in zip(v, t, powers, strict=True):
        product = product * mean(v_i * z, t_i, pieces, p)
    return product.sum()


def polar(rows, function, powers):
    """``<prod function(rows_i . z)^{p_i}>`` over the plane, for kinks at 0 alone."""
    rows = np.asarray(rows)
    directions = np.arctan2(rows[:, 1], rows[:, 0])
    kinks = np.concatenate([directions + 0.5 * np.pi, directions - 0.5 * np.pi]) % (2 * np.pi)
    edges = np.sort(np.concatenate([kinks, np.linspace(0.0, 2 * np.pi, 25)]))
    nodes, weights = np.polynomial.legendre.leggauss(30)
    half = 0.5 * np.diff(edges)[:, None]
    angle = (edges[:-1, None] + half * (1.0 + nodes)).ravel()
    radius = (np.arange(13)[:, None] + 0.5 * (1.0 + nodes)).ravel()
    radial = np.tile(0.5 * weights, 13) * radius * np.exp(-0.5 * radius**2) / (2 * np.pi)
    product = np.outer((half * weights).ravel(), radial)
    for row, p in zip(rows, powers, strict=True):
        along = row[0] * np.cos(angle) + row[1] * np.sin(angle)
        product = product * function(np.outer(along, radius)) ** p
    return product.sum()


def pair_derivative(pieces, kernel, orders):
    """``<sigma^(r)(a) sigma^(s)(b)>`` as distributions, in multiple precision.

    The derivatives of the first factor are moved onto what it is integrated with:
    ``(-1)^r int sigma(x) d^r/dx^r { p(x) E[sigma^(s)(b) | x] } dx``.
    """
    slope, depth = (mp.mpf(c) for c in pieces)
    a, b, c = (mp.mpf(float(kernel[i])) for i in ((0, 0), (1, 1), (0, 1)))
    s, ratio, t = mp.sqrt(a), c / a, mp.sqrt(b - c * c / a)
    r, other = orders

    def bell(x, width, n):
        """n-th derivative of the density of N(0, width^2)."""
        last, value = mp.mpf(0), mp.mpf(1)
        for k in range(n):
            last, value = value, x / width * value - k * last
        return (-1) ** n * value * mp.npdf(x / width) / width ** (n + 1)

    def conditional(m, n):
        """``d^n/dm^n E[sigma(m + t w)]``: below and D' of the tail exp(m + t^2/2) Phi(-m/t - t)."""
        tail = mp.exp(m + t * t / 2) * mp.ncdf(-(m + t * t) / t)
        if n == 0:
            line = m * mp.ncdf(m / t) + t * mp.npdf(m / t)
            return slope * line + depth * (tail - mp.ncdf(-m / t))
        if n == 1:
            return slope * mp.ncdf(m / t) + depth * tail
        peaks = mp.fsum(bell(m, t, k) for k in range(n - 1))
        return slope * bell(m, t, n - 2) + depth * (tail - peaks)

    def integrand(x):
        value = slope * x if x > 0 else depth * mp.expm1(x)
        parts = (
            mp.binomial(r, j) * bell(x, s, r - j) * ratio**j * conditional(ratio * x, other + j)
            for j in range(r + 1)
        )
        return (-1) ** r * value * mp.fsum(parts)

    width = min(t / abs(ratio), s)
    points = {mp.mpf(0), *(s * k for k in (2, 5, 9, 14)), *(width * k for k in (1, 3, 6, 10, 14))}
    ends = sorted({*points, *(-p for p in points)})
    return mp.quad(integrand, ends)
