"""Blobs ``F_B(K_0 + delta)`` as polynomials in delta, for all layers of a flow at once.

With ``s_A = sigma_a sigma_b`` and phi ~ N(0, K_0 + delta), the moments of products of s over a
block of pairs are expanded first: a derivative by an entry of the kernel is ``d_c d_d``, or
``1/2 d_c^2``, under the expectation, so that the coefficient of ``prod_C delta_C^{r_C}`` is

    prod_C (1/2 if C = cc)^{r_C} / r_C!   < prod_a (sigma^{p_a})^{(r_a)} >_K0 .

Joint cumulants follow as ``F(B) = M(B) - sum_{b in S < B} F(S) M(B - S)``, as polynomials. C_W and
C_b come last, in the step: they scale and shift G. Errors are carried to first order, all with the
same sign.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from math import factorial, isqrt, prod

import numpy as np

from nneft.activations.base import Activation
from nneft.blobs import expectation
from nneft.conventions import pairs
from nneft.errors import NumericsError
from nneft.gaussian import expectations
from nneft.gaussian.base import Array, Moments, Term
from nneft.rg.algebra import combine, local_entries
from nneft.rg.multisets import Places, dense_places, multisets, number, rank, start

EPS = float(np.finfo(np.float64).eps)
#: Errors of expectations are estimates, right to within a few times.
ESTIMATE = 4.0


@dataclass(frozen=True)
class Cut:
    """Where the expansions of a layer end.

    Attributes
    ----------
    order
        Order in 1/n that is to be had.
    random
        Whether the layer below fluctuates at all; the first one does not.
    extra
        Degrees in delta beyond those needed, for derivatives by ``K_0``.
    """

    order: int
    random: bool = True
    extra: int = 0

    def degree(self, power: int) -> int:
        """Highest degree in delta next to this power of eps: ``<delta^d> = O(eps^{ceil(d/2)})``."""
        return 2 * (self.order - power) * self.random + self.extra


@dataclass(frozen=True)
class Expansion:
    """Polynomials of all blobs of some layers.

    Attributes
    ----------
    count
        Pairs of inputs.
    cut
        How far the polynomials go.
    blobs
        For each block size m = 1, 2, ..: (L, number(count, m), monomials), the joint cumulant of
        ``s_A``, A in B, by powers of delta of degree up to ``cut.degree(m - 1)``.
    errors
        Of the same shapes.
    """

    count: int
    cut: Cut
    blobs: tuple[Array, ...]
    errors: tuple[Array, ...]

    def at(self, layer: int) -> "Expansion":
        """Of one of the layers alone, without their axis."""
        blobs, errors = (tuple(v[layer] for v in part) for part in (self.blobs, self.errors))
        return Expansion(self.count, self.cut, blobs, errors)

    @classmethod
    def stacked(cls, layers: Sequence["Expansion"]) -> "Expansion":
        """Of several layers, all cut alike, from one of each."""
        first = layers[0]
        blobs = tuple(np.stack(parts) for parts in zip(*(e.blobs for e in layers), strict=True))
        errors = tuple(np.stack(parts) for parts in zip(*(e.errors for e in layers), strict=True))
        return cls(first.count, first.cut, blobs, errors)

    def tensor(self, size: int, lines: int) -> Array:
        """Derivatives of one layer's blobs: (count,)*size + (count,)*lines, symmetric in each."""
        return self._dense(self.blobs, size, lines)

    def tensor_error(self, size: int, lines: int) -> Array:
        """Absolute errors of `tensor`."""
        return self._dense(self.errors, size, lines)

    def _dense(self, held: tuple[Array, ...], size: int, lines: int) -> Array:
        first = start(self.count, lines)
        coefficients = held[size - 1][:, first : first + number(self.count, lines)]
        derivatives = coefficients * _factorials(self.count, lines)
        blocks, entries = dense_places(self.count, size), dense_places(self.count, lines)
        dense: Array = derivatives[blocks.reshape(-1, 1), entries.ravel()]
        return dense.reshape((self.count,) * (size + lines))


@lru_cache(maxsize=64)
def _factorials(count: int, degree: int) -> Array:
    """``prod_C r_C!`` of each monomial of one degree."""
    rows = multisets(count, degree).tolist()
    return np.array([prod(factorial(row.count(c)) for c in set(row)) for row in rows], dtype=float)


@dataclass(frozen=True)
class _Plan:
    """What expectations the coefficients of all moments are made of.

    `terms`: for each group of inputs the terms that are asked for; `places`: for each block size
    the place of each coefficient's expectation among all (the last place holds zero); `factors`:
    the factor of each monomial.
    """

    terms: tuple[tuple[tuple[int, ...], tuple[Term, ...]], ...]
    places: tuple[Places, ...]
    factors: Array


def expand(
    activation: Activation,
    kernels: Array,
    *,
    cut: Cut,
    layer: int,
) -> Expansion:
    """The polynomials of all blobs of layers whose ``K_0`` is given.

    Parameters
    ----------
    kernels : (L, N, N)
        ``K_0`` of the layers below.
    layer
        Number of the layer that the first blobs belong to, for messages.

    Raises
    ------
    ValueError
        Moments that diverge.
    nneft.NumericsError
        A moment that cannot be had, or that overflows.
    """
    inputs = kernels.shape[1]
    count = inputs * (inputs + 1) // 2
    plan = _plan(count, cut)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # told by name below
        found, uncertain = _expectations(activation, kernels, plan.terms, layer, cut.order)
    uncertain *= ESTIMATE
    bad = ~np.all(np.isfinite(found + uncertain), axis=1)
    if np.any(bad):
        raise NumericsError(
            f"an expectation of order {cut.order} of {activation.name} overflows at layer "
            f"{layer + int(np.argmax(bad))}; take a lower order"
        )
    moments, errors = [], []
    for places in plan.places:
        factors = plan.factors[: places.shape[1]]
        moments.append(found[:, places] * factors)
        errors.append(uncertain[:, places] * factors)
    return cumulants_of(count, cut, moments, errors)


