"""What is known of an activation besides its values: the facts methods choose from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from nneft.activations import taylor
from nneft.activations.polyexp import PolyExp

__all__ = ["AnalyticPiece", "Parity", "Piece", "Structure"]

FloatArray: TypeAlias = NDArray[np.float64]
Parity: TypeAlias = Literal["even", "odd"] | None


class Piece(Protocol):
    """One smooth piece between two neighbouring kinks, both ends included as limits."""

    def derivatives(self, x: FloatArray, order: int) -> FloatArray:
        """Derivatives 0..order at ``x`` of shape (n,): (order+1, n)."""


@final
@dataclass(frozen=True)
class AnalyticPiece:
    """A piece known as a formula, differentiated by its Taylor series."""

    series: Callable[[taylor.Taylor], taylor.Taylor | float]

    def derivatives(self, x: FloatArray, order: int) -> FloatArray:
        """Derivatives 0..order at ``x`` of shape (n,): (order+1, n)."""
        with np.errstate(all="ignore"):  # tails underflow to zero, as they should
            out = self.series(taylor.variable(x, order))
            if isinstance(out, taylor.Taylor):
                return out.derivatives()
        constant = np.zeros((order + 1, *x.shape))
        constant[0] = out
        return constant


def rounding(order: int) -> float:
    """Relative error of derivatives known by formula: measured on the built-in activations."""
    return 1e-15 * (1.0 + order / 4)


@final
@dataclass(frozen=True)
class Structure:
    """The declared structure of an activation; see :class:`~nneft.activations.Activation`."""

    kinks: tuple[float, ...]
    pieces: tuple[Piece, ...]
    scale: float
    parity: Parity = None
    slopes: tuple[float, float] | None = None
    polyexp: PolyExp | None = None
    polynomial: tuple[float, ...] | None = None
    #: Estimated relative error of derivatives up to an order.
    error: Callable[[int], float] = rounding

    def __post_init__(self) -> None:
        if len(self.pieces) != len(self.kinks) + 1:
            raise ValueError("there must be one piece more than kinks")
        if list(self.kinks) != sorted(set(self.kinks)):
            raise ValueError(f"kinks must be sorted and distinct, got {self.kinks}")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be positive and finite, got {self.scale}")

    def derivatives(self, x: FloatArray, order: int, side: int) -> FloatArray:
        """Derivatives 0..order at ``x`` of any shape; on a kink, the limit from ``side``."""
        flat = np.ascontiguousarray(x, dtype=np.float64).ravel()
        shape = (order + 1, *np.shape(x))
        if not self.kinks:
            return self.pieces[0].derivatives(flat, order).reshape(shape)
        which = np.searchsorted(self.kinks, flat, side="right" if side > 0 else "left")
        out = np.empty((order + 1, flat.size))
        for i in np.unique(which):
            out[:, which == i] = self.pieces[i].derivatives(flat[which == i], order)
        return out.reshape(shape)

    def jumps(self, order: int) -> FloatArray:
        """Right minus left limit of derivatives 0..order at every kink: (order+1, kinks)."""
        kinks = np.array(self.kinks)
        # one order more: what a kink known to rounding can fake as a jump
        right, left = (self.derivatives(kinks, order + 1, side) for side in (1, -1))
        size = np.abs(right) + np.abs(left)
        eps = np.finfo(np.float64).eps
        noise = 4 * eps * (size[:-1] + np.abs(kinks) * size[1:])
        for r in range(order + 1):  # and what numerical derivatives can
            noise[r] += self.error(r) * (size[r] + size[0] / self.scale**r)
        jump = right[:-1] - left[:-1]
        return np.where(np.abs(jump) <= noise, 0.0, jump)
