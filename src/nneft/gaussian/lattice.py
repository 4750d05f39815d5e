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

from itertools import pairwise
from math import log, pi, prod, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.contraction import Indices, Operand, total
from nneft.gaussian.factors import Factor, factor_values, highest_orders, is_odd, pilots
from nneft.gaussian.roots import Root, pivoted_root, reach
from nneft.gaussian.tables import Table

#: Natural logarithm of the accuracy aimed at, for up to two dimensions of the lattice and beyond.
DIGITS = (34.0, 29.0)
#: Most nodes of a lattice; values of factors held at once.
MOST_NODES = 60_000_000
BLOCK_ENTRIES = 16_000_000
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
        The lattice that the accuracy asks for has more than `MOST_NODES` nodes; derivatives of a
        function known by its values only that cannot be had.
    """
    root = pivoted_root(kernel)
    live = [t for t, term in enumerate(terms) if not is_odd(activation, *term)]
    values, errors = np.zeros(len(terms)), np.zeros(len(terms))
    if live:
        values[live], errors[live] = _converged(activation, root, [terms[t] for t in live])
    if not np.all(np.isfinite(values) & np.isfinite(errors)):
        bad = terms[int(np.flatnonzero(~np.isfinite(values + errors))[0])]
        raise NumericsError(
            f"the derivatives {bad[1]} of powers {bad[0]} of {activation.name} at variances "
            f"{np.array2string(np.diag(kernel))} cannot be had in double precision; take a lower "
            "order"
        )
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
        lattice = _Lattice(activation, root, terms, aim)
        fine, coarse, norms = lattice.sums()
        safe = np.where(norms > 0.0, norms, 1.0)
        # e(h) = e(2h)^2 where the error falls exponentially.
        difference = np.abs(fine - coarse) / safe
        reached = -2.0 * log(max(float(np.max(difference)), 1e-150))
        if reached >= needed:
            break
        aim *= min(2.0, max(1.1, needed / max(reached, needed / 8.0)))
    noise = ROUNDING * (2.0 + root.factor.shape[1]) + lattice.noise
    with np.errstate(invalid="ignore"):  # unknown derivatives: not a number, and refused
        return fine, norms * (PREFACTOR * difference**2 + noise)


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
        self.factors, self.choices = self._chosen()
        powers = max((sum(p) for p, _ in terms), default=1)
        pole = max(max(p) + max(r) for p, r in terms)
        deviations = np.sqrt(np.sum(factor**2, axis=1))
        deviation = float(np.max(deviations, initial=0.0))
        self.reach = reach(activation, deviation, powers, digits)
        steepest = np.max(np.abs(factor), axis=0, initial=0.0)
        steps = [spacing(activation.scale / s, digits, pole) for s in steepest]
        if self.last is not None:
            # Of one variable only: with half the step it is exact at next to no cost.
            self.inner_step = 0.5 * steps[-1]
        self.halved = activation.parity is not None
        self.nodes = [
            _nodes(self.reach, h, half=self.halved and k == 0)
            for k, h in enumerate(steps[: self.dimensions])
        ]
        self.weights = [_weights(z, half=self.halved and k == 0) for k, z in enumerate(self.nodes)]
        count = prod(len(z) for z in self.nodes)
        if count > MOST_NODES:
            raise NumericsError(
                f"the lattice for {activation.name} at variances {np.array2string(deviations**2)} "
                f"needs {count:.2g} nodes, more than {MOST_NODES:.2g}: the kernel is too large for "
                "the length over which the activation varies"
            )
        noises = self._noises()
        if self.last is not None:
            self.table, missed = self._table(noises[-1])
            noises[-1] = noises[-1] + self.table.errors + missed
        #: Relative errors of the terms' own factors.
        self.noise = sum(
            (n[choice] for n, choice in zip(noises, self.choices, strict=True)), np.zeros(1)
        )

    def sums(self) -> tuple[Array, Array, Array]:
        """Sums on the lattice, on every second node of it, and of absolute values there."""
        fine, coarse, norms = (np.zeros(len(self.terms)) for _ in range(3))
        for part in self._parts():
            operands = self._operands(part)
            weights = [self.weights[0][part], *self.weights[1:]] if self.dimensions else []
            fine += total(operands, weights)
            every = [operand.every_second() for operand in operands]
            doubled = [2.0 * w[::2] for w in weights]
            coarse += total(every, doubled)
            norms += total([operand.absolute() for operand in every], doubled)
        return fine, coarse, norms

    def _parts(self) -> list[slice]:
        if self.dimensions == 0:
            return [slice(None)]
        count = len(self.nodes[0])
        rows = sum(len(f) for f in self.factors[self.dimensions - 1 :])
        others = prod(len(z) for z in self.nodes[1:]) * rows
        each = max(2, BLOCK_ENTRIES // others // 2 * 2)  # even, so that every second node stays so
        edges = [*range(0, count, each), count]
        return [slice(i, j) for i, j in pairwise(edges)]

    def _operands(self, part: slice) -> list[Operand]:
        """The factors of each input on its part of the lattice, in the directions it depends on."""
        found = []
        axes = [self.nodes[0][part], *self.nodes[1:]] if self.dimensions else []
        for place, a in enumerate(self.root.order):
            level = min(place + 1, self.dimensions)
            phi = np.zeros(())
            for k in range(level):
                shape = [1] * level
                shape[k] = len(axes[k])
                phi = phi + self.root.factor[a, k] * axes[k].reshape(shape)
            if a == self.last:
                found.append(Operand(self.table(phi), self.choices[place]))
                continue
            known = factor_values(self.activation, phi, self.factors[place])
            values = np.stack([known[f] for f in self.factors[place]], axis=max(level - 1, 0))
            found.append(Operand(values, self.choices[place], rows_last=level == 0))
        return found

    def _chosen(self) -> tuple[list[list[Factor]], list[Indices]]:
        """The different factors of each input, in the order of pivots, and those of every term."""
        factors, choices = [], []
        for a in self.root.order:
            each = [(p[a], r[a]) for p, r in self.terms]
            different = sorted(set(each))
            factors.append(different)
            choices.append(np.array([different.index(f) for f in each], dtype=np.intp))
        return factors, choices

    def _noises(self) -> list[Array]:
        """Relative errors of all factors of each input."""
        deviations = np.sqrt(np.sum(self.root.factor**2, axis=1))
        found = []
        for a, factors in zip(self.root.order, self.factors, strict=True):
            looks = pilots(self.activation, deviations[[a]], highest_orders(factors))
            found.append(np.array([looks[p].noise[r, 0] for p, r in factors]))
        return found

    def _table(self, noise: Array) -> tuple[Table, Array]:
        """The last input's factors, averaged over its own noise, and the relative errors of that.

        They are judged as those of the lattice are, by every second node: what is wrong with the
        table is so on the whole lattice and on its every second node alike.
        """
        assert self.last is not None
        row = self.root.factor[self.last]
        furthest = float(np.sum(np.abs(row[:-1]))) * self.reach * (1.0 + 1e-12)
        z = _nodes(self.reach, self.inner_step, half=False)
        weights = _weights(z, half=False)
        factors = self.factors[-1]
        missed = np.zeros(len(factors))

        def smoothed(m: Array) -> Array:
            known = factor_values(self.activation, m[:, None] + row[-1] * z, factors)
            found = np.array([known[f] @ weights for f in factors])
            coarse = np.array([known[f][:, ::2] @ (2.0 * weights[::2]) for f in factors])
            missed[:] = PREFACTOR * _relative(found - coarse, found, m, row[:-1]) ** 2
            return found

        cell = min(self.activation.scale / 2.0, 2.0 * furthest) or 1.0
        return Table(smoothed, furthest, cell, noise), missed


def _relative(difference: Array, values: Array, m: Array, row: Array) -> Array:
    """Root mean squares over ``m = sum_k row_k z_k`` of one by the other: (functions,)."""
    variance = float(np.sum(row**2))
    density = np.exp(-0.5 * m**2 / variance) if variance > 0.0 else np.ones_like(m)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.square(values) @ density
        return np.sqrt(np.square(difference) @ density / np.where(norms > 0.0, norms, 1.0))


def _nodes(furthest: float, step: float, *, half: bool) -> Array:
    """Multiples of the step, zero among every second of them."""
    count = 2 * int(np.ceil(0.5 * furthest / step))
    return np.asarray(step * np.arange(0 if half else -count, count + 1), dtype=np.float64)


def _weights(z: Array, *, half: bool) -> Array:
    weights: Array = (z[1] - z[0]) / sqrt(2.0 * pi) * np.exp(-0.5 * z**2)
    if half:
        weights[1:] *= 2.0
    return weights
