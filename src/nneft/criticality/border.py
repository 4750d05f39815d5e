"""The edge of chaos at a given C_b, exactly: every (C_W, K*) with ``chi_perp = 1`` there.

A fixed point K with ``C_W = 1/<sigma'^2>_K`` needs ``C_b(K) = K - <sigma^2>_K/<sigma'^2>_K``. With
``sigma = a x + r(x)``, for any a, and ``<x r>_K = K <r'>_K``

    C_b(K) <sigma'^2>_K = K <r'^2>_K - <r^2>_K ,

where, with ``a = <sigma'>``, little cancels: at small K tanh's ``C_b = (4/3) K^3`` is what is left
of terms that large, and not of terms as large as K.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from nneft.activations import Activation
from nneft.criticality import mesh
from nneft.criticality.averages import averages
from nneft.criticality.checks import check_variances, checked
from nneft.criticality.limits import origin
from nneft.criticality.table import Table, table
from nneft.gaussian.base import Array

#: Kernels looked at in an octave, beside the table's own.
DENSE = 16
#: ``C_b(K)`` below this fraction of what cancels in it is rounding; and that of sigma' itself.
ROUNDING, LAST_BIT = 1e-13, 1e-15
#: chi_par up to this much above 1 is 1.
EVEN = 1e-9


class EdgePoint(NamedTuple):
    """One point of the edge of chaos.

    Attributes
    ----------
    C_W, C_b
        Where it lies.
    kernel
        ``K*``, the fixed point with ``chi_perp = 1``.
    chi_par
        ``C_W/2 <(sigma^2)''>`` there: above 1 the fixed point is unstable.
    """

    C_W: float
    C_b: float
    kernel: float
    chi_par: float

    @property
    def stable(self) -> bool:
        """Whether signals stay there: ``chi_par <= 1``."""
        return self.chi_par <= 1.0 + EVEN

    def __str__(self) -> str:
        repels = "" if self.stable else ", where it repels"
        return (
            f"C_W = {self.C_W:.12g}, C_b = {self.C_b:.12g}: K* = {self.kernel:.12g}, "
            f"chi_par = {self.chi_par:.9g}{repels}"
        )


def edge_of_chaos(
    activation: str | Activation | Callable[[Any], Any], C_b: float
) -> tuple[EdgePoint, ...]:
    """Every point of the edge of chaos with that variance of biases, by ascending K*.

    Parameters
    ----------
    activation
        A name, an expression, an `Activation`, or a callable on arrays.
    C_b
        Variance of the biases, 0 or more.

    Returns
    -------
    tuple of EdgePoint
        C_W, K* and chi_par, to 1e-12 for activations known by formula. Empty where no C_W makes
        ``chi_perp = 1``. A ReLU-like activation has ``chi_perp = 1`` at ``C_b = 0`` alone, there at
        every kernel: given as ``K* = 0``.

    Raises
    ------
    ValueError, TypeError
        ``C_b < 0``; as `nneft.critical_point`.

    Notes
    -----
    Poole et al. (2016), Schoenholz et al. (2017); `nneft.phase_diagram` has the curve.
    """
    sigma = checked(activation)
    _, bias = check_variances(1.0, C_b)
    at = origin(sigma)
    zero = bias == 0.0 and at.value == 0.0 and at.A_2 > 0.0
    found = [EdgePoint(1.0 / at.A_2, 0.0, 0.0, 1.0)] if zero else []
    if sigma.slopes is None:
        found += [_point(sigma, bias, K) for K in _kernels(sigma, table(sigma), bias)]
    return tuple(found)


def _point(sigma: Activation, bias: float, K: float) -> EdgePoint:
    at = averages(sigma, np.array([K]))
    w = 1.0 / float(at.gradient[0])
    return EdgePoint(w, bias, K, w * float(at.slope[0]))


def _kernels(sigma: Activation, known: Table, bias: float) -> list[float]:
    """Where ``C_b(K)`` is the bias, ascending."""
    nodes = known.trusted
    if not len(nodes):
        return []
    # C_b(K) <= K: no root lies below the bias itself
    low, high = max(float(nodes[0]), 0.5 * bias), float(nodes[-1])
    if low >= high:
        return []
    count = int(DENSE * np.log2(high / low)) + 2
    places = np.unique(np.concatenate([np.geomspace(low, high, count), nodes[nodes > low]]))

    def excess(K: float) -> float:
        return float(_biases(sigma, np.array([K]))[0][0]) - bias

    values, noise = _biases(sigma, places)
    values = values - bias
    live = np.abs(values) > noise + ROUNDING * bias
    places, values = places[live], values[live]
    places, values = _with_turns(excess, places, values)
    return [
        float(brentq(excess, a, b, xtol=1e-300, rtol=1e-15))
        for (a, b), (u, v) in zip(pairwise(places), pairwise(values), strict=True)
        if (u > 0.0) != (v > 0.0) and (excess(a) > 0.0) != (excess(b) > 0.0)
    ]


def _with_turns(
    excess: Callable[[float], float], places: Array, values: Array
) -> tuple[Array, Array]:
    """The same with the extrema between that come nearest to 0: two roots may hide there."""
    size = np.abs(values)
    inner = np.flatnonzero((size[1:-1] < size[:-2]) & (size[1:-1] < size[2:])) + 1
    signs = np.sign(values)
    more: list[tuple[float, float]] = []
    for i in inner[(signs[inner - 1] == signs[inner]) & (signs[inner] == signs[inner + 1])]:
        sign = float(signs[i])
        found = minimize_scalar(
            lambda u, sign=sign: sign * excess(float(np.exp(u))),
            bounds=(np.log(places[i - 1]), np.log(places[i + 1])),
            method="bounded",
            options={"xatol": 1e-9},
        )
        more.append((float(np.exp(found.x)), sign * float(found.fun)))
    if not more:
        return places, values
    K, value = np.array(more).T
    order = np.argsort(every := np.concatenate([places, K]), kind="stable")
    return every[order], np.concatenate([values, value])[order]


def _biases(sigma: Activation, kernels: Array) -> tuple[Array, Array]:
    """``C_b(K)`` at ascending kernels, and its rounding; each (kernels,)."""
    found = np.empty((2, len(kernels)))
    octave = np.ceil(np.log2(kernels)) - 1.0
    for o in np.unique(octave):
        here = octave == o
        found[:, here] = _octave(sigma, kernels[here], 2.0**o)
    return found[0], found[1]


def _octave(sigma: Activation, kernels: Array, start: float) -> Array:
    x, weights = mesh.nodes(sigma, start, 2.0 * start)  # one mesh for all: roots stay bracketed
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        value, first = sigma.derivatives(x, 1)
        density = np.exp(-0.5 * x**2 / kernels[:, None]) * weights
        density /= np.sqrt(2.0 * np.pi * kernels)[:, None]
        a = float(density[0] @ first)
        squares = np.stack([first**2, (first - a) ** 2, (value - a * x) ** 2])
        gradient, bent, rest = squares @ density.T
    lost = LAST_BIT * np.sqrt(gradient)
    noise = ROUNDING * (kernels * bent + rest) + kernels * lost * (np.sqrt(bent) + lost)
    return np.asarray(np.stack([kernels * bent - rest, noise]) / gradient)
