"""Sums over partings of multisets, each term a product of truncated power series in ``delta``.

Blobs from moments, conditional moments from blobs, moments of delta from its cumulants, cumulants
from moments: each is the same recursion,

    X(M) = sum over parts S of M that hold its first element   Y(S) Z(M - S),

with numbers, polynomials in ``delta`` or polynomials in ``eps`` for values.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import isqrt, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft.conventions import pairs
from nneft.gaussian.base import Array
from nneft.rg.multisets import Places, Splits, multisets, number, rank, runs, splits, start

#: Numbers that a product holds at once; more are worked off in chunks.
CHUNK = 4_000_000

#: Lowest and highest degree of a polynomial's terms.
Degrees = tuple[int, int]


class _Group(NamedTuple):
    """Partings whose parts depend on the same entries of the kernel."""

    support: tuple[int, ...]
    splits: Splits


class _Products(NamedTuple):
    """Which monomials multiply to which: ``i`` times ``j``; from each start on they give ``k``."""

    i: Places
    j: Places
    starts: Places
    k: Places


def combine(
    count: int,
    size: int,
    part: int,
    left: Array,
    right: Array,
    *,
    degrees: tuple[Degrees, Degrees],
    total: int,
) -> Array:
    """``sum_S Y(S) Z(M - S)`` over parts S of `part` elements, polynomials in delta.

    Parameters
    ----------
    left : (.., number(count, part), monomials)
        Y. Where the terms of each depend on the entries of the kernel between its own inputs only,
        as they do unless pairs are those of differences of inputs, others are left out.
    right : (.., number(count, size - part), monomials)
        Z.
    degrees
        Of the terms of left and right that are not zero.
    total
        Highest degree kept.

    Returns
    -------
    (.., number(count, size), start(count, total + 1))
    """
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    out = np.zeros((*lead, number(count, size), start(count, total + 1)))
    local = not np.any(left[..., _foreign(count, part, left.shape[-1])])
    for group in _groups(count, size, part, local):
        plan = _products(count, group.support, *degrees, total)
        if not len(plan.i):
            continue
        rows = max(1, CHUNK // (len(plan.i) * max(1, prod(lead))))
        for whole, parts, rests, ways, begin in _chunks(group.splits, rows):
            terms = left[..., parts[:, None], plan.i] * right[..., rests[:, None], plan.j]
            terms *= ways[:, None]
            sums = np.add.reduceat(terms, plan.starts, axis=-1)
            if len(begin) < len(whole):
                sums = np.add.reduceat(sums, begin, axis=-2)
            out[..., whole[begin][:, None], plan.k] += sums
    return out


def convolve(
    count: int, size: int, part: int, left: Array, right: Array, *, first: bool = True
) -> Array:
    """The same sum for polynomials in eps, cut after their last power.

    Parameters
    ----------
    left : (.., number(count, part), order + 1, order + 1)
        Y, each as the matrix that multiplies by it (`multiplier`).
    right : (.., number(count, size - part), order + 1)
        Z.
    first
        Whether the part must hold the first element of the whole.

    Returns
    -------
    (.., number(count, size), order + 1)
    """
    every = splits(count, size, part, first=first)
    terms = right[..., every.rest, None, :] @ left[..., every.part, :, :]
    terms = terms[..., 0, :] * every.ways[:, None]
    if len(every.starts) == len(every.whole):
        return np.asarray(terms)
    return np.asarray(np.add.reduceat(terms, every.starts, axis=-2), dtype=np.float64)


def multiplier(series: Array) -> Array:
    """Polynomials in eps, (.., order + 1), as matrices ``[q, p] = c_{p-q}``."""
    size = series.shape[-1]
    shift = np.subtract.outer(np.arange(size), np.arange(size)).T
    return np.where(shift >= 0, series[..., np.maximum(shift, 0)], 0.0)


def _chunks(every: Splits, rows: int) -> Iterator[Splits]:
    """Runs of about so many rows that end where a whole ends."""
    if len(every.whole) <= rows:
        yield every
        return
    first = 0
    for end in [*every.starts[1:].tolist(), len(every.whole)]:
        if end - first >= rows or end == len(every.whole):
            yield every.only(slice(first, end))
            first = end


@lru_cache(maxsize=1024)
def _groups(count: int, size: int, part: int, local: bool) -> tuple[_Group, ...]:
    every = splits(count, size, part)
    support = local_entries(count, part)
    if not local:
        support = (tuple(range(count)),) * len(support)
    found = []
    for entries in sorted(set(support)):
        inside = np.array([s == entries for s in support])[every.part]
        found.append(_Group(entries, every.only(inside)))
    return tuple(found)


@lru_cache(maxsize=256)
def _foreign(count: int, size: int, monomials: int) -> NDArray[np.bool_]:
    """(number(count, size), monomials): where entries occur that are not among the local ones."""
    support = local_entries(count, size)
    outside = np.array([[p not in entries for p in range(count)] for entries in support])
    found = [np.zeros((len(support), 0), dtype=bool)]
    degree = 0
    while start(count, degree) < monomials:
        rows = multisets(count, degree)
        found.append(np.any(outside[:, rows], axis=2))
        degree += 1
    return np.concatenate(found, axis=1)[:, :monomials]


@lru_cache(maxsize=64)
def local_entries(count: int, size: int) -> tuple[tuple[int, ...], ...]:
    """For each multiset of pairs, the pairs between the inputs that occur in it."""
    listed = pairs((isqrt(8 * count + 1) - 1) // 2)
    found = []
    for block in multisets(count, size):
        inputs = {a for p in block for a in listed[p]}
        found.append(tuple(p for p, (a, b) in enumerate(listed) if a in inputs and b in inputs))
    return tuple(found)


@lru_cache(maxsize=8192)
def _products(
    count: int, support: tuple[int, ...], left: Degrees, right: Degrees, total: int
) -> _Products:
    lefts, rights, products = [], [], []
    for d in range(left[0], min(left[1], total) + 1):
        mine = np.asarray(support)[multisets(len(support), d)]
        places = start(count, d) + rank(mine, count)
        for e in range(right[0], min(right[1], total - d) + 1):
            theirs = multisets(count, e)
            i, j = (v.ravel() for v in np.indices((len(mine), len(theirs)), dtype=np.intp))
            merged = np.sort(np.concatenate([mine[i], theirs[j]], axis=1), axis=1)
            lefts.append(places[i])
            rights.append(start(count, e) + j)
            products.append(start(count, d + e) + rank(merged, count))
    if not lefts:
        return _Products(*(np.zeros(0, dtype=np.intp) for _ in range(4)))
    i, j, k = (np.concatenate(v) for v in (lefts, rights, products))
    order = np.argsort(k, kind="stable")
    i, j, k = i[order], j[order], k[order]
    begin = runs(k)
    return _Products(i, j, begin, k[begin])
