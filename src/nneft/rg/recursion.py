"""All layers of a flow to any order in 1/n, by either of the two methods.

``K_0`` of all layers comes first: the Gaussian expectations depend on nothing else. Then the
cumulants are carried from layer to layer, and with them bounds on their errors: each step's own
error, through the derivatives of all later steps where the state is small enough for them (series
on up to two inputs), else by absolute values everywhere.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache, partial
from itertools import groupby, islice

import numpy as np

from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg import contraction, series
from nneft.rg.difference import differences
from nneft.rg.expansion import Cut, Expansion, expand
from nneft.rg.jacobian import Propagator, held
from nneft.rg.multisets import dense_places, multisets, number, start
from nneft.rg.state import LayerState
from nneft.rg.step import at_layer, check_range, first_state

#: Largest number of coefficients of a state whose derivatives are carried along.
MOST_HELD = 220
#: Bytes that the expansions of several layers worked on together may take.
BLOCK_BYTES = 256 * 2**20

#: From ``n_{l-1}/n_{l-2}``, C_W and what C_b adds to each pair to a layer's cumulants and errors.
Next = Callable[[float, float, Array], tuple[series.Cumulants, series.Cumulants]]
#: Changes cumulants and errors in place.
Replace = Callable[[series.Cumulants, series.Cumulants], None]


class Method(StrEnum):
    """How one step of the recursion is evaluated."""

    SERIES = "series"
    DIAGRAMS = "diagrams"


def default_method(inputs: int) -> Method:
    """Series for up to three inputs, where they are faster or keep more digits; diagrams beyond."""
    return Method.SERIES if inputs <= 3 else Method.DIAGRAMS


def states(
    network: Network,
    kernels: Array,
    order: int,
    method: Method,
    scales: Array,
    replace: Replace | None = None,
) -> Iterator[LayerState]:
    """The layers' states, one after the other.

    Parameters
    ----------
    kernels : (L, N, N)
        ``K_0`` of every layer, on distinct inputs.
    order
        In 1/n; 1 or more.
    scales : (.., N)
        Lengths by which the inputs' kernels are multiplied in the end, for the range check.
    replace
        Puts what is known better into each layer's cumulants and errors, from layer 1 on.
    """
    state = first_state(kernels[0], order)
    yield state
    close = differences(network, kernels[0], order)
    first = state if close is None else close.inside(state)
    step = _Series(first) if method is Method.SERIES else _Diagrams(first)
    if replace is not None:
        replace(step.values, step.errors)
    if close is None:
        bias, found = np.ones(step.count), expansions(network, kernels, step.cut(order))
    else:
        bias, found = close.bias, close.expansions(step.cut(order))
    for layer, following in step.prepared(found):
        # What fluctuates in layer l-1 comes with 1/n_{l-2}, and is counted here in 1/n_{l-1}.
        ratio = network.widths[layer - 1] / network.widths[max(layer - 2, 0)]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"), at_layer(layer):
            C_W, C_b = float(network.C_W[layer - 1]), float(network.C_b[layer - 1])
            values, errors = following(ratio, C_W, C_b * bias)
            if close is not None:
                values, errors = close.outside(values, errors)
            if replace is not None:
                replace(values, errors)
        state = LayerState.of_cumulants(layer, values, errors)
        check_range(state)
        if np.any(scales != 1.0):
            check_range(state, scales)
        yield state


def expansions(network: Network, kernels: Array, cut: Cut) -> Iterator[tuple[int, Expansion]]:
    """The blobs of layers 2, 3, .., a few layers' at a time, each with its layer."""
    depth, size = kernels.shape[:2]
    first = 1
    while first < depth:
        # Layer 1 does not fluctuate: no derivatives are needed there, where K may be singular.
        here = Cut(cut.order, first > 1, cut.extra)
        each = 2 * conditional_bytes(size * (size + 1) // 2, here)
        last = 2 if first == 1 else min(depth, first + max(1, BLOCK_BYTES // each))
        found = expand(network.activation, kernels[first - 1 : last - 1], cut=here, layer=first + 1)
        for i in range(last - first):
            yield first + 1 + i, found.at(i)
        first = last


def conditionals(
    found: Iterator[tuple[int, Expansion]],
) -> Iterator[tuple[int, series.Conditional]]:
    """Conditional moments from expansions, several layers at a time, which is much faster."""
    for cut, group in groupby(found, key=lambda one: one[1].cut):
        limit = 1
        while some := list(islice(group, limit)):
            limit = max(1, BLOCK_BYTES // (2 * conditional_bytes(some[0][1].count, cut)))
            together = series.conditional(Expansion.stacked([one for _, one in some]))
            yield from ((layer, together.at(i)) for i, (layer, _) in enumerate(some))


def conditional_bytes(count: int, cut: Cut) -> int:
    """Bytes of one layer's polynomials in the series method."""
    return 8 * sum(
        number(count, k) * start(count, cut.degree(j) + 1)
        for k in range(1, cut.order + 2)
        for j in range(k)
    )


class _Series:
    """Steps by truncated power series."""

    def __init__(self, state: LayerState) -> None:
        self.values, self.errors = state.cumulants(), state.cumulants(errors=True)
        self.count, self.order = state.K.shape[1], state.order
        self.small = held(self.count, self.order) <= MOST_HELD
        self.propagator = Propagator(self.count, self.order, self.errors)

    def cut(self, order: int) -> Cut:
        return Cut(order, extra=int(self.small))

    def prepared(self, found: Iterator[tuple[int, Expansion]]) -> Iterator[tuple[int, Next]]:
        return ((layer, partial(self.next, given)) for layer, given in conditionals(found))

    def next(
        self, given: series.Conditional, ratio: float, C_W: float, bias: Array
    ) -> tuple[series.Cumulants, series.Cumulants]:
        below = _in_powers(self.values, ratio)
        found = series.average(given, below)
        own = _powers_of(C_W, series.local_error(given, found))
        self.values = series.scaled(found, given.mean, C_W, 0.0)
        self.values[0][:, 0] += bias
        if self.small:
            self.errors = self.propagator.next(given, found, own, ratio, C_W)
        else:
            before = tuple(e[None] for e in _in_powers(self.errors, ratio))
            carried = series.derivative(given, found, before, absolute=True)
            carried = _powers_of(C_W, carried)
            self.errors = tuple(e[0] + o for e, o in zip(carried, own, strict=True))
        return self.values, self.errors


class _Diagrams:
    """Steps by the contraction of Feynman diagrams."""

    def __init__(self, state: LayerState) -> None:
        self.values, self.errors = state.cumulants(), state.cumulants(errors=True)
        self.count, self.order = state.K.shape[1], state.order

    def cut(self, order: int) -> Cut:
        return Cut(order)

    def prepared(self, found: Iterator[tuple[int, Expansion]]) -> Iterator[tuple[int, Next]]:
        return ((layer, partial(self.next, expansion)) for layer, expansion in found)

    def next(
        self, expansion: Expansion, ratio: float, C_W: float, bias: Array
    ) -> tuple[series.Cumulants, series.Cumulants]:
        kernel_error = self.errors[0][:, 0]

        @cache
        def tensor(m: int, r: int) -> Array:
            value = C_W**m * expansion.tensor(m, r)
            return value + bias if (m, r) == (1, 0) else value

        @cache
        def uncertain(m: int, r: int) -> Array:
            error = C_W**m * expansion.tensor_error(m, r)
            if r < expansion.cut.degree(m - 1):
                return np.asarray(error + np.abs(tensor(m, r + 1)) @ kernel_error)
            # The derivative by K_0 of the highest degree is not held: as the tensor over K_0.
            return np.asarray(error + 2 * m * _relative(self) * np.abs(tensor(m, r)))

        below, before = (
            self._dense(_in_powers(part, ratio)) for part in (self.values, self.errors)
        )
        args = (self.order, self.count)
        found = contraction.contracted(tensor, below, *args)
        bound = contraction.contracted_bound(tensor, below, uncertain, before, *args)
        self.values, self.errors = self._sorted(found), self._sorted(bound)
        return self.values, self.errors

    def _dense(self, cumulants: series.Cumulants) -> dict[tuple[int, int], Array]:
        return {
            (k, q): cumulants[k - 1][:, k - 1 + q][dense_places(self.count, k)]
            for k, q in contraction.outputs(self.order)
        }

    def _sorted(self, dense: dict[tuple[int, int], Array]) -> series.Cumulants:
        found = [
            np.zeros((number(self.count, k), self.order + 1)) for k in range(1, self.order + 2)
        ]
        for (k, q), values in dense.items():
            found[k - 1][:, k - 1 + q] = values[tuple(multisets(self.count, k).T)]
        return tuple(found)


def _relative(step: _Diagrams) -> float:
    """Largest relative error of ``K_0``."""
    size, error = np.abs(step.values[0][:, 0]), step.errors[0][:, 0]
    return float(np.max(error / np.where(size > 0.0, size, np.inf), initial=0.0))


def _in_powers(cumulants: series.Cumulants, ratio: float) -> series.Cumulants:
    """By powers of another eps, of which the one here is `ratio` times as much."""
    powers = ratio ** np.arange(cumulants[0].shape[-1], dtype=float)
    return tuple(v * powers for v in cumulants)


def _powers_of(C_W: float, changes: series.Cumulants) -> series.Cumulants:
    """``C_W^k`` for the k-th cumulant of ``G = C_b + C_W s``."""
    return tuple(C_W**k * v for k, v in enumerate(changes, start=1))
