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
    reduction = _Reduction(activation, np.asarray(kernel, dtype=np.float64))
    found = reduction.moments(terms)
    return Moments(*(np.array(part, dtype=np.float64) for part in zip(*found, strict=True)))


#: The inputs not yet fixed, and a term of theirs.
_Key = tuple[tuple[int, ...], Term]


class _Reduction:
    """All terms down to functions, which are found together, and up again."""

    def __init__(self, activation: Activation, kernel: Array) -> None:
        self.activation = activation
        #: By the inputs left: their kernel given that the others are 0, and its rounding.
        self.kernels: dict[tuple[int, ...], tuple[Array, float]] = {
            tuple(range(len(kernel))): (kernel, 0.0)
        }
        self.steps: dict[_Key, list[tuple[float, float, _Key]]] = {}
        self.known: dict[_Key, tuple[float, float]] = {}

    def moments(self, terms: Terms) -> list[tuple[float, float]]:
        """Values and errors."""
        everything = next(iter(self.kernels))
        keys: list[_Key] = [(everything, (tuple(p), tuple(r))) for p, r in terms]
        for key in keys:
            self._reduce(key)
        leaves: dict[tuple[int, ...], list[Term]] = {}
        for left, term in self.steps:
            if (left, term) not in self.known and not self.steps[left, term]:
                leaves.setdefault(left, []).append(term)
        for left, found in leaves.items():
            self._of_functions(left, found)
        return [self._value(key) for key in keys]

    def _reduce(self, key: _Key) -> None:
        """Which terms of fewer inputs make this one up: factor, relative rounding, term."""
        if key in self.steps:
            return
        left, (powers, orders) = key
        self.steps[key] = []
        beyond = [r - p for p, r in zip(powers, orders, strict=True)]
        if not beyond:
            self.known[key] = 1.0, 0.0
        if max(beyond, default=0) <= 0:
            return
        a = int(np.argmax(beyond))
        kernel, before = self.kernels[left]
        variance, p, k = float(kernel[a, a]), powers[a], beyond[a] - 1
        assert self.activation.slopes is not None
        minus, plus = self.activation.slopes
        jump = (-1) ** k * factorial(p) * (plus**p - minus**p)
        if variance <= 0.0 or jump == 0.0:
            self.known[key] = 0.0, 0.0
            return
        rest = [b for b in range(len(powers)) if b != a]
        others = tuple(left[b] for b in rest)
        if others not in self.kernels:
            conditional, lost = _conditional(kernel, a, rest)
            self.kernels[others] = conditional, before + lost
        c = kernel[a, rest] / variance
        lost = self.kernels[others][1]
        kept = tuple(powers[b] for b in rest)
        for j in range(k + 1):
            density = jump * comb(k, j) * _density(variance, k - j)
            for shared in _shares(j, len(rest)) if density else ():
                # (sum_b c_b d_b)^j
                ways = factorial(j) / prod(map(factorial, shared))
                factor = density * ways
                factor *= prod(float(x) ** n for x, n in zip(c, shared, strict=True))
                higher = tuple(orders[b] + n for b, n in zip(rest, shared, strict=True))
                below: _Key = (others, (kept, higher))
                self.steps[key].append((factor, 8.0 * _EPS + lost * (1 + sum(higher)), below))
                self._reduce(below)
        if not self.steps[key]:
            self.known[key] = 0.0, 0.0

    def _of_functions(self, left: tuple[int, ...], terms: list[Term]) -> None:
        """No deltas: the closed form where there is one, else panels."""
        kernel, _ = self.kernels[left]
        # The pairs' closed form is that of an even number of derivatives, which kernels ask for.
        closed = [
            t for t in terms if homogeneous.covers(t) and (len(kernel) != 2 or sum(t[1]) % 2 == 0)
        ]
        others = [t for t in terms if t not in set(closed)]
        assert self.activation.slopes is not None
        if closed:
            self._keep(left, closed, homogeneous.moments(self.activation.slopes, kernel, closed))
        if others:
            self._keep(left, others, nested.moments(self.activation, kernel, others))

    def _keep(self, left: tuple[int, ...], terms: list[Term], found: Moments) -> None:
        for term, value, error in zip(terms, *found, strict=True):
            self.known[left, term] = float(value), float(error)

    def _value(self, key: _Key) -> tuple[float, float]:
        if key not in self.known:
            value = error = 0.0
            for factor, rounding, below in self.steps[key]:
                part, uncertain = self._value(below)
                value += factor * part
                error += abs(factor) * (uncertain + rounding * abs(part))
            self.known[key] = value, error
        return self.known[key]


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
