"""From cumulant blobs to the paper's *-blobs and back, exactly.

A *-blob ``<d^{2r} Delta^m>`` (BCCZ A.16-A.17) is a moment: ``Delta_A = s_A - <s_A>`` with the mean
held fixed, differentiated by the preactivations. The diagrams' weights want cumulants ``F_B`` and
their derivatives by the kernel. For a block B of pairs and a set R of double lines, each of which
differentiates by one entry of the kernel (half a second derivative by the preactivations)::

    F_B^(R) / C_W^|B| = sum_pi (-1)^(|pi|-1) (|pi|-1)! sum_R  prod_(b in pi) 2^-|R_b| *_(b, R_b)
    *_(B, R)          = sum_pi sum_R  prod_(b in pi) 2^|R_b| F_b^(R_b) / C_W^|b|

over set partitions pi of B, and all ways to share R among the parts: a derivative of a product
distributes. A part of one pair without lines vanishes in both, its mean being subtracted. From
eight points on this makes the subtractions that BCCZ make by hand: ``E[D^4] - 3 E[D^2]^2`` ..
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import factorial
from typing import NamedTuple


class Blob(NamedTuple):
    """External pairs and double lines of a blob, sorted; equal labels where they are alike."""

    pairs: tuple[int, ...]
    lines: tuple[int, ...]


#: A sum of products of blobs: the coefficient of each sorted product.
Polynomial = dict[tuple[Blob, ...], Fraction]


def cumulant_in_stars(pairs: Sequence[int], lines: Sequence[int]) -> Polynomial:
    """``F_B^(R) / C_W^|B|`` as a polynomial in *-blobs.

    Parameters
    ----------
    pairs, lines
        Labels of the block's pairs and of its double lines; alike ones share a label, so that
        ``(0, 0, 0), (0,)`` is the first derivative of the third cumulant at equal inputs.

    Raises
    ------
    ValueError
        No pairs, or one pair without lines: ``F`` is then the mean ``C_b + C_W <s>``, which no
        *-blob holds.
    """
    _check(pairs, lines)
    halves = Fraction(1, 2 ** len(lines))
    return {
        product: halves * (-1) ** (len(product) - 1) * factorial(len(product) - 1) * ways
        for product, ways in _shared(tuple(pairs), tuple(lines)).items()
    }


def star_in_cumulants(pairs: Sequence[int], lines: Sequence[int]) -> Polynomial:
    """The *-blob as a polynomial in ``F_b^(R_b) / C_W^|b|``; parameters as `cumulant_in_stars`.

    Raises
    ------
    ValueError
        No pairs, or one pair without lines.
    """
    _check(pairs, lines)
    twos = Fraction(2 ** len(lines))
    return {product: twos * ways for product, ways in _shared(tuple(pairs), tuple(lines)).items()}


def _check(pairs: Sequence[int], lines: Sequence[int]) -> None:
    if not pairs or (len(pairs) == 1 and not lines):
        raise ValueError(
            f"a blob needs two pairs, or one pair and a double line, got {len(pairs)} and "
            f"{len(lines)}"
        )


@lru_cache(maxsize=4096)
def _shared(pairs: tuple[int, ...], lines: tuple[int, ...]) -> Counter[tuple[Blob, ...]]:
    """Partitions of the pairs with the lines shared among the parts: how often each product."""
    if not pairs:
        return Counter() if lines else Counter({(): 1})
    found: Counter[tuple[Blob, ...]] = Counter()
    first, others = pairs[0], pairs[1:]
    for taken, left in _splits(others):
        for mine, theirs in _splits(lines):
            if not taken and not mine:
                continue
            blob = Blob(tuple(sorted((first, *taken))), tuple(sorted(mine)))
            for rest, ways in _shared(left, theirs).items():
                found[tuple(sorted((blob, *rest)))] += ways
    return found


def _splits(
    labels: tuple[int, ...],
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All ways to split into a part and the rest."""
    places = range(len(labels))
    for size in range(len(labels) + 1):
        for chosen in combinations(places, size):
            yield (
                tuple(labels[i] for i in chosen),
                tuple(labels[i] for i in places if i not in chosen),
            )
