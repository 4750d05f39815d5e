"""Exact derivatives of a flow: by every layer's C_W and C_b, and by the layer below.

All layers' states are known, so each step's derivative is had from its own expectations, with one
degree more in ``delta = G - K_0`` than the step itself: a change of ``K_0`` is a change of the mean
of delta. A change made at one layer is carried forward through the later steps; changes made at all
the layers are carried together, at the cost of a few flows.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np

from nneft.conventions import pairs
from nneft.gaussian.base import Array
from nneft.rg import series
from nneft.rg.components import Components
from nneft.rg.expansion import Cut, expand
from nneft.rg.flow import Flow
from nneft.rg.holding import check_correlator, check_kernel
from nneft.rg.multisets import number
from nneft.rg.recursion import conditionals, expansions

#: By which constants derivatives are taken.
CONSTANTS = ("C_W", "C_b")


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Derivatives of the last layer's kernel and correlators by every layer's C_W and C_b.

    Made by `Flow.sensitivity`. In each array index 0 belongs to layer 1's constant. A first kernel
    that was given as such does not depend on the first layer's constants: zero.

    Attributes
    ----------
    flow
        The flow.
    changes
        For ``"C_W"`` and ``"C_b"``: for each k the changes of the k-th joint cumulant on distinct
        inputs, (L, multisets, order + 1), by powers of ``1/n_{L-1}``.
    """

    flow: Flow
    changes: dict[str, series.Cumulants]

    def K(self, p: int = 0, *, by: str = "C_W") -> Array:
        """``d K_p / d C``: (L, N, N).

        Raises
        ------
        ValueError
            An order that is not held, or a constant that is neither ``"C_W"`` nor ``"C_b"``.
        """
        check_kernel(self.flow.order, p)
        return self._read(self._of(1, by)[..., p], 1, None)

    def V(
        self, points: int, order: int = 0, *, by: str = "C_W", at: tuple[int, ...] | None = None
    ) -> Array:
        """``d V_points / d C`` at one order: (L, N, .., N), or (L,) with `at`; as `Flow.V`."""
        k = check_correlator(self.flow.order, points, order)
        return self._read(self._of(k, by)[..., k - 1 + order], k, at)

    def mean(self, *, by: str = "C_W") -> Array:
        """``d <G> / d C``, the sum over the orders held at the network's own widths: (L, N, N)."""
        return self.cumulant(2, by=by)

    def cumulant(self, points: int, *, by: str = "C_W", at: tuple[int, ...] | None = None) -> Array:
        """``d kappa / d C``, summed likewise; as `Flow.cumulant`."""
        k = 1 if points == 2 else check_correlator(self.flow.order, points, 0)
        below = float(self.flow.network.widths[-2])
        powers = below ** -np.arange(self.flow.order + 1, dtype=float)
        return self._read(self._of(k, by) @ powers, k, at)

    @cached_property
    def _components(self) -> Components:
        return Components(self.flow.reduction)

    def _read(self, held: Array, k: int, at: tuple[int, ...] | None) -> Array:
        if at is None:
            return self._components.dense(list(held), k)
        return self._components.component(list(held), at, 2 * k)

    def _of(self, k: int, by: str) -> Array:
        if by not in CONSTANTS:
            raise ValueError(f'by must be "C_W" or "C_b", got {by!r}')
        return self.changes[by][k - 1]


@dataclass(frozen=True, eq=False)
class Response:
    """How a leading correlator answers to itself one layer below (BCCZ 27, 30).

    Attributes
    ----------
    points, layer
        2k; the upper layer.
    matrix : (components, components)
        ``d V_2k^(l)[row] / d V_2k^(l-1)[column]``: by one independent component, all those that
        permutations of its pairs give along with it. For two points ``K_0``: the susceptibility.
    at
        The inputs of each component, two by two a pair.
    """

    points: int
    layer: int
    matrix: Array
    at: tuple[tuple[int, ...], ...]


def sensitivity(flow: Flow) -> Sensitivity:
    """Derivatives of everything held at the last layer by every layer's C_W and C_b.

    Raises
    ------
    ValueError
        Parallel inputs of different lengths that a homogeneous activation made one: a bias parts
        them; or layer 1's C_W is zero.
    nneft.NumericsError
        An expectation that cannot be had.
    """
    depth, count, order = flow.network.depth, flow.states[0].K.shape[1], flow.order
    shift = _shift(flow)
    empty = tuple(np.zeros((0, number(count, k), order + 1)) for k in range(1, order + 2))
    carried = _with_new(empty, _of_first(flow, shift))
    kernels = np.stack([state.K_0 for state in flow.states])
    for layer, given in conditionals(expansions(flow.network, kernels, Cut(order, extra=1))):
        found, ratio = _step(flow, layer, given)
        C_W = float(flow.network.C_W[layer - 1])
        changes = series.derivative(given, found, _scaled(carried, ratio))
        carried = tuple(C_W**k * v for k, v in enumerate(changes, start=1))
        # G = C_b + C_W s
        by_C_W = tuple(k * C_W ** (k - 1) * v[None] for k, v in enumerate(found.cumulants, start=1))
        by_C_W[0][0, :, 0] = given.mean
        carried = _with_new(carried, (by_C_W, _shifted(shift, empty)))
    # The changes of layer l's C_W and C_b come in turn.
    by = {name: tuple(v[i::2] for v in carried) for i, name in enumerate(CONSTANTS)}
    assert all(len(v) == depth for part in by.values() for v in part)
    return Sensitivity(flow, by)


