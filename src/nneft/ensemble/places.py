"""Where the distinct components of symmetric arrays are held: sorted multisets of pair places."""

from functools import cache
from itertools import combinations_with_replacement
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

Places = NDArray[np.intp]


@cache
def multisets(count: int, k: int) -> Places:
    """(M, k): the sorted k-tuples of ``0 .. count-1``, in lexicographic order."""
    found = np.array(list(combinations_with_replacement(range(count), k)), dtype=np.intp)
    found = found.reshape(comb(count + k - 1, k), k)
    found.flags.writeable = False
    return found


def rank(tuples: ArrayLike, count: int) -> Places:
    """(...): for k-tuples (..., k) in any order, their place in :func:`multisets`."""
    values = np.sort(np.asarray(tuples, dtype=np.intp), axis=-1)
    k = values.shape[-1]
    before = np.zeros(values.shape[:-1], dtype=np.intp)
    place = np.zeros_like(before)
    for i in range(k):
        # Those that agree so far and go on with v, before <= v < a_i:
        # C(count - before + r - 1, r) - C(count - a_i + r - 1, r), r entries to come.
        table = np.array([comb(count - v + k - i - 1, k - i) for v in range(count)], dtype=np.intp)
        place += table[before] - table[values[..., i]]
        before = values[..., i]
    return place


def dense_places(count: int, k: int) -> Places:
    """(count, .., count): the place of every k-tuple among the multisets."""
    return rank(np.moveaxis(np.indices((count,) * k), 0, -1), count)


@cache
def without(count: int, k: int, taken: int) -> tuple[Places, Places]:
    """All ways to take ``taken`` of the k entries of each multiset.

    Returns
    -------
    (M, ways, taken) the entries taken, and (M, ways) the place of what is left among the multisets
    of ``k - taken`` entries.
    """
    sets = multisets(count, k)
    ways = _subsets(k, taken)
    rest = [[i for i in range(k) if i not in way] for way in ways]
    return sets[:, np.array(ways)], rank(sets[:, np.array(rest)], count)


def _subsets(k: int, taken: int) -> list[tuple[int, ...]]:
    increasing = combinations_with_replacement(range(k), taken)
    return [way for way in increasing if len(set(way)) == taken]
