"""Expectations of smooth activations by the trapezoidal rule on a lattice.

For a function analytic in a strip of half width ``y`` around the real axis the trapezoidal rule of
spacing ``h`` is wrong by ``exp(-2 pi y / h)`` only (Trefethen and Weideman, SIAM Review 56, 2014,
theorem 5.1), in each direction. In coordinates ``phi = L z`` with ``L`` the pivoted Cholesky factor
of the kernel this holds for singular kernels and for any correlation alike; what must be known is
`Activation.scale`, the strip of the activation, and even that is only a first guess: the rule of
twice the spacing, whose error is the square root, comes free of charge and tells.

With three inputs or more the last one is integrated first, over its own remaining width: that
leaves a function of one variable, tabulated once, and one dimension less.
"""

from functools import lru_cache
from itertools import pairwise
from math import log, pi, prod, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.factors import Factor, factor_values, is_odd
from nneft.gaussian.roots import Root, pivoted_root, reach

#: Natural logarithm of the accuracy aimed at, for up to two dimensions of the lattice and beyond.
DIGITS = (34.0, 29.0)
#: Most nodes of a lattice; a block of the first direction holds at most `BLOCK_NODES` of them.
MOST_NODES = 60_000_000
BLOCK_NODES = 1_000_000
ROUNDING = 4e-16
#: The error is ``A exp(-2 pi y/h)``, and squaring that of ``2h`` gives ``A^2`` instead: A is below
#: one where the residue at the nearest pole is small, by 25 at most for the built-in activations.
PREFACTOR = 30.0
#: Estimated error, relative to the norm, at which refinement stops.
ACCURACY = 9e-14


