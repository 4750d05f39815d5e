"""The law of total cumulance in exact arithmetic, for polynomial activations: no diagrams here.

With H = G^(l-1) = K_0 + delta, Wick's theorem gives every moment of phi ~ N(0, H) as a polynomial
in delta; conditional cumulants, conditional moments, the average over delta from its cumulants, and
cumulants again. ``e`` counts powers of the width; a monomial of degree m in delta averages to
``O(e^ceil(m/2))``, so everything is cut at ``2 a + m <= 2 P`` for ``e^a delta^m``.
"""

from collections import Counter
from fractions import Fraction
from functools import cache, lru_cache
from itertools import combinations_with_replacement, product
from math import factorial

ONE = Fraction(1)


class Ring:
    """Polynomials in e and delta_A, {(power of e, powers of delta): coefficient}, cut at P."""

    def __init__(self, variables, highest):
        self.variables, self.cut = variables, 2 * highest

    def constant(self, value):
        return {(0, (0,) * self.variables): Fraction(value)} if value else {}

    def variable(self, i):
        return {(0, tuple(int(j == i) for j in range(self.variables))): ONE}

    def width(self, power, value=ONE):
        return {(power, (0,) * self.variables): Fraction(value)} if 2 * power <= self.cut else {}

    def add(self, *terms):
        total = Counter()
        for term in terms:
            for key, value in term.items():
                total[key] += value
        return {key: value for key, value in total.items() if value}

    def times(self, left, right):
        total = Counter()
        for (a, m), x in left.items():
            for (b, n), y in right.items():
                if 2 * (a + b) + sum(m) + sum(n) <= self.cut:
                    total[a + b, tuple(i + j for i, j in zip(m, n))] += x * y
        return {key: value for key, value in total.items() if value}


def set_partitions(items):
    if not items:
        yield []
        return
    first, *rest = items
    for partition in set_partitions(rest):
        yield [(first,), *partition]
        for i, block in enumerate(partition):
            yield [*partition[:i], (first, *block), *partition[i + 1 :]]


@cache
def _counted_partitions(block):
    """Partitions of a sorted block into sorted parts: how often each occurs."""
    return Counter(
        tuple(sorted(tuple(sorted(part)) for part in partition))
        for partition in set_partitions(list(block))
    )


def derivatives(coefficients, kernel, block, highest):
    """Coefficients of delta's monomials in F_block(kernel + delta), with C_W = 1, C_b = 0."""
    layer = _Layer(coefficients, kernel, highest, 1, 0, 1)
    return {m: v for (_, m), v in layer.cumulant(tuple(sorted(block))).items()}


