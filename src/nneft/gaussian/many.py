"""Expectations of three inputs and more by panels nested in panels."""

from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.conditioning import Features, Order, features, narrowest
from nneft.gaussian.distribution import Distribution, regular
from nneft.gaussian.factors import Factor
from nneft.gaussian.mesh import Cells, advise, cells, span
from nneft.gaussian.panels import Advice, Nodes, Panels, Resolution, joint, place
from nneft.gaussian.single import FINE, extent, norms, rounding
from nneft.gaussian.smoothing import Smoothing, Table

#: The finer one's result counts, the coarser one judges it: they are close so that it judges
#: fairly. Each further input costs as many nodes more for every node.
THREE = Resolution(nodes=13, length=4.0, tail=7.5)
MORE = Resolution(nodes=10, length=4.8, tail=5.5)
#: Relative to the largest value of a piece, polynomials lose as much to rounding.
_TABLE = 3e-14
#: Rows of the innermost integral that are done at once: their nodes stay in the cache.
_BLOCK = 400

#: One factor for each input of a product.
Product = tuple[Factor, ...]


def many(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """``< prod_a (sigma^{p_a})^{(r_a)}(phi_a) >`` for a kernel of positive variances.

    Raises
    ------
    ValueError
        if the moments diverge.
    nneft.NumericsError
        if the derivatives hold delta functions.
    """
    order = Order.of(kernel)
    products = []
    for powers, orders in terms:
        products.append(tuple((powers[a], orders[a]) for a in order.inputs))
        for factor in products[-1]:
            _refuse_deltas(activation, *factor)
    resolution, finer = (THREE, FINE) if len(kernel) == 3 else (MORE, THREE)
    # panel by panel, so that differences do not cancel
    problem = _Problem.of(activation, order, products, resolution, finer)
    fine, coarse = (p.integrate() for p in (problem, problem.coarser(1)))
    size, relative = np.ones(len(terms)), np.zeros(len(terms))
    for i, deviation in enumerate(order.deviations):
        factors = [product[i] for product in products]
        size *= norms(activation, float(deviation), factors)
        relative += rounding(activation, factors)
    # what lies beyond the spans, and rounding in the table, is not seen by either
    relative += 0.1 * np.exp(-resolution.digits - 3.5) + _TABLE
    return Moments(fine.sum(axis=1), np.abs(fine - coarse).sum(axis=1) + relative * size)


def _refuse_deltas(activation: Activation, power: int, derivatives: int) -> None:
    if not Distribution.of(activation, power, derivatives).is_function:
        raise NumericsError(
            f"derivative {derivatives} of {activation.name!r} to the power {power} holds delta "
            f"functions, which panels take for one and two inputs only; take fewer inputs, or "
            f"order=1 and no method, which asks for no such derivative"
        )


class _Level(NamedTuple):
    """How to lay nodes for one z."""

    features: Features
    #: inputs that ask for breaks, and where in them
    asking: list[tuple[int, Array]]
    advice: Advice
    span: float


class _Problem(NamedTuple):
    """All that one resolution needs: inputs are in their order, phi_i = sum_j factor_ij z_j."""

    activation: Activation
    products: list[Product]
    order: Order
    factor: Array
    levels: list[_Level]
    #: the last input's smoothed factors, if it is independent of the others
    last: tuple[list[Factor], Table] | None
    resolution: Resolution

    @classmethod
    def of(
        cls,
        activation: Activation,
        order: Order,
        products: list[Product],
        resolution: Resolution,
        finer: Resolution,
    ) -> "_Problem":
        power = max(sum(p for p, _ in product) for product in products)
        derivatives = max(r for product in products for _, r in product)
        factor = order.deviations[:, None] * order.factor
        used = {factor for product in products for factor in product}
        continuous = all(
            Distribution.function(activation, *f).derivative().is_function for f in used
        )
        planner = _Planner(
            activation, power, derivatives, order, factor, resolution, finer, continuous
        )
        levels = [planner.level(level) for level in range(order.levels)]
        last = None
        if order.rank == order.deviations.size:
            factors = sorted({product[-1] for product in products})
            last = factors, planner.table(factors, levels)
        return cls(activation, products, order, factor, levels, last, resolution)

    def coarser(self, fewer: int) -> "_Problem":
        """With fewer nodes, but the same table: that has to be better than either judges."""
        return self._replace(resolution=self.resolution.coarser(fewer))

    def integrate(self) -> Array:
        """Every product's expectation, panel by panel of the outermost input: (products, P)."""
        start = np.zeros((1, 0))
        nodes, inner = self._integrand(0, start)
        counts = self._panels(0, start).counts(self.resolution)
        values = np.stack([inner[product] for product in self.products]) * nodes.weight
        return np.asarray(np.add.reduceat(values, np.cumsum(counts) - counts, axis=1))

    def _integrate_rows(self, level: int, earlier: Array) -> dict[Product, Array]:
        """Expectations of what follows from this level on, given the earlier z: (rows,) each."""
        if level < len(self.levels) - 1:
            return self._block(level, earlier)
        starts = range(0, earlier.shape[0], _BLOCK)
        parts = [self._block(level, earlier[start : start + _BLOCK]) for start in starts]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def _block(self, level: int, earlier: Array) -> dict[Product, Array]:
        nodes, inner = self._integrand(level, earlier)
        return {key: nodes.sum(value, earlier.shape[0]) for key, value in inner.items()}

    def _integrand(self, level: int, earlier: Array) -> tuple[Nodes, dict[Product, Array]]:
        nodes = self._panels(level, earlier).nodes(self.resolution)
        values = {
            i: self._values(i, self._phi(i, level, earlier, nodes))
            for i in self.order.determined(level)
        }
        keys = {product[level:] for product in self.products}
        if level == len(self.levels) - 1:
            if self.last is not None:
                mean = self._phi(len(self.factor) - 1, level, earlier, nodes)
                factors, table = self.last
                values[len(self.factor) - 1] = dict(zip(factors, table(mean), strict=True))
            return nodes, {key: _multiply(values, level, key) for key in keys}
        given = np.concatenate([earlier[nodes.row], nodes.z[:, None]], axis=1)
        rest = self._integrate_rows(level + 1, given)
        return nodes, {key: values[level][key[0]] * rest[key[1:]] for key in keys}

    def _panels(self, level: int, earlier: Array) -> Panels:
        plan = self.levels[level]
        edges = [np.empty((earlier.shape[0], 0))]
        for i, at in plan.asking:
            mean = earlier @ self.factor[i, :level]
            edges.append((at - mean[:, None]) / self.factor[i, level])
        breaks = np.concatenate(edges, axis=1)
        cores = plan.features.cores(earlier)
        return place(breaks, cores, plan.span, plan.advice, self.resolution)

    def _phi(self, i: int, level: int, earlier: Array, nodes: Nodes) -> Array:
        """Input i, or its mean, as far as z_0 .. z_level tell."""
        mean = earlier @ self.factor[i, :level]
        return np.asarray(mean[nodes.row] + self.factor[i, level] * nodes.z)

    def _values(self, i: int, phi: Array) -> dict[Factor, Array]:
        factors = sorted({product[i] for product in self.products})
        return dict(zip(factors, regular(self.activation, phi, factors), strict=True))


def _multiply(values: dict[int, dict[Factor, Array]], level: int, key: Product) -> Array:
    total = values[level][key[0]]
    for i, factor in enumerate(key[1:], start=level + 1):
        total = total * values[i][factor]
    return total


class _Planner(NamedTuple):
    activation: Activation
    #: of sigma in a whole product, and the most derivatives of one factor
    power: int
    derivatives: int
    order: Order
    factor: Array
    resolution: Resolution
    finer: Resolution
    #: whether no factor jumps
    continuous: bool

    def level(self, level: int) -> _Level:
        steepest = float(np.abs(self.factor[:, level]).max())
        reach = self._span(steepest, self.resolution.tail)
        asking, advice = [], []
        for i in range(level, len(self.factor)):
            slope = abs(float(self.factor[i, level]))
            if slope > 1e-9 * self.order.deviations[i]:
                advice.append(self._advice(level, i, slope, reach))
                asking.append((i, advice[-1].edges))
        sharp = 0.03 * np.exp(-self.resolution.digits) if self.continuous else 0.0
        found = features(self.order, level, self.activation.kinks, sharp=sharp)
        return _Level(found, asking, joint(advice), reach)

    def _advice(self, level: int, i: int, slope: float, reach: float) -> Advice:
        """What input i asks of the integral over z_level."""
        known = i in self.order.determined(level)
        smoothing = 0.0 if known else narrowest(self.order, level, i) * slope
        mesh = self._cells(12.0 * float(self.order.deviations[i]))
        return advise(self.activation, mesh, slope, self.resolution, smoothing, reach * slope)

    def table(self, factors: list[Factor], levels: list[_Level]) -> Table:
        """The last input, smoothed by its conditional width, as a function of its mean."""
        *slopes, width = self.factor[-1].tolist()
        farthest = sum(abs(s) * level.span for s, level in zip(slopes, levels, strict=True))
        farthest = max(farthest, 1e-3 * width)
        reach = self._span(width, 9.0)
        mesh = self._cells(farthest + reach * width)
        smoothing = Smoothing(self.activation, factors, width, mesh, reach, self.finer)
        digits = self.resolution.digits + 4.0
        return Table.of(smoothing, -farthest, farthest, digits)

    def _span(self, width: float, tail: float) -> float:
        return span(self.activation, self.power, self.derivatives, width, tail)

    def _cells(self, reach: float) -> Cells:
        return cells(self.activation, self.power, self.derivatives, extent(reach))
