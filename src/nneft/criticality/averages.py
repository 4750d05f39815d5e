"""The three averages over one input's Gaussian that criticality is made of.

    <sigma^2>_K ,   <sigma'^2>_K ,   <sigma sigma''>_K

with the delta functions of a kinked activation's second derivative. By the heat equation
``d<sigma^2>_K/dK = 1/2 <(sigma^2)''>_K = <sigma'^2>_K + <sigma sigma''>_K``.
"""

from math import pi
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.criticality import mesh
from nneft.gaussian.base import Array

#: Nodes times kernels held at once.
BLOCK = 4_000_000


class Averages(NamedTuple):
    """At every kernel: all of the kernels' shape.

    Attributes
    ----------
    square
        ``<sigma^2>``.
    gradient
        ``<sigma'^2>``: ``chi_perp / C_W``.
    curvature
        ``<sigma sigma''>``, delta functions included.
    size
        ``<|sigma sigma''|>``, what `curvature` was added up from.
    """

    square: Array
    gradient: Array
    curvature: Array
    size: Array

    @property
    def slope(self) -> Array:
        """``d<sigma^2>/dK = 1/2 <(sigma^2)''>``: ``chi_par / C_W``."""
        return self.gradient + self.curvature


def averages(activation: Activation, kernels: Array) -> Averages:
    """All of them at any kernels, at 0 the limit from above.

    Raises
    ------
    ValueError
        They diverge.
    nneft.NumericsError
        A kernel is too large for how fast the activation varies.
    """
    K = np.asarray(kernels, dtype=np.float64)
    flat = K.ravel()
    found = np.empty((4, flat.size))
    octave = np.floor(np.log2(np.where(flat > 0.0, flat, 1.0)))
    for o in np.unique(octave[flat > 0.0]):
        here = (octave == o) & (flat > 0.0)
        found[:, here] = _octave(activation, flat[here])
    found[:, flat == 0.0] = np.array(at_zero(activation))[:, None]
    return Averages(*found.reshape(4, *K.shape))


def _octave(activation: Activation, kernels: Array) -> Array:
    """(4, kernels): kernels within a factor of two of each other."""
    x, weights = mesh.nodes(activation, float(kernels.min()), float(kernels.max()))
    # what overflows lies where the Gaussian has ended
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        value, first, second = activation.derivatives(x, 2)
        columns = np.stack([value**2, first**2, value * second, np.abs(value * second)])
    rows = max(1, BLOCK // len(x))
    parts = [
        _integrals(columns, x, weights, kernels[i : i + rows]) for i in range(0, len(kernels), rows)
    ]
    found = np.concatenate(parts, axis=1)
    far = kernels > activation.scale**2
    if activation.is_callable and np.any(far):
        # second differences of a large sigma are rounding: <sigma sigma''> = d<sigma^2>/dK -
        # <sigma'^2> there, with d<f>_K/dK = <f (z^2 - 1)>/(2 K), deltas included
        found[2, far] = _grown(columns[0], x, weights, kernels[far]) - found[1, far]
    singular = _deltas(activation, kernels)
    if activation.is_callable:
        singular[:, far] = 0.0
    found[2] += singular.sum(axis=0)
    found[3] += np.abs(singular).sum(axis=0)
    return found


def _integrals(columns: Array, x: Array, weights: Array, kernels: Array) -> Array:
    with np.errstate(under="ignore"):
        density = np.exp(-0.5 * x**2 / kernels[:, None]) / np.sqrt(2.0 * pi * kernels)[:, None]
        return np.asarray(columns @ (density * weights).T)


def _grown(square: Array, x: Array, weights: Array, kernels: Array) -> Array:
    """``d<sigma^2>_K/dK`` from values alone."""
    z2 = x**2 / kernels[:, None]
    with np.errstate(under="ignore"):
        density = np.exp(-0.5 * z2) / np.sqrt(2.0 * pi * kernels)[:, None]
        return np.asarray((density * (z2 - 1.0)) @ (square * weights) / (2.0 * kernels))


def _deltas(activation: Activation, kernels: Array) -> Array:
    """(kinks, kernels): ``<sigma J delta(phi - k)> = sigma(k) J p(k)``, J the jump of sigma'."""
    kinks = np.array(activation.kinks)[:, None]
    if not kinks.size:
        return np.zeros((0, len(kernels)))
    weight = np.asarray(activation(kinks[:, 0]))[:, None] * activation.jumps(1)[1][:, None]
    with np.errstate(under="ignore"):
        density = np.exp(-0.5 * kinks**2 / kernels) / np.sqrt(2.0 * pi * kernels)
        return np.asarray(weight * density)


def gradient_slope(activation: Activation, kernel: float) -> float:
    """``d<sigma'^2>_K/dK = <sigma'^2 (z^2 - 1)>/(2 K)``."""
    x, weights = mesh.nodes(activation, kernel, kernel)
    first = activation.derivatives(x, 1)[1]
    z2 = x**2 / kernel
    with np.errstate(under="ignore"):
        density = weights * np.exp(-0.5 * z2) / np.sqrt(2.0 * pi * kernel)
    return float(density @ (first**2 * (z2 - 1.0))) / (2.0 * kernel)


def at_zero(activation: Activation) -> tuple[float, float, float, float]:
    """The limits at ``K -> 0+``: means of both sides of the origin.

    ``<sigma sigma''>`` diverges as ``sigma(0) J / sqrt(2 pi K)`` where sigma has a kink at the
    origin and does not vanish there: signed infinity.
    """
    sides = np.array([activation.derivatives(np.zeros(1), 2, side)[:, 0] for side in (1, -1)])
    sides[:, 0] = activation(0.0)  # exact, where limits of a callable's pieces are not
    square, gradient = 0.5 * (sides[:, :2] ** 2).sum(axis=0)
    products = sides[:, 0] * sides[:, 2]
    curvature, size = 0.5 * products.sum(), 0.5 * np.abs(products).sum()
    if 0.0 in activation.kinks:
        delta = sides[0, 0] * activation.jumps(1)[1][activation.kinks.index(0.0)]
        if delta != 0.0:
            curvature, size = float(np.copysign(np.inf, delta)), float(np.inf)
    return float(square), float(gradient), float(curvature), float(size)
