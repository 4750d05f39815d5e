"""Derivatives of every layer's mean kernel and V_4 by its own constants and those below.

As `nneft.rg.sensitivity`, which holds those of the last layer alone, for a first kernel that is
given: layer 1 has no constants.
"""

from collections.abc import Iterator

import numpy as np

from nneft.gaussian.base import Array
from nneft.rg import series
from nneft.rg.expansion import Cut
from nneft.rg.flow import Flow
from nneft.rg.multisets import number
from nneft.rg.recursion import conditionals, expansions


def every_layer(flow: Flow) -> Iterator[tuple[int, series.Cumulants]]:
    """Each layer 2..L with the changes of its cumulants on distinct inputs.

    For each k: (2 (l - 1), multisets, order + 1), by C_W and C_b of layer 2, of layer 3, ..
    """
    count, order = flow.states[0].K.shape[1], flow.order
    lengths = flow.reduction.scales[0]
    # What C_b = 1 adds to each pair, in the inputs' own lengths.
    bias = (1.0 / lengths[:, None] / lengths)[np.triu_indices(len(lengths))]
    shapes = [(number(count, k), order + 1) for k in range(1, order + 2)]
    carried = tuple(np.zeros((0, *shape)) for shape in shapes)
    kernels = np.stack([state.K_0 for state in flow.states])
    widths = flow.network.widths
    for layer, given in conditionals(expansions(flow.network, kernels, Cut(order, extra=1))):
        ratio = widths[layer - 1] / widths[max(layer - 2, 0)]
        C_W = float(flow.network.C_W[layer - 1])
        below = _in_powers(flow.states[layer - 2].cumulants(), ratio)
        found = series.average(given, below)
        changes = series.derivative(given, found, _in_powers(carried, ratio))
        own = [np.zeros((2, *shape)) for shape in shapes]
        for k, (change, cumulant) in enumerate(zip(own, found.cumulants), start=1):
            # kappa_k(C_b + C_W s) = C_W^k kappa_k(s)
            change[0] = k * C_W ** (k - 1) * cumulant
        own[0][0, :, 0], own[0][1, :, 0] = given.mean, bias
        carried = tuple(
            np.concatenate([C_W**k * v, o]) for k, (v, o) in enumerate(zip(changes, own), start=1)
        )
        yield layer, carried


def _in_powers(values: series.Cumulants, ratio: float) -> series.Cumulants:
    powers: Array = ratio ** np.arange(values[0].shape[-1], dtype=float)
    return tuple(v * powers for v in values)
