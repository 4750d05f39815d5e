"""The averages of one input as functions of the kernel, once and for all.

On every octave of K a Chebyshev series in ``log K``: the averages are analytic functions of it
(turning K in the complex plane turns the contour), and the series is judged at a point of its own.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count

import numpy as np

from nneft.activations.base import Activation
from nneft.criticality.averages import Averages, at_zero, averages
from nneft.errors import NumericsError
from nneft.gaussian.base import Array

#: First octave, and the last that is tried: kernels from 1e-30 to 1e18.
FIRST, LAST = -100, 60
#: An octave that every table must reach.
LEAST = -10
DEGREE = 19
#: Accuracy asked of a series, relative to the averages there or at K = 1, whichever is larger.
ACCURACY = 1e-12
#: .. but not those at K = 1 where they are larger than this many times those at 0.
STEEP = 1e6
#: Averages below this fraction of typical ones are too faint to be relatively accurate.
FAINT = 1e-7
#: A sigma that is 0 up to here is judged by larger kernels.
SILENT = 4.0
#: Kernels at which differences of a callable's values are lost, in units of its scale squared.
LOST = 1e8
#: ``<sigma sigma''>`` below this fraction of ``<sigma'^2>`` has no sign.
ROUNDING = 1e-13
#: Derivatives by log K below this, relative to ``<sigma'^2>``, are rounding.
FLAT = 1e-12
#: Where on its octave a series is judged.
JUDGES = (0.0421, 0.5087, 0.9531, 0.9907)


@dataclass(frozen=True, eq=False)
class Table:
    """Averages of one activation as Chebyshev series.

    Attributes
    ----------
    coefficients : (3, DEGREE + 1, octaves)
        Of ``<sigma^2>``, ``<sigma'^2>``, ``<sigma sigma''>``.
    zero
        The limits at ``K -> 0+``.
    error : (3,)
        Largest relative error seen.
    """

    activation: Activation
    coefficients: Array
    zero: tuple[float, float, float]
    error: Array

    @property
    def low(self) -> float:
        """Kernel below which the limits at zero are used."""
        return float(2.0**FIRST)

    @property
    def high(self) -> float:
        """Largest kernel of the table."""
        return float(2.0 ** (FIRST + self.coefficients.shape[2]))

    @cached_property
    def nodes(self) -> Array:
        """Kernels, ascending, between which slope and curvature are monotone.

        Four to the octave, from the lowest to the highest, and the extrema of both.
        """
        octaves = self.coefficients.shape[2]
        places = [2.0 ** (FIRST + 0.25 * np.arange(4 * octaves + 1))]
        slope = self.coefficients[1] + self.coefficients[2]
        for rows in (slope, self.coefficients[2]):
            places.append(_extrema(rows, np.abs(self.coefficients[1][0])))
        return np.unique(np.concatenate(places))

    @property
    def typical(self) -> float:
        """What gradients are faint against: that at a kernel of one, or a smaller one at zero."""
        one = float(self.gradient(np.array([_unit(self.activation)]))[0])
        return min(one, self.zero[1]) if self.zero[1] > 0.0 else one

    @property
    def trusted(self) -> Array:
        """Those of the `nodes` where the averages are not lost in their own rounding."""
        nodes = self.nodes
        if self.activation.is_callable:
            nodes = nodes[nodes < LOST * self.activation.scale**2]
        return nodes[self.gradient(nodes) > FAINT * self.typical]

    def signed(self, kernels: Array) -> np.ndarray:
        """Where ``<sigma sigma''>`` is more than the rounding of it."""
        sigma, gradient = self.activation, self.gradient(kernels)
        noise = np.full_like(gradient, ROUNDING)
        if sigma.is_callable:
            # differences of values: sigma itself is as large as where the Gaussian reaches
            noise += sigma.derivative_error(2) * (1.0 + np.sqrt(kernels) / sigma.scale)
        size = noise * np.maximum(gradient, self.typical)
        return np.asarray(np.abs(self.curvature(kernels)) > size)

    def square(self, kernels: Array) -> Array:
        """``<sigma^2>``."""
        found = self._series(0, kernels)
        below = self.zero[0] + self.zero[1] * kernels  # to first order, if sigma(0) sigma''(0) = 0
        return np.where(kernels < self.low, below, found)

    def gradient(self, kernels: Array) -> Array:
        """``<sigma'^2>``."""
        return np.where(kernels < self.low, self.zero[1], self._series(1, kernels))

    def curvature(self, kernels: Array) -> Array:
        """``<sigma sigma''>``."""
        return np.where(kernels < self.low, self.zero[2], self._series(2, kernels))

    def slope(self, kernels: Array) -> Array:
        """``d<sigma^2>/dK = <sigma'^2> + <sigma sigma''>``."""
        return self.gradient(kernels) + self.curvature(kernels)

    def _series(self, which: int, kernels: Array) -> Array:
        with np.errstate(divide="ignore"):
            u = np.clip(np.log2(kernels), FIRST, None) - FIRST
        rows = self.coefficients[which]
        octave = np.minimum(u.astype(np.intp), rows.shape[1] - 1)
        t = 2.0 * (u - octave) - 1.0
        # Clenshaw's recurrence
        one, two = rows[DEGREE][octave], np.zeros_like(t)
        for n in range(DEGREE - 1, 0, -1):
            one, two = rows[n][octave] + 2.0 * t * one - two, one
        return np.asarray(rows[0][octave] + t * one - two)


