"""What the diagrams must add up to, without any graphs.

In zero dimensions all kernel derivatives of all blobs are one up to the 1/2 of each double line, so
``F_m(delta) = exp(delta/2)`` and the law of total cumulance reads, ``e = 1/n``::

    kappa(t) = log < exp( (exp(e t) - 1)/e * exp(delta/2) ) >_delta
             = log sum_j ((exp(e t) - 1)/e)^j / j! * exp( sum_s kappa_s (j/2)^s / s! )

with ``kappa_s = e^(s-1) V_2s`` for ``s >= 2`` and ``kappa_1 = sum_p e^p K_p``. The coefficient of
``t^k/k!`` and one power of e is a polynomial in the symbols ``V_2s, K_p``: the sums of
multiplicity times symmetry factor over the diagrams with that content of vertices.
"""

from collections import Counter
from fractions import Fraction
from math import factorial

from nneft.feynman.enumeration import Kind

#: A polynomial: coefficient of each power of e and sorted tuple of vertices.
Polynomial = dict[tuple[int, tuple[Kind, ...]], Fraction]
ONE: Polynomial = {(0, ()): Fraction(1)}


def content_sums(pairs: int, order: int, *, expanded: bool) -> dict[tuple[Kind, ...], Fraction]:
    """Sum of multiplicity times symmetry factor for each content of vertices."""
    highest = pairs - 1 + order
    z: list[Polynomial] = [ONE] + [{} for _ in range(pairs)]
    for j in range(1, pairs + 1):
        weight = _exponential(_cumulants(j, highest, expanded), highest)
        for k, power in _blob_powers(j, pairs):
            _add(z[k], weight, power * Fraction(1, factorial(j)), k - j, highest)
    return {
        vertices: value * factorial(pairs)
        for (power, vertices), value in _logarithm(z, highest)[pairs].items()
        if power == highest and value
    }


def _blob_powers(j: int, pairs: int) -> list[tuple[int, Fraction]]:
    """``((exp(e t) - 1)/e)^j = sum_k e^(k-j) t^k j! S(k, j) / k!``, S of the second kind."""
    return [
        (
            k,
            Fraction(
                sum(
                    (-1) ** (j - i) * factorial(j) // (factorial(i) * factorial(j - i)) * i**k
                    for i in range(j + 1)
                ),
                factorial(k),
            ),
        )
        for k in range(j, pairs + 1)
    ]


def _cumulants(j: int, highest: int, expanded: bool) -> Polynomial:
    """``sum_s kappa_s (j/2)^s / s!`` up to a power of e."""
    result: Polynomial = {}
    for power in range(1, highest + 1):
        result[power, (Kind(1, power),)] = Fraction(j, 2)
        for own in range(power) if expanded else (0,):
            s = power + 1 - own
            result[power, (Kind(s, own),)] = Fraction(j, 2) ** s / factorial(s)
    return result


def _add(into: Polynomial, other: Polynomial, factor: Fraction, shift: int, highest: int) -> None:
    for (power, vertices), value in other.items():
        if power + shift <= highest:
            key = (power + shift, vertices)
            into[key] = into.get(key, Fraction(0)) + factor * value


def _product(left: Polynomial, right: Polynomial, highest: int) -> Polynomial:
    result: Polynomial = {}
    for (p, a), x in left.items():
        for (q, b), y in right.items():
            if p + q <= highest:
                key = (p + q, tuple(sorted((*a, *b), reverse=True)))
                result[key] = result.get(key, Fraction(0)) + x * y
    return result


def _exponential(exponent: Polynomial, highest: int) -> Polynomial:
    result, term = dict(ONE), dict(ONE)
    for n in range(1, highest + 1):
        term = {key: value / n for key, value in _product(term, exponent, highest).items()}
        _add(result, term, Fraction(1), 0, highest)
    return result


def _logarithm(z: list[Polynomial], highest: int) -> list[Polynomial]:
    """``log(1 + sum_k z_k t^k)``: k l_k = k z_k - sum_(j<k) j l_j z_(k-j)."""
    result: list[Polynomial] = [{}]
    for k in range(1, len(z)):
        total = {key: k * value for key, value in z[k].items()}
        for j in range(1, k):
            _add(total, _product(result[j], z[k - j], highest), Fraction(-j), 0, highest)
        result.append({key: value / k for key, value in total.items()})
    return result


def content_of(kinds: Counter[Kind]) -> tuple[Kind, ...]:
    """The content of vertices as `content_sums` names it."""
    return tuple(sorted(kinds.elements(), reverse=True))