def moments(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """``< prod_a (sigma^{p_a})^{(r_a)}(phi_a) >_K`` for an activation without kinks.

    Parameters
    ----------
    kernel : (d, d)
        Covariance of the inputs, singular or not; ``d`` up to 4, or more for a rank up to 3.
    terms
        Powers and numbers of derivatives, a pair of tuples of length ``d`` each.

    Raises
    ------
    ValueError
        The moments diverge.
    NumericsError
        The lattice that the accuracy asks for has more than `MOST_NODES` nodes.
    """
    root = pivoted_root(kernel)
    live = [t for t, term in enumerate(terms) if not is_odd(activation, *term)]
    values, errors = np.zeros(len(terms)), np.zeros(len(terms))
    if live:
        found = _converged(activation, root, [terms[t] for t in live])
        values[live], errors[live] = found
        highest = max(max(r) for _, r in terms)
        errors[live] += activation.derivative_error(highest) * np.abs(values[live])
    return Moments(values, errors)


def spacing(strip: float, digits: float, pole: int = 1) -> float:
    """Largest lattice spacing whose error is ``exp(-digits)`` for a strip of this half width.

    `pole` is the order of the pole at the edge of the strip: a power or a derivative raises it.
    """
    # On the line Im z = y the Gaussian is larger by exp(y^2/2); y = 2 pi / h is the best line.
    y = min(strip, sqrt(2.0 * digits))
    h = 2.0 * pi * y / (digits + 0.5 * y**2)
    # A pole of order m multiplies its residue by (2 pi y / h)^(m-1) / (m-1)!
    extra = sum(max(0.0, log(2.0 * pi * y / h / m)) for m in range(1, pole))
    return 2.0 * pi * y / (digits + extra + 0.5 * y**2)


def _converged(activation: Activation, root: Root, terms: Terms) -> tuple[Array, Array]:
    """Refine until the square of the difference to the rule of twice the spacing is small."""
    aim = DIGITS[0] if root.factor.shape[1] <= 2 else DIGITS[1]
    needed = -log(ACCURACY / PREFACTOR)
    for _ in range(5):
        fine, coarse, norms = _Lattice(activation, root, terms, aim).sums()
        safe = np.where(norms > 0.0, norms, 1.0)
        # e(h) = e(2h)^2 where the error falls exponentially.
        difference = np.abs(fine - coarse) / safe
        reached = -2.0 * log(max(float(np.max(difference)), 1e-150))
        if reached >= needed:
            break
        aim *= min(2.0, max(1.1, needed / max(reached, needed / 8.0)))
    return fine, norms * (PREFACTOR * difference**2 + ROUNDING * (2.0 + root.factor.shape[1]))


class _Lattice:
    """One lattice for one kernel: its nodes, the factors on them, and the sums over them."""

    def __init__(self, activation: Activation, root: Root, terms: Terms, digits: float) -> None:
        self.activation, self.root, self.terms = activation, root, terms
        factor, order = root
        rank = factor.shape[1]
        #: The input whose own noise is integrated out first, if any.
        self.last = order[-1] if rank == len(order) >= 3 else None
        self.dimensions = rank - 1 if self.last is not None else rank
        if self.dimensions > 3:
            raise NumericsError(f"a lattice in {self.dimensions} dimensions is out of reach")
        powers = max((sum(p) for p, _ in terms), default=1)
        pole = max(max(p) + max(r) for p, r in terms)
        deviations = np.sqrt(np.sum(factor**2, axis=1))
        deviation = float(np.max(deviations, initial=0.0))
        self.reach = reach(activation, deviation, powers, digits)
        steepest = np.max(np.abs(factor), axis=0, initial=0.0)
        steps = [spacing(activation.scale / s, digits, pole) for s in steepest]
        self.inner_step = steps[-1] if self.last is not None else 0.0
        self.halved = activation.parity is not None
        self.nodes = [
            _nodes(self.reach, h, half=self.halved and k == 0)
            for k, h in enumerate(steps[: self.dimensions])
        ]
        self.weights = [_weights(z, half=self.halved and k == 0) for k, z in enumerate(self.nodes)]
        total = prod(len(z) for z in self.nodes)
        if total > MOST_NODES:
            raise NumericsError(
                f"the lattice for {activation.name} at variances {np.array2string(deviations**2)} "
                f"needs {total:.2g} nodes, more than {MOST_NODES:.2g}: the kernel is too large for "
                "the length over which the activation varies"
            )
        self.tables = self._tables()

    def sums(self) -> tuple[Array, Array, Array]:
        """Sums on the lattice, on every second node of it, and of absolute values there."""
        fine, coarse, norms = (np.zeros(len(self.terms)) for _ in range(3))
        for part in self._parts():
            wanted = self._factors(part)
            weights = [self.weights[0][part], *self.weights[1:]] if self.dimensions else []
            for t, (powers, derivatives) in enumerate(self.terms):
                levels: list[list[Array]] = [[] for _ in range(self.dimensions + 1)]
                for a, factor in enumerate(zip(powers, derivatives, strict=True)):
                    if factor != (0, 0):
                        level, values = wanted[a, factor]
                        levels[level].append(values)
                fine[t] += _contract(levels, weights)
                every = [
                    [f[(slice(None, None, 2),) * level] for f in fs]
                    for level, fs in enumerate(levels)
                ]
                doubled = [2.0 * w[::2] for w in weights]
                coarse[t] += _contract(every, doubled)
                norms[t] += _contract([[np.abs(f) for f in fs] for fs in every], doubled)
        return fine, coarse, norms

    def _parts(self) -> list[slice]:
        if self.dimensions == 0:
            return [slice(None)]
        count = len(self.nodes[0])
        others = prod(len(z) for z in self.nodes[1:])
        rows = max(2, BLOCK_NODES // others // 2 * 2)  # even, so that every second node stays so
        edges = [*range(0, count, rows), count]
        return [slice(i, j) for i, j in pairwise(edges)]

    def _factors(self, part: slice) -> dict[tuple[int, Factor], tuple[int, Array]]:
        """Each factor on its part of the lattice, with the number of directions it depends on."""
        found: dict[tuple[int, Factor], tuple[int, Array]] = {}
        axes = [self.nodes[0][part], *self.nodes[1:]] if self.dimensions else []
        for place, a in enumerate(self.root.order):
            level = min(place + 1, self.dimensions)
            phi = np.zeros(1 if level == 0 else ())
            for k in range(level):
                shape = [1] * level
                shape[k] = len(axes[k])
                phi = phi + self.root.factor[a, k] * axes[k].reshape(shape)
            factors = {(p[a], r[a]) for p, r in self.terms} - {(0, 0)}
            if not factors:
                continue
            if a == self.last:
                values = {f: self.tables[f](phi) for f in factors}
            else:
                values = factor_values(self.activation, phi, factors)
            for f, v in values.items():
                found[a, f] = (level, v if level else v.reshape(()))
        return found

    def _tables(self) -> dict[Factor, "Table"]:
        if self.last is None:
            return {}
        row = self.root.factor[self.last]
        furthest = sum(abs(c) * float(np.max(z)) for c, z in zip(row, self.nodes, strict=False))
        z = _nodes(self.reach, self.inner_step, half=False)
        weights = _weights(z, half=False)
        factors = {(p[self.last], r[self.last]) for p, r in self.terms} - {(0, 0)}

        def smoothed(m: Array, factor: Factor) -> Array:
            x = m[..., None] + row[-1] * z
            return factor_values(self.activation, x, {factor})[factor] @ weights

        cell = min(self.activation.scale / 4.0, 2.0 * furthest) or 1.0
        return {f: Table(lambda m, f=f: smoothed(m, f), furthest, cell) for f in factors}


class Table:
    """A smooth function of one variable as a polynomial of degree 11 on each of many equal cells.

    On a cell of a quarter of the strip's half width the polynomial through the Chebyshev points is
    wrong by less than 1e-13 of the function's size.
    """

    DEGREE = 11

    def __init__(self, function, furthest: float, cell: float) -> None:  # type: ignore[no-untyped-def]
        count = max(1, int(np.ceil(2.0 * furthest / cell)))
        self.count, self.cell = count, (2.0 * furthest / count) or 1.0
        self.start = -furthest
        t, to_chebyshev, to_powers = _interpolation(self.DEGREE)
        centres = self.start + self.cell * (np.arange(count) + 0.5)
        values = function(centres[:, None] + 0.5 * self.cell * t)
        self.coefficients = np.ascontiguousarray((values @ to_chebyshev @ to_powers).T)

    def __call__(self, m: Array) -> Array:
        """The function at points no further out than the table reaches."""
        u = (m - self.start) / self.cell
        index = np.clip(u.astype(np.int64), 0, self.count - 1)
        t = 2.0 * (u - index) - 1.0
        result: Array = self.coefficients[-1][index]
        for row in self.coefficients[-2::-1]:
            result *= t
            result += row[index]
        return result


@lru_cache(maxsize=1)
def _interpolation(degree: int) -> tuple[Array, Array, Array]:
    """Chebyshev points, values there to Chebyshev coefficients, those to powers.

    The coefficients are as accurate as the values, and the rounding of their powers cancels, where
    an inverse Vandermonde matrix would lose four digits.
    """
    t = np.cos(pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    share = np.where(np.arange(degree + 1) > 0, 2.0, 1.0) / (degree + 1)
    powers = np.zeros((degree + 1, degree + 1))
    for n, row in enumerate(np.eye(degree + 1)):
        powers[n, : n + 1] = np.polynomial.chebyshev.cheb2poly(row[: n + 1])
    return t, np.polynomial.chebyshev.chebvander(t, degree) * share, powers


def _nodes(furthest: float, step: float, *, half: bool) -> Array:
    """Multiples of the step, zero among every second of them."""
    count = 2 * int(np.ceil(0.5 * furthest / step))
    return np.asarray(step * np.arange(0 if half else -count, count + 1), dtype=np.float64)


def _weights(z: Array, *, half: bool) -> Array:
    weights: Array = (z[1] - z[0]) / sqrt(2.0 * pi) * np.exp(-0.5 * z**2)
    if half:
        weights[1:] *= 2.0
    return weights


def _contract(levels: list[list[Array]], weights: list[Array]) -> float:
    """Sum over the lattice from its last direction to its first."""
    carry: Array | float = 1.0
    for level in range(len(weights), 0, -1):
        for factor in levels[level]:
            carry = carry * factor
        shape = tuple(len(w) for w in weights[:level])
        carry = np.broadcast_to(carry, shape) @ weights[level - 1]
    for factor in levels[0]:
        carry = carry * factor
    return float(carry)
