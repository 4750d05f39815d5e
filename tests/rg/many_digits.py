"""Two inputs of a ReLU network to any order in 1/n with hundreds of digits: moments, no diagrams.

Everything is a function of the kernel's entries (11, 12, 22), closed forms differentiated as
truncated Taylor series; what cancels between close inputs is met by digits alone. The state are the
moments of ``delta = G - K_0``, not its cumulants.
"""

from decimal import Decimal, localcontext
from functools import cache
from itertools import combinations, combinations_with_replacement, product

from mpmath import mp

PAIRS = ((0, 0), (0, 1), (1, 1))


@cache
def monomials(weight):
    """``eps^j delta^r`` as (j, r_11, r_12, r_22): those of ``2j + |r|`` up to the weight."""
    powers = product(range(weight // 2 + 1), *[range(weight + 1)] * 3)
    return tuple(p for p in powers if 2 * p[0] + sum(p[1:]) <= weight)


@cache
def products(weight):
    """Which monomials multiply to which."""
    every = monomials(weight)
    place = {p: i for i, p in enumerate(every)}
    sums = ((i, j, tuple(a + b for a, b in zip(p, q, strict=True))) for i, p in enumerate(every)
            for j, q in enumerate(every))  # fmt: skip
    found = [[] for _ in every]
    for i, j, total in sums:
        if total in place:
            found[i].append((j, place[total]))
    return found


class Series:
    """A polynomial in eps and delta, cut by weight."""

    def __init__(self, weight, coefficients):
        self.weight, self.c = weight, coefficients

    @classmethod
    def of(cls, weight, **terms):
        """From ``e2_010 = 3``: 3 eps^2 delta_12."""
        named = {f"e{j}_{a}{b}{c}": i for i, (j, a, b, c) in enumerate(monomials(weight))}
        found = [Decimal(0)] * len(named)
        for name, value in terms.items():
            if name in named:
                found[named[name]] = Decimal(value)
        return cls(weight, found)

    def __add__(self, other):
        if not isinstance(other, Series):
            return self + Series.of(self.weight, e0_000=other)
        return Series(self.weight, [a + b for a, b in zip(self.c, other.c, strict=True)])

    def __mul__(self, other):
        if not isinstance(other, Series):
            return Series(self.weight, [a * Decimal(other) for a in self.c])
        found = [Decimal(0)] * len(self.c)
        for a, places in zip(self.c, products(self.weight), strict=True):
            if a:
                for j, k in places:
                    if other.c[j]:
                        found[k] += a * other.c[j]
        return Series(self.weight, found)

    def __sub__(self, other):
        return self + other * -1

    def under(self, taylor):
        """``f(self)`` from the Taylor coefficients of f at the constant term."""
        rest = self - self.c[0]
        total = Series.of(self.weight, e0_000=taylor[-1])
        for c in reversed(taylor[:-1]):
            total = total * rest + c
        return total

    def power(self, exponent):
        """Powers, also negative and fractional ones."""
        x, exponent = mp.mpf(str(self.c[0])), mp.mpf(exponent)
        return self.under(
            [decimal(mp.binomial(exponent, n) * x ** (exponent - n)) for n in self._degrees]
        )

    def arcsine(self):
        """``(1 - x^2) y'' = x y'``, term by term."""
        x = mp.mpf(str(self.c[0]))
        y = [mp.asin(x), 1 / mp.sqrt(1 - x * x)]
        for n in self._degrees[:-1]:
            low = n * n * y[n]
            y.append(
                (x * (2 * n + 1) * (n + 1) * y[n + 1] + low) / ((1 - x * x) * (n + 1) * (n + 2))
            )
        return self.under([decimal(v) for v in y[: self.weight + 1]])

    @property
    def _degrees(self):
        return range(self.weight + 1)


def decimal(value):
    return Decimal(mp.nstr(value, mp.dps))


class Moments:
    """``<theta(x) x^i theta(y) y^j>`` at ``K_0 + delta``, by Stein's identity."""

    def __init__(self, K, weight):
        names = ("e0_100", "e0_010", "e0_001")
        entries = [Series.of(weight, e0_000=k, **{n: 1}) for k, n in zip(K, names, strict=True)]
        self.xx, self.xy, self.yy = entries
        det = self.xx * self.yy - self.xy * self.xy
        self.left = {0: det * self.xx.power(-1), 1: det * self.yy.power(-1)}
        rho = self.xy * (self.xx * self.yy).power(-0.5)
        # <theta(x) theta(y)> = 1/4 + asin(rho) / 2 pi
        quadrant = rho.arcsine() * decimal(1 / (2 * mp.pi)) + Decimal("0.25")
        self.known = {(0, 0): quadrant}

    def of(self, i, j):
        """``<sigma_1^i sigma_2^j>``."""
        if i and j:
            return self(i, j)
        variance = self.xx if i else self.yy
        return variance.power((i + j) // 2) * decimal(mp.fac2(i + j - 1) / 2)

    def __call__(self, i, j):
        if (i, j) not in self.known:
            self.known[i, j] = self._new(i, j)
        return self.known[i, j]

    def _new(self, i, j):
        """With theta(y) for j = 0: ``<x x^(i-1) ..> = K_xx <d_x ..> + K_xy <d_y ..>``."""
        if i == 0:
            by_y = self.edge(self.yy, 1, 0) if j == 1 else self(0, j - 2) * (j - 1)
            return self.yy * by_y + self.xy * self.edge(self.xx, 0, j - 1)
        by_x = self.edge(self.xx, 0, j) if i == 1 else self(i - 2, j) * (i - 1)
        by_y = self(i - 1, j - 1) * j if j else self.edge(self.yy, 1, i - 1)
        return self.xx * by_x + self.xy * by_y

    def edge(self, variance, which, power):
        """``<delta(x) y_+^power>``: a density, and half a moment of what is left of y."""
        half = mp.mpf(2) ** (mp.mpf(power) / 2 - 1) * mp.gamma(mp.mpf(power + 1) / 2)
        scale = decimal(half / mp.sqrt(mp.pi) / mp.sqrt(2 * mp.pi))
        return (variance.power(-0.5) * self.left[which].power(mp.mpf(power) / 2)) * scale


def flow(K, C_W, C_b, widths, order, digits):
    """Each layer's ``{pairs: [coefficient of 1/n_{l-1}^p]}``: joint cumulants of G, as mpf.

    `K` are the entries (11, 12, 22) of the first kernel, in whatever mpf can read.
    """
    with mp.workdps(digits), localcontext() as context:
        context.prec = digits
        yield from _flow([decimal(mp.mpf(k)) for k in K], C_W, C_b, widths, order)


def _flow(K, C_W, C_b, widths, order):
    C_W, C_b = Decimal(C_W), Decimal(C_b)
    zero = [Decimal(0)] * (order + 1)
    delta = {r: list(zero) for r in powers(2 * order)}
    delta[0, 0, 0][0] = Decimal(1)
    for layer in range(2, len(widths)):
        ratio = Decimal(widths[layer - 1]) / Decimal(widths[max(layer - 2, 1)])
        below = {r: [v * ratio**p for p, v in enumerate(s)] for r, s in delta.items()}
        means, moments = step(K, below, order, random=layer > 2)
        K = [C_b + C_W * m for m in means]
        delta = {r: [v * C_W ** sum(r) for v in s] for r, s in moments.items()}
        yield cumulants(K, delta, order)


@cache
def powers(degree):
    return tuple(r for r in product(range(degree + 1), repeat=3) if sum(r) <= degree)


def step(K, below, order, *, random):
    """``<s>_K0`` and all moments of ``s - <s>_K0``, from those of delta."""
    weight = 2 * order
    mean = Moments(K, weight)
    eps = Series.of(weight, e1_000=1)
    blocks, conditional = {}, {(): Series.of(weight, e0_000=1)}
    plain = {(): Series.of(weight, e0_000=1)}
    for size in range(1, weight + 1):
        for M in combinations_with_replacement(range(3), size):
            if size <= order + 1:
                ones = sum(PAIRS[A].count(0) for A in M)
                plain[M] = blocks[M] = mean.of(ones, 2 * size - ones)
                for S, rest in parts(M):
                    if rest:
                        blocks[M] = blocks[M] - blocks[S] * plain[rest]
    means = [blocks[A,].c[0] for A in range(3)]
    for A in range(3):
        blocks[A,] = blocks[A,] - means[A]
    graded = {}
    for S, F in blocks.items():
        for _ in range(len(S) - 1):
            F = F * eps
        graded[S] = F
    moments = {(0, 0, 0): [Decimal(1)] + [Decimal(0)] * order}
    for size in range(1, weight + 1):
        for M in combinations_with_replacement(range(3), size):
            total = Series.of(weight)
            for S, rest in parts(M):
                if S in graded:
                    total = total + graded[S] * conditional[rest]
            conditional[M] = total
            moments[tuple(M.count(A) for A in range(3))] = averaged(total, below, order, random)
    return means, moments


def parts(M):
    """All parts of M that hold its first element, with the rest."""
    others = range(1, len(M))
    for size in range(len(M)):
        for chosen in combinations(others, size):
            yield (M[0], *(M[i] for i in chosen)), tuple(M[i] for i in others if i not in chosen)


def averaged(polynomial, below, order, random):
    found = [Decimal(0)] * (order + 1)
    for (j, *r), c in zip(monomials(polynomial.weight), polynomial.c, strict=True):
        if c and (random or not any(r)):
            for p, v in enumerate(below[tuple(r)]):
                if j + p <= order:
                    found[j + p] += c * v
    return found


def cumulants(K, moments, order):
    found = {}
    for size in range(1, order + 2):
        for M in combinations_with_replacement(range(3), size):
            value = list(moments[tuple(M.count(A) for A in range(3))])
            for S, rest in parts(M):
                if rest:
                    other = moments[tuple(rest.count(A) for A in range(3))]
                    for p, q in product(range(order + 1), repeat=2):
                        if p + q <= order:
                            value[p + q] -= found[S][p] * other[q]
            found[M] = value
    for A in range(3):
        found[A,][0] = K[A]
    return {M: [mp.mpf(str(v)) for v in value] for M, value in found.items()}
