"""From components over distinct inputs back to the inputs that were given."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index

import numpy as np
from numpy.typing import NDArray

from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.rg.averages import pair_index
from nneft.rg.multisets import dense_places, rank
from nneft.rg.reduction import Reduction

#: Most bytes of a dense array that is handed out.
MOST_BYTES = 8 * 2**30


@dataclass(frozen=True, eq=False)
class Components:
    """Reads symmetric tensors over pairs of distinct inputs, lengths put back."""

    reduction: Reduction

    @cached_property
    def pairs(self) -> NDArray[np.intp]:
        """(N, N): for each two of the inputs given, the place of their pair of distinct ones."""
        of = self.reduction.of
        places = pair_index(len(self.reduction.kernel))
        return np.asarray(places[np.ix_(of, of)], dtype=np.intp)

    def dense(self, held: Sequence[Array], k: int) -> Array:
        """Rows of components of k pairs to (rows, N, .., N) with 2k axes of inputs.

        Raises
        ------
        ValueError
            More than `MOST_BYTES`.
        nneft.NumericsError
            The inputs' lengths overflow.
        """
        count = len(self.reduction.of)
        needed = 8 * len(held) * count ** (2 * k)
        if needed > MOST_BYTES:
            raise ValueError(
                f"V({2 * k}) of {count} inputs as a dense array would take {needed:.3g} bytes; "
                "ask for components, V(points, at=...)"
            )
        dense = dense_places(self._count, k)
        # One axis of pairs for every two of inputs.
        axes = np.ix_(*([self.pairs.ravel()] * k))
        shape = (count,) * (2 * k)
        return np.stack([self._scaled(v[dense[axes]].reshape(shape)) for v in held])

    def component(self, held: Sequence[Array], at: Sequence[int], points: int) -> Array:
        """(rows,): one component, `points` indices of inputs, two by two a pair.

        Raises
        ------
        ValueError, TypeError
            Indices out of range, of the wrong number, or no integers.
        """
        indices = self._checked(at, points)
        pairs = np.sort(self.pairs[indices[::2], indices[1::2]])
        place = rank(pairs, self._count)
        lengths = float(np.prod(self.reduction.lengths[list(indices)]))
        return np.array([float(v[place]) * lengths for v in held])

    @property
    def _count(self) -> int:
        distinct = len(self.reduction.kernel)
        return distinct * (distinct + 1) // 2

    def _scaled(self, values: Array) -> Array:
        """Give every input back the length that the reduction took out."""
        for axis in range(values.ndim):
            shape = [1] * values.ndim
            shape[axis] = -1
            values = values * self.reduction.lengths.reshape(shape)
        if not np.all(np.isfinite(values)):
            raise NumericsError("a correlator overflows double precision at these inputs' lengths")
        return values

    def _checked(self, at: Sequence[int], points: int) -> tuple[int, ...]:
        count = len(self.reduction.of)
        wanted = f"at must be {points} indices of inputs from 0 to {count - 1}, got {at!r}"
        try:
            indices = tuple(index(i) for i in at)
        except TypeError:
            raise TypeError(wanted) from None
        if len(indices) != points or not all(0 <= i < count for i in indices):
            raise ValueError(wanted)
        return indices
