"""What a flow holds of one layer, and its loops: couplings of the effective action are made of it.

Fields are measured in their standard deviations ``d_a = sqrt(K_0(a, a))``, so that K_0 becomes a
matrix of correlations C and nothing is large or small; ``C^+`` is its inverse on the support. With
``n = n_{l-1}``, all sums over the inputs y, y', ..::

    exchange(x1, x2)   = (1/n) sum V_4(x1, y; x2, y') C^+(y, y')
    loop(x1, x2)       = (1/n) sum V_4(x1, x2; y, y') C^+(y, y')
    bubble(A; B)       = (1/n) sum V_4(A; y1, y2) C^+(y1, y3) C^+(y2, y4) V_4(y3, y4; B)
    sextic(A; B)       = (1/n) sum U_6(A; B; y, y') C^+(y, y')

where ``U_6 / n^2`` is the third cumulant of ``K_0 G^-1 K_0``, the amputated sextic coupling:
``-V_6`` and, since the inverse is not linear, for each of the three pairs (x, x') the products
``sum V_4(A; x, y) C^+(y, y') V_4(y', x'; B)``, A and B being the other two pairs in either order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Protocol

import numpy as np

from nneft.actions.support import Support
from nneft.gaussian.base import Array
from nneft.network import Network


class Correlators(Protocol):
    """What is asked of a flow: arrays over layers, index 0 being layer 1."""

    @property
    def network(self) -> Network:
        """The network it belongs to."""

    def K(self, p: int = 0) -> Array:
        """(L, N, N): coefficient of ``n_{l-1}^-p`` in the mean kernel."""

    def V(self, points: int, order: int = 0, *, at: tuple[int, ...] | None = None) -> Array:
        """(L, N, .., N): ``V_points`` at one order in 1/n; one component with `at`, (L,)."""


@dataclass(frozen=True, eq=False)
class Held:
    """One layer of a flow in units of its standard deviations.

    Attributes
    ----------
    layer, width, below
        l, ``n_l`` and ``n_{l-1}``.
    support
        Of ``K_0``.
    scale : (N,)
        ``d``, with 1 for an input that has no variance.
    K_0, K_1 : (N, N)
        Correlations, and the first correction on the same scale.
    V_4 : (N, N, N, N)
        On that scale.
    V_6 : (N, .., N) or None
        Likewise, where the flow holds it.
    """

    layer: int
    width: int
    below: int
    support: Support
    scale: Array
    K_0: Array
    K_1: Array
    V_4: Array
    V_6: Array | None

    @classmethod
    def of(cls, flow: Correlators, layer: int, *, six: bool) -> Held:
        """Of a layer of a flow, with ``V_6`` if asked for and held.

        Raises
        ------
        ValueError, TypeError
            A layer that the network does not have; a flow that holds no first order.
        """
        l = checked_layer(flow, layer)
        kernel = flow.K(0)[l - 1]
        support = Support.of_covariance(kernel)
        scale = np.where(support.scale > 0.0, support.scale, 1.0)
        widths = flow.network.widths
        return cls(
            l, widths[l], widths[l - 1], support, scale, rescaled(kernel, 1.0 / scale),
            rescaled(flow.K(1)[l - 1], 1.0 / scale), rescaled(flow.V(4)[l - 1], 1.0 / scale),
            rescaled(flow.V(6)[l - 1], 1.0 / scale) if six and holds_six(flow) else None,
        )  # fmt: skip

    @property
    def ratio(self) -> float:
        """``n_l / n_{l-1}``."""
        return self.width / self.below

    @cached_property
    def inverse(self) -> Array:
        """``C^+``: (N, N)."""
        return self.support.scaled_inverse()

    @cached_property
    def exchange(self) -> Array:
        """(N, N): of the two fields of a pair with each other."""
        return _einsum("aybz,yz->ab", self.V_4, self.inverse) / self.below

    @cached_property
    def loop(self) -> Array:
        """(N, N): a closed loop on the coupling; ``n_l/2`` of fields, ``-n_l/2`` of ghosts."""
        return _einsum("abyz,yz->ab", self.V_4, self.inverse) / self.below

    @cached_property
    def bubble(self) -> Array:
        """(N, N, N, N): two couplings joined by a loop, without its ``n_l / 2 n_{l-1}``."""
        return _einsum("abyz,yu,zv,uvcd->abcd", self.V_4, self.inverse, self.inverse, self.V_4) / (
            self.below
        )

    @cached_property
    def sextic(self) -> Array | None:
        """(N, N, N, N): a loop on the sextic coupling, without its ``-n_l / 2 n_{l-1}``.

        None without V_6.
        """
        if self.V_6 is None:
            return None
        # One pair closed: twice the bubble; one of the open ones: a loop on one of its two legs.
        leg = _einsum("ay,yz,zbcd->abcd", self.loop, self.inverse, self.V_4)
        legs = leg + leg.transpose(1, 0, 2, 3)
        legs = legs + legs.transpose(2, 3, 0, 1)
        six = _einsum("abcdyz,yz->abcd", self.V_6, self.inverse) / self.below
        return 2.0 * self.bubble + legs - six


def holds_six(flow: Correlators) -> bool:
    """Whether a flow holds V_6 at leading order."""
    return int(getattr(flow, "order", 1)) >= 2


def checked_layer(flow: Correlators, layer: int) -> int:
    """The number of a layer that the network has."""
    depth = flow.network.depth
    if isinstance(layer, bool):
        raise TypeError(f"layer must be an integer, got {layer!r}")
    try:
        number = index(layer)
    except TypeError:
        raise TypeError(f"layer must be an integer, got {layer!r}") from None
    if not 1 <= number <= depth:
        raise ValueError(f"layer must be from 1 to {depth}, got {number}")
    return number


def rescaled(values: Array, factors: Array) -> Array:
    """Multiply every axis by factors of the inputs."""
    for axis in range(values.ndim):
        shape = [1] * values.ndim
        shape[axis] = -1
        values = values * factors.reshape(shape)
    return values


def _einsum(subscripts: str, *operands: Array) -> Array:
    return np.asarray(np.einsum(subscripts, *operands, optimize=True), dtype=np.float64)
