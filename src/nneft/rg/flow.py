"""The result of a flow: every layer's kernel and correlators, and what is read off them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.averages import pair_index
from nneft.rg.reduction import Reduction
from nneft.rg.state import LayerState

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Flow:
    """Mean kernel and connected correlators of the layers ``1..L``; index 0 is layer 1.

    Made by `nneft.flow`. Arrays are float64 and in BCCZ's normalisation (`nneft.conventions`):
    ``<G^(l)> = sum_p K_p / n_{l-1}^p`` and ``V_2k = n_{l-1}^{k-1} kappa_k``.

    Attributes
    ----------
    network
        The network it belongs to.
    order
        Order in 1/n of the mean kernel that is held.
    states
        The layers' states, on the distinct inputs only.
    reduction
        How the inputs given map to the distinct ones.
    """

    network: Network
    order: int
    states: tuple[LayerState, ...]
    reduction: Reduction

    def K(self, p: int = 0) -> Array:
        """Coefficient of ``n_{l-1}^-p`` in ``<G^(l)>``: (L, N, N).

        Raises
        ------
        ValueError
            ``p`` is not among the orders held.
        """
        if p not in range(self.order + 1):
            held = ", ".join(f"K({q})" for q in range(self.order + 1))
            raise ValueError(
                f"K({p}) is not held by a flow of order {self.order}, which has {held}"
            )
        return self._kernels([s.K_0 if p == 0 else s.K_1 for s in self.states])

    def V(self, points: int, order: int = 0, *, at: tuple[int, ...] | None = None) -> Array:
        """``V_points`` at one order: the coefficient of ``n_{l-1}^-(k-1+order)`` in ``kappa_k``.

        Parameters
        ----------
        points
            ``2k``; 4 is held by a flow of order 1.
        order
            Order in 1/n relative to the leading one.
        at
            Indices of ``points`` inputs, two by two a pair: one component, (L,), without the dense
            array.

        Returns
        -------
        (L, N, N, N, N), or (L,) with `at`.

        Raises
        ------
        ValueError
            Points or an order that are not held; indices out of range or of the wrong number.
        """
        self._check_held(points, order)
        correlators = [s.V_4 for s in self.states]
        if at is not None:
            a, b, c, d = self._checked_indices(at, points)
            A, B = self._pairs[a, b], self._pairs[c, d]
            lengths = np.prod(self.reduction.lengths[[a, b, c, d]])
            return np.array([v[A, B] * lengths for v in correlators if v is not None])
        A = self._pairs
        return np.stack(
            [self._scaled(v[A[:, :, None, None], A]) for v in correlators if v is not None]
        )

    def mean(self) -> Array:
        """``<G^(l)>``, the sum over the orders held at the network's own widths: (L, N, N)."""
        below = np.array(self.network.widths[:-1], dtype=float)[:, None, None]
        total = self.K(0)
        for p in range(1, self.order + 1):
            total = total + self.K(p) / below**p
        return total

    def cumulant(self, points: int) -> Array:
        """``kappa_{points/2}`` of G, summed over the orders held at the network's own widths.

        ``cumulant(4)`` is the covariance of ``G_ab`` and ``G_cd``: (L, N, N, N, N).
        """
        if points == 2:
            return self.mean()
        below = np.array(self.network.widths[:-1], dtype=float)
        return np.asarray(self.V(points) / below.reshape(-1, 1, 1, 1, 1), dtype=np.float64)

    def correlator(
        self, legs: Sequence[tuple[int, int]], layer: int, *, connected: bool = True
    ) -> float:
        """``<phi_i1(x1) .. phi_i2k(x2k)>`` of a layer, all orders held summed at its widths.

        Parameters
        ----------
        legs
            ``(neuron, input)`` for each field, both counted from 0.
        layer
            From 1 to the depth.
        connected
            Whether to leave out what factorises (BCCZ 12, 28).

        Raises
        ------
        ValueError
            More legs than the flow holds, a layer, neuron or input that does not exist.
        """
        from nneft.rg.correlators import correlator

        return correlator(self, legs, layer, connected=connected)

    def __repr__(self) -> str:
        count = len(self.reduction.of)
        return (
            f"Flow(order {self.order}, {self.network.depth} layers, {count} "
            f"input{'s' * (count != 1)}, widths={self.network.widths}, "
            f"activation={self.network.activation.name!r})"
        )

    @cached_property
    def error(self) -> Array:
        """Bound on the relative numerical error of everything held, by layer: (L,).

        The errors of all expectations used, carried through the depth to first order. Relative to
        ``sqrt(K_aa K_bb)`` for the kernel and ``K_1``, and to ``sqrt(V_aaaa V_bbbb)`` for ``V_4``,
        so that zero crossings do not count; `errors` holds them component by component.
        """
        return np.array([_relative_error(state) for state in self.states])

    def errors(self, name: str) -> Array:
        """Absolute error bounds of ``"K_0"``, ``"K_1"`` or ``"V_4"``, shaped as the quantity."""
        self._check_name(name)
        found = [getattr(s, f"error_{name}") for s in self.states]
        if name == "V_4":
            A = self._pairs
            return np.stack([self._scaled(v[A[:, :, None, None], A]) for v in found])
        return self._kernels(found)

    def to_xarray(self) -> xr.Dataset:
        """Everything held as a labelled dataset, with attributes that say what made it."""
        from nneft.rg.storage import to_xarray

        return to_xarray(self)

    def save(self, path: str | Path) -> None:
        """Write one netCDF file, under a temporary name first; `nneft.load` reads it back."""
        from nneft.storage import save

        save(self.to_xarray(), path)

    @cached_property
    def _pairs(self) -> NDArray[np.intp]:
        """(N, N): for each two of the inputs given, the place of their pair of distinct ones."""
        of = self.reduction.of
        index = pair_index(len(self.reduction.kernel))
        return np.asarray(index[np.ix_(of, of)], dtype=np.intp)

    def _kernels(self, held: list[Array | None]) -> Array:
        """Arrays over distinct inputs or their pairs to (L, N, N)."""
        of = self.reduction.of
        return np.stack(
            [
                self._scaled(v[np.ix_(of, of)] if v.ndim == 2 else v[self._pairs])
                for v in held
                if v is not None
            ]
        )

    def _scaled(self, values: Array) -> Array:
        """Give every input back the length that the reduction took out."""
        for axis in range(values.ndim):
            shape = [1] * values.ndim
            shape[axis] = -1
            values = values * self.reduction.lengths.reshape(shape)
        if not np.all(np.isfinite(values)):
            raise NumericsError("a correlator overflows double precision at these inputs' lengths")
        return values

    def _check_held(self, points: int, order: int) -> None:
        if self.order == 0:
            raise ValueError(f"V({points}) is not held by a flow of order 0; {self._hint(1)}")
        if points != 4 or order != 0:
            raise ValueError(
                f"V({points}, order={order}) is not held by a flow of order {self.order}, "
                "which holds V(4, order=0)"
            )

    def _check_name(self, name: str) -> None:
        held = ("K_0", "K_1", "V_4")[: 1 if self.order == 0 else 3]
        if name not in held:
            raise ValueError(f"the flow holds {', '.join(held)}, not {name!r}")

    @staticmethod
    def _hint(order: int) -> str:
        return f"call nneft.flow(network, inputs, order={order})"

    def _checked_indices(self, at: tuple[int, ...], points: int) -> tuple[int, ...]:
        count = len(self.reduction.of)
        wanted = f"at must be {points} indices of inputs from 0 to {count - 1}, got {at!r}"
        try:
            indices = tuple(index(i) for i in at)
        except TypeError:
            raise TypeError(wanted) from None
        if len(indices) != points or not all(0 <= i < count for i in indices):
            raise ValueError(wanted)
        return indices


def _relative_error(state: LayerState) -> float:
    variances = np.diag(state.K_0)
    scale = np.sqrt(variances[:, None] * variances)
    worst = _ratio(state.error_K_0, scale)
    if state.V_4 is not None and state.error_V_4 is not None and state.error_K_1 is not None:
        fluctuations = np.sqrt(np.maximum(np.diag(state.V_4), 0.0))
        worst = max(worst, _ratio(state.error_V_4, fluctuations[:, None] * fluctuations))
        worst = max(worst, _ratio(state.error_K_1, scale[np.triu_indices(len(scale))]))
    return worst


def _ratio(error: Array, scale: Array) -> float:
    safe = np.where(scale > 0.0, scale, 1.0)
    return float(np.max(np.where(scale > 0.0, error / safe, 0.0), initial=0.0))
