"""Closed forms for ``sigma = erf``, one and two inputs.

``erf(x) = <s(x + xi)>`` over Gaussian noise ``xi`` of variance 1/2: expectations of the error
function are those of signs with the kernel ``K + 1/2`` (`sign`), which is never singular.
"""

from math import comb, factorial, pi

import numpy as np
from scipy.special import poch

from nneft.gaussian.base import Array, Moments, Term, Terms
from nneft.gaussian.sign import root_determinant, sign_sign

_EPS = float(np.finfo(np.float64).eps)


def covers(term: Term) -> bool:
    """Whether `moments` knows the closed form of this term."""
    powers, _ = term
    return powers in ((2,), (1, 1))


def moments(kernel: Array, terms: Terms) -> Moments:
    """``<(erf^2)^(r)(x)>_K`` and ``<erf^(i)(x) erf^(j)(y)>_K`` in closed form.

    Parameters
    ----------
    kernel
        (..., d, d), d = 1 or 2, positive semi-definite, singular or not; the leading shape is that
        of many kernels at once.
    terms
        Powers (2,) or (1, 1), any derivatives.

    Returns
    -------
    Moments
        values and errors, (..., T) each.

    Raises
    ------
    ValueError
        A term is none of those.
    """
    kernel = np.asarray(kernel, dtype=np.float64)
    found = np.zeros((*kernel.shape[:-2], len(terms)))
    for t, (powers, orders) in enumerate(terms):
        if not covers((powers, orders)):
            raise ValueError(f"no closed form of the erf moment {(powers, orders)}")
        found[..., t] = _square(kernel, orders[0]) if powers == (2,) else _pair(kernel, orders)
    return Moments(found, 8 * _EPS * np.abs(found))


def pair_products(kernel: Array) -> Moments:
    """``<erf(phi_a) erf(phi_b)>_K`` for all pairs of inputs: values and errors (..., N, N)."""
    kernel = np.asarray(kernel, dtype=np.float64)
    variance = np.diagonal(kernel, axis1=-2, axis2=-1)
    xx, yy = np.broadcast_arrays(variance[..., :, None], variance[..., None, :])
    # (2/pi) asin(2 K_ab / sqrt((1 + 2 K_aa)(1 + 2 K_bb)))
    values = 2 / pi * np.arctan2(2 * kernel, _root(xx, yy, kernel))
    return Moments(values, 4 * _EPS * np.abs(values))


def _root(xx: Array, yy: Array, xy: Array) -> Array:
    """``sqrt((1 + 2 K_xx)(1 + 2 K_yy) - 4 K_xy^2)``, by positive terms only."""
    return np.asarray(np.sqrt(1 + 2 * xx + 2 * yy + (2 * root_determinant(xx, yy, xy)) ** 2))


def _pair(kernel: Array, orders: tuple[int, ...]) -> Array:
    xx, yy, xy = kernel[..., 0, 0], kernel[..., 1, 1], kernel[..., 0, 1]
    i, j = orders
    # det(K + 1/2) = [(1 + 2 K_xx)(1 + 2 K_yy) - 4 K_xy^2] / 4
    return sign_sign(xx + 0.5, yy + 0.5, xy, _root(xx, yy, xy) / 2, (i, j))


def _square(kernel: Array, order: int) -> Array:
    """``<(erf^2)^(r)> = 2^n d^n/dK^n (2/pi) asin(2K/(1 + 2K))``, ``n = r/2``."""
    k = kernel[..., 0, 0]
    if order % 2:
        return np.zeros_like(k)
    if order == 0:
        return np.asarray(2 / pi * np.arctan2(2 * k, np.sqrt(1 + 4 * k)))
    # the first derivative is (4/pi) (1 + 2K)^-1 (1 + 4K)^-1/2; all terms of the next have one sign
    n = order // 2 - 1
    total = sum(
        comb(n, m) * factorial(m) * (2 / (1 + 2 * k)) ** m
        * poch(0.5, n - m) * (4 / (1 + 4 * k)) ** (n - m)
        for m in range(n + 1)
    )  # fmt: skip
    first = 4 / pi / ((1 + 2 * k) * np.sqrt(1 + 4 * k))
    return np.asarray(2 ** (n + 1) * (-1) ** n * first * total)
