"""The phase diagram: what a grid of (C_W, C_b) does to signals and to their differences."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nneft._version import __version__
from nneft.activations import Activation
from nneft.criticality import grid as grids
from nneft.criticality.checks import MOST, checked
from nneft.criticality.chi import depth_scale
from nneft.criticality.correlation import CRITICAL
from nneft.criticality.edge import Box, Edge, edge_curve
from nneft.criticality.fixed import ROUNDING, far_out, growth
from nneft.criticality.limits import tails
from nneft.criticality.overlap import angles
from nneft.criticality.point import CriticalPoint, critical_point
from nneft.criticality.table import Table, table
from nneft.errors import NumericsError
from nneft.gaussian.base import Array

if TYPE_CHECKING:
    import xarray as xr

PHASES = ("ordered", "critical", "chaotic", "exploding", "vanishing")
ORDERED, CRITICAL_PHASE, CHAOTIC, EXPLODING, VANISHING = range(5)
#: Most points of a grid.
MOST_POINTS = 4_000_000


@dataclass(frozen=True, eq=False)
class _Fields:
    """What is known at every point of the grid; each (n_W, n_b)."""

    phase: np.ndarray
    kernel: Array
    correlation: Array
    chi_par: Array
    chi_perp: Array
    chi_c: Array
    count: np.ndarray


def phase_diagram(
    activation: str | Activation | Callable[[Any], Any],
    C_W: ArrayLike,
    C_b: ArrayLike,
    *,
    kernel: float = 1.0,
) -> "xr.Dataset":
    """Phases, fixed points and depth scales on a grid, and the edge of chaos as a curve.

    Parameters
    ----------
    activation
        A name, an expression, an `Activation`, or a callable on arrays.
    C_W, C_b
        The grid's axes: ascending, positive and not negative.
    kernel
        Where kernels start: it decides which fixed point they reach where there are several.

    Returns
    -------
    xarray.Dataset
        Over ``C_W`` and ``C_b``:

        - ``phase``: 0 ordered, 1 critical, 2 chaotic, 3 exploding, 4 vanishing (the last two for
          kernels that grow without end, and ReLU-like ones that fall to zero);
        - ``kernel`` K*, infinite where exploding; ``fixed_points``, how many there are (-1: all);
        - ``correlation`` c*, which two inputs tend to; 1 where K* = 0 (its limit ``C_b -> 0``), NaN
          where exploding, unless the activation becomes ReLU-like far out;
        - ``chi_par``, ``chi_perp`` at K*, ``chi_c`` = ``C_W <sigma'_1 sigma'_2>`` at c*;
        - ``xi_par``, ``xi_perp``, ``xi_c`` = ``-1/ln |chi|`` in layers; negative where
          perturbations grow.

        Over ``edge``, points along the edge of chaos by ascending fixed point: ``edge_kernel``,
        ``edge_C_W``, ``edge_C_b``, ``edge_chi_par``, ``edge_branch``. Attributes: the critical
        point, or why there is none.

    Raises
    ------
    ValueError, TypeError
        Axes that are empty, not ascending, not finite, ``C_W <= 0``, ``C_b < 0``; more points than
        `MOST_POINTS`; an activation without a phase diagram.
    nneft.NumericsError
        A fixed point lies at a kernel beyond those at which averages are known.
    """
    sigma = checked(activation)
    w, b = _axis("C_W", C_W, positive=True), _axis("C_b", C_b, positive=False)
    if w.size * b.size > MOST_POINTS:
        raise ValueError(
            f"a grid of {w.size} x {b.size} points is too large, at most {MOST_POINTS}; cut it up"
        )
    start = _start(kernel)
    box = Box((float(w[0]), float(w[-1])), (float(b[0]), float(b[-1])))
    if sigma.slopes is not None:
        fields, edge = _homogeneous(sigma, w, b, start), _homogeneous_edge(sigma, box)
    else:
        known = table(sigma)
        fields, edge = _fields(sigma, known, w, b, start), edge_curve(sigma, box)
    return _dataset(sigma, w, b, start, fields, edge, critical_point(sigma))


def _axis(name: str, values: ArrayLike, *, positive: bool) -> Array:
    try:
        axis = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be numbers along one axis, got {values!r}") from error
    if axis.ndim != 1 or axis.size == 0:
        raise ValueError(f"{name} must be one axis of at least one value, got shape {axis.shape}")
    if not np.all(np.isfinite(axis)):
        raise ValueError(f"{name} must be finite, got {axis[~np.isfinite(axis)][0]}")
    if positive and np.any(axis <= 0.0):
        raise ValueError(
            f"{name} must be positive, got {axis.min():g}: without weights no signal passes"
        )
    if np.any(axis > MOST):
        raise ValueError(f"{name} must be at most {MOST:g}, got {axis.max():g}: kernels overflow")
    if np.any(axis < 0.0):
        raise ValueError(f"{name} must not be negative, got {axis.min():g}: it is a variance")
    if np.any(np.diff(axis) <= 0.0):
        raise ValueError(f"{name} must be strictly ascending; sort it and drop repeated values")
    return axis


def _start(kernel: float) -> float:
    if isinstance(kernel, int | float) and isfinite(kernel) and kernel > 0:
        return float(kernel)
    raise ValueError(f"the kernel that flows start from must be positive, got {kernel!r}")


def _fields(sigma: Activation, known: Table, w: Array, b: Array, start: float) -> _Fields:
    if start >= known.high:
        raise ValueError(
            f"the kernel that flows start from must be below {known.high:.3g} for {sigma.name}, "
            f"got {start:g}"
        )
    found = grids.brackets(known, w, b, start)
    W, B = np.meshgrid(w, b, indexing="ij")
    kernel = found.low.copy()
    finite = np.isfinite(kernel) & (found.high > found.low)
    kernel[finite] = grids.solve(known, W[finite], B[finite], found.low[finite], found.high[finite])
    chi_par, chi_perp = W * known.slope(np.minimum(kernel, known.high)), np.empty_like(kernel)
    chi_perp = W * known.gradient(np.minimum(kernel, known.high))
    phase = np.where(chi_perp > 1.0, CHAOTIC, ORDERED)
    phase[np.abs(chi_perp - 1.0) <= CRITICAL] = CRITICAL_PHASE
    correlation, chi_c = np.ones_like(kernel), chi_perp.copy()
    inside = (phase == CHAOTIC) & (kernel > 0.0) & np.isfinite(kernel)
    theta, chi_c[inside] = angles(sigma, kernel[inside], W[inside])
    correlation[inside] = np.where(theta == 0.5 * np.pi, 0.0, np.cos(theta))
    closing, opening = far_out(sigma, known, W)
    top = np.array([known.high])
    beyond = np.where(growth(known.square(top), top, W, B) > 0.0, closing, opening)
    count = found.count + (beyond & np.isfinite(kernel))
    fields = _Fields(phase, kernel, correlation, chi_par, chi_perp, chi_c, count)
    _explode(sigma, known, fields, W, B, closing)
    return fields


def _explode(
    sigma: Activation, known: Table, fields: _Fields, W: Array, B: Array, closing: np.ndarray
) -> None:
    """Fill in what holds where kernels grow for ever, or beyond the table."""
    away = np.isinf(fields.kernel)
    if not np.any(away):
        return
    lost = away & closing
    if np.any(lost):
        i = np.argmax(lost)
        raise NumericsError(
            f"the fixed point of {sigma.name} at C_W = {W.flat[i]:.6g}, C_b = {B.flat[i]:.6g} lies "
            f"beyond the kernel {known.high:.3g}, up to which averages are known"
        )
    slopes = tails(sigma)
    A_2 = np.inf if slopes is None else 0.5 * sum(a * a for a in slopes)
    kinked = slopes is not None and slopes[0] != slopes[1]
    fields.phase[away] = EXPLODING
    fields.chi_par[away] = fields.chi_perp[away] = fields.chi_c[away] = W[away] * A_2
    fields.correlation[away] = 1.0 if kinked else np.nan


def _homogeneous(sigma: Activation, w: Array, b: Array, start: float) -> _Fields:
    """``K -> C_b + chi K`` with ``chi = C_W A_2``: a point, a line of them, or none."""
    assert sigma.slopes is not None
    W, B = np.meshgrid(w, b, indexing="ij")
    chi = W * 0.5 * sum(a * a for a in sigma.slopes)
    one = np.abs(chi - 1.0) <= ROUNDING
    below = (chi < 1.0) & ~one
    kernel = np.full_like(chi, np.inf)
    kernel[below] = B[below] / (1.0 - chi[below])
    line = one & (B == 0.0)
    kernel[line] = start
    phase = np.full(chi.shape, EXPLODING)
    phase[below] = np.where(B[below] > 0.0, ORDERED, VANISHING)
    phase[line] = CRITICAL_PHASE
    count = np.where(line, -1, np.where(below | (B == 0.0), 1, 0))
    # a linear activation keeps correlations where no bias makes inputs alike
    kept = (phase != ORDERED) & (sigma.slopes[0] == sigma.slopes[1])
    correlation = np.where(kept, np.nan, 1.0)
    return _Fields(phase, kernel, correlation, chi, chi.copy(), chi.copy(), count)


def _homogeneous_edge(sigma: Activation, box: Box) -> Edge:
    """``chi = 1`` at any kernel: one value of C_W, at ``C_b = 0`` alone."""
    assert sigma.slopes is not None
    w = 2.0 / sum(a * a for a in sigma.slopes)
    kernel = np.array([0.0, np.inf])
    return Edge(kernel, np.full(2, w), np.zeros(2), np.ones(2), np.zeros(2, dtype=int))


def _dataset(
    sigma: Activation,
    w: Array,
    b: Array,
    start: float,
    fields: _Fields,
    edge: Edge,
    point: CriticalPoint,
) -> "xr.Dataset":
    import xarray as xr

    axes = ("C_W", "C_b")
    flags = {"flag_values": list(range(len(PHASES))), "flag_meanings": " ".join(PHASES)}
    variables: dict[str, Any] = {
        "phase": (axes, fields.phase.astype(np.int8), flags),
        "kernel": (axes, fields.kernel, {"long_name": "K*"}),
        "fixed_points": (axes, fields.count.astype(np.int8), {"long_name": "number of K*"}),
        "correlation": (axes, fields.correlation, {"long_name": "c*"}),
    }
    for name in ("par", "perp", "c"):
        chi = getattr(fields, f"chi_{name}")
        variables[f"chi_{name}"] = (axes, chi)
        variables[f"xi_{name}"] = (axes, depth_scale(chi), {"units": "layers"})
    for name in ("kernel", "C_W", "C_b", "chi_par", "branch"):
        variables[f"edge_{name}"] = (("edge",), getattr(edge, name))
    attributes: dict[str, Any] = {
        "nneft_version": __version__,
        "kind": "phase diagram",
        "activation": sigma.name,
        "start_kernel": start,
        "universality_class": point.universality_class,
        "critical_reason": point.reason,
    }
    if point.C_W is not None and point.C_b is not None:
        attributes |= {"critical_C_W": point.C_W, "critical_C_b": point.C_b}
        if point.kernel is not None:
            attributes["critical_kernel"] = point.kernel
    return xr.Dataset(variables, coords={"C_W": w, "C_b": b}, attrs=attributes)
