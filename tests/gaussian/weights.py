"""High derivatives without a single derivative taken: Hermite weights in multiple precision.

With ``c_n = <sigma^p(s z) He_n(z)>``, repeated Stein and Mehler's formula say::

    <(sigma^p)^(r)>       = c_r / s^r
    <f^(r)(a) g^(q)(b)>   = sum_n rho^n c_{n+r} d_{n+q} / (n! s_a^r s_b^q)

distributions included. What cancels is paid for in digits.
"""

from functools import cache
from itertools import pairwise
from math import ceil, log, log10, sqrt
from typing import Any

import numpy as np
from gaussian.forms import SIGMAS, long
from gaussian.meshes import legendre
from gaussian.reference import Terms, Truth
from mpmath import mp


@cache
def coefficients(name: str, variance: float, powers: tuple[int, ...], count: int) -> Any:
    """``c_n``, n below `count`, by powers: Gauss-Legendre panels, broken at the kinks."""
    sigma, s = SIGMAS[name], mp.sqrt(mp.mpf(variance))
    # the weight falls below the digits held
    reach = sqrt(2 * mp.dps * log(10)) + 2
    kinks = [k / s for k in sigma.kinks if abs(k / s) < reach]
    step = min(1.0, 0.6 * sigma.size / float(s))
    ends = sorted(
        {*(mp.mpf(z) for z in np.linspace(-reach, reach, ceil(2 * reach / step))), *kinks}
    )
    total = {p: [mp.zero] * count for p in powers}
    nodes, weights = legendre(40 if mp.dps < 75 else 100)
    for low, high in pairwise(ends):
        half = (high - low) / 2
        piece = sum((low + high) / 2 > k for k in kinks)
        for node, weight in zip(nodes, weights, strict=True):
            z = low + half * (1 + node)
            [value] = sigma.evaluate(s * z, piece, [(1, 0)], mp)
            last, here = mp.zero, half * weight * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)
            hermite = []
            for n in range(count):
                hermite.append(here)
                last, here = here, z * here - n * last
            for p in powers:
                size = value**p
                total[p] = [t + size * h for t, h in zip(total[p], hermite, strict=True)]
    return total


def digits(variance: float, order: int) -> int:
    """Decimal digits that leave 25 after what order and variance cancel."""
    return 45 + ceil(order * max(0.0, -0.5 * log10(variance)))


def single(name: str, variance: float, terms: Terms, beyond: int = 8) -> Truth:
    """One input. Norms by Parseval, from `beyond` coefficients: lower bounds of ``<f^2>^(1/2)``."""
    count = max(r for _, (r,) in terms) + beyond
    powers = tuple(sorted({p for (p,), _ in terms}))
    with mp.workdps(digits(variance, count)):
        legendre.cache_clear()
        found = coefficients(name, variance, powers, count)
        values, norms = [], []
        s = mp.sqrt(mp.mpf(variance))
        for (p,), (r,) in terms:
            c = cleaned(found[p])
            values.append(long(c[r] / s**r))
            square = mp.fsum(c[n + r] ** 2 / mp.factorial(n) for n in range(beyond))
            norms.append(float(mp.sqrt(square) / s**r))
    legendre.cache_clear()
    return Truth(np.array(values), np.array(norms))


def cleaned(coefficients: list[Any]) -> list[Any]:
    """With zeros where nothing but rounding is left."""
    shares = [abs(c) / mp.sqrt(mp.factorial(n)) for n, c in enumerate(coefficients)]
    noise = mp.mpf(10) ** (20 - mp.dps) * max(shares)
    return [c if x > noise else mp.zero for c, x in zip(coefficients, shares, strict=True)]


def pair(name: str, kernel: np.ndarray, terms: Terms, count: int) -> Truth:
    """Two inputs, from `count` coefficients: for correlations of a half or less."""
    variances = [float(kernel[0, 0]), float(kernel[1, 1])]
    values, norms = [], []
    most = max(max(r) for _, r in terms)
    powers = tuple(sorted({p for ps, _ in terms for p in ps}))
    with mp.workdps(digits(min(variances), most) + 10):
        legendre.cache_clear()
        found = [coefficients(name, K, powers, count + most) for K in variances]
        rho = mp.mpf(float(kernel[0, 1])) / mp.sqrt(mp.fprod(variances))
        for term in terms:
            f, g = (
                [v / mp.sqrt(mp.mpf(K)) ** r for v in cleaned(c[p])[r:]]
                for K, c, p, r in zip(variances, found, *term, strict=True)
            )
            parts = [(f[n], g[n], mp.factorial(n)) for n in range(count)]
            values.append(long(mp.fsum(rho**n * x * y / w for n, (x, y, w) in enumerate(parts))))
            sizes = [mp.fsum(part[i] ** 2 / part[2] for part in parts) for i in (0, 1)]
            norms.append(float(mp.sqrt(sizes[0] * sizes[1])))
    legendre.cache_clear()
    return Truth(np.array(values), np.array(norms))
