"""Fixed points of the kernel map ``K -> C_b + C_W <sigma^2>_K``, all of them.

``K^{1/2} <sigma^2>_K = int sigma^2(x) exp(-x^2/2K) dx / sqrt(2 pi)`` grows with K, so that
``chi_par >= -1/2`` at every fixed point: the map never oscillates, and stable means chi_par < 1.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from nneft.activations import Activation
from nneft.criticality.averages import averages
from nneft.criticality.checks import check_variances, checked
from nneft.criticality.correlation import CRITICAL, Correlation, correlations
from nneft.criticality.limits import tails
from nneft.criticality.roots import root_between
from nneft.criticality.table import Table, table
from nneft.errors import NumericsError
from nneft.gaussian.base import Array

#: Differences below this, relative to what they are of, have no sign.
ROUNDING = 2e-14
#: ``C_W d<sigma^2>/dK`` nearer to one than this, far out, decides nothing.
MARGINAL = 1e-8
#: By how much a slope rises in an octave if it rises without end: less than any power.
RISING = 1.05


@dataclass(frozen=True)
class FixedPoint:
    """One fixed point of the kernel map.

    Attributes
    ----------
    kernel
        ``K*``.
    chi_par, chi_perp
        ``C_W/2 <(sigma^2)''>`` and ``C_W <sigma'^2>`` there; at ``K* = 0`` the limits from above.
    stability
        "stable", "unstable", "stable from below", "stable from above", or "line" where every
        kernel is fixed.
    correlations
        The fixed points of two inputs' correlation, ascending. At ``K* = 0`` those of the limit
        ``C_b -> 0``: c = 1 alone.
    homogeneous
        Whether the activation is ReLU-like: ``sigma(k x) = k sigma(x)`` for k > 0.
    """

    kernel: float
    chi_par: float
    chi_perp: float
    stability: str
    correlations: tuple[Correlation, ...]
    homogeneous: bool = False

    @property
    def phase(self) -> str:
        """Whether close inputs merge ("ordered"), stay ("critical") or part ("chaotic").

        A ReLU-like activation multiplies lengths and distances alike: around ``K* = 0`` it is
        "exploding" or "vanishing", as in `nneft.phase_diagram`.
        """
        if abs(self.chi_perp - 1.0) <= CRITICAL:
            return "critical"
        if self.homogeneous and self.kernel == 0.0:
            return "vanishing" if self.chi_perp < 1.0 else "exploding"
        return "ordered" if self.chi_perp < 1.0 else "chaotic"

    @property
    def correlation(self) -> float:
        """``c*``: the stable one that is not negative."""
        return min(p.c for p in self.correlations if p.c >= 0.0)

    def __str__(self) -> str:
        return (
            f"K* = {self.kernel:.9g}: {self.stability}, {self.phase}, "
            f"chi_par = {self.chi_par:.7g}, chi_perp = {self.chi_perp:.7g}, "
            f"c* = {self.correlation:.7g}"
        )


@dataclass(frozen=True)
class FixedPoints:
    """All fixed points, by ascending kernel: a sequence of `FixedPoint`.

    Attributes
    ----------
    points
        Those with a finite kernel; on a line of them only ``K* = 0``.
    line
        Whether every kernel is a fixed point.
    explodes_above
        The kernel beyond which kernels grow without end; None if none up to `searched` is known
        to.
    searched
        The largest kernel that was looked at.
    reason
        Why there are so many, in words, with the value that decides.
    """

    points: tuple[FixedPoint, ...]
    line: bool
    explodes_above: float | None
    searched: float
    reason: str

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[FixedPoint]:
        return iter(self.points)

    def __getitem__(self, index: int) -> FixedPoint:
        return self.points[index]

    def __str__(self) -> str:
        return "\n".join([self.reason, *(f"  {point}" for point in self.points)])

    def reached(self, kernel: float = 1.0) -> FixedPoint | None:
        """The fixed point that kernels tend to from a first one; None where they grow for ever.

        Raises
        ------
        ValueError
            A kernel that is not positive, or beyond `searched`.
        nneft.NumericsError
            They leave the kernels that were looked at.
        """
        if not 0.0 < kernel <= self.searched or np.isinf(kernel):
            raise ValueError(
                "the kernel that flows start from must be positive and at most "
                f"{self.searched:.3g}, got {kernel:g}"
            )
        if self.line:
            return replace(self.points[0], kernel=kernel)
        below = [p for p in self.points if p.kernel <= kernel]
        # the map is monotone wherever it has fixed points: none is jumped over
        if below and (
            below[-1].kernel == kernel or below[-1].stability in ("stable", "stable from above")
        ):
            return below[-1]
        if len(below) < len(self.points):
            return self.points[len(below)]
        if self.explodes_above is None:
            raise NumericsError(
                f"from the kernel {kernel:g} kernels grow beyond {self.searched:.3g}, up to which "
                "averages are known"
            )
        return None


def fixed_points(
    activation: str | Activation | Callable[[Any], Any], C_W: float, C_b: float = 0.0
) -> FixedPoints:
    """All fixed points of the kernel of one input, and of the correlation of two.

    Parameters
    ----------
    activation
        A name, an expression, an `Activation`, or a callable on arrays.
    C_W, C_b
        Variances of weights and biases, in the convention of `nneft.conventions`.

    Returns
    -------
    FixedPoints
        Kernels to 1e-10, relative, or to what C_W given in double precision determines.

    Raises
    ------
    ValueError, TypeError
        ``C_W <= 0``, ``C_b < 0``, or an activation that is constant, discontinuous, grows too
        fast, or is none.

    Notes
    -----
    BCCZ (11) at one input; PDLT chapter 5.
    """
    sigma = checked(activation)
    w, b = check_variances(C_W, C_b)
    if sigma.slopes is not None:
        return _homogeneous(sigma, w, b)
    known = table(sigma)
    roots = _roots(sigma, known, w, b)
    points = tuple(_point(sigma, w, b, K, stability) for K, stability in roots)
    closing, opening = (bool(found[0]) for found in far_out(sigma, known, np.array([w])))
    grows = not roots or roots[-1][1] in ("unstable", "stable from below")
    explodes = (roots[-1][0] if roots else 0.0) if grows and not closing else None
    told = _told(w, b, points, explodes, known.high)
    if points and (closing if grows else opening):
        told += f"; one more lies beyond K = {known.high:.2g}, up to which averages are known"
    return FixedPoints(points, False, explodes, known.high, told)


def _point(sigma: Activation, w: float, b: float, K: float, stability: str) -> FixedPoint:
    at = averages(sigma, np.array([K]))
    chi_par, chi_perp = w * float(at.slope[0]), w * float(at.gradient[0])
    found: tuple[Correlation, ...] = (Correlation(1.0, chi_perp),)
    if K > 0.0:
        found = correlations(sigma, K, w, b, chi_perp)
    return FixedPoint(K, chi_par, chi_perp, stability, found)


def _homogeneous(sigma: Activation, w: float, b: float) -> FixedPoints:
    """``K -> C_b + C_W A_2 K``, ``A_2 = (a_-^2 + a_+^2)/2``."""
    assert sigma.slopes is not None
    chi = w * 0.5 * sum(a * a for a in sigma.slopes)
    said = f"K' = C_b + chi K with chi = C_W (a_-^2 + a_+^2)/2 = {chi:.9g}"
    one: tuple[Correlation, ...] = (Correlation(1.0, chi),)
    if abs(chi - 1.0) <= ROUNDING and b == 0.0:
        if sigma.parity == "odd":
            one = (Correlation(-1.0, chi), *one)
        line = FixedPoint(0.0, chi, chi, "line", one, homogeneous=True)
        return FixedPoints((line,), True, None, np.inf, f"{said}, C_b = 0: every kernel is fixed")
    if chi < 1.0 - ROUNDING:
        point = FixedPoint(b / (1.0 - chi), chi, chi, "stable", one, homogeneous=True)
        return FixedPoints((point,), False, None, np.inf, f"{said} < 1: one, stable")
    zero = FixedPoint(0.0, chi, chi, "unstable", one, homogeneous=True)
    points = (zero,) if b == 0.0 else ()
    which = "K* = 0 alone, unstable" if points else f"none, as C_b = {b:.6g} > 0"
    return FixedPoints(points, False, 0.0, np.inf, f"{said} >= 1: {which}; kernels grow for ever")


def _told(
    w: float, b: float, points: tuple[FixedPoint, ...], explodes: float | None, searched: float
) -> str:
    """What was found, in words."""
    if not points:
        return (
            f"none up to K = {searched:.2g}, where C_b + C_W <sigma^2>_K > K throughout, for "
            f"C_W = {w:.9g}, C_b = {b:.9g}"
        )
    listed = ", ".join(f"{p.kernel:.6g} ({p.stability})" for p in points)
    beyond = "" if explodes is None else f"; above {explodes:.6g} kernels grow for ever"
    return f"K* = {listed}{beyond}"


def growth(square: Array, kernels: Array, C_W: float | Array, C_b: float | Array) -> Array:
    """``C_b + C_W <sigma^2>_K - K``, by how much a kernel grows; 0 where rounding decides."""
    found = C_b + C_W * square - kernels
    size = C_b + C_W * square + kernels
    return np.asarray(np.where(np.abs(found) > ROUNDING * size, found, 0.0))


def _roots(sigma: Activation, known: Table, w: float, b: float) -> list[tuple[float, str]]:
    """Kernels and their stabilities, ascending."""

    def grows(K: float) -> float:
        return b + w * float(averages(sigma, np.array([K])).square[0]) - K

    turns = turning_points(sigma, known, w)
    places = np.sort(np.concatenate([[0.0], known.nodes, turns]))
    signs = np.sign(growth(known.square(places), places, w, b))
    found: list[tuple[float, str]] = []
    start = b + w * known.zero[0]
    live = np.flatnonzero(signs)
    if start == 0.0:
        first = signs[live[0]] if len(live) else 0.0
        found.append((0.0, "unstable" if first > 0.0 else "stable"))
    for i, j in pairwise(live.tolist()):
        between = [t for t in turns if places[i] < t < places[j]]
        if signs[i] != signs[j]:
            K = root_between(grows, float(places[i]), float(places[j]))
            if K is not None:
                found.append((K, "stable" if signs[i] > 0.0 else "unstable"))
        elif between:
            side = "below" if signs[i] > 0.0 else "above"
            found.append((float(between[0]), f"stable from {side}"))
    return found


def turning_points(sigma: Activation, known: Table, C_W: float) -> Array:
    """Kernels at which ``chi_par = 1``, ascending."""

    def excess(K: float) -> float:
        return C_W * float(averages(sigma, np.array([K])).slope[0]) - 1.0

    nodes = known.nodes
    values = C_W * known.slope(nodes) - 1.0
    live = np.flatnonzero(np.abs(values) > ROUNDING)
    found = [
        root_between(excess, float(nodes[i]), float(nodes[j]))
        for i, j in pairwise(live.tolist())
        if (values[i] > 0.0) != (values[j] > 0.0)
    ]
    return np.array([K for K in found if K is not None], dtype=np.float64)


def far_out(sigma: Activation, known: Table, C_W: Array) -> tuple[np.ndarray, np.ndarray]:
    """Whether kernels close in on a fixed point beyond the table, or may run away there.

    Returns
    -------
    closing, opening
        Where ``C_W d<sigma^2>/dK < 1`` at the table's end: kernels that still grow there come to a
        fixed point. Where it is above 1 in the end: kernels that still fall there do not from some
        unstable fixed point on.
    """
    slopes = tails(sigma)
    if slopes is None:
        # The table's last slope, and what it becomes: there is no limit where it still rises.
        before, last = known.slope(known.high * np.array([0.5, 1.0 - 1e-9]))
        limit = np.inf if last > RISING * before else last
    else:
        last = limit = 0.5 * sum(a * a for a in slopes)
    return C_W * last < 1.0 - MARGINAL, C_W * limit > 1.0 + MARGINAL
