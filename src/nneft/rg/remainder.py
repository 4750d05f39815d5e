"""How large the first term is that a series in 1/n does not hold: what is likely, and at most.

The series is asymptotic: its terms fall, then grow (for a kernel of unbounded law as ``q!``), and
what a partial sum misses is about the first term left out for as long as they fall. That term is
not held, so it is extrapolated from those that are, with ``s_q = |t_q / t_0|``.

*At most.* The growth is read from all terms by the root test of ``s_q / q!``, which no single term
that happens to be small makes small or, as the ratio of two would, large; the next term is at most
the larger of what the last two become at that rate, factorials and all:

    r = max_q (s_q / q!)^(1/q) ,    s_{Q+1} <= max_{j = Q-1, Q}  s_j r^(Q+1-j) (Q+1)!/j! .

*Likely.* As a geometric series through each pair of the last few terms; of these extrapolations the
largest, unless that is beyond the most. Where a coefficient changes sign it is small by accident,
and passes neither for convergence nor, as the first of a pair, for growth.

Either way each term counts as large as it was, relative to the leading one, in any of the few
layers before.
"""

from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from nneft.gaussian.base import Array

#: Terms, from the last one back, through which extrapolations go, and layers that count together.
TERMS, LAYERS = 4, 4


@dataclass(frozen=True)
class Remainder:
    """Sizes of the terms of all layers, relative to the leading ones.

    Attributes
    ----------
    sizes : (Q + 1, L)
        The largest ``|t_q / t_0|`` of the last `LAYERS` layers.
    next : (L,)
        The likely ``|t_{Q+1} / t_0|``; inf where the leading term vanishes and others do not.
    most : (L,)
        What it is at most, by the growth of all that are held; never less than `next`.
    """

    sizes: Array
    next: Array
    most: Array

    @property
    def converges(self) -> NDArray[np.bool_]:
        """(L,): whether the estimated next term is smaller than the last ones held."""
        return np.asarray((self.next < np.max(self.last, axis=0)) | (self.next == 0.0))

    @property
    def last(self) -> Array:
        """(1..3, L): sizes of the last terms, from the first correction on where there are two.

        The next one is held against the largest: a term that is small by accident says nothing.
        """
        return self.sizes[-2:] if len(self.sizes) == 2 else self.sizes[1:][-3:]

    def truncated(self, terms: Array) -> tuple[Array, NDArray[np.intp]]:
        """(L,) each: what the best sum of each layer's terms misses, and that sum's order.

        That order is Q or, where terms grow, the one before the smallest term.
        """
        lead = np.abs(terms[0])
        last = np.where(
            np.isinf(self.next), np.inf, np.where(np.isinf(self.next), 0.0, self.next) * lead
        )
        # A sum to order q misses the term after it.
        missed = np.concatenate([np.abs(terms[1:]), last[None]])
        used = np.where(self.converges, len(terms) - 1, np.argmin(missed, axis=0))
        return missed[used, np.arange(len(lead))], used


def remainder(terms: Array, errors: Array) -> Remainder:
    """Of the terms (Q + 1, L) of all layers from the first, at least two in number.

    A term below the bound on its numerical error counts as zero, as its true value often is.
    """
    sizes = _enveloped(_relative(np.where(np.abs(terms) > errors, np.abs(terms), 0.0)))
    Q = len(sizes) - 1
    found = np.zeros(sizes.shape[1])
    for j in (Q, Q - 1):
        for i in range(max(0, Q + 1 - TERMS), j):
            found = np.maximum(found, _extrapolated(sizes, i, j))
    most = _most(sizes)
    return Remainder(sizes, np.minimum(found, most), most)


def _most(sizes: Array) -> Array:
    """``|t_{Q+1} / t_0|`` if it grows no faster than all that are held."""
    Q = len(sizes) - 1
    # r = max_q (s_q / q!)^(1/q)
    rate = np.max([(sizes[q] / factorial(q)) ** (1.0 / q) for q in range(1, Q + 1)], axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        # s_j r^(Q+1-j) (Q+1)!/j! , j = Q-1, Q
        previous = sizes[Q - 1] * rate**2 * (Q * (Q + 1))
        found = np.maximum(previous, sizes[Q] * rate * (Q + 1))
    return np.where(np.isnan(found), np.inf, found)  # inf * 0: no leading term


def _extrapolated(sizes: Array, i: int, j: int) -> Array:
    """``s_j (s_j / s_i)^((Q+1-j)/(j-i))``; from the leading term where ``s_i`` vanishes."""
    start = np.where(sizes[i] > 0.0, sizes[i], 1.0)
    step = np.where(sizes[i] > 0.0, j - i, j)
    with np.errstate(over="ignore", invalid="ignore"):
        found = sizes[j] * (sizes[j] / start) ** ((len(sizes) - j) / step)
    return np.where(np.isnan(found), np.inf, found)  # inf / inf: no leading term


def _relative(size: Array) -> Array:
    """``|t_q / t_0|``; inf where only the leading term vanishes, zero where all do."""
    lead = size[0] > 0.0
    relative = size / np.where(lead, size[0], 1.0)
    relative[1:] = np.where(lead | (size[1:] == 0.0), relative[1:], np.inf)
    relative[0] = 1.0
    return relative


def _enveloped(relative: Array) -> Array:
    """The largest of the last `LAYERS` layers."""
    padded = np.pad(relative, ((0, 0), (LAYERS - 1, 0)))
    return np.asarray(np.max([padded[:, i : i + relative.shape[1]] for i in range(LAYERS)], axis=0))
