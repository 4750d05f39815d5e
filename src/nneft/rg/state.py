"""What the flow carries from one layer to the next."""

from dataclasses import dataclass

from nneft.gaussian.base import Array


@dataclass(frozen=True)
class LayerState:
    """Kernel and correlators of one layer, on its distinct inputs.

    With N inputs and ``P = N (N + 1) / 2`` unordered pairs of them (`nneft.conventions.pairs`):

    Attributes
    ----------
    layer
        Number of the layer, from 1.
    K_0 : (N, N)
        Mean kernel at infinite width.
    K_1 : (P,) or None
        Coefficient of ``1 / n_{l-1}`` in the mean kernel; None where only order 0 is held.
    V_4 : (P, P) or None
        Four-point connected correlator at leading order, ``n_{l-1}`` times the covariance of G.
    error_K_0, error_K_1, error_V_4
        Bounds on their numerical errors, of the same shapes.
    """

    layer: int
    K_0: Array
    error_K_0: Array
    K_1: Array | None = None
    V_4: Array | None = None
    error_K_1: Array | None = None
    error_V_4: Array | None = None
