"""Exact expectations of sums of ``c x^p exp(a x + b x^2)``, in any number of dimensions.

Polynomials, sines, exponentials and Gaussians, closed under products and derivatives. An
exponential turns the Gaussian into another one, with ``B = diag(b)``, without inverting ``K``:

    exp(a.x + x B x) N(0, K) = Z N(K' a, K'),    K' = (1 - 2 K B)^-1 K,
    Z = det(1 - 2 K B)^-1/2 exp(a K' a / 2),

after which Wick's theorem does the rest. Where ``K`` is small, such sums cancel (``<sin sin>`` at
``K = 1e-18`` is a difference of ones): there the factors are replaced by their Taylor series, which
are polynomials and do not.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from nneft.activations.polyexp import PolyExp
from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Moments, Term, Terms
from nneft.gaussian.wick import Numbers, normal_ordered, polynomial_mean

#: A factor ``sum_k P_k(x) exp(a_k x + b_k x^2)``: the coefficients of ``P_k`` by ``(a_k, b_k)``.
Factor = dict[tuple[complex, float], Numbers]

_EPS = float(np.finfo(np.float64).eps)
#: Sums that lose more than this, relatively, are tried as Taylor series too.
_CANCELS = 1e-14
#: Longest Taylor series for one, two and more inputs, and what may be left out of it, relative to
#: its largest part.
_DEGREES, _NEGLECTED = (64, 48, 24), 1e-18
#: Moments held at once.
_TABLE = 2**21


class _Tilted(NamedTuple):
    """``Z N(K' a, K')``: mean (d, B), covariance (d, d, B), ``log Z`` and its rounding (B,)."""

    mean: Numbers
    covariance: Array
    log_weight: Numbers
    rounding: Array


def moments(sigma: PolyExp, kernel: Array, terms: Terms) -> Moments:
    """``< prod_a (sigma^{p_a})^{(r_a)}(phi_a) >_K`` in closed form.

    Parameters
    ----------
    sigma
        A sum of ``c x^p exp(a x + b x^2)``, real on real arguments.
    kernel
        (..., d, d), positive semi-definite, singular or not; the leading shape is that of many
        kernels at once.
    terms
        Any powers and derivatives, two tuples of length d for each expectation.

    Returns
    -------
    Moments
        values and errors, (..., T) each. The error is that of rounding, cancellation included.

    Raises
    ------
    ValueError
        The Gaussian moments diverge.
    nneft.NumericsError
        They are too large for a float64.
    """
    kernel = np.asarray(kernel, dtype=np.float64)
    shape, d = kernel.shape[:-2], kernel.shape[-1]
    flat = kernel.reshape(-1, d, d)
    found = [_moment(sigma, flat, term) for term in terms]
    values, errors = (
        np.stack(v, -1).reshape(*shape, len(found)) if found else np.zeros((*shape, 0))
        for v in ([value for value, _ in found], [error for _, error in found])
    )
    return Moments(values, errors)


def pair_products(polynomial: Sequence[float], kernel: Array) -> Moments:
    """``<sigma_a sigma_b>_K`` of ``sigma = c_0 + c_1 x + ..`` for all pairs: (N, N) each."""
    kernel = np.asarray(kernel, dtype=np.float64)
    value = _pair_sum(normal_ordered(polynomial, np.diag(kernel)), kernel)
    size = _pair_sum(normal_ordered(np.abs(polynomial).tolist(), np.diag(kernel)), np.abs(kernel))
    return Moments(value, 2 * _EPS * len(polynomial) * size)


def _pair_sum(coefficients: Array, kernel: Array) -> Array:
    """``<f_a f_b> = sum_m m! g_m(K_aa) g_m(K_bb) K_ab^m``, by Horner's rule."""
    total = np.zeros_like(kernel)
    for m in range(len(coefficients) - 1, -1, -1):
        g = coefficients[m]
        total = np.multiply.outer(g, g) + (m + 1) * kernel * total
    return total


