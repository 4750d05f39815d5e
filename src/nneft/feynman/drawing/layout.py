"""Where the nodes of a diagram lie and in which direction its legs point."""

from __future__ import annotations

from cmath import phase
from dataclasses import dataclass, field
from math import pi, tan

from nneft.feynman.drawing.curves import fan
from nneft.feynman.drawing.sizes import BLOB, FAN, WAVY

#: Angles that are kept free between a fan and a line, and between two fans.
CLEAR, SHARED = 0.5, 0.3

#: Double lines side by side are never closer than this.
NARROW = 7.0


@dataclass
class Layout:
    """Places and directions, as they are found.

    Attributes
    ----------
    at
        Centre of each node.
    legs
        Number of the external pair, its node, and its direction as a complex number of modulus 1.
    edges
        Two nodes and the number of double lines between them.
    reach
        How much longer than usual the legs of a node are.
    path
        For each node what it hangs on, from the middle outwards.
    """

    at: dict[int, complex] = field(default_factory=dict)
    legs: list[tuple[int, int, complex]] = field(default_factory=list)
    edges: list[tuple[int, int, int]] = field(default_factory=list)
    reach: dict[int, float] = field(default_factory=dict)
    path: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def fork(self, node: int, along: complex) -> complex:
        """Where a leg forks."""
        return self.at[node] + along * (BLOB + WAVY + self.reach.get(node, 0.0))

    def bows(self, a: int, b: int, count: int) -> list[float]:
        """How far each of the double lines between two nodes bends to the left.

        They fan out, less so where other lines are near.
        """
        step, length = FAN, abs(self.at[b] - self.at[a])
        for node, other in ((a, b), (b, a)) if count > 1 else ():
            # The tangent of an arc of bow h is at an angle t to the chord, tan(t/2) = 2 h / length.
            most = length / 2 * tan(max(self._room_beside(node, other), 0.0) / 2)
            step = min(step, 2 * most / (count - 1))
        return fan(count, max(step, NARROW))

    def _room_beside(self, node: int, towards: int) -> float:
        """The angle by which lines from a node to another may fan out to either side."""
        along = self.at[towards] - self.at[node]
        room = [abs(phase(way / along)) - CLEAR for _, n, way in self.legs if n == node]
        for a, b, count in self.edges:
            if node in (a, b) and towards not in (a, b):
                way = self.at[b if a == node else a] - self.at[node]
                angle = abs(phase(way / along))
                # With another fan the angle is shared.
                room.append(angle - CLEAR if count == 1 else (angle - SHARED) / 2)
        return min(room, default=pi / 2)

    def turned(self, by: complex) -> Layout:
        """The same, turned about the origin by the phase of a complex number of modulus 1."""
        return Layout(
            {node: place * by for node, place in self.at.items()},
            [(pair, node, along * by) for pair, node, along in self.legs],
            self.edges,
            self.reach,
            self.path,
        )
