"""Place a diagram: a node in the middle, what hangs on it around it, and so on outwards."""

from __future__ import annotations

from cmath import exp, phase
from collections import defaultdict
from collections.abc import Iterator
from math import pi

from nneft.feynman.drawing.arrange import Hung, all_around, one_side, width_of
from nneft.feynman.drawing.layout import Layout
from nneft.feynman.drawing.ring import ring_shape
from nneft.feynman.drawing.skeleton import Branch, Leg, Part, Ring, Skeleton

#: Distance between the centres of a blob and a vertex, and what each further line adds.
EDGE, FURTHER = 38.0, 7.0

#: How far each further line between two corners of a ring reaches out, as an angle at the corner.
BULGE = 0.4

#: By what factor the lengths at each level, counted from the middle, are stretched.
Stretch = defaultdict[int, float]


def place(skeleton: Skeleton, stretch: Stretch) -> Layout:
    """The layout with lengths stretched level by level."""
    layout = Layout()
    middle = skeleton.middle()
    if isinstance(middle, tuple):
        _place_ring(layout, stretch, skeleton.ring(middle, None), 0j, 1 + 0j, False, ())
    else:
        layout.at[middle], layout.path[middle] = 0j, (middle,)
        hung = all_around(skeleton.hanging(middle, frozenset()))
        _hang(layout, stretch, middle, hung, 0.0, False)
    return layout


def _hang(
    layout: Layout,
    stretch: Stretch,
    node: int,
    hung: list[Hung],
    facing: float,
    mirrored: bool,
) -> None:
    """Place what hangs on a node: angles count from `facing`, backwards where mirrored."""
    at, path = layout.at[node], layout.path[node]
    for part, angle, image in hung:
        direction = facing - angle if mirrored else facing + angle
        along = exp(1j * direction)
        turned = mirrored != image
        if isinstance(part, Leg):
            layout.legs.append((part.pair, node, along))
        elif isinstance(part, Branch):
            length = (EDGE + FURTHER * (part.lines - 1)) * stretch[len(path) - 1]
            layout.at[part.node] = at + length * along
            layout.path[part.node] = (*path, part.node)
            layout.edges.append((node, part.node, part.lines))
            inner = one_side(part.parts, edge=width_of(part.lines))
            _hang(layout, stretch, part.node, inner, direction, turned)
        else:
            _place_ring(layout, stretch, part, at, along, turned, path)


def _place_ring(
    layout: Layout,
    stretch: Stretch,
    ring: Ring,
    at: complex,
    along: complex,
    mirrored: bool,
    path: tuple[int, ...],
) -> None:
    """Place a ring: with its entry at a point, its centre in a direction from there."""
    shape = ring_shape(ring)
    if mirrored:
        shape = {node: place.conjugate() for node, place in shape.items()}
    most = max(count for _, _, count in ring.edges)
    size = (EDGE + FURTHER * (most - 1)) * stretch[max(0, len(path) - 1)]
    if ring.entry is not None:
        size *= stretch[len(path)]
        start = shape[ring.entry]
        turn = -along * abs(start) / start
        shape = {node: (place - start) * turn for node, place in shape.items()}
    name = -1 - min(ring.corners)
    for node, place in shape.items():
        if node != ring.entry:
            layout.at[node] = at + size * place
            layout.path[node] = (*path, name, node)
    layout.edges += ring.edges
    for node, parts in ring.corners.items():
        if node != ring.entry:
            for facing, extent, share in _gaps(layout, ring, node, parts):
                _hang(layout, stretch, node, one_side(share, extent), facing, mirrored)


def _gaps(
    layout: Layout, ring: Ring, node: int, parts: tuple[Part, ...]
) -> Iterator[tuple[float, float, tuple[Part, ...]]]:
    """The free sides of a corner: middle direction, width, and the parts that go there."""
    ends = [b if a == node else a for a, b, _ in ring.edges if node in (a, b)]
    ends.sort(key=lambda end: phase(layout.at[end] - layout.at[node]))
    taken = [phase(layout.at[end] - layout.at[node]) for end in ends]
    gaps = [(a, b - a) for a, b in zip(taken, [*taken[1:], taken[0] + 2 * pi])]
    widest = max(width for _, width in gaps)
    share: dict[int, list[Part]] = {n: [] for n, (_, w) in enumerate(gaps) if w > 0.8 * widest}
    for part in parts:
        gap = max(share, key=lambda n: (round(gaps[n][1] / (len(share[n]) + 1), 6), -n))
        share[gap].append(part)
    lines = {frozenset((a, b)): count for a, b, count in ring.edges}
    for gap, held in share.items():
        if held:
            # Several lines side by side bulge to both sides.
            beside = (ends[gap], ends[(gap + 1) % len(ends)])
            most = max(lines[frozenset((node, end))] for end in beside)
            start, width = gaps[gap]
            yield start + width / 2, width - 2 * BULGE * (most - 1), tuple(held)
