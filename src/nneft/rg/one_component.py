"""The coefficients in 1/n of one component of the mean kernel or of a cumulant, by layer."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING

import numpy as np

from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.rg.components import Components

if TYPE_CHECKING:
    from nneft.rg.flow import Flow


@dataclass(frozen=True, eq=False)
class Component:
    """Coefficients of ``n_{l-1}^-(k-1+q)``, q = 0..Q, and bounds on their numerical errors.

    Attributes
    ----------
    points, indices
        2k, and the inputs, two by two a pair.
    coefficients, errors : (Q + 1, L)
    """

    points: int
    indices: tuple[int, ...]
    coefficients: Array
    errors: Array

    @property
    def order(self) -> int:
        """Q, the relative order held."""
        return len(self.coefficients) - 1

    def at(self, flow: Flow, scale: float, order: int) -> tuple[Array, Array]:
        """Terms at scaled widths and bounds on their numerical errors: (order + 1, L) each."""
        below = scale * np.array(flow.network.widths[:-1], dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # told by name
            powers = below ** -(self.points // 2 - 1.0 + np.arange(order + 1)[:, None])
            terms = self.coefficients[: order + 1] * powers
            errors = self.errors[: order + 1] * powers
        if not np.all(np.isfinite(terms)):
            raise NumericsError(f"a term of {self.points} points overflows double precision")
        return terms, errors


def component(flow: Flow, points: int, at: tuple[int, ...] | None) -> Component:
    """One component of `points` points, the first input everywhere if `at` is None.

    Raises
    ------
    ValueError, TypeError
        Points that are no even number from 2 on or not held with a correction; indices that are
        none.
    """
    if isinstance(points, bool) or not isinstance(points, int) or points < 2 or points % 2:
        raise ValueError(
            f"points must be even: 2 for the mean kernel, 4, 6, .. for cumulants; got {points!r}"
        )
    k = points // 2
    # V_2k at relative order q is held for k + q <= P + 1, so with a correction for k <= P.
    if k > flow.order:
        raise ValueError(
            f"a flow of order {flow.order} holds no correction to {points} points, and one term "
            f"does not tell how good it is; call nneft.flow(network, inputs, order={k})"
        )
    at, read = (0,) * points if at is None else at, Components(flow.reduction)
    sides = [(s.K, s.error_K) if k == 1 else (s.V[k - 2], s.error_V[k - 2]) for s in flow.states]
    values, errors = (
        np.array([read.component([side[i][q] for side in sides], at, points) for q in range(count)])
        for i, count in [(0, len(sides[0][0])), (1, len(sides[0][1]))]
    )
    return Component(points, tuple(index(i) for i in at), values, errors)


def narrowest_width(flow: Flow) -> int:
    """Of the hidden layers; of the inputs where there are none, which nothing depends on."""
    widths = flow.network.widths
    return min(widths[1:-1] or widths[:1])


def chosen_layers(flow: Flow, layer: int | None) -> tuple[int, ...]:
    """All layers, or the one asked for.

    Raises
    ------
    ValueError
        A layer that does not exist.
    """
    every = range(1, flow.network.depth + 1)
    if layer is None:
        return tuple(every)
    if isinstance(layer, bool) or not isinstance(layer, int) or layer not in every:
        raise ValueError(f"layer must be from 1 to the depth, {len(every)}, got {layer!r}")
    return (layer,)
