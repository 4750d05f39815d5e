"""Close pairs of ReLU-like inputs among others: each has a flow of its own, in differences.

What belongs to the pairs aa, ab, bb alone depends on the kernel and on the correlators of the
inputs a and b only. Over (aa, ab, bb) it loses digits as ``eps theta^(3-4P)`` at order P, in
difference coordinates none: so it is taken from there, layer by layer, and what links the two to
other inputs is found from digits that are good.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.averages import pair_index
from nneft.rg.difference import Cumulants, differences
from nneft.rg.expansion import EPS
from nneft.rg.multisets import Places, multisets, rank
from nneft.rg.recursion import Method, states
from nneft.rg.state import LayerState

#: Loss of digits, estimated, from which on pairs are taken in difference coordinates.
LOSS = 1e-12


@dataclass(frozen=True)
class ClosePairs:
    """Flows of close pairs, and which three entries each has among all pairs of inputs."""

    entries: tuple[Places, ...]
    flows: tuple[Iterator[LayerState], ...]

    def replace(self, values: Cumulants, errors: Cumulants) -> None:
        """At the next layer, in place; to be asked layer by layer, from the first one."""
        count = len(values[0])
        for entries, flow in zip(self.entries, self.flows, strict=True):
            state = next(flow)
            for many, two in (
                (values, state.cumulants()),
                (errors, state.cumulants(errors=True)),
            ):
                for k, part in enumerate(two, start=1):
                    many[k - 1][rank(entries[multisets(3, k)], count)] = part


def close_pairs(network: Network, kernels: Array, order: int) -> ClosePairs | None:
    """Pairs that would lose digits at some layer; None if there are none.

    Parameters
    ----------
    kernels : (L, N, N)
        ``K_0`` of all layers.
    """
    index = pair_index(kernels.shape[1])
    entries, flows = [], []
    for a, b in _close(network, kernels, order):
        here = kernels[:, [[a, a], [b, b]], [[a, b], [a, b]]]
        if differences(network, here[0], order) is not None:
            entries.append(np.array([index[a, a], index[a, b], index[b, b]]))
            flows.append(states(network, here, order, Method.SERIES, np.ones((1, 2))))
    return ClosePairs(tuple(entries), tuple(flows)) if flows else None


def with_close_pairs(network: Network, found: list[LayerState]) -> list[LayerState]:
    """States of order 1 with what belongs to close pairs replaced, where it can be had better."""
    pairs = close_pairs(network, np.array([state.K_0 for state in found]), 1)
    if pairs is None:
        return found
    replaced = []
    for state in found:
        values, errors = (
            tuple(v.copy() for v in part)
            for part in (state.cumulants(), state.cumulants(errors=True))
        )
        pairs.replace(values, errors)
        replaced.append(LayerState.of_cumulants(state.layer, values, errors))
    return replaced


def _close(network: Network, kernels: Array, order: int) -> list[tuple[int, int]]:
    activation, (depth, size) = network.activation, kernels.shape[:2]
    if activation.slopes is None or activation.polynomial is not None or depth < 3:
        return []
    own = np.diagonal(kernels[1:], axis1=1, axis2=2)
    largest = np.maximum(own[:, :, None], own[:, None, :])
    safe = np.where(largest > 0.0, largest, 1.0)
    # |phi_a - phi_b|^2 = K_aa + K_bb - 2 K_ab
    apart = own[:, :, None] + own[:, None, :] - 2.0 * kernels[1:]
    distance = np.sqrt(np.min(np.maximum(apart / safe, EPS), axis=0))
    lost = EPS * depth**2 * distance ** (3 - 4 * order)
    return [(a, b) for a, b in combinations(range(size), 2) if lost[a, b] > LOSS]
