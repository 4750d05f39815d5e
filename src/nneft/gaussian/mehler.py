"""Two smooth inputs, high derivatives: Mehler's series with the derivatives divided.

With ``c_n = <f^(a)(s z) he_n(z)>``, Stein's identity gives the Hermite coefficients of a derivative

    <f^(a+b)(s z) he_n(z)> = c_{n+b} sqrt((n+b)! / n!) / s^b,

for any division ``r = a + b``, and ``<f(phi_a) g(phi_b)> = sum_n rho^n f_n g_n``. As for one input
(`stein`) derivatives lose digits at one end and weights at the other; here both inputs choose.
"""

from math import ceil, log
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from nneft.activations.base import Activation
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.factors import (
    Factor,
    Pilot,
    factor_values,
    highest_orders,
    is_odd,
    pilots,
)
from nneft.gaussian.hermite import hermite_functions, rule_for
from nneft.gaussian.lattice import ROUNDING

#: Longest series, and minus the logarithm of what powers of the correlation come down to.
LONGEST, DIGITS = 640, 70.0


def suits(kernel: Array) -> bool:
    """Whether the series for this kernel is short enough."""
    return _length(kernel) is not None


def moments(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """``< (sigma^p)^(r)(phi_a) (sigma^q)^(t)(phi_b) >``: values and errors of all terms.

    Parameters
    ----------
    activation
        Smooth.
    kernel : (2, 2)
        One that `suits`.

    Raises
    ------
    ValueError
        The moments diverge.
    nneft.NumericsError
        A variance is too large for the length over which the activation varies.
    """
    length = _length(kernel)
    if length is None:
        raise ValueError("the correlation is too large for a series; take the lattice")
    rho = float(kernel[0, 1]) / np.sqrt(float(kernel[0, 0]) * float(kernel[1, 1]))
    each = [[(p[i], r[i]) for p, r in terms] for i in (0, 1)]
    factors = [sorted(set(column)) for column in each]
    one, two = (
        _coefficients(activation, float(kernel[i, i]), factors[i], length, abs(rho)) for i in (0, 1)
    )
    decay = rho ** np.arange(length)
    values = (one.values * decay) @ two.values.T
    size = np.abs(decay)
    errors = (one.errors * size) @ np.abs(two.values).T + (np.abs(one.values) * size) @ two.errors.T
    # beyond the last one: Cauchy-Schwarz, and roots of factorials that grow less than rho^n falls
    errors += abs(rho) ** length * np.outer(one.beyond, two.beyond)
    at = tuple(
        np.array([known.index(f) for f in column])
        for known, column in zip(factors, each, strict=True)
    )
    live = np.array([not is_odd(activation, *term) for term in terms])
    return Moments(np.where(live, values[at], 0.0), np.where(live, errors[at], 0.0))


def _length(kernel: Array) -> int | None:
    variance = float(kernel[0, 0]) * float(kernel[1, 1])
    if variance <= 0.0:
        return None
    rho = min(abs(float(kernel[0, 1])) / np.sqrt(variance), 1.0)
    if rho == 1.0:
        return None
    length = 2 + max(30, ceil(DIGITS / -log(rho))) if rho > 0.0 else 32
    return length if length <= LONGEST else None


class _Coefficients(NamedTuple):
    """Hermite coefficients of factors and their errors (F, n), and the size of what is beyond."""

    values: Array
    errors: Array
    beyond: Array


def _coefficients(
    activation: Activation, variance: float, factors: list[Factor], length: int, rho: float
) -> _Coefficients:
    deviation = float(np.sqrt(variance))
    orders = highest_orders(factors)
    looks = pilots(activation, np.array([deviation]), orders)
    # a weight of order b costs sqrt(b!) / s^b, and its shift of the series as much again as that of
    # the deviation left by the other input
    left = deviation * np.sqrt(1.0 - rho)
    taken = {(p, r): _taken(looks[p], left, r) for p, r in factors}
    whole = sorted({(p, taken[p, r]) for p, r in factors})
    most = max(r - taken[p, r] for p, r in factors)
    rule = rule_for(activation, np.array([variance]), whole, length=length + most, squares=True)
    hermite = hermite_functions(rule, length + most)
    coarse = hermite[::2] * 2.0
    known = factor_values(activation, deviation * rule.z, whole)
    f = np.array([known[factor] for factor in whole])
    norms = np.sqrt(np.square(f) @ rule.weights)
    sums = f @ hermite
    safe = np.where(norms > 0.0, norms, 1.0)[:, None]
    # aliasing: e(h) = e(2h)^2
    wrong = np.minimum(np.abs(sums - f[:, ::2] @ coarse) / safe, 1.0) ** 2
    noise = np.array([looks[p].noise[a, 0] for p, a in whole])
    errors = norms[:, None] * (wrong + noise[:, None] + 4.0 * ROUNDING)
    rows = np.array([whole.index((p, taken[p, r])) for p, r in factors])
    b = np.array([r - taken[p, r] for p, r in factors])[:, None]
    n = np.arange(length)
    scale = np.exp(0.5 * (gammaln(n + b + 1.0) - gammaln(n + 1.0)) - b * log(deviation))
    ends = np.exp(0.5 * (gammaln(length + b + 1.0) - gammaln(length + 1.0)) - b * log(deviation))
    found = sums[rows[:, None], n + b] * scale
    # exponentials of logarithms of factorials round
    lost = errors[rows[:, None], n + b] * scale + np.where(b > 0, 1e-14, 0.0) * np.abs(found)
    return _Coefficients(found, lost, norms[rows] * ends[:, 0])


def _taken(look: Pilot, deviation: float, order: int) -> int:
    """How many of the derivatives to take, by what is lost."""
    a = np.arange(order + 1)
    b = order - a
    with np.errstate(invalid="ignore"):
        size = look.logs[: order + 1, 0] + np.log(look.noise[: order + 1, 0] + ROUNDING)
    size = size + 0.5 * gammaln(b + 1.0) - b * log(deviation)
    return int(np.argmin(np.where(np.isnan(size), np.inf, size)))
