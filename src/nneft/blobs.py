"""Blobs: joint cumulants of products of activations under a Gaussian, and their derivatives.

For a block B of pairs, with ``s_A = sigma_a sigma_b``,

    F_B(H) = joint cumulant of { C_b [|B|=1] + C_W s_A : A in B },   phi ~ N(0, H),

and its derivatives by unordered entries of H (`nneft.conventions`), to which each double line of a
diagram is attached. By the heat equation ``d/dH_cd = d_c d_d`` (c != d) and ``1/2 d_c^2`` under the
expectation, so that all comes down to moments ``<prod_a (sigma^{p_a})^{(r_a)}>`` of `gaussian`.
A derivative of a product of moments distributes (Leibniz), and cumulants follow from moments by

    kappa(B, D) = M(B, D) - sum_{b in B1 < B} sum_{D1 <= D} kappa(B1, D1) M(B - B1, D - D1)

with any one pair ``b`` of B, D the entries that are differentiated by.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from math import comb, prod
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian import deltas, expectations, homogeneous
from nneft.gaussian.base import Array, Moments, Term

#: Two inputs, ``a <= b``.
Pair = tuple[int, int]


class Blob(NamedTuple):
    """A block of pairs of inputs, and the kernel's entries that it is differentiated by."""

    block: tuple[Pair, ...]
    entries: tuple[Pair, ...]

    @staticmethod
    def of(block: Iterable[Sequence[int]], entries: Iterable[Sequence[int]] = ()) -> "Blob":
        """In the one order that equal blobs share.

        Raises
        ------
        ValueError
            No pairs at all, or something else than pairs.
        """
        blob = Blob(_sorted(block), _sorted(entries))
        if not blob.block:
            raise ValueError("a blob needs at least one pair of inputs")
        return blob


class _Value(NamedTuple):
    value: float
    error: float


#: Moments ``M(B, D)`` without the 1/2 of equal entries, by sub-block and entries.
_Table = dict[Blob, _Value]
_NOTHING = _Value(0.0, 0.0)


def cumulants(
    activation: Activation, kernel: Array, blobs: Sequence[Blob], *, C_W: float, C_b: float = 0.0
) -> Moments:
    """``F_B`` differentiated by entries of the kernel.

    Parameters
    ----------
    kernel : (N, N)
        Positive semi-definite, singular or not; no two of its inputs coincide.
    blobs
        Blocks and entries; all their moments are found together. An entry of inputs that do not
        both occur in the block gives zero.
    C_W, C_b
        Of the layer that the blobs belong to.

    Returns
    -------
    Moments
        Values and estimates of their absolute errors, one for each blob.

    Raises
    ------
    ValueError
        The moments diverge; an input out of range.
    nneft.NumericsError
        A moment cannot be had to a usable accuracy.
    """
    blobs = [Blob.of(*blob) for blob in blobs]
    _check_range(blobs, len(kernel))
    table = _moments(activation, kernel, blobs)
    known: _Table = {}
    found = []
    for blob in blobs:
        value, error = _cumulant(blob, table, known)
        # 1/2 d_c^2 for equal entries; C_W for each of the pairs.
        factor = C_W ** len(blob.block) * 0.5 ** sum(c == d for c, d in blob.entries)
        mean = C_b if len(blob.block) == 1 and not blob.entries else 0.0
        found.append((mean + factor * value, factor * error))
    return _collected(found)


def stars(activation: Activation, kernel: Array, blobs: Sequence[Blob]) -> Moments:
    """The paper's blobs ``<prod_{cd in entries} d_c d_d  prod_{A in block} Delta_A>`` (A.16).

    ``Delta_A = s_A - <s_A>``, the mean held fixed; no constants and no 1/2. Parameters, returns
    and errors as of `cumulants`.
    """
    blobs = [Blob.of(*blob) for blob in blobs]
    _check_range(blobs, len(kernel))
    table = _moments(activation, kernel, blobs)
    return _collected(_star(blob, table) for blob in blobs)


def _star(blob: Blob, table: _Table) -> _Value:
    """``prod (s_A - <s_A>)`` multiplied out."""
    value = error = 0.0
    for kept, dropped, ways in _parts(blob.block):
        factors = [table[Blob((pair,), ())] for pair in dropped]
        if kept:
            factors.append(_at(table, Blob(kept, blob.entries)))
        elif blob.entries:
            continue  # a constant, differentiated
        value += ways * (-1) ** len(dropped) * prod(f.value for f in factors)
        error += ways * _product_error(factors)
    return _Value(value, error)


def _cumulant(blob: Blob, table: _Table, known: _Table) -> _Value:
    if blob in known:
        return known[blob]
    value, error = _at(table, blob)
    first, others = blob.block[:1], blob.block[1:]
    for taken, rest, ways in _parts(others):
        if not rest:
            continue
        for mine, theirs, shares in _parts(blob.entries):
            if _touched(first + taken, mine) and _touched(rest, theirs):
                left = _cumulant(Blob(first + taken, mine), table, known)
                right = table[Blob(rest, theirs)]
                value -= ways * shares * left.value * right.value
                error += ways * shares * _product_error((left, right))
    known[blob] = _Value(value, error)
    return known[blob]


