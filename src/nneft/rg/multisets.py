"""Multisets of pairs of inputs: the components of symmetric tensors, and monomials in ``delta``.

A symmetric tensor of k axes over `count` pairs has one component for each sorted k-multiset of
them, in lexicographic order. The same multisets name the monomials ``delta_C1 delta_C2 ..``: all
those of degree 0, then of degree 1, and so on, are the coefficients of a polynomial.
"""

from functools import lru_cache
from itertools import combinations_with_replacement
from math import comb, isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft.conventions import pairs
from nneft.gaussian.base import Array

Places = NDArray[np.intp]


def number(count: int, size: int) -> int:
    """How many multisets of this size there are."""
    return comb(count + size - 1, size)


def start(count: int, degree: int) -> int:
    """The number of monomials below this degree, which is where its own begin."""
    return comb(count + degree - 1, count)


@lru_cache(maxsize=256)
def multisets(count: int, size: int) -> Places:
    """(number, size): all of them, each sorted, in lexicographic order."""
    found = list(combinations_with_replacement(range(count), size))
    return np.array(found, dtype=np.intp).reshape(len(found), size)


def rank(rows: Places, count: int) -> Places:
    """The place of each sorted row among the multisets of its size."""
    if count == 1:
        return np.zeros(rows.shape[:-1], dtype=np.intp)
    size = rows.shape[-1]
    most, later = count + size - 1, _later(count, size)
    places = np.full(rows.shape[:-1], comb(most, size) - 1, dtype=np.intp)
    for i in range(size):
        places -= later[i][rows[..., i] + i]
    return places


@lru_cache(maxsize=256)
def _later(count: int, size: int) -> Places:
    """(size, count + size - 1): how many combinations differ first at i and rise further there."""
    most = count + size - 1
    # Strictly rising c_i = m_i + i are combinations; those that come later differ first at some i.
    return np.array(
        [[comb(most - 1 - c, size - i) if c >= i else 0 for c in range(most)] for i in range(size)],
        dtype=np.intp,
    ).reshape(size, most)


def dense_places(count: int, size: int) -> Places:
    """(count, .., count): for each component of the dense tensor the place of its multiset."""
    axes = np.indices((count,) * size, dtype=np.intp).reshape(size, count**size).T
    return rank(np.sort(axes, axis=1), count).reshape((count,) * size)


@lru_cache(maxsize=64)
def multisets_of_one(count: int, size: int) -> Places:
    """(N,): the places of the multisets ``aa, aa, ..`` of one input each, among `count` pairs."""
    inputs = (isqrt(8 * count + 1) - 1) // 2
    own = [p for p, (a, b) in enumerate(pairs(inputs)) if a == b]
    return rank(np.repeat(np.array(own, dtype=np.intp)[:, None], size, axis=1), count)


class Splits(NamedTuple):
    """Ways to part multisets in two, sorted by `whole`.

    `ways` counts the labelled ways, elements that are equal told apart; `starts` is where each
    whole begins.
    """

    whole: Places
    part: Places
    rest: Places
    ways: Array
    starts: Places

    def only(self, chosen: slice | NDArray[np.bool_]) -> "Splits":
        """Some of them."""
        whole, part, rest = (v[chosen] for v in (self.whole, self.part, self.rest))
        return Splits(whole, part, rest, self.ways[chosen], runs(whole))


def runs(keys: Places) -> Places:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.diff(keys, prepend=-1))


@lru_cache(maxsize=1024)
def splits(count: int, size: int, part: int, *, first: bool = True) -> Splits:
    """Partings of the multisets of this size into a part of the size given, and the rest.

    With `first` only those whose part holds the first element of the whole.
    """
    parts, rests = multisets(count, part), multisets(count, size - part)
    i, j = (axis.ravel() for axis in np.indices((len(parts), len(rests)), dtype=np.intp))
    if first and size > part:
        i, j = (axis[parts[i, 0] <= rests[j, 0]] for axis in (i, j))
    whole = rank(np.sort(np.concatenate([parts[i], rests[j]], axis=1), axis=1), count)
    # Equal elements are told apart: prod_C binomial(of the whole, of the part).
    held, others = _counts(parts, count)[i], _counts(rests, count)[j]
    if first:
        held[np.arange(len(i)), parts[i, 0]] -= 1
    ways = np.prod(_binomials(size)[held + others, held], axis=1)
    order = np.argsort(whole, kind="stable")
    whole = whole[order]
    return Splits(whole, i[order], j[order], ways[order], runs(whole))


def _counts(rows: Places, count: int) -> Places:
    """How often each element occurs in each multiset."""
    counts = np.zeros((len(rows), count), dtype=np.intp)
    np.add.at(counts, (np.arange(len(rows))[:, None], rows), 1)
    return counts


def _binomials(size: int) -> Array:
    return np.array([[comb(n, k) for k in range(size + 1)] for n in range(size + 1)], dtype=float)
