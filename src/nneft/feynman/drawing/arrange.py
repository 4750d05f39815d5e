"""In which direction each part hangs on a node: as symmetric as the parts allow."""

from __future__ import annotations

from cmath import exp
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, combinations, islice, pairwise
from math import factorial, pi, prod, sin
from typing import NamedTuple

from nneft.feynman.drawing.skeleton import Branch, Leg, Part

#: Widest angle between legs that all hang on one side.
WIDEST = pi / 2

#: Half the angle that something of width 1 asks for, and the width of an edge of a ring.
HALF, EDGE_WIDTH = 0.44, 0.6

#: What takes more of the directions around a node does not fit on one side of a line.
CROWD = 3.0

#: Parts in more different orders than this are not tried in all of them.
ORDERS = 720


class Hung(NamedTuple):
    """A part, its direction, and whether it is the mirror image of a part like it."""

    part: Part
    angle: float
    mirrored: bool = False


def one_side(
    parts: tuple[Part, ...], extent: float = 2 * pi, edge: float = EDGE_WIDTH
) -> list[Hung]:
    """Directions about 0, where -extent/2 and extent/2 are taken: by the line that leads here.

    `edge` is how wide that line is, in the measure of `width_of`.
    """
    if all(isinstance(part, Leg) for part in parts):
        step = min(extent / (len(parts) + 1), WIDEST)
        return [Hung(p, step * (n - (len(parts) - 1) / 2)) for n, p in enumerate(parts)]
    centre, left, right = _halves(parts)
    roomy = all(extent / 2 - pi / 2 > HALF * (_width(p) + edge) for p in (*left, *right))
    if centre is not None and roomy and len(left) == 1 and len(right) < 2:
        beside = [Hung(left[0], pi / 2), *(Hung(p, -pi / 2, mirrored=True) for p in right)]
        return [Hung(centre, 0.0), *beside]
    if centre is None or (len(left) != len(right) and not _is_main(centre)):
        sequence = [*right, *([centre] if centre else []), *reversed(left)]
        return _spread(sequence, -extent / 2, extent / 2, edge, edge)
    return [
        *_spread(right, -extent / 2, 0.0, edge, _width(centre)),
        Hung(centre, 0.0),
        *_spread(left[::-1], 0.0, extent / 2, _width(centre), edge),
    ]


def width_of(lines: int) -> float:
    """How much of the directions around a node double lines side by side take."""
    return 1.0 + 0.6 * (lines - 1)


def all_around(parts: tuple[Part, ...]) -> list[Hung]:
    """Directions around a node that nothing leads to."""
    for few in (_is_main, lambda p: isinstance(p, Leg)):
        chosen = [p for p in parts if few(p)]
        others = tuple(p for p in parts if not few(p))
        if len(chosen) == 1 and (few is _is_main or others):
            return [Hung(chosen[0], pi), *one_side(others, edge=_width(chosen[0]))]
        if len(chosen) == 2 and (straight := _straight(chosen, others)):
            return straight
        if chosen:
            break
    return _circular(parts)


def _straight(ends: list[Part], others: tuple[Part, ...]) -> list[Hung]:
    """Two parts opposite to each other, the others above and below; nothing if too many."""
    above, below = min(_splits(others), key=_unevenness)
    if any(len(side) > 1 and sum(map(_width, side)) > CROWD for side in (above, below)):
        return []
    return [
        Hung(ends[0], 0.0),
        *_spread(_folded(above)[::-1], 0.0, pi, _width(ends[0]), _width(ends[1])),
        Hung(ends[1], pi, mirrored=True),
        *_spread(_folded(below), -pi, 0.0, _width(ends[1]), _width(ends[0])),
    ]