def _product_error(factors: Sequence[_Value]) -> float:
    """To first order, all errors taken with the same sign."""
    if len(factors) == 2:
        left, right = factors
        return abs(left.value) * right.error + left.error * abs(right.value)
    return sum(
        f.error * prod(abs(g.value) for j, g in enumerate(factors) if j != i)
        for i, f in enumerate(factors)
    )


def _at(table: _Table, blob: Blob) -> _Value:
    """``M(B, D)``: zero where D holds an input that B does not depend on."""
    return table[blob] if _touched(*blob) else _NOTHING


@lru_cache(maxsize=16384)
def _touched(block: tuple[Pair, ...], entries: tuple[Pair, ...]) -> bool:
    """Whether the block depends on all these entries of the kernel."""
    inputs = {a for pair in block for a in pair}
    return all(c in inputs and d in inputs for c, d in entries)


# --- the moments that a list of blobs needs, found together ---------------------------------------


def _moments(activation: Activation, kernel: Array, blobs: Sequence[Blob]) -> _Table:
    wanted = {
        Blob(block, entries)
        for blob in set(blobs)
        for block, _, _ in _parts(blob.block)
        for entries, _, _ in _parts(blob.entries)
        if block and _touched(block, entries)
    }
    groups: dict[tuple[int, ...], dict[Term, list[Blob]]] = {}
    for blob in sorted(wanted):
        inputs, term = _term(blob)
        groups.setdefault(inputs, {}).setdefault(term, []).append(blob)
    table: _Table = {}
    for inputs, terms in groups.items():
        found = expectation(activation, kernel[np.ix_(inputs, inputs)], list(terms))
        for same, value, error in zip(terms.values(), *found, strict=True):
            table.update(dict.fromkeys(same, _Value(float(value), float(error))))
    return table


def _term(blob: Blob) -> tuple[tuple[int, ...], Term]:
    """The inputs in a blob, and for each the power of sigma and the number of derivatives."""
    powers = Counter(a for pair in blob.block for a in pair)
    orders = Counter(c for entry in blob.entries for c in entry)
    inputs = tuple(sorted(powers))
    return inputs, (tuple(powers[a] for a in inputs), tuple(orders[a] for a in inputs))


def expectation(activation: Activation, kernel: Array, terms: Sequence[Term]) -> Moments:
    """``<prod_a (sigma^{p_a})^{(r_a)}>`` of one group of inputs, whatever the method covers."""
    if len(kernel) == 1:
        one = expectations.singles(activation, kernel[0], terms)
        return Moments(one.values[:, 0], one.errors[:, 0])
    beyond = [
        t for t, term in enumerate(terms) if activation.slopes and not homogeneous.covers(term)
    ]
    if activation.polynomial is not None or not beyond:
        return expectations.moments(activation, kernel, terms)
    # Closed forms of ReLU-like activations where there are some; deltas and panels for the others.
    values, errors = np.zeros(len(terms)), np.zeros(len(terms))
    within = [t for t in range(len(terms)) if t not in beyond]
    for places, method in ((within, expectations.moments), (beyond, deltas.moments)):
        if places:
            values[places], errors[places] = method(activation, kernel, [terms[t] for t in places])
    return Moments(values, errors)


# --- multisets, as sorted tuples ------------------------------------------------------------------


@lru_cache(maxsize=16384)
def _parts(
    items: tuple[Pair, ...],
) -> tuple[tuple[tuple[Pair, ...], tuple[Pair, ...], int], ...]:
    """Every different part of a sorted multiset, the rest, and in how many ways it is chosen."""
    counts = sorted(Counter(items).items())
    found = []
    for chosen in product(*(range(n + 1) for _, n in counts)):
        some = list(zip(counts, chosen, strict=True))
        part = tuple(item for (item, _), j in some for _ in range(j))
        rest = tuple(item for (item, n), j in some for _ in range(n - j))
        found.append((part, rest, prod(comb(n, j) for (_, n), j in some)))
    return tuple(found)


def _sorted(pairs: Iterable[Sequence[int]]) -> tuple[Pair, ...]:
    found: list[Pair] = []
    for pair in pairs:
        if len(pair) != 2:
            raise ValueError(f"a blob is made of pairs of inputs, got {tuple(pair)}")
        a, b = sorted(int(i) for i in pair)
        found.append((a, b))
    return tuple(sorted(found))


def _check_range(blobs: Iterable[Blob], size: int) -> None:
    for blob in blobs:
        for pair in (*blob.block, *blob.entries):
            if not 0 <= pair[0] <= pair[1] < size:
                raise ValueError(f"the pair {pair} is out of range: there are {size} inputs")


def _collected(found: Iterable[_Value | tuple[float, float]]) -> Moments:
    rows = np.array([tuple(pair) for pair in found]).reshape(-1, 2)
    return Moments(rows[:, 0], rows[:, 1])
