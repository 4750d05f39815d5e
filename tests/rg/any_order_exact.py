"""All cumulants of a polynomial network's kernels as series in 1/n, in rational arithmetic.

Given layer l-1, ``G^(l)`` is a mean of n independent terms (`rg.rational`), so with e = 1/n

    E[ prod_{A in M} G_A | G' ] = sum_j e^j (1 - e)(1 - 2e) .. (1 - (|M|-j-1) e)  T_j(M),
    T_j(M) = sum over set partitions of M into |M| - j blocks of prod_B <prod_B (C_b + C_W s)>_G'.

Up to ``e^P`` only j <= P is asked for, and equal elements of M are summed with their multiplicity,
so that the moments of many factors that deep layers need are within reach. Moments are averaged
layer by layer, down to the first kernel, and cumulants come last: no derivative, no diagram and no
expansion about a mean kernel.
"""

from collections.abc import Iterator
from fractions import Fraction as F
from functools import cache
from itertools import combinations_with_replacement, product
from math import comb, prod

from rg.rational import Net

#: How often each pair occurs.
Powers = tuple[int, ...]
#: Coefficients of ``t^0 .. t^P``, with ``1/n_l = t / widths[l]``.
Truncated = tuple[F, ...]


class Tower:
    """Means and cumulants of the kernels of a network to order P.

    `sigma`: the activation's coefficients; `kernel`: of layer 1; `C_W`, `C_b`: by layer.
    """

    def __init__(self, sigma, kernel, widths, C_W, C_b, order: int) -> None:
        self.order, self.widths, self.kernel = order, widths, kernel
        self.pairs = [*combinations_with_replacement(range(len(kernel)), 2)]
        self.places = {A: p for p, A in enumerate(self.pairs)}
        self.net = Net(sigma, C_W, C_b, [])
        self.mean = cache(self._mean)
        self.partitions = cache(self._partitions)
        self.block = cache(self._block)
        self.cumulant = cache(self._cumulant)
        self.weight = cache(self._weight)

    def coefficient(self, layer: int, pairs, q: int) -> F:
        """``V_2k,q(A_1, .., A_k)`` of a layer, or ``K_q(A_1)``."""
        power = len(pairs) - 1 + q
        found = self.cumulant(layer, self.powers(pairs))
        assert not any(found[: len(pairs) - 1])
        return found[power] * self.widths[layer - 1] ** power

    def powers(self, pairs) -> Powers:
        return tuple(sum(A == B for B in pairs) for A in self.pairs)

    def _cumulant(self, layer: int, M: Powers) -> Truncated:
        """``kappa(M) = mean(M) - sum_{first in S < M} kappa(S) mean(M - S)``."""
        total = self.mean(layer, M)
        for S, rest, ways in parted(M):
            if any(rest):
                both = convolved(self.cumulant(layer, S), self.mean(layer, rest))
                total = tuple(a - ways * b for a, b in zip(total, both, strict=True))
        return total

    def _mean(self, layer: int, M: Powers) -> Truncated:
        """``E[prod G^(layer)_A]``."""
        if layer == 1:
            value = prod(
                (F(self.kernel[a][b]) ** m for (a, b), m in zip(self.pairs, M, strict=True)),
                start=F(1),
            )
            return (value, *[F(0)] * self.order)
        total = [F(0)] * (self.order + 1)
        for j in range(min(self.order, max(sum(M) - 1, 0)) + 1):
            inner = [F(0)] * (self.order + 1 - j)
            for below, c in self.partitions(layer, M, j).items():
                for i, value in enumerate(self.mean(layer - 1, below)[: len(inner)]):
                    inner[i] += c * value
            weight = self.weight(layer, sum(M), j)
            for i, value in enumerate(convolved(weight, (*inner, *[F(0)] * j))):
                total[i] += value
        return tuple(total)

    def _weight(self, layer: int, size: int, j: int) -> Truncated:
        """``e^j (1 - e) .. (1 - (size-j-1) e)`` with ``e = t / n_{layer-1}``."""
        e = F(1, self.widths[layer - 1])
        weight = tuple(e**j if i == j else F(0) for i in range(self.order + 1))
        for k in range(1, size - j):
            shifted = (F(0), *weight[:-1])
            weight = tuple(a - k * e * b for a, b in zip(weight, shifted, strict=True))
        return weight

    def _partitions(self, layer: int, M: Powers, j: int) -> dict[Powers, F]:
        """``T_j(M)``, a polynomial in the entries of the kernel below."""
        if not any(M):
            return {M: F(1)} if j == 0 else {}
        total: dict[Powers, F] = {}
        for S, rest, ways in parted(M, most=j + 1):
            others = self.partitions(layer, rest, j + 1 - sum(S))
            for m, c in self.block(layer, S).items():
                for n, d in others.items():
                    key = tuple(a + b for a, b in zip(m, n, strict=True))
                    total[key] = total.get(key, F(0)) + ways * c * d
        return total

    def _block(self, layer: int, S: Powers) -> dict[Powers, F]:
        """``<prod_{A in S} (C_b + C_W s_A)>``; in the second layer a number."""
        named = tuple(A for A, m in zip(self.pairs, S, strict=True) for _ in range(m))
        polynomial: dict[Powers, F] = {}
        for monomial, c in self.net.block(layer, named).items():
            if layer == 2:
                c *= prod((F(self.kernel[a][b]) for a, b in monomial), start=F(1))
            key = self.powers(() if layer == 2 else monomial)
            polynomial[key] = polynomial.get(key, F(0)) + c
        return {key: c for key, c in polynomial.items() if c}


def parted(M: Powers, most: int | None = None) -> Iterator[tuple[Powers, Powers, int]]:
    """Parts of M that hold its first element, the rest, and in how many ways."""
    first = next(i for i, m in enumerate(M) if m)
    for S in product(*(range(int(i == first), m + 1) for i, m in enumerate(M))):
        if most is None or sum(S) <= most:
            rest = tuple(m - s for m, s in zip(M, S, strict=True))
            ways = prod(
                comb(m - (i == first), s - (i == first))
                for i, (m, s) in enumerate(zip(M, S, strict=True))
            )
            yield S, rest, ways


def convolved(a: Truncated, b: Truncated) -> Truncated:
    """Product of two series."""
    return tuple(sum((a[i] * b[k - i] for i in range(k + 1) if a[i]), F(0)) for k in range(len(a)))
