"""Exact derivatives of a flow: by every layer's C_W and C_b, and by the layer below.

All layers' states are known, so each step's derivative is had from its own expectations, with one
degree more in ``delta = G - K_0`` than the step itself: a change of ``K_0`` is a change of the mean
of delta. A change made at one layer is carried forward through the later steps; changes made at all
the layers are carried together, at the cost of a few flows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np

from nneft.conventions import pairs
from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.rg import series
from nneft.rg.components import Components
from nneft.rg.difference import differences
from nneft.rg.expansion import Cut
from nneft.rg.flow import Flow
from nneft.rg.holding import check_correlator, check_kernel, check_layer
from nneft.rg.multisets import number
from nneft.rg.printing import bracketed, counted, table
from nneft.rg.recursion import conditionals, expansions

#: By which constants derivatives are taken.
CONSTANTS = ("C_W", "C_b")
#: Relative error of a step's derivatives beyond which they are refused.
MOST_LOSS = 1e-4


@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        return f"Sensitivity of the last layer of {self.flow!r}"

    def __str__(self) -> str:
        """What the mean kernel of the first input answers to each layer's constants."""
        by_C_W, by_C_b = (self.cumulant(2, by=by, at=(0, 0)) for by in CONSTANTS)
        rows = [
            (str(layer), f"{w:.6g}", f"{b:.6g}")
            for layer, (w, b) in enumerate(zip(by_C_W, by_C_b, strict=True), start=1)
        ]
        heads = ("layer l", "d<G_00>/dC_W^(l)", "d<G_00>/dC_b^(l)")
        more = "Others by K, V, mean and cumulant."
        return "\n".join([repr(self), "", *table(heads, rows), "", more])

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


@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        return f"Response({self._name} of layer {self.layer}, {counted(len(self.at), 'component')})"

    def __str__(self) -> str:
        """The diagonal: how each component answers to itself, and its largest other answer."""
        rows = []
        for i, (place, row) in enumerate(zip(self.at, self.matrix, strict=True)):
            others = np.delete(np.abs(row), i)
            rows.append((bracketed(place), f"{row[i]:.6g}", f"{np.max(others, initial=0.0):.2g}"))
        title = f"d {self._name}^({self.layer}) / d {self._name}^({self.layer - 1})"
        heads = ("component", "by itself", "largest by another")
        return "\n".join([title, "", *table(heads, rows)])

    @property
    def _name(self) -> str:
        return "K_0" if self.points == 2 else f"V_{self.points}"


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
    *_, (_, changes) = every_layer(flow)
    # The changes of layer l's C_W and C_b come in turn.
    return Sensitivity(
        flow, {name: tuple(v[i::2] for v in changes) for i, name in enumerate(CONSTANTS)}
    )


def every_layer(flow: Flow) -> Iterator[tuple[int, series.Cumulants]]:
    """Each layer l with the changes of its cumulants by C_W and C_b of layers 1..l, in turn.

    For each k: (2 l, multisets, order + 1), on distinct inputs. Errors as of `sensitivity`.
    """
    network, order = flow.network, flow.order
    steps = _Steps(flow)
    shift = steps.inside(_shift(flow))
    carried = _joined(_of_first(flow, steps, shift))
    yield 1, steps.outside(carried)
    for layer, given, found, ratio in steps:
        C_W = float(network.C_W[layer - 1])
        below = _scaled(carried, ratio)
        changes = series.derivative(given, found, below)
        _check_digits(layer, given, found, below, changes)
        carried = tuple(C_W**k * v for k, v in enumerate(changes, start=1))
        # G = C_b + C_W s
        by_C_W = tuple(k * C_W ** (k - 1) * v[None] for k, v in enumerate(found.cumulants, start=1))
        by_C_W[0][0, :, 0] = given.mean
        carried = _joined((carried, by_C_W, _shifted(shift, order)))
        yield layer, steps.outside(carried)


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
    layer = check_layer(flow.network.depth, layer, first=2)
    k = 1 if points == 2 else check_correlator(flow.order, points, 0)
    # Below layer 2 nothing fluctuates: all degrees in delta are extra there.
    steps = _Steps(flow, upto=layer, extra=k if layer == 2 else 1)
    _, given, found, ratio = list(steps)[-1]
    size = number(given.count, k)
    changes = [np.zeros((size, *v.shape)) for v in found.cumulants]
    changes[k - 1][np.arange(size), :, k - 1] = steps.into(k).T
    below = _scaled(tuple(changes), ratio)
    above = series.derivative(given, found, below)
    _check_digits(layer, given, found, below, above)
    matrix = flow.network.C_W[layer - 1] ** k * steps.outside(above)[k - 1][..., k - 1].T
    listed = _named(flow, k)
    lengths = np.array([np.prod(flow.reduction.lengths[list(at)]) for at in listed])
    return Response(points, layer, matrix * lengths[:, None] / lengths, tuple(listed))


