"""Truncated Taylor series in one variable, over arrays of base points.

Every function is a recurrence from the differential equation it solves, written in quantities
that keep their relative accuracy: ``tanh`` together with ``sech^2`` (never ``1 - tanh^2``),
Gaussians with an exact square in the exponent. Odd coefficients of an even function vanish
linearly at the origin, and tails underflow to zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FUNCTIONS", "Taylor", "variable"]

FloatArray: TypeAlias = NDArray[np.float64]


@final
class Taylor:
    """``f(x + h) = sum_k coefficients[k] h^k``, truncated above ``h^order``.

    Attributes
    ----------
    coefficients
        (m, ..) float64 with ``m <= order + 1``; those not stored are zero.
    order
        Highest power kept.
    """

    __slots__ = ("coefficients", "order")
    __array_ufunc__ = None  # NumPy arrays on the left defer to the reflected operators

    def __init__(self, coefficients: FloatArray, order: int) -> None:
        self.coefficients = coefficients[: order + 1]
        self.order = order

    def padded(self) -> FloatArray:
        """All ``order + 1`` coefficients, (order+1, ..)."""
        c = self.coefficients
        if len(c) == self.order + 1:
            return c
        return np.concatenate([c, np.zeros((self.order + 1 - len(c), *c.shape[1:]))])

    def derivatives(self) -> FloatArray:
        """``f^(k) = k! c_k`` for k = 0..order, (order+1, ..)."""
        c = self.padded()
        factorials = np.array([float(math.factorial(k)) for k in range(self.order + 1)])
        out: FloatArray = c * factorials.reshape(-1, *[1] * (c.ndim - 1))
        return out

    def with_value(self, value: FloatArray) -> Taylor:
        """The same series with the zeroth coefficient replaced."""
        c = self.coefficients.copy()
        c[0] = value
        return Taylor(c, self.order)

    def __neg__(self) -> Taylor:
        return Taylor(-self.coefficients, self.order)

    def __add__(self, other: Taylor | float) -> Taylor:
        if not isinstance(other, Taylor):
            return self.with_value(self.coefficients[0] + other)
        a, b = self.coefficients, other.coefficients
        if len(a) < len(b):
            a, b = b, a
        c = a.copy()
        c[: len(b)] += b
        return Taylor(c, self.order)

    __radd__ = __add__

    def __sub__(self, other: Taylor | float) -> Taylor:
        return self + (-other)

    def __rsub__(self, other: float) -> Taylor:
        return (-self) + other

    def __mul__(self, other: Taylor | float) -> Taylor:
        if not isinstance(other, Taylor):
            return Taylor(self.coefficients * other, self.order)
        a, b = self.coefficients, other.coefficients
        if len(a) > len(b):
            a, b = b, a
        c = np.zeros((min(self.order + 1, len(a) + len(b) - 1), *a.shape[1:]))
        for i in range(len(a)):
            part = b[: len(c) - i]
            c[i : i + len(part)] += a[i] * part
        return Taylor(c, self.order)

    __rmul__ = __mul__

    def __truediv__(self, other: Taylor | float) -> Taylor:
        if not isinstance(other, Taylor):
            return Taylor(self.coefficients / other, self.order)
        return _divide(self, other)

    def __rtruediv__(self, other: float) -> Taylor:
        numerator = np.full_like(self.coefficients[:1], other)
        return _divide(Taylor(numerator, self.order), self)


def variable(x: FloatArray, order: int) -> Taylor:
    """The variable itself, ``x + h``, about every point of ``x``."""
    return Taylor(np.stack([x, np.ones_like(x)]), order)


def _weights(u: Taylor) -> FloatArray:
    """``k u_k``: the coefficients of ``h u'(x + h)``."""
    c = u.coefficients
    out: FloatArray = c * np.arange(float(len(c))).reshape(-1, *[1] * (c.ndim - 1))
    return out


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    out: FloatArray = np.einsum("j...,j...->...", a, b)
    return out


def _chain(w: FloatArray, y: FloatArray, k: int) -> FloatArray:
    """``[h u' y]_k = sum_{j>=1} w_j y_{k-j}`` with ``w_j = j u_j``."""
    top = min(k, len(w) - 1)
    if top == 0:
        return np.zeros_like(y[0])
    return _dot(w[1 : top + 1], y[k - top : k][::-1])


def _empty(u: Taylor) -> FloatArray:
    return np.zeros((u.order + 1, *u.coefficients.shape[1:]))


def _integral(u: Taylor, rate: Taylor, value: FloatArray) -> Taylor:
    """``y`` with ``y' = rate u'`` and ``y_0 = value``: ``k y_k = sum_j j u_j rate_{k-j}``."""
    w, r, y = _weights(u), rate.padded(), _empty(u)
    y[0] = value
    for k in range(1, u.order + 1):
        y[k] = _chain(w, r, k) / k
    return Taylor(y, u.order)


def _divide(a: Taylor, b: Taylor) -> Taylor:
    # a = y b:  y_k = (a_k - sum_{j>=1} b_j y_{k-j}) / b_0
    numerator, bc, y = a.padded(), b.coefficients, _empty(b)
    y[0] = numerator[0] / bc[0]
    for k in range(1, b.order + 1):
        y[k] = (numerator[k] - _chain(bc, y, k)) / bc[0]
    return Taylor(y, b.order)


def _exp_from(u: Taylor, value: FloatArray) -> Taylor:
    # y' = y u'
    w, y = _weights(u), _empty(u)
    y[0] = value
    for k in range(1, u.order + 1):
        y[k] = _chain(w, y, k) / k
    return Taylor(y, u.order)


def exp(u: Taylor) -> Taylor:
    """``exp(u)``."""
    return _exp_from(u, np.exp(u.coefficients[0]))


