"""The averages over one layer's Gaussian that a step at first order in 1/n needs.

Products of two activations are ``s_A = sigma_a sigma_b``, ``A = (a, b)`` an unordered pair. Of
their derivatives by the kernel's entries only those by ``aa``, ``ab`` and ``bb`` are not zero, and
by the heat equation ``d/dK_aa <f> = 1/2 <d_a^2 f>``, ``d/dK_ab <f> = <d_a d_b f>``.
"""

from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import numpy as np

from nneft.activations.base import Activation
from nneft.conventions import pairs
from nneft.gaussian import expectations
from nneft.gaussian.base import Array, Moments

# First and second derivatives of <sigma_a sigma_b> by K_aa, K_ab, K_bb: each is a factor times
# <sigma^(i)_a sigma^(j)_b>.
FIRST = ((0.5, (2, 0)), (1.0, (1, 1)), (0.5, (0, 2)))
SECOND = (
    ((0.25, (4, 0)), (0.5, (3, 1)), (0.25, (2, 2))),
    ((0.5, (3, 1)), (1.0, (2, 2)), (0.5, (1, 3))),
    ((0.25, (2, 2)), (0.5, (1, 3)), (0.25, (0, 4))),
)
ORDERS = ((0, 0), (1, 1), (2, 0), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4))


@dataclass(frozen=True)
class Averages:
    """Averages over one layer, with their errors; ``P`` unordered pairs, ``Q = 3`` entries each.

    Attributes
    ----------
    product : (P,)
        ``<s_A>``.
    entries : (P, 3)
        Which pairs ``aa, ab, bb`` are, for each ``A = ab``: the entries that ``<s_A>`` depends on.
    first, second : (P, 3), (P, 3, 3)
        Derivatives of ``<s_A>`` by those entries.
    quartic : (P, P)
        ``<s_A s_B>``.
    """

    entries: np.ndarray
    product: Moments
    first: Moments
    second: Moments
    quartic: Moments


def averages(activation: Activation, kernel: Array, *, derivatives: bool) -> Averages:
    """All of them at one kernel; without `derivatives` those are left at zero."""
    size = len(kernel)
    index = pair_index(size)
    orders = ORDERS if derivatives else ORDERS[:1]
    one = expectations.singles(
        activation,
        np.diag(kernel),
        [((2,), (0,)), ((4,), (0,))] + ([((2,), (2,)), ((2,), (4,))] if derivatives else []),
    )
    two = expectations.pairs(
        activation,
        kernel,
        [((1, 1), r) for r in orders] + [((p, 4 - p), (0, 0)) for p in (1, 2, 3)],
    )
    entries = np.array([(index[a, a], index[a, b], index[b, b]) for a, b in pairs(size)])
    product, first, second = [], [], []
    for part_one, part_two in zip(one, two, strict=True):
        of = {r: part_two[i] for i, r in enumerate(orders)}
        s, f, h = _derivatives(part_one, of, size, derivatives=derivatives)
        product.append(s)
        first.append(f)
        second.append(h)
    return Averages(
        entries,
        Moments(*product),
        Moments(*first),
        Moments(*second),
        quartic_products(activation, kernel, one, Moments(*(m[-3:] for m in two))),
    )


def _derivatives(
    one: Array, of: dict[tuple[int, int], Array], size: int, *, derivatives: bool
) -> tuple[Array, Array, Array]:
    """``<s_A>`` and its derivatives, or their errors: every factor is positive."""
    count = size * (size + 1) // 2
    product, first, second = np.zeros(count), np.zeros((count, 3)), np.zeros((count, 3, 3))
    for p, (a, b) in enumerate(pairs(size)):
        if a == b:
            product[p] = one[0, a]
            if derivatives:
                # One input: d/dK <f> = 1/2 <f''>, d^2/dK^2 <f> = 1/4 <f''''> with f = sigma^2.
                first[p, 0] = 0.5 * one[2, a]
                second[p, 0, 0] = 0.25 * one[3, a]
            continue
        product[p] = of[0, 0][a, b]
        if derivatives:
            first[p] = [factor * of[r][a, b] for factor, r in FIRST]
            second[p] = [[factor * of[r][a, b] for factor, r in row] for row in SECOND]
    return product, first, second


def quartic_products(activation: Activation, kernel: Array, one: Moments, two: Moments) -> Moments:
    """``<s_A s_B>``: only groups of at most four inputs are ever integrated over.

    `one` holds ``<sigma^4>`` in its second row, `two` the pairs' ``<sigma^p sigma^(4-p)>`` with
    p = 1, 2, 3.
    """
    size = len(kernel)
    found: dict[tuple[int, ...], tuple[float, float]] = {}

    def keep(group: tuple[int, ...], values: Array, errors: Array, powers: list[tuple[int, ...]]):  # type: ignore[no-untyped-def]
        for power, value, error in zip(powers, values, errors, strict=True):
            key = tuple(a for a, p in zip(group, power, strict=True) for _ in range(p))
            found[key] = (value, error)

    for a in range(size):
        keep((a,), one.values[1:2, a], one.errors[1:2, a], [(4,)])
    for a, b in combinations(range(size), 2):
        keep((a, b), two.values[:, a, b], two.errors[:, a, b], [(1, 3), (2, 2), (3, 1)])
    distinct: list[list[tuple[int, ...]]] = [[(2, 1, 1), (1, 2, 1), (1, 1, 2)], [(1, 1, 1, 1)]]
    for powers in distinct:
        terms = [(p, (0,) * len(p)) for p in powers]
        for group in combinations(range(size), len(powers[0])):
            got = expectations.moments(activation, kernel[np.ix_(group, group)], terms)
            keep(group, got.values, got.errors, powers)
    listed = pairs(size)
    values, errors = (np.zeros((len(listed), len(listed))) for _ in range(2))
    for p, q in combinations_with_replacement(range(len(listed)), 2):
        key = tuple(sorted((*listed[p], *listed[q])))
        values[p, q], errors[p, q] = found[key]
        values[q, p], errors[q, p] = found[key]
    return Moments(values, errors)


def pair_index(size: int) -> np.ndarray:
    """(N, N) integers: the place of pair ``(a, b)`` in the order of `conventions.pairs`."""
    index = np.zeros((size, size), dtype=int)
    for p, (a, b) in enumerate(pairs(size)):
        index[a, b] = index[b, a] = p
    return index
