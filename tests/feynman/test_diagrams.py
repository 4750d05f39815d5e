"""Enumeration, weights and names, against Burnside, zero dimensions, set partitions and BCCZ."""

from collections import Counter
from fractions import Fraction
from math import factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nneft
from nneft.feynman import Diagram, Vertex, parse
from nneft.feynman.enumeration import Kind

SMALL = [(2 * k, q) for k in range(1, 7) for q in range(6) if 2 * k + 2 * q <= 12]


@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize(("points", "order"), SMALL)
def test_count_and_weights_agree_with_routes_without_graphs(points, order, expanded):
    nneft.diagrams(points, order, expanded=expanded).verify()


@pytest.mark.parametrize(
    ("points", "order"), [(p, q) for p, q in SMALL if p + 2 * q <= 10 and p <= 8]
)
def test_labelled_diagrams_are_those_of_the_topologies(points, order):
    found = list(nneft.diagrams(points, order, labelled=True))
    assert len(set(found)) == len(found) == nneft.diagrams(points, order, labelled=True).count()
    by_topology = Counter(d.topology for d in found)
    assert by_topology == {d: d.multiplicity for d in nneft.diagrams(points, order)}
    assert all(d.symmetry_factor == d.topology.symmetry_factor for d in found)


@pytest.mark.parametrize(("points", "count"), [(2, 1), (4, 2), (6, 4), (8, 10)])
def test_numbers_of_leading_topologies(points, count):
    # BCCZ: figures of section 4 and table I
    assert len(list(nneft.diagrams(points))) == count


def test_two_points_next_to_leading_order():
    # BCCZ (A.22): K_1' = C_W ( K_1 E[d2 D]/2 + V_4 E[d4 D]/8 )
    weights = {d.code: (d.symmetry_factor, d.multiplicity) for d in nneft.diagrams(2, 1)}
    assert weights == {"1|V4:0,0": (Fraction(1, 8), 1), "1|K1:0": (Fraction(1, 2), 1)}


def test_eight_points_have_the_factors_of_table_one():
    # BCCZ table I: content of vertices, legs and lines of the blobs -> 1/S, permutations
    table = {
        ("", "(4,0)"): (1, 1),
        ("V4", "(1,1)(3,1)"): (4, 4),
        ("V4", "(2,1)(2,1)"): (4, 3),
        ("V6", "(1,1)(1,1)(2,1)"): (8, 6),
        ("V4 V4", "(1,1)(1,1)(2,2)"): (16, 6),
        ("V4 V4", "(1,1)(1,2)(2,1)"): (16, 12),
        ("V8", "(1,1)(1,1)(1,1)(1,1)"): (16, 1),
        ("V4 V6", "(1,1)(1,1)(1,1)(1,2)"): (32, 12),
        ("V4 V4 V4", "(1,1)(1,1)(1,1)(1,3)"): (64, 4),
        ("V4 V4 V4", "(1,1)(1,1)(1,2)(1,2)"): (64, 12),
    }
    found = {}
    for d in nneft.diagrams(8):
        blobs = "".join(f"({m},{r})" for m, r in sorted(zip(d.legs, d.lines, strict=True)))
        content = " ".join(sorted(v.name for v in d.vertices))
        found[content, blobs] = (1 / d.symmetry_factor, d.multiplicity)
    assert found == table


def test_origins_of_two_quartic_vertices_on_one_blob():
    # Four double lines, the legs of each vertex exchanged, the two vertices exchanged: 1/128.
    d = parse("1|V4:0,0|V4:0,0")
    origins = d.symmetry_origins
    assert (origins.double_lines, origins.equal_lines) == (Fraction(1, 16), Fraction(1, 4))
    assert origins.permuted_parts == Fraction(1, 2)
    assert d.symmetry_factor == Fraction(1, 128)
    assert (d.points, d.order, d.loops, d.width_powers) == (2, 2, 2, (0, -2))


def _set_partitions(items):
    if not items:
        yield []
        return
    first, *rest = items
    for partition in _set_partitions(rest):
        yield [[first], *partition]
        for i, block in enumerate(partition):
            yield [*partition[:i], [first, *block], *partition[i + 1 :]]


