"""Diagrams at chosen inputs: which external pairs sit at which blob, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, NamedTuple

from nneft.blobs import Pair
from nneft.feynman.labelling import labellings

if TYPE_CHECKING:
    from nneft.feynman.diagram import Diagram, Vertex


class Placed(NamedTuple):
    """A diagram with its external pairs of inputs: the pairs of each blob, and the vertices."""

    blocks: tuple[tuple[Pair, ...], ...]
    vertices: tuple[Vertex, ...]

    def entries(self, b: int) -> list[Pair]:
        """The kernel's entries that blob b depends on: pairs of the inputs that occur in it."""
        inputs = sorted({a for pair in self.blocks[b] for a in pair})
        return list(combinations_with_replacement(inputs, 2))

    def lines(self, b: int) -> int:
        """Number of double lines of blob b."""
        return sum(vertex.blobs.count(b) for vertex in self.vertices)

    def subscripts(self) -> list[list[int]]:
        """Numbers of the double lines at every vertex, then at every blob."""
        at_vertex: list[list[int]] = []
        at_blob: list[list[int]] = [[] for _ in self.blocks]
        number = 0
        for vertex in self.vertices:
            at_vertex.append([])
            for b in vertex.blobs:
                at_vertex[-1].append(number)
                at_blob[b].append(number)
                number += 1
        return at_vertex + at_blob


def placements(diagram: Diagram, pairs: Sequence[Pair]) -> Counter[Placed]:
    """The labelled diagrams of a diagram at these external pairs, those that are equal counted."""
    if len(set(pairs)) == 1:
        blocks = tuple((pairs[0],) * m for m in diagram.legs)
        return Counter({Placed(blocks, diagram.vertices): diagram.multiplicity})
    found: Counter[Placed] = Counter()
    for one in [diagram] if diagram.labelled else labellings(diagram):
        held = [blob for blob in one.blobs if not isinstance(blob, int)]
        blocks = tuple(tuple(sorted(pairs[i] for i in blob)) for blob in held)
        found[Placed(blocks, one.vertices)] += 1
    return found
