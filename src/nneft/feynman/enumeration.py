"""All topologies of the 2k-point connected correlator at one order in 1/n.

A topology is a connected bipartite multigraph: blobs with ``m >= 1`` wavy legs each, vertices
``V_2s`` with ``s >= 2`` double lines and insertions ``K_p`` with one. With E double lines and
``loops = E - blobs - vertices + 1`` its powers of 1/n are
``sum (m-1) + sum (s-1) + sum p = (k - 1) + loops + sum p``.
"""

from collections.abc import Iterator
from typing import NamedTuple

from nneft.feynman.canonical import Canonical, Column, canonical_form


class Kind(NamedTuple):
    """What a vertex is: ``V_2s`` with ``s >= 2`` lines, or the insertion ``K_p`` with ``s = 1``.

    `order` is ``p`` for an insertion, and for ``V_2s`` its own order in 1/n where that is split.
    """

    lines: int
    order: int


def topologies(pairs: int, order: int, *, expanded: bool) -> Iterator[Canonical]:
    """Each topology once, in an order that depends on nothing else.

    `expanded` splits each ``V_2s`` into its own orders in 1/n.
    """
    found: set[tuple[object, ...]] = set()
    for loops in range(order + 1):
        for legs in partitions(pairs):
            for kinds in _contents(len(legs), loops, order - loops, expanded=expanded):
                forms: dict[tuple[object, ...], Canonical] = {}
                for columns in _matrices(legs, kinds, loops):
                    form = canonical_form(legs, list(zip(kinds, columns, strict=True)))
                    forms.setdefault((form.rows, form.columns), form)
                for key, form in sorted(forms.items(), reverse=True):
                    if key not in found:
                        found.add(key)
                        yield form


def partitions(total: int, most: int | None = None) -> Iterator[tuple[int, ...]]:
    """Ways to write `total` as a sum of positive integers, each at most `most`, largest first."""
    if total == 0:
        yield ()
        return
    for first in range(min(total, most or total), 0, -1):
        for rest in partitions(total - first, first):
            yield (first, *rest)


def _contents(blobs: int, loops: int, left: int, *, expanded: bool) -> Iterator[tuple[Kind, ...]]:
    """Multisets of vertices that close into `loops` with `left` powers of 1/n of their own."""
    for own in range(left + 1) if expanded else (0,):
        for insertions in partitions(left - own):
            # E = loops + blobs + vertices - 1, and every V_2s has two lines at least.
            for vertices in range(loops + blobs):
                for sizes in partitions(loops + blobs - 1 + vertices):
                    if len(sizes) == vertices and (not sizes or sizes[-1] >= 2):
                        for kinds in _ordered(sizes, own):
                            yield (*kinds, *(Kind(1, p) for p in insertions))


def _ordered(sizes: tuple[int, ...], own: int) -> Iterator[tuple[Kind, ...]]:
    """Share `own` powers of 1/n among vertices of these sizes, equal sizes being alike."""

    def share(place: int, left: int, done: tuple[Kind, ...]) -> Iterator[tuple[Kind, ...]]:
        if place == len(sizes):
            if left == 0:
                yield done
            return
        most = left
        if done and done[-1].lines == sizes[place]:
            most = min(left, done[-1].order)
        for order in range(most, -1, -1):
            yield from share(place + 1, left - order, (*done, Kind(sizes[place], order)))

    return share(0, own, ())


def _matrices(
    legs: tuple[int, ...], kinds: tuple[Kind, ...], loops: int
) -> Iterator[tuple[Column, ...]]:
    """Connected matrices with these column sums, at least one for each class of equal ones.

    Equal columns, and the rows of equal blobs, are kept in falling order: every class has such a
    member, and most others are never built.
    """
    blobs = len(legs)
    columns: list[Column] = []

    def rows_fall() -> bool:
        return all(
            legs[a] != legs[a + 1] or [c[a] for c in columns] >= [c[a + 1] for c in columns]
            for a in range(blobs - 1)
        )

    def extend(component: tuple[int, ...], closed: int) -> Iterator[tuple[Column, ...]]:
        place = len(columns)
        if place == len(kinds):
            if len(set(component)) == 1 and closed == loops:
                yield tuple(columns)
            return
        for column in _columns(kinds[place].lines, blobs):
            if place and kinds[place] == kinds[place - 1] and column > columns[-1]:
                continue
            touched = {component[a] for a in range(blobs) if column[a]}
            # Lines beyond those that join components close loops.
            more = closed + kinds[place].lines - len(touched)
            if more > loops:
                continue
            columns.append(column)
            if rows_fall():
                joined = tuple(min(touched) if c in touched else c for c in component)
                yield from extend(joined, more)
            columns.pop()

    return extend(tuple(range(blobs)), 0)


def _columns(total: int, blobs: int) -> Iterator[Column]:
    """Ways to share `total` lines among the blobs."""
    if blobs == 1:
        yield (total,)
        return
    for first in range(total, -1, -1):
        for rest in _columns(total - first, blobs - 1):
            yield (first, *rest)
