"""Gaussian expectations by a route of their own: the truth that the tests hold the code against.

One input in multiple precision; two inputs nested, the first outside, in long double precision,
with the delta functions of kinks done by hand in multiple precision; three and four inputs by
nested Gauss-Legendre panels broken at every kink. Activations come from `gaussian.forms`.
"""

from functools import cache
from itertools import pairwise
from math import comb, prod
from typing import Any, NamedTuple

import numpy as np
from gaussian.forms import SIGMAS, Factor, Sigma, long
from gaussian.meshes import Mesh, along, legendre
from mpmath import mp
from numpy.typing import NDArray

Terms = list[tuple[tuple[int, ...], tuple[int, ...]]]


class Truth(NamedTuple):
    """Values and what their errors are relative to (design.md: ``sqrt(<f^2><g^2>)``)."""

    values: NDArray[np.longdouble]
    norms: NDArray[np.float64]


def reach(sigma: Sigma, deviation: float, power: int, digits: float = 10.5) -> float:
    """Standard deviations to follow; ``exp(p s z)`` shifts the weight by ``p s``."""
    return digits + (power * deviation if sigma is SIGMAS["exp"] else 0.0)


def width(sigma: Sigma, steepest: float, most: float = 1.0) -> float:
    return min(most, 0.8 * sigma.size / steepest) if steepest > 0 else most


# One input


def single(sigma: Sigma, variance: float, factors: list[Factor]) -> Truth:
    """``<(sigma^p)^(r)>`` in multiple precision; norms are ``<((sigma^p)^(r))^2>^(1/2)``."""
    K = mp.mpf(float(variance))
    values, norms = [], []
    for factor, smooth in zip(factors, regular_means(sigma, mp.zero, K, factors), strict=True):
        singular = singular_mean(sigma, mp.zero, K, factor)
        values.append(long(smooth + singular))
        norms.append(size(sigma, float(K), factor) + abs(float(singular)))
    return Truth(np.array(values), np.array(norms))


def regular_means(sigma: Sigma, mean: Any, variance: Any, factors: list[Factor]) -> list[Any]:
    """Means of the regular parts of ``(sigma^p)^(r)`` under ``N(mean, variance)``."""
    s = mp.sqrt(variance)
    if s == 0:
        return [sigma.value(mean, f) for f in factors]
    far = reach(sigma, float(s), max(p for p, _ in factors), 12.0)
    step = width(sigma, float(s))
    ends = [mp.mpf(z) for z in np.linspace(-far, far, int(2 * far / step) + 2)]
    kinks = [(k - mean) / s for k in sigma.kinks]
    ends = sorted([*ends, *(k for k in kinks if abs(k) < far)])
    nodes, weights = legendre(20)
    totals = [mp.zero] * len(factors)
    for low, high in pairwise(ends):
        half = (high - low) / 2
        piece = sum((low + high) / 2 > k for k in kinks)
        for node, weight in zip(nodes, weights, strict=True):
            z = low + half * (1 + node)
            share = half * weight * mp.exp(-z * z / 2)
            found = sigma.evaluate(mean + s * z, piece, factors, mp)
            totals = [total + share * v for total, v in zip(totals, found, strict=True)]
    return [total / mp.sqrt(2 * mp.pi) for total in totals]


@cache
def root_mean_square(sigma: Sigma, variance: float, factor: Factor) -> float:
    """``<f^2>^(1/2)`` of the regular part of a factor."""
    s = float(np.sqrt(variance))
    if s == 0.0:
        return abs(float(sigma.value(mp.zero, factor)))
    far = reach(sigma, s, 2 * factor[0])
    planes = [(np.array([np.longdouble(s)]), long(k)) for k in sigma.kinks]
    total = 0.0
    for [(z, w)] in Mesh(planes, [width(sigma, s)], far, 12).blocks():
        total += float(w @ sigma.values(s * z, [factor])[0] ** 2)
    return float(np.sqrt(total))