def _splits(parts: tuple[Part, ...]) -> Iterator[tuple[list[Part], list[Part]]]:
    """All ways to put parts above and below, the more important ones above."""
    ordered = sorted(parts, key=_importance)
    for size in range((len(parts) + 1) // 2, len(parts) + 1):
        for chosen in islice(combinations(range(len(parts)), size), ORDERS):
            rest = [p for n, p in enumerate(ordered) if n not in chosen]
            yield [ordered[n] for n in chosen], rest
            if len(rest) == size:
                yield rest, [ordered[n] for n in chosen]


def _unevenness(split: tuple[list[Part], list[Part]]) -> tuple[int, ...]:
    odd = [
        max(0, sum(n % 2 for n in Counter(p.shape for p in side).values()) - 1) for side in split
    ]
    return (sum(odd), abs(len(split[0]) - len(split[1])))


def _circular(parts: tuple[Part, ...]) -> list[Hung]:
    """The cyclic order with the most mirrors, then the best balanced one."""
    first, rest = _heaviest_first(parts)
    best: tuple[float, ...] | None = None
    chosen: list[Hung] = []
    for order in _orders(rest) if _count_orders(rest) <= ORDERS else [_folded(rest)]:
        sequence = [first, *order]
        shapes = tuple(p.shape for p in sequence)
        hung = _closed(sequence)
        mirrors = [n for n in range(len(shapes)) if _is_mirror(shapes, n)]
        pull = abs(sum(p.weight * exp(1j * a) for p, a, _ in hung))
        score = (-len(mirrors), round(pull, 6))
        if best is None or score < best:
            best, chosen = score, _mirrored(hung, mirrors)
    return chosen


def _closed(sequence: list[Part]) -> list[Hung]:
    widths = [_width(p) for p in sequence]
    steps = _steps([*widths, widths[0]], 2 * pi)
    return [Hung(p, a) for p, a in zip(sequence, accumulate(steps[:-1], initial=0.0))]


def _is_mirror(shapes: tuple[object, ...], n: int) -> bool:
    return all(shapes[i] == shapes[(n - i) % len(shapes)] for i in range(len(shapes)))


def _mirrored(hung: list[Hung], mirrors: list[int]) -> list[Hung]:
    """Parts on one side of the first mirror marked as images of those on the other."""
    if not mirrors:
        return hung
    # Places i and n - i are images of each other, so the axis lies half way between them.
    axis = (hung[0].angle + hung[mirrors[0]].angle) / 2
    return [h._replace(mirrored=sin(h.angle - axis) < -1e-9) for h in hung]


def _heaviest_first(parts: tuple[Part, ...]) -> tuple[Part, list[Part]]:
    ordered = sorted(parts, key=_importance)
    return ordered[0], ordered[1:]


def _orders(parts: list[Part]) -> Iterator[list[Part]]:
    """All orders that look different."""
    if not parts:
        yield []
    for shape in dict.fromkeys(p.shape for p in parts):
        first = next(n for n, p in enumerate(parts) if p.shape == shape)
        for rest in _orders(parts[:first] + parts[first + 1 :]):
            yield [parts[first], *rest]


def _count_orders(parts: list[Part]) -> int:
    alike = Counter(p.shape for p in parts).values()
    return factorial(len(parts)) // prod(factorial(n) for n in alike)


def _folded(parts: list[Part]) -> list[Part]:
    """Alike parts at both ends, from outside in."""
    centre, left, right = _halves(parts)
    return [*right, *([centre] if centre else []), *reversed(left)]


def _halves(parts: Sequence[Part]) -> tuple[Part | None, list[Part], list[Part]]:
    """Parts in pairs of alike ones to the left and right; of single ones the first in the middle.

    Both sides are listed from outside in: heavy parts outside, legs between them.
    """
    left: list[Part] = []
    right: list[Part] = []
    single: list[Part] = []
    count = Counter(p.shape for p in parts)
    for part in sorted(parts, key=_importance):
        if count[part.shape] == 1:
            single.append(part)
        else:
            side = left if len(left) == len(right) else right
            side.append(part)
            if side is right:
                count[part.shape] -= 2
    if sum(_is_main(p) for p in single) == 2:
        # Two that lead on fork, even if they differ.
        left.append(single.pop(0))
        right.append(single.pop(0))
    centre = single.pop(0) if single else None
    for part in single:
        # What has no partner goes where there is most room, next to the line that leads here.
        side = left if len(left) <= len(right) else right
        side.insert(0, part)
    return centre, left, right


def _spread(
    sequence: list[Part], start: float, end: float, first: float, last: float
) -> list[Hung]:
    """Parts between two directions that are taken by lines of some widths."""
    steps = _steps([first, *(_width(p) for p in sequence), last], end - start)
    angles = list(accumulate(steps, initial=start))[1:-1]
    return [Hung(p, a, mirrored=a < -1e-9) for p, a in zip(sequence, angles)]


def _steps(widths: list[float], extent: float) -> list[float]:
    """Angles from each to the next: equal ones where there is room, else as they are wide."""
    needed = [a + b for a, b in pairwise(widths)]
    equal = extent / len(needed)
    if HALF * max(needed) <= equal:
        return [equal] * len(needed)
    return [extent * n / sum(needed) for n in needed]


def _width(part: Part) -> float:
    """How much of the directions around a node it takes, that of a leg being 1."""
    lines = part.lines if isinstance(part, Branch) else 1
    return width_of(lines) + 0.15 * max(0, part.weight - 2)


def _is_main(part: Part) -> bool:
    """Whether external legs lie beyond: a loop or an insertion on its own is only an ornament."""
    return not isinstance(part, Leg) and _has_legs(part)


def _has_legs(part: Part) -> bool:
    if isinstance(part, Leg):
        return True
    inner = part.parts if isinstance(part, Branch) else sum(part.corners.values(), ())
    return any(_has_legs(p) for p in inner)


def _importance(part: Part) -> tuple[int, int, str]:
    rank = 0 if _is_main(part) else 1 if isinstance(part, Leg) else 2
    return (rank, -part.weight, str(part.shape))