class _Steps:
    """The steps of a flow's recursion once more, with a degree in delta more; from layer 2 on.

    Two close inputs of a ReLU-like network are taken in difference coordinates, as the flow does.
    """

    def __init__(self, flow: Flow, upto: int | None = None, *, extra: int = 1) -> None:
        self.network, self.order, self.extra = flow.network, flow.order, extra
        self.upto = upto or flow.network.depth
        self.kernels = np.stack([state.K_0 for state in flow.states])
        self.close = differences(flow.network, self.kernels[0], flow.order)
        first = flow.states[0]
        self.first = first if self.close is None else self.close.inside(first)

    def __iter__(self) -> Iterator[tuple[int, series.Conditional, series.Averages, float]]:
        """Each layer, what its step finds on its way, and ``n_{l-1}/n_{l-2}``."""
        cut, values = Cut(self.order, extra=self.extra), self.first.cumulants()
        if self.close is None:
            found = expansions(self.network, self.kernels[: self.upto], cut)
            bias = np.ones(self.first.K.shape[1])
        else:
            found, bias = self.close.expansions(cut), self.close.bias
        for layer, given in conditionals(found):
            ratio = self.network.widths[layer - 1] / self.network.widths[max(layer - 2, 0)]
            averages = series.average(given, _scaled(values, ratio))
            yield layer, given, averages, ratio
            C_W, C_b = (float(C[layer - 1]) for C in (self.network.C_W, self.network.C_b))
            values = series.scaled(averages, given.mean, C_W, 0.0)
            values[0][:, 0] += C_b * bias
            if layer == self.upto:
                return

    def inside(self, pairs_: Array) -> Array:
        """(P,) over pairs of inputs in the coordinates of the steps."""
        return pairs_ if self.close is None else self.close.into(1) @ pairs_

    def into(self, k: int) -> Array:
        """(multisets, multisets): the same for symmetric tensors of k pairs."""
        if self.close is None:
            return np.eye(number(self.first.K.shape[1], k))
        return self.close.into(k)

    def outside(self, changes: series.Cumulants) -> series.Cumulants:
        """Back to pairs of inputs."""
        return changes if self.close is None else self.close.changed(changes)


def _check_digits(
    layer: int,
    given: series.Conditional,
    found: series.Averages,
    below: series.Cumulants,
    changes: series.Cumulants,
) -> None:
    """Refuse derivatives of which errors of expectations leave nothing.

    Judged against the largest change of each quantity, and against the quantity itself.
    """
    uncertain = replace(given, terms=given.errors)
    errors = series.derivative(uncertain, found, below, absolute=True)
    for error, change, value in zip(errors, changes, found.cumulants, strict=True):
        largest = np.maximum(
            np.max(np.abs(change), axis=(0, 1), initial=0.0), np.max(np.abs(value), axis=0)
        )
        worst = np.max(error, axis=(0, 1), initial=0.0)
        if not np.all(worst[largest > 0.0] <= MOST_LOSS * largest[largest > 0.0]):
            raise NumericsError(
                f"derivatives of layer {layer} have lost their digits; where inputs are nearly "
                "parallel those of a kinked activation diverge: leave one of them out, or take a "
                "lower order"
            )


def _named(flow: Flow, k: int) -> list[tuple[int, ...]]:
    """The inputs of each independent component; a distinct one goes by the first it stands for."""
    distinct = pairs(len(flow.reduction.kernel))
    first = [int(np.argmax(flow.reduction.of == a)) for a in range(len(flow.reduction.kernel))]
    rows = combinations_with_replacement(range(len(distinct)), k)
    return [tuple(first[a] for p in row for a in distinct[p]) for row in rows]


def _of_first(flow: Flow, steps: _Steps, shift: Array) -> tuple[series.Cumulants, series.Cumulants]:
    """``G^(1) = C_b + C_W x.x / n_0``, unless it was given."""
    kernel, order = steps.first.K[0], flow.order
    by_C_W = _shifted(np.zeros_like(kernel), order)
    if not flow.from_inputs:
        return by_C_W, _shifted(np.zeros_like(kernel), order)
    C_W, C_b = flow.network.C_W[0], flow.network.C_b[0]
    if C_W == 0.0:
        raise ValueError("layer 1 has C_W = 0: take a small positive one for derivatives by it")
    by_C_W[0][0, :, 0] = (kernel - C_b * shift) / C_W
    return by_C_W, _shifted(shift, order)


def _shifted(shift: Array, order: int) -> series.Cumulants:
    """The change that C_b makes."""
    count = len(shift)
    change = tuple(np.zeros((1, number(count, k), order + 1)) for k in range(1, order + 2))
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


def _joined(parts: Iterable[series.Cumulants]) -> series.Cumulants:
    return tuple(np.concatenate(held) for held in zip(*parts, strict=True))


def _scaled(changes: series.Cumulants, ratio: float) -> series.Cumulants:
    powers = ratio ** np.arange(changes[0].shape[-1], dtype=float)
    return tuple(v * powers for v in changes)
