"""Turn a layout: mirror axes upright or level, then wide rather than high."""

from __future__ import annotations

from cmath import exp, phase
from itertools import combinations
from math import pi

from nneft.feynman.drawing.layout import Layout
from nneft.feynman.drawing.sizes import FORK, WAVY, radius_of
from nneft.feynman.drawing.skeleton import Skeleton

#: Two points closer than this are the same.
NEAR = 0.5

#: How much less it matters that a double line is level than that a leg is.
LOOSE = 0.9

#: What is so much higher than wide is better lying.
TALL = 1.3

Points = list[tuple[complex, str]]


def upright(layout: Layout, skeleton: Skeleton) -> Layout:
    """The layout in its best direction, its middle in the origin."""
    points = _points(layout, skeleton)
    centre = sum(p for p, _ in points) / len(points)
    points = [(p - centre, kind) for p, kind in points]
    legs = [along for _, _, along in layout.legs]
    ring = {node for nodes in skeleton.rings for node in nodes}
    lines = [layout.at[b] - layout.at[a] for a, b, _ in layout.edges if not {a, b} <= ring]
    for nodes in skeleton.rings:
        # Of a ring not the sides but the spokes to its blobs.
        hub = sum(layout.at[node] for node in nodes) / len(nodes)
        spokes = [layout.at[n] - hub for n in nodes if skeleton.kinds[n] == "blob"]
        lines += [spoke for spoke in spokes if abs(spoke) > NEAR]
    best = min(_turns(points, lines + legs), key=lambda turn: _rank(points, lines, legs, turn))
    moved = Layout(
        {node: place - centre for node, place in layout.at.items()},
        layout.legs,
        layout.edges,
        layout.reach,
        layout.path,
    )
    return moved.turned(exp(1j * best))


def _points(layout: Layout, skeleton: Skeleton) -> Points:
    points: Points = [(place, skeleton.kinds[node]) for node, place in sorted(layout.at.items())]
    reach = radius_of("blob") + WAVY + FORK
    return points + [(layout.at[node] + reach * along, "leg") for _, node, along in layout.legs]


def _turns(points: Points, lines: list[complex]) -> list[float]:
    """Angles that make level or upright a line, or an axis through a point or between two alike."""
    angles = {round(phase(along), 6) for along in lines}
    angles |= {round(phase(p), 6) for p, _ in points if abs(p) > NEAR}
    for (p, a), (q, b) in combinations(points, 2):
        if a == b and abs(abs(p) - abs(q)) < NEAR and abs(p + q) > NEAR:
            angles.add(round(phase(p + q), 6))
    quarters = {round((quarter * pi / 2 - a) % (2 * pi), 6) for a in angles for quarter in range(4)}
    return sorted(quarters)


def _rank(
    points: Points, lines: list[complex], legs: list[complex], turn: float
) -> tuple[float, ...]:
    """The lower, the better."""
    by = exp(1j * turn)
    turned = [(p * by, kind) for p, kind in points]
    left_right = _same(turned, [(-p.conjugate(), kind) for p, kind in turned])
    up_down = _same(turned, [(p.conjugate(), kind) for p, kind in turned])
    straight = sum(
        min(abs((a * by).real), abs((a * by).imag)) < 1e-6 * abs(a) for a in lines + legs
    )
    height = max(p.imag for p, _ in turned) - min(p.imag for p, _ in turned)
    width = max(p.real for p, _ in turned) - min(p.real for p, _ in turned)
    ends = sum((p for p, kind in turned if kind == "leg"), 0j)
    return (
        -(left_right + up_down),
        -straight if left_right + up_down == 0 else 0,
        height > TALL * width,
        # Lines are level rather than upright, legs above all; these point up and to the right.
        round(
            sum(LOOSE * ((a * by).imag / abs(a)) ** 2 for a in lines)
            + sum((a * by).imag ** 2 for a in legs),
            3,
        ),
        round(height, 1),
        round(-ends.imag, 1),
        round(-ends.real, 1),
        # Blobs count from left to right where nothing else decides.
        -round(sum(n * p.real for n, (p, kind) in enumerate(turned) if kind == "blob")),
        turn,
    )


def _same(one: Points, other: Points) -> bool:
    return all(any(k == m and abs(p - q) < NEAR for q, m in other) for p, k in one)
