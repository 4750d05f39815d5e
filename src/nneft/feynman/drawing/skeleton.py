"""The graph of a diagram as a tree of parts: what hangs on what, and where its middle is.

Nodes are the blobs, then the vertices. Several double lines between the same two nodes are one
edge. An edge that lies on no loop is a *branch*; edges on common loops make up a *ring*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nneft.feynman.diagram import Diagram

#: How a part looks, whatever its place: equal for parts that can be exchanged in a picture.
Shape = tuple[object, ...]


class Leg(NamedTuple):
    """A wavy leg, with the number of its external pair."""

    pair: int

    @property
    def weight(self) -> int:
        """One."""
        return 1

    @property
    def shape(self) -> Shape:
        """All legs look the same."""
        return ("leg",)


@dataclass(frozen=True)
class Branch:
    """An edge and what lies beyond it."""

    node: int
    kind: str
    lines: int
    parts: tuple[Part, ...]

    @cached_property
    def weight(self) -> int:
        """How much room it asks for: its external legs, at least one."""
        return max(1, sum(part.weight for part in self.parts))

    @cached_property
    def shape(self) -> Shape:
        """How it looks."""
        return ("branch", self.kind, self.lines, *sorted((p.shape for p in self.parts), key=str))


@dataclass(frozen=True)
class Ring:
    """Nodes on common loops, with what hangs on each of them.

    Attributes
    ----------
    corners
        For each node of the ring what hangs on it; on `entry` nothing more than the ring.
    edges
        Pairs of nodes and the number of double lines between them.
    entry
        The node at which it hangs; None where the picture starts from it.
    """

    corners: dict[int, tuple[Part, ...]]
    edges: tuple[tuple[int, int, int], ...]
    entry: int | None

    @cached_property
    def weight(self) -> int:
        """How much room it asks for."""
        return 1 + max(1, sum(p.weight for parts in self.corners.values() for p in parts))

    @cached_property
    def shape(self) -> Shape:
        """How it looks, up to the order of its corners."""
        hung = [sorted((p.shape for p in parts), key=str) for parts in self.corners.values()]
        lines = sorted(count for _, _, count in self.edges)
        return ("ring", tuple(lines), *sorted(map(tuple, hung), key=str))


Part = Leg | Branch | Ring


class Skeleton:
    """The graph of one diagram."""

    def __init__(self, diagram: Diagram) -> None:
        blobs = len(diagram.blobs)
        self.kinds = ["blob"] * blobs + [v.name for v in diagram.vertices]
        self.pairs = _pairs(diagram)
        self.lines: list[dict[int, int]] = [{} for _ in self.kinds]
        for place, vertex in enumerate(diagram.vertices, start=blobs):
            for blob in vertex.blobs:
                self.lines[place][blob] = self.lines[blob][place] = (
                    self.lines[place].get(blob, 0) + 1
                )

    @cached_property
    def rings(self) -> list[tuple[int, ...]]:
        """The nodes of each ring."""
        return [tuple(sorted(block)) for block in _blocks(self.lines) if len(block) > 2]

    def hanging(self, node: int, but: frozenset[int]) -> tuple[Part, ...]:
        """What hangs on a node, apart from what leads to the nodes `but`."""
        parts: list[Part] = [Leg(pair) for pair in self.pairs[node]]
        seen = set(but)
        for ring in self.rings:
            if node in ring and not but.intersection(ring):
                parts.append(self.ring(ring, node))
                seen |= set(ring)
        for other, count in sorted(self.lines[node].items()):
            if other not in seen:
                beyond = self.hanging(other, frozenset([node]))
                parts.append(Branch(other, self.kinds[other], count, beyond))
        return tuple(parts)

    def ring(self, nodes: tuple[int, ...], entry: int | None) -> Ring:
        """A ring with all that hangs on its corners."""
        members = frozenset(nodes)
        corners = {n: () if n == entry else self.hanging(n, members - {n}) for n in nodes}
        edges = tuple(
            (a, b, count) for a in nodes for b, count in sorted(self.lines[a].items())
            if a < b and b in members
        )  # fmt: skip
        return Ring(corners, edges, entry)

    def middle(self) -> int | tuple[int, ...]:
        """The node, or the ring, from which the farthest node is nearest."""
        far = [self._distances(n) for n in range(len(self.kinds))]
        # A ring stands for all its corners, which lie a quarter of its length from its centre.
        found: list[tuple[tuple[float, ...], int | tuple[int, ...]]] = []
        for ring in self.rings:
            nearest = [min(far[c][n] for c in ring) for n in range(len(self.kinds))]
            reach = max(nearest) + len(ring) / 4 - 1
            found.append(((reach, 0.0, -len(ring), sum(nearest)), ring))
        for node, distances in enumerate(far):
            items = len(self.lines[node]) + len(self.pairs[node])
            lonely = float(len(self.lines[node]) < 2 and len(self.kinds) > 1)
            found.append(((max(distances), 1.0 + lonely, -items, sum(distances)), node))
        return min(found, key=lambda f: f[0])[1]

    def _distances(self, start: int) -> list[int]:
        steps = {start: 0}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            for other in self.lines[node]:
                if other not in steps:
                    steps[other] = steps[node] + 1
                    queue.append(other)
        return [steps[n] for n in range(len(self.kinds))]


def _pairs(diagram: Diagram) -> list[tuple[int, ...]]:
    """External pairs of each node: a topology's are numbered from blob to blob."""
    numbers = iter(range(sum(diagram.legs)))
    held = [
        tuple(next(numbers) for _ in range(b)) if isinstance(b, int) else b for b in diagram.blobs
    ]
    return held + [()] * len(diagram.vertices)


def _blocks(lines: list[dict[int, int]]) -> Iterator[set[int]]:
    """Biconnected components, each as its set of nodes (Hopcroft and Tarjan)."""
    found: list[set[int]] = []
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []

    def visit(node: int, parent: int) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(lines[node]):
            if other not in number:
                visit(other, node)
                low[node] = min(low[node], low[other])
                if low[other] >= number[node]:
                    block = {node}
                    while other not in block:
                        block.add(stack.pop())
                    found.append(block)
            elif other != parent:
                low[node] = min(low[node], number[other])

    visit(0, -1)
    return iter(found)
