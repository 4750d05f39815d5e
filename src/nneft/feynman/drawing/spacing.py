"""Which parts of a layout are too close: everything is covered by small circles."""

from __future__ import annotations

from cmath import exp
from collections.abc import Iterator
from math import pi
from typing import NamedTuple

from nneft.feynman.drawing.curves import arc, sample
from nneft.feynman.drawing.layout import Layout
from nneft.feynman.drawing.sizes import (
    BLOB,
    FORK,
    FORK_ANGLE,
    HALF_GAP,
    label_box,
    label_place,
    radius_of,
)
from nneft.feynman.drawing.skeleton import Skeleton

#: Radius of the room that is kept for the name of a blob.
NAME = 6.5

#: Room that is kept free between any two parts.
ROOM = 4.0


class Cover(NamedTuple):
    """Circles that cover one part: what it hangs on, and centre and radius of each."""

    nodes: tuple[int, ...]
    what: str
    circles: list[tuple[complex, float]]


def touching(layout: Layout, skeleton: Skeleton) -> Iterator[tuple[int, int]]:
    """Pairs of nodes such that something that belongs to one is too close to the other's."""
    covers = list(_covers(layout, skeleton))
    for n, one in enumerate(covers):
        for other in covers[:n]:
            if one.what == other.what == "edge":
                continue  # double lines may cross: nothing can always prevent that
            shared = set(one.nodes) & set(other.nodes)
            if shared and "disc" in (one.what, other.what):
                continue  # a line starts at its own disc
            if _close(one, other, [layout.at[node] for node in shared]):
                yield one.nodes[-1], other.nodes[-1]


def free_places(layout: Layout, skeleton: Skeleton) -> Iterator[tuple[int, complex]]:
    """For each blob a place beside it where a name does not touch anything."""
    circles = [circle for cover in _covers(layout, skeleton) for circle in cover.circles]
    for node, kind in enumerate(skeleton.kinds):
        if kind == "blob":
            at = _freest(layout.at[node], circles)
            circles.append((at, NAME))
            yield node, at


def _freest(blob: complex, circles: list[tuple[complex, float]]) -> complex:
    """The place with most room, as near as there is enough of it."""
    near = [(p, r) for p, r in circles if abs(p - blob) < 80.0]
    best, most = blob, -1e9
    for step in (2.0, 5.0, 9.0, 14.0, 20.0, 28.0, 37.0):
        distance = BLOB + NAME + step
        for n in range(32):
            at = blob + distance * exp(2j * pi * (n + 0.5) / 32)
            room = min(abs(at - p) - r for p, r in near) - NAME
            if room > most + 1e-6:
                best, most = at, room
        if most > 1.0:
            break
    return best


def _close(one: Cover, other: Cover, shared: list[complex]) -> bool:
    # Lines of one node come together there: near it they may.
    start = [place for place in shared if one.what != "disc"]
    for p, a in one.circles:
        for q, b in other.circles:
            if abs(p - q) < a + b + ROOM and not any(
                abs(p - s) < 22.0 or abs(q - s) < 22.0 for s in start
            ):
                return True
    return False


def _covers(layout: Layout, skeleton: Skeleton) -> Iterator[Cover]:
    for node, place in layout.at.items():
        yield Cover((node,), "disc", [(place, radius_of(skeleton.kinds[node]))])
    for pair, node, along in layout.legs:
        start = layout.at[node] + along * radius_of("blob")
        fork = layout.fork(node, along)
        circles = [(start + (fork - start) * t, 3.0) for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
        for side in (FORK_ANGLE, FORK_ANGLE.conjugate()):
            circles += [(fork + along * side * FORK * t, 1.5) for t in (0.3, 0.7)]
            box = label_box(f"x_{2 * pair + 2}")
            label = label_place(fork + along * side * FORK, along * side, box)
            circles.append((label, max(box) / 2 + 0.5))
        yield Cover((node,), "leg", circles)
    for a, b, count in layout.edges:
        circles = [
            (point, HALF_GAP + 1.0)
            for bow in layout.bows(a, b, count)
            for point in sample(arc(layout.at[a], layout.at[b], bow), 9)[1:-1]
        ]
        yield Cover((a, b), "edge", circles)
