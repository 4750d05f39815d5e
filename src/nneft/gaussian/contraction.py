"""Sums over a lattice of products of factors: hundreds of terms that share most of their work.

A term chooses one row of each operand. From the last direction to the first, everything that
depends on it is summed for each distinct choice once, as batched matrix products; the direction is
then gone, and the choices are the rows of one operand more.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft.gaussian.base import Array

Indices = NDArray[np.intp]


class Operand(NamedTuple):
    """Factors that depend on the first directions of a lattice, and which of them terms take.

    `values` is (n_1, .., n_l, rows) or, with `rows_last` False, (n_1, .., rows, n_l): whichever the
    factors are made in.
    """

    values: Array
    choice: Indices
    rows_last: bool = True

    @property
    def level(self) -> int:
        """How many directions it depends on."""
        return self.values.ndim - 1

    def columns(self) -> Array:
        """(n_1, .., n_l, rows)."""
        return self.values if self.rows_last or not self.level else self.values.swapaxes(-1, -2)

    def rows(self) -> Array:
        """(n_1, .., rows, n_l)."""
        return self.columns().swapaxes(-1, -2)

    def every_second(self) -> "Operand":
        """On every second node in each direction."""
        columns = self.columns()
        values = columns[(slice(None, None, 2),) * self.level]
        if not self.rows_last:
            values = values.swapaxes(-1, -2)
        return Operand(np.ascontiguousarray(values), self.choice, self.rows_last)

    def absolute(self) -> "Operand":
        """Of the absolute values."""
        return Operand(np.abs(self.values), self.choice, self.rows_last)


def total(operands: list[Operand], weights: list[Array]) -> Array:
    """The sum over the lattice of each term, (terms,); `weights` of each direction."""
    left = list(operands)
    for level in range(len(weights), 0, -1):
        here = [o for o in left if o.level == level]
        left = [o for o in left if o.level < level]
        if here:
            left.append(_summed(here, weights[level - 1]))
        else:
            left.append(Operand(np.full(1, np.sum(weights[level - 1])), _first(left)))
    found = np.ones(1)
    for operand in left:
        found = found * operand.values[operand.choice]
    return found


def _first(operands: list[Operand]) -> Indices:
    return np.zeros(len(operands[0].choice), dtype=np.intp)


def _summed(operands: list[Operand], weights: Array) -> Operand:
    """The product of operands of one level, summed over its direction."""
    while len(operands) > 2:
        first, second, *rest = sorted(operands, key=lambda o: o.columns().shape[-1])
        operands = [_product(first, second), *rest]
    if len(operands) == 1:
        [one] = operands
        return Operand(one.rows() @ weights, one.choice)
    small, large = sorted(operands, key=lambda o: o.columns().shape[-1])
    pairs, choice = _distinct(small.choice, large.choice)
    sums = (small.rows() * weights) @ large.columns()
    return Operand(sums[..., pairs[0], pairs[1]], choice)


def _product(one: Operand, other: Operand) -> Operand:
    pairs, choice = _distinct(one.choice, other.choice)
    return Operand(one.columns()[..., pairs[0]] * other.columns()[..., pairs[1]], choice)


def _distinct(one: Indices, other: Indices) -> tuple[tuple[Indices, Indices], Indices]:
    """Distinct pairs of choices, and which of them each term takes."""
    width = int(np.max(other)) + 1
    codes, choice = np.unique(one * width + other, return_inverse=True)
    return (codes // width, codes % width), choice
