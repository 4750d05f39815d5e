"""Derivatives of powers of a kinked activation, as distributions.

With ``[f]`` the piecewise regular part and ``J_j(k)`` the jump of the j-th derivative at ``k``,

    f^(r) = [f^(r)] + sum_k sum_{m<r} J_{r-1-m}(k) delta^(m)(x - k).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import factorial

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian.base import Array
from nneft.gaussian.factors import Factor, factor_values, power_series

#: Jumps below this, relative to what sigma and its derivatives make there, are rounding.
_ROUNDING = 1e-13
#: Derivatives with larger errors come from differences, not from a formula.
_NUMERICAL = 1e-13


def regular(
    activation: Activation, x: Array, factors: list[Factor], side: int | None = None
) -> Array:
    """Regular parts of ``(sigma^p)^(r)`` at x, for each (p, r): (factors, shape of x).

    On a kink the limit from the `side` asked for, +1 or -1; if it does not matter, either or
    sigma's own value.
    """
    known = factor_values(activation, np.asarray(x), factors, side)
    out = np.empty((len(factors), *np.shape(x)))
    for row, factor in zip(out, factors, strict=True):
        row[...] = known[factor]
    return out


def at_points(activation: Activation, x: Array, factors: list[Factor]) -> Array:
    """As :func:`regular`, but on a kink the mean of both sides: the limit of a symmetric peak."""
    values = regular(activation, x, factors)
    kinks = np.array(activation.kinks)
    size = np.maximum(np.abs(x)[..., None], np.abs(kinks))
    on = (np.abs(x[..., None] - kinks) <= 4 * np.finfo(np.float64).eps * size).any(axis=-1)
    if on.any():
        # the kink itself, not the rounded x, which may lie a little beside it
        points = kinks[np.abs(x[on][:, None] - kinks).argmin(axis=-1)]
        sides = [regular(activation, points, factors, side) for side in (1, -1)]
        values[:, on] = 0.5 * (sides[0] + sides[1])
    return values


@lru_cache(maxsize=1024)
def jumps(activation: Activation, power: int, order: int) -> tuple[tuple[float, ...], ...]:
    """Jumps of derivatives 0..order of ``sigma^power``: one tuple of them for each kink."""
    kinks = np.array(activation.kinks)
    highest = max(order, 2)
    factors = [(power, r) for r in range(highest + 1)]
    right, left = (regular(activation, kinks, factors, side) for side in (1, -1))
    size = np.maximum(np.abs(right), np.abs(left))
    summed = _summed(activation, power, highest)
    found = right - left
    # a difference of rounding must not become a delta function: at small K it would be seen
    for j in range(highest + 1):
        lower = np.arange(max(j, 2) + 1)
        natural = (size[lower] * (activation.scale ** (lower - float(j)))[:, None]).max(axis=0)
        noise = _ROUNDING * np.maximum(summed[j], size[lower[-1]] if j < 2 else 0.0)
        if activation.derivative_error(j) > _NUMERICAL:
            noise = np.maximum(noise, 10.0 * activation.derivative_error(j) * natural)
        found[j][np.abs(found[j]) <= noise] = 0.0
    return tuple(tuple(column) for column in found[: order + 1].T.tolist())


def _summed(activation: Activation, power: int, highest: int) -> Array:
    """What derivatives of a power are summed up from at the kinks, absolute: (highest + 1, kinks).

    Where sums cancel, their rounding is relative to this.
    """
    factorials = np.array([float(factorial(r)) for r in range(highest + 1)])[:, None]
    total = np.zeros((highest + 1, len(activation.kinks)))
    for side in (1, -1):
        own = activation.derivatives(np.array(activation.kinks), highest, side)
        taylor = power_series(np.abs(own) / factorials, {power: highest})[power]
        total = np.maximum(total, taylor[: highest + 1] * factorials)
    return total


def hermite_sum(coefficients: list[float], y: Array) -> Array:
    """``sum_m c_m He_m(y)``, by Clenshaw's recurrence from He_{m+1} = y He_m - m He_{m-1}."""
    now, after = np.zeros_like(y), np.zeros_like(y)
    for m in range(len(coefficients) - 1, -1, -1):
        now, after = coefficients[m] + y * now - (m + 1) * after, now
    return now


@dataclass(frozen=True)
class Distribution:
    """``[(sigma^power)^(order)] + sum_k sum_m deltas[k][m] delta^(m)(x - kinks[k])``."""

    activation: Activation
    power: int
    order: int
    deltas: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, activation: Activation, power: int, order: int) -> "Distribution":
        """``(sigma^power)^(order)``, delta functions included."""
        return _distribution(activation, power, order)

    @classmethod
    def function(cls, activation: Activation, power: int, order: int) -> "Distribution":
        """The regular part of ``(sigma^power)^(order)`` alone."""
        return cls(activation, power, order, ((),) * len(activation.kinks))

    @property
    def factor(self) -> Factor:
        """Which regular part."""
        return (self.power, self.order)

    @cached_property
    def is_function(self) -> bool:
        """Whether no delta function is left."""
        return not any(any(column) for column in self.deltas)

    def derivative(self) -> "Distribution":
        """``d/dx``: [f]' = [f'] + sum_k J_0(k) delta(x - k), and every delta one order up."""
        steps = jumps(self.activation, self.power, self.order)
        deltas = tuple(
            (step[self.order], *column) for step, column in zip(steps, self.deltas, strict=True)
        )
        return Distribution(self.activation, self.power, self.order + 1, deltas)

    def singular_mean(self, mean: Array, width: float) -> Array:
        """``E`` of the delta part under ``N(mean, width^2)``, shaped as `mean`; 0 at width 0.

        int delta^(m)(x-k) p(x) dx = (-1)^m p^(m)(k) = He_m(y) p(k) / width^m, y = (k-mean)/width
        """
        total = np.zeros_like(mean)
        if width == 0.0:
            return total
        for kink, column in zip(self.activation.kinks, self.deltas, strict=True):
            y = (kink - mean) / width
            coefficients = [c / width**m for m, c in enumerate(column)]
            if any(coefficients):
                peak = np.exp(-0.5 * y * y) / (np.sqrt(2.0 * np.pi) * width)
                total += peak * hermite_sum(coefficients, y)
        return total


@lru_cache(maxsize=1024)
def _distribution(activation: Activation, power: int, order: int) -> Distribution:
    if order == 0:
        return Distribution.function(activation, power, 0)
    steps = jumps(activation, power, order - 1)
    return Distribution(activation, power, order, tuple(column[::-1] for column in steps))
