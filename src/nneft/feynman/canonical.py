"""Canonical form and symmetries of a bipartite multigraph of blobs and vertices.

Blobs are rows, vertices are columns, entries count the double lines between them. Once the rows are
ordered, sorting the columns leaves one form: so only orders of the rows are tried, those that
refinement by neighbourhoods cannot tell apart, and rows that are equal are never exchanged.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import product
from math import factorial, prod
from typing import Any, NamedTuple

Column = tuple[int, ...]


class Canonical(NamedTuple):
    """The canonical form of a coloured matrix, and the size of its group of row permutations."""

    rows: tuple[Any, ...]
    columns: tuple[tuple[Any, Column], ...]
    #: Permutations of the rows that some permutation of the columns undoes.
    symmetries: int
    #: For each row of the form, the row of the original that it was.
    order: tuple[int, ...]


def canonical_form(
    row_colours: Sequence[Hashable], columns: Sequence[tuple[Hashable, Column]]
) -> Canonical:
    """The same for all matrices that differ by permutations of rows and of columns.

    Parameters
    ----------
    row_colours
        Colour of each row; sortable.
    columns
        Colour and entries of each column; colours sortable.
    """
    rows = [tuple(column[a] for _, column in columns) for a in range(len(row_colours))]
    classes = _refined(row_colours, columns)
    best: tuple[Any, ...] | None = None
    order: tuple[int, ...] = ()
    reached = 0
    for arrangement in product(*(list(_arrangements(members, rows)) for members in classes)):
        candidate = tuple(a for members in arrangement for a in members)
        form = tuple(
            sorted(
                ((colour, tuple(c[a] for a in candidate)) for colour, c in columns), reverse=True
            )
        )
        if best is None or form > best:
            best, order, reached = form, candidate, 1
        elif form == best:
            reached += 1
    twins = prod(
        factorial(count)
        for members in classes
        for count in Counter(rows[a] for a in members).values()
    )
    assert best is not None
    return Canonical(tuple(row_colours[a] for a in order), best, reached * twins, order)


def _refined(
    row_colours: Sequence[Hashable], columns: Sequence[tuple[Hashable, Column]]
) -> list[list[int]]:
    """Rows in classes that no neighbourhood tells apart, in an order that relabelling keeps."""
    colours = _ranked(list(row_colours))
    while True:
        seen = [
            (colour, tuple(sorted((n, colours[a]) for a, n in enumerate(column) if n)))
            for colour, column in columns
        ]
        around = [
            (colours[a], tuple(sorted((c[a], s) for (_, c), s in zip(columns, seen) if c[a])))
            for a in range(len(colours))
        ]
        finer = _ranked(around)
        if len(set(finer)) == len(set(colours)):
            break
        colours = finer
    return [[a for a, c in enumerate(finer) if c == rank] for rank in range(max(finer) + 1)]


def _ranked(values: Sequence[Any]) -> list[int]:
    rank = {value: i for i, value in enumerate(sorted(set(values), reverse=True))}
    return [rank[value] for value in values]


def _arrangements(members: list[int], rows: Sequence[Column]) -> Iterator[tuple[int, ...]]:
    """Orders of the members; those that differ by exchanging equal rows are the same."""
    groups: dict[Column, list[int]] = {}
    for a in members:
        groups.setdefault(rows[a], []).append(a)

    def extend(done: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(done) == len(members):
            yield done
        for group in groups.values():
            left = [a for a in group if a not in done]
            if left:
                yield from extend((*done, left[0]))

    return extend(())
