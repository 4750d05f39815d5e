"""Two inputs at a fixed kernel: the map of their correlation, and where it ends.

With both variances at ``K*`` the correlation c goes to

    R(c) = ( C_b + C_W <sigma_1 sigma_2>_{K*, c} ) / K* = sum_n p_n c^n ,   p_n >= 0, sum p_n = 1

(Mehler's formula): the generating function of a probability law. So c = 1 is fixed, with
``R'(1) = chi_perp``; there is one more fixed point on [0, 1), the law's probability of extinction,
if and only if ``chi_perp > 1``; and none below 0, except the mirror images of an odd map.
Subtracting ``R(1) = 1`` it solves

    D(K*, c) = ( <sigma^2> - <sigma_1 sigma_2> ) / ( K* (1 - c) ) = 1 / C_W ,

which no longer holds C_b, and grows from c = 0 to ``<sigma'^2>`` at c = 1.
"""

from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from nneft.activations.base import Activation
from nneft.gaussian import expectations, nested
from nneft.gaussian.panels import legendre

#: ``chi_perp`` nearer to one than this is one.
CRITICAL = 1e-10
#: Kernels beyond this many squared scales make a lattice too fine: panels follow better.
LATTICE = 3e3
#: Angle below which too many digits of ``<sigma^2> - <sigma_1 sigma_2>`` cancel.
CANCELS = 0.02
#: Smallest angle looked for: ``1 - c`` is half its square.
SMALLEST = 1e-6


class Correlation(NamedTuple):
    """A fixed point of the correlation.

    Attributes
    ----------
    c
        Its place, from -1 to 1.
    chi
        ``C_W <sigma'_1 sigma'_2>`` there: below 1 correlations tend to it.
    """

    c: float
    chi: float

    @property
    def stable(self) -> bool:
        """Whether correlations nearby tend to it; at chi = 1 they do from below."""
        return self.chi <= 1.0 + CRITICAL


def correlations(
    activation: Activation, kernel: float, C_W: float, C_b: float, chi_perp: float
) -> tuple[Correlation, ...]:
    """All fixed points of the correlation at a fixed kernel ``K* > 0``, ascending.

    A linear activation without biases at its critical point keeps every correlation: the two
    ends -1 and 1 are given, both with chi = 1.
    """
    one = Correlation(1.0, chi_perp)
    found = [one]
    if chi_perp > 1.0 + CRITICAL:
        theta, chi = angle(activation, kernel, C_W)
        found.insert(0, Correlation(0.0 if theta == 0.5 * pi else cos(theta), chi))
    if activation.parity == "odd" and C_b == 0.0:
        found = [Correlation(-p.c, p.chi) for p in found[::-1] if p.c != 0.0] + found
    return tuple(found)


def angle(activation: Activation, kernel: float, C_W: float) -> tuple[float, float]:
    """``theta = acos c*`` from ``D = 1/C_W``, and chi there; for ``chi_perp > 1``."""
    theta = _angle(activation, kernel, C_W)
    return theta, C_W * _pair(activation, kernel, theta)[1]


def _angle(activation: Activation, kernel: float, C_W: float) -> float:
    [[square]] = expectations.singles(activation, np.array([kernel]), [((2,), (0,))]).values

    def excess(theta: float) -> float:
        if theta < CANCELS:
            return C_W * _mean_gradient(activation, kernel, theta) - 1.0
        product, _ = _pair(activation, kernel, theta)
        return C_W * (float(square) - product) / (2.0 * kernel * sin(0.5 * theta) ** 2) - 1.0

    # chi_perp > 1 at theta = 0; at pi/2 the excess is -R(0)/(1 - R(0)), 0 if R is odd
    if excess(0.5 * pi) >= -1e-13:
        return 0.5 * pi
    if excess(SMALLEST) <= 0.0:
        return SMALLEST
    return float(brentq(excess, SMALLEST, 0.5 * pi, xtol=1e-15, rtol=1e-14))


def _mean_gradient(activation: Activation, kernel: float, theta: float) -> float:
    """``D = int_0^theta <sigma'_1 sigma'_2> sin / (1 - cos theta)``: nothing cancels."""
    points, weights = legendre(8)
    angles = 0.5 * theta * (1.0 + points)
    values = np.array([_pair(activation, kernel, float(t))[1] for t in angles])
    total = 0.5 * theta * float(weights @ (values * np.sin(angles)))
    return total / (2.0 * sin(0.5 * theta) ** 2)


def _pair(activation: Activation, kernel: float, theta: float) -> tuple[float, float]:
    """``<sigma_1 sigma_2>`` and ``<sigma'_1 sigma'_2>`` at correlation ``cos theta``."""
    c = 0.0 if theta == 0.5 * pi else cos(theta)
    matrix = kernel * np.array([[1.0, c], [c, 1.0]])
    terms = [((1, 1), (0, 0)), ((1, 1), (1, 1))]
    if kernel > LATTICE * activation.scale**2:
        found = nested.moments(activation, matrix, terms).values
    else:
        found = expectations.pairs(activation, matrix, terms).values[:, 0, 1]
    return float(found[0]), float(found[1])
