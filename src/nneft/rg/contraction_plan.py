"""How the diagrams of one step are contracted: found once for each order, used in every layer.

A topology is a product of blobs and vertices with one index for each double line and each external
pair. Two of its tensors at a time are contracted, in an order that keeps what is in between small;
every index runs over the same unordered pairs, so that the order is the same for any inputs.
"""

from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from nneft.feynman import Diagram, diagrams

#: Number of wavy legs and of double lines of a blob: which ``F(m, r)``.
BlobKind = tuple[int, int]
#: Number of double lines of a vertex and its own order in 1/n: which cumulant ``(k, q)``.
VertexKind = tuple[int, int]
#: Number of values of an index that the greedy search has in mind.
NOMINAL = 4


class Step(NamedTuple):
    """Contract operands `left` and `right` over these axes; the result is the next operand."""

    left: int
    right: int
    axes: tuple[tuple[int, ...], tuple[int, ...]]


class Term(NamedTuple):
    """A diagram: its weight, its tensors, and the order in which they are contracted.

    Attributes
    ----------
    weight
        Multiplicity times the symmetry factor without the 1/2 of each double line.
    blobs, vertices
        The operands, in this order.
    steps
        Pairwise contractions; none where a single blob is all.
    ranks
        Most indices of a result in between, and most that one contraction runs over.
    """

    weight: float
    blobs: tuple[BlobKind, ...]
    vertices: tuple[VertexKind, ...]
    steps: tuple[Step, ...]
    ranks: tuple[int, int]


class _Operand(NamedTuple):
    """External indices, then those of lines; an operand is symmetric in these until it is used."""

    legs: tuple[int, ...]
    lines: tuple[int, ...]
    leaf: bool

    @property
    def indices(self) -> tuple[int, ...]:
        return self.legs + self.lines


def outputs(order: int) -> list[VertexKind]:
    """The cumulants that a layer holds at an order: (k, q), (1, 0) being the mean itself."""
    means = [(1, q) for q in range(order + 1)]
    return means + [(k, q) for k in range(2, order + 2) for q in range(order + 2 - k)]


def needed(order: int) -> list[BlobKind]:
    """The ``F(m, r)`` that diagrams to an order hold: ``(m - 1) + ceil(r / 2) <= order``."""
    return [(m, r) for m in range(1, order + 2) for r in range(2 * (order + 1 - m) + 1)]


def diagram_count(order: int) -> int:
    """Number of topologies that one step sums at an order, without building them."""
    counts = (diagrams(2 * k, q, expanded=True).count() for k, q in outputs(order))
    return sum(counts)


def bytes_needed(count: int, order: int, *, errors: bool = False) -> int:
    """Memory of one step: its tensors, the states below and above, and what is in between.

    Parameters
    ----------
    count
        Number of unordered pairs of inputs.
    order
        P.
    errors
        Whether errors are propagated too.
    """
    tensors = sum(count ** (m + r) for m, r in needed(order))
    states = 2 * sum(count**k for k, _ in outputs(order))
    # Results in between have two indices less than the largest tensor, F(1, 2 P), or no more than
    # the widest cumulant; an operand may be copied with its axes in another order.
    between = 3 * count ** max(order + 1, 2 * order - 1)
    if errors:
        # The errors themselves; absolute values in place of values, one more while they are made.
        between += 2 * (tensors + states) + count ** (2 * order + 1)
    total: int = 8 * (tensors + states + between)
    return total


@lru_cache(maxsize=64)
def terms(k: int, q: int) -> tuple[Term, ...]:
    """The diagrams of the cumulant of k entries of G at relative order q, ready to contract."""
    return tuple(_term(diagram) for diagram in diagrams(2 * k, q, expanded=True))


