"""Moments of a Gaussian, of any mean and covariance: Wick's theorem as a recursion.

Only products of entries of the covariance occur, so that it may be singular, or zero, or complex.
"""

from collections.abc import Sequence
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nneft.gaussian.base import Array

#: Real or complex.
Numbers = NDArray[Any]


def moment_table(mean: Numbers, covariance: Numbers, degrees: Sequence[int]) -> Numbers:
    """All moments ``<prod_i x_i^{n_i}>``, ``0 <= n_i <= degrees[i]``.

    Parameters
    ----------
    mean
        (d, ...): the trailing shape is that of many Gaussians at once.
    covariance
        (d, d, ...), symmetric.

    Returns
    -------
    ndarray
        (degrees[0] + 1, .., degrees[d-1] + 1, ...).
    """
    dtype = np.result_type(mean, covariance)
    if not degrees:
        return np.ones(mean.shape[1:], dtype=dtype)
    lower = moment_table(mean[1:], covariance[1:, 1:], degrees[1:])
    table = np.empty((degrees[0] + 1, *lower.shape), dtype=dtype)
    table[0] = lower
    for n in range(degrees[0]):
        # <x_1 h> = mu_1 <h> + sum_j K_1j <d_j h>, h = x_1^n ...
        table[n + 1] = mean[0] * table[n]
        if n > 0:
            table[n + 1] += n * covariance[0, 0] * table[n - 1]
        for axis, degree in enumerate(degrees[1:]):
            into, from_ = (np.moveaxis(t, axis, -1) for t in (table[n + 1], table[n]))
            count = np.arange(1, degree + 1)
            into[..., 1:] += covariance[0, axis + 1][..., None] * count * from_[..., :-1]
    return table


def polynomial_mean(mean: Numbers, covariance: Numbers, polynomials: Sequence[Numbers]) -> Numbers:
    """``<prod_i f_i(x_i)>`` of polynomials given by their coefficients, lowest first: (...)."""
    table = moment_table(mean, covariance, [len(c) - 1 for c in polynomials])
    for coefficients in polynomials:
        table = np.tensordot(coefficients, table, 1)
    return table


def normal_ordered(polynomial: Sequence[float], variance: Array) -> Array:
    """Coefficients ``g_m`` of ``f(x) = sum_m g_m :x^m:``, with ``<:x^m: :y^n:> = m! delta K_xy^m``.

    Parameters
    ----------
    polynomial
        ``c_0, c_1, ..``.
    variance
        (...): of ``x``.

    Returns
    -------
    ndarray
        (len(polynomial), ...). ``:x^m: = K^{m/2} He_m(x/sqrt K)``, here without a division by K.
    """
    size = len(polynomial)
    found = np.zeros((size, *np.shape(variance)))
    for n, c in enumerate(polynomial):
        for k in range(n // 2 + 1):
            # x^n = sum_k n! / (k! (n-2k)! 2^k) K^k :x^{n-2k}:
            pairings = factorial(n) / (factorial(k) * factorial(n - 2 * k) * 2**k)
            found[n - 2 * k] += c * pairings * variance**k
    return found