def response(flow: Flow, points: int, layer: int) -> Response:
    """``dV_2k^(l)/dV_2k^(l-1)`` at leading order, from the derivative of the whole step.

    BCCZ (30): ``(n_{l-2}/n_{l-1})^{k-1}`` times it is the symmetrised product of susceptibilities.

    Raises
    ------
    ValueError
        Points that the flow does not hold, or a layer that has none below.
    nneft.NumericsError
        An expectation that cannot be had.
    """
    if not 2 <= layer <= flow.network.depth:
        raise ValueError(f"layer must be from 2 to {flow.network.depth}, got {layer}")
    k = 1 if points == 2 else check_correlator(flow.order, points, 0)
    count, order = flow.states[0].K.shape[1], flow.order
    size = number(count, k)
    changes = [np.zeros((size, number(count, j), order + 1)) for j in range(1, order + 2)]
    changes[k - 1][np.arange(size), np.arange(size), k - 1] = 1.0
    below = flow.states[layer - 2].K_0[None]
    cut = Cut(order, extra=int(k == 1))
    expansion = expand(flow.network.activation, below, cut=cut, layer=layer).at(0)
    given = series.conditional(expansion)
    found, ratio = _step(flow, layer, given)
    above = series.derivative(given, found, _scaled(tuple(changes), ratio))[k - 1]
    matrix = flow.network.C_W[layer - 1] ** k * above[..., k - 1].T
    listed = _named(flow, k)
    lengths = np.array([np.prod(flow.reduction.lengths[list(at)]) for at in listed])
    return Response(points, layer, matrix * lengths[:, None] / lengths, tuple(listed))


def _named(flow: Flow, k: int) -> list[tuple[int, ...]]:
    """The inputs of each independent component; a distinct one goes by the first it stands for."""
    distinct = pairs(len(flow.reduction.kernel))
    first = [int(np.argmax(flow.reduction.of == a)) for a in range(len(flow.reduction.kernel))]
    rows = combinations_with_replacement(range(len(distinct)), k)
    return [tuple(first[a] for p in row for a in distinct[p]) for row in rows]


def _step(flow: Flow, layer: int, given: series.Conditional) -> tuple[series.Averages, float]:
    """What the step to a layer finds on its way, and ``n_{l-1}/n_{l-2}``."""
    ratio = flow.network.widths[layer - 1] / flow.network.widths[max(layer - 2, 0)]
    return series.average(given, _scaled(flow.states[layer - 2].cumulants(), ratio)), ratio


def _of_first(flow: Flow, shift: Array) -> tuple[series.Cumulants, series.Cumulants]:
    """``G^(1) = C_b + C_W x.x / n_0``, unless it was given."""
    kernel, order = flow.states[0].K[0], flow.order
    count = len(kernel)
    empty = tuple(np.zeros((1, number(count, k), order + 1)) for k in range(1, order + 2))
    by_C_W = tuple(v.copy() for v in empty)
    if not flow.from_inputs:
        return by_C_W, empty
    C_W, C_b = flow.network.C_W[0], flow.network.C_b[0]
    if C_W == 0.0:
        raise ValueError("layer 1 has C_W = 0: take a small positive one for derivatives by it")
    by_C_W[0][0, :, 0] = (kernel - C_b * shift) / C_W
    return by_C_W, _shifted(shift, empty)


def _shifted(shift: Array, like: series.Cumulants) -> series.Cumulants:
    """The change that C_b makes."""
    change = tuple(np.zeros((1, *v.shape[1:])) for v in like)
    change[0][0, :, 0] = shift
    return change


def _shift(flow: Flow) -> Array:
    """(P,): what C_b = 1 adds to each distinct pair, in its own lengths."""
    lengths = flow.reduction.scales
    if not np.allclose(lengths[0], lengths[1], rtol=1e-12, atol=0.0):
        raise ValueError(
            "parallel inputs of different lengths were made one, and a bias parts them: give one "
            "input of each direction"
        )
    inverse = 1.0 / lengths[0]
    shift: Array = (inverse[:, None] * inverse)[np.triu_indices(len(inverse))]
    return shift


def _with_new(
    carried: series.Cumulants, new: tuple[series.Cumulants, series.Cumulants]
) -> series.Cumulants:
    return tuple(np.concatenate(parts) for parts in zip(carried, *new, strict=True))


def _scaled(changes: series.Cumulants, ratio: float) -> series.Cumulants:
    powers = ratio ** np.arange(changes[0].shape[-1], dtype=float)
    return tuple(v * powers for v in changes)
