"""From a diagram to its picture: strokes, discs and words with their places."""

from __future__ import annotations

from collections import defaultdict

from nneft.feynman.diagram import Diagram
from nneft.feynman.drawing.curves import arc, line
from nneft.feynman.drawing.layout import Layout
from nneft.feynman.drawing.place import place
from nneft.feynman.drawing.primitives import WAVE_LENGTH, Disc, Picture, Stroke, Word
from nneft.feynman.drawing.sizes import (
    BLOB,
    DOT,
    FORK,
    FORK_ANGLE,
    HALF_GAP,
    label_box,
    label_place,
    radius_of,
)
from nneft.feynman.drawing.skeleton import Skeleton
from nneft.feynman.drawing.spacing import free_places, touching
from nneft.feynman.drawing.upright import upright
from nneft.feynman.drawing.words import describe, vertex_latex

#: What is too close is moved apart by this factor, so many times at most.
STRETCH, ROUNDS = 1.07, 40


def picture(diagram: Diagram, *, labels: bool = False) -> Picture:
    """The picture of a diagram; `labels` names the ends of its legs and its blobs."""
    skeleton = Skeleton(diagram)
    layout = lay_out(skeleton)
    strokes = [*_double_lines(layout), *_legs(layout)]
    discs = [*_ends(layout), *_nodes(skeleton, layout)]
    words = _labels(layout, skeleton) if labels else []
    return Picture(tuple(strokes), tuple(discs), tuple(words), diagram.code, describe(diagram))


def lay_out(skeleton: Skeleton) -> Layout:
    """The layout, upright, its lengths just so long that nothing touches."""
    stretch: defaultdict[int, float] = defaultdict(lambda: 1.0)
    reach: defaultdict[int, float] = defaultdict(float)
    for _ in range(ROUNDS):
        layout = place(skeleton, stretch)
        layout.reach |= reach
        close = set(touching(layout, skeleton))
        if not close:
            break
        for node in {a for a, b in close if a == b}:
            reach[node] += WAVE_LENGTH  # legs of one node: longer ones are further apart
        for level in {_level(layout, a, b) for a, b in close if a != b}:
            stretch[level] *= STRETCH
    return upright(layout, skeleton)


def _level(layout: Layout, one: int, other: int) -> int:
    """How far from the middle the ways to two nodes part."""
    same = 0
    for a, b in zip(layout.path[one], layout.path[other]):
        if a != b:
            break
        same += 1
    return same - 1


def _double_lines(layout: Layout) -> list[Stroke]:
    return [
        Stroke(arc(layout.at[a], layout.at[b], bow, side))
        for a, b, count in layout.edges
        for bow in layout.bows(a, b, count)
        for side in (HALF_GAP, -HALF_GAP)
    ]


def _legs(layout: Layout) -> list[Stroke]:
    strokes = []
    for _, node, along in layout.legs:
        fork = layout.fork(node, along)
        strokes.append(Stroke(line(layout.at[node] + along * BLOB, fork), "wavy"))
        strokes += [
            Stroke(line(fork, fork + along * side * FORK))
            for side in (FORK_ANGLE, FORK_ANGLE.conjugate())
        ]
    return strokes


def _ends(layout: Layout) -> list[Disc]:
    return [Disc(end, DOT, "dot") for _, end, _ in _tips(layout)]


def _tips(layout: Layout) -> list[tuple[int, complex, complex]]:
    """For the two ends of each leg: number of the point, its place, direction outwards."""
    tips = []
    for pair, node, along in layout.legs:
        fork = layout.fork(node, along)
        for n, side in enumerate((FORK_ANGLE, FORK_ANGLE.conjugate())):
            tips.append((2 * pair + n + 1, fork + along * side * FORK, along * side))
    return tips


def _nodes(skeleton: Skeleton, layout: Layout) -> list[Disc]:
    discs = []
    for node, kind in enumerate(skeleton.kinds):
        role = {"b": "blob", "V": "vertex", "K": "insertion"}[kind[0]]
        name = "" if role == "blob" else vertex_latex(kind)
        discs.append(Disc(layout.at[node], radius_of(kind), role, name))
    return discs


def _labels(layout: Layout, skeleton: Skeleton) -> list[Word]:
    """The ends of the legs, x_1 .. x_2k; the blobs, B_1 ..., each where there is room."""
    words = []
    for number, end, out in _tips(layout):
        box = label_box(f"x_{number}")
        words.append(Word(label_place(end, out, box), f"x_{{{number}}}", *box))
    for node, at in free_places(layout, skeleton):
        words.append(Word(at, f"B_{{{node + 1}}}", *label_box(f"B_{node + 1}")))
    return words
