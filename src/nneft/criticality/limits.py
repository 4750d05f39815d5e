"""What an activation looks like to very small and to very large kernels.

At small K a Taylor expansion on either side of the origin; at large K, for most activations, a
straight line on either side: ReLU-like again, with a kernel map ``C_b + C_W A_2 K``.
"""

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np

from nneft.activations.base import Activation

#: Below this, relative to the sizes that cancel in it, a coefficient is zero.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Origin:
    """``<sigma^2>_K = A_2 K (1 - c K^{1/2} + a_1 K + ..)`` for ``sigma(0) = 0``.

    Attributes
    ----------
    value
        ``sigma(0)``.
    slopes
        ``(a_-, a_+)``.
    A_2
        ``(a_-^2 + a_+^2) / 2``: the critical ``C_W`` is its inverse.
    A_4
        ``(a_-^4 + a_+^4) / 2``.
    c
        Only a kink makes it.
    a_1, b_1
        Coefficients of K in ``<sigma^2>/(A_2 K)`` and in ``<sigma'^2>/A_2``.
    """

    value: float
    slopes: tuple[float, float]
    A_2: float
    A_4: float
    c: float
    a_1: float
    b_1: float


def origin(activation: Activation) -> Origin:
    """The expansion at ``K -> 0``; coefficients of order K and less are 0 unless sigma(0) = 0."""
    sides = np.array([activation.derivatives(np.zeros(1), 3, side)[:, 0] for side in (-1, 1)])
    value = float(activation(0.0))
    a, b, d = sides[:, 1], sides[:, 2], sides[:, 3]
    A_2, A_4 = float(np.mean(a**2)), float(np.mean(a**4))
    c = a_1 = b_1 = 0.0
    if A_2 > 0.0 and value == 0.0:
        # sigma = a x + b x^2/2 + d x^3/6:  sigma^2 = a^2 x^2 + a b x^3 + (b^2/4 + a d/3) x^4
        # and <|x|^3> = 2 sqrt(2/pi) K^{3/2}, <x^4> = 3 K^2; the left side counts x^3 < 0
        c = -sqrt(2.0 / pi) * _sum(a * b * [-1.0, 1.0]) / A_2
        a_1 = 1.5 * _sum(np.concatenate([b**2 / 4.0, a * d / 3.0])) / A_2
        # sigma'^2 = a^2 + 2 a b x + (b^2 + a d) x^2
        b_1 = 0.5 * _sum(np.concatenate([b**2, a * d])) / A_2
    return Origin(value, (float(a[0]), float(a[1])), A_2, A_4, c, a_1, b_1)


def _sum(terms: np.ndarray) -> float:
    """Their sum, 0 where it is the rounding of what cancels."""
    total, size = float(np.sum(terms)), float(np.sum(np.abs(terms)))
    return total if abs(total) > ROUNDING * size else 0.0


def tails(activation: Activation) -> tuple[float, float] | None:
    """``(a_-, a_+)`` that ``sigma(x)/x`` tends to far out, None if to nothing."""
    if activation.slopes is not None:
        return activation.slopes
    found = []
    for side in (-1.0, 1.0):
        slopes = []
        for x in (1e9, 1e12):
            with np.errstate(all="ignore"):
                near, far = (float(activation(side * k * x)) for k in (1.0, 2.0))
                slopes.append((far - near) / (side * x))
        if not np.all(np.isfinite(slopes)) or abs(slopes[1] - slopes[0]) > 1e-8 * (
            1.0 + abs(slopes[1])
        ):
            return None
        found.append(slopes[1] if abs(slopes[1]) > 1e-8 else 0.0)
    return found[0], found[1]