class _Layer:
    """Conditional cumulants of G^(l) given H = kernel + delta."""

    def __init__(self, coefficients, kernel, highest, C_W, C_b, width):
        self.size = len(kernel)
        self.pairs = list(combinations_with_replacement(range(self.size), 2))
        self.ring = Ring(len(self.pairs), highest)
        self.sigma = [Fraction(c) for c in coefficients]
        self.C_W, self.C_b, self.width = Fraction(C_W), Fraction(C_b), Fraction(width)
        self.H = {
            (a, b): self.ring.add(
                self.ring.constant(kernel[a][b]), self.ring.variable(self.pairs.index((a, b)))
            )
            for a, b in self.pairs
        }
        self.wick = lru_cache(maxsize=None)(self._wick)
        self.moment = lru_cache(maxsize=None)(self._moment)
        self.cumulant = lru_cache(maxsize=None)(self._cumulant)

    def _wick(self, powers):
        """<prod phi_a^powers_a>: contract the first with each other."""
        if not any(powers):
            return self.ring.constant(1)
        a = next(i for i, n in enumerate(powers) if n)
        left = tuple(n - (i == a) for i, n in enumerate(powers))
        terms = []
        for b, n in enumerate(left):
            if n:
                rest = tuple(m - (i == b) for i, m in enumerate(left))
                pair = self.ring.times(self.H[min(a, b), max(a, b)], self.wick(rest))
                terms.append({key: n * value for key, value in pair.items()})
        return self.ring.add(*terms)

    def _moment(self, block):
        """<prod sigma_a sigma_b>."""
        products = {(0,) * self.size: ONE}
        for a in (a for pair in block for a in pair):
            longer = Counter()
            for powers, value in products.items():
                for n, c in enumerate(self.sigma):
                    longer[tuple(p + n * (i == a) for i, p in enumerate(powers))] += c * value
            products = longer
        scaled = [
            {key: value * w for key, w in self.wick(powers).items()}
            for powers, value in products.items()
            if value
        ]
        return self.ring.add(*scaled)

    def _cumulant(self, block):
        terms = []
        for partition, ways in _counted_partitions(block).items():
            sign = (-1) ** (len(partition) - 1) * factorial(len(partition) - 1)
            term = self.ring.constant(sign * ways * self.C_W ** len(block))
            for part in partition:
                term = self.ring.times(term, self.moment(part))
            terms.append(term)
        if len(block) == 1:
            terms.append(self.ring.constant(self.C_b))
        return self.ring.add(*terms)

    def conditional_moment(self, block):
        """<prod G_A> given H: the mean of 1/(width e) independent terms."""
        terms = []
        for partition, ways in _counted_partitions(block).items():
            term = self.ring.constant(ways)
            for part in partition:
                power = len(part) - 1
                term = self.ring.times(term, self.ring.width(power, self.width**power))
                term = self.ring.times(term, self.cumulant(part))
            terms.append(term)
        return self.ring.add(*terms)


def following(coefficients, kernel, cumulants, highest, C_W, C_b, width):
    """Cumulants of layer l from those of layer l-1.

    Both are {sorted block of pairs: [coefficients of e^0, e^1 .. e^highest]}, a mean without its
    e^0 part, which is `kernel`. `width` is n / n_{l-1}, e = 1/n. Returns the new kernel as well.
    """
    layer = _Layer(coefficients, kernel, highest, C_W, C_b, width)

    @cache
    def average(items):
        """<prod delta> as coefficients of e: the first item shares a cumulant with some others."""
        if not items:
            return [ONE] + [Fraction(0)] * highest
        first, *others = items
        total = [Fraction(0)] * (highest + 1)
        for chosen in product((True, False), repeat=len(others)):
            part = (first, *(x for x, c in zip(others, chosen) if c))
            if part in cumulants:
                rest = tuple(x for x, c in zip(others, chosen) if not c)
                term = _product(cumulants[part], average(rest))
                total = [x + y for x, y in zip(total, term)]
        return total

    @cache
    def moment(block):
        total = [Fraction(0)] * (highest + 1)
        for (power, monomial), value in layer.conditional_moment(block).items():
            items = tuple(pair for pair, n in zip(layer.pairs, monomial) for _ in range(n))
            for i, x in enumerate(average(items)[: highest + 1 - power]):
                total[i + power] += value * x
        return total

    found = {}
    for k in range(1, highest + 2):
        for block in combinations_with_replacement(layer.pairs, k):
            total = [Fraction(0)] * (highest + 1)
            for partition, ways in _counted_partitions(block).items():
                sign = (-1) ** (len(partition) - 1) * factorial(len(partition) - 1)
                term = [Fraction(sign * ways)] + [Fraction(0)] * highest
                for part in partition:
                    term = _product(term, moment(part))
                total = [x + y for x, y in zip(total, term)]
            found[block] = total
    size = len(kernel)
    mean = [[found[((min(a, b), max(a, b)),)][0] for b in range(size)] for a in range(size)]
    for pair in layer.pairs:
        found[(pair,)][0] = Fraction(0)
    return mean, found


def _product(left, right):
    return [
        sum((left[j] * right[i - j] for j in range(i + 1)), Fraction(0)) for i in range(len(left))
    ]