def _extrema(rows: Array, size: Array) -> Array:
    """Kernels at which series in log K, one column an octave, have an extremum to be seen.

    `size` is what their rounding is relative to.
    """
    derivative = np.polynomial.chebyshev.chebder(rows)
    t = np.linspace(-1.0, 1.0, 65)
    values = np.polynomial.chebyshev.chebval(t, derivative)
    values[np.abs(values) <= FLAT * size[:, None]] = 0.0
    octave, left = np.nonzero(values[:, 1:] * values[:, :-1] < 0.0)
    low, high, rising = t[left], t[left + 1], values[octave, left] > 0.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        here = np.polynomial.chebyshev.chebval(middle, derivative[:, octave], tensor=False)
        low, high = (
            np.where((here > 0.0) == rising, middle, low),
            np.where((here > 0.0) == rising, high, middle),
        )
    return np.asarray(2.0 ** (FIRST + octave + 0.5 * (low + 1.0)))


@lru_cache(maxsize=64)
def table(activation: Activation) -> Table:
    """The table of an activation, up to the largest kernel at which it can be had.

    Raises
    ------
    ValueError
        Gaussian moments of the activation's square diverge already at ``K = 1``.
    nneft.NumericsError
        They cannot be had at small kernels.
    """
    unit = averages(activation, np.array([_unit(activation)]))
    found: list[Array] = []
    worst = np.zeros(3)
    for octave in count(FIRST):
        if octave == LAST:
            break
        try:
            series, error = _octave(activation, octave, unit)
        except (ValueError, NumericsError):
            if octave < LEAST:
                raise
            break
        if not np.all(error <= ACCURACY):
            if octave < LEAST:
                raise NumericsError(
                    f"the averages of {activation.name} near the kernel {2.0**octave:.3g} are "
                    f"resolved to {error.max():.1e} only"
                )
            break
        found.append(series)
        worst = np.maximum(worst, error)
    zero = at_zero(activation)
    return Table(activation, np.stack(found, axis=2), (zero[0], zero[1], zero[2]), worst)


def _unit(activation: Activation) -> float:
    """1, or what it takes to be seen by a sigma that is 0 around the origin: its kink squared."""
    if activation.kinks and not np.any(activation(np.linspace(-SILENT, SILENT, 97))):
        return float(max(1.0, min(abs(k) for k in activation.kinks) ** 2))
    return 1.0


def _octave(activation: Activation, octave: int, unit: Averages) -> tuple[Array, Array]:
    """Coefficients (3, DEGREE + 1), and errors relative to the averages' own sizes."""
    t = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    kernels = 2.0 ** (octave + np.append(0.5 * (t + 1.0), JUDGES))
    found = averages(activation, kernels)
    values = np.stack(found[:3])
    transform = np.polynomial.chebyshev.chebvander(t, DEGREE) * (2.0 / (DEGREE + 1))
    transform[:, 0] *= 0.5
    series = values[:, : DEGREE + 1] @ transform
    at = slice(DEGREE + 1, None)
    wrong = np.abs(
        np.polynomial.chebyshev.chebval(2.0 * np.array(JUDGES) - 1.0, series.T) - values[:, at]
    )
    first = at_zero(activation)[1]
    least = min(unit.gradient[0], STEEP * first) if first > 0.0 else unit.gradient[0]
    gradient = np.maximum(found.gradient[at], least)
    square = np.maximum(found.square[at], kernels[at] * gradient)
    sizes = np.stack([square, gradient, gradient + found.size[at]])
    sizes = np.maximum(sizes, np.finfo(np.float64).tiny)
    return series, np.asarray(np.nan_to_num(wrong / sizes, nan=np.inf).max(axis=1))
