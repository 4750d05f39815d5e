"""The support of a covariance that may be singular: rank, pseudo-inverse, pseudo-determinant.

A covariance is held by a root ``M``, ``G = M M^T``: its small eigenvalues are then known to twice
as many digits. With ``d_a = sqrt(G_aa)`` and the singular values of ``M / d``::

    M / d = U s V^T ,    R = d U_r s_r ,    G = R R^T

where the rank r counts the singular values that are not rounding. What is near the support is
judged on this scale too, so inputs may differ in size by any factor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft.gaussian.base import Array


class Tolerance(NamedTuple):
    """What counts as rounding: singular values relative to the largest, and off the support."""

    rank: float
    off: float


#: Of a root known directly, and of one taken from a covariance, whose eigenvalues are the squares
#: of its singular values. Equal inputs stay equal where fields were drawn in single precision, or
#: with a square root of a covariance, whose rounding is 1e-8. A direction that was dropped moves a
#: field by `rank` standard deviations.
OF_ROOT, OF_COVARIANCE = Tolerance(1e-7, 1e-6), Tolerance(1e-6, 1e-4)


@dataclass(frozen=True)
class Support:
    """A stack of covariances on their supports.

    Attributes
    ----------
    scale : (..., N)
        ``d``, standard deviations; 0 where an input has none.
    axes : (..., N, k)
        ``U``: the left singular vectors of the root on that scale.
    sizes : (..., k)
        ``s``, falling.
    tolerance
        What counts as rounding.
    """

    scale: Array
    axes: Array
    sizes: Array
    tolerance: Tolerance

    @classmethod
    def of_root(cls, root: Array) -> Support:
        """From ``M``, (..., N, m), finite."""
        # Largest entries first: neither overflow nor underflow in the squares.
        largest = np.max(np.abs(root), axis=-1, keepdims=True)
        unit = root / np.where(largest > 0.0, largest, 1.0)
        length = np.sqrt(np.sum(unit * unit, axis=-1, keepdims=True))
        unit = unit / np.where(length > 0.0, length, 1.0)
        # M^T = Q T: the triangle has the same axes and sizes, and far fewer rows to turn.
        triangle = np.linalg.qr(np.swapaxes(unit, -1, -2), mode="r")
        axes, sizes, _ = np.linalg.svd(np.swapaxes(triangle, -1, -2), full_matrices=False)
        return cls((largest * length)[..., 0], axes, sizes, OF_ROOT)

    @classmethod
    def of_covariance(cls, covariance: Array) -> Support:
        """From ``G`` itself, (N, N), symmetric and positive semi-definite to rounding."""
        scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        safe = np.where(scale > 0.0, scale, 1.0)
        values, axes = np.linalg.eigh(covariance / safe[:, None] / safe)
        sizes = np.sqrt(np.maximum(values, 0.0))
        return cls(scale, axes[:, ::-1], sizes[::-1], OF_COVARIANCE)

    @cached_property
    def rank(self) -> NDArray[np.intp]:
        """(...): dimension of the support."""
        present = np.max(self.scale, axis=-1, initial=0.0) > 0.0
        enough = self.sizes > self.tolerance.rank * self.sizes[..., :1]
        return np.asarray(np.sum(enough & present[..., None], axis=-1), dtype=np.intp)

    def log_determinant(self) -> Array:
        """(...): ``log pdet(G)``, the product of the eigenvalues that are not zero.

        ``-inf`` where it underflows although the support is not empty.
        """
        found = np.zeros(self.rank.shape)
        present = np.sum(self.scale > 0.0, axis=-1)
        for rank, here in self._by_rank():
            d, axes = self.scale[here], self.axes[here][..., :rank]
            # det(R^T R) = prod s_r^2  det(U_r^T d^2 U_r), the latter prod d^2 where U_r is square
            total = np.sum(np.log(self.sizes[here][..., :rank]), axis=-1)
            square = present[here] == rank
            spread = np.empty(square.shape)
            spread[square] = np.sum(np.log(np.where(d > 0.0, d, 1.0)[square]), axis=-1)
            spread[~square] = _log_volume(d[~square], axes[~square])
            found[here] = 2.0 * (total + spread)
        return found

    def coordinates(self, fields: Array) -> tuple[Array, Array]:
        """``z`` with ``phi = R z``, so that ``phi^T G^+ phi = z^T z``; and how far phi is off.

        Parameters
        ----------
        fields : (..., n, N)
            With the support's own leading axes.

        Returns
        -------
        z : (..., n, k)
            Zero beyond the rank.
        off : (..., n)
            Distance from the support over ``1 +`` the length of the field, both in standard
            deviations; infinite for a field that is not zero where the variance is.
        """
        d = self.scale[..., None, :]
        unit = fields / np.where(d > 0.0, d, 1.0)
        kept = np.arange(self.sizes.shape[-1]) < self.rank[..., None]
        along = np.where(kept[..., None, :], unit @ self.axes, 0.0)
        rest = np.where(d > 0.0, unit - along @ np.swapaxes(self.axes, -1, -2), 0.0)
        off = np.linalg.norm(rest, axis=-1) / (1.0 + np.linalg.norm(unit, axis=-1))
        off = np.where(np.any((d == 0.0) & (fields != 0.0), axis=-1), np.inf, off)
        return along / np.where(kept, self.sizes, 1.0)[..., None, :], off

    @property
    def allowed(self) -> float:
        """How far off a field may be, on the scale of `coordinates`."""
        return self.tolerance.off

    def inverse(self) -> Array:
        """``G^+`` of a single covariance: (N, N), Moore-Penrose."""
        rank = int(self.rank)
        # R^+ = (R^T R)^-1 R^T, and G^+ = (R^+)^T R^+
        root = self.scale[:, None] * self.axes[:, :rank] * self.sizes[:rank]
        if rank == np.sum(self.scale > 0.0):
            safe = np.where(self.scale > 0.0, self.scale, 1.0)
            left = (self.axes[:, :rank] / self.sizes[:rank] / safe[:, None]).T
            left[:, self.scale == 0.0] = 0.0
        else:
            left = np.asarray(np.linalg.pinv(root, rcond=1e-15), dtype=np.float64)
        return np.asarray(left.T @ left, dtype=np.float64)

    def scaled_inverse(self) -> Array:
        """``C^+`` of a single covariance's correlations ``C = G / d d``: (N, N)."""
        rank = int(self.rank)
        left = self.axes[:, :rank] / self.sizes[:rank]
        return np.asarray(left @ left.T, dtype=np.float64)

    def _by_rank(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """The covariances of each rank that occurs, but for rank 0."""
        for rank in np.unique(self.rank):
            if rank:
                yield int(rank), np.asarray(self.rank == rank)


def _log_volume(scale: Array, axes: Array) -> Array:
    """``log |det|`` of the r columns ``d U_r``, as of a rectangle: (B, N), (B, N, r) to (B,)."""
    order = np.argsort(
        -scale, axis=-1
    )  # graded rows are kept accurate if the large ones come first
    largest = np.max(scale, axis=-1, keepdims=True)
    rows = np.take_along_axis(scale / largest, order, axis=-1)[..., None]
    triangle = np.linalg.qr(rows * np.take_along_axis(axes, order[..., None], axis=-2), mode="r")
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(np.diagonal(triangle, axis1=-2, axis2=-1)))
    return np.asarray(np.sum(logs, axis=-1) + axes.shape[-1] * np.log(largest[..., 0]))
