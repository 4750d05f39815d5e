"""An ensemble of random networks, held as the moments of their kernels."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nneft.conventions import pairs
from nneft.ensemble.accumulate import Moments
from nneft.ensemble.estimate import Estimate, covariance_estimate, mean_estimate
from nneft.errors import NumericsError

if TYPE_CHECKING:
    import xarray

Array = NDArray[np.float64]


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
    """

    widths: tuple[int, ...]
    C_W: tuple[float, ...]
    C_b: tuple[float, ...]
    activation: str
    first_kernel: Array
    moments: Moments
    sources: tuple[Source, ...]

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
            for fewer than two networks: one has no standard error.
        NumericsError
            where an error overflows.
        """
        self._need_two()
        at = self._pair_index()
        with np.errstate(over="ignore"):
            mean = mean_estimate(self.moments)
        return Estimate(
            _after(self.first_kernel, mean.mean[:, at], "<G>"),
            _after(np.zeros_like(self.first_kernel), mean.error[:, at], "the error of <G>"),
            self.networks,
        )

    def V(self, points: int) -> Estimate:
        """``V_4(x1,x2;x3,x4) = n_{l-1} Cov(G_12, G_34)`` at finite width (BCCZ 28), unbiased.

        Parameters
        ----------
        points : 4.

        Returns
        -------
        Estimate
            mean and error (L, N, N, N, N); layer 1 is exactly 0, its kernel is not random.

        Raises
        ------
        ValueError
            for other points, for fewer than two networks, or if only ``<G>`` was accumulated.
        NumericsError
            where V_4 overflows or underflows, naming the layer.
        """
        if points != 4 or self.moments.co is None:
            held = "<G> (.kernel)" if self.moments.co is None else "<G> (.kernel) and V(4)"
            raise ValueError(f"V({points}) was asked for, but this ensemble holds {held}")
        self._need_two()
        at = self._pair_index()
        left, right = at[:, :, None, None], at[None, None, :, :]
        # BCCZ (28): V_4^(l) = n_{l-1} kappa_2(G^(l), G^(l))
        above = np.array(self.widths[1:-1], dtype=np.float64)[:, None, None]
        with np.errstate(over="ignore", under="ignore"):
            covariance = covariance_estimate(self.moments)
            v4 = covariance * above
        _no_underflow(self.moments, covariance)
        zero = np.zeros(4 * (len(self.first_kernel),))
        return Estimate(
            _after(zero, v4.mean[:, left, right], "V_4"),
            _after(zero, v4.error[:, left, right], "the error of V_4"),
            self.networks,
        )

    def merge(self, other: Ensemble) -> Ensemble:
        """The ensemble of both ensembles' networks.

        Raises
        ------
        ValueError
            if the networks or first kernels differ, if one holds V_4 and the other does not, or
            if the two share random numbers (same seed, overlapping networks).
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
        return replace(self, moments=self.moments.merge(other.moments), sources=sources)

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
            f"activation={self.activation!r}, {len(self.first_kernel)} inputs)"
        )

    def _need_two(self) -> None:
        if self.networks < 2:
            raise ValueError(
                f"an estimate with its error needs 2 networks or more, this ensemble has "
                f"{self.networks}"
            )

    def _pair_index(self) -> NDArray[np.intp]:
        """(N, N) the position of each pair of inputs among the unordered ones."""
        index = np.empty(self.first_kernel.shape, dtype=np.intp)
        for position, (a, b) in enumerate(pairs(len(index))):
            index[a, b] = index[b, a] = position
        return index


def _after(first: Array, rest: Array, name: str) -> Array:
    """Layer 1 before the sampled layers 2..L, all of them finite."""
    values = np.concatenate([first[None], rest])
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        raise NumericsError(f"{name} overflows double precision at layer {np.argmax(bad) + 1}")
    return values


def _no_underflow(moments: Moments, covariance: Estimate) -> None:
    """In its own units a variance is not lost; raise where it is when written out."""
    variance = np.diagonal(covariance.mean, axis1=-2, axis2=-1)
    lost = ((moments.square > 0.0) & (variance < np.finfo(np.float64).tiny)).any(axis=1)
    if lost.any():
        raise NumericsError(f"V_4 underflows double precision at layer {np.argmax(lost) + 2}")


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
