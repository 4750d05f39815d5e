"""Moments of the kernel operator over an ensemble, held in one pass and merged exactly.

For samples ``x_A`` (one for every unordered pair of inputs and layer) a record holds the count, the
mean and, about that mean, ``M11 = sum d_A d_B``, ``M21 = sum d_A^2 d_B``, ``M22 = sum d_A^2 d_B^2``
with ``d = x - mean``: what an unbiased covariance and *its* standard error need. Nothing is ever a
difference of large sums of powers, so an offset of the samples costs no digits. Each layer is held
in units of its own power of two, so that fourth powers neither overflow nor underflow before the
samples do, and a change of unit is exact.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Exponents = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CoMoments:
    """``M11``, ``M21`` and ``M22`` of all pairs of components, each ``(L, P, P)``."""

    m11: Array
    m21: Array
    m22: Array

    def recentred(self, count: int, shift: Array) -> "CoMoments":
        """The same sums about ``mean - shift``: every ``d_A`` becomes ``d_A + shift_A``.

        The binomials of ``(d_A + h_A)^p (d_B + h_B)^q``, where ``sum d = 0`` drops the terms of
        first degree in ``d``.
        """
        m11, m21, m22 = self.m11, self.m21, self.m22
        h_a, h_b = shift[..., :, None], shift[..., None, :]
        hh = h_a * h_b
        square = np.diagonal(m11, axis1=-2, axis2=-1)
        s_a, s_b = square[..., :, None], square[..., None, :]
        # M11' = M11 + n hA hB
        # M21' = M21 + hB sum dA^2 + 2 hA M11 + n hA^2 hB
        # M22' = M22 + 2 hB M21 + 2 hA M12 + hB^2 sum dA^2 + hA^2 sum dB^2
        #            + 4 hA hB M11 + n hA^2 hB^2
        return CoMoments(
            m11 + count * hh,
            m21 + h_b * s_a + 2 * h_a * m11 + count * h_a * hh,
            m22
            + 2 * (h_b * m21 + h_a * np.swapaxes(m21, -1, -2))
            + h_b**2 * s_a
            + h_a**2 * s_b
            + 4 * hh * m11
            + count * hh**2,
        )

    def in_units(self, exponent: Exponents) -> "CoMoments":
        """The same sums of samples multiplied by ``2**exponent`` (one for each layer)."""
        e = exponent[:, None, None]
        return CoMoments(
            np.ldexp(self.m11, 2 * e), np.ldexp(self.m21, 3 * e), np.ldexp(self.m22, 4 * e)
        )

    def __add__(self, other: "CoMoments") -> "CoMoments":
        return CoMoments(self.m11 + other.m11, self.m21 + other.m21, self.m22 + other.m22)


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and central sums of ``count`` samples of shape ``(L, P)``.

    Parameters
    ----------
    count : number of samples.
    exponent : (L,) the unit of each layer, ``2**exponent``; everything below is in that unit.
    mean : (L, P) mean of the samples.
    square : (L, P) sum of the squared deviations from the mean.
    co : sums over all pairs of components, or None when only the mean is wanted.
    """

    count: int
    exponent: Exponents
    mean: Array
    square: Array
    co: CoMoments | None

    @classmethod
    def of(cls, samples: Array, *, pairs: bool = True) -> Self:
        """Moments of ``samples`` (count, L, P), in two passes over them."""
        count = len(samples)
        exponent = _units(samples)
        mean = samples.mean(axis=0)
        deviation = samples - mean
        # The mean rounds; what it missed is the mean of the deviations.
        missed = deviation.mean(axis=0)
        deviation = np.ldexp(np.moveaxis(deviation - missed, 0, -1), -exponent[:, None, None])
        mean = np.ldexp(mean + missed, -exponent[:, None])
        squares = deviation**2
        co = None
        if pairs:
            transposed = np.ascontiguousarray(np.swapaxes(deviation, -1, -2))
            co = CoMoments(deviation @ transposed, squares @ transposed, squares @ (transposed**2))
            square = np.diagonal(co.m11, axis1=-2, axis2=-1).copy()
        else:
            square = squares.sum(axis=-1)
        return cls(count, exponent, mean, square, co)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of samples together, exact up to rounding.

        Both sums are taken about the common mean (Chan, Golub and LeVeque 1979; Pebay 2008).
        """
        if self.mean.shape != other.mean.shape or (self.co is None) != (other.co is None):
            raise ValueError(
                f"moments of one kind were wanted, got shapes {self.mean.shape} and "
                f"{other.mean.shape}, co-moments {self.co is not None} and {other.co is not None}"
            )
        unit = common_unit(self.exponent, self.mean, other.exponent, other.mean)
        self, other = self.in_units(unit), other.in_units(unit)
        count = self.count + other.count
        difference = other.mean - self.mean
        ours = -difference * (other.count / count)
        theirs = difference * (self.count / count)
        square = self.square + self.count * ours**2 + (other.square + other.count * theirs**2)
        co = None
        if self.co is not None and other.co is not None:
            co = self.co.recentred(self.count, ours) + other.co.recentred(other.count, theirs)
            square = np.diagonal(co.m11, axis1=-2, axis2=-1).copy()
        return replace(self, count=count, mean=self.mean - ours, square=square, co=co)

    def in_units(self, exponent: Exponents) -> "Moments":
        """The same moments in the units ``2**exponent``."""
        change = self.exponent - exponent
        if not change.any():
            return self
        co = None if self.co is None else self.co.in_units(change)
        mean = np.ldexp(self.mean, change[:, None])
        square = np.ldexp(self.square, 2 * change[:, None])
        return Moments(self.count, exponent, mean, square, co)


def common_unit(ours: Exponents, mean: Array, theirs: Exponents, other: Array) -> Exponents:
    """(L,) the larger unit, so that no power overflows; a layer that vanishes has none.

    The means, of shape (.., L, P), tell: kernels have positive diagonals or vanish.
    """
    axes = tuple(i for i in range(mean.ndim) if i != mean.ndim - 2)
    unit: Exponents = np.where(
        ~mean.any(axis=axes),
        theirs,
        np.where(~other.any(axis=axes), ours, np.maximum(ours, theirs)),
    )
    return unit


def _units(samples: Array) -> Exponents:
    """A power of two near the largest sample of each layer; 0 where all vanish."""
    largest = np.abs(samples).max(axis=(0, 2), initial=0.0)
    units: Exponents = np.frexp(largest)[1].astype(np.int64)
    return units