def size(sigma: Sigma, variance: float, factor: Factor) -> float:
    """`root_mean_square`, and of delta functions what they may weigh: ``J p(k) sqrt(m!) / s^m``."""
    total = root_mean_square(sigma, variance, factor)
    for kink, at in enumerate(sigma.kinks):
        for j, jump in enumerate(sigma.jumps(factor, kink)):
            m = factor[1] - 1 - j
            density = bell(at, mp.zero, mp.mpf(variance), 0)
            total += float(abs(jump) * density * mp.sqrt(mp.factorial(m)) / mp.sqrt(variance) ** m)
    return total


def bell(at: Any, mean: Any, variance: Any, order: int) -> Any:
    """Derivative of the density of ``N(mean, variance)``: ``(-1)^m He_m(z) p / s^m``."""
    s = mp.sqrt(variance)
    z = (at - mean) / s
    density = mp.exp(-z * z / 2) / (s * mp.sqrt(2 * mp.pi))
    return (-1) ** order * hermite(order, z) * density / s**order


def hermite(order: int, z: Any) -> Any:
    last, value = mp.zero, mp.one
    for n in range(order):
        last, value = value, z * value - n * last
    return value


def singular_mean(sigma: Sigma, mean: Any, variance: Any, factor: Factor, first: int = 0) -> Any:
    """Mean of ``sum_j J_j delta^(r-1-j)``, jumps J_j of derivatives from `first` on."""
    total = mp.zero
    for kink, at in enumerate(sigma.kinks):
        for j, jump in enumerate(sigma.jumps(factor, kink)):
            if j >= first and jump != 0:
                m = factor[1] - 1 - j
                total += jump * (-1) ** m * bell(at, mean, variance, m)
    return total


# Two inputs


def pair(sigma: Sigma, kernel: NDArray[np.float64], terms: Terms) -> Truth:
    """``<f(phi_a) g(phi_b)>`` for terms of two inputs, any derivatives."""
    smooth = regular(sigma, kernel, terms)
    values, norms = smooth.values.copy(), smooth.norms.copy()
    for i, (powers, orders) in enumerate(terms):
        if sigma.kinks and max(orders) > 0:
            singular = deltas(sigma, kernel, *zip(powers, orders, strict=True))
            values[i] += long(sum(singular))
            norms[i] += float(sum(abs(part) for part in singular))
    return Truth(values, norms)


def deltas(sigma: Sigma, kernel: NDArray[np.float64], f: Factor, g: Factor) -> list[Any]:
    """``<f_singular(a) g(b)>`` with the whole of g, and ``<f_regular(a) g_singular(b)>``."""
    return [
        *_deltas(sigma, kernel, f, g, whole=True),
        *_deltas(sigma, kernel[::-1, ::-1], g, f, whole=False),
    ]


def _deltas(
    sigma: Sigma, kernel: NDArray[np.float64], f: Factor, g: Factor, *, whole: bool
) -> list[Any]:
    K_a, K_ab, K_b = (mp.mpf(float(kernel[i])) for i in ((0, 0), (0, 1), (1, 1)))
    slope, left = K_ab / K_a, max(mp.zero, K_b - K_ab**2 / K_a)
    parts = []
    for kink, at in enumerate(sigma.kinks):
        for j, jump in enumerate(sigma.jumps(f, kink)):
            m = f[1] - 1 - j
            if jump == 0:
                continue
            # <delta^(m)(a - k) g(b)> = (-1)^m d^m/da^m [ p(a) <g | a> ] at k
            for i in range(m + 1):
                inner = _mean_derivative(sigma, slope * at, left, g, i, whole=whole)
                outer = comb(m, i) * bell(at, mp.zero, K_a, m - i)
                parts.append(jump * (-1) ** m * outer * slope**i * inner)
    return parts


