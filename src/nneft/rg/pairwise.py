"""The mean kernel of the last layer between two sets of inputs, with its 1/n correction.

Every pair of inputs is its own two-input flow: nothing but the pair's own kernel and four-point
correlators enters its ``K_1``. Pairs are done a tile of the result at a time, each tile through all
layers, so that memory beyond the inputs and the result does not grow with their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.pairwise_inputs import Alone, alone
from nneft.rg.pairwise_step import first_pairs, step_pairs
from nneft.rg.reduction import COINCIDENT
from nneft.rg.step import TINY

#: Inputs along either side of a tile.
TILE = 256
#: Squared relative distance below which inner products say too little of it.
CLOSE = 1e-9
#: Numbers held at once while distances are formed one by one.
ENTRIES = 2**20


def kernel(
    network: Network, x1: ArrayLike, x2: ArrayLike | None = None, *, order: int = 1
) -> Array:
    """Mean kernel of the last layer between two sets of inputs, with its 1/n correction.

    Parameters
    ----------
    network
        Widths, activation and initialization.
    x1 : (N1, n_0) or (n_0,)
        Inputs.
    x2 : (N2, n_0) or (n_0,)
        Inputs; by default `x1`, and the result is exactly symmetric.
    order
        0: ``K_0``, the kernel at infinite width. 1: ``K_0 + K_1 / n_{L-1}``.

    Returns
    -------
    (N1, N2) float64
        ``<G^(L)>_{ab}`` to that order, biases included: ``nneft.flow(network, [x_a, x_b],
        order).mean()[-1, 0, 1]`` for every a and b.

    Raises
    ------
    ValueError, TypeError
        A wrong call: inputs of the wrong shape, an order other than 0 and 1, an activation whose
        Gaussian moments diverge.
    nneft.NumericsError
        Overflow, underflow or an accuracy that is not reached, with the layer's number.

    Notes
    -----
    BCCZ (11), (24), (25), (A.19)-(A.22). Time grows with ``N1 N2`` and the depth. Pairs are done in
    tiles of 256 x 256; beyond inputs and result that takes 0.1 GiB, with kernels that are large or
    kinks that need long series up to 1 GiB, whatever their number.

    Nearly coincident inputs of a kinked activation: where the squared distance of two fields is
    below 1e-10 of their kernel, ``K_1(ab)`` is taken as the mean of ``K_1(aa)`` and ``K_1(bb)``,
    which it differs from by a few times that distance.

    The corrected kernel is a truncated series: for networks that are narrow or deep it need not be
    positive semi-definite.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"the network must be a nneft.Network, got {type(network).__name__}; "
            "make one with nneft.Network(widths, activation, C_W, C_b)"
        )
    if isinstance(order, bool) or not isinstance(order, int):
        raise TypeError(f"order must be the integer 0 or 1, got {order!r}")
    if order not in (0, 1):
        raise ValueError(f"order must be 0 or 1, got {order}")
    rows = _inputs(network, _checked("x1", x1, network.widths[0]), order)
    same = x2 is None
    columns = rows if same else _inputs(network, _checked("x2", x2, network.widths[0]), order)
    result = np.empty((len(rows.x), len(columns.x)))
    for i in _tiles(len(rows.x)):
        for j in _tiles(len(columns.x)):
            if same and j.start < i.start:
                result[i, j] = result[j, i].T
            else:
                result[i, j] = _tile(network, rows, columns, i, j, order, same and i == j)
    if not np.all(np.isfinite(result)):
        raise NumericsError("the kernel overflows double precision at these inputs' lengths")
    return result


@dataclass(frozen=True)
class _Inputs:
    """Inputs (N, n_0), their first variances, the lengths taken out, and each one's own flow.

    ``K_ab = C_b + scale x_a.x_b`` in the first layer.
    """

    x: Array
    scale: float
    lengths: Array
    layers: tuple[Alone, ...]


