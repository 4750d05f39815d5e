"""Critical points in words and numbers, line by line."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nneft.criticality.edge import Edge
    from nneft.criticality.point import CriticalPoint

#: What kernels near K* do there, by stability.
STABILITIES = {
    "stable": "kernels nearby tend to K*",
    "unstable": "kernels nearby leave K*",
    "stable from below": "kernels below K* tend to it, those above leave",
    "stable from above": "kernels above K* tend to it, those below leave",
    "line": "every kernel stays as it is",
}


def verdict(point: CriticalPoint) -> str:
    """Where it is critical, in one sentence."""
    if point.C_W is None or point.C_b is None:
        return f"{point.activation} has no critical point."
    assert point.stability is not None
    kernel = "" if point.kernel is None else f" with K* = {point.kernel:.9g}"
    if point.universality_class == "half-stable line":
        return (
            f"{point.activation} is critical all along its edge of chaos, for one at C_W = "
            f"{point.C_W:.9g}, C_b = {point.C_b:.9g}{kernel}: {STABILITIES[point.stability]}."
        )
    return (
        f"{point.activation} is critical at C_W = {point.C_W:.9g}, C_b = {point.C_b:.9g}{kernel}: "
        f"{STABILITIES[point.stability]}."
    )


def advice(point: CriticalPoint) -> list[str]:
    """How to draw weights; or what to do instead."""
    if point.C_W is not None and point.C_b is not None:
        biases = "biases 0" if point.C_b == 0.0 else f"biases with {sqrt(point.C_b):.6g}"
        return [
            f"Draw weights with standard deviation {sqrt(point.C_W):.6g}/sqrt(fan_in), {biases}."
        ]
    best = point.compromise
    if best is None:
        return []
    if not isfinite(best.kernel):
        return [
            f"The nearest to it: C_W -> {best.C_W:.6g} from below, C_b = {best.C_b:.6g}, where "
            "chi_par and chi_perp tend to 1 as kernels grow."
        ]
    long = f"some {1.0 / best.measure:.2g} layers" if best.measure else "any number of layers"
    return [
        f"The best compromise: C_W = {best.C_W:.6g}, C_b = {best.C_b:.6g}, where signals and "
        f"their differences survive {long}."
    ]


def rows(point: CriticalPoint) -> list[tuple[str, str]]:
    """What is known of it, by name."""
    found = [("class", point.universality_class), ("because", point.reason)]
    if point.C_W is not None and point.C_b is not None:
        kernel = "any" if point.kernel is None else f"{point.kernel:.10g}"
        found += [("C_W", f"{point.C_W:.10g}"), ("C_b", f"{point.C_b:.10g}"), ("K*", kernel)]
        found += [("stability", str(point.stability))]
        found += [("chi_par", f"{point.chi_par:.10g}"), ("chi_perp", f"{point.chi_perp:.10g}")]
    found += [(name, f"{value:.10g}") for name, value in point.coefficients.items()]
    if point.exponents:
        powers = ", ".join(f"{name} {power:+.6g}" for name, power in point.exponents.items())
        late = _late(point)
        found += [("powers of depth", powers), *([("which set in", late)] if late else [])]
    for other in point.alternatives:
        said = f"C_W = {other.C_W:.10g}, C_b = {other.C_b:.10g}, K* = {other.kernel:.10g}, class"
        found += [("critical too", f"{said} {other.universality_class}, {other.stability}")]
    if point.edge is not None:
        found += [("edge of chaos", _edge(point.edge))]
    best = point.compromise
    if best is not None:
        said = f"C_W = {best.C_W:.10g}, C_b = {best.C_b:.10g}, K* = {best.kernel:.10g}, "
        said += f"chi_par = {best.chi_par:.7g}, chi_perp = {best.chi_perp:.7g}; "
        said += f"max |ln chi| = {best.measure:.4g} is least there"
        found += [("compromise", said)]
    return found


def _late(point: CriticalPoint) -> str:
    """From which layer on the powers hold, where that is late: at half-stable points.

    With ``K' - K* = a (K - K*)^2`` a distance d becomes ``1/(1/d + |a| l)`` after l layers: its
    power of l is -1 to ten per cent from ``l = 10/(|a| d)`` on.
    """
    bend = abs(point.coefficients.get("curvature", 0.0))
    if not bend or not point.kernel:
        return ""
    layers = float(f"{10.0 / (bend * point.kernel):.0e}")
    return (
        f"late: to ten per cent from some {layers:,.0f} layers on where K_0 starts as far off K* "
        "as K* is large, nearer to it later"
    )


def _edge(edge: Edge) -> str:
    if not len(edge):
        return "chi_perp = 1 needs C_b < 0 at every K*"
    first = f"C_W = {edge.C_W[0]:.6g}, C_b = {edge.C_b[0]:.6g}"
    last = f"C_W = {edge.C_W[-1]:.3g}, C_b = {edge.C_b[-1]:.3g}"
    return f"chi_perp = 1 from {first} (K* = {edge.kernel[0]:.6g}) to {last}; nneft phase draws it"


def told(point: CriticalPoint) -> list[str]:
    """All of it: verdict, advice, and what is known by name."""
    return [
        verdict(point),
        *advice(point),
        "",
        *(f"  {name:<17}{value}" for name, value in rows(point)),
    ]