def _mean_derivative(
    sigma: Sigma, mean: Any, variance: Any, factor: Factor, order: int, *, whole: bool
) -> Any:
    """``d^order/dmean^order`` of the mean of ``(sigma^p)^(r)``, or of its regular part alone."""
    power, r = factor
    raised = (power, r + order)
    [smooth] = regular_means(sigma, mean, variance, [raised])
    return smooth + singular_mean(sigma, mean, variance, raised, 0 if whole else r)


# Any number of inputs, regular parts


def root(kernel: NDArray[np.float64]) -> list[list[Any]]:
    """Rows of the pivoted Cholesky factor, in multiple precision; as many columns as the rank.

    Two inputs are taken as they are, to the last digit; for more of them a remainder of the size of
    double precision's rounding counts as none.
    """
    least = mp.zero if len(kernel) == 2 else mp.mpf("3e-15") * float(np.max(np.diag(kernel)))
    K = mp.matrix(kernel.tolist())
    rows: list[list[Any]] = [[] for _ in range(len(kernel))]
    open_ = set(range(len(kernel)))
    while open_:
        left = {a: K[a, a] - mp.fsum(x * x for x in rows[a]) for a in open_}
        pivot = max(left, key=lambda a: left[a])
        if left[pivot] <= least:
            break
        scale, base = mp.sqrt(left[pivot]), list(rows[pivot])
        for a, row in enumerate(rows):
            dot = mp.fsum(x * y for x, y in zip(row, base, strict=True))
            row.append((K[a, pivot] - dot) / scale if a in open_ else mp.zero)
        open_.remove(pivot)
    return rows


def regular(
    sigma: Sigma,
    kernel: NDArray[np.float64],
    terms: Terms,
    *,
    order: int = 12,
    digits: float = 9.7,
    dtype: Any = np.longdouble,
) -> Truth:
    """Product of the regular parts on a mesh of as many directions as the kernel has rank, at most
    three; with rank four the last input is averaged first."""
    L = np.array([[long(x) for x in row] for row in root(kernel)], dtype=dtype)
    rank = L.shape[1]
    if rank == 0:
        return _at_zero(sigma, terms)
    last = int(np.flatnonzero(L[:, -1])[0]) if rank == 4 else None
    used = min(rank, 3)
    inside = [a for a in range(len(kernel)) if a != last]
    kinks = [dtype(long(k)) for k in sigma.kinks]
    planes = [(L[a, :used], k) for a in inside for k in kinks]
    steepest = [float(np.max(np.abs(L[:, k]))) for k in range(used)]
    far = reach(
        sigma, float(np.sqrt(np.max(np.diag(kernel)))), max(sum(p) for p, _ in terms), digits
    )
    widths = [width(sigma, s) for s in steepest]
    mesh = Mesh(planes, widths, far, order, dtype, tuple(_ridges(L, kinks, far)))
    tables = {} if last is None else _smoothed(sigma, L[last], far, terms, last)
    values = np.zeros(len(terms), dtype=dtype)
    for block in mesh.blocks():
        values += _sums(sigma, L, terms, block, last, tables)
    return Truth(values, np.array([_norm(sigma, kernel, *term) for term in terms]))


def _ridges(L: Any, kinks: list[Any], far: float) -> list[Any]:
    """In two directions: ends of panels graded towards where a kink's smoothed step is steep."""
    if L.shape[1] != 2:
        return []
    found = []
    for row in L:
        if row[0] == 0 or row[1] == 0:
            continue
        steep = abs(row[1] / row[0])
        steps = [steep * 2.0**j for j in range(-2, 60) if steep * 2.0**j < 2 * far]
        found += [k / row[0] + sign * step for k in kinks for step in steps for sign in (1, -1)]
    return found


