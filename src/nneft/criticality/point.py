"""Critical points: where kernels neither grow nor shrink, and close inputs neither merge nor part.

Both ``chi_par = 1`` and ``chi_perp = 1`` at a fixed point: BCCZ (31) for close inputs, PDLT 5.
They differ by ``C_W <sigma sigma''>``, so K* is a zero of that, or 0:

- *scale-invariant*: ``sigma sigma'' = 0`` everywhere; every K* is fixed;
- *at zero*: ``sigma(0) = 0``, ``C_b = 0``, ``C_W = 1/A_2``, smooth or *with a kink* at the origin;
- *half-stable*: ``<sigma sigma''>_K* = 0`` at ``K* > 0``;
- *half-stable line*: ``<sigma sigma''>_K = 0`` at every K, as sigma bends only where it is 0 (a
  shifted ReLU): all of the edge of chaos is critical.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from nneft.activations import Activation
from nneft.criticality import compromise as best
from nneft.criticality import words
from nneft.criticality.averages import averages, gradient_slope
from nneft.criticality.checks import checked
from nneft.criticality.compromise import Compromise
from nneft.criticality.edge import Edge, edge_curve
from nneft.criticality.exponents import exponents_of
from nneft.criticality.fixed import growth
from nneft.criticality.limits import Origin, origin
from nneft.criticality.roots import root_between
from nneft.criticality.table import ROUNDING, Table, table
from nneft.gaussian import expectations

SCALE_INVARIANT = "scale-invariant"
ZERO = "K*=0"
ZERO_KINKED = "K*=0 with a kink"
HALF_STABLE = "half-stable"
HALF_STABLE_LINE = "half-stable line"
NONE = "none"

#: Which of several critical points is the main one.
PREFERRED = ("stable", "stable from below", "stable from above", "unstable")
#: A line stands for itself where ``<sigma'^2>`` is above this fraction of its largest.
FAINT = 1e-2


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """Where an activation is critical, or that it is nowhere, and why.

    Attributes
    ----------
    activation
        Its name.
    universality_class
        "scale-invariant", "K*=0", "K*=0 with a kink", "half-stable", "half-stable line" or "none".
    C_W, C_b
        None where there is no critical point. Of a line of them, those of one point: that with
        ``K* = 1``, or the nearest to it with ``C_b >= 0`` and a ``<sigma'^2>`` that is not faint.
    kernel
        ``K*``; None where there is none, or where every kernel is fixed ("scale-invariant").
    stability
        "stable": kernels nearby tend to K*; "unstable"; "stable from below" or "stable from
        above"; "line"; None where there is no critical point.
    chi_par, chi_perp
        At K*: 1 and 1.
    coefficients
        First coefficients of the kernel map. ``A_2``, ``A_4`` of the slopes at (or, where
        scale-invariant, everywhere off) the origin; at K*=0 ``a_1``, ``b_1``, or with a kink ``c``;
        half-stable ``curvature`` of ``K' - K* = curvature (K - K*)^2``.
    exponents
        Powers of the depth, see `nneft.criticality.exponents`.
    alternatives
        The other critical points, each with its own stability.
    reason
        What decides, in words: always there, and why not where there is none.
    edge
        Of a "half-stable line" all of its critical points. Where there is none: the line
        ``chi_perp = 1``, empty if it needs ``C_b < 0`` everywhere.
    compromise
        Where there is none: the best that can be had instead.
    """

    activation: str
    universality_class: str
    C_W: float | None
    C_b: float | None
    kernel: float | None
    stability: str | None
    reason: str
    chi_par: float | None = None
    chi_perp: float | None = None
    coefficients: dict[str, float] = field(default_factory=dict)
    exponents: dict[str, float] = field(default_factory=dict)
    alternatives: tuple["CriticalPoint", ...] = ()
    edge: Edge | None = field(default=None, repr=False)
    compromise: Compromise | None = None

    def __str__(self) -> str:
        return "\n".join(words.told(self))


def critical_point(activation: str | Activation | Callable[[Any], Any]) -> CriticalPoint:
    """The critical initialization of an activation, and its universality class.

    Parameters
    ----------
    activation
        A name, an expression, an `Activation`, or a callable on arrays.

    Returns
    -------
    CriticalPoint
        The most stable one; the others in ``alternatives``. ``C_W``, ``C_b``, K* to 1e-10.

    Raises
    ------
    ValueError, TypeError
        The activation is constant, discontinuous, grows too fast, random, or none.

    Notes
    -----
    PDLT chapter 5, BCCZ (31); the class with a kink at K*=0 (ELU, SELU) is in neither.
    """
    sigma = checked(activation)
    if sigma.slopes is not None:
        return _scale_invariant(sigma)
    known, expansion = table(sigma), origin(sigma)
    line = not np.any(known.signed(known.trusted))
    half, refused = (_line(sigma, known), []) if line else _half_stable(sigma, known)
    zero = _at_zero(sigma, known, expansion)
    found = [*half, *zero]
    if not found:
        return _none(sigma, known, expansion, refused)
    found.sort(key=lambda point: PREFERRED.index(str(point.stability)))
    return replace(found[0], alternatives=tuple(found[1:]))


def _scale_invariant(sigma: Activation) -> CriticalPoint:
    at = origin(sigma)
    return CriticalPoint(
        sigma.name,
        SCALE_INVARIANT,
        1.0 / at.A_2,
        0.0,
        None,
        "line",
        f"sigma(x) = a_(sign x) x with slopes {at.slopes[0]:g}, {at.slopes[1]:g}: at "
        "C_W = 2/(a_-^2 + a_+^2) every kernel is fixed",
        1.0,
        1.0,
        {"A_2": at.A_2, "A_4": at.A_4},
        exponents_of(SCALE_INVARIANT, at),
    )


def _at_zero(sigma: Activation, known: Table, at: Origin) -> list[CriticalPoint]:
    """``K* = 0``, if sigma vanishes there and its slope does not."""
    if at.value != 0.0 or at.A_2 == 0.0:
        return []
    kinked = at.c != 0.0 or at.slopes[0] != at.slopes[1]
    if at.c != 0.0:
        sign, law = -at.c, f"K' = K - c K^(3/2) with c = {at.c:.6g}"
    elif at.a_1 != 0.0:
        sign, law = at.a_1, f"K' = K + a_1 K^2 with a_1 = {at.a_1:.6g}"
    else:
        nodes = known.nodes
        signs = np.sign(growth(known.square(nodes), nodes, 1.0 / at.A_2, 0.0))
        sign = float(signs[np.flatnonzero(signs)[0]]) if np.any(signs) else 0.0
        law = f"a_1 = 0, and higher orders make K {'grow' if sign > 0 else 'shrink'}"
    coefficients = {"A_2": at.A_2, "A_4": at.A_4}
    coefficients |= {"c": at.c} if at.c != 0.0 else {"a_1": at.a_1, "b_1": at.b_1}
    name = ZERO_KINKED if kinked else ZERO
    return [
        CriticalPoint(
            sigma.name,
            name,
            1.0 / at.A_2,
            0.0,
            0.0,
            "stable" if sign < 0.0 else "unstable",
            f"sigma(0) = 0: at C_b = 0, C_W = {1.0 / at.A_2:.9g} {law}",
            1.0,
            1.0,
            coefficients,
            exponents_of(name, at) if sign < 0.0 else {},
        )
    ]


def _half_stable(
    sigma: Activation, known: Table
) -> tuple[list[CriticalPoint], list[tuple[float, float, float]]]:
    """Zeros of ``<sigma sigma''>`` with ``C_b >= 0``; and (K*, C_W, C_b) of those without."""

    def curvature(K: float) -> float:
        return float(averages(sigma, np.array([K])).curvature[0])

    nodes = known.trusted
    values = known.curvature(nodes)
    live = np.flatnonzero(known.signed(nodes))
    found, refused = [], []
    for i, j in pairwise(live.tolist()):
        if values[i] * values[j] < 0.0:
            K = root_between(curvature, float(nodes[i]), float(nodes[j]))
            if K is None:
                continue
            at = averages(sigma, np.array([K]))
            w = 1.0 / float(at.gradient[0])
            b = K - w * float(at.square[0])
            if b < -ROUNDING * K:
                refused.append((K, w, b))
            else:
                found.append(_half(sigma, K, w, max(b, 0.0), w * float(at.slope[0])))
    return found, refused


def _half(sigma: Activation, K: float, w: float, b: float, chi_par: float) -> CriticalPoint:
    # K' - K* = (C_W/2) d^2<sigma^2>/dK^2 (K - K*)^2,  d^2<f>/dK^2 = <f''''>/4
    [[fourth]] = expectations.singles(sigma, np.array([K]), [((2,), (4,))]).values
    bend = w * float(fourth) / 8.0
    side = "below" if bend > 0.0 else "above"
    return CriticalPoint(
        sigma.name,
        HALF_STABLE,
        w,
        b,
        K,
        f"stable from {side}",
        f"<sigma sigma''> = 0 at K* = {K:.9g}, with C_b = {b:.9g} >= 0: kernels "
        f"{side} K* tend to it, those on the other side leave",
        chi_par,
        1.0,
        {"curvature": bend},
        exponents_of(HALF_STABLE, None),
    )


def _line(sigma: Activation, known: Table) -> list[CriticalPoint]:
    """One point of a line of them, the nearest to ``K* = 1``; none where all need ``C_b < 0``."""
    edge = edge_curve(sigma)
    kernels = edge.kernel[edge.kernel > 0.0]
    if not len(kernels):
        return []
    gradient = known.gradient(kernels)
    kernels = kernels[gradient > FAINT * gradient.max()]
    K = float(kernels[np.argmin(np.abs(np.log(kernels)))])
    at = averages(sigma, np.array([K]))
    w = 1.0 / float(at.gradient[0])
    b = max(K - w * float(at.square[0]), 0.0)
    # K' - K* = (C_W/2) d<sigma'^2>/dK (K - K*)^2, as d<sigma^2>/dK = <sigma'^2> at every K
    bend = 0.5 * w * gradient_slope(sigma, K)
    side = "below" if bend > 0.0 else "above"
    which = (
        "K* = 1"
        if K == 1.0
        else f"K* = {K:.9g}, the nearest to 1 with C_b >= 0 and a <sigma'^2> above {FAINT:.0%} of "
        "its largest"
    )
    return [
        CriticalPoint(
            sigma.name,
            HALF_STABLE_LINE,
            w,
            b,
            K,
            f"stable from {side}",
            "<sigma sigma''>_K = 0 at every K, as sigma bends only where it is 0: chi_par = "
            "chi_perp, and every point of the edge of chaos is critical; this one has "
            f"{which}, where kernels {side} K* tend to it and those on the other side leave",
            w * float(at.slope[0]),
            1.0,
            {"curvature": bend},
            exponents_of(HALF_STABLE, None),
            edge=edge,
        )
    ]


def _none(
    sigma: Activation, known: Table, at: Origin, refused: list[tuple[float, float, float]]
) -> CriticalPoint:
    edge = edge_curve(sigma)
    return CriticalPoint(
        sigma.name,
        NONE,
        None,
        None,
        None,
        None,
        _why_none(known, at, refused),
        edge=edge,
        compromise=best.compromise(sigma, known),
    )


def _why_none(known: Table, at: Origin, refused: list[tuple[float, float, float]]) -> str:
    if at.value != 0.0:
        first = f"sigma(0) = {at.value:.6g} is not 0, so K* = 0 is no fixed point"
    else:
        first = "sigma'(0) = 0, so at K* = 0 no C_W makes chi_perp = 1"
    if refused:
        K, w, b = refused[0]
        return (
            f"{first}; <sigma sigma''> = 0 at K* = {K:.6g}, but there C_W = {w:.6g} would need "
            f"C_b = {b:.6g} < 0"
        )
    nodes = known.trusted
    live = (known.curvature(nodes) / known.gradient(nodes))[known.signed(nodes)]
    if not len(live):
        one = np.ones(1)
        bias = 1.0 - float((known.square(one) / known.gradient(one))[0])
        return (
            f"{first}; <sigma sigma''>_K = 0 at every K, so that chi_par = chi_perp, but both are "
            f"1 only where C_b < 0: at K* = 1 with C_b = {bias:.6g}"
        )
    sign = "positive" if live[0] > 0.0 else "negative"
    nearest = np.min(np.abs(live))
    return (
        f"{first}; and <sigma sigma''>_K is {sign} at every K up to {known.high:.2g} (nearest to "
        f"zero {nearest:.2g} <sigma'^2>), so chi_par and chi_perp are never equal"
    )
