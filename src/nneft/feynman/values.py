"""What diagrams are worth on a given flow: blobs and vertices contracted.

A diagram contributes to ``V_2k`` of layer l, with ``rho = n_{l-1}/n_{l-2}`` and j the powers of
``1/n_{l-2}`` that it has::

    S' rho^j  sum_{C_1, C_2, ..}  prod_vertices V(C ..)  prod_blobs d^r F_B / dK_C ..

where each double line runs over the unordered pairs C of inputs that its blob depends on, and S'
is the symmetry factor without the 1/2 of each double line: derivatives by unordered entries hold
it. BCCZ (20)-(25), (A.19)-(A.27).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nneft.blobs import Blob, cumulants
from nneft.errors import NumericsError
from nneft.feynman.below import Below, Correlators
from nneft.feynman.placing import Placed, placements
from nneft.gaussian.base import Array

if TYPE_CHECKING:
    from nneft.feynman.diagram import Diagram


class Value(NamedTuple):
    """A contribution, and an estimate of its error from the expectations in its blobs."""

    value: float
    error: float


class Evaluator:
    """Values of diagrams at one layer of a flow; vertices and blobs are found once.

    Parameters
    ----------
    flow
        A `nneft.Flow`, or anything that has the methods of `Correlators`.
    layer
        The layer of the correlator, from 2 on; its diagrams are made of what the one below holds.

    Raises
    ------
    ValueError, TypeError
        A layer that the network does not have, or the first.
    """

    def __init__(self, flow: Correlators, layer: int) -> None:
        self._below = Below(flow, layer)
        self._blobs: dict[Blob, Value] = {}

    def check(self, points: int, at: Sequence[int] | None) -> None:
        """ValueError or TypeError for indices that are none, before any diagram is made."""
        self._below.place(at, points)

    def values(self, diagrams: Sequence[Diagram], at: Sequence[int] | None = None) -> list[Value]:
        """The contribution of each diagram to ``V_2k`` of the layer, at 2k inputs.

        Parameters
        ----------
        diagrams
            Topologies count for all their labelled diagrams. A whole ``V_2s`` counts with its
            leading order.
        at
            2k indices of inputs, two by two an external pair; the first input everywhere if None.

        Returns
        -------
        Coefficients of ``n_{l-1}^-(k-1+order)`` in the cumulant, order each diagram's own.

        Raises
        ------
        ValueError
            Indices out of range or of the wrong number; something that the flow does not hold.
        nneft.NumericsError
            Overflow, or an expectation that cannot be had.
        """
        places = [self._below.place(at, diagram.points) for diagram in diagrams]
        placed = [
            placements(diagram, self._below.pairs(place))
            for diagram, place in zip(diagrams, places, strict=True)
        ]
        self._find_blobs(one for counts in placed for one in counts)
        found = []
        for diagram, place, counts in zip(diagrams, places, placed, strict=True):
            # S' rho^j
            weight = float(diagram.symmetry_factor * 2 ** sum(diagram.lines))
            weight *= self._below.ratio ** -diagram.width_powers[1] * self._below.scale(place)
            each = [(ways, self._contracted(one)) for one, ways in counts.items()]
            value = weight * sum(ways * one.value for ways, one in each)
            error = weight * sum(ways * one.error for ways, one in each)
            if not np.isfinite(value):
                raise NumericsError(
                    f"diagram {diagram} of layer {self._below.layer} overflows double precision"
                )
            found.append(Value(value, error))
        return found

    def _find_blobs(self, placed: Iterable[Placed]) -> None:
        """The blobs of all diagrams together, so that their moments are shared."""
        wanted = {
            blob
            for one in placed
            if self._alive(self._vertices(one))
            for b in range(len(one.blocks))
            for blob in _components(one, b)
        }
        new = sorted(wanted - set(self._blobs))
        network, layer = self._below.network, self._below.layer
        C_W, C_b = float(network.C_W[layer - 1]), float(network.C_b[layer - 1])
        found = cumulants(network.activation, self._below.kernel, new, C_W=C_W, C_b=C_b)
        self._blobs.update(
            (blob, Value(float(value), float(error)))
            for blob, value, error in zip(new, *found, strict=True)
        )

    def _contracted(self, placed: Placed) -> Value:
        """Sum over the pairs of all double lines."""
        vertices = self._vertices(placed)
        if not self._alive(vertices):
            return Value(0.0, 0.0)
        blobs, errors = [], []
        for b in range(len(placed.blocks)):
            held = np.array([self._blobs[blob] for blob in _components(placed, b)])
            shape = (len(placed.entries(b)),) * placed.lines(b)
            blobs.append(held[:, 0].reshape(shape))
            errors.append(held[:, 1].reshape(shape))
        subscripts = placed.subscripts()
        value = _summed([*vertices, *blobs], subscripts)
        # To first order, one blob at a time uncertain, all with the same sign.
        sizes = [np.abs(tensor) for tensor in (*vertices, *blobs)]
        error = 0.0
        for place, uncertain in enumerate(errors, start=len(vertices)):
            factors = [*sizes[:place], uncertain, *sizes[place + 1 :]]
            error += _summed(factors, subscripts)
        return Value(value, error)

    def _vertices(self, placed: Placed) -> list[Array]:
        """For each vertex an axis a line: its components at the entries of the line's blob."""
        tensors = []
        for vertex in placed.vertices:
            axes = [placed.entries(b) for b in vertex.blobs]
            values = [self._below.vertex(vertex.kind, pairs) for pairs in product(*axes)]
            tensors.append(np.reshape(values, [len(axis) for axis in axes]))
        return tensors

    @staticmethod
    def _alive(vertices: list[Array]) -> bool:
        """Whether the blobs are worth finding: no vertex vanishes."""
        return all(np.any(tensor) for tensor in vertices)


def _components(placed: Placed, b: int) -> list[Blob]:
    """The blob's derivatives by all entries that its lines can take, in C order."""
    block = placed.blocks[b]
    entries = product(placed.entries(b), repeat=placed.lines(b))
    return [Blob.of(block, derivatives) for derivatives in entries]


def _summed(tensors: list[Array], subscripts: list[list[int]]) -> float:
    if all(tensor.size == 1 for tensor in tensors):
        return prod(float(tensor.item()) for tensor in tensors)  # one input
    operands: list[Any] = [part for pair in zip(tensors, subscripts, strict=True) for part in pair]
    return float(np.einsum(*operands, [], optimize="greedy"))
