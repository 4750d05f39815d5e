"""Gauss-Legendre panels on the line of preactivations, fine where the activation varies.

One mesh serves all kernels of an octave: the activation is evaluated once, and only the Gaussian's
density changes from kernel to kernel. Panels are bisected until the activation is resolved, so that
a tail that is a straight line costs nothing, however large the kernel.
"""

from functools import lru_cache
from math import sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.gaussian.panels import legendre
from nneft.gaussian.roots import reach

#: Nodes of a panel.
NODES = 16
#: A panel is resolved when its last Legendre coefficients are below this, relative to its largest.
RESOLVED, LAST = 1e-13, 4
#: Longest panel in standard deviations: sixteen nodes integrate the density on it to rounding.
LONGEST = 2.0
#: Natural logarithm of what is left out of the Gaussian.
DIGITS = 37.0
#: Where sigma is 0 up to so many standard deviations, the Gaussian has ended before it starts.
SILENT = 38.0
#: Within this distance of the origin nothing is taken on trust, beyond it panels grow.
NEAR = 32.0
#: Scale below which an activation is steep.
STEEP = 0.5
#: Most panels of a mesh.
MOST_PANELS = 6_000


def nodes(
    activation: Activation, low: float, high: float, extra: Array | None = None
) -> tuple[Array, Array]:
    """Nodes, ascending, and weights, (n,) each, for Gaussians of variances from `low` to `high`.

    Panels also end at the places in `extra`.

    Raises
    ------
    ValueError
        Moments of the activation's square diverge.
    nneft.NumericsError
        They need more panels than `MOST_PANELS`.
    """
    furthest = _furthest(activation, sqrt(high))
    edges = np.array(_edges(activation, float(2.0 ** np.ceil(np.log2(furthest)))))
    if extra is not None and len(extra):
        edges = np.unique(np.concatenate([edges, extra]))
    inside = edges[np.abs(edges) < furthest]
    edges = np.concatenate([[-furthest], inside, [furthest]])
    count = np.ceil(np.diff(edges) / (LONGEST * sqrt(low))).astype(int)
    if count.sum() > MOST_PANELS:
        raise _too_many(activation, high)
    start, width = np.repeat(edges[:-1], count), np.repeat(np.diff(edges) / count, count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    points, weights = legendre(NODES)
    half = 0.5 * width
    x = (start + width * within + half)[:, None] + half[:, None] * points
    return x.ravel(), (half[:, None] * weights).ravel()


def _furthest(activation: Activation, deviation: float) -> float:
    """Where the Gaussian of that standard deviation ends, as far as sigma lets it."""
    near = deviation * np.linspace(-SILENT, SILENT, 97)
    with np.errstate(all="ignore"):
        silent = not np.any(activation(near))
    if silent:  # and beyond its first kink sigma weighs nothing
        return sqrt(2.0 * DIGITS) * deviation
    return reach(activation, deviation, 2, DIGITS) * deviation


def _too_many(activation: Activation, kernel: float) -> NumericsError:
    return NumericsError(
        f"the kernel {kernel:.3g} is too large for {activation.name}, which varies over a length "
        f"of {activation.scale:.3g} however far out: more than {MOST_PANELS} panels would be needed"
    )


@lru_cache(maxsize=512)
def _edges(activation: Activation, furthest: float) -> tuple[float, ...]:
    """Ends of panels that resolve the activation, kinks among them."""
    edges = {-furthest, 0.0, furthest, *(k for k in activation.kinks if abs(k) < furthest)}
    # steep activations start from wider panels, which `_seen` then looks at closely
    step = min(2.0, activation.scale if activation.scale > STEEP else 32.0 * activation.scale)
    near = np.arange(0.0, min(NEAR, furthest), step)
    far = NEAR * 2.0 ** np.arange(0.0, max(0.0, np.log2(furthest / NEAR)), 0.5)
    for x in (near, far[far < furthest]):
        edges |= {*x.tolist(), *(-x).tolist()}
    todo = np.array(sorted(edges))
    low, high = todo[:-1], todo[1:]
    done: list[Array] = []
    while len(low):
        fine = _resolved(activation, low, high)
        if activation.scale <= STEEP:
            wide = fine & (high - low > 2.0 * activation.scale) & (np.abs(low) < NEAR)
            fine[wide] = _seen(activation, low[wide], high[wide])
        fine |= high - low < 1e-9 * activation.scale
        done.append(low[fine])
        low, high = low[~fine], high[~fine]
        middle = 0.5 * (low + high)
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        if sum(map(len, done)) + len(low) > MOST_PANELS:
            raise _too_many(activation, furthest**2)
    return (*np.sort(np.concatenate(done)).tolist(), furthest)


def _resolved(activation: Activation, low: Array, high: Array) -> np.ndarray:
    points, weights = legendre(NODES)
    half = 0.5 * (high - low)[:, None]
    x = 0.5 * (low + high)[:, None] + half * points
    with np.errstate(all="ignore"):
        values = np.asarray(activation(x), dtype=np.float64)
        # overflows lie where no Gaussian reaches
        finite = np.isfinite(values).all(axis=1)
        # c_n = (n + 1/2) int sigma P_n
        basis = np.polynomial.legendre.legvander(points, NODES - 1) * weights[:, None]
        size = np.abs(values @ basis * (np.arange(NODES) + 0.5))
        inner = np.minimum(np.abs(low), np.abs(high))
        against = np.maximum(size.max(axis=1), _largest_within(activation, inner))
        return np.asarray(~finite | (size[:, -LAST:].max(axis=1) <= RESOLVED * against))


def _seen(activation: Activation, low: Array, high: Array) -> np.ndarray:
    """Whether a straight line, which a resolved panel looks like, is one everywhere in between."""
    t = np.linspace(0.0, 1.0, 97)
    with np.errstate(all="ignore"):
        values = np.asarray(activation(low[:, None] + (high - low)[:, None] * t))
    bend = np.abs(np.diff(values, 2, axis=1)).max(axis=1)
    return np.asarray(bend <= 1e-12 * np.abs(values).max(axis=1))


def _largest_within(activation: Activation, distance: Array) -> Array:
    """Largest ``|sigma|`` nearer to the origin: by it a tail that decays is judged."""
    x, largest = _growth(activation)
    return largest[np.searchsorted(x, distance, side="right")]


@lru_cache(maxsize=64)
def _growth(activation: Activation) -> tuple[Array, Array]:
    x = 2.0 ** np.arange(-60.0, 60.0, 0.125)
    with np.errstate(all="ignore"):
        values = np.maximum(np.abs(activation(x)), np.abs(activation(-x)))
    running = np.maximum.accumulate(np.where(np.isfinite(values), values, 0.0))
    return x, np.concatenate([[0.0], running])
