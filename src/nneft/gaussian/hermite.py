"""Hermite coefficients of the factors of many inputs at once.

``f_n = <f(s z) he_n(z)>`` with ``he_n = He_n / sqrt(n!)``, orthonormal under the unit Gaussian, on
one set of nodes that serves all inputs: the trapezoidal rule, or panels broken at the kinks.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import ceil, log2, pi, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.gaussian.factors import Factor, factor_values
from nneft.gaussian.lattice import DIGITS, ROUNDING, spacing
from nneft.gaussian.roots import reach

#: Rules tried, each sqrt(2) finer than the last, until the noise is below this.
FINEST, ENOUGH = 6, 2e-14
#: Most nodes of a rule, and most entries of a table of Hermite functions on it.
MOST_NODES, MOST_ENTRIES = 1_000_000, 20_000_000
#: Values of factors held at once; memory stays bounded for any number of inputs.
BLOCK_ENTRIES = 4_000_000


@dataclass(frozen=True)
class Rule:
    """Nodes on the line with weights for the unit Gaussian, and those of a coarser rule.

    Without `edges` the trapezoidal rule, multiples of `step` up to ``count * step``; with them
    Gauss-Legendre panels between the edges.
    """

    step: float = 1.0
    count: int = 0
    edges: tuple[float, ...] = ()

    @cached_property
    def _parts(self) -> tuple[Array, Array, Array]:
        if not self.edges:
            z = np.asarray(self.step * np.arange(-self.count, self.count + 1), dtype=np.float64)
            weights = self.step * np.ones_like(z)
            coarse = 2.0 * weights * (np.arange(len(z)) % 2 == self.count % 2)
        else:
            (z, weights), (other, coarse) = (_panels(self.edges, nodes) for nodes in (16, 12))
            z = np.concatenate([z, other])
            weights = np.concatenate([weights, np.zeros_like(other)])
            coarse = np.concatenate([np.zeros(len(z) - len(other)), coarse])
        density = np.exp(-0.5 * z**2) / sqrt(2.0 * pi)
        return z, weights * density, coarse * density

    @property
    def z(self) -> Array:
        """Nodes."""
        return self._parts[0]

    @property
    def weights(self) -> Array:
        """Weights, the Gaussian's density included."""
        return self._parts[1]

    @property
    def coarse(self) -> Array:
        """Weights of the coarser rule on the same nodes."""
        return self._parts[2]

    def error(self, fine: Array, coarse: Array) -> Array:
        """Error of the finer rule from the two results, both relative."""
        # Aliasing: e(h) = e(2h)^2. Panels: the coarser rule's error bounds the finer one's.
        difference = np.abs(fine - coarse)
        return difference if self.edges else difference**2


def _panels(edges: tuple[float, ...], nodes: int) -> tuple[Array, Array]:
    points, weights = np.polynomial.legendre.leggauss(nodes)
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    half = 0.5 * (high - low)
    z = 0.5 * (low + high)[:, None] + half[:, None] * points
    return z.ravel(), (half[:, None] * weights).ravel()


def rule_for(
    activation: Activation,
    variances: Array,
    factors: list[Factor],
    *,
    length: int = 0,
    squares: bool = False,
    finer: int = 0,
) -> Rule:
    """A rule for all these variances and factors, times ``he_n`` up to ``n = length``.

    With `squares` the factors' squares are integrated on it too; `finer` times its spacing is
    divided by the square root of two. An activation with kinks must
    have them at the same multiples of the deviation for all variances: one variance, or at zero.
    """
    deviation = float(np.sqrt(np.max(variances, initial=0.0)))
    power = max(p for p, _ in factors) * (2 if squares else 1)
    furthest = reach(activation, deviation, power, DIGITS[0])
    if length:
        # |he_n(z)| exp(-z^2/4) is bounded: only exp(-z^2/4) is left to cut the sum off.
        furthest *= sqrt(2.0)
    # Polynomial pieces look the same at every scale.
    scaleless = activation.slopes is not None or activation.polynomial is not None
    strip = np.inf if scaleless or deviation == 0.0 else activation.scale / deviation
    # he_n(z) exp(-z^2/4) oscillates with wave numbers up to sqrt(n + 1/2).
    oscillation = sqrt(length + 0.5) if length else 0.0
    if activation.kinks:
        kinks = [k / deviation for k in activation.kinks if abs(k) < furthest * deviation]
        # 16 nodes resolve half a dozen radians and a panel as long as the strip is wide.
        longest = sqrt(0.5) ** finer / (1.0 / 1.5 + 1.0 / strip + oscillation / 10.0)
        return Rule(edges=_edges([-furthest, *kinks, furthest], longest))
    # A square doubles the order of a pole. The error is judged by the square of that of twice the
    # spacing, whatever multiplies the exponentials: half the digits more, cheap in one dimension.
    pole = 2 * max(p + r for p, r in factors)
    wave = 2.0 * pi / spacing(strip, 1.5 * DIGITS[0], pole) + oscillation
    # Rounded down to a power of 2^(1/4), so that tables of Hermite functions can be kept.
    step = 2.0 ** (-(ceil(4.0 * log2(wave / (2.0 * pi))) + 2 * finer) / 4.0)
    if furthest / step > MOST_NODES:
        raise NumericsError(
            f"the variance {deviation**2:.3g} is too large for {activation.name}, which varies "
            f"over a length of {activation.scale:.3g}: {furthest / step:.1g} nodes would be needed"
        )
    return Rule(step, 2 * ceil(0.5 * furthest / step))


