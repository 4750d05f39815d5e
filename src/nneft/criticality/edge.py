"""The edge of chaos, ``chi_perp = 1`` at a fixed point, as a curve.

Its parameter is the fixed point itself, so that nothing has to be solved and no branch is missed:

    C_W(K) = 1 / <sigma'^2>_K ,   C_b(K) = K - C_W(K) <sigma^2>_K ,   wherever C_b(K) >= 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.criticality.averages import averages
from nneft.criticality.fixed import ROUNDING
from nneft.criticality.roots import root_between
from nneft.criticality.table import Table, table
from nneft.gaussian.base import Array

#: Points are put in until neighbours are nearer than this fraction of the box, so many times.
STEP, ROUNDS = 1.0 / 128.0, 14


@dataclass(frozen=True, eq=False, repr=False)
class Edge:
    """Points of the edge of chaos by ascending fixed point; each (n,).

    Attributes
    ----------
    kernel
        ``K*``.
    C_W, C_b
        Where it is the fixed point with ``chi_perp = 1``.
    chi_par
        ``C_W/2 <(sigma^2)''>`` there; above 1 the fixed point is unstable.
    branch
        Number of the piece of the curve: between pieces ``C_b`` would be negative.
    """

    kernel: Array
    C_W: Array
    C_b: Array
    chi_par: Array
    branch: np.ndarray

    def __len__(self) -> int:
        return len(self.kernel)

    def __repr__(self) -> str:
        if not len(self):
            return "Edge(empty)"
        ends = [
            f"C_W={self.C_W[i]:.6g}, C_b={self.C_b[i]:.6g}, kernel={self.kernel[i]:.6g}"
            for i in (0, -1)
        ]
        return f"Edge({len(self)} points, from {ends[0]} to {ends[1]})"


class Box(NamedTuple):
    """A region of the plane of (C_W, C_b)."""

    C_W: tuple[float, float]
    C_b: tuple[float, float]


def edge_curve(activation: Activation, box: Box | None = None) -> Edge:
    """The curve, in a box with one point outside at either end, or as far as averages are known."""
    known = table(activation)
    kernels = known.trusted
    if known.zero[0] == 0.0 and known.zero[1] > 0.0:
        kernels = np.concatenate([[0.0], kernels])
    kernels, branch = _with_ends(activation, known, kernels)
    if box is not None:
        kernels, branch = _fill(known, kernels, branch, box)
    w, b = _curve(known, kernels)
    return Edge(kernels, w, np.maximum(b, 0.0), w * known.slope(kernels), branch)


def _curve(known: Table, kernels: Array) -> tuple[Array, Array]:
    with np.errstate(divide="ignore"):
        w = 1.0 / known.gradient(kernels)
        square = known.square(kernels)
        b = kernels - w * square
    return w, np.where(np.abs(b) <= ROUNDING * (kernels + w * square), 0.0, b)


def _with_ends(activation: Activation, known: Table, kernels: Array) -> tuple[Array, np.ndarray]:
    """Kernels with ``C_b >= 0``, the zeros of C_b among them, and the numbers of their pieces."""

    def bias(K: float) -> float:
        at = averages(activation, np.array([K]))
        return K - float(at.square[0] / at.gradient[0])

    _, b = _curve(known, kernels)
    # where large kernels cancel to rounding nothing is known of C_b
    told = np.flatnonzero(b)
    kernels, b = (part[: told[-1] + 1 if len(told) else None] for part in (kernels, b))
    allowed = b >= 0.0
    flips = np.flatnonzero(allowed[1:] != allowed[:-1])
    zeros = [_zero(bias, kernels[i], kernels[i + 1]) for i in flips]
    # a kernel belongs to the piece that starts with the last flip before it
    number = np.concatenate([[0], np.cumsum(allowed[1:] != allowed[:-1])])
    ends = [number[i] if allowed[i] else number[i + 1] for i in flips]
    places = np.concatenate([kernels[allowed], zeros])
    pieces = np.concatenate([number[allowed], ends]).astype(int)
    order = np.argsort(places, kind="stable")
    _, renumbered = np.unique(pieces[order], return_inverse=True)
    return np.asarray(places[order], dtype=np.float64), renumbered


def _zero(bias: Callable[[float], float], low: float, high: float) -> float:
    if low == 0.0:
        return high
    found = root_between(bias, low, high)
    return high if found is None else found  # rounding decides: either end will do


def _fill(known: Table, kernels: Array, branch: np.ndarray, box: Box) -> tuple[Array, np.ndarray]:
    """More points where the curve runs through the box, and none elsewhere."""
    for _ in range(ROUNDS):
        x, y = _scaled(known, kernels, box)
        far = np.hypot(np.diff(x), np.diff(y)) > STEP
        near = _near(x, y)
        wide = np.flatnonzero(far & (near[1:] | near[:-1]) & (branch[1:] == branch[:-1]))
        wide = wide[kernels[wide] > 0.0]
        if not len(wide):
            break
        middle = np.sqrt(kernels[wide] * kernels[wide + 1])
        kernels = np.insert(kernels, wide + 1, middle)
        branch = np.insert(branch, wide + 1, branch[wide])
    x, y = _scaled(known, kernels, box)
    near = _near(x, y)
    keep = near.copy()
    keep[1:] |= near[:-1]
    keep[:-1] |= near[1:]
    # of points that crowd where K -> 0 or infinity a few are enough
    step = np.hypot(np.diff(x, prepend=np.inf), np.diff(y, prepend=np.inf))
    ends = np.flatnonzero(np.diff(branch, prepend=-1) | np.diff(branch, append=-1))
    crowd = np.floor(np.cumsum(np.where(np.isfinite(step), step, 1.0)) / (0.25 * STEP))
    thin = np.diff(crowd, prepend=-1.0) > 0.0
    thin[ends] = True
    keep &= thin
    _, renumbered = np.unique(branch[keep], return_inverse=True)
    return kernels[keep], renumbered


def _scaled(known: Table, kernels: Array, box: Box) -> tuple[Array, Array]:
    w, b = _curve(known, kernels)
    found = []
    for value, (low, high) in ((w, box.C_W), (b, box.C_b)):
        width = (high - low) or max(abs(high), 1.0)
        found.append((np.minimum(value, 1e300) - low) / width)
    return found[0], found[1]


def _near(x: Array, y: Array) -> np.ndarray:
    return np.asarray((x >= -STEP) & (x <= 1.0 + STEP) & (y >= -STEP) & (y <= 1.0 + STEP))