def cumulants_of(count: int, cut: Cut, moments: list[Array], errors: list[Array]) -> Expansion:
    """``F(B) = M(B) - sum_{b in S < B} F(S) M(B - S)``."""
    blobs: list[Array] = []
    uncertain: list[Array] = []
    for m, (value, error) in enumerate(zip(moments, errors, strict=True), start=1):
        total = cut.degree(m - 1)
        for part in range(1, m):
            left, e_left = blobs[part - 1], uncertain[part - 1]
            right, e_right = moments[m - part - 1], errors[m - part - 1]
            rounded = e_right + EPS * np.abs(right)
            product = partial(
                combine, count, m, part, degrees=((0, total), (0, total)), total=total
            )
            value = value - product(left, right)
            error = error + product(np.abs(left), rounded) + product(e_left, np.abs(right))
        blobs.append(value)
        uncertain.append(error)
    return Expansion(count, cut, tuple(blobs), tuple(uncertain))


def _expectations(
    activation: Activation,
    kernels: Array,
    groups: tuple[tuple[tuple[int, ...], tuple[Term, ...]], ...],
    layer: int,
    order: int,
) -> tuple[Array, Array]:
    """(L, number of expectations + 1) each: values and errors; the last is zero."""
    values, errors = [], []
    for inputs, terms in groups:
        if len(inputs) == 1:
            a = inputs[0]
            found = _singles(activation, kernels[:, a, a], list(terms), layer, order)
            values.append(found.values.T)
            errors.append(found.errors.T)
            continue
        here = np.ix_(inputs, inputs)
        rows = []
        for i, K in enumerate(kernels):
            with _named(layer + i, order):
                rows.append(expectation(activation, K[here], list(terms)))
        values.append(np.array([row[0] for row in rows]))
        errors.append(np.array([row[1] for row in rows]))
    none = np.zeros((len(kernels), 1))
    return np.concatenate([*values, none], axis=1), np.concatenate([*errors, none], axis=1)


def _singles(
    activation: Activation, kernels: Array, terms: list[Term], layer: int, order: int
) -> Moments:
    """Of all layers at once; what fails does so again one layer at a time, to be told where."""
    try:
        return expectations.singles(activation, kernels, terms)
    except (ValueError, NumericsError):
        for i in range(len(kernels)):
            with _named(layer + i, order):
                expectations.singles(activation, kernels[i : i + 1], terms)
        raise


@contextmanager
def _named(layer: int, order: int) -> Iterator[None]:
    """Say at which layer an expectation fails, and for what it is needed."""
    try:
        yield
    except (ValueError, NumericsError) as error:
        raise type(error)(f"at layer {layer}, order {order} in 1/n: {error}") from error


@lru_cache(maxsize=32)
def _plan(count: int, cut: Cut) -> _Plan:
    listed = pairs((isqrt(8 * count + 1) - 1) // 2)
    groups: dict[tuple[int, ...], dict[Term, int]] = {}
    wanted = []
    for m in range(1, cut.order + 2):
        degree, here = cut.degree(m - 1), []
        for b, block in enumerate(multisets(count, m).tolist()):
            powers = _tally(listed, block)
            group = groups.setdefault(tuple(sorted(powers)), {})
            for k, row in _monomials(count, local_entries(count, m)[b], degree):
                orders = _tally(listed, row)
                inputs = sorted(powers)
                term = tuple(powers[a] for a in inputs), tuple(orders.get(a, 0) for a in inputs)
                here.append((b, k, group, group.setdefault(term, len(group))))
        wanted.append((m, degree, here))
    sizes = [len(group) for group in groups.values()]
    offsets = dict(zip(map(id, groups.values()), np.cumsum([0, *sizes]).tolist(), strict=False))
    places = []
    for m, degree, here in wanted:
        table = np.full((number(count, m), start(count, degree + 1)), sum(sizes), dtype=np.intp)
        for b, k, group, place in here:
            table[b, k] = offsets[id(group)] + place
        places.append(table)
    terms = tuple((inputs, tuple(group)) for inputs, group in groups.items())
    return _Plan(terms, tuple(places), monomial_factors(count, listed, cut.degree(0)))


def _monomials(count: int, local: tuple[int, ...], degree: int) -> Iterator[tuple[int, list[int]]]:
    """Monomials in some of the entries: their places among all, and the entries."""
    for d in range(degree + 1):
        rows = np.asarray(local, dtype=np.intp)[multisets(len(local), d)]
        places = start(count, d) + rank(rows, count)
        yield from zip(places.tolist(), rows.tolist(), strict=True)


def _tally(listed: list[tuple[int, int]], places: list[int]) -> dict[int, int]:
    """How often each input occurs among these pairs."""
    found: dict[int, int] = {}
    for p in places:
        for a in listed[p]:
            found[a] = found.get(a, 0) + 1
    return found


def monomial_factors(count: int, listed: list[tuple[int, int]], degree: int) -> Array:
    """``prod_C (1/2 if C = cc)^{r_C} / r_C!`` of each monomial."""
    equal = np.array([a == b for a, b in listed])
    each = [
        0.5 ** equal[multisets(count, d)].sum(axis=1) / _factorials(count, d)
        for d in range(degree + 1)
    ]
    return np.concatenate(each)
