"""The O(1/n) shift of C_W and C_b that undoes what finite width does to the mean kernel.

With ``C_W^(l) -> C_W^(l) (1 + c/n_{l-1})``, ``C_b^(l) -> C_b^(l) + d/n_{l-1}`` for l = 2..L,

    <G^(L)> = K_0 + K_1/n_{L-1} + sum_l (c C_W^(l) dK_0/dC_W^(l) + d dK_0/dC_b^(l)) / n_{l-1}

to first order in 1/n: c and d are a linear problem. Scale-invariant networks without biases have
``K_1 = 0`` and need none. With ``K_0 ~ 1/(-a_1 l)`` (K* = 0) ``K_1 -> 1/(3 a_1)``, and ``c -> 2/3``
for every such activation.
"""

import numpy as np

from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.driver import flow
from nneft.tuning.profile import sizes

#: ``K_1`` below this fraction of the kernel is the rounding of zero.
ROUNDING = 1e-13


def shift(network: Network, kernel: Array, by: tuple[str, ...]) -> dict[str, float]:
    """C under "C_W", d under "C_b": least squares over the last layer's kernel entries.

    Raises
    ------
    ValueError
        The last layer's kernel does not depend on the constants.
    """
    found = flow(network, kernel=kernel, order=1)
    changes = found.sensitivity()
    below = np.array(network.widths[:-1], dtype=np.float64)
    upper, size = np.triu_indices(len(kernel)), sizes(found.K()[-1])
    drift = (found.K(1)[-1] / below[-1] / size)[upper]
    if np.max(np.abs(drift)) * below[-1] < ROUNDING:
        return dict.fromkeys(by, 0.0)
    factors = {"C_W": network.C_W, "C_b": np.ones(network.depth)}
    columns = [
        (np.tensordot(factors[name] / below, changes.K(0, by=name), 1) / size)[upper] for name in by
    ]
    solved, _, rank, _ = np.linalg.lstsq(np.stack(columns, axis=1), -drift)
    if rank == 0:
        raise ValueError(
            f"the kernel of layer {network.depth} does not depend on {' and '.join(by)}: "
            "there is nothing to tune"
        )
    return dict(zip(by, solved.tolist()))


def shifted(network: Network, by: dict[str, float]) -> Network:
    """The network with c and d put in, from layer 2 on.

    Raises
    ------
    ValueError
        A variance would be negative.
    """
    below = np.array(network.widths[:-1], dtype=np.float64)
    later = np.arange(network.depth) > 0
    C_W = network.C_W * (1.0 + later * by.get("C_W", 0.0) / below)
    C_b = network.C_b + later * by.get("C_b", 0.0) / below
    for name, values in (("C_W", C_W), ("C_b", C_b)):
        if np.any(values < 0.0):
            raise ValueError(
                f"the shift would make {name} negative at layer {int(np.argmin(values)) + 1}: it "
                'is no small one; take a wider network, or fewer layers, or by="C_W" alone'
            )
    return Network(network.widths, network.activation, C_W, C_b)
