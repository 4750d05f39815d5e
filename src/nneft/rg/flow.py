"""The result of a flow: every layer's kernel and correlators, and what is read off them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.accuracy import relative_error
from nneft.rg.components import Components
from nneft.rg.holding import check_correlator, check_kernel, names
from nneft.rg.printing import listed
from nneft.rg.reduction import Reduction
from nneft.rg.state import LayerState

if TYPE_CHECKING:
    import xarray as xr

    from nneft.rg.resummation import Resummation
    from nneft.rg.sensitivity import Response, Sensitivity
    from nneft.rg.validity import Validity


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
    from_inputs
        Whether inputs were given, and not the first layer's kernel.
    """

    network: Network
    order: int
    states: tuple[LayerState, ...]
    reduction: Reduction
    from_inputs: bool = False

    def K(self, p: int = 0) -> Array:
        """Coefficient of ``n_{l-1}^-p`` in ``<G^(l)>``: (L, N, N).

        Raises
        ------
        ValueError
            ``p`` is not among the orders held.
        """
        check_kernel(self.order, p)
        return self._components.dense([s.K[p] for s in self.states], 1)

    def V(self, points: int, order: int = 0, *, at: tuple[int, ...] | None = None) -> Array:
        """``V_points`` at one order: the coefficient of ``n_{l-1}^-(k-1+order)`` in ``kappa_k``.

        Parameters
        ----------
        points
            ``2k``, from 4 on; a flow of order P holds ``k + order <= P + 1``.
        order
            Order in 1/n relative to the leading one.
        at
            Indices of ``points`` inputs, two by two a pair: one component, (L,), without the dense
            array.

        Returns
        -------
        (L, N, .., N) with `points` axes of inputs, or (L,) with `at`.

        Raises
        ------
        ValueError
            Points or an order that are not held; indices out of range or of the wrong number; a
            dense array that is too large.
        """
        k = check_correlator(self.order, points, order)
        held = [state.V[k - 2][order] for state in self.states]
        if at is None:
            return self._components.dense(held, k)
        return self._components.component(held, at, points)

    def mean(self) -> Array:
        """``<G^(l)>``, the sum over the orders held at the network's own widths: (L, N, N)."""
        return self._components.dense(self._summed(1), 1)

    def cumulant(self, points: int, *, at: tuple[int, ...] | None = None) -> Array:
        """``kappa_{points/2}`` of G, summed over the orders held at the network's own widths.

        ``cumulant(4)`` is the covariance of ``G_ab`` and ``G_cd``: (L, N, N, N, N). Parameters and
        errors as of `V`; 2 points are the mean.
        """
        k = 1 if points == 2 else check_correlator(self.order, points, 0)
        held = self._summed(k)
        if at is None:
            return self._components.dense(held, k)
        return self._components.component(held, at, points)

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
        ValueError, TypeError
            Legs that are no pairs of integers; more legs than the flow holds, a layer, neuron
            or input that does not exist.
        """
        from nneft.rg.correlators import correlator

        return correlator(self, legs, layer, connected=connected)

    def __repr__(self) -> str:
        count = len(self.reduction.of)
        return (
            f"Flow(order {self.order}, {self.network.depth} layers, {count} "
            f"input{'s' * (count != 1)}, widths={listed(self.network.widths)}, "
            f"activation={self.network.activation.name!r})"
        )

    @cached_property
    def error(self) -> Array:
        """Bound on the relative numerical error of everything held, by layer: (L,).

        The errors of all expectations used, carried through the depth to first order. Relative to
        ``sqrt(K_aa K_bb)`` for the kernel and ``K_1``, and to ``sqrt(V_4(A;A) V_4(B;B))`` for
        ``V_4``, so that zero crossings do not count. Beyond these, to how correlators grow: with
        ``u = max_a V_4(aa;aa) / K_aa^2``, ``K_p`` to ``p! u^p``, and ``V_2k`` at relative order q
        to ``(k-1+q)! u^{k-1+q}``, or to its largest component where that is larger, all in units of
        ``sqrt(K_aa K_bb)`` for each pair. `errors` holds them component by component.
        """
        return np.array([relative_error(state) for state in self.states])

    def errors(self, name: str) -> Array:
        """Absolute error bounds of ``"K_0"``, ``"V_4"``, ``"V_4_1"`` ..; shaped as the quantity."""
        for found, k, order in names(self.order):
            if found == name:
                parts = [s.error_K if k == 1 else s.error_V[k - 2] for s in self.states]
                return self._components.dense([part[order] for part in parts], k)
        every = ", ".join(found for found, _, _ in names(self.order))
        raise ValueError(f"the flow holds {every}, not {name!r}")

    def resum(
        self,
        points: int = 2,
        at: tuple[int, ...] | None = None,
        *,
        layer: int | None = None,
        width: float | None = None,
        order: int | None = None,
    ) -> Resummation:
        """The series in 1/n of one component, summed at given widths, and what it neglects.

        Parameters
        ----------
        points, at
            2 for the mean kernel, 2k for the k-th cumulant of G; the component's inputs, the first
            one everywhere if None.
        layer
            From 1; all of them if None.
        width
            Of the narrowest hidden layer, all scaled alike; the network's own if None.
        order
            Where to cut; everything held if None.

        Raises
        ------
        ValueError
            Something that the flow does not hold, or a width that is none.
        """
        from nneft.rg.resummation import resum

        return resum(self, points, at, layer=layer, width=width, order=order)

    def validity(self, tolerance: float = 0.1) -> Validity:
        """The largest l/n at which the order held is good to a tolerance, and the width it takes.

        Raises
        ------
        ValueError, TypeError
            A tolerance that is not between 0 and 1, or a flow of order 0.
        """
        from nneft.rg.validity import validity

        return validity(self, tolerance)

    def response(self, points: int, layer: int) -> Response:
        """``dV_2k^(l)/dV_2k^(l-1)`` at leading order, 2k = `points`, l = `layer` (BCCZ 27, 30).

        Raises
        ------
        ValueError
            Points that the flow does not hold (2 stand for ``K_0``), or a layer below 2.
        """
        from nneft.rg.sensitivity import response

        return response(self, points, layer)

    def sensitivity(self) -> Sensitivity:
        """Derivatives of the last layer's K_p and V_2k by every layer's C_W and C_b.

        Exact, forward through the recursion, at the cost of a few flows.

        Raises
        ------
        ValueError
            Parallel inputs of different lengths without biases, where a bias would part them.
        nneft.NumericsError
            An expectation that cannot be had.
        """
        from nneft.rg.sensitivity import sensitivity

        return sensitivity(self)

    def to_xarray(self) -> xr.Dataset:
        """Everything held as a labelled dataset, with attributes that say what made it."""
        from nneft.rg.storage import to_xarray

        return to_xarray(self)

    def save(self, path: str | Path) -> None:
        """Write one netCDF file, under a temporary name first; `nneft.load` reads it back."""
        from nneft.storage import save

        save(self.to_xarray(), path)

    @cached_property
    def _components(self) -> Components:
        return Components(self.reduction)

    def _summed(self, k: int) -> list[Array]:
        """``kappa_k`` of each layer at the network's own widths, smallest terms first."""
        found = []
        for state, below in zip(self.states, self.network.widths[:-1], strict=True):
            terms = state.K if k == 1 else state.V[k - 2]
            total = np.zeros_like(terms[0])
            for q in reversed(range(len(terms))):
                total = total + terms[q] / float(below) ** (k - 1 + q)
            found.append(total)
        return found
