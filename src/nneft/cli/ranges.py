"""Axes of a phase diagram: what users type, and a sensible box where they type nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nneft.activations import Activation
    from nneft.criticality import CriticalPoint, Edge

Axis = NDArray[np.float64]
#: Points along an axis, and the most that are accepted.
POINTS, MOST = 200, 100_000
#: How far to the right of what is of interest a box reaches.
BOUNDED, LINEAR = 4.0, 1.25


def axis(option: str, text: str) -> Axis:
    """``"0:1:50"``, first, last and number; ``"0:1"``; or values ``"0,0.1,0.5"``.

    Raises
    ------
    ValueError
        Anything else.
    """
    wanted = f"{option}: wanted first:last:number, such as 0.1:4:200, or values 0.1,0.5,1"
    parts = text.split(":")
    try:
        if len(parts) == 1:
            return np.array([float(entry) for entry in text.split(",")])
        first, last = float(parts[0]), float(parts[1])
        count = int(parts[2]) if len(parts) > 2 else POINTS
    except ValueError:
        raise ValueError(f"{wanted}, got {text!r}") from None
    if len(parts) > 3 or not (np.isfinite(first) and np.isfinite(last)):
        raise ValueError(f"{wanted}, got {text!r}")
    if not 2 <= count <= MOST or not first < last:
        raise ValueError(f"{wanted}, with first < last and 2 to {MOST} values, got {text!r}")
    return np.linspace(first, last, count)


def default_axes(sigma: Activation, point: CriticalPoint) -> tuple[Axis, Axis]:
    """C_W and C_b over what an activation has to show, its critical point among it.

    C_W goes beyond where kernels explode if sigma grows linearly, else to a multiple of the
    critical C_W or of where the edge of chaos starts.
    """
    from nneft.criticality.edge import edge_curve
    from nneft.criticality.limits import tails

    slopes = tails(sigma)
    best, bias = point.C_W, point.C_b or 0.0
    if point.compromise is not None:
        best, bias = point.compromise.C_W, point.compromise.C_b
    assert best is not None
    top = max(1.0, 2.0 * bias)
    if slopes is not None and any(slopes):
        explodes = 2.0 / sum(a * a for a in slopes)
        return _box(LINEAR * max(explodes, best), top)
    edge = edge_curve(sigma)
    if slopes is not None and len(edge) and edge.C_b[0] == 0.0:
        best = float(edge.C_W[0])
        top = _leaves(edge, 0.8 * BOUNDED * best) or top
    return _box(BOUNDED * best, top)


def _leaves(edge: Edge, C_W: float) -> float | None:
    """C_b where the edge, on its way to the right, reaches a C_W."""
    beyond = np.flatnonzero(edge.C_W >= C_W)
    if not len(beyond) or beyond[0] == 0:
        return None
    here = slice(beyond[0] - 1, beyond[0] + 1)
    return float(np.interp(C_W, edge.C_W[here], edge.C_b[here]))


def _box(right: float, top: float) -> tuple[Axis, Axis]:
    right, top = _round(right), _round(top)
    return right * np.arange(1, POINTS + 1) / POINTS, top * np.arange(POINTS) / (POINTS - 1)


def _round(value: float) -> float:
    """Up, to two digits."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    digits = next(n for n in range(10, 102) if n >= value / unit * (1 - 1e-9))
    return float(f"{digits * unit:.2g}")
