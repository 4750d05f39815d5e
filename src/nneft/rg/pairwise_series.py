"""Mehler series of a list of pairs of inputs, all pairs at once.

``<f(phi_a) g(phi_b)> = sum_n rho^n f_n(a) g_n(b)``: the Hermite coefficients belong to one input
each, a pair costs a sum of products. What is cut off after M terms is bounded, by Cauchy-Schwarz,
and a pair whose bound is too large is left to another method.

Derivatives of a kinked activation are distributions without a norm, but have coefficients all the
same, by Stein's identity: ``f^(r)_n = sqrt((n+1) .. (n+r)) f_{n+r} / s^r``, s the deviation. With
the weight ``w(n) = sqrt((n+1)_i (n+1)_j)`` of a term ``<f^(i) g^(j)>`` what is cut off is at most
``|rho|^M w(M) sqrt(tail_f tail_g)`` once ``|rho|^n w(n)`` falls.
"""

from math import factorial
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Terms
from nneft.gaussian.factors import Factor, is_odd
from nneft.gaussian.hermite import Coefficients, coefficients
from nneft.gaussian.series import ACCEPTED, LENGTHS

#: What is accepted in derivatives of kinked activations: cut off, and rounding, amplified.
CUT, NOISE = 1e-12, 1e-11
#: One length more for kinked activations, whose other methods take a hundred times as long.
LONGEST = 2592
#: Pairs summed at once, so that what a sum needs stays in the cache.
CHUNK = 16384


class Pairs(NamedTuple):
    """Pairs ``(a, b)`` of inputs.

    `variances` (N,) of the inputs; `first` and `second` (P,) their places; `covariance` (P,).
    """

    variances: Array
    first: np.ndarray
    second: np.ndarray
    covariance: Array

    def part(self, chosen: np.ndarray) -> "Pairs":
        """Some of the pairs, and of the inputs those that occur in them."""
        first, second = self.first[chosen], self.second[chosen]
        used, places = np.unique(np.concatenate([first, second]), return_inverse=True)
        first, second = places[: len(first)], places[len(first) :]
        return Pairs(self.variances[used], first, second, self.covariance[chosen])

    @property
    def kernels(self) -> Array:
        """(P, 2, 2)."""
        found: Array = np.empty((len(self.first), 2, 2))
        found[:, 0, 0], found[:, 1, 1] = self.variances[self.first], self.variances[self.second]
        found[:, 0, 1] = found[:, 1, 0] = self.covariance
        return found

    @property
    def correlations(self) -> Array:
        """(P,), zero where a variance is."""
        deviations = np.sqrt(np.where(self.variances > 0.0, self.variances, 1.0))
        rho = self.covariance / deviations[self.first] / deviations[self.second]
        return np.asarray(np.clip(rho, -1.0, 1.0))


class Sums(NamedTuple):
    """Values and errors (T, P), and which pairs are done."""

    values: Array
    errors: Array
    done: np.ndarray

    @classmethod
    def none(cls, terms: int, pairs: int) -> "Sums":
        """Nothing done yet."""
        values, errors = np.zeros((terms, pairs)), np.zeros((terms, pairs))
        return cls(values, errors, np.zeros(pairs, dtype=bool))

    def fill(self, places: np.ndarray, values: Array, errors: Array) -> None:
        """Write the pairs at `places`, columns of all terms."""
        self.values[:, places] = values
        self.errors[:, places] = errors
        self.done[places] = True


class _Factor(NamedTuple):
    """One factor for all inputs: coefficients (M, N), and the rest (N,)."""

    values: Array
    size: Array  # sqrt <f^2>, or what stands for it
    share: Array  # sqrt of the part of it that lies beyond the coefficients
    noise: Array


def mehler(activation: Activation, pairs: Pairs, terms: Terms) -> Sums:
    """``<f(phi_a) g(phi_b)>`` for every term and every pair whose series converges.

    Raises
    ------
    ValueError, nneft.NumericsError
        The one-dimensional sums diverge, or cannot be had.
    """
    found = Sums.none(len(terms), len(pairs.first))
    for length in (*LENGTHS, LONGEST) if activation.kinks else LENGTHS:
        rest = np.flatnonzero(~found.done)
        if not len(rest):
            break
        left = pairs.part(rest)
        if activation.kinks and len(rest) < _worthwhile(activation, left, length):
            break
        try:
            factors = _factors(activation, left.variances, terms, length)
        except NumericsError:  # longer ones would be too long as well
            break
        for start in range(0, len(rest), CHUNK):
            places = slice(start, start + CHUNK)
            here = Pairs(left.variances, *(v[places] for v in left[1:]))
            _accept(activation, here, terms, factors, found, rest[places])
    return found


def _worthwhile(activation: Activation, pairs: Pairs, length: int) -> float:
    """Number of pairs whose panels cost as much as this series' tables of Hermite functions.

    A table grows as the square of the length, and kinks away from zero need one for each variance.
    """
    tables = len(pairs.variances) if any(activation.kinks) else 1
    return 2.0 * tables * (length / 432) ** 2


def _factors(
    activation: Activation, variances: Array, terms: Terms, length: int
) -> dict[Factor, _Factor]:
    wanted = sorted({(p[i], r[i]) for p, r in terms for i in (0, 1)})
    if not activation.kinks:
        plain = coefficients(activation, variances, wanted, length)
        return {f: _plain(plain, i, plain.values[i].shape[1]) for i, f in enumerate(wanted)}
    bases = sorted({(p, 0) for p, _ in wanted})
    known = coefficients(activation, variances, bases, length)
    count = length - max(r for _, r in wanted)
    return {
        (p, r): _differentiated(known, bases.index((p, 0)), r, count, variances) for p, r in wanted
    }


