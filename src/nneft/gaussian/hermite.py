"""Hermite coefficients of the factors of many inputs at once, for smooth activations.

``f_n = <f(s z) he_n(z)>`` with ``he_n = He_n / sqrt(n!)``, orthonormal under the unit Gaussian, by
the trapezoidal rule on one set of nodes that serves all inputs.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2, pi, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian.base import Array
from nneft.gaussian.factors import Factor, factor_values
from nneft.gaussian.lattice import DIGITS, ROUNDING, spacing
from nneft.gaussian.roots import reach

#: Values of factors held at once; memory stays bounded for any number of inputs.
BLOCK_ENTRIES = 4_000_000


class Rule:
    """A trapezoidal rule on the line: multiples of `step` from ``-count`` to ``count``."""

    def __init__(self, step: float, count: int) -> None:
        self.key = (step, count)
        self.z: Array = np.asarray(step * np.arange(-count, count + 1), dtype=np.float64)
        self.weights: Array = step / sqrt(2.0 * pi) * np.exp(-0.5 * self.z**2)


def rule_for(
    activation: Activation,
    variances: Array,
    factors: list[Factor],
    *,
    length: int = 0,
    squares: bool = False,
) -> Rule:
    """A rule for all these variances and factors, times ``he_n`` up to ``n = length``.

    With `squares` the factors' squares are integrated on it too.
    """
    deviation = float(np.sqrt(np.max(variances, initial=0.0)))
    power = max(p for p, _ in factors) * (2 if squares else 1)
    furthest = reach(activation, deviation, power, DIGITS[0])
    if length:
        # |he_n(z)| exp(-z^2/4) is bounded: only exp(-z^2/4) is left to cut the sum off.
        furthest *= sqrt(2.0)
    strip = activation.scale / deviation if deviation > 0.0 else np.inf
    # A square doubles the order of a pole. The error is judged by the square of that of twice the
    # spacing, whatever multiplies the exponentials: half the digits more, cheap in one dimension.
    pole = 2 * max(p + r for p, r in factors)
    # he_n(z) exp(-z^2/4) oscillates with wave numbers up to sqrt(n + 1/2).
    wave = 2.0 * pi / spacing(strip, 1.5 * DIGITS[0], pole) + (sqrt(length + 0.5) if length else 0)
    # Rounded down to a power of 2^(1/4), so that tables of Hermite functions can be kept.
    step = 2.0 ** (-ceil(4.0 * log2(wave / (2.0 * pi))) / 4.0)
    return Rule(step, 2 * ceil(0.5 * furthest / step))


@dataclass(frozen=True)
class Coefficients:
    """Hermite coefficients of each factor (F) for each input (N).

    Attributes
    ----------
    values
        For each factor an (N, length) array.
    norms : (F, N)
        ``<f^2>``.
    tails : (F, N)
        ``<f^2> - sum_n f_n^2``: what lies beyond the last coefficient, at least its own rounding.
    noise : (F, N)
        Error of the coefficients relative to ``sqrt(norms)``.
    """

    values: list[Array]
    norms: Array
    tails: Array
    noise: Array


def coefficients(
    activation: Activation, variances: Array, factors: list[Factor], length: int
) -> Coefficients:
    """The first `length` Hermite coefficients of every factor at every variance."""
    rule = rule_for(activation, variances, factors, length=length, squares=True)
    hermite = hermite_functions(rule.key, length)
    first_two = np.stack([rule.weights, rule.z * rule.weights], axis=1)
    found = [np.zeros((len(variances), length)) for _ in factors]
    norms, tails, noise = (np.zeros((len(factors), len(variances))) for _ in range(3))
    for block in blocks(len(variances), len(rule.z)):
        x = np.sqrt(variances[block])[:, None] * rule.z
        values = factor_values(activation, x, set(factors))
        for i, factor in enumerate(factors):
            f = values[factor]
            found[i][block] = f @ hermite
            norm = f**2 @ rule.weights
            # Aliasing, from the rule of twice the spacing: e(h) = e(2h)^2.
            difference = f @ first_two - f[:, ::2] @ (2.0 * first_two[::2])
            safe = np.where(norm > 0.0, norm, 1.0)
            norms[i, block] = norm
            noise[i, block] = np.max(difference**2, axis=1) / safe + 4.0 * ROUNDING
            left = norm - np.sum(found[i][block] ** 2, axis=1)
            tails[i, block] = np.maximum(left, 2.0 * ROUNDING * norm)
    return Coefficients(found, norms, tails, noise)


@lru_cache(maxsize=12)
def hermite_functions(key: tuple[float, int], length: int) -> Array:
    """``weight(z) he_n(z)`` on the nodes of a rule: (nodes, length)."""
    z = Rule(*key).z
    # he_{n+1} = (z he_n - sqrt(n) he_{n-1}) / sqrt(n+1), times exp(-z^2/4) throughout.
    table = np.empty((length, len(z)))
    table[0] = np.exp(-0.25 * z**2)
    table[1] = z * table[0]
    for n in range(1, length - 1):
        table[n + 1] = (z * table[n] - sqrt(n) * table[n - 1]) / sqrt(n + 1.0)
    table *= key[0] / sqrt(2.0 * pi) * np.exp(-0.25 * z**2)
    return np.ascontiguousarray(table.T)


def blocks(inputs: int, nodes: int) -> list[slice]:
    """Slices of the inputs whose factors on all nodes are held at once."""
    rows = max(1, BLOCK_ENTRIES // nodes)
    return [slice(i, min(i + rows, inputs)) for i in range(0, inputs, rows)]
