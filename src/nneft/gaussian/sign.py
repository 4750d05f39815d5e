"""Two signs under a Gaussian, and their derivatives as distributions.

``s = sgn``, ``s' = 2 delta``. Kinked homogeneous activations reduce to these by ``|x|' = s``; the
error function is a sign seen through Gaussian noise, ``<erf erf>_K = <s s>_{K + 1/2}``, so that the
same formulas serve both. Entries of the kernel are passed elementwise: ``xx, yy, xy`` with
``root = sqrt(xx yy - xy^2)``, arrays of any one shape.
"""

from math import comb, factorial, pi

import numpy as np

from nneft.gaussian.base import Array

#: Veltkamp's constant for float64: splits a number into two halves of 26 bits.
_SPLIT = 2.0**27 + 1


def root_determinant(xx: Array, yy: Array, xy: Array) -> Array:
    """``sqrt(xx yy - xy^2)`` to full relative accuracy in the numbers given, 0 where negative.

    Both products are formed exactly (Dekker 1971), after scaling by powers of two so that neither
    1e-300 nor 1e300 is lost: near ``|rho| = 1`` a plain difference has no correct digit left.
    """
    ex, ey = (np.frexp(v)[1] // 2 for v in (xx, yy))
    x, y = np.ldexp(xx, -2 * ex), np.ldexp(yy, -2 * ey)
    z = np.ldexp(xy, -ex - ey)
    (p, p_low), (q, q_low) = _exact_product(x, y), _exact_product(z, z)
    determinant = (p - q) + (p_low - q_low)
    return np.asarray(np.ldexp(np.sqrt(np.maximum(determinant, 0.0)), ex + ey))


def _exact_product(x: Array, y: Array) -> tuple[Array, Array]:
    """``x y`` as an unevaluated sum of two floats."""
    (x1, x2), (y1, y2) = _halves(x), _halves(y)
    product = x * y
    return product, ((x1 * y1 - product) + x1 * y2 + x2 * y1) + x2 * y2


def _halves(x: Array) -> tuple[Array, Array]:
    scaled = _SPLIT * x
    high = scaled - (scaled - x)
    return high, x - high


def sign_sign(xx: Array, yy: Array, xy: Array, root: Array, orders: tuple[int, int]) -> Array:
    """``<s^(i)(x) s^(j)(y)>`` for derivative orders ``(i, j)``.

    Diverges as ``root -> 0`` unless ``i = j = 0``; 0 where ``i + j`` is odd.
    """
    i, j = orders
    if (i + j) % 2:
        return np.zeros_like(xy)
    if i == j == 0:
        # <s s> = (2/pi) asin rho
        return 2 / pi * np.arctan2(xy, root)
    if j == 0:
        return _density_sign(xx, xy, root, i - 1)
    if i == 0:
        return _density_sign(yy, xy, root, j - 1)
    return _density_density(xx, yy, xy, root, i - 1, j - 1)


def _density_density(xx: Array, yy: Array, xy: Array, root: Array, a: int, b: int) -> Array:
    """``<2 delta^(a)(x) 2 delta^(b)(y)>``: derivatives at 0 of ``exp(-u K^-1 u / 2)``, by Wick."""
    uu, vv, uv = -yy / root**2, -xx / root**2, xy / root**2
    total = np.zeros_like(xy)
    for m in range(a % 2, min(a, b) + 1, 2):
        k, n = (a - m) // 2, (b - m) // 2
        pairings = factorial(a) * factorial(b) / (factorial(m) * factorial(k) * factorial(n))
        total = total + pairings / 2 ** (k + n) * uv**m * uu**k * vv**n
    # <2 delta(x) 2 delta(y)> = (2/pi) / sqrt(det)
    return 2 / pi / root * total


def _density_sign(xx: Array, xy: Array, root: Array, n: int) -> Array:
    """``<2 delta^(n)(x) s(y)>``, ``n`` odd.

    The ``n``-th derivative at 0 of ``<2 delta(x + u) s(y)> = -2 g(u) erf(xy u / sqrt(2 xx) root)``,
    with ``g`` the density of ``x``.
    """
    total = np.zeros_like(xy)
    for m in range((n - 1) // 2 + 1):
        k = (n - 1) // 2 - m
        # g has (-1/2xx)^k / k!, erf(c u) has (2/sqrt(pi)) (-1)^m c^(2m+1) / m! (2m+1)
        weight = (-1) ** (k + m) / (factorial(k) * factorial(m) * (2 * m + 1) * 2 ** (k + m))
        total = total + weight * xx**-k * (xy / np.sqrt(xx) / root) ** (2 * m + 1)
    return -2 / pi * factorial(n) / np.sqrt(xx) * total


def density_absolute(xx: Array, xy: Array, root: Array, n: int) -> tuple[Array, Array]:
    """``<2 delta^(n)(x) |y|>``, ``n`` even, and the sum of the magnitudes of its parts.

    The ``n``-th derivative at 0 of ``2 g(u) <|y|>``, with ``y`` of mean ``-xy u/xx`` and variance
    ``root^2/xx``; ``<|N(z, 1)|> = sqrt(2/pi) 1F1(-1/2; 1/2; -z^2/2)``. ``(2/pi) root/xx`` for
    ``n = 0``; diverges like ``1/root^(n-1)`` otherwise.
    """
    half = n // 2
    scale = (-1) ** half * 2 / pi * factorial(n) / (factorial(half) * 2**half) * root / xx
    # 1F1 contributes (-z^2/2)^m / m! (1 - 2m): the first part alone has the other sign
    ratio = (xy / np.sqrt(xx) / root) ** 2
    parts = [
        scale * comb(half, m) / (1 - 2 * m) * xx ** (m - half) * ratio**m for m in range(half + 1)
    ]
    return sum(parts[1:], parts[0]), sum((np.abs(v) for v in parts[1:]), np.abs(parts[0]))
