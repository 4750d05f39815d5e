"""What the flow carries from one layer to the next."""

from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np

from nneft.gaussian.base import Array
from nneft.rg.multisets import dense_places


@dataclass(frozen=True)
class LayerState:
    """Kernel and correlators of one layer to order ``Q`` in 1/n, on its distinct inputs.

    With N inputs there are ``P = N (N + 1) / 2`` unordered pairs (`nneft.conventions.pairs`), and a
    correlator, symmetric in its pairs, has one component for each sorted multiset of them
    (`nneft.rg.multisets`).

    Attributes
    ----------
    layer
        Number of the layer, from 1.
    K : (Q + 1, P)
        Coefficients of ``n_{l-1}^-p`` in the mean kernel, by p.
    V : for each k = 2 .. Q + 1, (Q + 2 - k, multisets)
        Coefficients of ``n_{l-1}^-(k-1+q)`` in the joint cumulants of G, by q: ``V_2k`` and its
        corrections.
    error_K, error_V
        Bounds on their numerical errors, of the same shapes.
    """

    layer: int
    K: Array
    V: tuple[Array, ...]
    error_K: Array
    error_V: tuple[Array, ...]

    @classmethod
    def of_cumulants(
        cls, layer: int, values: tuple[Array, ...], errors: tuple[Array, ...]
    ) -> "LayerState":
        """From joint cumulants (multisets, Q + 1) by all powers of ``1/n_{l-1}``, k = 1, 2, .."""
        K, error_K = (np.ascontiguousarray(part[0].T) for part in (values, errors))
        V, error_V = (
            tuple(np.ascontiguousarray(v[:, k:].T) for k, v in enumerate(part) if k)
            for part in (values, errors)
        )
        return cls(layer, K, V, error_K, error_V)

    @classmethod
    def of_first_order(
        cls, layer: int, K: list[Array], V_4: Array, error_K: list[Array], error_V_4: Array
    ) -> "LayerState":
        """From ``K_0`` (N, N), ``K_1`` (P,) and ``V_4`` (P, P)."""
        upper, half = np.triu_indices(len(K[0])), np.triu_indices(len(V_4))
        rows, errors = (np.stack([k[0][upper], k[1]]) for k in (K, error_K))
        return cls(layer, rows, (V_4[half][None],), errors, (error_V_4[half][None],))

    @property
    def order(self) -> int:
        """Highest order in 1/n of the mean kernel."""
        return len(self.K) - 1

    def cumulants(self, *, errors: bool = False) -> tuple[Array, ...]:
        """Joint cumulants (multisets, Q + 1) by all powers of ``1/n_{l-1}``, or their errors."""
        first, others = (self.error_K, self.error_V) if errors else (self.K, self.V)
        padded = [np.pad(v.T, ((0, 0), (k, 0))) for k, v in enumerate(others, start=1)]
        return (first.T, *padded)

    @cached_property
    def K_0(self) -> Array:
        """(N, N): mean kernel at infinite width."""
        return _square(self.K[0])

    @cached_property
    def error_K_0(self) -> Array:
        """(N, N)"""
        return _square(self.error_K[0])

    @cached_property
    def V_4(self) -> Array:
        """(P, P): the leading four-point correlator."""
        dense: Array = self.V[0][0][dense_places(self.K.shape[1], 2)]
        return dense

    @cached_property
    def error_V_4(self) -> Array:
        """(P, P)"""
        dense: Array = self.error_V[0][0][dense_places(self.K.shape[1], 2)]
        return dense


def kernel_state(layer: int, K_0: Array, error: Array) -> LayerState:
    """A state of order 0 from ``K_0`` and its error, (N, N) each."""
    upper = np.triu_indices(len(K_0))
    return LayerState(layer, K_0[upper][None], (), error[upper][None], ())


def _square(pairs: Array) -> Array:
    """(P,) to (N, N)."""
    size = (isqrt(8 * len(pairs) + 1) - 1) // 2
    kernel = np.zeros((size, size))
    kernel[np.triu_indices(size)] = pairs
    return np.where(kernel != 0.0, kernel, kernel.T)
