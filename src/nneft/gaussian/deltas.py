"""Homogeneous activations differentiated beyond their kink: the deltas taken exactly.

Of ``sigma = a_- x (x < 0), a_+ x (x > 0)`` the derivative ``(sigma^p)^(p+1+k)`` is
``p! (a_+^p - a_-^p) delta^(k)``. Under the Gaussian a delta fixes its input, with ``c_b =
K_ab / K_aa`` and ``rho`` the density of ``phi_a``::

    <delta^(k)(phi_a) g> = (-1)^k sum_j binom(k, j) rho^(k-j)(0) < (sum_b c_b d_b)^j g >_K'
    K' = K_bb' - K_ab K_ab' / K_aa

which leaves one input less, and in the end functions alone.
"""

from collections.abc import Iterator
from math import comb, factorial, pi, prod, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian import homogeneous, nested
from nneft.gaussian.base import Array, Moments, Term, Terms

_EPS = float(np.finfo(np.float64).eps)
#: A conditional variance below this part of the variance is rounding: the input is fixed as well.
_FIXED = 16.0 * _EPS


def moments(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """``< prod_a (sigma^{p_a})^{(r_a)}(phi_a) >_K``, any derivatives, any number of inputs.

    Parameters
    ----------
    activation
        Homogeneous: its `slopes` are not None.
    kernel : (d, d)
        Positive semi-definite. What diverges where it is singular counts as 0, as in
        `homogeneous`.
    terms
        Any powers from 1 on and any derivatives.
    """
    found = [_moment(activation, np.asarray(kernel, dtype=np.float64), *term) for term in terms]
    return Moments(*(np.array(part, dtype=np.float64) for part in zip(*found, strict=True)))


def _moment(
    activation: Activation, kernel: Array, powers: tuple[int, ...], orders: tuple[int, ...]
) -> tuple[float, float]:
    """Value and error of one term."""
    beyond = [r - p for p, r in zip(powers, orders, strict=True)]
    if not beyond:
        return 1.0, 0.0
    if max(beyond) <= 0:
        return _of_functions(activation, kernel, (powers, orders))
    a = int(np.argmax(beyond))
    variance, p, k = float(kernel[a, a]), powers[a], beyond[a] - 1
    assert activation.slopes is not None
    jump = factorial(p) * (activation.slopes[1] ** p - activation.slopes[0] ** p)
    if variance <= 0.0 or jump == 0.0:
        return 0.0, 0.0
    rest = [b for b in range(len(powers)) if b != a]
    c = kernel[a, rest] / variance
    conditional, lost = _conditional(kernel, a, rest)
    value = error = 0.0
    for j in range(k + 1):
        density = comb(k, j) * _density(variance, k - j)
        for shared in _shares(j, len(rest)) if density else ():
            # (sum_b c_b d_b)^j
            ways = factorial(j) / prod(map(factorial, shared))
            factor = density * ways * prod(float(x) ** n for x, n in zip(c, shared, strict=True))
            left = tuple(orders[b] + n for b, n in zip(rest, shared, strict=True))
            kept = tuple(powers[b] for b in rest)
            part, uncertain = _moment(activation, conditional, kept, left)
            value += factor * part
            error += abs(factor) * (uncertain + (8.0 * _EPS + lost * (1 + sum(left))) * abs(part))
    return (-1) ** k * jump * value, abs(jump) * error


def _of_functions(activation: Activation, kernel: Array, term: Term) -> tuple[float, float]:
    """No deltas: the closed form where there is one, else panels."""
    # The pairs' closed form is that of an even number of derivatives, which kernels ask for.
    if homogeneous.covers(term) and (len(kernel) != 2 or sum(term[1]) % 2 == 0):
        assert activation.slopes is not None
        found = homogeneous.moments(activation.slopes, kernel, [term])
    else:
        found = nested.moments(activation, kernel, [term])
    return float(found.values[0]), float(found.errors[0])


def _conditional(kernel: Array, a: int, rest: list[int]) -> tuple[Array, float]:
    """Kernel of the others given ``phi_a = 0``, and its relative rounding."""
    others = kernel[np.ix_(rest, rest)]
    conditional = others - np.outer(kernel[a, rest], kernel[a, rest]) / kernel[a, a]
    whole, left = np.diag(others), np.diag(conditional)
    fixed = left <= _FIXED * whole
    conditional[fixed] = 0.0
    conditional[:, fixed] = 0.0
    lost = np.where(fixed, 0.0, whole / np.where(fixed, 1.0, left))
    return conditional, _EPS * float(np.max(lost, initial=0.0))


def _density(variance: float, order: int) -> float:
    """Derivative of the density ``exp(-x^2 / 2 K) / sqrt(2 pi K)`` at 0."""
    if order % 2:
        return 0.0
    double = prod(range(1, order, 2))
    return float((-1) ** (order // 2) * double / variance ** (order // 2) / sqrt(2 * pi * variance))


def _shares(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Ways to share a number among parts; none if there is nothing to share it among."""
    if parts == 0:
        if total == 0:
            yield ()
        return
    for first in range(total + 1):
        for others in _shares(total - first, parts - 1):
            yield (first, *others)