def expm1(u: Taylor) -> Taylor:
    """``exp(u) - 1``, relatively accurate where ``u -> 0``."""
    return exp(u).with_value(np.expm1(u.coefficients[0]))


def log(u: Taylor) -> Taylor:
    """``log(u)``, ``u > 0``."""
    # u y' = u':  k y_k u_0 = k u_k - sum_{j=1}^{k-1} u_j (k-j) y_{k-j}
    c, ky, y = u.coefficients, _empty(u), _empty(u)
    y[0] = np.log(c[0])
    for k in range(1, u.order + 1):
        top = min(k - 1, len(c) - 1)
        known = _dot(c[1 : top + 1], ky[k - top : k][::-1]) if top else 0.0
        ky[k] = ((k * c[k] if k < len(c) else 0.0) - known) / c[0]
        y[k] = ky[k] / k
    return Taylor(y, u.order)


def _power(u: Taylor, p: float, value: FloatArray) -> Taylor:
    # u y' = p y u':  k u_0 y_k = sum_{j>=1} (p j - (k - j)) u_j y_{k-j}
    c, w, y = u.coefficients, _weights(u), _empty(u)
    y[0] = value
    for k in range(1, u.order + 1):
        y[k] = ((p + 1) * _chain(w, y, k) - k * _chain(c, y, k)) / (k * c[0])
    return Taylor(y, u.order)


def power(u: Taylor, p: float) -> Taylor:
    """``u^p`` for any real constant ``p``, ``u > 0``."""
    return _power(u, p, u.coefficients[0] ** p)


def sqrt(u: Taylor) -> Taylor:
    """``sqrt(u)``, ``u > 0``."""
    return _power(u, 0.5, np.sqrt(u.coefficients[0]))


def _sine_and_cosine(u: Taylor) -> tuple[Taylor, Taylor]:
    # s' = c u',  c' = -s u'
    w, s, c = _weights(u), _empty(u), _empty(u)
    s[0], c[0] = np.sin(u.coefficients[0]), np.cos(u.coefficients[0])
    for k in range(1, u.order + 1):
        s[k], c[k] = _chain(w, c, k) / k, -_chain(w, s, k) / k
    return Taylor(s, u.order), Taylor(c, u.order)


def sin(u: Taylor) -> Taylor:
    """``sin(u)``."""
    return _sine_and_cosine(u)[0]


def cos(u: Taylor) -> Taylor:
    """``cos(u)``."""
    return _sine_and_cosine(u)[1]


def tanh(u: Taylor) -> Taylor:
    """``tanh(u)``, its derivatives relatively accurate in the tails too."""
    # y' = s u',  s = sech^2:  s' = -2 y s u'.  1 - y^2 would cancel in the tails.
    w, y, s, ys = _weights(u), _empty(u), _empty(u), _empty(u)
    decay = np.exp(-2.0 * np.abs(u.coefficients[0]))
    y[0], s[0] = np.tanh(u.coefficients[0]), 4.0 * decay / (1.0 + decay) ** 2
    ys[0] = y[0] * s[0]
    for k in range(1, u.order + 1):
        y[k], s[k] = _chain(w, s, k) / k, -2.0 * _chain(w, ys, k) / k
        ys[k] = _dot(y[: k + 1], s[k::-1])
    return Taylor(y, u.order)


def _logistic(x: FloatArray) -> FloatArray:
    decay = np.exp(-np.abs(x))
    out: FloatArray = np.where(x < 0.0, decay, 1.0) / (1.0 + decay)
    return out


def sigmoid(u: Taylor) -> Taylor:
    """``1/(1 + exp(-u))``."""
    return (tanh(u * 0.5) * 0.5).with_value(_logistic(u.coefficients[0]))


def softplus(u: Taylor) -> Taylor:
    """``log(1 + exp(u))``."""
    x = u.coefficients[0]
    value = np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
    return _integral(u, sigmoid(u), value)


def gaussian(x: FloatArray, rate: float) -> FloatArray:
    """``exp(-rate x^2)`` to rounding in the tails: the square is taken exactly (Dekker)."""
    x = np.clip(x, -1e6, 1e6)
    high = 134217729.0 * x  # 2^27 + 1
    high = high - (high - x)
    low = x - high
    square = x * x
    rest = ((high * high - square) + 2.0 * high * low) + low * low
    out: FloatArray = np.exp(-rate * square) * (1.0 - rate * rest)
    return out


def erf(u: Taylor) -> Taylor:
    """The error function."""
    from scipy import special

    # y' = 2/sqrt(pi) exp(-u^2) u'
    x = u.coefficients[0]
    rate = _exp_from(-(u * u), gaussian(x, 1.0)) * (2.0 / math.sqrt(math.pi))
    return _integral(u, rate, special.erf(x))


def ndtr(u: Taylor) -> Taylor:
    """The normal distribution function, ``(1 + erf(u/sqrt(2)))/2``, accurate on the left too."""
    from scipy import special

    x = u.coefficients[0]
    bell = gaussian(x, 0.5)
    # left tail: Phi = exp(-x^2/2) erfcx(-x/sqrt(2))/2, where erfc's own square would be rounded
    left = 0.5 * bell * special.erfcx(np.maximum(-x, 0.0) / math.sqrt(2.0))
    value = np.where(x < 0.0, left, special.ndtr(x))
    rate = _exp_from(u * u * -0.5, bell) * (1.0 / math.sqrt(2.0 * math.pi))
    return _integral(u, rate, value)


FUNCTIONS: Mapping[str, Callable[[Taylor], Taylor]] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "sqrt": sqrt,
    "sin": sin,
    "cos": cos,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": erf,
    "ndtr": ndtr,
}