@pytest.mark.parametrize("pairs", [1, 2, 3, 4])
def test_leading_order_by_set_partitions(pairs):
    """Slow and obvious: blobs are a set partition of the pairs, vertices one of their lines."""
    trees = Counter()
    for blocks in _set_partitions(list(range(pairs))):
        blobs = len(blocks)
        for lines in _line_numbers(blobs, 2 * (blobs - 1)):
            ends = [b for b, n in enumerate(lines) for _ in range(n)]
            for groups in _set_partitions(list(range(len(ends)))):
                vertices = [tuple(sorted(ends[i] for i in g)) for g in groups]
                if any(len(v) < 2 for v in vertices):
                    continue
                if len(ends) - blobs - len(vertices) + 1 != 0 or not _joined(blobs, vertices):
                    continue
                # 1/r! of the expansion of each blob, 1/2 for each line
                weight = Fraction(1, 2 ** len(ends))
                for n in lines:
                    weight /= factorial(n)
                content = tuple(sorted(len(v) for v in vertices))
                trees[content, tuple(sorted(map(len, blocks)))] += weight
    found = Counter()
    for d in nneft.diagrams(2 * pairs):
        content = tuple(sorted(v.kind.lines for v in d.vertices))
        found[content, tuple(sorted(d.legs))] += d.multiplicity * d.symmetry_factor
    assert found == trees


def _line_numbers(blobs, most):
    if blobs == 0:
        yield ()
        return
    for n in range(most + 1):
        for rest in _line_numbers(blobs - 1, most - n):
            yield (n, *rest)


def _joined(blobs, vertices):
    reached, size = {0}, 0
    while len(reached) != size:
        size = len(reached)
        for v in vertices:
            if reached & set(v):
                reached |= set(v)
    return size == blobs


ALL = [d for p, q in SMALL for d in nneft.diagrams(p, q, expanded=True)]


@given(st.sampled_from(ALL), st.randoms(use_true_random=False))
def test_code_names_the_diagram_whatever_the_order_of_its_parts(diagram, random):
    assert parse(diagram.code).code == diagram.code
    places = list(range(len(diagram.blobs)))
    random.shuffle(places)
    blobs = tuple(diagram.blobs[places.index(i)] for i in range(len(places)))
    vertices = [Vertex(v.kind, tuple(sorted(places[b] for b in v.blobs))) for v in diagram.vertices]
    random.shuffle(vertices)
    shuffled = Diagram(blobs, tuple(vertices), diagram.expanded)
    assert shuffled.canonical().code == diagram.code
    assert shuffled.multiplicity == diagram.multiplicity
    assert shuffled.symmetry_factor == diagram.symmetry_factor


def test_order_is_the_power_of_the_width():
    for d in ALL:
        assert sum(d.width_powers) == 1 - d.points // 2 - d.order


def test_container_is_a_stable_sequence():
    found = nneft.diagrams(8)
    assert found[0].code == "4" and found[-1] == list(found)[9] and found[2:4] == list(found)[2:4]
    assert [d.code for d in found] == [d.code for d in nneft.diagrams(8)]
    assert len(found.filter(lambda d: any(v.kind == Kind(4, 0) for v in d.vertices))) == 1
    with pytest.raises(IndexError, match="10 diagrams"):
        found[10]


def test_verification_finds_a_missing_diagram():
    found = nneft.diagrams(6)
    list(found)
    found._found.pop()
    with pytest.raises(ArithmeticError, match="enumerated 3 diagrams, counted 4"):
        found.verify()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nneft.diagrams(3), "points must be even and positive"),
        (lambda: nneft.diagrams(0), "points must be even and positive"),
        (lambda: nneft.diagrams(4, -1), "order must be 0 or more, got -1"),
        (lambda: parse("2,1|V4:0"), "2 double lines"),
        (lambda: parse("2,1|V5:0,1"), "V4, V6, V8"),
        (lambda: parse("2,1"), "connected"),
        (lambda: parse("2,1|V4:0,2"), "blobs from 0 to 1"),
        (lambda: parse("x"), "number of wavy legs"),
        (lambda: parse("[0 1],[1]|V4:0,1"), "every external pair"),
    ],
)
def test_wrong_calls_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()
