"""A Monte Carlo number: mean, standard error and count."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft.ensemble.accumulate import Moments
from nneft.errors import NumericsError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimate with its standard error, from ``count`` independent samples.

    Parameters
    ----------
    mean : (...) the estimate.
    error : (...) its standard error, the estimated standard deviation of ``mean``.
    count : number of independent samples behind it.
    """

    mean: Array
    error: Array
    count: int

    def __getitem__(self, index: Any) -> "Estimate":
        return Estimate(np.asarray(self.mean[index]), np.asarray(self.error[index]), self.count)

    def __mul__(self, factor: ArrayLike) -> "Estimate":
        """The estimate times exact numbers."""
        factor = np.asarray(factor, dtype=np.float64)
        return Estimate(self.mean * factor, self.error * np.abs(factor), self.count)

    __rmul__ = __mul__

    def pull(self, expected: ArrayLike) -> Array:
        """(...) ``(mean - expected) / error``; 0 where nothing differs, however small the error."""
        difference = self.mean - np.asarray(expected, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(difference == 0.0, 0.0, difference / self.error)

    def __str__(self) -> str:
        if np.ndim(self.mean) == 0:
            return written(float(self.mean), float(self.error))
        text = np.vectorize(written, otypes=[object])(self.mean, self.error)
        return np.array2string(text, formatter={"object": str}, threshold=200)

    def __repr__(self) -> str:
        return f"Estimate({self}, count={self.count})"


def written(mean: float, error: float) -> str:
    """``1.234(5)``: the error in units of the last digit; without brackets where it is 0."""
    if error == 0.0 or not math.isfinite(error):
        return f"{mean:.10g}" if error == 0.0 else f"{mean:.6g}({error})"
    last = math.floor(math.log10(error))
    if round(error / 10.0**last) == 10:
        last += 1
    leading = max(math.floor(math.log10(abs(mean))) if mean else last, last)
    unit = leading if leading < -4 or last > 0 else 0
    digits = max(unit - last, 0)
    # Through text, not 10.0**last, so that errors of 1e-320 print too.
    scaled_mean, scaled_error = _scaled(mean, -unit), _scaled(error, -last)
    text = f"{scaled_mean:.{digits}f}({round(scaled_error)})"
    return text if unit == 0 else f"{text}e{unit:+03d}"


def _scaled(value: float, power: int) -> float:
    """``value * 10**power``, also where ``10**power`` alone overflows."""
    half = power // 2
    return value * 10.0**half * 10.0 ** (power - half)


def mean_estimate(moments: Moments) -> Estimate:
    """(L, P) mean of the samples; its variance is ``s^2 / M`` with the unbiased ``s^2``."""
    m = moments.count
    error = np.sqrt(moments.square / (m - 1) / m)
    unit = moments.exponent[:, None]
    return Estimate(np.ldexp(moments.mean, unit), np.ldexp(error, unit), m)


def covariance_estimate(moments: Moments) -> Estimate:
    """(L, P, P) unbiased covariance of the samples and its standard error.

    ``Var(s_xy) = kappa22/M + (kappa20 kappa02 + kappa11^2)/(M-1)
    = mu22/M - (M-2)/(M(M-1)) mu11^2 + mu20 mu02/(M(M-1))``, with the central moments of the
    samples put in.
    """
    if moments.co is None:
        raise ValueError("the covariance was not accumulated (points=2); sample with points=4")
    m, co = moments.count, moments.co
    mu11, mu22, mu20 = co.m11 / m, co.m22 / m, moments.square / m
    mu2002 = mu20[..., :, None] * mu20[..., None, :]
    variance = mu22 / m - (m - 2) / (m * (m - 1)) * mu11**2 + mu2002 / (m * (m - 1))
    # Non-negative by Cauchy-Schwarz, mu22 >= mu11^2; rounding may say otherwise.
    error = np.sqrt(np.maximum(variance, 0.0))
    unit = 2 * moments.exponent[:, None, None]
    return Estimate(np.ldexp(co.m11 / (m - 1), unit), np.ldexp(error, unit), m)


def after_first_layer(first: Array, rest: Array, name: str) -> Array:
    """Layer 1 before the sampled layers 2..L, all of them finite."""
    values = np.concatenate([first[None], rest])
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        raise NumericsError(f"{name} overflows double precision at layer {np.argmax(bad) + 1}")
    return values
