"""C_W and C_b of one layer after the other, so that the mean kernel is as wanted at each.

Given the layers before, ``<G^(l)_ab> = C_b + C_W m_ab`` with ``m_ab = E[sigma_a sigma_b]`` over
neurons and networks, to first order in 1/n. That is linear: one input has C_b kept and one C_W, two
inputs of equal length both, and more have the least squares with ``C_W, C_b >= 0``.
"""

import numpy as np
from scipy.optimize import nnls

from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.reduction import reduce_inputs
from nneft.rg.state import LayerState
from nneft.rg.step import first_state, step
from nneft.tuning.profile import sizes


def solve_layers(network: Network, kernel: Array, goal: Array) -> Network:
    """The network with ``<G^(l)>`` nearest to ``goal`` (L, N, N) at each of layers 2..L in turn.

    Raises
    ------
    ValueError
        A layer where only ``C_W = 0`` would do.
    nneft.NumericsError
        As of the flow.
    """
    # With biases no lengths are taken out: only coincident inputs become one.
    biased = Network(network.widths, network.activation, 1.0, 1.0)
    reduction = reduce_inputs(biased, kernel)
    first = [int(np.argmax(reduction.of == a)) for a in range(len(reduction.kernel))]
    wanted = goal[:, first][:, :, first]
    C_W, C_b = network.C_W.copy(), network.C_b.copy()
    unit = Network(network.widths, network.activation, 1.0)
    state = first_state(reduction.kernel, 1)
    for l in range(1, network.depth):
        moments = _mean(step(state, unit), network)
        C_W[l], C_b[l] = _solved(moments, wanted[l], float(network.C_b[l]), l + 1)
        state = step(state, Network(network.widths, network.activation, C_W, C_b))
    return Network(network.widths, network.activation, C_W, C_b)


def _mean(state: LayerState, network: Network) -> Array:
    """(P,) ``K_0 + K_1/n_{l-1}``."""
    mean: Array = state.K[0] + state.K[1] / network.widths[state.layer - 1]
    return mean


def _solved(moments: Array, goal: Array, bias: float, layer: int) -> tuple[float, float]:
    upper = np.triu_indices(len(goal))
    wanted = goal[upper]
    if not np.all(np.isfinite(moments)) or np.any(moments[_diagonal(len(goal))] <= 0.0):
        raise NumericsError(
            f"E[sigma^2] below layer {layer} is not positive to first order in 1/n: the network is "
            "too narrow for its depth"
        )
    if len(wanted) == 1:
        # <G> = C_b + C_W m
        w, b = (float(wanted[0]) - bias) / float(moments[0]), bias
    else:
        size = sizes(goal)[upper]
        columns = np.stack([moments, np.ones_like(moments)], axis=1) / size[:, None]
        (w, b), _ = nnls(columns, wanted / size)
    if not w > 0.0:
        raise ValueError(
            f"at layer {layer} the kernel wanted needs C_W = 0, all of it from the biases; "
            "take a larger kernel, or a smaller C_b"
        )
    return float(w), float(b)


def _diagonal(size: int) -> Array:
    rows, columns = np.triu_indices(size)
    return np.asarray(rows == columns)
