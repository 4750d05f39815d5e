"""Networks with polynomial activations at any width, exactly, in rational arithmetic.

Given layer l-1 the kernel of layer l is a mean of n independent terms, so its moments are

    E[ prod_i G_Ai | G' ] = sum over set partitions pi of  n (n-1) .. (n-|pi|+1) / n^m
                            * prod over blocks B of <prod_{i in B} (C_b + C_W s_Ai)>_G'

and for a polynomial activation the averages are polynomials in the entries of G' (Wick). So the
mean of any polynomial in the entries of one layer's kernel is that of another polynomial one layer
below, down to the first kernel, which is given. No cumulants, no expansion. With 1/n a number the
result is exact at that width; with 1/n a truncated series it gives the coefficients of 1/n.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

Pair = tuple[int, int]
#: Powers of the fields, or pairs (with repetitions), to coefficients.
Polynomial = dict[tuple[Any, ...], Any]


class Series:
    """``c_0 + c_1 t + ..``, cut after a fixed order."""

    def __init__(self, coefficients: Sequence[Fraction]) -> None:
        self.c = tuple(Fraction(c) for c in coefficients)

    def __add__(self, other: Any) -> "Series":
        other = _series(other, len(self.c))
        return Series([a + b for a, b in zip(self.c, other.c, strict=True)])

    def __mul__(self, other: Any) -> "Series":
        other = _series(other, len(self.c))
        size = range(len(self.c))
        return Series(
            [sum((self.c[i] * other.c[k - i] for i in range(k + 1)), Fraction(0)) for k in size]
        )

    def __sub__(self, other: Any) -> "Series":
        return self + _series(other, len(self.c)) * Fraction(-1)

    def __rsub__(self, other: Any) -> "Series":
        return _series(other, len(self.c)) - self

    __radd__, __rmul__ = __add__, __mul__


def _series(value: Any, size: int) -> Series:
    return value if isinstance(value, Series) else Series([value] + [Fraction(0)] * (size - 1))


@cache
def wick(fields: tuple[int, ...]) -> tuple[tuple[tuple[Pair, ...], int], ...]:
    """``<phi_a phi_b ..>_G`` for a sorted tuple of inputs: monomials in G and their counts."""
    if not fields:
        return (((), 1),)
    if len(fields) % 2:
        return ()
    total: dict[tuple[Pair, ...], int] = {}
    a, rest = fields[0], fields[1:]
    for b in sorted(set(rest)):
        i = rest.index(b)
        for monomial, count in wick(rest[:i] + rest[i + 1 :]):
            key = tuple(sorted((*monomial, (a, b))))
            total[key] = total.get(key, 0) + count * rest.count(b)
    return tuple(total.items())


class Net:
    """`sigma` are coefficients, `inverse_widths` the 1/n_l of l = 1, 2, ..: numbers or series."""

    def __init__(self, sigma, C_W, C_b, inverse_widths) -> None:
        self.sigma = [Fraction(c) for c in sigma]
        self.C_W, self.C_b = ([Fraction(c) for c in cs] for cs in (C_W, C_b))
        self.inverse_widths = inverse_widths
        self.known: dict[Any, Polynomial] = {}

    def mean(self, layer: int, polynomial: Polynomial, kernel) -> Any:
        """Mean of a polynomial in the entries of ``G^(layer)``; `kernel` is ``G^(1)``."""
        while layer > 2:
            below: Polynomial = {}
            for monomial, c in polynomial.items():
                for lower, d in self.moment(layer, monomial).items():
                    below[lower] = below[lower] + c * d if lower in below else c * d
            polynomial, layer = below, layer - 1
        values = _Values(kernel)
        total: Any = Fraction(0)
        for monomial, c in polynomial.items():
            total = total + c * self.bottom(monomial, values)
        return total

    def bottom(self, pairs: tuple[Pair, ...], values: "_Values") -> Any:
        """``E[prod G^(2)_A]``, a number (or a series in 1/n)."""
        if ("bottom", pairs) not in self.known:
            total: Any = Fraction(0)
            for blocks in set_partitions(pairs):
                product = self.weight(2, len(pairs), len(blocks))
                for block in blocks:
                    product = product * self.block_value(block, values)
                total = total + product
            self.known["bottom", pairs] = total
        return self.known["bottom", pairs]

    def block_value(self, pairs: tuple[Pair, ...], values: "_Values") -> Fraction:
        key = ("value", tuple(sorted(pairs)))
        if key not in self.known:
            fields = self.fields(2, pairs)
            self.known[key] = sum((c * values(m) for m, c in fields.items() if c), Fraction(0))
        return self.known[key]

    def weight(self, layer: int, count: int, blocks: int) -> Any:
        """``n (n-1) .. (n-|pi|+1) / n^m = e^(m-|pi|) prod_k (1 - k e)`` with ``e = 1/n``."""
        e = self.inverse_widths[layer - 2]
        weight: Any = Fraction(1)
        for _ in range(count - blocks):
            weight = weight * e
        for k in range(blocks):
            weight = weight * (1 - k * e)
        return weight

    def fields(self, layer: int, pairs: tuple[Pair, ...]) -> Polynomial:
        """``prod_A (C_b + C_W s_A)`` as a polynomial in the fields."""
        C_W, C_b = self.C_W[layer - 1], self.C_b[layer - 1]
        product: Polynomial = {(): Fraction(1)}
        for a, b in pairs:
            one: Polynomial = {(): C_b}
            for i, c in enumerate(self.sigma):
                for j, d in enumerate(self.sigma):
                    key = tuple(sorted((a,) * i + (b,) * j))
                    if c * d != 0:
                        one[key] = one.get(key, Fraction(0)) + C_W * c * d
            product = times(product, one)
        return product

    def moment(self, layer: int, pairs: tuple[Pair, ...]) -> Polynomial:
        """``E[prod G^(layer)_A | G^(layer-1)]``, a polynomial in the entries below."""
        if (layer, pairs) not in self.known:
            total: Polynomial = {}
            for blocks in set_partitions(pairs):
                product: Polynomial = {(): self.weight(layer, len(pairs), len(blocks))}
                for block in blocks:
                    product = times(product, self.block(layer, block))
                for monomial, c in product.items():
                    total[monomial] = total[monomial] + c if monomial in total else c
            self.known[layer, pairs] = total
        return self.known[layer, pairs]

    def block(self, layer: int, pairs: tuple[Pair, ...]) -> Polynomial:
        """``<prod_A (C_b + C_W s_A)>_G``."""
        if ("block", layer, pairs) not in self.known:
            found: Polynomial = {}
            for inputs, c in self.fields(layer, pairs).items():
                for monomial, count in wick(inputs) if c else ():
                    found[monomial] = found.get(monomial, Fraction(0)) + c * count
            self.known["block", layer, pairs] = found
        return self.known["block", layer, pairs]


class _Values:
    """``<phi_a phi_b ..>`` at one kernel, a sorted tuple of inputs to a number."""

    def __init__(self, kernel) -> None:
        self.kernel, self.known = kernel, {(): Fraction(1)}

    def __call__(self, fields: tuple[int, ...]) -> Fraction:
        if len(fields) % 2:
            return Fraction(0)
        if fields not in self.known:
            a, rest = fields[0], fields[1:]
            total = Fraction(0)
            for b in set(rest):
                i = rest.index(b)
                left = self(rest[:i] + rest[i + 1 :])
                total += self.kernel[a][b] * rest.count(b) * left
            self.known[fields] = total
        return self.known[fields]


def times(p: Polynomial, q: Polynomial) -> Polynomial:
    """Product of polynomials whose monomials are sorted tuples of variables."""
    found: Polynomial = {}
    for m, c in p.items():
        for n, d in q.items():
            key = tuple(sorted(m + n))
            found[key] = found[key] + c * d if key in found else c * d
    return found


def set_partitions(items: tuple[Any, ...]) -> Iterator[list[tuple[Any, ...]]]:
    """All partitions of positions into blocks."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for blocks in set_partitions(rest):
        yield [(first,), *blocks]
        for i, block in enumerate(blocks):
            yield [*blocks[:i], (first, *block), *blocks[i + 1 :]]
