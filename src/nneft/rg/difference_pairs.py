"""First order in 1/n of close pairs of ReLU-like inputs, among any number of them.

``K_1(ab)`` depends on the kernel and on the correlators of a and b alone, and nothing else depends
on it. In the coordinates (aa, ab, bb) it loses digits as ``eps l^2`` over the distance of the
inputs, and bounds on the correlators' errors grow: so each such pair gets a flow of its own.
"""

from itertools import combinations

import numpy as np

from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.averages import pair_index
from nneft.rg.difference import differences
from nneft.rg.expansion import EPS
from nneft.rg.multisets import Places, multisets, rank
from nneft.rg.recursion import Method, states
from nneft.rg.state import LayerState

#: Loss of digits, estimated, from which on pairs are taken in difference coordinates.
LOSS = 1e-12


def with_close_pairs(network: Network, found: list[LayerState]) -> list[LayerState]:
    """States of order 1 with what belongs to close pairs replaced, where it can be had better."""
    kernel = found[0].K_0
    index = pair_index(len(kernel))
    for a, b in _close(network, found):
        here = kernel[np.ix_([a, b], [a, b])]
        if differences(network, here) is None:
            continue
        alone = states(network, np.array([here]), 1, Method.SERIES, np.ones((1, 2)))
        entries = np.array([index[a, a], index[a, b], index[b, b]])
        found = [_replaced(s, entries, one) for s, one in zip(found, alone, strict=True)]
    return found


def _replaced(state: LayerState, entries: Places, alone: LayerState) -> LayerState:
    """What belongs to the three pairs aa, ab, bb from the flow of two inputs."""
    places = rank(entries[multisets(3, 2)], state.K.shape[1])
    parts = []
    for many, two in ((state.cumulants(), alone.cumulants()), (_errors(state), _errors(alone))):
        K, V = (v.copy() for v in many)
        K[entries[1]], V[places] = two[0][1], two[1]
        parts.append((K, V))
    return LayerState.of_cumulants(state.layer, *parts)


def _errors(state: LayerState) -> tuple[Array, ...]:
    return state.cumulants(errors=True)


def _close(network: Network, found: list[LayerState]) -> list[tuple[int, int]]:
    """Pairs that would lose digits at some layer."""
    if not network.activation.kinks or network.activation.slopes is None or len(found) < 3:
        return []
    size = len(found[0].K_0)
    distance: Array = np.full((size, size), np.inf)
    for state in found[1:]:
        K = state.K_0
        own = np.diag(K)
        largest = np.maximum(own[:, None], own)
        squared = np.maximum(own[:, None] + own - 2.0 * K, EPS * largest)
        safe = np.where(largest > 0.0, largest, 1.0)
        distance = np.where(largest > 0.0, np.minimum(distance, np.sqrt(squared / safe)), distance)
    lost = EPS * len(found) ** 2 / distance
    return [(a, b) for a, b in combinations(range(size), 2) if lost[a, b] > LOSS]
