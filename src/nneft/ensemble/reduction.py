"""``<G>`` and ``V_4`` with their leading fluctuations taken out: the sums, and what they give."""

from dataclasses import dataclass, replace
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from nneft.conventions import pairs
from nneft.ensemble.accumulate import Moments
from nneft.ensemble.cumulants import CentralSums, jackknife_error
from nneft.ensemble.estimate import Estimate, covariance_estimate, mean_estimate
from nneft.ensemble.places import dense_places, multisets

Array = NDArray[np.float64]

#: Centres that differ by no more than this, relatively, are the same.
SAME = 1e-12


@dataclass(frozen=True, eq=False)
class Reduction:
    """Sums of what :mod:`nneft.ensemble.reduced` makes of every network, layers 2..L.

    Parameters
    ----------
    centre : (L, P) the ``c`` that everything is taken about.
    exponent : (L,) deviations of a layer are in units of ``2**exponent``.
    first : of ``H = F - chi Z - c``, whose mean is ``<G> - c``.
    second : of ``Q``, whose mean is ``<(G-c)(G-c)>``, over pairs of pairs; None without ``V_4``.
    accuracy : of the conditional means, relative: no estimate is better.
    """

    centre: Array
    exponent: NDArray[np.int64]
    first: CentralSums
    second: CentralSums | None
    accuracy: float

    @property
    def networks(self) -> int:
        """Number of networks."""
        return self.first.samples

    @property
    def finite(self) -> bool:
        """Whether all sums are numbers."""
        held = [self.first.mean, *self.first.sums]
        held += [] if self.second is None else [self.second.mean]
        return all(bool(np.isfinite(part).all()) for part in held)

    def merge(self, other: "Reduction") -> "Reduction":
        """All networks of both.

        Raises
        ------
        ValueError
            where the two were taken about different centres. Rounding does not count: another
            processor may find other last bits.
        """
        if self._differs(other) or (self.second is None) != (other.second is None):
            raise ValueError(
                "only ensembles reduced with the same control merge, but their centres or what "
                "they hold differ: sample both in the same way"
            )
        # A centre of about a power of two may have been rounded to either side of it.
        change = other.exponent[1:] - self.exponent[1:]
        first = replace(other.first, exponent=other.first.exponent + change)
        second = None
        if self.second is not None and other.second is not None:
            theirs = replace(other.second, exponent=other.second.exponent + 2 * change)
            second = self.second.merge(theirs)
        return replace(self, first=self.first.merge(first), second=second)

    def _differs(self, other: "Reduction") -> bool:
        if self.centre.shape != other.centre.shape:
            return True
        size = np.ldexp(1.0, np.maximum(self.exponent, other.exponent))[:, None]
        return bool((np.abs(self.centre - other.centre) > SAME * size).any())

    def kernel(self) -> Estimate:
        """(L-1, P) ``<G> = c + <H>``; its variance is ``s^2 / M`` with the unbiased ``s^2``.

        The error counts in what conditional means are off by, which is all there is where nothing
        fluctuates: at layer 2.

        Raises
        ------
        ValueError
            for fewer than three networks.
        """
        whole, unit = self._whole(self.first), self._unit(self.first, 1)
        mean = self.centre[1:] + np.ldexp(whole.mean[0], unit)
        return Estimate(mean, np.hypot(self._spread(), self._inaccuracy()), self.networks)

    def _spread(self) -> Array:
        """(L-1, P) the standard error of ``<H>``."""
        m, size = self.networks, self.centre.shape[-1]
        own = dense_places(size, 2)[range(size), range(size)]
        square = self._whole(self.first).sums[0][0][:, own]
        spread: Array = np.ldexp(np.sqrt(square / (m - 1) / m), self._unit(self.first, 1))
        return spread

    def _inaccuracy(self) -> Array:
        """(L-1, P) what conditional means add up to: ``(l - 1) accuracy sqrt(c_aa c_bb)``."""
        depth, size = self.centre.shape
        a, b = np.array(pairs(isqrt(2 * size))).T
        root = np.sqrt(self.centre[:, a == b])
        layers = np.arange(depth)[:, None]
        found = self.accuracy * layers * root[:, a] * root[:, b]
        return np.asarray(found[1:], dtype=np.float64)

    def covariance(self) -> Estimate:
        """(L-1, M_2) ``Cov(G_A, G_B)`` over multisets of two pairs, unbiased; errors by groups.

        Raises
        ------
        ValueError
            without ``V_4``, or for fewer than three networks.
        """
        if self.second is None:
            raise ValueError("the covariance was not accumulated (points=2); sample with points=4")
        whole = self._covariance(self._whole(self.first), self._whole(self.second))[0]
        apart = self._covariance(self.first.one_left_out(), self.second.one_left_out())
        error = jackknife_error(whole, apart, self.first.count)
        unit = 2 * self.exponent[1:, None]
        return Estimate(np.ldexp(whole, unit), np.ldexp(error, unit), self.networks)

    def gain(self, plain: Moments) -> tuple[Array, Array | None]:
        """How many times fewer networks give the errors that ``plain`` moments have.

        (L-1, P) for ``<G>``, (L-1, M_2) for ``V_4`` or None.
        """
        kernel = _gain(mean_estimate(plain).error, self._spread())
        if self.second is None or plain.co is None:
            return kernel, None
        a, b = multisets(self.centre.shape[-1], 2).T
        return kernel, _gain(covariance_estimate(plain).error[:, a, b], self.covariance().error)

    def _covariance(self, first: CentralSums, second: CentralSums) -> Array:
        """(G, L-1, M_2) in units of ``2**(2 exponent)``."""
        a, b = multisets(self.centre.shape[-1], 2).T
        m = first.count[:, None, None].astype(np.float64)
        # Cov(G_A, G_B) = <(G-c)_A (G-c)_B> - <H_A> <H_B>, and the product of the two measured means
        # is too large by their covariance S_AB / (m (m - 1)).
        mean = np.ldexp(first.mean, first.exponent[:, None])
        excess = np.ldexp(first.sums[0], 2 * first.exponent[:, None]) / (m * (m - 1))
        square = np.ldexp(second.mean, second.exponent[:, None])
        value: Array = square - mean[..., a] * mean[..., b] + excess
        return value

    def _whole(self, held: CentralSums) -> CentralSums:
        if held.samples - int(held.count.max()) < 2:
            raise ValueError(
                "an estimate with less noise needs 3 networks or more for its error, this "
                f"ensemble has {held.samples}: sample more, or with reduce=False"
            )
        return held.pooled(np.zeros(1, dtype=np.intp))

    def _unit(self, held: CentralSums, power: int) -> NDArray[np.int64]:
        unit: NDArray[np.int64] = (held.exponent + power * self.exponent[1:])[:, None]
        return unit


def _gain(plain: Array, reduced: Array) -> Array:
    """Infinite where no error is left, 1 where there was none."""
    gain: Array = np.where(plain > 0.0, np.inf, 1.0)
    np.divide(plain, reduced, out=gain, where=reduced > 0.0)
    squared: Array = gain**2
    return squared
