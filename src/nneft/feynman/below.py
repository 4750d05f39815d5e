"""What a diagram of layer l is made of: kernel and vertices of layer l-1, on distinct inputs."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from nneft.blobs import Pair
from nneft.feynman.enumeration import Kind
from nneft.gaussian.base import Array
from nneft.network import Network


class Correlators(Protocol):
    """What is asked of a flow: arrays over layers, index 0 being layer 1."""

    @property
    def network(self) -> Network:
        """The network it belongs to."""

    def K(self, p: int = 0) -> Array:
        """(L, N, N): coefficient of ``n_{l-1}^-p`` in the mean kernel."""

    def V(self, points: int, order: int = 0, *, at: tuple[int, ...]) -> Array:
        """(L,): one component of ``V_points`` at one order in 1/n."""


class Below:
    """The layer below one layer of a flow.

    Inputs that coincide, or are parallel under a homogeneous activation, count as one where the
    flow says so by its `reduction`; lengths are taken out, and given back by `scale`.

    Attributes
    ----------
    kernel : (M, M)
        ``K_0`` of the layer below on the distinct inputs.
    ratio
        ``n_{l-1} / n_{l-2}``.

    Raises
    ------
    ValueError, TypeError
        A layer that the network does not have, or the first, which does not fluctuate.
    """

    def __init__(self, flow: Correlators, layer: int) -> None:
        self.network, self.layer = flow.network, _checked_layer(layer, flow.network.depth)
        self._flow = flow
        kernel = flow.K(0)[self.layer - 2]
        reduction = getattr(flow, "reduction", None)
        self._of = np.arange(len(kernel)) if reduction is None else np.asarray(reduction.of)
        self._lengths = np.ones(len(kernel)) if reduction is None else reduction.lengths
        self._first = np.unique(self._of, return_index=True)[1]
        scales = self._lengths[self._first]
        self.kernel: Array = kernel[np.ix_(self._first, self._first)] / np.outer(scales, scales)
        self.ratio = self.network.widths[layer - 1] / self.network.widths[layer - 2]
        self._known: dict[tuple[Kind, tuple[Pair, ...]], float] = {}

    def place(self, at: Sequence[int] | None, points: int) -> tuple[int, ...]:
        """Checked indices of the external inputs; the first one everywhere if None."""
        if at is None:
            return (0,) * points
        try:
            place = tuple(operator.index(i) for i in at)
        except TypeError:
            raise TypeError(f"at must be {points} indices of inputs, got {at!r}") from None
        if len(place) != points:
            raise ValueError(f"at must be {points} indices of inputs, got {len(place)}")
        if not all(0 <= i < len(self._of) for i in place):
            raise ValueError(
                f"at must be indices of inputs from 0 to {len(self._of) - 1}, got {place}"
            )
        return place

    def pairs(self, place: Sequence[int]) -> list[Pair]:
        """External pairs of distinct inputs."""
        of = [int(self._of[a]) for a in place]
        return [(min(a, b), max(a, b)) for a, b in zip(of[::2], of[1::2], strict=True)]

    def scale(self, place: Sequence[int]) -> float:
        """What a value at these inputs is larger by than at their distinct ones."""
        return float(np.prod(self._lengths[list(place)]))

    def vertex(self, kind: Kind, pairs: Sequence[Pair]) -> float:
        """``V_2s`` or ``K_p`` of the layer below at pairs of distinct inputs.

        Raises
        ------
        ValueError
            The flow does not hold it.
        """
        if self.layer == 2:
            return 0.0  # the first layer's kernel does not fluctuate
        key = (kind, tuple(sorted(pairs)))
        if key not in self._known:
            self._known[key] = self._held(*key)
        return self._known[key]

    def _held(self, kind: Kind, pairs: tuple[Pair, ...]) -> float:
        at = tuple(int(self._first[a]) for pair in pairs for a in pair)
        try:
            if kind.lines == 1:
                values = self._flow.K(kind.order)[:, at[0], at[1]]
            else:
                values = self._flow.V(2 * kind.lines, kind.order, at=at)
        except ValueError as error:
            name = f"K({kind.order})" if kind.lines == 1 else f"V({2 * kind.lines}, {kind.order})"
            raise ValueError(
                f"a diagram of layer {self.layer} needs {name} of layer {self.layer - 1}, which "
                f"the flow does not hold; take one of order {kind.lines - 1 + kind.order} or more"
            ) from error
        return float(values[self.layer - 2]) / self.scale(at)


def _checked_layer(layer: int, depth: int) -> int:
    try:
        if isinstance(layer, bool):
            raise TypeError
        number = operator.index(layer)
    except TypeError:
        raise TypeError(f"layer must be an integer, got {layer!r}") from None
    if not 2 <= number <= depth:
        raise ValueError(
            f"layer must be from 2 to {depth}, got {number}: diagrams lead from one layer to the "
            "next, and the first layer's kernel does not fluctuate"
        )
    return number
