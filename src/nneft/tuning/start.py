"""Where tuning starts from if nothing else is said: the critical point of an activation."""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from nneft.activations import Activation
from nneft.criticality import critical_point
from nneft.gaussian.base import Array
from nneft.network import Network


def critical_network(
    activation: str | Activation | Callable[[Any], Any],
    depth: int,
    width: int,
    *,
    correlation: float | None = None,
) -> tuple[Network, Array]:
    """A network at its activation's critical point, and a first kernel to look at it with.

    Parameters
    ----------
    activation
        As of `Network`.
    depth, width
        Number of layers, and the width of each and of the input.
    correlation
        Of two inputs; None for one input.

    Returns
    -------
    network, kernel
        The kernel is K*, or 1 where K* is 0, any or none. Where there is no critical point its best
        compromise is taken.
    """
    found = critical_point(activation)
    C_W, C_b, K = found.C_W, found.C_b, found.kernel
    if found.compromise is not None:
        C_W, C_b, K = found.compromise.C_W, found.compromise.C_b, found.compromise.kernel
    if C_W is None or C_b is None:
        raise ValueError(f"{found.activation} has no critical point: {found.reason}")
    size = K if K and inf > K else 1.0
    network = Network((width,) * (depth + 1), activation, C_W, C_b)
    c = 1.0 if correlation is None else correlation
    kernel = size * np.array([[1.0, c], [c, 1.0]])
    return network, kernel[:1, :1] if correlation is None else kernel
