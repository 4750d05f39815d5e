"""The best that can be had where nothing is critical.

A signal and its differences survive as long as the shorter of the two depth scales
``xi = -1/ln chi``. The compromise is the fixed point, among all with ``C_b >= 0``, that makes

    measure = max( |ln |chi_par||, |ln |chi_perp|| ) = 1 / (shorter depth scale)

smallest. At a given K* that is ``C_W = 1/sqrt(<sigma'^2> |d<sigma^2>/dK|)``, or the largest that
leaves ``C_b >= 0``.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from nneft.activations.base import Activation
from nneft.criticality.limits import tails
from nneft.criticality.table import Table
from nneft.errors import NumericsError
from nneft.gaussian.base import Array

#: Measures nearer to each other than this are equal.
EQUAL = 1e-9


class Compromise(NamedTuple):
    """A fixed point, and the inverse of the depth over which signals survive there.

    ``kernel`` is infinite where the measure only falls as kernels grow; C_W is then its limit.
    """

    C_W: float
    C_b: float
    kernel: float
    chi_par: float
    chi_perp: float
    measure: float


def compromise(activation: Activation, known: Table) -> Compromise:
    """The fixed point of the smallest measure; of equal ones that nearest to ``K* = 1``.

    Raises
    ------
    nneft.NumericsError
        At no kernel are averages known.
    """
    nodes = known.trusted
    nodes = nodes[nodes > 1e-12]
    if not len(nodes):
        raise NumericsError(
            f"the averages of {activation.name} are faint, or lost in rounding, at every kernel up "
            f"to {known.high:.3g}: nothing can be told of where it is critical"
        )
    with np.errstate(all="ignore"):
        measures = _measure(known, nodes)
    lowest = np.nanmin(measures)
    equal = np.flatnonzero(measures <= lowest + EQUAL)
    place = int(equal[np.argmin(np.abs(np.log(nodes[equal])))])
    slopes = tails(activation)
    if place >= len(nodes) - 60 and slopes is not None and any(slopes):
        return Compromise(2.0 / sum(a * a for a in slopes), 0.0, np.inf, 1.0, 1.0, 0.0)
    low, high = nodes[max(place - 1, 0)], nodes[min(place + 1, len(nodes) - 1)]
    K = float(nodes[place])
    if len(equal) == 1:
        found = minimize_scalar(
            lambda u: float(_measure(known, np.exp(np.array([u])))[0]),
            bounds=(np.log(low), np.log(high)),
            method="bounded",
            options={"xatol": 1e-10},
        )
        K = float(np.exp(found.x))
    w, b, chi_par, chi_perp = (float(part[0]) for part in _at(known, np.array([K])))
    measure = max(abs(np.log(abs(chi_par))), abs(np.log(chi_perp)))
    return Compromise(w, max(b, 0.0), K, chi_par, chi_perp, float(measure))


def _at(known: Table, K: Array) -> tuple[Array, Array, Array, Array]:
    square, gradient, slope = known.square(K), known.gradient(K), known.slope(K)
    w = np.minimum(1.0 / np.sqrt(gradient * np.abs(slope)), K / square)
    return w, K - w * square, w * slope, w * gradient


def _measure(known: Table, K: Array) -> Array:
    _, _, chi_par, chi_perp = _at(known, K)
    return np.maximum(np.abs(np.log(np.abs(chi_par))), np.abs(np.log(chi_perp)))
