"""Where the nodes of a ring lie: its longest loop as a regular polygon, the others within."""

from __future__ import annotations

from cmath import exp
from math import pi, sin

from nneft.feynman.drawing.curves import fan
from nneft.feynman.drawing.skeleton import Ring

#: Steps of the search for the longest loop, and of the relaxation of the nodes within.
SEARCH, STEPS = 4000, 60


def ring_shape(ring: Ring) -> dict[int, complex]:
    """A place for each node, centred at 0, the shortest edge of length 1."""
    neighbours = _neighbours(ring)
    poles = [node for node, others in neighbours.items() if len(others) > 2]
    if len(poles) == 2 and len(neighbours[poles[0]]) > 3:
        return _stacked(poles, neighbours)
    loop = _longest_loop(ring)
    radius = 1 / (2 * sin(pi / len(loop)))
    at = {node: radius * exp(2j * pi * n / len(loop)) for n, node in enumerate(loop)}
    inner = [node for node in ring.corners if node not in at]
    _relax(at, inner, neighbours, radius)
    shortest = min(abs(at[a] - at[b]) for a, b, _ in ring.edges)
    return {node: place / shortest for node, place in at.items()}


def _stacked(poles: list[int], neighbours: dict[int, list[int]]) -> dict[int, complex]:
    """Four or more ways from one node to another, one above the other, the long ones outside."""
    ways: list[list[int]] = []
    for start in neighbours[poles[0]]:
        way = [poles[0], start]
        while way[-1] not in poles[1:]:
            way.append(next(n for n in neighbours[way[-1]] if n != way[-2]))
        ways.append(way[1:-1])
    ways.sort(key=len)
    inside_out = [*ways[::-1][::2], *ways[::-1][1::2][::-1]]
    half = max(1.2, 0.5 * max(map(len, ways)) + 0.3)
    at = {poles[0]: complex(-half), poles[1]: complex(half)}
    for height, way in zip(fan(len(ways), 1.0), inside_out):
        at |= {node: complex(x, height) for node, x in zip(way, fan(len(way), 1.0))}
    return at


def _neighbours(ring: Ring) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {node: [] for node in ring.corners}
    for a, b, _ in ring.edges:
        found[a].append(b)
        found[b].append(a)
    return found


def _longest_loop(ring: Ring) -> list[int]:
    """Of the longest loops the one that leaves the fewest legs and the entry inside it."""
    neighbours = _neighbours(ring)
    best: list[int] = []
    rank: tuple[int, int] = (0, 0)
    steps = SEARCH

    def grow(path: list[int]) -> None:
        nonlocal best, rank, steps
        steps -= 1
        for node in neighbours[path[-1]]:
            if node == path[0] and len(path) > 2:
                hung = sum(10 if n == ring.entry else len(ring.corners[n]) for n in path)
                if (len(path), hung) > rank:
                    best, rank = list(path), (len(path), hung)
            elif node not in path and steps > 0:
                grow([*path, node])

    for start in ring.corners:
        grow([start])
    return best


def _relax(
    at: dict[int, complex], inner: list[int], neighbours: dict[int, list[int]], radius: float
) -> None:
    """Pull each inner node to the middle of its neighbours, and away from all other nodes."""
    for n, node in enumerate(inner):
        at[node] = 0.05 * radius * exp(1j * (1 + 2 * pi * n / len(inner))) if len(inner) > 1 else 0
    for _ in range(STEPS if inner else 0):
        for node in inner:
            goal = sum(at[m] for m in neighbours[node]) / len(neighbours[node])
            push = 0j
            for other, place in at.items():
                gap = at[node] - place
                if other != node and abs(gap) < 1.5:
                    push += gap / (abs(gap) + 1e-9) * (1.5 - abs(gap)) * 0.7
            at[node] = 0.5 * at[node] + 0.5 * (goal + push)