@lru_cache(maxsize=64)
def monomials(k: int, q: int) -> tuple[Term, ...]:
    """The same for one input, where diagrams made of equal parts are one product of numbers."""
    weights: dict[tuple[tuple[BlobKind, ...], tuple[VertexKind, ...]], Fraction] = {}
    for diagram in diagrams(2 * k, q, expanded=True):
        blobs, vertices = _parts(diagram)
        parts = tuple(sorted(blobs)), tuple(sorted(vertices))
        weights[parts] = weights.get(parts, Fraction(0)) + _weight(diagram)
    return tuple(Term(float(weight), *parts, (), (0, 0)) for parts, weight in weights.items())


def _term(diagram: Diagram) -> Term:
    steps, ranks = _steps(_operands(diagram))
    return Term(float(_weight(diagram)), *_parts(diagram), steps, ranks)


def _parts(diagram: Diagram) -> tuple[tuple[BlobKind, ...], tuple[VertexKind, ...]]:
    blobs = tuple(zip(diagram.legs, diagram.lines, strict=True))
    return blobs, tuple((v.kind.lines, v.kind.order) for v in diagram.vertices)


def _weight(diagram: Diagram) -> Fraction:
    # Derivatives by unordered entries hold the 1/2 of each double line.
    return diagram.multiplicity * diagram.symmetry_factor * (1 << sum(diagram.lines))


def _operands(diagram: Diagram) -> list[_Operand]:
    """Blobs, then vertices; external indices are negative, those of double lines are not."""
    at_blob: list[list[int]] = [[] for _ in diagram.blobs]
    at_vertex: list[_Operand] = []
    line = 0
    for vertex in diagram.vertices:
        own = tuple(range(line, line + len(vertex.blobs)))
        for b, index in zip(vertex.blobs, own, strict=True):
            at_blob[b].append(index)
        at_vertex.append(_Operand((), own, True))
        line += len(own)
    blobs, leg = [], 0
    for legs, lines in zip(diagram.legs, at_blob, strict=True):
        blobs.append(_Operand(tuple(range(leg - legs, leg)), tuple(lines), True))
        leg -= legs
    return blobs + at_vertex


def _steps(operands: list[_Operand]) -> tuple[tuple[Step, ...], tuple[int, int]]:
    """Greedy: always the contraction that leaves least in place of its two operands."""
    left = dict(enumerate(operands))
    steps: list[Step] = []
    widest = most = 0
    while len(left) > 1:
        _, i, j = min(
            (_cost(left[i], left[j]), i, j)
            for i, j in combinations(left, 2)
            if set(left[i].lines) & set(left[j].lines)
        )
        if len(left[j].indices) > len(left[i].indices):
            i, j = j, i
        step, result = _contraction(i, j, left.pop(i), left.pop(j))
        widest = max(widest, len(result.indices))
        most = max(most, len(result.indices) + len(step.axes[0]))
        left[len(operands) + len(steps)] = result
        steps.append(step)
    return tuple(steps), (widest, most)


def _cost(left: _Operand, right: _Operand) -> tuple[int, int]:
    a, b = set(left.indices), set(right.indices)
    return NOMINAL ** len(a ^ b) - NOMINAL ** len(a) - NOMINAL ** len(b), len(a | b)


def _contraction(i: int, j: int, left: _Operand, right: _Operand) -> tuple[Step, _Operand]:
    """Lines that are contracted come last at a blob and first at a vertex: nothing is moved."""
    held = right.lines if left.leaf else left.lines
    shared = tuple(e for e in held if e in left.lines and e in right.lines)
    kept = [tuple(e for e in one.lines if e not in shared) for one in (left, right)]
    if left.leaf:
        left = left._replace(lines=kept[0] + shared)
    if right.leaf:
        right = right._replace(lines=shared + kept[1])
    axes = tuple(left.indices.index(e) for e in shared), tuple(map(right.indices.index, shared))
    # The result keeps the order of what is left of either; external indices are symmetrised later.
    indices = [e for one in (left, right) for e in one.indices if e not in shared]
    return Step(i, j, axes), _Operand((), tuple(indices), False)