def exponential_pair_products(sigma: PolyExp, kernel: Array) -> Moments:
    """``<sigma_a sigma_b>_K`` for all pairs of inputs: values and errors (N, N)."""
    kernel = np.asarray(kernel, dtype=np.float64)
    a, b = np.triu_indices(len(kernel))
    two = kernel[np.stack([a, b], 1)[:, :, None], np.stack([a, b], 1)[:, None, :]]
    found = moments(sigma, two, [((1, 1), (0, 0))])
    values, errors = np.zeros_like(kernel), np.zeros_like(kernel)
    for whole, part in zip((values, errors), found, strict=True):
        whole[a, b] = whole[b, a] = part[:, 0]
    return Moments(values, errors)


def _moment(sigma: PolyExp, kernel: Array, term: Term) -> tuple[Array, Array]:
    """One term at many kernels: as it stands and, where that cancels, with Taylor series."""
    factors = [_factor(sigma, p, r) for p, r in zip(*term, strict=True)]
    value, error = _expectation(factors, kernel)
    if all(set(f) <= {(0j, 0.0)} for f in factors):
        return value, error
    cancels = np.flatnonzero(error > _CANCELS * np.abs(value))
    degrees = _taylor_degrees(sigma, kernel[cancels], term)
    for one in np.unique(degrees, axis=0):
        if np.all(one < 0):
            continue
        here = cancels[np.all(degrees == one, axis=1)]
        series: list[Factor] = [
            f if degree < 0 else {(0j, 0.0): _taylor(sigma, p, r)[: degree + 1]}
            for f, degree, p, r in zip(factors, one, *term, strict=True)
        ]
        found, uncertain = _expectation(series, kernel[here])
        better = uncertain < error[here]
        value[here[better]], error[here[better]] = found[better], uncertain[better]
    return value, error


@lru_cache(maxsize=256)
def _factor(sigma: PolyExp, power: int, order: int) -> Factor:
    """``(sigma^p)^(r)``, its terms collected by exponent."""
    collected: dict[tuple[complex, float], dict[int, complex]] = {}
    for c, p, a, b in (sigma**power).derivative(order).terms:
        collected.setdefault((a, b), {})[p] = c
    found = {}
    for key, coefficients in collected.items():
        dense = np.zeros(max(coefficients) + 1, dtype=np.complex128)
        dense[list(coefficients)] = list(coefficients.values())
        found[key] = dense if dense.imag.any() else dense.real
    return found


