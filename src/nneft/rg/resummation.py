"""The series in 1/n of one component summed at given widths: terms, remainder, Pade approximants.

Coefficients belong to widths in fixed ratios (`nneft.conventions`), so the series may be summed at
any common multiple of the network's hidden widths: ``eps_l = 1 / (s n_{l-1})`` for layer l.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nneft.gaussian.base import Array
from nneft.rg.one_component import chosen_layers, component, narrowest_width
from nneft.rg.pade import Pade, approximants, choose, disagreement
from nneft.rg.printing import bracketed, counted
from nneft.rg.remainder import remainder

if TYPE_CHECKING:
    from nneft.rg.flow import Flow


@dataclass(frozen=True, eq=False, repr=False)
class Resummation:
    """``<G>`` or a cumulant of G at finite width, from its series in 1/n.

    The last axis of terms and sums is over `layers`; Q is the relative order held.

    Attributes
    ----------
    points, at
        2k, and 2k indices of inputs, two by two a pair; 2 points are the mean kernel.
    layers
        Numbers of the layers, from 1.
    width
        The narrowest hidden width, at which the series is summed; the others in their ratios.
    terms : (Q + 1, layers)
        ``V_2k,q / n_{l-1}^(k-1+q)``: the terms of the cumulant itself.
    neglected : (layers,)
        Estimate of what `value` misses: the size of the next term (`nneft.rg.remainder`) or, where
        the series does not converge, of the smallest term, without promise.
    converges : (layers,)
        False where successive terms no longer fall: the series says little there, whatever the
        order.
    order_used : (layers,)
        Relative order of the sum taken as `value`: Q, or the one before the smallest term where
        terms grow (optimal truncation; Bender, Orszag, section 3.5).
    rounding : (layers,)
        Bound on the numerical error of the sum to order Q.
    """

    points: int
    at: tuple[int, ...]
    layers: tuple[int, ...]
    width: float
    terms: Array
    neglected: Array
    converges: NDArray[np.bool_]
    order_used: NDArray[np.intp]
    rounding: Array

    @property
    def partial_sums(self) -> Array:
        """(Q + 1, layers): sums of the terms to each order."""
        return np.cumsum(self.terms, axis=0)

    @property
    def value(self) -> Array:
        """(layers,): the partial sum of order `order_used`."""
        return self.partial_sums[self.order_used, np.arange(len(self.layers))]

    @cached_property
    def approximants(self) -> tuple[tuple[Pade, ...], ...]:
        """For each layer all ``[M/N]`` with ``M + N = Q``, singular ones and poles told."""
        return tuple(approximants(terms) for terms in self.terms.T)

    @cached_property
    def pade(self) -> tuple[float | None, ...]:
        """For each layer the sound approximant nearest to the diagonal.

        None if all are singular or have a pole in the way. Mostly better than the sum, not always.
        """
        return tuple(None if best is None else best.value for best in self._best)

    @cached_property
    def pade_error(self) -> tuple[float | None, ...]:
        """For each layer how far `pade` is from its neighbours; None where there are none.

        Mostly several times the true error: neighbours are made of fewer terms, or less diagonal.
        """
        return tuple(
            None if best is None else disagreement(terms, found, best)
            for terms, found, best in zip(self.terms.T, self.approximants, self._best, strict=True)
        )

    @property
    def _best(self) -> tuple[Pade | None, ...]:
        return tuple(choose(found) for found in self.approximants)

    def __repr__(self) -> str:
        return (
            f"Resummation({self._name}, {counted(len(self.terms), 'term')}, "
            f"{counted(len(self.layers), 'layer')}, width={self.width:g}, "
            f"converges in {np.count_nonzero(self.converges)})"
        )

    def __str__(self) -> str:
        heads = ("layer", "sum", "neglected", "order", "Pade", "its error", "")
        rows = [heads, *(self._row(i) for i in range(len(self.layers)))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        held = f"{len(self.terms)} terms in 1/n, narrowest hidden width {self.width:g}"
        return "\n".join([f"{self._name}: {held}", "", *lines])

    @property
    def _name(self) -> str:
        name = "mean" if self.points == 2 else f"cumulant({self.points})"
        return f"{name}{bracketed(self.at)}"

    def _row(self, i: int) -> tuple[str, ...]:
        pade, error = self.pade[i], self.pade_error[i]
        return (
            str(self.layers[i]),
            f"{self.value[i]:.8g}",
            f"{self.neglected[i]:.1e}",
            str(self.order_used[i]),
            "none" if pade is None else f"{pade:.8g}",
            "-" if error is None else f"{error:.1e}",
            "" if self.converges[i] else "the series no longer converges here",
        )


def resum(
    flow: Flow,
    points: int = 2,
    at: tuple[int, ...] | None = None,
    *,
    layer: int | None = None,
    width: float | None = None,
    order: int | None = None,
) -> Resummation:
    """Sum the series in 1/n of one component at given widths, and say how far to trust the sum.

    Parameters
    ----------
    flow
        Of order 1 or more.
    points
        2k: 2 for the mean kernel, 4 on for the k-th cumulant of G (``V_2k / n_{l-1}^(k-1)``).
    at
        Indices of `points` inputs, two by two a pair; the first input everywhere if None.
    layer
        From 1 to the depth; all layers if None.
    width
        The narrowest hidden width; all hidden widths are scaled by the same factor. The network's
        own if None.
    order
        Highest relative order to use, from 1 to ``P + 1 - k``; all that is held if None.

    Raises
    ------
    ValueError, TypeError
        Points, indices, a layer or an order that are not held, with at least one correction; a
        width that is not a positive number.
    """
    layers, narrowest = chosen_layers(flow, layer), narrowest_width(flow)
    width = float(narrowest) if width is None else _checked_width(width)
    series = component(flow, points, at)
    Q = _checked_order(order, series.order, points)
    terms, errors = series.at(flow, width / narrowest, Q)
    left, here = remainder(terms, errors), np.array(layers) - 1
    missed, used = left.truncated(terms)
    return Resummation(
        points=points,
        at=series.indices,
        layers=layers,
        width=width,
        terms=terms[:, here],
        neglected=missed[here],
        converges=left.converges[here],
        order_used=used[here],
        rounding=np.sum(errors, axis=0)[here],
    )


def _checked_order(order: int | None, held: int, points: int) -> int:
    if order is None:
        return held
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= held:
        raise ValueError(
            f"order must be from 1 to {held}, what the flow holds of {points} points, got {order!r}"
        )
    return order


def _checked_width(width: float) -> float:
    wanted = f"width must be a positive number, got {width!r}"
    if isinstance(width, bool) or not isinstance(width, int | float | np.number):
        raise TypeError(wanted)
    if not 0.0 < float(width) < np.inf:
        raise ValueError(wanted)
    return float(width)
