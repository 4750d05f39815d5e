"""Facts found out about an activation and verified: parity, homogeneity, the scale."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from nneft.activations.nodes import Node, evaluate, walk
from nneft.activations.polyexp import PolyExp, PolyExpTooLarge
from nneft.activations.structure import Parity, Structure

__all__ = ["as_polyexp", "is_entire", "measured_scale", "parity_of", "slopes_of"]

FloatArray = NDArray[np.float64]

_ENTIRE = {"x", "const", "+", "-", "*", "exp", "expm1", "sin", "cos", "erf", "ndtr"}


def is_entire(piece: Node) -> bool:
    """Whether the piece has no singularity anywhere in the complex plane."""
    return all(
        node.op in _ENTIRE
        or (node.op == "power" and node.value == int(node.value) > 0)
        or (node.op == "/" and node.args[1].op == "const")
        for node in walk(piece)
    )


def as_polyexp(piece: Node) -> PolyExp | None:
    """The piece as a finite sum of ``c x^p exp(a x + b x^2)``, if it is one."""
    x = PolyExp.monomial(p=1)
    try:
        found = evaluate(piece, x, _POLYEXP)
        return found if isinstance(found, PolyExp) else PolyExp.monomial(found)
    except (KeyError, TypeError, PolyExpTooLarge, OverflowError):
        return None


def _exponential(u: PolyExp | float) -> PolyExp:
    u = u if isinstance(u, PolyExp) else PolyExp.monomial(u)
    quadratic = {p for p, a, b in u.coefficients if a == 0 and b == 0} <= {0, 1, 2}
    if not quadratic or any(a != 0 or b != 0 for _, a, b in u.coefficients):
        raise TypeError
    c = [u.coefficients.get((p, 0j, 0.0), 0j) for p in range(3)]
    if c[2].imag != 0.0:
        raise TypeError
    return PolyExp.monomial(complex(np.exp(c[0])), 0, c[1], c[2].real)


_POLYEXP = {
    "exp": _exponential,
    "expm1": lambda u: _exponential(u) - 1.0,
    "cos": lambda u: (_exponential(u * 1j) + _exponential(u * -1j)) * 0.5,
    "sin": lambda u: (_exponential(u * 1j) - _exponential(u * -1j)) * -0.5j,
}


def slopes_of(kinks: tuple[float, ...], pieces: list[Node]) -> tuple[float, float] | None:
    """``(a_minus, a_plus)`` if sigma is ``a_minus x`` and ``a_plus x`` on the two sides of 0."""
    if kinks not in ((), (0.0,)):
        return None
    polynomials = [p.as_polynomial() if (p := as_polyexp(piece)) else None for piece in pieces]
    slopes = []
    for c in (polynomials[0], polynomials[-1]):
        if c is None or len(c) > 2 or c[0] != 0.0:
            return None
        slopes.append(c[1] if len(c) == 2 else 0.0)
    return slopes[0], slopes[1]


#: Where parity is tested: generic points, those of one analytic piece deciding it alone.
_POINTS = np.sqrt(np.array([2e-3, 0.13, 0.7, 1.7, 3.1, 5.3, 11.0, 23.0, 53.0]))


def parity_of(structure: Structure, order: int = 6) -> Parity:
    """``"even"`` or ``"odd"`` if all derivatives up to ``order`` say so at many points."""
    kinks = np.array(structure.kinks)
    if not np.allclose(kinks, -kinks[::-1], rtol=1e-12, atol=0.0):
        return None
    centres = [0.5 * (a + b) for a, b in itertools.pairwise(kinks) if a + b > 0]
    points = np.concatenate([_POINTS, centres, kinks[kinks > 0] * 1.01, kinks[kinks > 0] * 0.99])
    right = structure.derivatives(points, order, 1)
    left = structure.derivatives(-points, order, 1)
    signs = (-1.0) ** np.arange(order + 1)[:, None]
    size = (np.abs(right) + np.abs(left)).max(axis=1, keepdims=True)
    if not np.all(np.isfinite(size)):
        return None
    if np.all(np.abs(left - signs * right) <= 1e-12 * size):
        return "even"
    if np.all(np.abs(left + signs * right) <= 1e-12 * size):
        return "odd"
    return None


def measured_scale(structure: Structure, entire: bool) -> float:
    """Half width of the strip of analyticity, from the Taylor series along the axis.

    Entire functions have none; the length over which they vary stands for it. It bounds the
    scale from above for the others too. A polynomial's is 1.
    """
    kinks = np.array(structure.kinks)
    beyond = np.concatenate([np.geomspace(1e-7, 0.05, 60), np.geomspace(12.0, 1e5, 80)])
    x = np.concatenate([-beyond, np.linspace(-12.0, 12.0, 481), beyond, [0.0], kinks])
    if len(kinks):  # finer next to the kinks, where pieces may vary fast
        x = np.concatenate([x, (kinks[:, None] + np.linspace(-1.0, 1.0, 41)).ravel()])
    scale = math.inf
    for side in (1, -1):
        with np.errstate(all="ignore"):
            c = np.abs(structure.derivatives(x, 48, side)) / _FACTORIALS
            low = np.isfinite(c[:10]).all(axis=0)
            scale = min(scale, _variation(x[low], c[:, low]))
            if not entire:
                high = np.isfinite(c).all(axis=0)
                scale = min(scale, _radius(x[high], c[:, high]))
    return scale if math.isfinite(scale) else 1.0


_FACTORIALS = np.array([float(math.factorial(k)) for k in range(49)])[:, None]


def _size(x: FloatArray, c: FloatArray, within: FloatArray) -> FloatArray:
    """Largest value of the function within a distance of the origin.

    By it terms are judged: what a decayed tail does, relative to itself, does not count.
    """
    distance = np.sort(np.abs(x))
    size = np.maximum.accumulate(c[0, np.argsort(np.abs(x))])
    found: FloatArray = size[np.searchsorted(distance, within, side="right") - 1]
    return found


def _variation(x: FloatArray, c: FloatArray) -> float:
    """Smallest ``r`` at which terms 7 to 9 reach the size of the function within ``r``."""
    r = np.full(x.shape, 2.0)
    for _ in range(4):
        size = _size(x, c, np.abs(x) + r)
        r = np.minimum.reduce([(size / c[k]) ** (1.0 / k) for k in (7, 8, 9)])
    return float(r[r > 0].min(initial=math.inf))


def _radius(x: FloatArray, c: FloatArray) -> float:
    """Smallest radius of convergence: where two windows of terms are equally large."""
    k = np.arange(len(c))[:, None]
    log = np.log(np.maximum(c, 1e-290))
    low, high = np.full(x.shape, -12.0), np.full(x.shape, 12.0)
    for _ in range(50):
        middle = 0.5 * (low + high)
        scaled = log + k * middle
        first, second = scaled[17:33].max(axis=0), scaled[33:49].max(axis=0)
        grows = second > first
        high, low = np.where(grows, middle, high), np.where(grows, low, middle)
    size = np.maximum(_size(x, c, np.abs(x)), 1e-250)
    seen = second > np.log(size) + math.log(1e-18)
    return float(np.exp(low[seen]).min(initial=math.inf))