def _edges(breaks: list[float], longest: float) -> tuple[float, ...]:
    edges = [breaks[0]]
    for low, high in pairwise(breaks):
        count = ceil((high - low) / longest)
        edges += [low + (high - low) * (i + 1) / count for i in range(count)]
    return tuple(edges)


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
    if any(activation.kinks) and len(variances) > 1:  # no nodes serve several variances
        apart = [coefficients(activation, v[None], factors, length) for v in variances]
        return Coefficients(
            [np.concatenate(rows) for rows in zip(*(c.values for c in apart), strict=True)],
            *(np.hstack([getattr(c, n) for c in apart]) for n in ("norms", "tails", "noise")),
        )
    for finer in range(FINEST):
        rule = rule_for(activation, variances, factors, length=length, squares=True, finer=finer)
        found = _on_rule(activation, variances, factors, length, rule)
        if np.max(found.noise, initial=0.0) <= ENOUGH:
            break
    return found


def _on_rule(
    activation: Activation, variances: Array, factors: list[Factor], length: int, rule: Rule
) -> Coefficients:
    if len(rule.z) * length > MOST_ENTRIES:
        raise NumericsError(
            f"a Hermite series of {length} terms on {len(rule.z)} nodes is too long"
        )
    hermite = hermite_functions(rule, length)
    first_two = np.stack([rule.weights, rule.z * rule.weights], axis=1)
    coarse_two = np.stack([rule.coarse, rule.z * rule.coarse], axis=1)
    found = [np.zeros((len(variances), length)) for _ in factors]
    norms, tails, noise = (np.zeros((len(factors), len(variances))) for _ in range(3))
    for block in blocks(len(variances), len(rule.z)):
        x = np.sqrt(variances[block])[:, None] * rule.z
        values = factor_values(activation, x, set(factors))
        for i, factor in enumerate(factors):
            f = values[factor]
            found[i][block] = f @ hermite
            norm = f**2 @ rule.weights
            safe = np.sqrt(np.where(norm > 0.0, norm, 1.0))[:, None]
            wrong = rule.error(f @ first_two / safe, f @ coarse_two / safe)
            norms[i, block] = norm
            noise[i, block] = np.max(wrong, axis=1) + 4.0 * ROUNDING
            left = norm - np.sum(found[i][block] ** 2, axis=1)
            tails[i, block] = np.maximum(left, 2.0 * ROUNDING * norm)
    return Coefficients(found, norms, tails, noise)


@lru_cache(maxsize=12)
def hermite_functions(rule: Rule, length: int) -> Array:
    """``weight(z) he_n(z)`` on the nodes of a rule: (nodes, length)."""
    z = rule.z
    # he_{n+1} = (z he_n - sqrt(n) he_{n-1}) / sqrt(n+1), times exp(-z^2/4) throughout.
    table = np.empty((length, len(z)))
    table[0] = np.exp(-0.25 * z**2)
    table[1] = z * table[0]
    for n in range(1, length - 1):
        table[n + 1] = (z * table[n] - sqrt(n) * table[n - 1]) / sqrt(n + 1.0)
    table *= rule.weights * np.exp(0.25 * z**2)
    return np.ascontiguousarray(table.T)


def blocks(inputs: int, nodes: int) -> list[slice]:
    """Slices of the inputs whose factors on all nodes are held at once."""
    rows = max(1, BLOCK_ENTRIES // nodes)
    return [slice(i, min(i + rows, inputs)) for i in range(0, inputs, rows)]
