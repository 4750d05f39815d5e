"""Counting diagrams without building them, by Burnside's lemma and an inverse Euler transform.

All multisets of topologies, connected or not, are counted first: for a permutation of the blobs
and one of the vertices, a cycle of length ``c`` and one of length ``d`` are joined by ``gcd(c, d)``
orbits of lines, each of which gives every vertex of its cycle ``c / gcd`` lines. Blobs carry ``x``
for each wavy leg, and every power of 1/n carries ``e``: a component of loops L carries ``e^(L-1)``,
so that blobs carry ``1/e`` and a vertex of ``s`` lines ``e^(s-1)``. Connected ones follow by taking
the (plethystic) logarithm.
"""

from fractions import Fraction
from math import factorial, gcd

from nneft.feynman.enumeration import partitions

#: A power series in e: coefficients from e^0 on.
Series = list[Fraction]


def count_topologies(pairs: int, order: int, *, expanded: bool) -> int:
    """Number of topologies at one order, up to permutations of the external pairs."""
    # all_[k][w + k]: multisets of topologies with k legs in all, and e^w; w >= -k
    highest = order - 1 + pairs
    all_ = {k: _multisets(k, highest, expanded=expanded) for k in range(1, pairs + 1)}
    connected: dict[int, Series] = {}
    # log sum_k a_k x^k = sum_d c(x^d, e^d) / d, solved for c by Moebius inversion.
    logarithm = _logarithm(all_, pairs)
    for k in range(1, pairs + 1):
        total = list(logarithm[k])
        for d in range(2, k + 1):
            if k % d == 0:
                # c_{k/d}(e^d) / d, its e^(-k/d) becoming e^(-k)
                for i, value in enumerate(connected[k // d]):
                    if d * i < len(total):
                        total[d * i] -= value / d
        connected[k] = total
    # Relative order q is e^(q-1), at place q - 1 + k.
    return int(connected[pairs][highest])


def count_labelled(pairs: int, order: int, *, expanded: bool) -> int:
    """Number of diagrams at one order, the external pairs told apart."""
    highest = order - 1 + pairs
    all_: dict[int, Series] = {}
    for k in range(1, pairs + 1):
        total = [Fraction(0)] * (highest + 1)
        for blobs in range(1, k + 1):
            # Legs tell the blobs apart: only the vertices are permuted.
            ways = _surjections(k, blobs) / factorial(blobs)
            _add(total, _vertices((1,) * blobs, highest - k + blobs, expanded), ways, k - blobs)
        all_[k] = [value / factorial(k) for value in total]
    return int(_logarithm(all_, pairs)[pairs][highest] * factorial(pairs))


def _multisets(legs: int, highest: int, *, expanded: bool) -> Series:
    """Coefficient of x^legs in all multisets of topologies; place i is e^(i - legs)."""
    total = [Fraction(0)] * (highest + 1)
    for blobs in range(1, legs + 1):
        for cycles in partitions(blobs):
            ways = Fraction(_leg_colourings(cycles, legs), _centraliser(cycles))
            if ways:
                series = _vertices(cycles, highest - legs + blobs, expanded)
                _add(total, series, ways, legs - blobs)
    return total


def _add(total: Series, series: Series, factor: Fraction, shift: int) -> None:
    for i, value in enumerate(series):
        if i + shift < len(total):
            total[i + shift] += factor * value


def _vertices(cycles: tuple[int, ...], highest: int, expanded: bool) -> Series:
    """Multisets of vertices on blobs permuted with these cycles: a series in e up to `highest`."""
    exponent = [Fraction(0)] * (highest + 1)
    for d in range(1, highest + 1):
        lines = _lines(cycles, d, highest // d + 1)
        for s in range(1, len(lines)):
            # V_2s carries e^(s-1), in all its own orders where they are split; K_p carries e^p.
            first = s - 1 if s > 1 else 1
            orders = range(first, highest // d + 1) if expanded or s == 1 else (first,)
            for power in orders:
                if d * power <= highest:
                    exponent[d * power] += Fraction(lines[s], d)
    return _exponential(exponent)


def _lines(cycles: tuple[int, ...], d: int, highest: int) -> list[int]:
    """Ways for each vertex of a cycle of length d to have s lines: coefficient of y^s."""
    # prod_c (1 - y^(c/g))^-g,  g = gcd(c, d)
    ways = [1] + [0] * highest
    for c in cycles:
        g = gcd(c, d)
        for _ in range(g):
            for s in range(c // g, highest + 1):
                ways[s] += ways[s - c // g]
    return ways


def _leg_colourings(cycles: tuple[int, ...], legs: int) -> int:
    """Ways to give all blobs of a cycle the same number of legs, at least one, `legs` in all."""
    ways = [1] + [0] * legs
    for c in cycles:
        following = [0] * (legs + 1)
        for have in range(legs + 1):
            for total in range(have + c, legs + 1, c):
                following[total] += ways[have]
        ways = following
    return ways[legs]


def _centraliser(cycles: tuple[int, ...]) -> int:
    result = 1
    for c in set(cycles):
        result *= c ** cycles.count(c) * factorial(cycles.count(c))
    return result


def _surjections(elements: int, onto: int) -> Fraction:
    return Fraction(
        sum(
            (-1) ** (onto - j)
            * factorial(onto)
            // (factorial(j) * factorial(onto - j))
            * j**elements
            for j in range(onto + 1)
        )
    )


def _exponential(series: Series) -> Series:
    """``exp`` of a series without constant term: n b_n = sum_j j a_j b_(n-j)."""
    result = [Fraction(1)] + [Fraction(0)] * (len(series) - 1)
    for n in range(1, len(series)):
        result[n] = sum((j * series[j] * result[n - j] for j in range(1, n + 1)), Fraction(0)) / n
    return result


def _logarithm(all_: dict[int, Series], legs: int) -> dict[int, Series]:
    """``log(1 + sum_k a_k x^k)``: k l_k = k a_k - sum_(j<k) j l_j a_(k-j)."""
    result: dict[int, Series] = {}
    for k in range(1, legs + 1):
        total = [k * value for value in all_[k]]
        for j in range(1, k):
            for i, left in enumerate(result[j]):
                for m, right in enumerate(all_[k - j]):
                    if i + m < len(total):
                        total[i + m] -= j * left * right
        result[k] = [value / k for value in total]
    return result