def _inputs(network: Network, x: Array, order: int) -> _Inputs:
    scale, C_b = network.C_W[0] / network.widths[0], network.C_b[0]
    with np.errstate(over="ignore", under="ignore"):
        variances = C_b + scale * np.einsum("ai,ai->a", x, x)
    if not np.all(np.isfinite(variances)):
        raise ValueError(
            "the first kernel overflows double precision: the inputs are too large; scale them"
        )
    lost = (variances > 0.0) & (variances < TINY)
    lost |= (variances == 0.0) & np.any(x != 0.0, axis=1) & (scale > 0.0)
    if np.any(lost):
        raise NumericsError(
            "K_0 underflows double precision at layer 1: the inputs are too small; scale them"
        )
    lengths = np.ones(len(x))
    # Positively homogeneous without biases: lengths come out, and parallel inputs coincide.
    if network.activation.slopes is not None and not np.any(network.C_b):
        lengths = np.sqrt(variances)
        live = lengths > 0.0
        x = np.where(live[:, None], x / np.where(live, lengths, 1.0)[:, None], 0.0)
        variances = live.astype(float)
    return _Inputs(x, scale, lengths, alone(network, variances, lengths, order))


def _checked(name: str, value: ArrayLike | None, dimension: int) -> Array:
    try:
        array = np.array(value)
        if array.dtype.kind not in "fiu":
            raise TypeError
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be real numbers, one row for each input") from None
    x = np.atleast_2d(array.astype(np.float64)) if array.ndim else array.reshape(1, 1, 1)
    if x.ndim != 2 or x.shape[1] != dimension:
        raise ValueError(
            f"{name} must have shape (N, {dimension}), one row for each input, the first of the "
            f"widths being {dimension}; got shape {array.shape}"
        )
    if len(x) == 0:
        raise ValueError(f"{name} must hold at least one input, got none")
    bad = ~np.isfinite(x).all(axis=1)
    if np.any(bad):
        raise ValueError(f"{name} must be finite, but input {int(np.argmax(bad))} has NaN or inf")
    return x


def _tiles(count: int) -> Iterator[slice]:
    for start in range(0, count, TILE):
        yield slice(start, min(start + TILE, count))


def _tile(
    network: Network, rows: _Inputs, columns: _Inputs, i: slice, j: slice, order: int, same: bool
) -> Array:
    """One tile of the result; with `same` it is on the diagonal of a symmetric one."""
    layers = [_join(a, b, i, j) for a, b in zip(rows.layers, columns.layers, strict=True)]
    height = i.stop - i.start
    covariance, coincide = _first_kernel(network, rows, columns, i, j, layers[0].K_0)
    apart = ~coincide
    if same:
        apart = np.triu(apart, 1)
    first, second = np.nonzero(apart)
    places = (first, second + height)
    state = first_pairs(covariance[first, second])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for here in layers[:-1]:
            if len(first):
                state = step_pairs(network, state, here, places, order)
    last, below = layers[-1], network.widths[-2]
    # G_ab = (G_aa + G_bb - G_dd)/2, and d, the difference of the fields, is gone.
    own = 0.5 * (last.K_0 + last.K_1 / below)
    tile = own[:height, None] + own[height:]
    if len(first):
        tile[first, second] = state.K_0 + state.K_1[1] / below
    if same:
        lower = np.tril_indices(height, -1)
        tile[lower] = tile.T[lower]
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(tile * (rows.lengths[i, None] * columns.lengths[j]))


def _join(a: Alone, b: Alone, i: slice, j: slice) -> Alone:
    """The inputs of a tile: those of its rows, then those of its columns."""
    arrays = [np.concatenate([v[i], vars(b)[k][j]]) for k, v in vars(a).items() if k != "layer"]
    return Alone(a.layer, *arrays)


def _first_kernel(
    network: Network, rows: _Inputs, columns: _Inputs, i: slice, j: slice, variances: Array
) -> tuple[Array, np.ndarray]:
    """``K_ab`` of the first layer, and which pairs of inputs coincide."""
    x, y = rows.x[i], columns.x[j]
    # BCCZ (3): G^(1)_ab = C_b + C_W x_a.x_b / n_0
    covariance = network.C_b[0] + rows.scale * (x @ y.T)
    own, other = variances[: len(x), None], variances[len(x) :]
    # |phi_a - phi_b|^2 = K_aa + K_bb - 2 K_ab = C_W |x_a - x_b|^2 / n_0
    distances = np.abs(own + other - 2.0 * covariance)
    first, second = np.nonzero(distances <= CLOSE * np.maximum(own, other))
    for start in range(0, len(first), max(1, ENTRIES // x.shape[1])):
        a, b = (v[start : start + max(1, ENTRIES // x.shape[1])] for v in (first, second))
        distances[a, b] = rows.scale * np.sum((x[a] - y[b]) ** 2, axis=1)
        covariance[a, b] = 0.5 * (own[a, 0] + other[b] - distances[a, b])
    return covariance, distances <= COINCIDENT * own