def _expectation(factors: list[Factor], kernel: Array) -> tuple[Array, Array]:
    """``<prod_i f_i(x_i)>`` at kernels (B, d, d), and its rounding error."""
    value, error = np.zeros(len(kernel)), np.zeros(len(kernel))
    size = int(np.prod([max((len(c) for c in f.values()), default=1) for f in factors]))
    step = max(1, _TABLE // size)
    for start in range(0, len(kernel), step):
        part = slice(start, start + step)
        for choice in product(*(f.items() for f in factors)):
            exponents, polynomials = [key for key, _ in choice], [c for _, c in choice]
            one, uncertain = _one_expectation(exponents, polynomials, kernel[part])
            value[part] += one
            error[part] += uncertain
    return value, error


def _one_expectation(
    exponents: list[tuple[complex, float]], polynomials: list[Numbers], kernel: Array
) -> tuple[Array, Array]:
    tilted = _tilt(exponents, kernel)
    if np.any(tilted.log_weight.real > 700):
        raise NumericsError("the Gaussian moments are too large for a float64")
    weight = np.exp(tilted.log_weight)
    one = weight * polynomial_mean(tilted.mean, tilted.covariance, polynomials)
    size = polynomial_mean(
        np.abs(tilted.mean), np.abs(tilted.covariance), [np.abs(c) for c in polynomials]
    )
    steps = 2 + sum(len(c) for c in polynomials) + tilted.rounding
    return one.real, _EPS * steps * np.abs(weight) * size


def _tilt(exponents: list[tuple[complex, float]], kernel: Array) -> _Tilted:
    """The Gaussian of covariance `kernel` (B, d, d) times ``exp(sum_i a_i x_i + b_i x_i^2)``."""
    a = np.array([key[0] for key in exponents])
    b = np.array([key[1] for key in exponents])
    a = a if a.imag.any() else a.real
    log_weight: Numbers = np.zeros(len(kernel))
    rounding = np.zeros(len(kernel))
    if np.any(b != 0):
        root = _root(kernel)
        # 1 - 2 K B has the eigenvalues of 1 - 2 R^T B R, K = R R^T, which is symmetric
        w, v = np.linalg.eigh(np.eye(len(b)) - 2 * (root.swapaxes(1, 2) * b) @ root)
        if np.any(w < len(b) * _EPS):
            raise ValueError("the Gaussian moments diverge: exp(b x^2) outgrows the Gaussian")
        rotated = root @ v
        kernel = (rotated / w[:, None, :]) @ rotated.swapaxes(1, 2)
        log_weight = -np.log(w).sum(axis=1) / 2
        rounding = len(b) / np.minimum(w[:, 0], 1.0)
    covariance = np.moveaxis(kernel, 0, -1)
    mean = np.tensordot(a, covariance, 1)
    rounding = rounding + np.tensordot(np.abs(a), np.abs(mean), 1)
    return _Tilted(mean, covariance, log_weight + np.tensordot(a, mean, 1) / 2, rounding)


def _root(kernel: Array) -> Array:
    """``R`` with ``R R^T = K``, each row to its own relative accuracy."""
    deviation = np.sqrt(np.diagonal(kernel, axis1=1, axis2=2))
    safe = np.where(deviation == 0, 1.0, deviation)
    w, v = np.linalg.eigh(kernel / safe[:, :, None] / safe[:, None, :])
    return np.asarray(deviation[:, :, None] * v * np.sqrt(np.maximum(w, 0.0))[:, None, :])


@lru_cache(maxsize=256)
def _taylor(sigma: PolyExp, power: int, order: int) -> Array:
    """Taylor coefficients of ``(sigma^p)^(r)`` at 0; those that vanish are exactly 0."""
    size = max(_DEGREES) + 1 + order
    total, magnitude = np.zeros(size, dtype=np.complex128), np.zeros(size)
    for c, p, a, b in sigma.terms:
        series = np.zeros(size, dtype=np.complex128)
        series[p : p + 1] = c
        # e = exp(ax + bx^2): n e_n = a e_{n-1} + 2b e_{n-2}
        for n in range(1, size - p):
            curved = 2 * b * series[p + n - 2] if n > 1 else 0
            series[p + n] = (a * series[p + n - 1] + curved) / n
        total += series
        magnitude += np.abs(series)
    one = np.where(np.abs(total) < 2 * size * _EPS * magnitude, 0.0, total.real)
    found: Array = np.eye(1, size)[0]
    for _ in range(power):
        found = np.convolve(found, one)[:size]
    for _ in range(order):
        found = found[1:] * np.arange(1, len(found))
    return found


def _taylor_degrees(sigma: PolyExp, kernel: Array, term: Term) -> Array:
    """Degrees (B, d) that suffice for each factor's Taylor series, -1 where none does.

    By the sizes of its parts in the norm of ``L^d``: ``|t_n| <|x|^{nd}>^{1/d}``. The variance is
    the one the input can have once the other inputs' exponentials have moved its mean.
    """
    powers, orders = term
    d = len(powers)
    rate = max(max(abs(a), sqrt(2 * abs(b))) for _, _, a, b in sigma.terms)
    variance = np.diagonal(kernel, axis1=1, axis2=2)
    moved = np.sum(variance * (rate * np.array(powers)) ** 2, axis=1, keepdims=True)
    log_deviation = np.log(np.maximum(variance * (1 + moved), 1e-300)) / 2
    longest = _DEGREES[min(d, len(_DEGREES)) - 1]
    n = np.arange(longest + 1)
    log_norm = n / 2 * np.log(2) + (gammaln((n * d + 1) / 2) - gammaln(0.5)) / d
    degrees = np.full(variance.shape, -1)
    for i, (p, r) in enumerate(zip(powers, orders, strict=True)):
        coefficients = np.abs(_taylor(sigma, p, r)[: longest + 1])
        # scaled so that no part underflows: only ratios matter
        logs = np.log(np.where(coefficients > 0, coefficients, 1.0)) + log_norm
        logs = np.where(coefficients > 0, logs + np.multiply.outer(log_deviation[:, i], n), -np.inf)
        kept = logs > logs.max(axis=1, keepdims=True) + np.log(_NEGLECTED)
        last = longest - np.argmax(kept[:, ::-1], axis=1)
        degrees[:, i] = np.where(last < longest - 1, last, -1)
    return degrees