def _plain(known: Coefficients, i: int, count: int) -> _Factor:
    norm = known.norms[i]
    share = np.sqrt(known.tails[i] / np.where(norm > 0.0, norm, 1.0))
    values = np.ascontiguousarray(known.values[i][:, :count].T)
    return _Factor(values, np.sqrt(norm), share, known.noise[i])


def _differentiated(
    known: Coefficients, i: int, order: int, count: int, variances: Array
) -> _Factor:
    """The factor's `order`-th derivative, by Stein's identity."""
    f, norm = known.values[i], known.norms[i]
    # Derivatives by an input that is not random multiply correlators that vanish.
    live = variances > 0.0 if order else np.ones_like(variances, dtype=bool)
    power = np.where(live, np.where(live, variances, 1.0) ** (-0.5 * order), 0.0)
    # f^(r)_n = sqrt((n+1) .. (n+r)) f_{n+r} / s^r
    values = _rising(np.arange(count), order)[:, None] * f[:, order : count + order].T * power
    beyond = known.tails[i] + np.sum(f[:, count + order :] ** 2, axis=1)
    share = np.sqrt(beyond / np.where(norm > 0.0, norm, 1.0))
    return _Factor(np.ascontiguousarray(values), np.sqrt(norm) * power, share, known.noise[i])


def _rising(n: np.ndarray | int, order: int) -> Array:
    """``sqrt((n+1) .. (n+order))``."""
    product = np.ones(np.shape(n))
    for k in range(1, order + 1):
        product = product * (n + k)
    return np.asarray(np.sqrt(product))


def _accept(
    activation: Activation,
    pairs: Pairs,
    terms: Terms,
    factors: dict[Factor, _Factor],
    found: Sums,
    places: np.ndarray,
) -> None:
    """Sum the series of those pairs whose bounds are small for all terms."""
    rho = pairs.correlations
    relative = np.zeros((len(terms), len(rho)))
    good = np.ones(len(rho), dtype=bool)
    for t, term in enumerate(terms):
        if is_odd(activation, *term):
            continue
        f, g = _two(factors, term)
        cut = _cut(rho, term[1] if activation.kinks else (0, 0), len(f.values))
        cut = cut * f.share[pairs.first] * g.share[pairs.second]
        noise = f.noise[pairs.first] + g.noise[pairs.second]
        singular = bool(activation.kinks) and any(term[1])
        if singular:
            noise = noise * _amplification(rho, sum(term[1]))
            good &= noise <= NOISE
        good &= cut <= (CUT if singular else ACCEPTED)
        own = 0.0 if activation.kinks else activation.derivative_error(max(term[1]))
        relative[t] = cut + noise + own
    if not np.any(good):
        return
    a, b = pairs.first[good], pairs.second[good]
    values, errors = np.zeros((len(terms), len(a))), np.zeros((len(terms), len(a)))
    for t, term in enumerate(terms):
        if not is_odd(activation, *term):
            f, g = _two(factors, term)
            values[t] = _sum(rho[good], f.values, g.values, a, b, _parity(activation, term))
            errors[t] = f.size[a] * g.size[b] * relative[t, good]
    found.fill(places[good], values, errors)


def _two(
    factors: dict[Factor, _Factor], term: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[_Factor, _Factor]:
    (p, q), (i, j) = term
    return factors[p, i], factors[q, j]


def _cut(rho: Array, orders: tuple[int, ...], count: int) -> Array:
    """``sup over n >= M of |rho|^n w(n)``; infinite where it may still rise."""
    i, j = orders
    weight = float(_rising(count, i) * _rising(count, j))
    # w(n+1)^2 / w(n)^2 = (n+1+i) (n+1+j) / (n+1)^2
    growth = np.sqrt((1.0 + i / (count + 1.0)) * (1.0 + j / (count + 1.0)))
    return np.where(np.abs(rho) * growth <= 1.0, np.abs(rho) ** count * weight, np.inf)


def _amplification(rho: Array, order: int) -> Array:
    """By how much weights ``w(n)`` raise the coefficients' rounding.

    ``sum_n |rho|^n w(n) |f_n|`` is at most ``sqrt(sum_n rho^2n (n+1) .. (n+m)) = sqrt(m! / (1 -
    rho^2)^(m+1))``; errors that add up at random reach its square root.
    """
    with np.errstate(divide="ignore"):
        return np.asarray((factorial(order) / (1.0 - rho**2) ** (order + 1)) ** 0.25)


def _parity(
    activation: Activation, term: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[int, int]:
    """First index and step of the coefficients that do not vanish by parity."""
    if activation.parity is None:
        return 0, 1
    power, derivatives = term[0][0], term[1][0]
    return (derivatives + (power if activation.parity == "odd" else 0)) % 2, 2


def _sum(
    rho: Array, f: Array, g: Array, a: np.ndarray, b: np.ndarray, parity: tuple[int, int]
) -> Array:
    """``sum_n rho^n f_n(a) g_n(b)``, from the smallest terms to the largest (Horner)."""
    first, step = parity
    ratio = rho**step
    total = np.zeros_like(rho)
    for n in range(first, len(f), step)[::-1]:
        total *= ratio
        total += f[n].take(a) * g[n].take(b)
    return total * rho if first else total
