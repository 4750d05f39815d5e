"""An ensemble of random networks, held as the moments of their kernels."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from nneft.conventions import pairs
from nneft.ensemble import higher
from nneft.ensemble.accumulate import Moments
from nneft.ensemble.cumulants import CentralSums
from nneft.ensemble.estimate import (
    Estimate,
    after_first_layer,
    covariance_estimate,
    mean_estimate,
)
from nneft.ensemble.places import dense_places
from nneft.ensemble.reduction import Reduction
from nneft.errors import NumericsError

if TYPE_CHECKING:
    import xarray

Array = NDArray[np.float64]
NAMES = {"kernel": "<G>", "V_4": "V_4"}
#: A gain beyond this is one of rounding.
EXACT = 1e12


@dataclass(frozen=True, order=True)
class Source:
    """Networks ``start .. stop-1`` of the sequence that one seed defines."""

    method: str
    dtype: str
    seed: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Estimates from an ensemble of networks; made by :func:`nneft.sample`.

    Parameters
    ----------
    widths, C_W, C_b, activation : the network's settings, the activation by name.
    first_kernel : (N, N) ``G^(1)``, which is not random.
    moments : of the kernels of layers 2..L, over unordered pairs of inputs.
    sources : which random networks these are.
    cumulants : third and fourth central sums of the same kernels, or None without V_6 and V_8.
    reduction : sums with the leading fluctuations taken out, from which :attr:`kernel` and ``V(4)``
        are then made; or None. All else comes from the kernels as they are.
    """

    widths: tuple[int, ...]
    C_W: tuple[float, ...]
    C_b: tuple[float, ...]
    activation: str
    first_kernel: Array
    moments: Moments
    sources: tuple[Source, ...]
    cumulants: CentralSums | None = None
    reduction: Reduction | None = None

    @property
    def networks(self) -> int:
        """Number of networks sampled."""
        return self.moments.count

    @property
    def kernel(self) -> Estimate:
        """``<G>``: mean and error (L, N, N); index 0 is layer 1, exact with error 0.

        Raises
        ------
        ValueError
            for fewer than two networks, three of a reduced ensemble: there is no standard error.
        NumericsError
            where an error overflows.
        """
        self._need_two()
        at = self.pair_index
        with np.errstate(over="ignore"):
            reduced = self.reduction
            mean = mean_estimate(self.moments) if reduced is None else reduced.kernel()
        return Estimate(
            after_first_layer(self.first_kernel, mean.mean[:, at], "<G>"),
            after_first_layer(
                np.zeros_like(self.first_kernel), mean.error[:, at], "the error of <G>"
            ),
            self.networks,
        )

    @property
    def points(self) -> int:
        """The largest correlator held: 2 (``<G>`` alone), 4, 6 or 8."""
        if self.cumulants is not None:
            return 2 * self.cumulants.order
        return 2 if self.moments.co is None else 4

    def V(self, points: int, *, at: Sequence[int] | None = None) -> Estimate:
        """``V_2k = n_{l-1}^{k-1} kappa_k(G, .., G)`` at finite width (BCCZ 28), unbiased.

        ``V_4(x1,x2;x3,x4) = n_{l-1} Cov(G_12, G_34)``; ``V_6`` and ``V_8`` from third and fourth
        k-statistics, their errors by leaving out groups of networks in turn, but no less than for a
        normal law. Those of ``V_8`` are still too small where few networks of small width show too
        little of the tails: at layer 2 of a linear network pulls have a root mean square of 0.95
        for width 200 and 1000 networks, but 1.5, 1.2, 1.07 for width 20 and 1000, 4000, 16000.

        Parameters
        ----------
        points : 4, 6 or 8.
        at : indices of ``points`` inputs, two by two a pair: one component, (L,), without the
            dense array.

        Returns
        -------
        Estimate
            mean and error (L, N, .., N) with ``points`` axes of inputs, or (L,) with ``at``;
            layer 1 is exactly 0, its kernel is not random.

        Raises
        ------
        ValueError, TypeError
            for points that were not accumulated, for too few networks (2 for V_4, k + 1 for
            others), for indices out of range or of the wrong number, for more than 2 GiB.
        NumericsError
            where it overflows or underflows, naming the layer.
        """
        if points not in (4, 6, 8) or points > self.points:
            wanted = f"V({points}) was asked for"
            if points in (4, 6, 8):
                wanted += f" (sample with points={points})"
            raise ValueError(f"{wanted}, but this ensemble holds {_held(self.points)}")
        self._need_two()
        indices = None if at is None else self._checked(at, points)
        if points == 4:
            return self._four_points(indices)
        assert self.cumulants is not None
        index = self.pair_index
        if indices is None:
            return higher.dense(self.cumulants, self.widths, points // 2, index)
        asked = index[np.array(indices[::2]), np.array(indices[1::2])]
        return higher.one_component(self.cumulants, self.widths, asked)

    def correlator(
        self, legs: Sequence[tuple[int, int]], layer: int, *, connected: bool = True
    ) -> Estimate:
        """``<phi_i1(x1) .. phi_i2k(x2k)>`` of a layer with its standard error, unbiased.

        Averages over neurons given their kernel are exact: only the kernels were sampled.

        Parameters
        ----------
        legs : ``(neuron, input)`` for each field, both counted from 0.
        layer : from 1 to the depth.
        connected : whether to leave out what factorises (BCCZ 12, 28).

        Raises
        ------
        ValueError
            for more legs than were sampled for, sums whose error needs ``points=6`` or more, a
            layer, neuron or input that does not exist.
        NumericsError
            where it overflows.
        """
        from nneft.ensemble.correlators import correlator

        return correlator(self, legs, layer, connected=connected)

    @property
    def gain(self) -> dict[str, Array]:
        """How many times fewer networks the reduction needs than the kernels as they are.

        Of each component, the squared ratio of the standard errors of the two estimates from the
        same networks: ``"kernel"`` (L, N, N) and, where it is held, ``"V_4"`` (L, N, N, N, N). 1
        where nothing fluctuates, as at layer 1; infinite where no error is left, as for ``<G>`` at
        layer 2, whose conditional mean is a constant.

        Raises
        ------
        ValueError
            for an ensemble that is not reduced, or fewer than three networks.
        """
        if self.reduction is None:
            raise ValueError("this ensemble is not reduced: sample with reduce=True for a gain")
        at, zeros = self.pair_index, np.ones_like(self.first_kernel)
        kernel, v4 = self.reduction.gain(self.moments)
        found = {"kernel": np.concatenate([zeros[None], kernel[:, at]])}
        if v4 is not None:
            places = dense_places(self.moments.mean.shape[-1], 2)[at[:, :, None, None], at]
            ones = np.ones(4 * (len(self.first_kernel),))
            found["V_4"] = np.concatenate([ones[None], v4[:, places]])
        return found

    @property
    def plain(self) -> Ensemble:
        """The same networks with estimates from their kernels as they are, not reduced."""
        return replace(self, reduction=None)

    def _four_points(self, indices: tuple[int, ...] | None) -> Estimate:
        at = self.pair_index
        left, right = at[:, :, None, None], at[None, None, :, :]
        # BCCZ (28): V_4^(l) = n_{l-1} kappa_2(G^(l), G^(l))
        above = np.array(self.widths[1:-1], dtype=np.float64)[:, None, None]
        with np.errstate(over="ignore", under="ignore"):
            covariance = self._covariance()
            v4 = covariance * above
        _no_underflow(self.moments)
        zero = np.zeros(4 * (len(self.first_kernel),))
        if indices is not None:
            left, right, zero = at[indices[:2]], at[indices[2:]], np.zeros(())
        return Estimate(
            after_first_layer(zero, v4.mean[:, left, right], "V_4"),
            after_first_layer(zero, v4.error[:, left, right], "the error of V_4"),
            self.networks,
        )

    def _covariance(self) -> Estimate:
        """(L-1, P, P)."""
        if self.reduction is None:
            return covariance_estimate(self.moments)
        return self.reduction.covariance()[:, dense_places(self.moments.mean.shape[-1], 2)]

    def merge(self, other: Ensemble) -> Ensemble:
        """The ensemble of both ensembles' networks.

        Raises
        ------
        ValueError
            if the networks or first kernels differ, if the two do not hold the same correlators,
            or if they share random numbers (same seed, overlapping networks).
        """
        for name in ("widths", "C_W", "C_b", "activation"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise ValueError(
                    f"only ensembles of one network merge, but {name} is {ours} and {theirs}"
                )
        if not np.array_equal(self.first_kernel, other.first_kernel):
            raise ValueError("only ensembles with the same first kernel merge, but these differ")
        sources = _joined(self.sources + other.sources)
        moments = self.moments.merge(other.moments)
        return replace(
            self,
            moments=moments,
            sources=sources,
            cumulants=_merged(self.cumulants, other.cumulants, "V_6 and V_8"),
            reduction=_merged(self.reduction, other.reduction, "reduction"),
        )

    def to_xarray(self) -> xarray.Dataset:
        """Estimates by layer and input, the moments behind them, and what made them."""
        from nneft.ensemble.dataset import to_xarray

        return to_xarray(self)

    @classmethod
    def from_xarray(cls, dataset: xarray.Dataset) -> Ensemble:
        """The ensemble that :meth:`to_xarray` wrote, to the last bit."""
        from nneft.ensemble.dataset import from_xarray

        return from_xarray(dataset)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one netCDF file, all or nothing; :func:`nneft.load` reads it back.

        Raises
        ------
        ValueError
            if the path cannot be written; nothing is left behind.
        """
        from nneft.storage import save

        save(self.to_xarray(), os.fspath(path))

    def __repr__(self) -> str:
        return (
            f"Ensemble({self.networks} networks, widths={self.widths}, "
            f"activation={self.activation!r}, {len(self.first_kernel)} inputs{self._gained()})"
        )

    def _gained(self) -> str:
        """The least gain at the last layer, in words."""
        if self.reduction is None:
            return ""
        try:
            found = self.gain
        except (ValueError, NumericsError):
            return ", reduced"
        least = {NAMES[name]: values[-1].min() for name, values in found.items()}
        # What is left of an exact mean is rounding.
        told = [
            f"{name} {gain:.3g}" if gain < EXACT else f"{name} any" for name, gain in least.items()
        ]
        return f", reduced: {', '.join(told)} times fewer networks or more"

    def _need_two(self) -> None:
        if self.networks < 2:
            raise ValueError(
                f"an estimate with its error needs 2 networks or more, this ensemble has "
                f"{self.networks}"
            )

    def _checked(self, at: Sequence[int], points: int) -> tuple[int, ...]:
        count = len(self.first_kernel)
        wanted = f"at must be {points} indices of inputs from 0 to {count - 1}, got {at!r}"
        try:
            indices = tuple(operator.index(i) for i in at)
        except TypeError:
            raise TypeError(wanted) from None
        if len(indices) != points or not all(0 <= i < count for i in indices):
            raise ValueError(wanted)
        return indices

    @property
    def pair_index(self) -> NDArray[np.intp]:
        """(N, N) the position of each pair of inputs among the unordered ones."""
        index = np.empty(self.first_kernel.shape, dtype=np.intp)
        for position, (a, b) in enumerate(pairs(len(index))):
            index[a, b] = index[b, a] = position
        return index


def _no_underflow(moments: Moments) -> None:
    """In its own units a variance is not lost; raise where it is when written out."""
    with np.errstate(over="ignore", under="ignore"):
        variance = np.ldexp(moments.square / (moments.count - 1), 2 * moments.exponent[:, None])
    lost = ((moments.square > 0.0) & (variance < np.finfo(np.float64).tiny)).any(axis=1)
    if lost.any():
        raise NumericsError(f"V_4 underflows double precision at layer {np.argmax(lost) + 2}")


Sums = TypeVar("Sums", CentralSums, Reduction)


def _merged(ours: Sums | None, theirs: Sums | None, name: str) -> Sums | None:
    if ours is None or theirs is None:
        if ours is not theirs:
            raise ValueError(
                f"ensembles of one kind were wanted, got one without {name} and one with"
            )
        return None
    return ours.merge(theirs)


def _held(points: int) -> str:
    names = ["<G> (.kernel)", "V(4)", "V(6)", "V(8)"][: points // 2]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _joined(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """The same networks, in order, in as few runs as possible."""
    joined: list[Source] = []
    for source in sorted(sources):
        last = joined[-1] if joined else None
        same = last is not None and (last.method, last.dtype, last.seed) == (
            source.method,
            source.dtype,
            source.seed,
        )
        if last is None or not same or source.start > last.stop:
            joined.append(source)
        elif source.start < last.stop:
            raise ValueError(
                f"both ensembles hold networks {source.start}..{min(last.stop, source.stop) - 1} "
                f"of seed {source.seed}: merging needs different networks, so different seeds"
            )
        else:
            joined[-1] = replace(last, stop=source.stop)
    return tuple(joined)