def _sums(
    sigma: Sigma,
    L: Any,
    terms: Terms,
    block: Any,
    last: int | None,
    tables: Any,
) -> Any:
    used = len(block)
    known: dict[Any, tuple[int, Any]] = {}
    for a, row in enumerate(L):
        factors = sorted({(p[a], r[a]) for p, r in terms} - {(0, 0)})
        live = np.flatnonzero(row[:used])
        level = int(live[-1]) + 1 if len(live) else 1
        phi = along(row[:level], block[:level])
        if a == last:
            found = [tables[f](phi.astype(float)) for f in factors]
        else:
            found = sigma.values(phi, factors)
        known |= {(a, f): (level, v) for f, v in zip(factors, found, strict=True)}
    sums = []
    for powers, orders in terms:
        factors = [(a, f) for a, f in enumerate(zip(powers, orders, strict=True)) if f != (0, 0)]
        carry: Any = 1.0
        for level in range(used, 0, -1):
            here = prod((known[key][1] for key in factors if known[key][0] == level), start=1.0)
            carry = (carry * here * block[level - 1][1]).sum(axis=-1)
        sums.append(carry)
    return np.array(sums)


def _smoothed(sigma: Sigma, row: Any, far: float, terms: Terms, last: int) -> Any:
    """Averages over the last input's own width, tabulated finely."""
    from scipy.interpolate import CubicSpline

    furthest = float(np.sum(np.abs(row[:3]))) * far
    own = float(row[3])
    m = np.linspace(-furthest, furthest, int(furthest / min(own, sigma.size) * 400) + 200)
    kinks = [float(k) for k in sigma.kinks]
    factors = {(p[last], r[last]) for p, r in terms} - {(0, 0)}
    found = {f: np.zeros(len(m)) for f in factors}
    for i, mean in enumerate(np.array_split(m, len(m) // 500 + 1)):
        mesh = Mesh([], [1.0], far, 12, np.float64)
        breaks = np.array([[(k - x) / own for k in kinks] for x in mean]).reshape(len(mean), -1)
        z, w = mesh.panels(np.linspace(-far, far, int(2 * far / width(sigma, own)) + 2), breaks)
        start = sum(len(part) for part in np.array_split(m, len(m) // 500 + 1)[:i])
        for f in factors:
            values = sigma.values(mean[:, None] + own * z, [f])[0]
            found[f][start : start + len(mean)] = (values * w).sum(axis=1)
    return {f: CubicSpline(m, v) for f, v in found.items()}


def _norm(
    sigma: Sigma, kernel: NDArray[np.float64], powers: tuple[int, ...], orders: tuple[int, ...]
) -> float:
    """Two inputs ``sqrt(<f^2><g^2>)``; more, without derivatives, by Hoelder's inequality."""
    total, norm = sum(powers), 1.0
    for variance, power, order in zip(np.diag(kernel), powers, orders, strict=True):
        if len(powers) <= 2:
            norm *= size(sigma, float(variance), (power, order))
        elif power:
            half = root_mean_square(sigma, float(variance), (total // 2, 0))
            norm *= half ** (2 * power / total)
    return norm


def _at_zero(sigma: Sigma, terms: Terms) -> Truth:
    values = [
        prod(sigma.value(mp.zero, f) for f in zip(powers, orders, strict=True))
        for powers, orders in terms
    ]
    return Truth(np.array([long(v) for v in values]), np.array([abs(float(v)) for v in values]))


def group(sigma: Sigma, kernel: NDArray[np.float64], terms: Terms) -> tuple[Truth, NDArray[Any]]:
    """Three or four inputs, no derivatives, in double precision, and how far to trust each value.

    Near-singular kernels of kinked activations have ridges that the panels do not follow: the
    difference to panels of a higher order tells.
    """
    found = regular(sigma, kernel, terms, order=10, digits=9.0, dtype=np.float64)
    doubt = 1e-11 * found.norms
    if sigma.kinks:
        finer = regular(sigma, kernel, terms, order=14, digits=9.0, dtype=np.float64)
        doubt += 3.0 * np.abs(finer.values - found.values)
        found = finer
    return found, doubt


__all__ = ["SIGMAS", "Truth", "deltas", "group", "pair", "regular", "single"]
